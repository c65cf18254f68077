//! Fetches of commands that were killed, and locks that they leave.

use crate::support::{World, program, until};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

/// Makes every fetch wait for ever while the remote packs what it sends; tells of it in the file
/// `packing`.
fn stall(world: &World) {
    let hook = world.path("stall");
    let script = format!(
        "#!/bin/sh\necho > '{}'\nwhile kill -0 $PPID; do sleep 0.1; done\n",
        world.path("packing").display()
    );
    program(&hook, &script);
    let config = format!("[uploadpack]\n\tpackObjectsHook = {}\n", hook.display());
    fs::write(world.home().join(".gitconfig"), config).expect("writing");
}

/// 4.4: the git of a killed command is known by the lock that it keeps, ended, and the next command
/// fetches for itself.
#[test]
fn a_fetch_that_outlived_its_command_is_ended_by_the_next() {
    let (world, remote) = World::with_pool(1);
    let config = fs::read(world.home().join(".gitconfig")).expect("the config");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    stall(&world);
    let running = world.call("allocate p").spawn();
    until("the remote packs", || {
        world.path("packing").exists().then_some(())
    });
    running.signal(Signal::KILL);
    until("the command is gone", || {
        let free = world.try_hold("fetch.lock");
        free.map(drop)
    });
    assert!(
        world.try_hold("fetching.lock").is_none(),
        "its git lives on"
    );
    fs::write(world.home().join(".gitconfig"), config).expect("writing");
    let out = world.pool("allocate p");
    out.ok().says("a fetch of a killed command is ended");
    assert_eq!(world.head(&out.path()), pushed);
    assert!(out.took < Duration::from_secs(60), "{out}");
    drop(world.hold("fetching.lock"));
    world.pool("release p/slot1").ok();
    world.pool("recover").ok();
    world.pool("recover --dry-run").ok();
    world.assert_sound("p");
}

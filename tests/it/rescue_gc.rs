//! A gc beside a save takes nothing of it.

use crate::support::{World, program};
use std::fs;

/// Section 6: the worst gc at the worst moments, after every single git command of a release.
#[test]
fn a_gc_after_every_step_of_a_release_takes_nothing() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    world.commit(&dir, "one.txt", "reset away\n");
    world.git(&dir, "reset -q --hard HEAD~");
    world.commit(&dir, "two.txt", "committed\n");
    fs::write(dir.join("README.md"), "staged\n").expect("writing");
    world.git(&dir, "add README.md");
    fs::write(dir.join("README.md"), "unstaged\n").expect("writing");
    fs::write(dir.join("new.txt"), "untracked\n").expect("writing");
    // This content is in the repository already, and nothing refers to it.
    fs::write(dir.join("stray.txt"), "there already\n").expect("writing");
    world.git(&dir, "hash-object -w stray.txt");
    let before = world.work(&dir);

    let real = world.sh("command -v git").stdout.trim().to_owned();
    let bin = world.path("bin");
    fs::create_dir(&bin).expect("a directory");
    let ran = world.path("gc-ran");
    let script = format!(
        "#!/bin/sh\n'{real}' \"$@\"\ncode=$?\n\
         env -u GIT_INDEX_FILE -u GIT_DIR -u GIT_WORK_TREE '{real}' --git-dir='{}' gc --prune=now --quiet \
         </dev/null >/dev/null 2>&1 && echo >> '{}'\nexit $code\n",
        world.bare("p").display(),
        ran.display()
    );
    program(&bin.join("git"), &script);
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").expect("a PATH")
    );
    let out = world.call("release p/slot1 --json").env("PATH", path).run();
    out.ok();
    let runs = fs::read_to_string(&ran).expect("a gc ran").lines().count();
    assert!(runs > 5, "{runs} runs of gc");

    let id = out.json()["rescue"]["rescue_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.pool("allocate p --no-fetch").ok();
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    assert_eq!(world.work(&dir), before);
    assert!(world.is_rescued("p", "reset away\n"));
    world.git(&world.bare("p"), "fsck --no-dangling");
    world.assert_sound("p");
}

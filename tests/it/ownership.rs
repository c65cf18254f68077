//! Owners: who is one, when one counts as dead, and that a live one is never robbed.

use crate::support::{World, kill_on_drop, until};
use rustix::process::Signal;
use std::fs;

/// What `recover` finds of this kind.
fn findings(world: &World, args: &str, kind: &str) -> Vec<serde_json::Value> {
    let out = world.pool(format!("recover p --json {args}"));
    out.one_of(&[0, 1]);
    let all = out.json()["findings"].as_array().expect("findings").clone();
    all.into_iter().filter(|f| f["kind"] == kind).collect()
}

/// 4.4: a named owner is recorded so that it can be told from a later process of the same id.
#[test]
fn the_named_owner_is_recorded() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let slot = world.allocate(&format!("p --owner job --owner-pid {}", owner.pid()));
    assert_eq!(slot["owner"]["pid"], owner.pid(), "{slot}");
    assert!(slot["owner"].to_string().contains("job"), "{slot}");
}

/// 4.4: an owner that is no process is refused when it is named.
#[test]
fn an_owner_that_does_not_live_is_refused() {
    let (world, _remote) = World::with_pool(1);
    for pid in ["0", "-1", "x", "99999999999"] {
        world
            .pool(["allocate", "p", &format!("--owner-pid={pid}")])
            .code(2)
            .silent();
    }
    let gone = world.helper(&world.path(""), "");
    let pid = gone.pid();
    gone.end();
    world
        .pool(format!("allocate p --owner-pid {pid}"))
        .one_of(&[1, 2])
        .silent();
    assert_eq!(world.state("p/slot1"), "available");
}

/// 4.4: a dead owner is found, its work saved and its slot resolved; a zombie is dead.
#[test]
fn a_dead_owners_slot_comes_back_with_its_work_saved() {
    let (world, _remote) = World::with_pool(2);
    let ended = world.helper(&world.path(""), "");
    let zombie = world.helper(&world.path(""), "");
    for (owner, work) in [(&ended, "of the ended\n"), (&zombie, "of the zombie\n")] {
        let out = world.pool(format!("allocate p --owner-pid {}", owner.pid()));
        fs::write(out.ok().path().join("work.txt"), work).expect("writing");
    }
    assert!(findings(&world, "--dry-run", "dead_owner").is_empty());
    ended.end();
    zombie.leave_a_zombie();
    assert_eq!(findings(&world, "--dry-run", "dead_owner").len(), 2);
    let args = "--release-stale --max-age 1ms --only dead_owner";
    assert_eq!(findings(&world, args, "dead_owner").len(), 2);
    assert_eq!(world.status("p")["summary"]["available_slots"], 2);
    assert!(world.is_rescued("p", "of the ended\n"));
    assert!(world.is_rescued("p", "of the zombie\n"));
    world.assert_sound("p");
}

/// 4.4: a live owner keeps its slot, however old the allocation is.
#[test]
fn a_live_owner_is_never_robbed() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let slot = world.allocate(&format!("p --owner-pid {}", owner.pid()));
    let dir = world.slot_dir("slot1");
    fs::write(dir.join("work.txt"), "in use\n").expect("writing");
    for args in [
        "recover",
        "recover --max-age 1ms",
        "recover p --max-age 1ms --release-stale",
    ] {
        world.pool(args).one_of(&[0, 1]);
        let now = world.slot("p/slot1");
        assert_eq!(now["state"], "allocated", "{args}");
        assert_eq!(now["allocation_id"], slot["allocation_id"], "{args}");
        assert!(dir.join("work.txt").exists(), "{args}");
    }
}

/// 4.4: nor is a slot taken while a process is inside, though its owner is dead.
#[test]
fn a_slot_with_a_process_inside_is_not_taken_from_a_dead_owner() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    world.allocate(&format!("p --owner-pid {}", owner.pid()));
    let inside = world.helper(&world.slot_dir("slot1"), "");
    owner.end();
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(world.state("p/slot1"), "allocated");
    inside.end();
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(world.state("p/slot1"), "available");
}

/// 4.4: an `exec` that was killed holds its slot no longer once its command is gone too.
#[test]
fn the_slot_of_a_killed_exec_comes_back() {
    let (world, _remote) = World::with_pool(1);
    let args = [
        "exec",
        "p",
        "--",
        "sh",
        "-c",
        "echo kept > work.txt; echo $$; exec sleep 600",
    ];
    let running = world.call(args).spawn();
    let pid: u32 = running.line().parse().expect("a pid");
    let command = kill_on_drop(pid);
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(world.state("p/slot1"), "allocated", "it was alive");
    running.signal(Signal::KILL);
    drop(command);
    running.finish().code(137);
    until("the command is gone", || {
        (!crate::support::alive(pid)).then_some(())
    });
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(world.state("p/slot1"), "available");
    assert!(world.is_rescued("p", "kept\n"));
}

/// 9.3: what is allocated for too long is reported, and only released when that is asked for.
#[test]
fn a_stale_allocation_is_reported_and_kept() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.sh("$REPO_POOL allocate p").ok().path();
    fs::write(dir.join("work.txt"), "forgotten\n").expect("writing");
    assert!(
        findings(&world, "", "stale_allocation").is_empty(),
        "24 h are the default"
    );
    let found = findings(&world, "--max-age 1ms", "stale_allocation");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["slot_id"], "workspace-p-slot1");
    assert_eq!(found[0]["action"], "report");
    assert_eq!(found[0]["result"], "reported");
    assert_eq!(world.state("p/slot1"), "allocated");
    let found = findings(&world, "--max-age 1ms --release-stale", "stale_allocation");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(world.state("p/slot1"), "available");
    assert!(world.is_rescued("p", "forgotten\n"));
}

/// 9.3: the age comes from the settings too.
#[test]
fn the_age_of_a_stale_allocation_can_be_set() {
    let (world, _remote) = World::with_pool(1);
    world.sh("$REPO_POOL allocate p").ok();
    until("it is older than a millisecond", || {
        let call = world
            .call("recover p --json")
            .env("REPO_POOL_STALE_AFTER", "1ms");
        let doc = call.run().json();
        let kinds = doc["findings"].to_string();
        kinds.contains("stale_allocation").then_some(())
    });
    let call = world
        .call("status p --check")
        .env("REPO_POOL_STALE_AFTER", "1ms");
    call.run().code(1);
}

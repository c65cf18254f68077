//! Owners: who is one, when one counts as dead, and that a live one is never robbed.

use crate::support::{World, in_time, kill_on_drop, until};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

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
pub fn a_dead_owners_slot_comes_back_with_its_work_saved() {
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
    world.grow_silent("slot1", 20);
    world.grow_silent("slot2", 20);
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
    world.grow_silent("slot1", 20);
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

/// 4.4: an owner that has just been named is not robbed for having ended: who named the wrong
/// process hears of it first.
#[test]
fn a_dead_owner_keeps_its_slot_for_a_grace_period() {
    let grace = Duration::from_secs(9);
    let (world, _remote, found, slot, out) = in_time(grace, || {
        let (world, remote) = World::with_pool(1);
        let owner = world.helper(&world.path(""), "");
        world.allocate(&format!("p --owner-pid {}", owner.pid()));
        owner.end();
        let found = findings(&world, "", "dead_owner");
        let slot = world.slot("p/slot1");
        let out = world.pool("allocate p");
        (world, remote, found, slot, out)
    });
    assert_eq!(found[0]["result"], "reported", "{found:?}");
    assert_eq!(slot["state"], "allocated");
    assert_eq!(slot["owner"]["liveness"], "dead");
    assert_eq!(slot["reclaim"]["verdict"], "not_yet", "{slot}");
    assert!(slot["reclaim"]["after_seconds"].as_f64() <= Some(10.0));
    out.code(4).says("its holder is gone");
    out.says("free it: repo-pool release workspace-p-slot1");
    world.grow_silent("slot1", 20);
    assert_eq!(world.slot("p/slot1")["reclaim"]["verdict"], "reclaimable");
    let next = world.allocate("p");
    assert_eq!(next["slot_id"], "workspace-p-slot1");
    let log = world.events("p", "reclaimed");
    assert_eq!(log[0]["detail"], "its holder is gone", "{log:?}");
}

/// 4.4: an owner of an earlier boot is dead, whatever the clocks say.
#[test]
fn an_owner_of_an_earlier_boot_is_dead() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    world.allocate(&format!("p --owner-pid {}", owner.pid()));
    world.edit_allocation("slot1", |allocation| {
        allocation["owner"]["boot_id"] = "an earlier boot".into();
        allocation["began"]["boot_id"] = "an earlier boot".into();
        allocation["allocated_at"] = "2099-01-01T00:00:00Z".into();
    });
    let found = findings(&world, "", "dead_owner");
    assert_eq!(found[0]["result"], "done", "{found:?}");
    assert_eq!(world.state("p/slot1"), "available");
}

/// 4.4: an owner that can't be seen from here is never robbed, and only an operator gets past it.
#[test]
fn an_owner_elsewhere_is_not_judged() {
    let elsewhere: [fn(&mut serde_json::Value); 2] = [
        |owner| owner["pid_namespace"] = 1.into(),
        |owner| {
            owner["host"] = "another".into();
            owner["boot_id"] = "another's".into();
        },
    ];
    for change in elsewhere {
        let (world, _remote) = World::with_pool(1);
        let owner = world.helper(&world.path(""), "");
        let script = format!("$REPO_POOL allocate p --owner-pid {}", owner.pid());
        world.sh(&script).ok();
        owner.end();
        world.grow_silent("slot1", 20);
        world.edit_allocation("slot1", |allocation| change(&mut allocation["owner"]));
        assert_eq!(world.slot("p/slot1")["owner"]["liveness"], "unknown");
        world.pool("allocate p").code(4).says("--force");
        let stale = "recover p --release-stale --max-age 1ms";
        world.pool(stale).one_of(&[0, 1]);
        world.pool("release p/slot1").code(6).says("can't be told");
        assert_eq!(world.state("p/slot1"), "allocated");
        world.pool("release p/slot1 --force").ok();
        assert_eq!(world.events("p", "forced").len(), 1);
    }
}

/// 4.4: what is only old is not released past a caller that lives, though that is asked for.
#[test]
fn a_stale_allocation_of_a_live_caller_is_kept() {
    let (world, _remote) = World::with_pool(1);
    let holder = world.helper(&world.path(""), "$REPO_POOL allocate p >/dev/null");
    let args = "--max-age 1ms --release-stale";
    let found = findings(&world, args, "stale_allocation");
    assert_eq!(found[0]["result"], "reported", "{found:?}");
    assert_eq!(world.state("p/slot1"), "allocated");
    holder.end();
    let found = findings(&world, args, "stale_allocation");
    assert_eq!(found[0]["result"], "done", "{found:?}");
    assert_eq!(world.state("p/slot1"), "available");
}

/// 4.4: a clock that jumps makes nothing old.
#[test]
fn a_wall_clock_that_jumps_makes_nothing_stale() {
    let (world, _remote) = World::with_pool(1);
    world.sh("$REPO_POOL allocate p").ok();
    world.edit_allocation("slot1", |allocation| {
        allocation["allocated_at"] = "2001-01-01T00:00:00Z".into();
    });
    let args = "--max-age 24h --release-stale";
    assert!(findings(&world, args, "stale_allocation").is_empty());
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// The start of a command that runs the rest in a pid namespace of its own, if that is allowed here.
fn namespace(world: &World) -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [
        &["--fork", "--pid", "--mount-proc"],
        &[
            "--user",
            "--map-current-user",
            "--fork",
            "--pid",
            "--mount-proc",
        ],
    ];
    let works = |way: &&&[&str]| {
        let mut command = world.command("unshare");
        command.args(**way).arg("true");
        command.output().is_ok_and(|out| out.status.success())
    };
    ways.iter().find(works).copied()
}

/// 4.4: an `exec` that lives in another pid namespace (another container) is seen by its lock.
#[test]
fn an_exec_is_alive_also_where_its_process_is_not_seen() {
    let (world, _remote) = World::with_pool(1);
    let Some(way) = namespace(&world) else {
        // Not a matter of the program: nobody may make namespaces here.
        return;
    };
    let running = world
        .call([
            "exec",
            "p",
            "--",
            "sh",
            "-c",
            "cd /; echo $$; exec sleep 600",
        ])
        .spawn();
    let _command = kill_on_drop(running.line().parse().expect("a pid"));
    let elsewhere = |args: &str| {
        let mut command = world.command("unshare");
        command.args(way).arg(env!("CARGO_BIN_EXE_repo-pool"));
        command.args(args.split(' '));
        crate::support::Call::new(command).run()
    };
    let status = elsewhere("status p/slot1 --json").ok().json();
    assert_eq!(status["slot"]["owner"]["liveness"], "alive", "{status}");
    for args in ["recover p", "recover p --release-stale --max-age 1ms"] {
        elsewhere(args).one_of(&[0, 1]);
    }
    elsewhere("allocate p").code(4);
    elsewhere("release p/slot1").code(6);
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// 4.4: the lock of a holder that gave its slot back and lives on does not stand for the next one.
#[test]
fn an_exec_after_one_that_released_early_is_told_by_its_process() {
    let (world, _remote) = World::with_pool(1);
    let script = "cd /; $REPO_POOL release >&2 && echo released && exec sleep 600";
    let first = world.call(["exec", "p", "--", "sh", "-c", script]).spawn();
    assert_eq!(first.line(), "released");
    let second = world
        .call([
            "exec",
            "p",
            "--",
            "sh",
            "-c",
            "cd /; echo $$; exec sleep 600",
        ])
        .spawn();
    let command = kill_on_drop(second.line().parse().expect("a pid"));
    let slot = world.slot("p/slot1");
    assert_eq!(slot["owner"]["pid"], second.pid(), "{slot}");
    assert_eq!(slot["owner"]["liveness"], "alive");
    second.signal(Signal::KILL);
    drop(command);
    second.finish().code(137);
    world.grow_silent("slot1", 20);
    until("it is taken back", || {
        world.pool("recover p").one_of(&[0, 1]);
        (world.state("p/slot1") == "available").then_some(())
    });
    first.signal(Signal::TERM);
    first.finish().one_of(&[143]);
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

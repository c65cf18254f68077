//! `--wait`: who waits for a slot gets one in turn, and nobody is held up by who is gone.

use crate::support::{Running, World, until};
use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::path::Path;

const WAITERS: usize = 50;

/// A waiter that needs nothing but a slot.
const WAIT: &str = "allocate p --no-fetch --wait 10m";

#[track_caller]
fn release(world: &World, slot: &Path) {
    world.pool(["release", &slot.display().to_string()]).ok();
}

/// Takes a waiter out of the crowd by its process.
#[track_caller]
fn by_pid(crowd: &mut Vec<Running>, pid: u32) -> Running {
    let at = crowd.iter().position(|waiter| waiter.pid() == pid);
    crowd.remove(at.expect("one of the waiters"))
}

/// 4.2: first come, first served, over processes.
#[test]
fn fifty_waiters_on_two_slots_are_served_in_order() {
    let (world, _remote) = World::with_pool(2);
    let slots = [(); 2].map(|()| world.pool("allocate p").ok().path());
    let mut crowd: Vec<Running> = (0..WAITERS).map(|_| world.call(WAIT).spawn()).collect();
    let line = until("all stand in line", || {
        Some(world.line()).filter(|line| line.len() == WAITERS)
    });
    for (served, pid) in line.iter().enumerate() {
        assert_eq!(world.line(), line[served..], "only who was served has left");
        let slot = &slots[served % 2];
        release(&world, slot);
        let out = by_pid(&mut crowd, *pid).finish();
        assert_eq!(out.ok().path(), *slot);
        out.says("waiting up to 10m for a slot of pool p");
    }
    assert!(world.line().is_empty());
    assert_eq!(world.events("p", "allocated").len(), WAITERS + 2);
    world.assert_sound("p");
}

/// 4.2: two slots that are given back at once go to the first two.
#[test]
fn two_free_slots_go_to_the_first_two() {
    let (world, _remote) = World::with_pool(2);
    for _ in 0..2 {
        world.pool("allocate p").ok();
    }
    let mut crowd: Vec<Running> = (0..8).map(|_| world.waiter(WAIT)).collect();
    while !crowd.is_empty() {
        let line = world.line();
        assert_eq!(line.len(), crowd.len());
        world.pool("release p/slot1 p/slot2 --jobs 2").ok();
        let served: BTreeSet<_> = line[..2]
            .iter()
            .map(|pid| by_pid(&mut crowd, *pid).finish().ok().path())
            .collect();
        assert_eq!(served.len(), 2);
        assert_eq!(world.line(), line[2..]);
    }
}

/// 4.4: a ticket counts as long as its process lives.
#[test]
fn waiters_that_are_killed_are_passed_over() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.pool("allocate p").ok().path();
    let mut crowd: Vec<Running> = (0..9).map(|_| world.waiter(WAIT)).collect();
    // The first, two next to each other, and the last.
    for (at, signal) in [
        (0, Signal::KILL),
        (3, Signal::TERM),
        (4, Signal::KILL),
        (5, Signal::INT),
        (8, Signal::HUP),
    ] {
        let victim = &crowd[at];
        victim.signal(signal);
    }
    for at in [8, 5, 4, 3, 0] {
        let out = crowd.remove(at).finish();
        out.one_of(&[137, 143, 130, 129]).silent();
    }
    for waiter in crowd {
        release(&world, &slot);
        assert_eq!(waiter.finish().ok().path(), slot);
    }
    assert!(world.line().is_empty(), "dead tickets are cleared away");
    world.pool("recover p --dry-run").ok();
    let failed = world.status("p")["summary"]["failed_allocations"].clone();
    assert_eq!(failed, 0, "who gave up did not fail");
}

/// 9.4: `recover` clears away what killed waiters have left, and nothing of those who live.
#[test]
fn recover_clears_away_who_was_killed_in_line() {
    let (world, _remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    let alive = world.waiter(WAIT);
    let killed = world.waiter(WAIT);
    killed.signal(Signal::KILL);
    killed.finish().code(137);
    assert_eq!(world.line().len(), 2);
    let found = world.pool("recover p --dry-run");
    found.code(1);
    assert!(found.stdout.contains("of a waiter that is gone"), "{found}");
    assert_eq!(world.line().len(), 2);
    world.pool("recover p").ok();
    assert_eq!(world.line(), [alive.pid()]);
    world.pool("recover p --dry-run").ok();
}

/// 5.2: who waits for a slot is shown with the pool.
#[test]
fn the_line_is_shown() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.pool("allocate p").ok().path();
    let started = Timestamp::now();
    let first = world.waiter(WAIT);
    let second = world.waiter(WAIT);
    let line = world.status("p")["waiting"].clone();
    assert_eq!(line["count"], 2, "{line}");
    let since: Timestamp = line["since"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("one");
    // The two are told by different clocks.
    assert!(since > started - SignedDuration::from_secs(1), "{line}");
    let told = world.pool("status p").ok().stdout.clone();
    assert!(told.contains("2 wait for a slot, the first for "), "{told}");
    for waiter in [first, second] {
        release(&world, &slot);
        waiter.finish().ok();
    }
    assert_eq!(world.status("p").get("waiting"), None);
}

/// 4.2: a signal ends a wait cleanly: its own code, no ticket, no slot.
#[test]
fn a_signal_ends_a_wait() {
    let (world, _remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        for line in [WAIT, "exec p --no-fetch --wait 10m -- true"] {
            let waiter = world.waiter(line);
            waiter.signal(signal);
            waiter.finish().code(code).silent().says("interrupted");
            assert!(world.line().is_empty());
        }
    }
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok();
}

/// 4.2: a wait that runs out ends with the code of exhaustion, and its explanation.
#[test]
fn a_wait_that_runs_out_explains_itself() {
    let (world, _remote) = World::with_pool(1);
    world.pool("allocate p --owner nightly").ok();
    let out = world.pool("allocate p --wait 2s");
    out.code(4).silent();
    out.says("waiting up to 2s for a slot of pool p: slot1 is held by nightly");
    out.says("no slot of pool p became available within 2 s");
    out.says("repo-pool release workspace-p-slot1");
    assert!(world.line().is_empty());
    let out = world.pool("allocate p --wait 200ms --json");
    out.code(4).silent().kind("no_available_slot");
    world.pool("exec p --wait 200ms -- true").code(125).silent();
    let out = world.pool("allocate p --wait 0");
    out.code(4).never_says("waiting").never_says("became");
    out.says("--wait 10m");
    world.pool("allocate p --wait soon").code(2);
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// 4.2: who finds a free slot does not wait, and says nothing about it.
#[test]
fn nobody_waits_for_what_is_there() {
    let (world, _remote) = World::with_pool(1);
    let out = world.pool(WAIT);
    out.ok().never_says("waiting").path();
    assert!(!world.pool_dir("p").join("queue").exists());
}

/// 4.2: newcomers, waiting or not, do not overtake; but who finds more free slots than others wait
/// for gets one.
#[test]
fn newcomers_do_not_overtake() {
    let (world, _remote) = World::with_pool(2);
    let first = world.stand_in_line();
    world.pool("allocate p").ok().path();
    let out = world.pool("allocate p");
    out.code(4)
        .silent()
        .says("others have waited")
        .says("--wait");
    world.pool("exec p -- true").code(125);
    let out = world.pool("allocate p --wait 2s");
    out.code(4).says("behind one other");
    let waiter = world.waiter(WAIT);
    let grown = world.pool("allocate p --grow").ok().path();
    assert_eq!(grown, world.slot_dir("slot3"), "a new slot is nobody's");
    assert_eq!(world.line().len(), 2);
    drop(first);
    let second = waiter.finish().ok().path();
    assert_ne!(second, grown);
    assert!(world.line().is_empty());
}

/// 4.4: who is stopped by hand holds nobody up, and has its turn when it goes on.
#[test]
fn a_stopped_waiter_holds_nobody_up() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.pool("allocate p").ok().path();
    let stopped = world.waiter(WAIT);
    let next = world.waiter(WAIT);
    let last = world.waiter(WAIT);
    stopped.signal(Signal::STOP);
    until("it is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", stopped.pid())).ok()?;
        stat.contains(") T ").then_some(())
    });
    release(&world, &slot);
    next.finish().ok();
    stopped.signal(Signal::CONT);
    release(&world, &slot);
    stopped.finish().ok();
    assert_eq!(world.line(), [last.pid()]);
    release(&world, &slot);
    last.finish().ok();
}

/// 4.2, 7.1: `--grow` comes before waiting.
#[test]
fn a_pool_grows_before_anybody_waits() {
    let (world, _remote) = World::with_pool(1);
    world.declare("[defaults]\nmax_slots = 2\n");
    world.pool("allocate p").ok();
    let grow = "allocate p --grow --no-fetch --wait 10m";
    let second = world.pool(grow);
    assert_eq!(second.ok().path(), world.slot_dir("slot2"));
    second.never_says("waiting");
    let third = world.waiter(grow);
    let fourth = world.waiter(grow);
    // Room for another slot is as good as a free one.
    world.pool("remove-slot p/slot1 --force").ok();
    assert_eq!(third.finish().ok().path(), world.slot_dir("slot1"));
    world.pool("release p/slot2").ok();
    assert_eq!(fourth.finish().ok().path(), world.slot_dir("slot2"));
    assert_eq!(world.slots("p").len(), 2);
}

/// 6.1: that a branch is checked out elsewhere is no matter of waiting.
#[test]
fn a_branch_that_is_held_is_not_waited_for() {
    let (world, _remote) = World::with_pool(2);
    world.pool("allocate p --branch mine").ok();
    world.pool("allocate p").ok();
    let out = world.pool("allocate p --branch mine --wait 10m");
    out.code(1).silent().says("slot1").never_says("waiting");
    assert!(world.line().is_empty());
    // Also if it is taken while this waits for a slot.
    let waiter = world.waiter("allocate p --branch late --wait 10m");
    world.git(&world.slot_dir("slot1"), "checkout -q -b late");
    world.pool("release p/slot2").ok();
    waiter.finish().code(1).silent().says("late").says("slot1");
    assert_eq!(world.state("p/slot2"), "available");
}

/// 3.1, 6.1: what was waited for is as new as what was not, and on the branch that was asked for.
#[test]
fn a_slot_that_was_waited_for_is_at_the_newest_commit() {
    let (world, remote) = World::with_pool(1);
    for line in ["allocate p --wait 10m", "allocate p --branch b --wait 10m"] {
        let slot = world.pool("allocate p").ok().path();
        let waiter = world.waiter(line);
        let late = world.push_commit(&remote, "late.txt", line);
        std::fs::write(slot.join("left.txt"), "left").expect("writing");
        world.pool("release p/slot1 --no-cleanup").ok();
        let got = waiter.finish().ok().path();
        world.assert_holds(&got, &remote, &late);
        release(&world, &got);
    }
    let branches = world.git(&world.bare("p"), "branch --list b");
    assert_eq!(branches.trim(), "b");
}

/// 2.2: `exec` waits as well, and gives its slot to the next one.
#[test]
fn exec_waits_in_line() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.pool("allocate p").ok().path();
    let line = "exec p --no-fetch --wait 10m -- pwd";
    let jobs: Vec<Running> = (0..4).map(|_| world.waiter(line)).collect();
    release(&world, &slot);
    for job in jobs {
        let out = job.finish();
        assert_eq!(out.ok().stdout.trim(), slot.display().to_string());
    }
    assert_eq!(world.state("p/slot1"), "available");
}

/// 10.5: how long all slots are taken is not how long a slot takes.
#[test]
fn the_time_in_line_is_not_the_time_of_an_allocation() {
    let (world, _remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    let start = std::time::Instant::now();
    let waiter = world.waiter(WAIT);
    let waiting = std::time::Instant::now();
    // An observation of some length, whatever happens in it.
    while waiting.elapsed() < std::time::Duration::from_millis(500) {
        world.pool("status p").ok();
    }
    let waited = waiting.elapsed();
    world.pool("release p/slot1").ok();
    waiter.finish().ok();
    let most = start.elapsed() - waited;
    let events = world.events("p", "allocated");
    let last = events.last().expect("an event")["duration_seconds"].as_f64();
    assert!(last.expect("a duration") <= most.as_secs_f64(), "{last:?}");
}

/// 7.5: a pool that is removed has no slot to wait for.
#[test]
fn a_wait_ends_with_its_pool() {
    let (world, _remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    let waiters = [world.waiter(WAIT), world.waiter(WAIT)];
    world.pool("remove-pool p --force").ok();
    for waiter in waiters {
        waiter.finish().code(7).silent();
    }
    assert!(!world.pool_dir("p").exists());
}

/// 4.4: what lies in the way of the line stops nobody but who would follow it out of the workspace.
#[test]
fn a_queue_that_leads_elsewhere_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a directory");
    let queue = world.pool_dir("p").join("queue");
    std::os::unix::fs::symlink(&elsewhere, &queue).expect("a link");
    world.pool(WAIT).code(1).says("queue");
    std::fs::remove_file(&queue).expect("removing");
    std::fs::create_dir(&queue).expect("a directory");
    for name in ["x", "1-2-3", "00000000000000000001-1-1-1"] {
        std::fs::write(queue.join(name), "").expect("writing");
    }
    world.pool("allocate p").ok();
    assert_eq!(std::fs::read_dir(&elsewhere).expect("it").count(), 0);
}

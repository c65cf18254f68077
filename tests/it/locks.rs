//! Locks: what a busy one does, and that they exclude double allocation.

use crate::support::{World, until};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;

/// 4.3: a busy lock ends the command with its own code, naming the holder and the setting.
#[test]
fn a_busy_pool_lock_ends_in_a_timeout_that_names_its_holder() {
    let (world, _remote) = World::with_pool(1);
    let held = world.hold("pool.lock");
    let out = world.pool("allocate p --lock-timeout 300ms");
    out.code(3).silent();
    out.says(std::process::id().to_string())
        .says("lock")
        .says("timeout")
        .says("p");
    assert!(out.took >= Duration::from_millis(300), "{out}");
    assert!(out.took < Duration::from_secs(20), "{out}");
    let out = world.pool("allocate p --lock-timeout 300ms --json");
    out.code(3).silent().kind("lock_timeout");
    world
        .pool("exec p --lock-timeout 300ms -- true")
        .code(125)
        .silent();
    drop(held);
    world.pool("allocate p --lock-timeout 5s").ok().path();
}

/// 4.3: the time-out comes from the environment and the file too.
#[test]
fn the_lock_timeout_can_be_set_everywhere() {
    let (world, _remote) = World::with_pool(1);
    let _held = world.hold("pool.lock");
    let out = world
        .call("allocate p")
        .env("REPO_POOL_LOCK_TIMEOUT", "200ms")
        .run();
    out.code(3);
    assert!(out.took < Duration::from_secs(20), "{out}");
    world.pool("init").ok();
    let file = world.workspace().join("pools.toml");
    std::fs::write(file, "[defaults]\nlock_timeout = 1\n").expect("writing");
    let out = world.pool("allocate p");
    out.code(3);
    assert!(out.took < Duration::from_secs(20), "{out}");
}

/// 4.1: a lock that becomes free in time is waited for.
#[test]
fn a_lock_that_becomes_free_is_waited_for() {
    let (world, _remote) = World::with_pool(1);
    let held = world.hold("pool.lock");
    let running = world.call("allocate p --lock-timeout 60s").spawn();
    let descriptors = format!("/proc/{}/fd", running.pid());
    until("it waits for the lock", || {
        let Ok(open) = std::fs::read_dir(&descriptors) else {
            return Some(()); // it has ended, which is seen below
        };
        let mut targets = open.flatten().filter_map(|fd| fd.path().read_link().ok());
        targets
            .any(|path| path.ends_with("locks/pool.lock"))
            .then_some(())
    });
    drop(held);
    running.finish().ok().path();
}

/// 4.3: the same for the lock of a slot.
#[test]
fn a_busy_slot_lock_ends_in_a_timeout() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let held = world.hold("slot1.lock");
    let out = world.pool("release p/slot1 --lock-timeout 300ms");
    out.code(3).silent().says(std::process::id().to_string());
    assert_eq!(world.state("p/slot1"), "allocated");
    drop(held);
    world.pool("release p/slot1").ok();
}

/// 4.2: a slot whose lock is busy is passed over for another.
#[test]
fn allocate_takes_another_slot_when_one_is_busy() {
    let (world, _remote) = World::with_pool(2);
    let _held = world.hold("slot1.lock");
    let dir = world.pool("allocate p --lock-timeout 2s").ok().path();
    assert_eq!(dir, world.slot_dir("slot2"));
}

/// 4.5: reading needs no lock and tells which are held.
#[test]
fn status_needs_no_lock_and_shows_them() {
    let (world, _remote) = World::with_pool(2);
    let _pool = world.hold("pool.lock");
    let _slot = world.hold("slot2.lock");
    assert_eq!(world.slot("p/slot1")["is_locked"], false);
    assert_eq!(world.slot("p/slot2")["is_locked"], true);
    for view in [
        "status",
        "status p",
        "list",
        "log p",
        "branches p",
        "config show",
    ] {
        let out = world.pool(format!("{view} --lock-timeout 100ms"));
        out.ok();
    }
}

/// 4.4: a lock file that nobody holds is no lock, however old; none is ever deleted by use.
#[test]
fn a_lock_file_left_behind_locks_nothing() {
    let (world, _remote) = World::with_pool(1);
    drop(world.hold("pool.lock"));
    drop(world.hold("slot1.lock"));
    world.pool("allocate p --lock-timeout 1s").ok();
    world.pool("release p/slot1 --lock-timeout 1s").ok();
    assert!(world.pool_dir("p").join("locks/pool.lock").exists());
}

/// 4.1, 2.2: 32 processes on 32 slots at once, 20 rounds: every slot once, no error.
#[test]
fn thirty_two_processes_get_thirty_two_slots() {
    const MANY: usize = 32;
    let (world, remote) = World::with_pool(MANY as u32);
    let all: Vec<String> = (1..=MANY).map(|n| format!("p/slot{n}")).collect();
    for round in 0..20 {
        let fetch = if round % 5 == 0 {
            "--fetch-max-age 0s"
        } else {
            "--no-fetch"
        };
        if round == 10 {
            world.push_commit(&remote, "late.txt", "late");
        }
        let barrier = Barrier::new(MANY);
        let given: BTreeSet<String> = std::thread::scope(|scope| {
            let run = || {
                barrier.wait();
                let out = world.pool(format!("allocate p {fetch} --lock-timeout 60s"));
                out.ok().path().display().to_string()
            };
            let threads: Vec<_> = (0..MANY).map(|_| scope.spawn(run)).collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("an allocation"))
                .collect()
        });
        assert_eq!(given.len(), MANY, "round {round}");
        assert_eq!(world.status("p")["summary"]["allocated_slots"], MANY);
        world.pool(format!("release {}", all.join(" "))).ok();
    }
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["total_allocations"], 20 * MANY, "{summary}");
    world.assert_sound("p");
}

/// 4.1: more callers than slots: so many are served, the others are told that none is left.
#[test]
fn more_callers_than_slots_are_told_so() {
    let (world, _remote) = World::with_pool(3);
    let barrier = Barrier::new(10);
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let run = || {
            barrier.wait();
            world.pool("allocate p --no-fetch").one_of(&[0, 4]).code
        };
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("a run"))
            .collect()
    });
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 3, "{codes:?}");
    assert_eq!(world.status("p")["summary"]["allocated_slots"], 3);
}

/// 3.1: one fetch at a time, and nobody gets an error or an older commit for it.
#[test]
fn concurrent_allocations_share_fetches_and_all_see_the_push() {
    let (world, remote) = World::with_pool(8);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let dir = world.pool("allocate p").ok().path();
                assert_eq!(world.head(&dir), pushed);
            });
        }
    });
    world.assert_sound("p");
}

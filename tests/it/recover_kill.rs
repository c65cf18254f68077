//! Commands killed at random points: recovery finds everything, and nothing is lost or invented.
//!
//! The seed is printed; `REPO_POOL_TEST_SEED` sets it.

use crate::support::{Out, Random, World, until};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

/// Starts a command and kills it after a random part of the time it needs.
#[track_caller]
fn crash(world: &World, args: &str, needs: Duration, random: &mut Random) -> Out {
    let running = world.call(args).spawn();
    std::thread::sleep(random.up_to(needs));
    running.signal(Signal::KILL);
    running.finish()
}

/// Recovers until nothing is left to find; children of the killed command may end meanwhile.
#[track_caller]
fn settle(world: &World) {
    until("recover finds nothing more", || {
        let out = world.pool("recover");
        let left = world.pool("recover --dry-run");
        (out.code == 0 && left.code == 0).then_some(())
    });
}

/// 9.4: a killed create leaves a whole pool or none.
#[test]
fn a_killed_create_leaves_a_whole_pool_or_none() {
    let mut random = Random::new();
    let world = World::new();
    let url = world.remote().url();
    let create = format!("create p {url} -n 2");
    let needs = world.pool(&*create).took;
    world.pool("remove-pool p").ok();
    for _ in 0..10 {
        crash(&world, &create, needs, &mut random);
        settle(&world);
        if world.list().is_empty() {
            assert!(!world.pool_dir("p").exists(), "half a pool");
            world.pool(&*create).ok();
        }
        assert_eq!(world.slots("p").len(), 2);
        world.assert_sound("p");
        world.pool("remove-pool p --force").ok();
    }
}

/// 9.4, 2.2: a killed allocate has handed out its slot or not; a path that was printed counts.
#[test]
fn a_killed_allocate_has_handed_out_or_not() {
    let mut random = Random::new();
    let (world, remote) = World::with_pool(2);
    world.push_commit(&remote, "late.txt", "warm up");
    let needs = world.pool("allocate p").took;
    world.pool("release p/slot1 p/slot2").ok();
    for round in 0..12 {
        world.push_commit(&remote, "late.txt", &round.to_string());
        let out = crash(&world, "allocate p", needs, &mut random);
        settle(&world);
        world.assert_sound("p");
        let slots = world.slots("p");
        let held: Vec<_> = slots.iter().filter(|s| s["state"] == "allocated").collect();
        assert!(held.len() <= 1, "{held:?}");
        if out.stdout.ends_with('\n') {
            assert_eq!(held.len(), 1, "it was printed: {out}");
            assert_eq!(held[0]["slot_path"], out.stdout.trim());
        }
        for slot in held {
            let path = slot["slot_path"].as_str().expect("a path");
            world.pool(["release", path, "--force"]).ok();
        }
        world.pool("allocate p").ok().path();
        world.pool("release p/slot1 p/slot2").ok();
    }
}

/// 9.4, section 6: a killed release loses no work and can be repeated.
#[test]
fn a_killed_release_loses_no_work() {
    let mut random = Random::new();
    let (world, _remote) = World::with_pool(1);
    let mut needs = Duration::ZERO;
    for round in 0..11 {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        let committed = format!("committed {round}\n");
        let work = format!("work {round}\n");
        world.commit(&dir, "committed.txt", &committed);
        fs::write(dir.join("work.txt"), &work).expect("writing");
        fs::create_dir_all(dir.join("target/deep")).expect("a directory");
        fs::write(dir.join("target/deep/built"), "x").expect("writing");
        if needs.is_zero() {
            needs = world.pool("release p/slot1").ok().took;
            continue;
        }
        crash(&world, "release p/slot1", needs, &mut random);
        settle(&world);
        if world.state("p/slot1") == "allocated" {
            world.pool("release p/slot1").ok();
        }
        world.assert_sound("p");
        assert_eq!(world.state("p/slot1"), "available");
        assert!(world.is_rescued("p", &work), "round {round}");
        assert!(world.is_rescued("p", &committed), "round {round}");
    }
}

/// 9.4, 7.1, 7.5: killed changes of the number of slots leave whole slots or none.
#[test]
fn killed_changes_of_the_pool_leave_whole_slots() {
    let mut random = Random::new();
    let (world, _remote) = World::with_pool(1);
    let adds = world.pool("add-slot p").ok().took;
    let removes = world.pool("remove-slot p/slot2").ok().took;
    for _ in 0..6 {
        crash(&world, "add-slot p", adds, &mut random);
        settle(&world);
        world.assert_sound("p");
        if world.slots("p").len() == 1 {
            world.pool("add-slot p").ok();
        }
        crash(&world, "remove-slot p/slot2", removes, &mut random);
        settle(&world);
        world.assert_sound("p");
        if world.slots("p").len() == 2 {
            world.pool("remove-slot p/slot2").ok();
        }
    }
    world.assert_sound("p");
}

/// 9.4: the next command needs no recover: it deals with what a killed one left, or says how to.
#[test]
fn commands_after_a_kill_work_without_recover() {
    let mut random = Random::new();
    let (world, remote) = World::with_pool(3);
    let needs = world.pool("allocate p").took;
    world.pool("release p/slot1 p/slot2 p/slot3").ok();
    for round in 0..6 {
        world.push_commit(&remote, "late.txt", &round.to_string());
        crash(&world, "allocate p", needs, &mut random);
        until("a slot can be had", || {
            let out = world.pool("allocate p --lock-timeout 5s");
            assert!(!out.stderr.contains("panicked"), "{out}");
            (out.code == 0).then_some(())
        });
        until("all come back", || {
            let out = world.pool("release p/slot1 p/slot2 p/slot3 --force");
            (out.code == 0).then_some(())
        });
    }
    settle(&world);
    world.assert_sound("p");
}

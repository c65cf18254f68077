//! Releases that a process of its own finishes.

use crate::support::{Detached, Invariants, World, await_quiet, crash_places, say, until};
use std::fs;
use std::path::Path;

const FINISHER: &str = "__finish-release";

fn soil(slot: &Path, text: &str) {
    fs::create_dir_all(slot.join("target/deep")).expect("a directory");
    fs::write(slot.join("target/deep/built"), "x").expect("writing");
    fs::write(slot.join("work.txt"), text).expect("writing");
    fs::write(slot.join("README.md"), text).expect("writing");
}

#[track_caller]
fn await_state(world: &World, state: &str) {
    until(&format!("it is {state}"), || {
        (world.state("p/slot1") == state).then_some(())
    });
}

/// 10.4: the command returns with the slot in cleaning; the next allocate waits for that slot.
#[test]
pub fn release_returns_before_the_slot_is_clean() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    soil(&dir, "kept\n");
    let (name, value) = Detached::STOPPED;
    let call = world.call("release p/slot1 --background --json");
    let doc = call.env(name, value).run().ok().json();
    let finisher = Detached::stopped(&world, FINISHER);
    assert_eq!(doc["slot"]["state"], "cleaning");
    assert!(doc["cleanup"].is_null(), "{doc}");
    assert_eq!(world.state("p/slot1"), "cleaning");
    assert_eq!(world.slot("p/slot1")["is_locked"], true);
    assert!(!dir.exists(), "it is out of reach");
    world.pool("recover --dry-run").ok();
    world
        .pool("allocate p --lock-timeout 0.1")
        .code(4)
        .says("release under way");
    world.pool("release p/slot1 --lock-timeout 0.1").code(3);
    let waiting = world.call("allocate p").spawn();
    finisher.go_on();
    let out = waiting.finish();
    assert_eq!(out.ok().path(), dir);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    assert!(world.is_rescued("p", "kept\n"));
    assert_eq!(world.events("p/slot1", "released").len(), 1);
    assert_eq!(world.events("p/slot1", "cleaned").len(), 1);
    let out = world.pool("release p/slot1 --background");
    out.ok().says("in the background");
    await_quiet(&world);
    world.assert_sound("p");
}

/// 10.4: `background_cleanup` does the same for `release` and `exec`.
#[test]
fn the_setting_cleans_in_the_background() {
    let (world, _remote) = World::with_pool(1);
    world.declare("[defaults]\nbackground_cleanup = true\n");
    let (name, value) = Detached::STOPPED;
    for verb in ["release p/slot1", "exec p -- touch made.txt"] {
        if verb.starts_with("release") {
            world.pool("allocate p").ok();
        }
        world.call(verb).env(name, value).run().ok();
        let finisher = Detached::stopped(&world, FINISHER);
        assert_eq!(world.state("p/slot1"), "cleaning", "{verb}");
        finisher.go_on();
        await_state(&world, "available");
    }
    await_quiet(&world);
    world.assert_sound("p");
}

/// 9.4: whenever that process is killed, the next command goes on from there, and nothing is lost.
#[test]
fn the_process_may_be_killed_at_any_moment() {
    let (world, _remote) = World::with_pool(1);
    let mut held = Invariants::of(&world, "p");
    let mut killed = 0;
    for point in crash_places(4) {
        let dir = world.pool("allocate p").ok().path();
        held.write(&world, &dir, "work.txt", &format!("work {point}\n"));
        held.commit(&world, &dir, "done.txt", &format!("done {point}\n"));
        soil(&dir.join("src"), &format!("more {point}\n"));
        held.outside_changed(&world);
        let call = world.call("release p/slot1 --background");
        let call = call.env("REPO_POOL_CRASH_DETACHED_AT", point.to_string());
        call.run().ok();
        await_quiet(&world);
        let what = format!("killed before effect {point}");
        held.now(&world).none_after(&what);
        if world.state("p/slot1") == "available" && !world.has_trash() {
            break;
        }
        killed += 1;
        if point % 2 == 0 {
            held.recovered(&world).none_after(&what);
        }
        held.usable(&world).none_after(&what);
        await_quiet(&world);
        held.recovered(&world).none_after(&what);
        assert!(point < 500, "it never ends");
    }
    assert!(killed > 0, "there are no crash points");
    say(&format!("killed at {killed} points"));
}

/// 6: work that can't be saved: the slot is its holder's again, and `status` and `log` say why.
#[test]
fn a_refusal_in_the_background_is_told_afterwards() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "init -q nested");
    world.commit(&dir.join("nested"), "inner.txt", "inner\n");
    world.pool("release p/slot1 --background").ok();
    await_quiet(&world);
    assert_eq!(world.state("p/slot1"), "allocated");
    assert!(dir.join("nested/inner.txt").is_file());
    let slot = world.slot("p/slot1");
    let reason = slot["error"].as_str().unwrap_or_default();
    assert!(reason.contains("nested"), "{slot}");
    assert!(
        world
            .pool("status p")
            .ok()
            .stdout
            .contains("not given back")
    );
    for target in ["", " p", " p/slot1"] {
        world.pool(format!("status --check{target}")).code(1);
    }
    let events = world.events("p/slot1", "release_failed");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0]["errors"][0]
            .as_str()
            .is_some_and(|e| e.contains("nested"))
    );
    fs::remove_dir_all(dir.join("nested")).expect("deleting");
    world.pool("release p/slot1").ok();
    assert!(world.slot("p/slot1")["error"].is_null());
    world.pool("status --check").ok();
    world.assert_sound("p");
}

/// Section 5: what the caller must be told of, it is told at once.
#[test]
fn who_is_inside_is_found_before_the_command_returns() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let inside = world.helper(&dir, "");
    world.pool("release p/slot1 --background").code(5);
    assert_eq!(world.state("p/slot1"), "allocated");
    inside.end();
    world
        .pool("release p/slot1 --background --allocation wrong")
        .code(6);
    world
        .pool("release p/slot1 --background --no-cleanup")
        .code(2);
    world.pool("release p/slot1 --background").ok();
    await_quiet(&world);
    assert_eq!(world.state("p/slot1"), "available");
}

/// 10.4: a cleaning that takes longer than `cleanup_timeout` goes on in the background.
#[test]
fn a_slow_cleaning_goes_on_in_the_background() {
    let world = World::new();
    let remote = world.remote();
    world.push_commit(&remote, ".gitattributes", "slow.txt filter=slow\n");
    world.push_commit(&remote, "slow.txt", "slow\n");
    let gate = world.path("gate");
    fs::write(&gate, "").expect("writing");
    let smudge = format!(
        "while [ ! -e '{}' ]; do sleep 0.02; done; cat",
        gate.display()
    );
    world.git(
        &world.path(""),
        ["config", "--global", "filter.slow.smudge", &smudge],
    );
    world.declare("[defaults]\ncleanup_timeout = 1\n");
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("slow.txt"), "changed\n").expect("writing");
    fs::remove_file(&gate).expect("removing");
    let out = world.pool("release p/slot1 --json");
    let state = world.state("p/slot1");
    fs::write(&gate, "").expect("writing");
    out.ok()
        .says("cleanup_timeout (1s) and goes on in the background");
    assert_eq!(out.json()["slot"]["state"], "cleaning");
    assert_eq!(state, "cleaning");
    await_state(&world, "available");
    await_quiet(&world);
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(
        fs::read_to_string(dir.join("slow.txt")).expect("reading"),
        "slow\n"
    );
    assert!(world.is_rescued("p", "changed\n"));
}

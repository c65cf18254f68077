//! `--key`: one key, one slot, for as long as it is held.

use crate::support::{Detached, Running, World, alive, await_quiet, kill_on_drop, until};
use rustix::process::Signal;
use std::collections::BTreeSet;

const AT_ONCE: usize = 16;

/// 2.1: who asks again with the same key gets the same slot.
#[test]
fn the_same_key_gets_the_same_slot_while_it_is_held() {
    let (world, remote) = World::with_pool(2);
    let first = world.allocate("p --key feature --meta task=7");
    assert_eq!(first["key"], "feature");
    let path = first["slot_path"].as_str().expect("a path").to_owned();
    std::fs::write(format!("{path}/work.txt"), "work").expect("writing");
    world.push_commit(&remote, "late.txt", "late");
    let out = world.pool("allocate p --key feature");
    assert_eq!(out.ok().stdout.trim(), path);
    out.says("workspace-p-slot")
        .says("held under that key already");
    let again = world.allocate("p --key feature --meta task=8");
    assert_eq!(again["allocation_id"], first["allocation_id"]);
    assert_eq!(again["generation"], first["generation"]);
    assert_eq!(again["metadata"]["task"], "7");
    assert_eq!(world.slot(&path)["key"], "feature");
    world
        .pool(["status", &path])
        .ok()
        .stdout
        .contains("feature");
    assert!(std::path::Path::new(&path).join("work.txt").exists());
    let out = world.pool("allocate p --key feature --ref v1.0");
    out.ok().says("it stays on worktree/p/slot");
    // Another key is another slot, and both are counted once.
    let other = world.allocate("p --key other");
    assert_ne!(other["slot_path"], first["slot_path"]);
    assert_eq!(world.status("p")["summary"]["total_allocations"], 2);
    world.pool(["release", &path]).ok();
    let late = world.allocate("p --key feature");
    assert_ne!(late["allocation_id"], first["allocation_id"]);
    assert!(world.slot("p/slot1").get("key").is_some());
}

/// 4.1: also if they all ask at the same moment, whatever the slot takes to be ready.
#[test]
fn sixteen_at_once_with_one_key_get_one_slot() {
    let (world, remote) = World::with_pool(3);
    for round in 0..6 {
        match round % 3 {
            0 => {}
            1 => drop(world.push_commit(&remote, "late.txt", &format!("late {round}\n"))),
            _ => {
                // Slots that have to be looked at.
                let all: Vec<_> = (0..3)
                    .map(|_| world.pool("allocate p").ok().path())
                    .collect();
                for slot in all {
                    let slot = slot.display().to_string();
                    world.pool(["release", &slot, "--no-cleanup"]).ok();
                }
            }
        }
        let wait = if round % 2 == 0 { "" } else { "--wait 5m" };
        // Agents' tools ask for a branch of the same name.
        let branch = match round < 3 {
            true => String::new(),
            false => format!("--branch b{round}"),
        };
        let line = format!("allocate p --key k{round} --lock-timeout 5m {wait} {branch}");
        let crowd: Vec<Running> = (0..AT_ONCE).map(|_| world.call(&*line).spawn()).collect();
        let paths: BTreeSet<_> = crowd
            .into_iter()
            .map(|one| one.finish().ok().path())
            .collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
        assert_eq!(world.status("p")["summary"]["allocated_slots"], 1);
        world.pool(format!("release --key k{round} --force")).ok();
    }
    world.assert_sound("p");
}

/// 2.4: what is held under a key is given back by it, and a second time changes nothing.
#[test]
fn release_finds_the_slot_by_its_key() {
    let (world, _remote) = World::with_pool(2);
    world.allocate("p");
    let slot = world.allocate("p --key mine");
    let out = world.pool("release --key mine --json");
    let released = out.ok().json();
    assert_eq!(released["slot"]["slot_id"], slot["slot_id"]);
    assert_eq!(world.status("p")["summary"]["allocated_slots"], 1);
    let out = world.pool("release --key mine");
    out.ok()
        .silent()
        .says("no slot is held under the key \"mine\"");
    assert_eq!(
        world.pool("release --key mine --json").ok().json()["released"],
        serde_json::json!([])
    );
    world.pool("release p/slot1 --key mine").code(2);
    let wrong = world.allocate("p --key mine");
    let out = world.pool("release --key mine --allocation 0123");
    out.code(6);
    let id = wrong["allocation_id"].as_str().expect("an id");
    world
        .pool(["release", "--key", "mine", "--allocation", id])
        .ok();
}

/// 2.4: keys are a pool's own; which one is meant has to be said.
#[test]
fn a_key_in_several_pools_has_to_be_told_apart() {
    let (world, remote) = World::with_pool(1);
    world.pool(format!("create q {} -n 1", remote.url())).ok();
    world.allocate("p --key same");
    world.allocate("q --key same");
    let out = world.pool("release --key same");
    out.code(2)
        .says("workspace-p-slot1")
        .says("workspace-q-slot1");
    world.pool("release q/slot1").ok();
    world.pool("release --key same").ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// A key is text like a label: bounded, and harmless where it is shown.
#[test]
fn a_key_is_bounded_and_harmless() {
    let (world, _remote) = World::with_pool(1);
    let long = "k".repeat(1025);
    world
        .pool(["allocate", "p", "--key", &long])
        .code(2)
        .says("--key");
    world.pool(["allocate", "p", "--key", ""]).code(2);
    let odd = "a\u{1b}[31m\nb\u{202e}";
    world.pool(["allocate", "p", "--key", odd]).ok();
    world.pool("status p/slot1").ok().harmless();
    let out = world.pool(["allocate", "p", "--key", odd]);
    out.ok().harmless();
    assert_eq!(world.slot("p/slot1")["key"], odd);
    world.pool(["release", "--key", odd]).ok().harmless();
    world.pool(["release", "--key", odd]).ok().harmless();
}

/// 2.2: a command runs in the slot that is held under its key, which stays held.
#[test]
fn exec_joins_what_is_held_under_its_key() {
    let (world, _remote) = World::with_pool(1);
    let held = world.allocate("p --key mine");
    let script = "pwd; echo $REPO_POOL_ALLOCATION; echo more > more.txt; exit 7";
    let out = world.pool(["exec", "p", "--key", "mine", "--", "sh", "-c", script]);
    out.code(7);
    let id = held["allocation_id"].as_str().expect("an id");
    let path = held["slot_path"].as_str().expect("a path");
    assert_eq!(out.stdout, format!("{path}\n{id}\n"));
    assert_eq!(world.slot("p/slot1")["allocation_id"], id);
    assert!(std::path::Path::new(path).join("more.txt").exists());
    world.pool("release --key mine").ok();
    // What is not held is allocated and given back as ever.
    world.pool("exec p --key mine -- true").ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// 4.4: the slot of a running `exec` goes away with it: another is refused. One that was killed is
/// followed.
#[test]
fn exec_follows_only_an_exec_that_is_gone() {
    let (world, _remote) = World::with_pool(2);
    let script = "cd /; echo $$; exec sleep 600";
    let line = ["exec", "p", "--key", "job", "--", "sh", "-c", script];
    let running = world.call(line).spawn();
    let _command = kill_on_drop(running.line().parse().expect("a pid"));
    let out = world.pool("exec p --key job -- true");
    out.code(125).says("held under that key by a running exec");
    out.says("exit code 6");
    let slot = world.pool("allocate p --key job").ok().path();
    let before = world.slot("p/slot1");
    running.signal(Signal::KILL);
    until("it is gone", || (!alive(running.pid())).then_some(()));
    std::fs::write(slot.join("left.txt"), "left").expect("writing");
    let out = world.pool("exec p --key job -- cat left.txt");
    assert_eq!(out.ok().stdout, "left");
    assert_eq!(before["key"], "job");
    assert_eq!(world.state("p/slot1"), "available");
    assert!(world.is_rescued("p", "left"));
}

/// 4.4: to ask for a slot by its key is a sign of life.
#[test]
fn who_asks_with_the_key_follows_a_holder_that_is_gone() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let pid = owner.pid();
    world
        .pool(format!("allocate p --key mine --ttl 1h --owner-pid {pid}"))
        .ok();
    let next = world.helper(&world.path(""), "");
    // While the first lives it stays the owner.
    let line = format!("allocate p --key mine --owner-pid {}", next.pid());
    world.pool(&*line).ok();
    assert_eq!(world.slot("p/slot1")["owner"]["pid"], pid);
    owner.end();
    world.grow_silent("slot1", 20);
    let slot = world.slot("p/slot1");
    assert_eq!(slot["reclaim"]["verdict"], "reclaimable", "{slot}");
    world.pool(&*line).ok();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["owner"]["pid"], next.pid());
    assert_eq!(slot["owner"]["liveness"], "alive");
    next.end();
    world.grow_silent("slot1", 20);
    world.pool("allocate p --key mine").ok();
    let slot = world.slot("p/slot1");
    assert!(slot.get("reclaim").is_none(), "nobody may take it: {slot}");
    assert!(
        slot["renewed_at"].is_string(),
        "its lease runs anew: {slot}"
    );
    world.pool("allocate p").code(4);
}

/// 4.2: a key gets its slot although others wait, and who waits with it gets it with the first.
#[test]
fn a_key_is_found_from_any_place_in_line() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.pool("allocate p --key here").ok().path();
    let wait = "allocate p --no-fetch --wait 10m";
    let first = world.waiter(format!("{wait} --key shared"));
    let other = world.waiter(wait);
    let last = world.waiter(format!("{wait} --key shared"));
    assert_eq!(world.pool("allocate p --key here").ok().path(), slot);
    world.pool("release --key here").ok();
    assert_eq!(first.finish().ok().path(), slot);
    let out = last.finish();
    assert_eq!(out.ok().path(), slot);
    out.says("held under that key already");
    assert_eq!(world.line(), [other.pid()]);
    world.pool("release --key shared").ok();
    other.finish().ok();
}

/// 9.4: who was killed while it prepared a slot for a key holds nobody up.
#[test]
fn a_killed_preparation_leaves_the_key_free() {
    let (world, remote) = World::with_pool(1);
    let late = world.push_commit(&remote, "late.txt", "late");
    // As if an `allocate` with that key were at it.
    let held = world.hold("slot1.lock");
    world.edit_slot("slot1", |slot| {
        slot["state"] = "cleaning".into();
        slot["operation"] = serde_json::json!({
            "id": "0", "kind": "allocate", "started_at": "2026-01-01T00:00:00Z", "attempts": 0,
            "key": "mine",
        });
    });
    let second = world.call("allocate p --key mine").spawn();
    let descriptors = format!("/proc/{}/fd", second.pid());
    until("it waits for that", || {
        let mut open = std::fs::read_dir(&descriptors).ok()?.flatten();
        open.any(|fd| {
            fd.path()
                .read_link()
                .is_ok_and(|path| path.ends_with("slot1.lock"))
        })
        .then_some(())
    });
    drop(held);
    let slot = second.finish().ok().path();
    world.assert_holds(&slot, &remote, &late);
}

/// 5.1: a slot that is given back is no more its key's; should it come back after all, it has lost it.
#[test]
fn a_key_leads_to_one_slot_also_after_a_release_that_was_refused() {
    let (world, _remote) = World::with_pool(2);
    let first = world.pool("allocate p --key mine").ok().path();
    let number = first
        .file_name()
        .expect("a slot")
        .to_string_lossy()
        .into_owned();
    // As if `release` were at it.
    let held = world.hold(&format!("{number}.lock"));
    world.edit_slot(&number, |slot| {
        slot["state"] = "cleaning".into();
        slot["operation"] = serde_json::json!({
            "id": "0", "kind": "release", "started_at": "2026-01-01T00:00:00Z", "attempts": 0,
            "before": { "state": "allocated" },
        });
    });
    let second = world.pool("allocate p --key mine").ok().path();
    assert_ne!(first, second);
    // What can't be saved is refused, and the slot is its holder's again.
    world.bury(&first, "deep");
    drop(held);
    world.pool("recover p").one_of(&[0, 1]);
    let slot = world.slot(&format!("p/{number}"));
    assert_eq!(slot["state"], "allocated", "{slot}");
    assert!(slot.get("key").is_none(), "{slot}");
    assert_eq!(world.pool("allocate p --key mine").ok().path(), second);
}

/// A slot that a process in the background still cleans is not the one that is held under its key now.
#[test]
fn release_by_key_means_the_slot_that_is_held_not_the_one_that_is_being_cleaned() {
    let (world, _remote) = World::with_pool(2);
    let first = world.pool("allocate p --key job").ok().path();
    let (name, value) = Detached::STOPPED;
    let call = world.call("release --key job --background");
    call.env(name, value).run().ok();
    let finisher = Detached::stopped(&world, "__finish-release");
    let second = world.pool("allocate p --key job").ok().path();
    assert_ne!(first, second);
    world.pool("release --key job").ok();
    assert_eq!(world.state("p/slot1"), "cleaning");
    assert_eq!(world.state("p/slot2"), "available");
    finisher.go_on();
    await_quiet(&world);
    world.assert_sound("p");
}

//! `log -f`: each event once, as it comes.

use crate::support::{Piped, World, kill};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;

fn follow(world: &World, args: &str) -> Piped {
    let mut command = world.command(env!("CARGO_BIN_EXE_repo-pool"));
    command.args(["log", "-f"]).args(args.split_whitespace());
    Piped::start(command)
}

/// Reads until an event of this kind; all that came.
#[track_caller]
fn events_to(followed: &mut Piped, kind: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        events.push(followed.json());
        if events.last().is_some_and(|event| event["kind"] == kind) {
            return events;
        }
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect()
}

/// Section 3: the newest of what was, then what comes; a signal ends it and it says so by no error.
#[test]
fn the_newest_events_are_followed_by_those_that_come() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p --no-fetch");
    world.pool("release p/slot1").ok();
    let all = world.pool("log p --json").ok().json_lines();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let before = world.pool("log p --json").ok().json_lines();
        let mut followed = follow(&world, "p -n 2 --json");
        assert_eq!(
            [followed.json(), followed.json()],
            before[before.len() - 2..]
        );
        world.allocate("p --no-fetch");
        assert_eq!(kinds(&events_to(&mut followed, "allocated")), ["allocated"]);
        world.pool("release p/slot1").ok();
        events_to(&mut followed, "released");
        kill(followed.pid(), signal);
        assert_eq!(followed.code(), Some(0), "{signal:?}");
    }
    let newest = world.pool("log p -n 3 --json").ok().json_lines();
    let now = world.pool("log p --json").ok().json_lines();
    assert_eq!(newest, now[now.len() - 3..]);
    assert!(now.len() > all.len());
    assert_eq!(world.pool("log p -n 0").ok().stdout, "");
}

/// 2.5: the history is rotated when it has grown, and what is followed has neither a hole nor a double.
#[test]
fn no_event_is_lost_or_doubled_when_the_history_is_rotated() {
    let (world, _remote) = World::with_pool(1);
    let mut followed = follow(&world, "p -n 100000 --json");
    let mut seen = events_to(&mut followed, "created");
    let file = world.pool_dir("p").join("events.jsonl");
    for _ in 0..3 {
        world.allocate("p --no-fetch");
        seen.extend(events_to(&mut followed, "allocated"));
        // So much that the next command rotates it. No event is in it.
        let mut history = std::fs::File::options()
            .append(true)
            .open(&file)
            .expect("it");
        let mut junk = vec![b'x'; 9 * 1024 * 1024];
        junk.push(b'\n');
        history.write_all(&junk).expect("writing");
        let before = std::fs::metadata(&file).expect("it").len();
        let old = world.pool("log p --json").ok().json_lines();
        world.pool("release p/slot1").ok();
        assert!(
            std::fs::metadata(&file).expect("it").len() < before,
            "it was rotated"
        );
        seen.extend(events_to(&mut followed, "released"));
        let now = world.pool("log p --json").ok().json_lines();
        // What is kept is the end of what was followed: one older file is.
        assert!(seen.ends_with(&now), "{seen:#?}\n{now:#?}");
        assert!(seen.len() > old.len());
    }
    let ids: Vec<_> = seen.iter().map(|event| event.to_string()).collect();
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "{ids:#?}");
    assert_eq!(
        kinds(&seen)
            .iter()
            .filter(|kind| **kind == "allocated")
            .count(),
        3
    );
    assert_eq!(
        kinds(&seen)
            .iter()
            .filter(|kind| **kind == "released")
            .count(),
        3
    );
}

/// Section 4: who has stopped reading is not waited for, and nothing is said of it.
#[test]
fn a_closed_pipe_ends_it_although_nothing_happens() {
    let (world, _remote) = World::with_pool(1);
    let mut followed = follow(&world, "p");
    assert!(followed.line().contains("created"));
    followed.close();
    assert_eq!(followed.code(), Some(0));
}

/// Section 3: pools that are made meanwhile are followed, too; and a workspace that is.
#[test]
fn what_is_made_meanwhile_is_followed() {
    let world = World::new();
    let url = world.remote().url();
    let mut followed = follow(&world, "--json");
    for name in ["one", "two"] {
        world.pool(format!("create {name} {url} -n 1")).ok();
        let events = events_to(&mut followed, "created");
        assert!(
            events.iter().all(|event| event["repo_name"] == name),
            "{events:?}"
        );
    }
    world.allocate("one --no-fetch");
    assert_eq!(followed.json()["repo_name"], "one");
}

/// Section 3: of a slot only its own events are shown.
#[test]
fn a_slot_is_followed_alone() {
    let (world, _remote) = World::with_pool(2);
    let mut followed = follow(&world, "p/slot2 --json -n 1000");
    for _ in 0..2 {
        world.allocate("p --no-fetch");
    }
    for slot in ["p/slot1", "p/slot2"] {
        world.pool(["release", slot]).ok();
    }
    let events = events_to(&mut followed, "released");
    let own = |event: &Value| event["slot_id"] == "workspace-p-slot2";
    assert!(events.iter().all(own), "{events:?}");
    world.pool("log -f q").code(7);
    world.pool("log -f p/slot9").code(7);
}

/// Section 4: the lines that people read stay in their columns, and nothing in them drives a terminal.
#[test]
fn lines_are_readable_and_harmless() {
    let (world, _remote) = World::with_pool(1);
    let mut followed = follow(&world, "-n 1");
    let first = followed.line();
    world
        .pool(["allocate", "p", "--no-fetch", "--owner", "me\x1b[31m"])
        .ok();
    let second = followed.line();
    assert!(
        second.contains("allocated") && second.contains(r"me\u{1b}[31m"),
        "{second}"
    );
    assert!(
        first.contains("  p  ") && second.contains("  p/slot1  "),
        "{first}\n{second}"
    );
    assert!(!second.contains('\x1b'));
}

//! Branches, history, names, and bringing branches home.

use crate::support::{World, tree};
use serde_json::json;

/// 1.5: the names, one a line, in order.
#[test]
fn list_prints_the_names_one_a_line() {
    let world = World::new();
    let out = world.pool("list");
    assert_eq!(out.ok().stdout, "");
    assert!(!world.workspace().exists(), "reading makes no workspace");
    world.pool("list --json").ok().json();
    world.pool("status").ok();
    let url = world.remote().url();
    for name in ["zebra", "ant", "Mouse"] {
        world.pool(format!("create {name} {url} -n 1")).ok();
    }
    let mut names = world.list();
    assert_eq!(names.len(), 3);
    names.sort();
    assert_eq!(names, ["Mouse", "ant", "zebra"]);
    let result = world.pool("list --json").ok().json()["result"].to_string();
    assert!(names.iter().all(|n| result.contains(n)), "{result}");
}

/// 6.4: the remote's branches with their commits.
#[test]
fn branches_lists_the_remotes_branches() {
    let (world, remote) = World::with_pool(1);
    let doc = world.pool("branches p --json").ok().json();
    let mut found = doc["branches"].as_array().expect("branches").clone();
    found.sort_by_key(|b| b["name"].to_string());
    let wanted: Vec<_> = ["main", "release/1.0", "topic"]
        .iter()
        .map(|name| json!({"name": name, "commit": world.tip(&remote, name)}))
        .collect();
    assert_eq!(found, wanted);
    let out = world.pool("branches p");
    for name in ["main", "release/1.0", "topic"] {
        assert!(out.ok().stdout.contains(name), "{out}");
    }
    assert!(!out.stdout.contains("HEAD"), "{out}");
    world.pool("branches q").code(7);
}

/// 2.5, 3.5: allocations and releases are in the history, in order, with their slot and time.
#[test]
fn log_tells_the_history() {
    let (world, _remote) = World::with_pool(2);
    world.allocate("p --owner me");
    world.allocate("p");
    world.pool("release p/slot1").ok();
    let events = world.pool("log p --json").ok().json_lines();
    let mut last = jiff::Timestamp::MIN;
    for event in &events {
        assert_eq!(event["schema"], 1);
        let time = event["time"].as_str().expect("a time");
        let time: jiff::Timestamp = time.parse().expect("a time");
        assert!(time >= last, "in order");
        last = time;
    }
    let kinds: Vec<_> = events.iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(
        kinds.iter().filter(|k| **k == "allocated").count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|k| **k == "released").count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|k| **k == "created").count(),
        1,
        "{kinds:?}"
    );
    let of_slot = world.pool("log p/slot2 --json").ok().json_lines();
    assert!(
        of_slot.iter().all(|e| e["slot_id"] == "workspace-p-slot2"),
        "{of_slot:?}"
    );
    assert!(!of_slot.is_empty());
    assert!(world.pool("log").ok().stdout.contains("slot1"));
    world.pool("log q").code(7);
    world.pool("log p/slot9").code(7);
}

/// 2.5: failures, repairs and changes of the pool are in the history too.
#[test]
fn log_tells_changes_of_the_pool() {
    let (world, remote) = World::with_pool(1);
    world.push_commit(&remote, "late.txt", "late");
    world.allocate("p");
    world.pool("allocate p").code(4);
    world.pool("add-slot p").ok();
    world.pool("isolate p/slot2").ok();
    world.pool("recover p/slot2").ok();
    world.pool("remove-slot p/slot2").ok();
    for kind in [
        "allocation_failed",
        "slot_added",
        "isolated",
        "slot_removed",
        "fetched",
    ] {
        assert!(!world.events("p", kind).is_empty(), "{kind}");
    }
}

/// 2.5: a torn last line, as a crash leaves it, is skipped.
#[test]
fn log_skips_a_torn_last_line() {
    use std::io::Write;
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let file = world.pool_dir("p").join("events.jsonl");
    let before = world.pool("log p --json").ok().json_lines().len();
    let mut events = std::fs::File::options()
        .append(true)
        .open(&file)
        .expect("the history");
    events
        .write_all(b"{\"schema\":1,\"time\":\"20")
        .expect("writing");
    assert_eq!(world.pool("log p --json").ok().json_lines().len(), before);
    world.pool("release p/slot1").ok();
    assert_eq!(world.events("p", "released").len(), 1);
}

/// Section 3: what was committed in a slot arrives in the user's repository, and moves nothing.
#[test]
fn collect_brings_the_slots_branches_home() {
    let (world, remote) = World::with_pool(1);
    let home = world.clone_of(&remote, "home-clone");
    std::fs::write(home.join("mine.txt"), "mine").expect("writing");
    let before = (world.head(&home), tree(&home));
    let dir = world.pool("allocate p --branch feature/x").ok().path();
    let commit = world.commit(&dir, "x.txt", "x\n");
    let into = home.display().to_string();
    world.pool(["collect", "p/slot1", "--into", &into]).ok();
    let refs = world.git(
        &home,
        ["for-each-ref", "--format=%(refname)", "--contains", &commit],
    );
    assert!(refs.lines().any(|r| r.ends_with("feature/x")), "{refs}");
    assert_eq!((world.head(&home), tree(&home)), before);
    let next = world.commit(&dir, "x.txt", "next\n");
    world
        .call("collect p/slot1 --json")
        .cwd(&home)
        .run()
        .ok()
        .json();
    let refs = world.git(
        &home,
        ["for-each-ref", "--format=%(refname)", "--contains", &next],
    );
    assert!(refs.lines().any(|r| r.ends_with("feature/x")), "{refs}");
}

/// Section 3: a branch of the user's own that has gone on is not overwritten.
#[test]
fn collect_overwrites_no_work_of_the_user() {
    let (world, remote) = World::with_pool(1);
    let home = world.clone_of(&remote, "home-clone");
    world.git(&home, "checkout -q -b feature");
    let own = world.commit(&home, "own.txt", "own\n");
    world.git(&home, "checkout -q main");
    let dir = world.pool("allocate p --branch feature").ok().path();
    world.commit(&dir, "x.txt", "x\n");
    let into = home.display().to_string();
    let out = world.pool(["collect", "p/slot1", "--into", &into]);
    assert!(!out.stderr.contains("panicked"), "{out}");
    assert_eq!(world.git(&home, "rev-parse refs/heads/feature"), own);
}

/// Section 3: what is no repository and what is no slot.
#[test]
fn collect_into_nothing_says_so() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let nowhere = world.path("nowhere").display().to_string();
    let out = world.pool(["collect", "p/slot1", "--into", &nowhere]);
    out.one_of(&[1, 2]).silent();
    world.pool("collect p/slot7").code(7).silent();
}

//! Handing slots out: what the caller gets and what is recorded.

use crate::support::World;
use serde_json::json;
use std::fs::File;

/// 2.1, 2.2, 2.3: one path on stdout, and the slot is allocated.
#[test]
fn allocate_prints_one_path_and_sets_the_slot_allocated() {
    let (world, remote) = World::with_pool(2);
    let path = world.pool("allocate p").ok().path();
    assert!(path.starts_with(world.pool_dir("p").join("worktrees")));
    world.assert_holds(&path, &remote, &world.tip(&remote, "main"));
    let held: Vec<_> = world.slots("p");
    let held = held.iter().filter(|s| s["state"] == "allocated");
    let held: Vec<_> = held.map(|s| s["slot_path"].clone()).collect();
    assert_eq!(held, [json!(path)]);
}

/// 2.3, 1.3, 5.2, 6.2, 6.3: the JSON document has everything about the slot.
#[test]
fn allocate_json_describes_the_slot() {
    let (world, remote) = World::with_pool(1);
    let slot = world.allocate("p --owner job-1 --meta task_id=123");
    assert_eq!(slot["slot_id"], "workspace-p-slot1");
    assert_eq!(slot["repo_name"], "p");
    assert_eq!(slot["repo_url"], remote.url());
    assert_eq!(slot["slot_path"], json!(world.slot_dir("slot1")));
    assert_eq!(slot["state"], "allocated");
    assert_eq!(slot["allocation_count"], 1);
    assert_eq!(slot["metadata"], json!({"task_id": "123"}));
    assert_eq!(slot["current_branch"], "worktree/p/slot1");
    assert_eq!(slot["current_commit"], world.tip(&remote, "main"));
    assert!(
        slot["allocation_id"]
            .as_str()
            .is_some_and(|id| id.len() >= 16)
    );
    assert!(slot["generation"].as_u64().is_some());
    assert!(slot["owner"].to_string().contains("job-1"), "{slot}");
    assert_eq!(slot["parked"], false);
    assert!(slot["verified"].is_boolean());
    for key in ["created_at", "updated_at", "last_allocated_at"] {
        let time = slot[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key}: {slot}"));
        assert!(
            time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'),
            "{time}"
        );
    }
    assert!(slot["total_usage_seconds"].is_number());
    let shown = world.slot("p/slot1");
    assert_eq!(shown["allocation_id"], slot["allocation_id"]);
    assert_eq!(shown["metadata"], slot["metadata"]);
}

/// 2.2: no slot is handed out twice, and every allocation has its own id.
#[test]
fn allocate_hands_out_each_slot_once() {
    let (world, _remote) = World::with_pool(3);
    let mut given: Vec<_> = (0..3).map(|_| world.allocate("p")).collect();
    world.pool("allocate p").code(4).silent();
    given.sort_by_key(|s| s["slot_id"].to_string());
    given.dedup_by_key(|s| s["slot_id"].to_string());
    assert_eq!(given.len(), 3);
    given.sort_by_key(|s| s["allocation_id"].to_string());
    given.dedup_by_key(|s| s["allocation_id"].to_string());
    assert_eq!(given.len(), 3);
    given.dedup_by_key(|s| s["generation"].to_string());
    assert_eq!(given.len(), 3);
}

/// 2.2: the generation only rises.
#[test]
fn the_generation_of_an_allocation_only_rises() {
    let (world, _remote) = World::with_pool(1);
    let mut last = 0;
    for _ in 0..3 {
        let slot = world.allocate("p --no-fetch");
        let generation = slot["generation"].as_u64().expect("a number");
        assert!(generation > last);
        last = generation;
        world.pool("release p/slot1").ok();
    }
}

/// 3.1, 3.3: after a push the next allocation stands on the new commit.
#[test]
pub fn allocate_hands_out_the_new_commit_after_a_push() {
    let (world, remote) = World::with_pool(1);
    for content in ["one\n", "two\n"] {
        let pushed = world.push_commit(&remote, "README.md", content);
        let slot = world.pool("allocate p").ok().path();
        world.assert_holds(&slot, &remote, &pushed);
        world.pool("release p/slot1").ok();
    }
}

/// 3.1: every branch is fetched, new and deleted ones too, and a folder in a branch's place.
#[test]
fn allocate_fetches_all_branches() {
    let (world, remote) = World::with_pool(2);
    let moved = world.push_to(&remote, "refs/heads/topic", "topic.txt", "moved\n");
    let made = world.push_to(&remote, "refs/heads/made/new", "made.txt", "made\n");
    world.allocate("p");
    let tip = |name: &str| world.git(&world.bare("p"), ["rev-parse", name]);
    assert_eq!(tip("refs/remotes/origin/topic"), moved);
    assert_eq!(tip("refs/remotes/origin/made/new"), made);
    world.git(&remote.path, "update-ref -d refs/heads/made/new");
    let folded = world.push_to(&remote, "refs/heads/made", "made.txt", "folded\n");
    world.allocate("p");
    assert_eq!(tip("refs/remotes/origin/made"), folded);
}

/// 3.1, 3.3: a history that was rewritten on the remote is followed.
#[test]
pub fn allocate_follows_a_forced_push() {
    let (world, remote) = World::with_pool(1);
    let other = world.tip(&remote, "topic");
    world.git(&remote.path, ["update-ref", "refs/heads/main", &other]);
    let slot = world.pool("allocate p").ok().path();
    world.assert_holds(&slot, &remote, &other);
}

/// 3.1: the base follows the remote's HEAD branch.
#[test]
fn allocate_follows_the_remotes_head_branch() {
    let (world, remote) = World::with_pool(1);
    world.git(&remote.path, "symbolic-ref HEAD refs/heads/topic");
    let slot = world.pool("allocate p").ok().path();
    world.assert_holds(&slot, &remote, &world.tip(&remote, "topic"));
}

/// 3.2, 3.3: whatever lies in an idle slot is gone when it is handed out.
#[test]
pub fn allocate_cleans_an_available_slot_that_was_dirtied() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.pool("release p/slot1 --no-cleanup").ok();
    std::fs::write(dir.join("untracked.txt"), "x").expect("writing");
    std::fs::write(dir.join("README.md"), "changed").expect("writing");
    std::fs::create_dir_all(dir.join("target/deep")).expect("a directory");
    std::fs::write(dir.join("target/deep/built"), "x").expect("writing");
    std::fs::write(dir.join("trace.log"), "x").expect("writing");
    std::fs::remove_file(dir.join("newest.txt")).expect("removing");
    let again = world.pool("allocate p").ok().path();
    world.assert_holds(&again, &remote, &world.tip(&remote, "main"));
}

/// 3.3: nor do flags that hide a change, a rebase under way or a sparse checkout survive.
#[test]
pub fn allocate_undoes_what_git_itself_would_hide() {
    let (world, remote) = World::with_pool(1);
    let tip = world.tip(&remote, "main");
    let dirty: [&dyn Fn(&std::path::Path); 4] = [
        &|dir| {
            world.git(dir, "update-index --assume-unchanged README.md");
            std::fs::write(dir.join("README.md"), "hidden").expect("writing");
        },
        &|dir| {
            world.git(dir, "update-index --skip-worktree newest.txt");
            std::fs::write(dir.join("newest.txt"), "hidden").expect("writing");
        },
        &|dir| {
            world.git(dir, "sparse-checkout set docs");
        },
        &|dir| {
            world.git(dir, "bisect start HEAD HEAD~2");
            world.try_git(dir, "merge --no-commit --no-ff origin/topic");
        },
    ];
    for make in dirty {
        let dir = world.pool("allocate p").ok().path();
        make(&dir);
        world.pool("release p/slot1 --discard").ok();
        let dir = world.pool("allocate p").ok().path();
        world.assert_holds(&dir, &remote, &tip);
        let flags = world.git(&dir, "ls-files -v");
        assert!(flags.lines().all(|l| l.starts_with("H ")), "{flags}");
        let status = world.git(&dir, "status");
        assert!(
            !status.contains("bisect") && !status.contains("sparse"),
            "{status}"
        );
        world.pool("release p/slot1").ok();
    }
}

/// 2.3: metadata comes as pairs and as JSON, and goes with the release.
#[test]
fn allocate_keeps_metadata_until_release() {
    let (world, _remote) = World::with_pool(1);
    let json = r#"{"n": 7, "list": [1, "two"]}"#;
    let args = [
        "allocate",
        "p",
        "--meta",
        "a=b=c",
        "--meta",
        "empty=",
        "--meta-json",
        json,
    ];
    world.pool(args).ok();
    let metadata = world.slot("p/slot1")["metadata"].clone();
    let wanted = json!({"a": "b=c", "empty": "", "n": 7, "list": [1, "two"]});
    assert_eq!(metadata, wanted);
    world.pool("release p/slot1").ok();
    let metadata = &world.slot("p/slot1")["metadata"];
    assert!(metadata.is_null() || *metadata == json!({}), "{metadata}");
}

/// 2.3: metadata of a wrong form or beyond 16 KiB is refused, and nothing is handed out.
#[test]
fn allocate_refuses_metadata_that_is_malformed_or_too_big() {
    let (world, _remote) = World::with_pool(1);
    let big = format!("k={}", "x".repeat(17 * 1024));
    let big_json = format!(r#"{{"k": "{}"}}"#, "x".repeat(17 * 1024));
    for (option, value) in [
        ("--meta", "no-equals-sign"),
        ("--meta", "=v"),
        ("--meta-json", "[1]"),
        ("--meta-json", "{"),
        ("--meta", &big),
        ("--meta-json", &big_json),
    ] {
        world
            .pool(["allocate", "p", option, value])
            .code(2)
            .silent();
    }
    assert_eq!(world.state("p/slot1"), "available");
    let fits = format!("k={}", "x".repeat(15 * 1024));
    world.pool(["allocate", "p", "--meta", &fits]).ok();
}

/// 10.2: the slot that was used last goes first.
#[test]
fn allocate_prefers_the_most_recently_used_slot() {
    let (world, _remote) = World::with_pool(3);
    for _ in 0..3 {
        world.allocate("p");
    }
    for slot in ["slot1", "slot3", "slot2"] {
        world.pool(format!("release p/{slot}")).ok();
    }
    assert_eq!(world.allocate("p")["slot_id"], "workspace-p-slot2");
    assert_eq!(world.allocate("p")["slot_id"], "workspace-p-slot3");
}

/// 2.1: a pool is found by its remote's URL and path too; two of one remote must be named.
#[test]
fn allocate_finds_the_pool_of_a_url() {
    let (world, remote) = World::with_pool(2);
    assert_eq!(world.allocate(&remote.url())["repo_name"], "p");
    let url = remote.url();
    world.pool(format!("create q {url} -n 1")).ok();
    let out = world.pool(format!("allocate {url}"));
    out.code(2).silent().says("p").says("q");
    assert_eq!(world.list(), ["p", "q"]);
}

/// Section 4: if the path can't be printed, nothing stays allocated.
#[test]
pub fn allocate_is_undone_when_its_path_cannot_be_printed() {
    let (world, _remote) = World::with_pool(1);
    for json in ["", "--json"] {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let out = world
            .call(format!("allocate p {json}"))
            .stdout_to(full)
            .run();
        assert_ne!(out.code, 0, "{out}");
        assert_eq!(world.state("p/slot1"), "available");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let out = world
            .call(format!("allocate p {json}"))
            .stdout_to(writer)
            .run();
        assert!(!out.stderr.contains("panicked"), "{out}");
        assert_eq!(world.state("p/slot1"), "available");
    }
    world.assert_sound("p");
    world.pool("allocate p").ok().path();
}

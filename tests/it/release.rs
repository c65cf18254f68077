//! Giving slots back: how they are named, what is cleaned, what the record says.

use crate::support::{SPACED_FILE, World, odd_file, tree};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn write(path: impl AsRef<Path>, content: &str) {
    let path = path.as_ref();
    let parent = path.parent().expect("a parent");
    fs::create_dir_all(parent).expect("a directory");
    fs::write(path, content).expect("writing");
}

/// 2.4, 5.3: the slot is available, its lock free, its owner and metadata gone, its use counted.
#[test]
fn release_sets_the_slot_available() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p --owner me --meta a=b");
    let out = world.pool("release p/slot1 --json");
    let doc = out.ok().json();
    assert_eq!(doc["slot"]["state"], "available");
    assert_eq!(doc["slot"]["slot_id"], "workspace-p-slot1");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "available");
    assert_eq!(slot["is_locked"], false);
    assert_eq!(slot["allocation_count"], 1);
    assert!(
        slot["total_usage_seconds"]
            .as_f64()
            .is_some_and(|s| s >= 0.0)
    );
    assert!(slot["last_released_at"].is_string());
    for key in ["owner", "allocation_id"] {
        assert!(slot[key].is_null(), "{key}: {slot}");
    }
    world.assert_sound("p");
}

/// 3.4, 3.2, 3.3: release leaves the tree of the base and nothing else.
#[test]
pub fn release_cleans_whatever_was_left() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("untracked/deep/file"), "x");
    write(dir.join("target/debug/built"), "x");
    write(dir.join("node_modules/m/index.js"), "x");
    write(dir.join("run.log"), "x");
    write(dir.join("README.md"), "changed");
    write(dir.join("staged.txt"), "staged");
    world.git(&dir, "add staged.txt");
    fs::remove_file(dir.join(SPACED_FILE)).expect("removing");
    fs::remove_file(dir.join(odd_file())).expect("removing");
    fs::set_permissions(dir.join("tools/run.sh"), Permissions::from_mode(0o644)).expect("mode");
    fs::remove_file(dir.join("tools/link")).expect("removing");
    write(dir.join("tools/link"), "no link any more");
    fs::create_dir_all(dir.join("empty/dirs")).expect("directories");
    world.pool("release p/slot1").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// 3.2: a repository made inside the slot goes too.
#[test]
fn release_removes_nested_repositories() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let nested = dir.join("target/nested");
    fs::create_dir_all(&nested).expect("a directory");
    world.git(&nested, "init -q");
    world.commit(&nested, "inner.txt", "inner");
    world.pool("release p/slot1 --discard").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// 3.2: directories without write permission, such as module caches, are no obstacle.
#[test]
fn release_removes_read_only_directories() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("target/cache/mod/file.go"), "x");
    write(dir.join("plain/cache/file.go"), "x");
    for name in ["target/cache/mod", "target/cache", "plain/cache"] {
        fs::set_permissions(dir.join(name), Permissions::from_mode(0o555)).expect("mode");
    }
    world.pool("release p/slot1").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// 3.2: links are removed, and what they point to is not touched.
#[test]
fn release_does_not_follow_links_out_of_the_slot() {
    let (world, remote) = World::with_pool(1);
    let victim = world.path("victim");
    write(victim.join("precious"), "precious");
    let before = tree(&victim);
    let dir = world.pool("allocate p").ok().path();
    symlink(&victim, dir.join("to-directory")).expect("a link");
    symlink(victim.join("precious"), dir.join("to-file")).expect("a link");
    fs::remove_dir_all(dir.join("docs")).expect("removing");
    symlink(&victim, dir.join("docs")).expect("a link");
    world.pool("release p/slot1").ok();
    assert_eq!(tree(&victim), before);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// 9.2: a slot that was replaced by a link is not cleaned through it.
#[test]
fn release_does_not_clean_through_a_slot_that_became_a_link() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let victim = world.clone_of(&remote, "victim");
    write(victim.join("precious"), "precious");
    let before = tree(&victim);
    fs::rename(&dir, world.path("moved")).expect("moving");
    symlink(&victim, &dir).expect("a link");
    let out = world.pool("release p/slot1");
    assert!(!out.stderr.contains("panicked"), "{out}");
    assert_eq!(tree(&victim), before);
    assert_eq!(world.branch(&victim), "main");
}

/// 3.4: `--no-cleanup` leaves the tree, and the next allocation cleans it.
#[test]
fn release_no_cleanup_leaves_the_work_to_the_next_allocate() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("target/built"), "x");
    write(dir.join("trace.log"), "x");
    world.pool("release p/slot1 --no-cleanup").ok();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "available");
    assert_eq!(slot["verified"], false);
    assert!(dir.join("target/built").exists());
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// 3.4, section 6: work that such a release leaves is saved before the next one cleans it.
#[test]
pub fn work_left_by_no_cleanup_is_saved_before_it_is_cleaned() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("untracked.txt"), "left for later\n");
    world.pool("release p/slot1 --no-cleanup").ok();
    world.pool("allocate p").ok();
    assert!(!dir.join("untracked.txt").exists());
    assert!(world.is_rescued("p", "left for later\n"));
}

/// 3.5: what was cleaned is in the answer and in the log.
#[test]
fn release_logs_every_cleanup() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("target/built"), "x");
    let doc = world.pool("release p/slot1 --json").ok().json();
    let cleanup = &doc["cleanup"];
    assert_eq!(cleanup["success"], true);
    assert!(
        cleanup["duration_seconds"]
            .as_f64()
            .is_some_and(|s| s >= 0.0)
    );
    assert!(
        cleanup["operations"]
            .as_array()
            .is_some_and(|o| !o.is_empty()),
        "{doc}"
    );
    assert_eq!(cleanup["errors"], Value::Array(Vec::new()));
    let cleaned = world.events("p/slot1", "cleaned");
    let event = cleaned.last().expect("an event");
    assert_eq!(event["slot_id"], "workspace-p-slot1");
    for key in ["time", "operations", "duration_seconds"] {
        assert!(!event[key].is_null(), "{key}: {event}");
    }
    assert!(
        event["errors"].as_array().is_none_or(Vec::is_empty),
        "{event}"
    );
    let shown = world.pool("log p");
    assert!(shown.ok().stdout.contains("slot1"), "{shown}");
}

/// 2.4: a slot that is available already stays so, and nothing is changed.
#[test]
fn releasing_an_available_slot_succeeds_and_changes_nothing() {
    let (world, _remote) = World::with_pool(1);
    let before = world.slot("p/slot1");
    world.pool("release p/slot1").ok();
    world.pool("release p/slot1 --json").ok().json();
    let after = world.slot("p/slot1");
    for key in [
        "state",
        "updated_at",
        "allocation_count",
        "last_released_at",
    ] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert!(world.events("p", "released").is_empty());
}

/// 2.4: id, short name, path, a path inside, the current directory, the environment.
#[test]
fn release_knows_a_slot_by_many_names() {
    let (world, _remote) = World::with_pool(1);
    let parked = world.slot_dir("slot1").display().to_string();
    let dir = world.slot_path("slot1");
    let path = dir.display().to_string();
    let inside = dir.join("src").display().to_string();
    for name in ["workspace-p-slot1", "p/slot1", &path, &inside, &parked] {
        world.allocate("p --no-fetch");
        world.pool(["release", name]).ok();
        assert_eq!(world.state("p/slot1"), "available", "{name}");
    }
    world.allocate("p --no-fetch");
    world.call("release src").cwd(&dir).run().ok();
    assert_eq!(world.state("p/slot1"), "available", "a relative path");
    for cwd in [&dir, &dir.join("src")] {
        world.allocate("p --no-fetch");
        world.call("release").cwd(cwd).run().ok();
        assert_eq!(world.state("p/slot1"), "available", "the current directory");
    }
    for value in ["workspace-p-slot1", "p/slot1"] {
        world.allocate("p --no-fetch");
        world
            .call("release")
            .env("REPO_POOL_SLOT", value)
            .run()
            .ok();
        assert_eq!(world.state("p/slot1"), "available", "the environment");
    }
}

/// 2.4: a shell that stands in the slot may release it.
#[test]
pub fn release_by_a_shell_that_stands_in_the_slot() {
    let (world, _remote) = World::with_pool(1);
    let script =
        "slot=$($REPO_POOL allocate p) && cd \"$slot\" && touch new.log && $REPO_POOL release";
    world.sh(script).ok();
    assert_eq!(world.state("p/slot1"), "available");
    let script = "slot=$($REPO_POOL allocate p) && cd \"$slot\" && ls >/dev/null; cd / && \
                  $REPO_POOL release \"$slot\"";
    world.sh(script).ok();
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// 2.4: several at once; one that is unknown does not keep the others.
#[test]
fn release_gives_back_several_at_once() {
    let (world, _remote) = World::with_pool(3);
    for _ in 0..3 {
        world.allocate("p --no-fetch");
    }
    let doc = world.pool("release p/slot1 p/slot2 --json").ok().json();
    assert_eq!(doc["released"].as_array().map(Vec::len), Some(2), "{doc}");
    assert_eq!(world.status("p")["summary"]["available_slots"], 2);
    world.pool("release p/slot9 p/slot3").code(7);
    world.pool("release p/slot3").ok();
    world.assert_sound("p");
}

/// 9.2: a slot whose directory was deleted comes back complete.
#[test]
pub fn release_rebuilds_a_deleted_directory() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::remove_dir_all(&dir).expect("deleting");
    world.pool("release p/slot1").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
    world.pool("allocate p").ok().path();
}

/// 2.4: what is no slot.
#[test]
fn release_of_what_is_no_slot_says_so() {
    let (world, _remote) = World::with_pool(1);
    for name in [
        "p/slot9",
        "q/slot1",
        "workspace-p-slot9",
        "p/slot0",
        "p/slot01",
        "/",
    ] {
        world.pool(["release", name]).code(7).silent();
    }
    world
        .pool("release p/slot9 --json")
        .code(7)
        .kind("slot_not_found");
    world
        .call("release")
        .cwd("/")
        .run()
        .one_of(&[2, 7])
        .silent();
}

//! What can be read about pools and slots: numbers, states, tables.

use crate::support::{World, is_root};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A table with what differs from run to run made equal: the world's path, times, ids, sizes.
#[track_caller]
fn stable(world: &World, text: &str) -> String {
    let root = world.path("").display().to_string();
    text.replace(&format!("{root}/"), "<root>/")
        .replace(root.trim_end_matches('/'), "<root>")
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Compares with the stored picture, apart from ids, times, durations and sizes.
macro_rules! assert_picture {
    ($name:expr, $world:expr, $text:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "<time>"),
                (r"\b[0-9a-f]{40}\b", "<commit>"),
                (r"\b[0-9a-f]{16,39}\b", "<id>"),
                (r"\b[0-9a-f]{7,12}\b", "<short>"),
                (r"\b(pid )\d+", "${1}<pid>"),
                (r"(taken by +pid <pid>: ).*", "${1}<command>"),
                (r"\b\d+(\.\d+)? ?(ms|s|m|h)\b( ?ago)?", "<duration>"),
                (r"\bjust now\b", "<duration>"),
                (r"\b\d+(\.\d+)? ?([KMG]i?B|B|kB)\b", "<size>"),
                (r" {2,}", "  "),
                (r"[-─═╌┄]{3,}", "---"),
            ],
        }, {
            insta::assert_snapshot!($name, stable($world, $text));
        });
    };
}

/// 5.4, 5.5: the numbers of each pool, over all pools.
#[test]
fn status_summarises_every_pool() {
    let (world, _remote) = World::with_pool(3);
    let other = world.remote_named("other");
    world.pool(format!("create q {} -n 1", other.url())).ok();
    world.allocate("p");
    let idle = world
        .slots("p")
        .into_iter()
        .find(|s| s["state"] == "available");
    let idle = idle.expect("an idle slot")["slot_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.pool(["isolate", &idle]).ok();
    let doc = world.pool("status --json").ok().json();
    let pools = doc["pools"].as_array().expect("pools");
    let names: Vec<_> = pools.iter().map(|p| p["repo_name"].clone()).collect();
    assert_eq!(names, ["p", "q"]);
    let wanted = [
        ("total_slots", 3),
        ("available_slots", 1),
        ("allocated_slots", 1),
        ("cleaning_slots", 0),
        ("error_slots", 1),
        ("total_allocations", 1),
        ("failed_allocations", 0),
    ];
    for (key, value) in wanted {
        assert_eq!(pools[0][key], value, "{key}: {}", pools[0]);
    }
    assert_eq!(pools[1]["available_slots"], 1);
    assert!(
        pools[0]["average_allocation_time_seconds"]
            .as_f64()
            .is_some_and(|s| s > 0.0)
    );
}

/// 5.3, 10.5: counts, times and the hit rate are kept across processes.
#[test]
fn status_counts_allocations_and_hits() {
    let (world, remote) = World::with_pool(1);
    for _ in 0..2 {
        world.allocate("p");
        world.pool("release p/slot1").ok();
    }
    world.push_commit(&remote, "late.txt", "late");
    world.allocate("p");
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["total_allocations"], 3, "{summary}");
    let rate = summary["cache_hit_rate"].as_f64().expect("a rate");
    assert!((0.0..1.0).contains(&rate) && rate > 0.5, "{summary}");
    assert_eq!(world.slot("p/slot1")["allocation_count"], 3);
}

/// 10.5: `enable_metrics = false` stops recording, not the work.
#[test]
fn metrics_can_be_turned_off() {
    let world = World::new();
    let url = world.remote().url();
    world.pool("init").ok();
    let file = world.workspace().join("pools.toml");
    fs::write(file, "[defaults]\nenable_metrics = false\n").expect("writing");
    world.pool(format!("create p {url} -n 1")).ok();
    world.allocate("p");
    world.pool("allocate p").code(4);
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["total_slots"], 1);
    for key in ["failed_allocations", "average_allocation_time_seconds"] {
        let recorded = summary[key].as_f64().unwrap_or_default();
        assert_eq!(recorded, 0.0, "{key}: {summary}");
    }
}

/// 5.2, 6.2, 6.3, 4.5, 1.3: everything about one slot, its disk use too.
#[test]
fn status_of_a_slot_tells_everything() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p --branch work").ok().path();
    let commit = world.commit(&dir, "new.txt", "new\n");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["current_branch"], "work");
    assert_eq!(slot["current_commit"], commit);
    assert_eq!(slot["repo_url"], remote.url());
    assert_eq!(slot["is_locked"], false);
    let used = slot["disk_usage_bytes"].as_u64().expect("a size");
    fs::write(dir.join("big.log"), vec![1; 1 << 20]).expect("writing");
    let more = world.slot("p/slot1")["disk_usage_bytes"]
        .as_u64()
        .expect("a size");
    assert!(more >= used + (1 << 20), "{used} {more}");
    for name in ["workspace-p-slot1", &dir.display().to_string()] {
        let doc = world.pool(["status", name, "--json"]).ok().json();
        assert_eq!(doc["slot"]["slot_id"], "workspace-p-slot1");
    }
    world.git(&dir, "checkout -q --detach");
    let slot = world.slot("p/slot1");
    assert!(slot["current_branch"].is_null(), "{slot}");
}

/// 5.2: disk use of all slots only where it was asked for.
#[test]
fn status_measures_disks_on_demand() {
    let (world, _remote) = World::with_pool(2);
    assert!(
        world
            .slots("p")
            .iter()
            .all(|s| s.get("disk_usage_bytes").is_none())
    );
    let doc = world.pool("status p --disk --json").ok().json();
    let slots = doc["pool"]["slots"].as_array().expect("slots");
    assert!(
        slots
            .iter()
            .all(|s| s["disk_usage_bytes"].as_u64().is_some_and(|n| n > 0)),
        "{doc}"
    );
}

/// 5.2: a file that several slots share counts for each, and once for the pool; a hole for nothing.
#[test]
fn disk_use_counts_shared_files_once_and_holes_not_at_all() {
    let (world, _remote) = World::with_pool(2);
    let dirs = [0; 2].map(|_| world.pool("allocate p --no-fetch").ok().path());
    let measured = || {
        let doc = world.pool("status p --disk --json").ok().json();
        let slots = doc["pool"]["slots"].as_array().expect("slots").iter();
        let bytes = |value: &Value| value["disk_usage_bytes"].as_u64().expect("a size");
        let slots: Vec<u64> = slots.map(bytes).collect();
        (bytes(&doc["pool"]), slots)
    };
    let (pool, slots) = measured();
    let shared = 8 << 20;
    fs::write(dirs[0].join("shared.bin"), vec![1; shared]).expect("writing");
    fs::hard_link(dirs[0].join("shared.bin"), dirs[1].join("same.bin")).expect("a link");
    fs::hard_link(dirs[0].join("shared.bin"), dirs[0].join("again.bin")).expect("a link");
    let sparse = fs::File::create(dirs[0].join("sparse.bin")).expect("a file");
    sparse.set_len(1 << 34).expect("a hole");
    let (with, both) = measured();
    let (shared, some) = (shared as u64, 1 << 20);
    let is_once = |more: u64| (shared..shared + some).contains(&more);
    assert!(is_once(with - pool), "{pool} {with}");
    for n in 0..2 {
        assert!(is_once(both[n] - slots[n]), "{slots:?} {both:?}");
    }
    let text = world.pool("status p --disk").ok().stdout.clone();
    assert!(
        text.contains("disk ") && text.contains("(repository "),
        "{text}"
    );
}

/// 5.2: what can't be read is not guessed: null, and the rest is there.
#[test]
fn disk_use_that_cannot_be_measured_is_null() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    let closed = dir.join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("mode");
    let doc = world.pool("status p --disk --json").ok().json();
    let slots = doc["pool"]["slots"].as_array().expect("slots");
    let of = |slot: &Value| slot["disk_usage_bytes"].clone();
    assert_eq!(of(&slots[0]).is_null(), !is_root(), "{doc}");
    assert!(of(&slots[1]).is_u64(), "{doc}");
    let all = world.pool("status --disk --json").ok().json();
    assert_eq!(of(&all["pools"][0]), of(&doc["pool"]));
    assert_eq!(of(&all["pools"][0]).is_null(), !is_root());
    assert!(all["pools"][0].get("disk_usage_bytes").is_some());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("mode");
}

/// 6.2, 6.3: branch and commit are known wherever git keeps the branch.
#[test]
fn the_commit_of_a_packed_branch_is_shown() {
    let (world, _remote) = World::with_pool(3);
    let dirs = ["one", "two"].map(|name| {
        let dir = world.pool(format!("allocate p --no-fetch --branch {name}"));
        dir.ok().path()
    });
    let one = world.commit(&dirs[0], "new.txt", "new\n");
    world.git(&world.bare("p"), "pack-refs --all");
    let two = world.commit(&dirs[1], "other.txt", "other\n");
    let slots = world.slots("p");
    for (slot, branch, commit) in [(&slots[0], "one", &one), (&slots[1], "two", &two)] {
        assert_eq!(slot["current_branch"], branch);
        assert_eq!(slot["current_commit"], **commit, "{slot}");
    }
    assert!(slots[2].get("current_branch").is_none());
    assert_eq!(
        slots[2]["current_commit"],
        world.head(&world.idle_dir("slot3"))
    );
    fs::write(
        world.admin_dir("slot1").join("HEAD"),
        "ref: refs/heads/../../HEAD\n",
    )
    .expect("it");
    let slot = world.slots("p").remove(0);
    assert!(slot["current_commit"].is_null(), "{slot}");
}

/// 5.1: the JSON of a slot has the documented keys with the documented types.
#[test]
fn status_json_has_the_documented_keys_and_types() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p --meta a=b --owner me");
    let slot = world.slots("p").remove(0);
    let is = |key: &str, test: fn(&Value) -> bool| assert!(test(&slot[key]), "{key}: {slot}");
    for key in [
        "slot_id",
        "repo_name",
        "repo_url",
        "slot_path",
        "state",
        "created_at",
        "updated_at",
        "last_allocated_at",
        "current_branch",
        "current_commit",
        "allocation_id",
    ] {
        is(key, Value::is_string);
    }
    for key in ["parked", "verified", "is_locked"] {
        is(key, Value::is_boolean);
    }
    is("allocation_count", Value::is_u64);
    is("generation", Value::is_u64);
    is("total_usage_seconds", Value::is_number);
    is("metadata", Value::is_object);
    assert!(
        slot.get("last_released_at").is_none(),
        "it does not apply yet: {slot}"
    );
    let pool = world.status("p");
    for key in ["repo_name", "repo_url", "created_at"] {
        assert!(pool[key].is_string(), "{key}: {pool}");
    }
    assert_eq!(pool["num_slots"], 1);
}

/// Section 3: `--check` exits 1 exactly when something needs attention.
#[test]
fn status_check_tells_by_its_exit_code() {
    let (world, _remote) = World::with_pool(2);
    world.pool("status --check").ok();
    world.pool("status p --check --json").ok().json();
    world.allocate("p");
    world.pool("status --check").ok();
    let idle = world
        .slots("p")
        .into_iter()
        .find(|s| s["state"] == "available");
    let idle = idle.expect("an idle slot")["slot_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.pool(["isolate", &idle]).ok();
    for of in ["", "p", &idle] {
        let out = world.pool(format!("status {of} --check --json"));
        out.code(1).json();
    }
    world.pool(["recover", &idle]).ok();
    world.pool("status --check").ok();
}

/// 5.1: what there is not.
#[test]
fn status_of_what_is_not_there_says_so() {
    let (world, _remote) = World::with_pool(1);
    world.pool("status q").code(7).silent().says("q");
    world
        .pool("status q --json")
        .code(7)
        .silent()
        .kind("pool_not_found");
    world.pool("status p/slot9").code(7).silent();
    world
        .pool("status p/slot9 --json")
        .code(7)
        .kind("slot_not_found");
}

/// Section 4: a table that is piped has no colour and no control characters.
#[test]
fn tables_that_are_piped_are_plain() {
    let (world, _remote) = World::with_pool(2);
    world.allocate("p");
    for view in [
        "status",
        "status p",
        "status p --disk",
        "status p/slot1",
        "log p",
        "branches p",
    ] {
        let out = world.pool(view);
        assert!(!out.ok().stdout.is_empty(), "{view}");
        let plain = |c: char| c == '\n' || !c.is_control();
        assert!(out.stdout.chars().all(plain), "{out}");
        assert!(out.stderr.is_empty(), "{out}");
    }
}

/// 5.5: the table of all pools.
#[test]
fn the_table_of_all_pools() {
    let (world, _remote) = World::with_pool(2);
    world.allocate("p --no-fetch");
    let out = world.pool("status");
    assert!(out.ok().stdout.contains('p'));
    assert_picture!("pools", &world, &out.stdout);
}

/// 5.2: the table of a pool's slots.
#[test]
fn the_table_of_a_pools_slots() {
    let (world, _remote) = World::with_pool(3);
    for _ in 0..2 {
        world.allocate("p --no-fetch --owner job-1");
    }
    world.pool("release p/slot1").ok();
    let args = ["isolate", "p/slot1", "--reason", "looks odd"];
    world.pool(args).ok();
    let out = world.pool("status p");
    for text in [
        "slot1",
        "slot2",
        "slot3",
        "available",
        "allocated",
        "error",
        "job-1",
    ] {
        assert!(out.ok().stdout.contains(text), "{text}\n{out}");
    }
    assert_picture!("slots", &world, &out.stdout);
}

/// 5.2: everything about a slot, as people read it.
#[test]
fn the_view_of_one_slot() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p --no-fetch --owner job-1 --meta task=7");
    let out = world.pool("status p/slot1");
    for text in [
        "workspace-p-slot1",
        "allocated",
        "job-1",
        "worktree/p/slot1",
        "task",
    ] {
        assert!(out.ok().stdout.contains(text), "{text}\n{out}");
    }
    assert_picture!("slot", &world, &out.stdout);
}

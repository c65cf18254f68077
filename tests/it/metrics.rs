//! Metrics for Prometheus and as JSON: what is counted, and the format, held against its grammar.

use crate::support::{Remote, World, program};
use page::Page;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

mod page;

/// The metrics of all pools, read by the format's rules.
#[track_caller]
fn metrics(world: &World) -> Page {
    Page::parse(&world.pool("metrics").ok().stdout)
}

/// The metrics of pool `p` as JSON.
#[track_caller]
fn as_json(world: &World) -> Value {
    let doc = world.pool("metrics p --json").ok().json();
    let pools = doc["result"]["pools"].as_array().expect("pools");
    assert_eq!(pools.len(), 1, "{doc}");
    pools[0].clone()
}

/// A call in which every kind of work is done once, successfully and in vain.
#[track_caller]
fn worked_with() -> (World, Remote) {
    let (world, remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    world.pool("release p/slot1").ok();
    world.pool("allocate p --no-fetch").ok();
    world.pool("allocate p --no-fetch").ok();
    world.pool("allocate p").code(4);
    world.pool(["isolate", "p/slot1"]).code(5);
    (world, remote)
}

/// 10.5: what happened is counted, in the text format of Prometheus.
#[test]
fn the_work_of_a_pool_is_counted() {
    let (world, remote) = worked_with();
    let page = metrics(&world);
    let of = |name: &str| page.value(name, &[("pool", "p")]);
    let slots = |state| page.value("repo_pool_slots", &[("pool", "p"), ("state", state)]);
    let states = ["available", "allocated", "cleaning", "error"];
    assert_eq!(states.map(slots), [0.0, 2.0, 0.0, 0.0]);
    assert_eq!(of("repo_pool_readable"), 1.0);
    assert_eq!(of("repo_pool_allocations_total"), 3.0);
    assert_eq!(of("repo_pool_allocation_failures_total"), 1.0);
    assert_eq!(of("repo_pool_allocation_hits_total"), 3.0);
    assert_eq!(of("repo_pool_allocation_hit_ratio"), 1.0);
    assert_eq!(of("repo_pool_fetches_total"), 1.0);
    assert_eq!(of("repo_pool_fetch_failures_total"), 0.0);
    assert_eq!(of("repo_pool_cleanups_total"), 1.0);
    assert_eq!(of("repo_pool_cleanup_failures_total"), 0.0);
    assert_eq!(of("repo_pool_rescues_total"), 1.0);
    for (work, count) in [("allocation", 3.0), ("fetch", 1.0), ("cleanup", 1.0)] {
        let name = format!("repo_pool_{work}_duration");
        assert_eq!(of(&format!("{name}_seconds_count")), count, "{work}");
        let sum = of(&format!("{name}_seconds_sum"));
        let longest = of(&format!("{name}_longest_seconds"));
        let average = of(&format!("{name}_average_seconds"));
        assert!(
            0.0 < average && average <= longest && longest <= sum,
            "{work}"
        );
        assert!((average * count - sum).abs() < 1e-9, "{work}");
        let share = |share| {
            let labels = [("pool", "p"), ("quantile", share)];
            page.value(&format!("{name}_quantile_seconds"), &labels)
        };
        let shares = ["0.5", "0.95", "0.99"].map(share);
        assert!(shares.is_sorted() && shares[2] <= longest, "{shares:?}");
    }
    assert!(of("repo_pool_base_age_seconds") >= 0.0);
    assert!(of("repo_pool_last_fetch_timestamp_seconds") > 1.6e9);
    let url = remote.url();
    let info = [("pool", "p"), ("repo_url", &*url), ("base_branch", "main")];
    assert_eq!(page.value("repo_pool_info", &info), 1.0);
}

/// 10.5: the same numbers as JSON, by either option.
#[test]
fn json_has_the_same_numbers() {
    let (world, _remote) = worked_with();
    let doc = as_json(&world);
    assert_eq!(doc["repo_name"], "p");
    assert_eq!(doc["summary"], world.status("p")["summary"]);
    let wanted = [("allocations", 3, 1), ("fetches", 1, 0), ("cleanups", 1, 0)];
    for (work, total, failed) in wanted {
        let work = &doc[work];
        assert_eq!(
            (&work["total"], &work["failed"]),
            (&total.into(), &failed.into())
        );
        let histogram = work["histogram"].as_array().expect("a histogram");
        assert_eq!(histogram.last().expect("a bucket")["count"], total);
        assert!(work["p99_seconds"].as_f64() <= work["longest_seconds"].as_f64());
    }
    assert_eq!(doc["cache_hits"], 3);
    assert_eq!(doc["total_rescues"], 1);
    assert!(
        doc["base_age_seconds"]
            .as_f64()
            .is_some_and(|age| age >= 0.0)
    );
    assert!(doc["fetched_at"].is_string() && doc["error"].is_null());
    let other = world.pool("metrics p --format json").ok().json();
    assert_eq!(
        other["result"]["pools"][0]["allocations"],
        doc["allocations"]
    );
    let both = world.pool("metrics --json --format prometheus");
    both.code(2).silent().kind("usage");
}

/// Names with quotes and backslashes, pools without any work, pools that can't be read.
#[test]
fn the_page_of_any_pools_is_well_formed() {
    let world = World::new();
    assert!(world.pool("metrics").ok().stdout.is_empty());
    world.pool("metrics p").code(7);
    let odd = world.remote_named("odd \"name\" \\ and ü");
    world.pool(["create", "odd", &odd.dir(), "-n", "1"]).ok();
    let url = world.remote().url();
    for pool in ["fresh", "broken"] {
        world.pool(format!("create {pool} {url} -n 1")).ok();
    }
    fs::write(world.pool_dir("broken").join("pool.json"), "{").expect("writing");
    let page = metrics(&world);
    for (pool, readable) in [("odd", 1.0), ("fresh", 1.0), ("broken", 0.0)] {
        assert_eq!(
            page.value("repo_pool_readable", &[("pool", pool)]),
            readable
        );
        let slots = [("pool", pool), ("state", "available")];
        assert_eq!(
            page.find("repo_pool_slots", &slots).is_some(),
            readable == 1.0
        );
    }
    let dir = odd.dir();
    let info = [
        ("pool", "odd"),
        ("repo_url", &*dir),
        ("base_branch", "main"),
    ];
    assert_eq!(page.value("repo_pool_info", &info), 1.0);
    let fresh = [("pool", "fresh")];
    assert_eq!(page.value("repo_pool_allocations_total", &fresh), 0.0);
    assert_eq!(page.find("repo_pool_allocation_hit_ratio", &fresh), None);
    let doc = world.pool("metrics --json").ok().json();
    let broken = &doc["result"]["pools"][0];
    assert!(broken["error"].is_string() && broken["summary"].is_null());
    world.pool("metrics broken").code(1).silent();
    world.pool("metrics nothing").code(7).silent();
}

/// The collector may read at any moment, as another user, and only files.
#[test]
fn a_file_is_replaced_as_a_whole() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.path("textfiles");
    fs::create_dir(&dir).expect("a directory");
    let file = dir.join("repo-pool.prom");
    let command = ["metrics", "--output", &file.display().to_string()];
    world.pool(command).ok().silent();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (0..10).for_each(|_| {
                world.pool(command).ok().silent();
            })
        });
        while !writer.is_finished() {
            let page = Page::parse(&fs::read_to_string(&file).expect("it is always there"));
            assert_eq!(page.value("repo_pool_readable", &[("pool", "p")]), 1.0);
        }
    });
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    let usual = world.path("usual");
    fs::write(&usual, "").expect("writing");
    let usual = fs::metadata(usual).expect("a file").permissions().mode();
    assert_eq!(mode, usual, "{mode:o}");
    assert_eq!(fs::read_dir(&dir).expect("a list").count(), 1);
    let json = ["metrics", "--json", "--output", &file.display().to_string()];
    world.pool(json).ok().silent();
    let text = fs::read_to_string(&file).expect("a file");
    let doc: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(doc["schema"], 1);
}

/// What is no file stays what it is.
#[test]
fn only_a_file_is_replaced() {
    let (world, _remote) = World::with_pool(1);
    let target = world.path("target.prom");
    fs::write(&target, "kept").expect("writing");
    let link = world.path("link.prom");
    symlink(&target, &link).expect("a link");
    for place in [
        link,
        world.path(""),
        "/dev/null".into(),
        world.path("no/such.prom"),
    ] {
        let place = place.display().to_string();
        world
            .pool(["metrics", "--output", &place])
            .code(1)
            .says(&place);
    }
    assert_eq!(fs::read_to_string(&target).expect("a file"), "kept");
    assert!(!fs::metadata("/dev/null").expect("a device").is_file());
}

/// 10.5: fetches that fail are counted, with and without a slot in the end.
#[test]
fn fetches_that_fail_are_counted() {
    let (world, remote) = World::with_pool(1);
    fs::rename(remote.dir(), world.path("away.git")).expect("renamed");
    world.pool("allocate p").code(1);
    let doc = as_json(&world);
    assert_eq!(doc["fetches"]["failed"], 1, "{doc}");
    assert_eq!(doc["allocations"]["failed"], 1, "{doc}");
    world.declare("[defaults]\non_fetch_failure = \"use-cache\"\n");
    world.pool("allocate p").ok();
    let doc = as_json(&world);
    assert_eq!(doc["fetches"]["failed"], 2, "{doc}");
    assert_eq!(doc["fetches"]["total"], 0, "{doc}");
    assert_eq!(doc["allocations"]["total"], 1, "{doc}");
}

/// 10.5: cleanings that fail are counted.
#[test]
fn cleanings_that_fail_are_counted() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("README.md"), "changed\n").expect("writing");
    world.git(&dir, "add README.md");
    world
        .call("release p/slot1")
        .env("PATH", git_that_resets_nothing(&world))
        .run()
        .code(1)
        .silent();
    let doc = as_json(&world);
    assert_eq!(doc["cleanups"]["failed"], 1, "{doc}");
    assert_eq!(doc["cleanups"]["total"], 0, "{doc}");
}

/// A PATH with a git that can look at a slot and save what is in it, but not bring it back.
fn git_that_resets_nothing(world: &World) -> String {
    let bin = world.path("bin");
    fs::create_dir(&bin).expect("a directory");
    let path = std::env::var("PATH").expect("a PATH");
    let script = format!(
        "#!/bin/sh\nfor word; do\ncase $word in reset|read-tree|checkout|checkout-index|clean) \
         echo 'no space left' >&2; exit 128;; esac\ndone\nPATH='{path}' exec git \"$@\"\n"
    );
    program(&bin.join("git"), &script);
    format!("{}:{path}", bin.display())
}

/// 10.5: a record of before fetches and cleanings were counted is read and goes on.
#[test]
fn an_old_record_is_counted_on() {
    let (world, _remote) = worked_with();
    let file = world.pool_dir("p").join("pool.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).expect("it")).expect("JSON");
    let metrics = record["metrics"].as_object_mut().expect("metrics");
    metrics.retain(|key, _| !["fetches", "cleanups", "rescues"].contains(&key.as_str()));
    for slot in record["slots"].as_array_mut().expect("slots") {
        let allocation = slot["allocation"].as_object_mut().expect("an allocation");
        allocation.remove("measured").expect("what it added");
    }
    fs::write(&file, record.to_string()).expect("writing");
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok();
    let doc = as_json(&world);
    assert_eq!(doc["allocations"]["total"], 4, "{doc}");
    assert_eq!(doc["fetches"]["total"], 1, "{doc}");
    assert_eq!(doc["cleanups"]["total"], 1, "{doc}");
}

/// 10.5: `enable_metrics = false` stops recording all of it.
#[test]
fn nothing_is_counted_if_metrics_are_off() {
    let (world, _remote) = World::with_pool(1);
    world.declare("[defaults]\nenable_metrics = false\n");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    world.pool("allocate p").code(4);
    world.pool("release p/slot1").ok();
    let doc = as_json(&world);
    for work in ["allocations", "fetches", "cleanups"] {
        assert_eq!(doc[work]["total"], 0, "{work}: {doc}");
        assert_eq!(doc[work]["failed"], 0, "{work}: {doc}");
    }
    assert_eq!(doc["total_rescues"], 0, "{doc}");
}

/// 10.5: an allocation that nobody was told of does not count, wherever the command was killed.
#[cfg(debug_assertions)]
#[test]
fn a_killed_allocation_does_not_count() {
    let (world, _remote) = World::with_pool(1);
    let mut undone = 0;
    for point in 1.. {
        let before = as_json(&world)["allocations"]["total"].as_u64();
        let call = world.call("allocate p --no-fetch");
        let out = call.env("REPO_POOL_CRASH_AT", point.to_string()).run();
        world.pool("recover p").ok();
        let allocated = world.state("p/slot1") == "allocated";
        let doc = as_json(&world);
        let added = doc["allocations"]["total"].as_u64().expect("a count") - before.unwrap_or(0);
        assert_eq!(added, u64::from(allocated), "{}", out.stderr);
        undone += u64::from(doc["allocations"]["failed"].as_u64() > Some(undone));
        if allocated {
            world.pool("release p/slot1 --force").ok();
        }
        if out.code == 0 {
            break;
        }
        assert!(point < 100, "it never ends");
    }
    assert!(undone > 0, "no allocation was recorded before a kill");
}

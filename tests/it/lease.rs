//! Leases: how long a slot is held without being heard of, and what ends that.

use crate::support::{World, in_time, kill_on_drop};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// A slot of `p` whose caller is gone, held by a lease that ran out more than the grace period ago.
#[track_caller]
fn ran_out(world: &World, options: &str) -> Value {
    world
        .sh(&format!("$REPO_POOL allocate p --ttl 1ms {options}"))
        .ok();
    world.grow_silent("slot1", 20);
    world.slot("p/slot1")
}

/// What `recover` finds about leases.
#[track_caller]
fn findings(world: &World, args: &str) -> Vec<Value> {
    let out = world.pool(format!("recover p --json --only expired_lease {args}"));
    out.one_of(&[0, 1]);
    let json = out.json();
    json["findings"].as_array().expect("findings").clone()
}

fn seconds_between(earlier: &Value, later: &Value) -> f64 {
    let time = |value: &Value| -> jiff::Timestamp {
        value.as_str().expect("a time").parse().expect("RFC 3339")
    };
    time(later).duration_since(time(earlier)).as_secs_f64()
}

/// Section 3: `--ttl` is recorded and shown, and goes with the allocation.
#[test]
fn a_lease_is_recorded_and_shown() {
    let (world, _remote) = World::with_pool(1);
    let slot = world.allocate("p --ttl 90s");
    for shown in [&slot, &world.slot("p/slot1")] {
        assert_eq!(shown["ttl_seconds"], 90.0, "{shown}");
        let lasts = seconds_between(&shown["allocated_at"], &shown["expires_at"]);
        assert_eq!(lasts, 90.0, "{shown}");
        assert!(shown["renewed_at"].is_null(), "{shown}");
        assert!(
            shown["reclaim"].is_null(),
            "nothing speaks against it: {shown}"
        );
    }
    let text = world.pool("status p/slot1").ok().stdout.clone();
    assert!(text.contains("lease"), "{text}");
    world.pool("release p/slot1").ok();
    let slot = world.slot("p/slot1");
    for key in ["ttl_seconds", "expires_at", "renewed_at"] {
        assert!(slot.get(key).is_none(), "{slot}");
    }
}

/// Section 3: a lease of no time is none.
#[test]
fn a_lease_of_no_time_is_refused() {
    let (world, _remote) = World::with_pool(1);
    for ttl in ["0", "0s", "-1", "x", "200y"] {
        let args = ["allocate", "p", &format!("--ttl={ttl}")];
        world.pool(args).code(2).silent();
        let args = ["renew", "p/slot1", &format!("--ttl={ttl}")];
        world.pool(args).code(2).silent();
    }
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 3: `renew` begins the time anew; the allocation stays the same one.
#[test]
fn renew_extends_the_lease() {
    let (world, _remote) = World::with_pool(1);
    let before = world.allocate("p --ttl 60");
    let lines = world.pool("log p --json").ok().json_lines().len();
    world.pool("renew p/slot1").ok().silent();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["ttl_seconds"], 60.0);
    assert!(seconds_between(&before["expires_at"], &slot["expires_at"]) > 0.0);
    let doc = world.pool("renew p/slot1 --ttl 2h --json").ok().json();
    let renewed = &doc["slot"];
    let lasts = seconds_between(&renewed["renewed_at"], &renewed["expires_at"]);
    assert_eq!(lasts, 7200.0, "{renewed}");
    for key in ["allocation_id", "generation", "allocated_at"] {
        assert_eq!(renewed[key], before[key], "{renewed}");
    }
    let after = world.pool("log p --json").ok().json_lines().len();
    assert_eq!(lines, after, "heartbeats are not history");
}

/// Section 3: a slot that has no lease gets one by `--ttl`; without it the error says so.
#[test]
fn renew_needs_a_time_once() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    world.pool("renew p/slot1").code(2).silent().says("--ttl");
    world.pool("renew p/slot1 --json").code(2).kind("usage");
    world.pool("renew p/slot1 --ttl 5m").ok();
    world.pool("renew p/slot1").ok();
    assert_eq!(world.slot("p/slot1")["ttl_seconds"], 300.0);
}

/// Section 3: without SLOT it is the one of the environment, or of the current directory.
#[test]
fn renew_without_a_slot_means_the_current_one() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --ttl 60").ok().path();
    world.call("renew --ttl 61").cwd(&dir).run().ok();
    assert_eq!(world.slot("p/slot1")["ttl_seconds"], 61.0);
    let call = world
        .call("renew --ttl 62")
        .env("REPO_POOL_SLOT", "p/slot1");
    call.run().ok();
    assert_eq!(world.slot("p/slot1")["ttl_seconds"], 62.0);
    world.pool("renew --ttl 63").code(2);
    let script = "$REPO_POOL renew --ttl 7s && $REPO_POOL status $REPO_POOL_SLOT --json";
    world.pool("release p/slot1").ok();
    let out = world.pool(["exec", "p", "--", "sh", "-c", script]);
    assert_eq!(out.ok().json()["slot"]["ttl_seconds"], 7.0);
}

/// Section 5: who may release may renew, and nobody else.
#[test]
fn renew_is_the_holders() {
    let (world, _remote) = World::with_pool(1);
    let old = world.allocate("p --ttl 60")["allocation_id"].clone();
    let old = old.as_str().expect("an id");
    world.pool("release p/slot1").ok();
    let holder = world.helper(&world.path(""), "$REPO_POOL allocate p --ttl 60 >/dev/null");
    let before = world.slot("p/slot1");
    let id = before["allocation_id"].as_str().expect("an id");
    let out = world.pool("renew p/slot1 --json");
    out.code(6).silent().kind("stale_allocation");
    out.says(holder.pid().to_string());
    let wrong = format!("renew p/slot1 --ttl 1h --allocation {old}");
    world.pool(wrong).code(6).silent();
    assert_eq!(world.slot("p/slot1")["expires_at"], before["expires_at"]);
    world.pool(format!("renew p/slot1 --allocation {id}")).ok();
    let call = world
        .call("renew --ttl 2m")
        .env("REPO_POOL_SLOT", "p/slot1");
    call.env("REPO_POOL_ALLOCATION", id).run().ok();
    assert_eq!(world.slot("p/slot1")["ttl_seconds"], 120.0);
    let id = id.to_owned();
    holder.end();
    world.pool("renew p/slot1").ok();
    world.pool("release p/slot1").ok();
    for args in ["", "--ttl 1h", &format!("--ttl 1h --allocation {id}")] {
        let out = world.pool(format!("renew p/slot1 {args}"));
        out.code(6).says("not allocated");
    }
    world.pool("renew p/slot9 --ttl 1h").code(7);
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 5: a lease that ran out ends the allocation when a slot is needed; work is saved first.
#[test]
fn a_slot_whose_lease_ran_out_is_handed_to_the_next() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.sh("$REPO_POOL allocate p --ttl 1ms").ok().path();
    fs::write(dir.join("work.txt"), "left behind\n").expect("writing");
    let before = world.slot("p/slot1");
    world.grow_silent("slot1", 20);
    assert_eq!(world.slot("p/slot1")["reclaim"]["verdict"], "reclaimable");
    let next = world.allocate("p");
    assert_ne!(next["allocation_id"], before["allocation_id"]);
    assert!(next["generation"].as_u64() > before["generation"].as_u64());
    assert!(world.is_rescued("p", "left behind\n"));
    let log = world.events("p", "reclaimed");
    assert_eq!(log[0]["detail"], "its lease ran out", "{log:?}");
    assert_eq!(log[0]["allocation_id"], before["allocation_id"]);
    let renew = format!(
        "renew p/slot1 --ttl 1h --allocation {}",
        before["allocation_id"].as_str().expect("an id")
    );
    world.pool(renew).code(6).silent();
    assert!(world.slot("p/slot1")["ttl_seconds"].is_null());
}

/// Section 5: `recover` finds it too, says so beforehand, and once.
#[test]
fn recover_takes_back_what_ran_out() {
    let (world, _remote) = World::with_pool(1);
    ran_out(&world, "");
    let planned = findings(&world, "--dry-run");
    assert_eq!(planned[0]["action"], "release", "{planned:?}");
    assert_eq!(planned[0]["result"], "planned");
    assert_eq!(world.state("p/slot1"), "allocated");
    assert_eq!(findings(&world, "")[0]["result"], "done");
    assert_eq!(world.state("p/slot1"), "available");
    assert!(findings(&world, "").is_empty());
    world.assert_sound("p");
}

/// Section 5: a heartbeat may come a little late.
#[test]
fn a_lease_that_just_ran_out_is_kept_for_a_grace_period() {
    let (world, _remote, slot, found, out) = in_time(Duration::from_secs(9), || {
        let (world, remote) = World::with_pool(1);
        world.sh("$REPO_POOL allocate p --ttl 1ms").ok();
        let slot = world.slot("p/slot1");
        let found = findings(&world, "");
        let out = world.pool("allocate p");
        (world, remote, slot, found, out)
    });
    assert_eq!(slot["reclaim"]["verdict"], "not_yet", "{slot}");
    assert!(slot["reclaim"]["after_seconds"].as_f64() <= Some(10.0));
    assert!(found.is_empty(), "{found:?}");
    out.code(4).says("its lease ran out");
    assert_eq!(
        world.slot("p/slot1")["allocation_id"],
        slot["allocation_id"]
    );
}

/// 4.2: exhaustion says whose lease ends when, and what would free the slot now.
#[test]
fn exhaustion_tells_of_leases() {
    let (world, _remote) = World::with_pool(1);
    world
        .sh("$REPO_POOL allocate p --ttl 1h --owner nightly")
        .ok();
    let out = world.pool("allocate p");
    out.code(4).says("nightly").says("its lease ends in");
    out.says("repo-pool release workspace-p-slot1");
    world.pool("renew p/slot1 --ttl 1ms").ok();
    world.grow_silent("slot1", 20);
    let inside = world.helper(&world.slot_dir("slot1"), "");
    let out = world.pool("allocate p");
    out.code(4).says("its lease ran out, but pid");
    out.says(inside.pid().to_string())
        .says("release workspace-p-slot1 --kill");
    let found = findings(&world, "");
    assert_eq!(
        found[0]["result"], "reported",
        "idle is not free: {found:?}"
    );
    world.pool("release workspace-p-slot1 --kill").ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 5: renewed in time, also after it ran out, it goes on.
#[test]
fn a_renewal_comes_in_time_as_long_as_nobody_took_the_slot() {
    let (world, _remote) = World::with_pool(1);
    let before = ran_out(&world, "");
    assert_eq!(before["reclaim"]["verdict"], "reclaimable");
    world.pool("renew p/slot1 --ttl 1h").ok();
    assert!(findings(&world, "").is_empty());
    world.pool("allocate p").code(4);
    let slot = world.slot("p/slot1");
    assert_eq!(slot["allocation_id"], before["allocation_id"]);
}

/// Section 5: a live owner is never robbed, whatever its lease.
#[test]
fn a_lease_that_ran_out_ends_nothing_while_the_owner_lives() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let slot = ran_out(&world, &format!("--owner-pid {}", owner.pid()));
    assert_eq!(slot["owner"]["liveness"], "alive");
    assert!(slot["reclaim"].is_null(), "{slot}");
    world.pool("allocate p").code(4).says("--force");
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(
        world.slot("p/slot1")["allocation_id"],
        slot["allocation_id"]
    );
    owner.end();
    assert_eq!(world.slot("p/slot1")["reclaim"]["verdict"], "reclaimable");
}

/// Section 5: nor is a running `exec`.
#[test]
fn a_lease_that_ran_out_ends_nothing_while_exec_runs() {
    let (world, _remote) = World::with_pool(1);
    let script = "cd /; echo $$; exec sleep 600";
    let running = world
        .call(["exec", "p", "--ttl", "1ms", "--", "sh", "-c", script])
        .spawn();
    let _command = kill_on_drop(running.line().parse().expect("a pid"));
    world.grow_silent("slot1", 20);
    world.pool("allocate p").code(4);
    world
        .pool("recover p --release-stale --max-age 1ms")
        .one_of(&[0, 1]);
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// Section 5: an owner that can't be seen is for a person to judge, also when its lease ran out.
#[test]
fn a_lease_of_an_owner_elsewhere_is_reported() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    ran_out(&world, &format!("--owner-pid {}", owner.pid()));
    world.edit_allocation("slot1", |allocation| {
        allocation["owner"]["pid_namespace"] = 1.into();
    });
    let found = findings(&world, "");
    assert_eq!(found[0]["result"], "reported", "{found:?}");
    assert!(
        found[0]["detail"].to_string().contains("can't be told"),
        "{found:?}"
    );
    assert_eq!(world.slot("p/slot1")["reclaim"]["verdict"], "doubtful");
    world.pool("allocate p").code(4);
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// Section 5: within a boot the wall clock may jump as it likes.
#[test]
fn a_lease_does_not_run_by_the_wall_clock() {
    let (world, _remote) = World::with_pool(1);
    world.sh("$REPO_POOL allocate p --ttl 1h").ok();
    for year in ["2001", "2099"] {
        world.edit_allocation("slot1", |allocation| {
            allocation["allocated_at"] = format!("{year}-01-01T00:00:00Z").into();
        });
        assert!(findings(&world, "").is_empty(), "{year}");
        world.pool("allocate p").code(4);
        assert_eq!(world.state("p/slot1"), "allocated", "{year}");
    }
}

/// Section 5: across boots it does; a clock that was set back is for a person to judge.
#[test]
fn across_boots_a_lease_runs_by_the_wall_clock() {
    let (world, _remote) = World::with_pool(1);
    world.sh("$REPO_POOL allocate p --ttl 1h").ok();
    let at = |time: &str| {
        world.edit_allocation("slot1", |allocation| {
            allocation["began"]["boot_id"] = "an earlier boot".into();
            allocation["allocated_at"] = time.into();
        });
    };
    at(&jiff::Timestamp::now().to_string());
    assert!(findings(&world, "").is_empty());
    at("2099-01-01T00:00:00Z");
    let found = findings(&world, "");
    assert_eq!(found[0]["result"], "reported", "{found:?}");
    assert!(
        found[0]["detail"].to_string().contains("clock"),
        "{found:?}"
    );
    assert_eq!(world.state("p/slot1"), "allocated");
    at("2001-01-01T00:00:00Z");
    assert_eq!(findings(&world, "")[0]["result"], "done");
    assert_eq!(world.state("p/slot1"), "available");
}

/// Invariant: renewals and allocations at the same time give a slot to one at a time only.
#[test]
fn a_heartbeat_and_a_taker_never_both_win() {
    let (world, _remote) = World::with_pool(1);
    for _ in 0..8 {
        let before = ran_out(&world, "");
        let id = before["allocation_id"].as_str().expect("an id").to_owned();
        let renew = format!("renew p/slot1 --ttl 1h --allocation {id}");
        let taker = world.call("allocate p --no-fetch").spawn();
        let renewed = world.pool(renew);
        let taken = taker.finish();
        let now = world.slot("p/slot1");
        match (renewed.code, taken.code) {
            (0, 4) => assert_eq!(now["allocation_id"], before["allocation_id"]),
            (6, 0) => assert_ne!(now["allocation_id"], before["allocation_id"]),
            other => panic!("{other:?}\n{renewed}\n{taken}"),
        }
        world.pool("release p/slot1 --force").ok();
    }
}

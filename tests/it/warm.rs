//! Idle slots that are made ready ahead of use (10.1, 10.3).

use crate::support::{Out, Remote, World, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What became of the slots of the only pool: `(slot, result)`.
#[track_caller]
fn results(out: &Out) -> Vec<(String, String)> {
    let pools = out.json()["result"]["pools"].clone();
    let slots = pools[0]["slots"].as_array().expect("slots").clone();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    slots
        .iter()
        .map(|slot| {
            let id = text(&slot["slot_id"]);
            let number = id.rsplit('-').next().expect("a slot").to_owned();
            (number, text(&slot["result"]))
        })
        .collect()
}

#[track_caller]
fn assert_results(out: &Out, wanted: &[(&str, &str)]) {
    let wanted: Vec<(String, String)> = wanted
        .iter()
        .map(|(slot, result)| ((*slot).to_owned(), (*result).to_owned()))
        .collect();
    assert_eq!(results(out), wanted, "{out}");
}

/// The commands of git that a call runs, by `-vv`.
#[track_caller]
fn gits(out: &Out) -> Vec<&str> {
    let lines = out.stderr.lines();
    lines.filter(|line| line.starts_with("git ")).collect()
}

/// 10.3: idle slots follow the remote, and the next allocation finds them ready: it runs no git on any
/// slot, and counts as a hit.
#[test]
fn idle_slots_follow_the_remote() {
    let (world, remote) = World::with_pool(3);
    let held = world.pool("allocate p").ok().path();
    let before = world.head(&held);
    let pushed = world.push_commit(&remote, "late.txt", "late\n");
    let out = world.pool("warm p --json");
    assert_results(out.ok(), &[("slot2", "warmed"), ("slot3", "warmed")]);
    assert_eq!(world.head(&held), before, "a held slot is its holder's");
    assert_eq!(world.events("p", "warmed").len(), 2);
    for slot in ["p/slot2", "p/slot3"] {
        let slot = world.slot(slot);
        assert_eq!(
            (&slot["parked"], &slot["verified"]),
            (&true.into(), &true.into())
        );
        assert_eq!(slot["current_commit"], *pushed);
    }
    let out = world.pool("allocate p --no-fetch -vv");
    let dir = out.ok().path();
    assert_eq!(gits(&out), [""; 0]);
    world.assert_holds(&dir, &remote, &pushed);
    assert_eq!(world.status("p")["summary"]["cache_hit_rate"], 1.0);
    world.assert_sound("p");
}

/// What is ready is not touched: no git runs, and nothing is written.
#[test]
fn a_slot_that_is_ready_costs_nothing() {
    let (world, _remote) = World::with_pool(2);
    world.pool("warm p").ok();
    let record = world.pool_dir("p").join("pool.json");
    let before = fs::read(&record).expect("the record");
    let out = world.pool("warm p --no-fetch --json -vv");
    assert_results(
        out.ok(),
        &[("slot1", "already_warm"), ("slot2", "already_warm")],
    );
    assert_eq!(gits(&out), [""; 0]);
    assert_eq!(fs::read(&record).expect("the record"), before);
}

/// A slot that lies where people reach it is parked, and only then looked at; work in it is saved.
#[test]
fn an_unverified_slot_is_saved_cleaned_and_parked() {
    let (world, remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("new.txt"), "left behind\n").expect("writing");
    world.pool("release p/slot1 --no-cleanup").ok();
    assert_eq!(world.slot("p/slot1")["verified"], false);
    fs::write(world.idle_dir("slot2").join("stray.txt"), "strayed\n").expect("writing");
    let out = world.pool("warm p --json");
    assert_results(out.ok(), &[("slot1", "warmed"), ("slot2", "warmed")]);
    for content in ["left behind\n", "strayed\n"] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    assert!(!dir.exists());
    assert_eq!(world.slot("p/slot1")["verified"], true);
    for _ in 0..2 {
        let out = world.pool("allocate p --no-fetch -vv");
        let dir = out.ok().path();
        assert_eq!(gits(&out), [""; 0]);
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    }
}

/// A slot that somebody stands in is passed over and named, and the others are made ready.
#[test]
fn a_slot_with_a_process_inside_is_passed_over() {
    let (world, remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    world.pool("release p/slot1 --no-cleanup").ok();
    let inside = world.helper(&dir, "");
    world.push_commit(&remote, "late.txt", "late\n");
    let out = world.pool("warm p --json");
    assert_results(out.ok(), &[("slot1", "passed_over"), ("slot2", "warmed")]);
    let reason = out.json()["result"]["pools"][0]["slots"][0]["reason"].to_string();
    assert!(reason.contains(&inside.pid().to_string()), "{reason}");
    assert!(dir.join("README.md").is_file(), "it is where it was");
    inside.end();
    let out = world.pool("warm p --json");
    assert_results(out.ok(), &[("slot1", "warmed"), ("slot2", "already_warm")]);
}

/// Slots can be named, and one that is not idle is said to be so.
#[test]
fn named_slots_only() {
    let (world, remote) = World::with_pool(3);
    world.allocate("p --owner agent-7");
    world.pool("isolate p/slot3 --reason odd").ok();
    world.push_commit(&remote, "late.txt", "late\n");
    let out = world.pool("warm p/slot1 p/slot2 p/slot3 --json");
    let wanted = [
        ("slot1", "passed_over"),
        ("slot2", "warmed"),
        ("slot3", "passed_over"),
    ];
    assert_results(out.ok(), &wanted);
    let text = out.json().to_string();
    assert!(text.contains("agent-7") && text.contains("odd"), "{text}");
    world.pool("warm p/slot9").code(7);
    world.pool("warm q").code(7);
    world.pool("warm").ok().silent();
}

/// A slot that can't be made ready goes out of use, with the reason; the others are made ready.
#[test]
fn a_slot_that_can_not_be_made_ready_goes_out_of_use() {
    let (world, remote) = World::with_pool(2);
    let nested = world.idle_dir("slot1").join("nested");
    fs::create_dir(&nested).expect("a directory");
    world.git(&nested, "init -q .");
    world.commit(&nested, "inner.txt", "inner\n");
    let pushed = world.push_commit(&remote, "late.txt", "late\n");
    let out = world.pool("warm p --json");
    assert_results(out.code(1), &[("slot1", "failed"), ("slot2", "warmed")]);
    assert_eq!(world.state("p/slot1"), "error");
    assert_eq!(world.slot("p/slot2")["current_commit"], *pushed);
    let kept = world.slot_path("slot1").join("nested/inner.txt");
    assert!(kept.is_file(), "its work is where it was");
}

/// Without arguments all pools that are to be kept ready are; a dead remote stops none of the others.
#[test]
fn enabled_pools_are_made_ready_beside_a_dead_remote() {
    let world = World::new();
    let names = ["one", "two", "three", "other"];
    let remotes: Vec<Remote> = names.iter().map(|name| world.small_remote(name)).collect();
    for (name, remote) in names.iter().zip(&remotes) {
        world
            .pool(format!("create {name} {} -n 2", remote.url()))
            .ok();
    }
    let more = world.small_remote("more");
    world.declare(&format!(
        "[pools.one]\nrepo_url = '{}'\nwarmup_enabled = true\n\
         [pools.two]\nrepo_url = '{}'\nwarmup_enabled = true\n\
         [pools.three]\nrepo_url = '{}'\nwarmup_enabled = true\n\
         [pools.more]\nrepo_url = '{}'\nnum_slots = 1\nwarmup_enabled = true\n",
        remotes[0].url(),
        remotes[1].url(),
        remotes[2].url(),
        more.url()
    ));
    for remote in &remotes {
        world.push_commit(remote, "late.txt", "late\n");
    }
    fs::rename(&remotes[1].path, world.path("lost.git")).expect("moving");
    let out = world.pool("warm --json --jobs 4");
    out.code(1).says("pool two: ");
    let summary = &out.json()["result"]["summary"];
    assert_eq!(
        (&summary["warmed"], &summary["failed_pools"]),
        (&4.into(), &1.into()),
        "{out}"
    );
    for (name, remote) in [
        ("one", &remotes[0]),
        ("three", &remotes[2]),
        ("more", &more),
    ] {
        for slot in world.slots(name) {
            assert_eq!(slot["current_commit"], *world.tip(remote, "main"), "{slot}");
        }
    }
    let late = world.tip(&remotes[3], "main");
    assert!(
        world
            .slots("other")
            .iter()
            .all(|slot| slot["current_commit"] != *late)
    );
    // One by one comes to the same.
    world.push_commit(&remotes[0], "later.txt", "later\n");
    world.push_commit(&remotes[2], "later.txt", "later\n");
    let out = world.pool("warm --json --jobs 1");
    let summary = &out.code(1).json()["result"]["summary"];
    assert_eq!(
        (&summary["warmed"], &summary["already_warm"]),
        (&4.into(), &1.into()),
        "{out}"
    );
}

/// Who wants a slot meanwhile gets one, and no two get the same; slots that are made ready are waited
/// for.
#[test]
fn allocations_go_on_beside_it() {
    let (world, remote) = World::with_pool(8);
    for round in 0..3 {
        let pushed = world.push_commit(&remote, "late.txt", &format!("late {round}\n"));
        let (slots, warmed): (Vec<PathBuf>, Vec<Out>) = std::thread::scope(|scope| {
            let warmers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| world.pool("warm p --jobs 8 --lock-timeout 5m")))
                .collect();
            let takers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| world.pool("allocate p --lock-timeout 5m").ok().path()))
                .collect();
            let slots = takers
                .into_iter()
                .map(|taker| taker.join().expect("a slot"));
            let slots = slots.collect();
            let warmed = warmers.into_iter().map(|one| one.join().expect("warming"));
            (slots, warmed.collect())
        });
        warmed.iter().for_each(|out| {
            out.ok();
        });
        assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), 8, "{slots:?}");
        for slot in &slots {
            world.assert_holds(slot, &remote, &pushed);
            world.pool(["release", &slot.display().to_string()]).ok();
        }
    }
    world.assert_sound("p");
    world.pool("recover --dry-run").ok();
}

/// The only slot is being made ready: who wants it waits for it.
#[test]
fn who_finds_no_other_slot_waits_for_it() {
    let (world, remote) = World::with_pool(1);
    fs::write(world.idle_dir("slot1").join("stray.txt"), "strayed\n").expect("writing");
    let pushed = world.push_commit(&remote, "late.txt", "late\n");
    // It needs the pool's lock for its result, after the look at the slot.
    let warming = world.call("warm p --lock-timeout 5m").spawn();
    until("it works on the slot, or is done", || {
        let state = world.state("p/slot1");
        (state == "cleaning" || !world.events("p", "warmed").is_empty()).then_some(())
    });
    let dir = world.pool("allocate p --lock-timeout 5m").ok().path();
    warming.finish().ok();
    world.assert_holds(&dir, &remote, &pushed);
    assert!(world.is_rescued("p", "strayed\n"));
}

/// git reads files again whose times are in the second of their index, at each status; an index that
/// was made ready is later than all of its files.
#[test]
fn the_index_of_a_ready_slot_is_later_than_its_files() {
    let (world, remote) = World::with_pool(2);
    world.push_commit(&remote, "late.txt", "late\n");
    world.pool("warm p").ok();
    for slot in ["slot1", "slot2"] {
        let index = world.admin_dir(slot).join("index");
        let index = fs::metadata(index).expect("the index").mtime();
        let dir = world.idle_dir(slot);
        for file in ["late.txt", "README.md", "src/part1.rs"] {
            let file = fs::metadata(dir.join(file)).expect("a file").mtime();
            assert!(file < index, "{slot}: {file} is not before {index}");
        }
        assert_eq!(world.slot(&format!("p/{slot}"))["verified"], true);
    }
    let out = world.pool("allocate p --no-fetch -vv");
    let dir = out.ok().path();
    assert_eq!(gits(&out), [""; 0]);
    // A change of the same size shows.
    fs::write(dir.join("late.txt"), "LATE\n").expect("writing");
    assert_eq!(world.git(&dir, "status --porcelain"), " M late.txt");
}

/// A fetch can be left out, or be fresh enough.
#[test]
fn the_fetch_can_be_spared() {
    let (world, remote) = World::with_pool(1);
    world.push_commit(&remote, "late.txt", "late\n");
    for spared in ["--no-fetch", "--fetch-max-age 1h"] {
        let out = world.pool(format!("warm p --json {spared}"));
        assert_results(out.ok(), &[("slot1", "already_warm")]);
    }
    fs::rename(&remote.path, world.path("lost.git")).expect("moving");
    world.pool("warm p").code(1).says("--no-fetch");
    let call = world
        .call("warm p")
        .env("REPO_POOL_ON_FETCH_FAILURE", "use-cache");
    call.run().ok().says("going on");
}

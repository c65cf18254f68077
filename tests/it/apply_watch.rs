//! `apply --watch`: the file is applied at each of its changes, however it is changed.

use crate::support::{Remote, SilentServer, World, until};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn declared(remote: &Remote, slots: u32) -> String {
    let url = remote.url();
    format!("[pools.p]\nrepo_url = \"{url}\"\nnum_slots = {slots}\n")
}

/// Replaces a file as most editors do: the new one is written beside it and renamed.
#[track_caller]
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("toml~");
    fs::write(&beside, text).expect("writing");
    fs::rename(&beside, file).expect("renaming");
}

#[track_caller]
fn until_slots(world: &World, count: usize) {
    until("the pool has its slots", || {
        let there = world.pool_dir("p").exists();
        let slots = || world.pool("status p --json").json()["pool"]["slots"].clone();
        let idle = |slot: &serde_json::Value| slot["state"] == "available";
        let is_so = there && {
            let slots = slots();
            let slots = slots.as_array().expect("slots");
            slots.len() == count && slots.iter().all(idle)
        };
        is_so.then_some(())
    });
}

fn file(world: &World) -> PathBuf {
    world.workspace().join("pools.toml")
}

/// 8.3: changes are applied whether the file is written in place, renamed or put back; a wrong file
/// and a missing one are said once and change nothing.
#[test]
fn each_change_of_the_file_is_applied() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&declared(&remote, 1));
    let watch = world.call("apply --watch=0.02 --prune").spawn();
    until_slots(&world, 1);
    replace(&file(&world), &declared(&remote, 3));
    until_slots(&world, 3);
    fs::write(file(&world), declared(&remote, 2)).expect("writing");
    until_slots(&world, 2);
    fs::write(file(&world), "[pools.p\n").expect("writing");
    watch.says("not valid TOML", 1);
    replace(&file(&world), "[pools.p\n");
    replace(&file(&world), "[defaults]\nnum_slot = 1\n");
    watch.says("did you mean num_slots?", 1);
    fs::remove_file(file(&world)).expect("removing");
    watch.says("there is no", 1);
    assert_eq!(world.slots("p").len(), 2);
    replace(&file(&world), &declared(&remote, 4));
    until_slots(&world, 4);
    // Nothing is declared any more, and --prune was asked for.
    replace(&file(&world), "");
    until("the pool is gone", || world.list().is_empty().then_some(()));
    watch.signal(Signal::TERM);
    let out = watch.finish();
    out.ok();
    for said in ["not valid TOML", "num_slots?", "there is no", "watching"] {
        assert_eq!(out.stderr.matches(said).count(), 1, "{said}\n{out}");
    }
    let first = out.stdout.lines().next().expect("a line");
    assert!(first.starts_with("+ pool p"), "{out}");
}

/// 8.4: half a file declares fewer pools than are meant; with `--prune` it must not be believed.
#[test]
fn half_a_file_is_not_applied() {
    // A machine that is too busy to write the halves at once shows half a file for real.
    let played = (0..20).find_map(|_| written_in_parts(Duration::from_millis(100)));
    let printed = played.expect("a machine that is less busy");
    assert!(!printed.contains("- pool"), "{printed}");
}

/// What a watch prints when its file is written in place, in parts that follow each other within the
/// limit; none, if they did not.
fn written_in_parts(limit: Duration) -> Option<String> {
    let world = World::new();
    let remote = world.small_remote("remote");
    let other = declared(&remote, 1).replace("pools.p", "pools.other");
    world.declare(&format!("{}{other}", declared(&remote, 1)));
    let watch = world.call("apply --watch=0.001 --prune").spawn();
    watch.prints(2);
    for slots in 2..5 {
        let half = declared(&remote, slots);
        let start = Instant::now();
        for text in ["", &half, &format!("{half}{other}")] {
            fs::write(file(&world), text).expect("writing");
        }
        if start.elapsed() > limit {
            return None;
        }
        until_slots(&world, slots as usize);
    }
    watch.signal(Signal::TERM);
    Some(watch.finish().ok().stdout.clone())
}

/// Section 4: with `--json` there is one document a line; SIGINT ends it with 0, too.
#[test]
fn a_watch_prints_one_document_a_line() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&declared(&remote, 1));
    let watch = world.call("apply --watch=20ms --json").spawn();
    watch.prints(1);
    replace(&file(&world), "broken");
    watch.says("config_validation", 1);
    replace(&file(&world), &declared(&remote, 2));
    watch.prints(2);
    watch.signal(Signal::INT);
    let out = watch.finish();
    let documents = out.ok().json_lines();
    assert_eq!(documents.len(), 2, "{out}");
    for (document, action) in documents.iter().zip(["create_pool", "add_slots"]) {
        assert_eq!(document["schema"], 1, "{out}");
        assert_eq!(document["result"]["steps"][0]["action"], action, "{out}");
        assert_eq!(document["result"]["steps"][0]["result"], "done", "{out}");
    }
    world.pool("apply --watch --dry-run").code(2);
    world.pool("apply --watch=0").code(2);
}

/// A signal in the middle of a clone undoes it, and is no failure of the watch.
#[test]
fn a_signal_in_the_middle_leaves_nothing_behind() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let server = SilentServer::start();
    let slow = format!("[pools.slow]\nrepo_url = \"{}\"\n", server.git_url());
    world.declare(&declared(&remote, 1));
    world.pool("apply").ok();
    world.declare(&format!("{}{slow}", declared(&remote, 1)));
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let before = server.connections();
        let watch = world.call("apply --watch --jobs 2").spawn();
        until("the remote is asked", || {
            (server.connections() > before).then_some(())
        });
        watch.signal(signal);
        watch.finish().ok();
        assert!(!world.pool_dir("slow").exists());
    }
    world.pool("recover --dry-run").ok();
    let before = server.connections();
    let once = world.call("apply --jobs 2").spawn();
    until("the remote is asked", || {
        (server.connections() > before).then_some(())
    });
    once.signal(Signal::TERM);
    once.finish().code(128 + 15);
    assert_eq!(world.list(), ["p"]);
}

/// Section 4: when nobody reads what it says, a watch ends quietly.
#[test]
fn a_closed_pipe_ends_a_watch() {
    let world = World::new();
    let remote = world.small_remote("remote");
    world.declare(&declared(&remote, 1));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let out = world.call("apply --watch").stdout_to(writer).run();
    out.ok();
    assert_eq!(world.slots("p").len(), 1);
}

//! `keep`: its bound, and patterns that mean more than caches; `on_release`.

use crate::support::{Remote, World, alive, await_quiet, kill_on_drop, until};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};

fn pool_with(settings: &str) -> (World, Remote) {
    let (world, remote) = World::with_pool(1);
    declare(&world, &remote, settings);
    (world, remote)
}

fn declare(world: &World, remote: &Remote, settings: &str) {
    let url = remote.url();
    world.declare(&format!("[pools.p]\nrepo_url = \"{url}\"\n{settings}\n"));
}

fn fill(path: &Path, size: usize) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, vec![b'x'; size]).expect("writing");
}

/// 3.2: beyond `keep_limit` the largest of what is kept goes, and that is said and logged.
#[test]
fn kept_caches_have_a_bound() {
    let (world, _) = pool_with("keep = [\"target/\", \"node_modules/\"]\nkeep_limit = \"1M\"");
    let dir = world.pool("allocate p").ok().path();
    fill(&dir.join("target/large"), 900 << 10);
    fill(&dir.join("node_modules/small"), 50 << 10);
    world.pool("release p/slot1").ok().never_says("keep_limit");
    let there = |name: &str| world.slot_dir("slot1").join(name).exists();
    assert!(there("target/large") && there("node_modules/small"));
    let dir = world.pool("allocate p").ok().path();
    fill(&dir.join("target/more"), 200 << 10);
    world
        .pool("release p/slot1")
        .ok()
        .says("keep_limit")
        .says("target");
    assert!(!there("target") && there("node_modules/small"));
    let cleaned = world.events("p", "cleaned");
    let last = cleaned.last().expect("an event")["operations"].to_string();
    assert!(last.contains("keep_limit"), "{last}");
    assert_eq!(world.slot("p/slot1")["verified"], true);
    // What lies there although nobody released it, `warm` finds.
    fill(&world.idle_dir("slot1").join("target/stray"), 2 << 20);
    world.pool("isolate p/slot1").ok();
    world.pool("recover p/slot1").ok().says("keep_limit");
    assert!(!there("target"));
    await_quiet(&world);
    assert!(!world.has_trash());
}

/// `create --keep` counts beside the configured patterns, wherever those count; and it outlives the
/// pool's record.
#[test]
fn a_pool_keeps_what_it_was_made_to_keep() {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    world
        .pool(format!("create p {url} -n 1 --keep ../x"))
        .code(2)
        .says("--keep")
        .says("\"..\"");
    let made = format!("create p {url} -n 1 --keep target/ --keep src/");
    world.pool(made).ok().says("tracked files");
    let used = |kept: &[&str]| {
        let dir = world.pool("allocate p").ok().path();
        kept.iter().for_each(|name| fill(&dir.join(name), 3));
        fill(&dir.join("run.log"), 3);
        world.pool("release p/slot1").ok();
        assert!(!world.slot_dir("slot1").join("run.log").exists());
        assert_eq!(world.slot("p/slot1")["verified"], true);
        for name in kept {
            assert!(world.slot_dir("slot1").join(name).exists(), "{name}");
        }
    };
    used(&["target/a"]);
    declare(&world, &remote, "keep = [\"node_modules/\"]");
    used(&["target/a", "node_modules/b"]);
    let both = serde_json::json!(["node_modules/", "target/", "src/"]);
    assert_eq!(world.status("p")["keep"], both);
    let shown = world.pool("status p").stdout;
    assert!(
        shown.contains("keeps node_modules/, target/, src/"),
        "{shown}"
    );
    world.push_commit(&remote, "new.txt", "new\n");
    world.pool("warm p").ok();
    declare(&world, &remote, "");
    fs::remove_file(world.pool_dir("p").join("pool.json")).expect("the record");
    world.pool("recover p").ok();
    assert_eq!(world.slot("p/slot1")["state"], "available");
    used(&["target/a"]);
    world.pool("recover p --dry-run").ok();
}

/// A set-up whose product was over the limit is made again.
#[test]
fn a_cache_that_went_is_set_up_again() {
    let (world, _) = pool_with(
        "keep = [\"target/\"]\nkeep_limit = \"1M\"\nsetup = 'mkdir -p target; echo run >> target/runs'",
    );
    let dir = world.pool("allocate p").ok().path();
    fill(&dir.join("target/large"), 2 << 20);
    world.pool("release p/slot1").ok().says("keep_limit");
    let dir = world.pool("allocate p").ok().path();
    assert!(dir.join("target/runs").exists() && !dir.join("target/large").exists());
}

/// A pattern that matches tracked files keeps none of them, and is said to; what is not ignored is
/// saved and goes as always.
#[test]
fn tracked_files_are_never_kept() {
    let world = World::new();
    let remote = world.remote();
    declare(
        &world,
        &remote,
        "keep = [\"src/\", \"new/\"]\nnum_slots = 1",
    );
    let out = world.pool(format!("create p {}", remote.url()));
    out.ok()
        .says("tracked files")
        .says("src/part1.rs")
        .says("and 15 more");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("src/part1.rs"), "changed\n").expect("writing");
    fs::write(dir.join("src/new.rs"), "made\n").expect("writing");
    fill(&dir.join("new/file"), 3);
    fs::write(dir.join("src/run.log"), "ignored\n").expect("writing");
    world.pool("release p/slot1").ok().says("saved");
    for content in ["changed\n", "made\n"] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    let dir = world.slot_dir("slot1");
    assert_eq!(world.git(&dir, "status --porcelain -uall"), "");
    assert!(!dir.join("src/new.rs").exists() && !dir.join("new").exists());
    assert!(dir.join("src/run.log").exists(), "ignored, and kept");
    world.pool("warm p").ok().says("tracked files");
    world.pool("add-slot p").ok().says("tracked files");
    world.pool("allocate p").ok().never_says("tracked files");
}

/// It runs in the slot, where its users work, before anything is cleaned, with the allocation's
/// variables; also in the background, and for a slot that is taken back.
#[test]
fn on_release_runs_before_the_slot_is_cleaned() {
    let (world, _) = World::with_pool(2);
    let seen = world.path("seen");
    let text = format!(
        "[pools.p]\nrepo_url = \"{}\"\non_release = 'pwd >> {1}; cat work.txt >> {1}; env | grep ^REPO_POOL_A >> {1}'\n",
        world.path("remote.git").display(),
        seen.display()
    );
    world.declare(&text);
    for how in ["", "--background", "--discard"] {
        let slot = world.allocate("p");
        let dir = PathBuf::from(slot["slot_path"].as_str().expect("a path"));
        fs::write(dir.join("work.txt"), format!("work {how}\n")).expect("writing");
        world.pool(format!("release {} {how}", dir.display())).ok();
        await_quiet(&world);
        let text = fs::read_to_string(&seen).expect("it ran");
        let wanted = format!(
            "{}\nwork {how}\nREPO_POOL_ALLOCATION={}\n",
            dir.display(),
            slot["allocation_id"].as_str().expect("an id")
        );
        assert_eq!(text, wanted, "{how}");
        fs::remove_file(&seen).expect("removing");
        assert_eq!(
            world.is_rescued("p", &format!("work {how}\n")),
            how != "--discard"
        );
        assert_eq!(
            world.slot(&dir.display().to_string())["verified"],
            true,
            "{how}"
        );
    }
    // Nobody had the other one, and this one is not cleaned.
    world.pool("warm p").ok();
    let dir = world.pool("allocate p").ok().path();
    world
        .pool(format!("release {} --no-cleanup", dir.display()))
        .ok();
    world.pool("allocate p").ok();
    assert!(!seen.exists());
    let owner = world.helper(&world.path(""), "");
    let held = world.pool(format!("allocate p --owner-pid {}", owner.pid()));
    let held = held.ok().path();
    fs::write(held.join("work.txt"), "of one that died\n").expect("writing");
    owner.end();
    let name = held
        .file_name()
        .expect("a slot")
        .to_string_lossy()
        .into_owned();
    world.grow_silent(&name, 20);
    world.pool("recover p").ok();
    let text = fs::read_to_string(&seen).expect("it ran");
    assert!(text.contains("of one that died"), "{text}");
}

/// Work is saved before it runs, whatever it deletes; what changes while it runs is saved too; and
/// what does not change is saved once.
#[test]
fn on_release_loses_no_work() {
    let (world, remote) = pool_with("on_release = 'rm -rf work.txt src; git checkout -q -f .'");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "deleted by the command\n").expect("writing");
    fs::write(dir.join("README.md"), "reverted by the command\n").expect("writing");
    world.pool("release p/slot1").ok().says("saved");
    for content in ["deleted by the command\n", "reverted by the command\n"] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    declare(&world, &remote, "on_release = 'true'");
    let before = world.pool("rescue list p").ok().stdout.lines().count();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "once\n").expect("writing");
    world.git(&dir, "add work.txt");
    fs::write(dir.join("work.txt"), "twice\n").expect("writing");
    world.pool("release p/slot1").ok().says("saved");
    let after = world.pool("rescue list p").ok().stdout.lines().count();
    assert_eq!(after, before + 1);
    declare(&world, &remote, "on_release = 'echo more >> late.txt'");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "first\n").expect("writing");
    world.pool("release p/slot1").ok().says("saved");
    assert!(world.is_rescued("p", "first\n") && world.is_rescued("p", "more\n"));
    // What can't be saved is not touched.
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "init -q nested");
    world.pool("release p/slot1").code(5);
    assert!(!dir.join("late.txt").exists(), "the command did not run");
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// One that fails, hangs or leaves something running is said and logged, and the slot comes back.
#[test]
fn a_failing_on_release_stops_nothing() {
    let (world, remote) = pool_with("on_release = 'echo not this time; exit 3'");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    let out = world.pool("release p/slot1 --json");
    out.ok().says("not this time");
    let errors = out.json()["cleanup"]["errors"].to_string();
    assert!(errors.contains("exit code 3"), "{errors}");
    let cleaned = world.events("p", "cleaned");
    assert!(
        cleaned.last().expect("an event")["errors"]
            .to_string()
            .contains("exit code 3")
    );
    assert!(world.is_rescued("p", "work\n"));
    assert_eq!(world.slot("p/slot1")["verified"], true);
    let pid = world.path("pid");
    let hang = format!("setsid sleep 600 & echo $! > {}; sleep 600", pid.display());
    declare(
        &world,
        &remote,
        &format!("on_release = '{hang}'\ncleanup_timeout = \"2s\""),
    );
    world.pool("allocate p").ok();
    world.pool("release p/slot1").ok().says("cleanup_timeout");
    let text = fs::read_to_string(&pid).expect("a pid");
    assert!(!alive(text.trim().parse().expect("a pid")));
    assert_eq!(world.state("p/slot1"), "available");
}

/// Killed while it runs: the next command goes on, runs it again, and loses nothing.
#[test]
fn a_release_that_was_killed_in_it_goes_on() {
    let world = World::new();
    let remote = world.remote();
    let (pid, script) = (world.path("pid"), world.path("script"));
    let settings = format!("num_slots = 1\non_release = 'sh {}'", script.display());
    declare(&world, &remote, &settings);
    world.pool(format!("create p {}", remote.url())).ok();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    let text = format!("rm work.txt; sleep 600 & echo $! > {}; wait", pid.display());
    fs::write(&script, text).expect("writing");
    let running = world.call("release p/slot1").spawn();
    let sleeper: u32 = until("it runs", || {
        fs::read_to_string(&pid).ok()?.trim().parse().ok()
    });
    let _last = kill_on_drop(sleeper);
    running.signal(Signal::KILL);
    running.finish().code(128 + 9);
    fs::write(&script, format!("touch {}", world.path("again").display())).expect("writing");
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    assert!(!alive(sleeper));
    assert!(world.path("again").exists());
    assert!(world.is_rescued("p", "work\n"));
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

//! `--wait`: whatever frees a slot wakes who waits for one, and nothing else does.

use crate::support::{Call, Running, World, until};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const WAIT: &str = "allocate p --no-fetch --wait 10m";

/// After how long a waiter looks again although nothing woke it.
const AT_THE_LATEST: Duration = Duration::from_secs(5);

/// A waiter whose waits can be counted.
struct Watched<'a> {
    world: &'a World,
    waiter: Option<Running>,
    log: PathBuf,
    started: Instant,
}

impl<'a> Watched<'a> {
    /// Starts one, and returns once it stands in line and waits.
    #[track_caller]
    fn start(world: &'a World, args: &str) -> Self {
        let log = world.path("waits.log");
        let mut command = world.command("strace");
        command.args(["-qq", "-o"]).arg(&log);
        command.args(["-e", "trace=ppoll"]);
        command.arg(env!("CARGO_BIN_EXE_repo-pool"));
        command.args(args.split(' '));
        let watched = Self {
            world,
            started: Instant::now(),
            waiter: Some(Call::new(command).spawn()),
            log,
        };
        // Earlier waits are for git and for locks.
        until("it stands in line", || {
            (!world.line().is_empty()).then_some(())
        });
        until("it waits", || {
            watched.polls().last()?.ends_with('(').then_some(())
        });
        watched
    }

    /// The waits so far, each up to its answer, but for those for a lock before that is told.
    fn polls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains("poll("));
        let lines = lines.filter(|line| !is_for_a_lock(line));
        // What has no answer yet is as long as its beginning.
        lines
            .map(|line| match line.split_once(") = ") {
                Some((_, answer)) => answer.to_owned(),
                None => "(".to_owned(),
            })
            .collect()
    }

    /// It gets a slot, and was not asking all the time: no more waits ended by themselves than there
    /// was time for.
    #[track_caller]
    fn gets(mut self, slot: &str) {
        let waiter = self.waiter.take().expect("it runs");
        let out = waiter.finish();
        let time = self.started.elapsed();
        assert_eq!(out.ok().path(), self.world.slot_dir(slot));
        let in_vain = self
            .polls()
            .iter()
            .filter(|end| end.starts_with('0'))
            .count();
        let most = time.as_secs() / AT_THE_LATEST.as_secs();
        assert!(
            in_vain as u64 <= most,
            "{in_vain} in {time:?}:\n{:?}",
            self.polls()
        );
    }
}

/// Whether a wait is for a lock: after 300 ms of those that is told.
fn is_for_a_lock(line: &str) -> bool {
    let nanoseconds = line.split_once("tv_sec=0, tv_nsec=").and_then(|(_, rest)| {
        rest.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    });
    nanoseconds.is_some_and(|time: u64| (200_000_000..300_000_000).contains(&time))
}

/// A pool with one slot, which is taken.
#[track_caller]
fn taken(how: &str) -> World {
    let (world, _remote) = World::with_pool(1);
    world.pool(format!("allocate p {how}")).ok();
    world
}

/// 4.2: a release wakes the waiter, in whichever way the slot comes back.
#[test]
fn a_release_is_noticed() {
    for way in ["", "--background", "--no-cleanup", "--discard"] {
        let world = taken("");
        std::fs::write(world.slot_dir("slot1").join("left.txt"), "left").expect("writing");
        let waiter = Watched::start(&world, WAIT);
        world.pool(format!("release p/slot1 {way}")).ok();
        waiter.gets("slot1");
    }
}

/// 4.2: so does the end of an `exec`.
#[test]
fn the_end_of_a_command_is_noticed() {
    let (world, _remote) = World::with_pool(1);
    let running = world
        .call(["exec", "p", "--", "sh", "-c", "echo on; exec sleep 600"])
        .spawn();
    running.line();
    let waiter = Watched::start(&world, WAIT);
    running.signal(Signal::TERM);
    running.finish().code(143);
    waiter.gets("slot1");
}

/// 4.4: so does the death of an `exec`, which nobody records.
#[test]
fn the_death_of_exec_is_noticed() {
    let (world, _remote) = World::with_pool(1);
    // The command stands elsewhere, so that nobody is inside.
    let script = "cd /; echo $$; exec sleep 600";
    let running = world.call(["exec", "p", "--", "sh", "-c", script]).spawn();
    let _command = crate::support::kill_on_drop(running.line().parse().expect("a pid"));
    let waiter = Watched::start(&world, WAIT);
    running.signal(Signal::KILL);
    waiter.gets("slot1");
    assert_eq!(world.events("p", "reclaimed").len(), 1);
}

/// 4.4: and that of a named owner.
#[test]
fn the_death_of_an_owner_is_noticed() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    world
        .pool(format!("allocate p --owner-pid {}", owner.pid()))
        .ok();
    world.grow_silent("slot1", 20);
    let waiter = Watched::start(&world, WAIT);
    owner.end();
    waiter.gets("slot1");
}

/// 4.4: a grace period and a lease end at a time that is known.
#[test]
fn the_end_of_a_lease_and_of_a_grace_period_is_waited_for() {
    let (world, _remote) = World::with_pool(1);
    world.sh("$REPO_POOL allocate p --ttl 2s").ok();
    world.grow_silent("slot1", 3);
    assert_eq!(world.slot("p/slot1")["reclaim"]["verdict"], "not_yet");
    world.grow_silent("slot1", 8);
    let waiter = world.pool(WAIT);
    waiter.ok().path();
    world.pool("release p/slot1 --force").ok();
    let owner = world.helper(&world.path(""), "");
    world
        .pool(format!("allocate p --owner-pid {}", owner.pid()))
        .ok();
    owner.end();
    world.grow_silent("slot1", 8);
    world.pool(WAIT).ok().path();
    assert_eq!(world.events("p", "reclaimed").len(), 2);
}

/// 7.1, 9.2, 10.3: new slots, repaired ones and those that were made ready are slots too.
#[test]
fn other_commands_that_bring_a_slot_are_noticed() {
    let world = taken("");
    let waiter = Watched::start(&world, WAIT);
    world.pool("add-slot p").ok();
    waiter.gets("slot2");
    world.pool("release p/slot2").ok();
    world.pool("isolate p/slot2").ok();
    let waiter = Watched::start(&world, WAIT);
    world.pool("recover p/slot2").ok();
    waiter.gets("slot2");
    world.pool("release p/slot2").ok();
    // As if `warm` were at it: its intent is recorded, and its lock held.
    let held = world.hold("slot2.lock");
    world.edit_slot("slot2", |slot| {
        slot["state"] = "cleaning".into();
        slot["operation"] = serde_json::json!({
            "id": "0", "kind": "warm", "started_at": "2026-01-01T00:00:00Z", "attempts": 0,
        });
    });
    let waiter = Watched::start(&world, WAIT);
    world.edit_slot("slot2", |slot| {
        slot["state"] = "available".into();
        slot.as_object_mut().expect("a slot").remove("operation");
    });
    // It is available; who was at it lets its lock go a moment later.
    drop(held);
    waiter.gets("slot2");
}

/// 9.4: what a killed command has left is finished by who waits.
#[cfg(debug_assertions)]
#[test]
fn a_killed_release_is_finished_by_who_waits() {
    let world = taken("");
    std::fs::write(world.slot_dir("slot1").join("left.txt"), "left").expect("writing");
    let stopped = world
        .call("release p/slot1")
        .env("REPO_POOL_CRASH_AT", "stop:24")
        .spawn();
    until("its intent is on record", || {
        (world.state("p/slot1") == "cleaning").then_some(())
    });
    let waiter = Watched::start(&world, WAIT);
    stopped.signal(Signal::KILL);
    stopped.finish().code(137);
    waiter.gets("slot1");
    assert!(world.is_rescued("p", "left"));
}

/// 4.2: a slot that a process is in is not to be had, until that process is gone.
#[test]
fn the_end_of_a_process_inside_is_noticed() {
    let world = taken("");
    world.pool("release p/slot1 --no-cleanup").ok();
    let inside = world.helper(&world.slot_dir("slot1"), "");
    let waiter = Watched::start(&world, WAIT);
    inside.end();
    waiter.gets("slot1");
}

/// 4.2: a slot whose branch somebody else is on is not to be had either. It is tried now and then.
#[test]
fn what_is_in_the_way_of_a_slot_is_not_looked_at_all_the_time() {
    let (world, _remote) = World::with_pool(2);
    let held = world.pool("allocate p").ok().path();
    let number = held.file_name().expect("a slot").to_string_lossy();
    let idle = if number == "slot1" { "slot2" } else { "slot1" };
    let branch = format!("worktree/p/{idle}");
    world.git(&held, ["checkout", "-q", &branch]);
    let out = world.pool("allocate p --no-fetch --wait 2500ms");
    out.code(4).says(&branch);
    let tries = out.stderr.matches("is passed over").count() as u64;
    assert!(tries <= 2 + out.took.as_secs(), "{out}");
    let waiter = world.waiter(WAIT);
    world.git(&held, "checkout -q --detach");
    assert_eq!(waiter.finish().ok().path(), world.slot_dir(idle));
}

/// 4.2: who is not first in line is woken by nobody but who is before it.
#[test]
fn who_is_not_first_looks_at_nothing() {
    let world = taken("");
    let first = world.waiter(WAIT);
    let second = world.waiter(WAIT);
    let switches = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", second.pid()));
        let status = status.expect("it lives");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("a count").trim().parse().expect("a number")
    };
    until("it sleeps", || {
        let before = switches();
        world.pool("status p").ok();
        (switches() == before).then_some(())
    });
    let (before, start) = (switches(), Instant::now());
    for _ in 0..20 {
        // Each is a change of the record.
        world.pool("renew p/slot1 --ttl 1h").ok();
    }
    let woken = switches() - before;
    let looks = 1 + start.elapsed().as_secs() / AT_THE_LATEST.as_secs();
    // A look has a few occasions to sleep, and is far from twenty.
    assert!(woken <= 4 * looks, "{woken} in {:?}", start.elapsed());
    world.pool("release p/slot1").ok();
    first.finish().ok();
    world.pool("release p/slot1").ok();
    second.finish().ok();
}

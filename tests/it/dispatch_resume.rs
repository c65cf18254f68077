//! A dispatcher that was killed, and the next one: every task comes to one accepted end, nothing is
//! left running, and no slot stays taken.

#[cfg(debug_assertions)]
use crate::support::crash_places;
use crate::support::{Queue, alive, kill, until};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;

const WAITS: &str =
    "echo $$ > $DIR/pid-$REPO_POOL_TASK_ID; until [ -e $DIR/go ]; do sleep 0.02; done";

/// A task in a slot; `$DIR` is the directory of its file.
fn sh(id: &str, script: &str, more: &str) -> String {
    let script = format!("DIR=$REPO_POOL_WORKSPACE/..; {script}");
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\nrepo = \"p\"\n{more}\n")
}

/// Kills the dispatcher while task `a` runs; the pid of that.
fn kill_while_a_runs(queue: &Queue) -> u32 {
    let run = queue.run("").spawn();
    let pid = queue.until_there("pid-a").parse().expect("a pid");
    queue.until("RunnerStarted", 1);
    run.signal(Signal::KILL);
    drop(run);
    pid
}

/// How often a process has stopped to wait for something.
fn wakings(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("a count").trim().parse().expect("a number")
}

/// A runner that outlives its dispatcher goes on undisturbed, and the next one takes it up.
#[test]
fn a_runner_is_adopted() {
    let tasks = [
        sh("a", WAITS, "retries = 0"),
        sh("b", "true", "depends = [\"a\"]"),
    ];
    let queue = Queue::with_slots(1, &tasks.concat());
    let pid = kill_while_a_runs(&queue);
    assert!(alive(pid), "the runner goes on");
    let again = queue.run("").spawn();
    queue.until("RunnerAdopted", 1);
    queue.open("go");
    again.finish().ok();
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "b"]);
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    assert_eq!(queue.all("SlotReleased").len(), 2);
    queue.all_slots_are_free();
}

/// Its heartbeats come as they were ordered: a dispatcher with less patience does not take it for silent.
#[test]
fn an_adopted_runner_keeps_its_pace() {
    let queue = Queue::with_slots(1, &sh("a", WAITS, "retries = 0"));
    let pid = kill_while_a_runs(&queue);
    let queue = queue.settings("[dispatch]\nheartbeat_timeout = \"1s\"\n");
    let again = queue.run("").spawn();
    queue.until("RunnerAdopted", 1);
    let since = std::time::Instant::now();
    until("the new patience is over", || {
        (since.elapsed() > Duration::from_secs(2)).then_some(())
    });
    assert!(alive(pid), "the runner goes on");
    queue.open("go");
    again.finish().ok();
    assert_eq!(queue.all("RunnerLost").len(), 0);
}

/// The command that is told when a run was interrupted goes on with that run: with the pool and the
/// command that it was begun with, and with the file that has joined it.
#[test]
fn the_command_that_is_told_goes_on_with_the_run() {
    let task = |id: &str, after: &[&str]| format!("[[task]]\nid = {id:?}\ndepends = {after:?}\n");
    let tasks = task("a", &[]) + &task("b", &["a"]);
    let queue = Queue::with_slots(1, &tasks);
    std::fs::write(queue.path("more.toml"), task("c", &["b"])).expect("a file");
    let script = "test \"$PWD\" = \"$REPO_POOL_SLOT_PATH\" || exit 1; \
        until [ -e \"$REPO_POOL_WORKSPACE/../go\" ]; do sleep 0.02; done";
    let file = queue.path("tasks.toml").display().to_string();
    let words = [
        "dispatch", "run", &file, "--repo", "p", "--", "sh", "-c", script,
    ];
    let run = queue.world.call(words).spawn();
    queue.until("RunnerStarted", 1);
    queue.ask("add more.toml").run().ok();
    queue.until("TaskAdded", 1);
    run.signal(Signal::INT);
    queue.until("RunDraining", 1);
    queue.open("go");
    let out = run.finish();
    let told = out.code(130).stderr.split('`');
    let mut told = told.filter(|part| part.starts_with("repo-pool dispatch run "));
    let resume = told.next().unwrap_or_else(|| panic!("no command\n{out}"));
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a"]);
    queue.typed(resume).ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b", "c"]);
    assert_eq!(queue.all("SlotReleased").len(), 3);
    queue.all_slots_are_free();
    // What is said anew counts.
    queue.write(&(tasks + &task("d", &[]) + "retries = 0\n"));
    queue.run("-- false").run().code(1);
    assert_eq!(queue.tasks_of("RunnerFailed"), ["d"]);
}

/// What has ended while nobody watched is not run again, and what it has left on a branch of its own is
/// found.
#[test]
fn an_end_that_nobody_saw_counts() {
    let script = format!(
        "{WAITS}; echo x >> $DIR/times; git checkout -qb own; touch new; git add new; git commit -qm new"
    );
    let queue = Queue::with_slots(1, &sh("a", &script, "retries = 0"));
    let pid = kill_while_a_runs(&queue);
    queue.open("go");
    until("it has ended", || (!alive(pid)).then_some(()));
    until("its end is written", || {
        queue
            .attempt("a", 1)
            .join("exit.json")
            .exists()
            .then_some(())
    });
    queue.run("").run().ok();
    let times = std::fs::read_to_string(queue.path("times")).expect("it ran");
    assert_eq!(times, "x\n");
    let done = &queue.all("RunnerCompleted")[0];
    assert!(
        done["commit"].is_string() && done["branch"] == "rp/a",
        "{done}"
    );
    queue.all_slots_are_free();
}

/// A runner that vanished together with its dispatcher is lost: what it left running is ended, its
/// slot comes back, and its task is tried again.
#[test]
fn a_lost_runner_is_followed_by_another() {
    let script = "[ $REPO_POOL_ATTEMPT = 2 ] && exit 0; setsid sleep 600 & echo $! > $DIR/child; \
        echo work > work; echo $$ > $DIR/pid-a; wait";
    let queue = Queue::with_slots(1, &sh("a", script, "retries = 1"));
    let pid = kill_while_a_runs(&queue);
    let child: u32 = queue.until_there("child").parse().expect("a pid");
    let handle = queue.all("RunnerStarted")[0]["handle"].clone();
    let shim = handle.as_str().and_then(|text| text.strip_prefix("pid "));
    kill(shim.expect("a pid").parse().expect("a pid"), Signal::KILL);
    kill(pid, Signal::KILL);
    assert!(alive(child));
    queue.run("").run().ok();
    assert!(!alive(child), "nothing of it lives on");
    assert_eq!(queue.all("RunnerLost").len(), 1);
    assert_eq!(queue.completed()["a"], 1);
    assert!(
        queue.all("SlotReleased")[0]["rescue"].is_string(),
        "its work is saved"
    );
    queue.all_slots_are_free();
}

/// A run that can't be read any more is begun anew: what it has left is found by the directories of its
/// attempts and by its slots, and its work is saved.
#[test]
fn what_a_damaged_run_has_left_is_ended_when_it_begins_anew() {
    for damaged in ["events.jsonl", "tasks.json"] {
        let script = format!("echo work > work; {WAITS}");
        let queue = Queue::with_slots(1, &(sh("done", "true", "") + &sh("a", &script, "")));
        let pid = kill_while_a_runs(&queue);
        let path = queue.dir().join(damaged);
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, format!("{{}}\n{text}")).expect("damage");
        let refused = queue.run("").run();
        refused.code(1).says(damaged).says("--fresh");
        assert!(alive(pid), "nothing was changed");
        queue.open("go");
        queue
            .run("--fresh")
            .run()
            .ok()
            .says(damaged)
            .says("moved aside");
        assert!(!alive(pid), "nothing of it lives on");
        assert_eq!(queue.completed().len(), 2);
        queue.all_slots_are_free();
        let old = queue.dir().with_extension("1").join("closing.jsonl");
        let closing = std::fs::read_to_string(old).expect("what happened");
        assert!(
            closing.contains("\"rescue\""),
            "its work is saved: {closing}"
        );
    }
}

/// Somebody cancels a task while nobody dispatches: the next dispatcher ends its runner.
#[test]
fn a_task_can_be_cancelled_between_dispatchers() {
    let tasks = [sh("a", WAITS, ""), sh("b", "true", "depends = [\"a\"]")];
    let queue = Queue::with_slots(1, &tasks.concat());
    let pid = kill_while_a_runs(&queue);
    queue.ask("cancel a").run().ok();
    queue.run("").run().code(1);
    assert!(!alive(pid));
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a"]);
    queue.all_slots_are_free();
}

/// A slot that was handed out just before its dispatcher was killed is found again, also if the id of
/// its task is too long for the slot's notes.
#[test]
fn a_slot_is_found_by_its_attempts_token() {
    let id = "a".repeat(5000);
    let script = WAITS.replace("$REPO_POOL_TASK_ID", "a");
    let queue = Queue::with_slots(2, &sh(&id, &script, "retries = 0"));
    let pid = kill_while_a_runs(&queue);
    kill(pid, Signal::KILL);
    // Its shim has written down how it ended then.
    let handle = queue.all("RunnerStarted")[0]["handle"].clone();
    let shim = handle.as_str().and_then(|text| text.strip_prefix("pid "));
    let shim: u32 = shim.expect("a pid").parse().expect("a pid");
    until("both are gone", || {
        (!alive(pid) && !alive(shim)).then_some(())
    });
    // As if it had come no further than to the slot.
    let log = queue.dir().join("events.jsonl");
    let told = std::fs::read_to_string(&log).expect("the events");
    let before = told.find("\"SlotAllocated\"").expect("a slot");
    let end = told[..before].rfind('\n').expect("a line") + 1;
    std::fs::write(&log, &told[..end]).expect("writing");
    std::fs::remove_dir_all(queue.dir().join("attempts")).expect("its attempts");
    std::fs::write(queue.path("go"), "").expect("a file");
    queue.run("").run().ok();
    assert_eq!(queue.all("SlotAllocated").len(), 2);
    assert_eq!(queue.tasks_of("RunnerCompleted"), [id]);
    queue.all_slots_are_free();
}

/// Wherever a dispatcher is killed, the next one brings every task to one accepted end.
#[cfg(debug_assertions)]
#[test]
fn a_dispatcher_may_be_killed_anywhere() {
    let commits = "echo $$ > new; git add new; git commit -qm $REPO_POOL_TASK_ID";
    let tasks = [
        sh("a", commits, "retries = 0"),
        sh(
            "b",
            commits,
            "depends = [\"a\"]\nbase = \"deps\"\nretries = 0",
        ),
    ];
    for place in crash_places(300) {
        let queue = Queue::with_slots(1, &tasks.concat());
        let run = queue.run("").env("REPO_POOL_CRASH_AT", place.to_string());
        let killed = run.run();
        let again = queue.run("").run();
        again.ok();
        let what = format!("{}\n--- then\n{}", killed.stderr, again.stderr);
        assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"], "{what}");
        queue.all_slots_are_free();
        if killed.code == 0 {
            break;
        }
    }
}

/// 10: while events can't be written nothing new is started, what runs goes on, and nothing is lost.
#[test]
fn events_that_cannot_be_written_are_written_later() {
    let tasks = [sh("a", WAITS, ""), sh("b", "true", "depends = [\"a\"]")];
    let queue = Queue::with_slots(1, &tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let log = queue.dir().join("events.jsonl");
    let aside = queue.dir().join("aside");
    std::fs::rename(&log, &aside).expect("aside");
    std::fs::create_dir(&log).expect("something in its place");
    queue.open("go");
    run.says("nothing new is started", 1);
    // It waits for that, and looks now and then; so it is when the figures would be due, too.
    let since = std::time::Instant::now();
    let passed = |time: u64| {
        until("some time has passed", || {
            (since.elapsed() > Duration::from_millis(time)).then_some(())
        });
        wakings(run.pid())
    };
    let wakings = passed(1100).abs_diff(passed(1600));
    assert!(wakings < 100, "{wakings}");
    // In one step: between two, the dispatcher would begin a log of its own.
    let exchange = RenameFlags::EXCHANGE;
    renameat_with(CWD, &aside, CWD, &log, exchange).expect("back");
    std::fs::remove_dir(&aside).expect("gone");
    run.finish().ok().says("can be written again");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    let numbers: Vec<_> = queue.events().iter().map(|e| e["n"].as_u64()).collect();
    let expected: Vec<_> = (1..=numbers.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected);
}

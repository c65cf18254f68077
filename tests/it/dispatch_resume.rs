//! A dispatcher that was killed, and the next one: every task comes to one accepted end, nothing is
//! left running, and no slot stays taken.

#[cfg(debug_assertions)]
use crate::support::crash_places;
use crate::support::{Queue, alive, kill, until};
use rustix::process::Signal;
use serde_json::json;

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

/// What has ended while nobody watched is not run again.
#[test]
fn an_end_that_nobody_saw_counts() {
    let script =
        format!("{WAITS}; echo x >> $DIR/times; touch new; git add new; git commit -qm new");
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
    assert!(queue.all("RunnerCompleted")[0]["commit"].is_string());
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
    std::fs::remove_dir(&log).expect("gone");
    std::fs::rename(&aside, &log).expect("back");
    run.finish().ok().says("can be written again");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    let numbers: Vec<_> = queue.events().iter().map(|e| e["n"].as_u64()).collect();
    let expected: Vec<_> = (1..=numbers.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected);
}

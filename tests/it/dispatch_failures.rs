//! What is known to go wrong in other dispatchers, one test each.

use crate::support::{Queue, Stand, alive, kill, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits for a file `go` beside the tasks' file; `$PLACE` is where that is.
const WAIT: &str = "until [ -e \"$PLACE/go\" ] || [ ! -d \"$PLACE\" ]; do sleep 0.02; done";
/// Leaves a process running in a session of its own, without the task's environment, and tells its
/// pid in `$PLACE/NAME`.
const LEAVE: &str = "leave() { setsid env -i PATH=\"$PATH\" sh -c 'echo $$ > \"$0.new\"; \
    mv \"$0.new\" \"$0\"; exec sleep 600' \"$PLACE/$1\" > /dev/null 2>&1 & \
    until [ -e \"$PLACE/$1\" ]; do sleep 0.01; done; }";

/// A task that runs this script.
fn task(queue: &Queue, id: &str, script: &str, more: &str) -> String {
    let place = queue.path("").display().to_string();
    let script = format!("PLACE='{}'\n{script}", place.trim_end_matches('/'));
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\n{more}\n")
}

/// What `status` says of a task.
fn status(queue: &Queue, id: &str) -> Value {
    let run = queue.ask("status --json").run().ok().json()["run"].clone();
    let tasks = run["tasks"].as_array().expect("tasks");
    let found = tasks.iter().find(|task| task["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {run}")).clone()
}

/// The pids that the runners' events tell.
fn shims(queue: &Queue) -> Vec<u32> {
    let started = queue.all("RunnerStarted").into_iter();
    let pid = |event: Value| event["handle"].as_str()?.strip_prefix("pid ")?.parse().ok();
    started.filter_map(pid).collect()
}

/// Runners time out although they are healthy, because nobody reads their heartbeats.
#[test]
fn a_healthy_runner_that_says_nothing_does_not_time_out() {
    let timeout = Duration::from_secs(2);
    let played = (0..20).any(|_| {
        let queue = Queue::new("").settings("[dispatch]\nheartbeat_timeout = \"2s\"\n");
        queue.write(&task(&queue, "quiet", WAIT, ""));
        let run = queue.run("").spawn();
        queue.until("RunnerStarted", 1);
        let longest = watch_heart(&queue.attempt("quiet", 1).join("heartbeat"), timeout);
        queue.open("go");
        run.finish().ok();
        let healthy = queue.all("RunnerCompleted")[0]["attempt"] == 1;
        // On a busy machine the whole shim may have stood still for so long: that is not healthy.
        assert!(healthy || longest > timeout / 3, "{longest:?}");
        assert!(!healthy || queue.log("quiet", 1).is_empty());
        healthy
    });
    assert!(played, "this machine lets nobody be healthy");
}

/// Watches a heart for longer than the time that it may stand still for; the longest time that it has
/// stood still.
fn watch_heart(heartbeat: &Path, timeout: Duration) -> Duration {
    let beat = || std::fs::metadata(heartbeat).ok()?.modified().ok();
    let first = until("it lives", beat);
    let (mut last, mut longest) = (first, Duration::ZERO);
    let begun = Instant::now();
    until("it was silent for longer than it may be", || {
        let now = beat()?;
        longest = longest.max(now.duration_since(last).unwrap_or_default());
        last = now;
        let long = timeout + timeout / 4;
        let beats = now.duration_since(first).is_ok_and(|so_far| so_far > long);
        // Whoever was ended beats no more.
        (beats || begun.elapsed() > 2 * long).then_some(())
    });
    longest.max(last.elapsed().unwrap_or_default())
}

/// A runner that timed out is never killed, and works on in a slot that the next one has.
#[test]
fn who_timed_out_is_gone_before_the_slot_is_handed_on() {
    let queue = Queue::with_slots(1, "");
    // Whoever comes later finds that of those before nobody lives and nothing lies about. One that is
    // dead may still be there for whoever has inherited it.
    let script = format!(
        "{LEAVE}\n[ ! -e left ] || exit 78\nfor pid in $(cat \"$PLACE\"/pid-*); do \
         case \"$(cut -d' ' -f3 /proc/$pid/stat)\" in ''|Z) ;; *) cat /proc/$pid/stat; exit 78;; esac; done\n[ ! -e \"$PLACE/pid-near\" ] || exit 0\n\
         leave pid-far; echo $$ > \"$PLACE/pid-near\"; while :; do echo work > left; sleep 0.01; done"
    );
    let more = "repo = \"p\"\ntimeout = \"1s\"\nretries = 9";
    queue.write(&task(&queue, "a", &script, more));
    queue.run("").run().ok();
    let failed = &queue.all("RunnerFailed")[0];
    assert_eq!(failed["class"], "timeout", "{failed}");
    assert!(queue.path("pid-near").exists() && queue.path("pid-far").exists());
    queue.all_slots_are_free();
}

/// Killing a runner leaves its grandchildren.
#[test]
fn what_a_killed_runner_has_started_ends_with_it() {
    let queue = Queue::new("");
    let script = format!("{LEAVE}\nleave far; (leave near; {WAIT}) & wait");
    queue.write(&task(&queue, "a", &script, ""));
    let run = queue.run("").spawn();
    let pids = ["far", "near"].map(|name| queue.until_there(name).parse().expect("a pid"));
    assert!(pids.into_iter().all(alive));
    queue.ask("cancel a").run().ok();
    run.finish().code(1);
    assert_eq!(queue.all("RunnerFailed")[0]["class"], "cancelled");
    assert!(!pids.into_iter().any(alive), "{pids:?}");
}

/// A stale "done" ends the new attempt: neither an event nor a file of an earlier one does.
#[test]
fn a_late_word_of_an_earlier_attempt_changes_nothing() {
    let queue = Queue::new("");
    let script = format!("[ $REPO_POOL_ATTEMPT = 2 ] || exit 1\n{WAIT}");
    queue.write(&task(&queue, "a", &script, ""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 2);
    run.signal(Signal::KILL);
    run.finish();
    let first = queue.all("TaskAssigned")[0].clone();
    let late = json!({
        "n": queue.events().len() + 1, "time": first["time"], "event": "RunnerCompleted",
        "task": "a", "attempt": 1, "token": first["token"], "runner": first["runner"],
        "class": "done", "exit_code": 0, "seconds": 1.0,
    });
    let mut events = std::fs::File::options();
    let events = events.append(true).open(queue.dir().join("events.jsonl"));
    writeln!(events.expect("the events"), "{late}").expect("writing");
    let exit = queue.attempt("a", 1).join("exit.json");
    std::fs::write(exit, "{\"code\":0,\"seconds\":1.0}").expect("writing");
    let run = queue.run("").spawn();
    queue.until("RunnerAdopted", 1);
    let now = status(&queue, "a");
    assert_eq!(
        (&now["state"], &now["attempt"]),
        (&json!("running"), &json!(2))
    );
    queue.open("go");
    run.finish().ok();
    let done = queue.all("RunnerCompleted");
    let attempts: Vec<_> = done.iter().map(|event| event["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2], "{done:?}");
}

/// Dependents of a failed task wait for ever, or run as if it had succeeded.
#[test]
fn dependents_of_a_failed_task_are_blocked_and_say_by_what() {
    let queue = Queue::new("");
    queue.write(
        &[
            task(&queue, "bad", "[ -e \"$PLACE/mended\" ] || exit 78", ""),
            task(&queue, "near", "true", "depends = [\"bad\"]"),
            task(&queue, "far", "true", "depends = [\"near\"]"),
            task(&queue, "beside", "true", ""),
        ]
        .concat(),
    );
    queue.run("").run().code(1);
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["beside"]);
    for id in ["near", "far"] {
        assert_eq!(status(&queue, id)["state"], "blocked");
        let why = queue.ask(&format!("why {id}")).run();
        assert!(why.ok().stdout.contains("bad"), "{why}");
    }
    queue.open("mended");
    queue.ask("retry bad").run().ok();
    queue.run("").run().ok();
    let done = queue.tasks_of("RunnerCompleted");
    assert_eq!(done, ["beside", "bad", "near", "far"]);
}

/// FIFO takes the head of the queue while it examines another task: the one that fits runs, under its
/// own name, and those before it keep their turn.
#[test]
fn fifo_takes_the_task_that_it_has_examined() {
    let queue = Queue::new("").settings(
        "[dispatch]\nscheduling_policy = \"fifo\"\n\
         skill_mapping = { x = [\"one\"], default = [\"two\"] }\n\
         [agent_pools.one]\ntype = \"local-process\"\nmax_concurrency = 1\n\
         [agent_pools.two]\ntype = \"local-process\"\nmax_concurrency = 1\n",
    );
    let says = "echo $REPO_POOL_TASK_ID $REPO_POOL_AGENT_POOL";
    queue.write(
        &[
            task(&queue, "a", &format!("{says}; {WAIT}"), "skill = \"x\""),
            task(&queue, "b", says, "skill = \"x\""),
            task(&queue, "c", says, ""),
            task(&queue, "d", says, "skill = \"x\""),
            task(&queue, "e", says, ""),
        ]
        .concat(),
    );
    let run = queue.run("").spawn();
    queue.until("RunnerCompleted", 2);
    queue.open("go");
    run.finish().ok();
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "c", "e", "b", "d"]);
    for (id, pool) in [
        ("a", "one"),
        ("b", "one"),
        ("c", "two"),
        ("d", "one"),
        ("e", "two"),
    ] {
        assert_eq!(queue.log(id, 1), format!("{id} {pool}\n"));
    }
}

/// Output pipes fill up and hold the runner up.
#[test]
fn much_output_holds_nobody_up() {
    const BYTES: u64 = 8 << 20;
    let queue = Queue::new("");
    let script = format!("head -c {BYTES} /dev/zero; head -c {BYTES} /dev/zero >&2; echo end");
    queue.write(&task(&queue, "loud", &script, "retries = 0"));
    queue.run("").run().ok();
    let log = std::fs::metadata(queue.attempt("loud", 1).join("log")).expect("a log");
    assert_eq!(log.len(), 2 * BYTES + 4);
}

/// Exit codes are lost when nobody is there to hear them.
#[test]
fn an_exit_code_outlives_the_dispatcher() {
    let queue = Queue::new("");
    queue.write(&task(
        &queue,
        "a",
        &format!("{WAIT}; exit 7"),
        "retries = 0",
    ));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    run.signal(Signal::KILL);
    run.finish();
    queue.open("go");
    let pid = shims(&queue)[0];
    until("the runner has ended", || (!alive(pid)).then_some(()));
    queue.run("").run().code(1);
    let failed = queue.all("RunnerFailed");
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&failed[0]["exit_code"], &failed[0]["attempt"]),
        (&json!(7), &json!(1))
    );
}

/// A task has failed because its dispatcher was killed before it had started it.
#[test]
fn what_has_never_begun_does_not_count() {
    let queue = Queue::with_slots(1, "");
    queue.write(&task(&queue, "a", "true", "repo = \"p\"\nretries = 0"));
    let stand = Stand::new(&queue.world);
    stand.choose(1, "hold");
    let run = queue.run("").env("PATH", stand.path()).spawn();
    let (git, _) = until("a git is called for its slot", || stand.held());
    queue.until("TaskAssigned", 1);
    run.signal(Signal::KILL);
    drop(run);
    stand.let_go(git);
    queue.run("").run().ok();
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "a"]);
    assert_eq!(queue.all("RunnerFailed")[0]["counted"], false);
    queue.all_slots_are_free();
}

/// Slots leak after a crash: of dispatcher and runners, whether the run is taken up again or not.
#[test]
fn no_slot_leaks_after_a_crash() {
    let queue = Queue::with_slots(2, "");
    let script = format!(
        "{LEAVE}\n[ $REPO_POOL_ATTEMPT = 1 ] || exit 0\n\
        leave pid-$REPO_POOL_TASK_ID; echo $REPO_POOL_TASK_ID > work; {WAIT}"
    );
    let tasks = ["a", "b"].map(|id| task(&queue, id, &script, "repo = \"p\""));
    queue.write(&tasks.concat());
    let run = queue.run("").spawn();
    let pids = ["pid-a", "pid-b"].map(|name| queue.until_there(name).parse().expect("a pid"));
    // Its shim is known by that.
    queue.until("RunnerStarted", 2);
    run.signal(Signal::KILL);
    run.finish();
    // As long as its runner works, a slot is nobody else's.
    queue.world.pool("recover").ok();
    let state = |slot: &str| queue.world.state(slot);
    assert_eq!(
        [state("p/slot1"), state("p/slot2")],
        ["allocated", "allocated"]
    );
    shims(&queue)
        .into_iter()
        .for_each(|pid| kill(pid, Signal::KILL));
    queue.run("").run().ok();
    assert_eq!(queue.all("RunnerLost").len(), 2);
    assert!(!pids.into_iter().any(alive), "{pids:?}");
    queue.all_slots_are_free();
    let rescues = queue.world.pool("rescue list p --json");
    for id in ["a", "b"] {
        assert!(
            rescues.ok().stdout.contains(&format!("task {id} of")),
            "{rescues}"
        );
    }
}

/// The whole state is written anew for every change: events are appended, and the tasks stay as they
/// were written.
#[test]
fn what_was_written_is_not_written_again() {
    let queue = Queue::new("");
    let tasks: String = (1..=20)
        .map(|n| task(&queue, &n.to_string(), WAIT, ""))
        .collect();
    queue.write(&tasks);
    let run = queue.run("--max 2").spawn();
    queue.until("RunnerStarted", 2);
    let [events, list] = ["events.jsonl", "tasks.json"].map(|name| queue.dir().join(name));
    let file = |path| {
        let data = std::fs::metadata(path).expect("a file");
        (data.ino(), data.mtime(), data.mtime_nsec())
    };
    let (before, inode, tasks) = (
        std::fs::read(&events).expect("events"),
        file(&events).0,
        file(&list),
    );
    queue.open("go");
    run.finish().ok();
    assert!(std::fs::read(&events).expect("events").starts_with(&before));
    assert_eq!((file(&events).0, file(&list)), (inode, tasks));
}

/// A task waits without a reason that can be asked for.
#[test]
fn whatever_waits_says_for_what() {
    let queue = Queue::with_slots(1, "").settings(
        "[dispatch]\nskill_mapping = { x = [\"off\"], default = [\"on\"] }\n\
         [agent_pools.on]\ntype = \"local-process\"\nmax_concurrency = 2\n\
         [agent_pools.off]\ntype = \"local-process\"\nenabled = false\n",
    );
    let files = "files = [\"api/auth.py\"]";
    queue.write(
        &[
            task(&queue, "slotless", "true", "repo = \"p\"\npriority = 9"),
            task(&queue, "a", WAIT, &format!("{files}\npriority = 8")),
            task(&queue, "same-file", "true", files),
            task(&queue, "later", "true", "depends = [\"a\"]"),
            task(&queue, "off", "true", "skill = \"x\""),
            task(&queue, "b", WAIT, "priority = 5"),
            task(&queue, "limit", "true", "priority = 3"),
        ]
        .concat(),
    );
    let held = queue.world.pool("allocate p").path();
    let run = queue.run("").spawn();
    queue.until("SlotUnavailable", 1);
    queue.until("RunnerStarted", 2);
    let reasons = |id: &str| {
        let why = queue.ask(&format!("why {id} --json")).run().ok().json();
        let reasons = why["result"]["reasons"]
            .as_array()
            .expect("reasons")
            .clone();
        let reasons = reasons
            .iter()
            .map(|reason| reason.as_str().expect("text").to_owned());
        reasons.collect::<Vec<_>>().join("; ")
    };
    for (id, reason) in [
        ("slotless", "slot"),
        ("same-file", "api/auth.py"),
        ("later", "task a, which"),
        ("limit", "agent pool on has 2 of 2"),
        ("off", "agent pool off is disabled"),
    ] {
        let said = reasons(id);
        assert!(said.contains(reason), "{id}: {said:?}");
    }
    queue.open("go");
    queue.ask("pool enable off").run().ok();
    queue
        .world
        .pool(["release", &held.display().to_string()])
        .ok();
    run.finish().ok();
}

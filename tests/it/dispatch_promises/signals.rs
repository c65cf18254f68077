//! 15: how a run ends that is told to.

use super::{WAIT, open, pid_in, task, time};
use crate::support::{Queue, alive, in_time, until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Runners have so long to end by themselves, as the settings or the command line say, and are ended
/// then. That counts no attempt, and the run goes on from there.
#[test]
fn the_time_to_end_by_themselves_is_bounded() {
    for (setting, words) in [("300ms", ""), ("1h", "--drain-timeout 300ms")] {
        let settings = format!("[dispatch]\ngraceful_shutdown_timeout = \"{setting}\"\n");
        let queue = Queue::new("").settings(&settings);
        let script = format!("echo $$ > \"$PLACE/pid\"; {WAIT}");
        queue.write(&task(&queue, "a", &script, "retries = 0"));
        let run = queue.run(words).spawn();
        let pid = pid_in(&queue, "pid");
        queue.until("RunnerStarted", 1);
        run.signal(Signal::TERM);
        run.finish().code(143);
        assert!(!alive(pid));
        let of = |kind: &str| queue.all(kind).pop().unwrap_or_else(|| panic!("no {kind}"));
        let waited = time(&of("RunnerStopping")).duration_since(time(&of("RunDraining")));
        assert!(waited.as_secs_f64() >= 0.3, "{waited}");
        let failed = of("RunnerFailed");
        assert_eq!(
            (&failed["class"], &failed["counted"]),
            (&"stopped".into(), &false.into())
        );
        assert_eq!(of("RunEnded")["code"], 143);
        open(&queue, &["a"]);
        queue.run("").run().ok();
        assert_eq!(queue.tasks_of("RunnerCompleted"), ["a"]);
    }
}

/// Whenever a signal comes, it ends the run: also before the dispatcher listens for it.
#[test]
fn a_signal_that_comes_early_is_heard() {
    let queue = Queue::new("").settings("[dispatch]\ngraceful_shutdown_timeout = \"0s\"\n");
    queue.write(&task(&queue, "a", WAIT, ""));
    for moment in (0..30).map(Duration::from_millis) {
        let run = queue.run("").spawn();
        let since = Instant::now();
        until("the moment has come", || {
            (since.elapsed() >= moment).then_some(())
        });
        run.signal(Signal::TERM);
        run.finish().code(143);
    }
    open(&queue, &["a"]);
    queue.run("").run().ok();
}

/// A terminal that goes away is a signal like the others: nothing new is started, although there is
/// room, and what runs comes to its end.
#[test]
fn a_hangup_drains_too() {
    let queue = Queue::new("")
        .settings("[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 3\n");
    let tasks = [
        task(&queue, "a", WAIT, ""),
        task(&queue, "b", WAIT, ""),
        task(&queue, "c", "true", "depends = [\"a\"]"),
    ];
    queue.write(&tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 2);
    run.signal(Signal::HUP);
    queue.until("RunDraining", 1);
    open(&queue, &["a"]);
    queue.until("RunnerCompleted", 1);
    open(&queue, &["b"]);
    run.finish().code(129);
    assert_eq!(queue.all("RunDraining")[0]["signal"], 1);
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    assert_eq!(queue.tasks_of("TaskAssigned").len(), 2);
    queue.run("").run().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b", "c"]);
}

/// The third signal does not wait for those who don't heed the second: they have ten seconds
/// otherwise.
#[test]
fn a_third_signal_waits_for_nobody() {
    let queue = in_time(Duration::from_secs(9), || {
        let queue = Queue::new("");
        let script = "trap '' TERM INT HUP; echo $$ > \"$PLACE/pid\"; \
            while [ -d \"$PLACE\" ]; do sleep 0.05; done";
        queue.write(&task(&queue, "a", script, ""));
        let run = queue.run("").spawn();
        let pid = pid_in(&queue, "pid");
        queue.until("RunnerStarted", 1);
        run.signal(Signal::TERM);
        queue.until("RunDraining", 1);
        run.signal(Signal::TERM);
        queue.until("RunnerStopping", 1);
        assert!(alive(pid), "it does not heed this one");
        run.signal(Signal::TERM);
        run.finish().code(143);
        assert!(!alive(pid));
        queue
    });
    assert_eq!(queue.all("RunnerFailed")[0]["signal"], 9);
}

//! A daemon that hangs, and one that dies: nothing is lost, and nothing runs twice.

use super::scene::{WAITS, sh};
use crate::support::{Docker, Queue, until};
use rustix::process::Signal;

/// While the daemon says nothing the runner may run, so nothing else is said; then its end is found as
/// it was.
#[test]
fn a_daemon_that_hangs_keeps_nothing_from_its_end() {
    let Some(docker) = Docker::own() else {
        return;
    };
    let settings = docker.agent_pool("answer_timeout = \"5s\"");
    let queue = Queue::new(&sh("a", &format!("echo x >> times; {WAITS}; exit 7"), "")).settings(
        &format!("[dispatch]\nheartbeat_timeout = \"4s\"\n{settings}"),
    );
    let run = queue.run("").spawn();
    queue.until_there("times");
    queue.until("RunnerStarted", 1);
    docker.signal(Signal::STOP);
    // Asked to end, the driver has to talk to the daemon.
    queue.ask("cancel a").run().ok();
    queue.until("Warning", 1);
    run.signal(Signal::KILL);
    drop(run);
    let again = queue.run("").spawn();
    queue.until("Warning", 2);
    assert_eq!(queue.all("RunnerFailed").len(), 0, "it may run");
    docker.signal(Signal::CONT);
    again.finish().code(1);
    let warning = queue.all("Warning")[0]["text"].to_string();
    assert!(warning.contains("has not answered for 5s"), "{warning}");
    let end = &queue.all("RunnerFailed")[0];
    assert_eq!(end["class"], "cancelled", "{end}");
    assert_eq!(queue.until_there("times"), "x");
    assert_eq!(docker.with_label("repo-pool.run"), [""; 0]);
}

/// A daemon that comes back has ended its containers: that is the daemon's doing, and the task is tried
/// again.
#[test]
fn a_daemon_that_dies_takes_no_task_with_it() {
    let Some(mut docker) = Docker::own() else {
        return;
    };
    let script =
        format!("echo said; echo x >> times; [ $REPO_POOL_ATTEMPT = 2 ] || {{ {WAITS}; }}");
    let task = sh("a", &script, "").replace("retries = 0", "retries = 1");
    let queue = Queue::new(&task).settings(&docker.agent_pool("answer_timeout = \"20s\""));
    let run = queue.run("").spawn();
    queue.until_there("times");
    queue.until("RunnerStarted", 1);
    // A daemon that is killed before it has written the start down may leave a container to itself.
    until("docker knows that it runs", || {
        let runners = docker.with_label("repo-pool.run");
        let state = docker.ask(&[
            "inspect",
            "--format",
            "{{.State.Running}}",
            runners.first()?,
        ])?;
        (state == "true").then_some(())
    });
    until("its output comes", || {
        (queue.log("a", 1) == "said\n").then_some(())
    });
    docker.restart();
    run.finish().ok();
    assert_eq!(queue.log("a", 1), "said\n");
    let end = &queue.all("RunnerFailed")[0];
    assert_eq!(end["class"], "infra", "{end}");
    // As the dispatcher has seen it: the daemon may be back before it is missed.
    let reason = end["reason"].as_str().unwrap_or_default();
    let seen = ["daemon went away", "daemon began anew"];
    assert!(seen.iter().any(|words| reason.contains(words)), "{end}");
    assert_eq!(queue.completed()["a"], 1);
    until("both have run", || {
        let times = std::fs::read_to_string(queue.path("times")).ok()?;
        (times == "x\nx\n").then_some(())
    });
    assert_eq!(docker.with_label("repo-pool.run"), [""; 0]);
}

/// Told for the third time to end, a dispatcher does not wait for a daemon that says nothing: what runs is
/// the next one's.
#[test]
fn a_daemon_that_hangs_holds_no_dispatcher() {
    let Some(docker) = Docker::own() else {
        return;
    };
    let settings = docker.agent_pool("answer_timeout = \"5s\"");
    let task = sh("a", &format!("echo x >> times; {WAITS}"), "");
    let queue = Queue::new(&task.replace("retries = 0", "retries = 1")).settings(&settings);
    let run = queue.run("").spawn();
    queue.until_there("times");
    queue.until("RunnerStarted", 1);
    docker.signal(Signal::STOP);
    run.signal(Signal::TERM);
    queue.until("RunDraining", 1);
    run.signal(Signal::TERM);
    queue.until("RunnerStopping", 1);
    run.signal(Signal::TERM);
    run.finish().code(143);
    assert_eq!(queue.all("RunnerFailed").len(), 0, "{:?}", queue.events());
    docker.signal(Signal::CONT);
    queue.open("go");
    queue.run("").run().ok();
    assert_eq!(queue.completed()["a"], 1);
    assert_eq!(docker.with_label("repo-pool.run"), [""; 0]);
}

/// What a daemon that says nothing keeps of a runner that has ended is left to the next dispatcher, which
/// finds it where it is, whatever is configured by then. Secrets are not kept for that.
#[test]
fn what_a_daemon_keeps_is_taken_away_later() {
    let Some(docker) = Docker::own() else {
        return;
    };
    let settings = docker.agent_pool("answer_timeout = \"5s\"\nenv = { TOKEN = \"s3cr3t\" }");
    let queue = Queue::new(&sh("a", &format!("echo a > begun; {WAITS}"), "")).settings(&settings);
    let run = queue.run("").spawn();
    queue.until_there("begun");
    queue.until("RunnerStarted", 1);
    run.signal(Signal::KILL);
    drop(run);
    queue.open("go");
    let order = queue.attempt("a", 1).join("order.json");
    until("its end is written down", || {
        order.with_file_name("exit.json").exists().then_some(())
    });
    docker.signal(Signal::STOP);
    queue.run("").run().ok();
    let warning = queue.all("Warning")[0]["text"].to_string();
    assert!(warning.contains("has not answered for 5s"), "{warning}");
    let left = std::fs::read_to_string(&order).expect("its order");
    assert!(!left.contains("s3cr3t"), "{left}");
    docker.signal(Signal::CONT);
    let config = queue.world.workspace().join("pools.toml");
    let nowhere = format!("unix://{}", queue.path("nowhere").display());
    let elsewhere = std::fs::read_to_string(&config).expect("settings");
    let elsewhere = elsewhere.replace(docker.host(), &nowhere);
    std::fs::write(&config, elsewhere).expect("settings");
    queue.run("").run().ok();
    assert!(!order.exists());
    assert_eq!(docker.with_label("repo-pool.run"), [""; 0]);
}

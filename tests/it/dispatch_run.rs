//! `dispatch run` without slots: order, limits, ends, what people want, changes of files.

use crate::support::{HeldLock, Queue, alive, until};
use serde_json::json;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// What a task does that waits for a file `go` beside its own.
const WAITS: &str = "echo $$ > pid-$REPO_POOL_TASK_ID; until [ -e go ]; do sleep 0.02; done";

fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\n{more}\n")
}

/// 1, 5, 10: tasks run after their dependencies, in the directory of their file, with what they are
/// told; what happened is recorded once, in order; the same files once more have nothing left to do.
#[test]
fn tasks_run_after_what_they_depend_on() {
    let tell = "printf '%s\\n' \"$REPO_POOL_TASK_ID $REPO_POOL_ATTEMPT $1\" >> order; pwd; \
        cat \"$REPO_POOL_TASK_FILE\"; echo kept > \"$REPO_POOL_ARTIFACTS_DIR/a\"; env";
    let command = json!(["sh", "-c", tell, "sh", "{id}{nothing}"]);
    let queue = Queue::new(&format!(
        "[defaults]\ncommand = {command}\n[[task]]\nid = \"c\"\ndepends = [\"b\", \"a\"]\n\
         [[task]]\nid = \"b\"\ndepends = [\"a\"]\n[[task]]\nid = \"a\"\ntitle = \"First\"\n\
         timeout = \"1h\"\n"
    ));
    queue.run("").run().ok();
    let order = std::fs::read_to_string(queue.path("order")).expect("order");
    assert_eq!(order, "a 1 a{nothing}\nb 1 b{nothing}\nc 1 c{nothing}\n");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b", "c"]);
    let numbers: Vec<_> = queue.events().iter().map(|e| e["n"].as_u64()).collect();
    let expected: Vec<_> = (1..=numbers.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected);
    let log = queue.log("a", 1);
    for line in [
        &format!(
            "{}\n",
            queue.path("").display().to_string().trim_end_matches('/')
        ),
        "\"title\": \"First\"",
        "REPO_POOL_AGENT_POOL=local",
        "POOL_NAME=local",
        "TASK_CONTEXT={\"task_id\":\"a\"",
        "REPO_POOL_MAX_ATTEMPTS=3",
        "REPO_POOL_DEADLINE=20",
    ] {
        assert!(log.contains(line), "{line:?} in {log}");
    }
    assert!(queue.attempt("a", 1).join("artifacts/a").exists());
    queue.run("").run().ok();
    assert_eq!(queue.completed().values().sum::<usize>(), 3);
    assert_eq!(queue.all("RunEnded").len(), 2);
}

/// 6: there are never more than `--max`, and there are that many.
#[test]
fn a_limit_is_kept_and_used() {
    let tasks: String = (1..=5).map(|n| sh(&n.to_string(), WAITS, "")).collect();
    let queue = Queue::new(&tasks);
    let run = queue.run("--max 2").spawn();
    queue.until("RunnerStarted", 2);
    assert_eq!(queue.all("TaskAssigned").len(), 2);
    queue.open("go");
    run.finish().ok();
    let (mut now, mut most) = (0_i32, 0);
    for event in queue.events() {
        match event["event"].as_str().expect("a kind") {
            "TaskAssigned" => now += 1,
            "RunnerCompleted" => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    assert_eq!((now, most), (0, 2));
}

/// 9: attempts are counted and bounded, with a wait between them; dependents are blocked by a failure
/// and run with `when = "always"`; `retry` revives what was blocked.
#[test]
fn failures_are_tried_again_and_block_their_dependents() {
    let flaky = "test -e fixed";
    let queue = Queue::new(
        &[
            sh("a", flaky, "retries = 1"),
            sh("b", "true", "depends = [\"a\"]"),
            sh("c", "true", "depends = [\"b\"]"),
            sh("d", "true", "depends = [\"a\"]\nwhen = \"always\""),
            sh("never", "exit 78", ""),
            sh("missing", "exec /no/such/program", ""),
        ]
        .concat(),
    );
    queue.run("").run().code(1);
    let failed = queue.all("RunnerFailed");
    let of = |task: &str| failed.iter().filter(|e| e["task"] == task).count();
    assert_eq!((of("a"), of("never"), of("missing")), (2, 1, 1));
    let first = failed.iter().find(|e| e["task"] == "a").expect("a");
    assert!(first["retry_in"].as_f64().expect("a wait") > 0.0, "{first}");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["d"]);
    queue.open("fixed");
    queue.ask("retry a").run().ok();
    queue.run("").run().code(1);
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["d", "a", "b", "c"]);
}

/// 75 counts no attempt and gives the agent pool a rest, in which another takes its tasks.
#[test]
fn a_task_that_wants_to_come_later_does() {
    let script = "if [ $REPO_POOL_AGENT_POOL = one ]; then exit 75; fi";
    let queue = Queue::new(&sh("a", script, "retries = 0")).settings(
        "[dispatch]\ncooldown = \"1h\"\n[agent_pools.one]\ntype = \"local-process\"\n\
         [agent_pools.two]\ntype = \"local-process\"\n",
    );
    queue.run("").run().ok();
    let cooling = queue.all("AgentPoolCooling");
    assert_eq!(cooling[0]["agent_pool"], "one");
    assert_eq!(queue.all("RunnerFailed")[0]["counted"], false);
    assert_eq!(queue.completed()["a"], 1);
}

/// `--fail-fast` starts nothing new, and waits for what runs; `--only` runs what is named and what that
/// depends on.
#[test]
fn a_run_can_be_narrowed() {
    let tasks = [
        sh("a", "exit 78", "priority = 9"),
        sh("b", "true", ""),
        sh("c", "true", "depends = [\"b\"]"),
        sh("d", "true", "priority = 1"),
    ];
    let queue = Queue::new(&tasks.concat());
    queue.run("--fail-fast --max 1").run().code(1);
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a"]);
    let plan = queue.run("--only c --dry-run --json").run().ok().json();
    let steps = plan["result"]["steps"].as_array().expect("steps");
    let planned: Vec<_> = steps.iter().map(|step| step["task"].clone()).collect();
    assert_eq!(planned, ["b", "c"]);
    queue.run("--only c").run().ok();
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "b", "c"]);
    queue.run("--only nobody").run().code(2).says("nobody");
    let plan = queue.run("--dry-run").run();
    assert!(plan.ok().stdout.contains("d"), "{}", plan.stdout);
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "b", "c"]);
}

/// 7, 2: while the run goes on priorities change, tasks are cancelled, files join, and an agent pool is
/// disabled and enabled.
#[test]
fn people_are_heard_while_the_run_goes_on() {
    let tasks = [
        sh("a", WAITS, "priority = 9"),
        sh("b", "echo b >> order", ""),
        sh("c", "echo c >> order", ""),
        sh("d", "echo d >> order", ""),
        sh("e", WAITS, "priority = 8"),
    ];
    let queue = Queue::new(&tasks.concat());
    let run = queue.run("--max 2").spawn();
    queue.until("RunnerStarted", 2);
    queue.ask("prio c 5").run().ok();
    queue.ask("cancel d").run().ok();
    queue.ask("cancel e").run().ok();
    let more = queue.path("more.toml");
    std::fs::write(&more, sh("f", "echo f >> order", "priority = 7")).expect("a file");
    queue.ask(&format!("add {}", more.display())).run().ok();
    queue.until("TaskAdded", 1);
    queue.open("go");
    run.finish().code(1);
    assert_eq!(queue.tasks_of("TaskCancelled"), ["d", "e"]);
    let order = queue.tasks_of("TaskAssigned");
    let place = |task: &str| order.iter().position(|other| other == task);
    assert!(place("c") < place("b"), "{order:?}");
    // What joins while one of the two agents is idle has nobody to go before.
    assert!(place("d").is_none() && place("f").is_some(), "{order:?}");
}

/// With `--watch` the run goes on when all is done, and takes up what changes in the file.
#[test]
fn a_watched_file_is_heeded() {
    let queue = Queue::new(&sh("a", "true", ""));
    let run = queue.run("--watch").spawn();
    queue.until("RunnerCompleted", 1);
    queue.write(&[sh("a", "true", ""), sh("b", "true", "depends = [\"a\"]")].concat());
    queue.until("RunnerCompleted", 2);
    queue.write("[[task]]\nid = 3\n");
    queue.until("Warning", 1);
    queue.write(&sh("b", "true", ""));
    queue.until("TaskDropped", 1);
    run.signal(rustix::process::Signal::TERM);
    run.finish().code(143);
    assert_eq!(queue.tasks_of("TaskDropped"), ["a"]);
}

/// 15: after a signal nothing new is started, what runs comes to its end, and the next run goes on from
/// there. The second signal ends what runs, without counting it.
#[test]
fn a_signal_drains_and_a_second_one_ends() {
    let tasks = [sh("a", WAITS, ""), sh("b", "true", "depends = [\"a\"]")];
    let queue = Queue::new(&tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    run.signal(rustix::process::Signal::INT);
    queue.until("RunDraining", 1);
    queue.open("go");
    run.finish().code(130);
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a"]);
    queue.run("").run().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);

    let queue = Queue::new(&sh("a", WAITS, "retries = 0"));
    let run = queue.run("").spawn();
    let pid = queue.until_there("pid-a").parse().expect("a pid");
    run.signal(rustix::process::Signal::TERM);
    queue.until("RunDraining", 1);
    run.signal(rustix::process::Signal::TERM);
    run.finish().code(143);
    assert!(!alive(pid));
    assert_eq!(queue.all("RunnerFailed")[0]["class"], "stopped");
    queue.open("go");
    queue.run("").run().ok();

    // Where nothing is left to go on with, the run is over.
    let queue = Queue::new(&sh("a", WAITS, ""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    run.signal(rustix::process::Signal::TERM);
    queue.until("RunDraining", 1);
    queue.open("go");
    run.finish().ok();
    queue
        .ask("cancel a")
        .run()
        .code(1)
        .says("nothing to cancel");
}

/// A run has one dispatcher: a second one says who that is.
#[test]
fn a_second_dispatcher_is_refused() {
    let queue = Queue::new(&sh("a", WAITS, ""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let pid = run.pid();
    queue.run("").run().code(3).says(format!("pid {pid}"));
    queue.open("go");
    run.finish().ok();
}

/// Takes a lock of the run, as a command does that says something to it.
fn hold(queue: &Queue, name: &str) -> HeldLock {
    let mut open = File::options();
    let open = open.append(true).create(true);
    let lock = open.open(queue.dir().join(name)).expect("a lock file");
    HeldLock::of(lock).expect("it is free")
}

/// Waits until so many processes wait for it.
fn until_waited_for(lock: &File, times: usize) {
    let inode = lock.metadata().expect("the lock file").ino();
    let place = format!(":{inode} 0 EOF");
    until(&format!("{times} wait for the lock"), || {
        let locks = std::fs::read_to_string("/proc/locks").expect("the system's locks");
        let mut waits = locks.lines().filter(|line| line.contains("-> FLOCK"));
        let waits = waits.by_ref().filter(|line| line.ends_with(&place));
        (waits.count() == times).then_some(())
    });
}

/// Who says something in the last moment is heard: the run goes on, or it can be done there and then.
#[test]
fn what_is_said_in_the_last_moment_is_not_lost() {
    let queue = Queue::new(&sh("a", WAITS, ""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let lock = hold(&queue, "control.lock");
    std::fs::write(queue.path("more.toml"), sh("b", "true", "")).expect("a file");
    let add = queue.ask("add more.toml").spawn();
    until_waited_for(&lock, 1);
    queue.open("go");
    until_waited_for(&lock, 2);
    drop(lock);
    add.finish().ok().says("was told");
    run.finish().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    assert_eq!(queue.all("RunEnded").len(), 1);
}

/// A command that has the run for a moment, to say something to it, is no other dispatcher.
#[test]
fn a_short_command_keeps_no_dispatcher_away() {
    let queue = Queue::new(&sh("a", "true", ""));
    queue.run("").run().ok();
    let saying = hold(&queue, "control.lock");
    let having = hold(&queue, "run.lock");
    let run = queue.run("").spawn();
    until_waited_for(&saying, 1);
    drop(having);
    drop(saying);
    run.finish().ok();
}

/// `--fresh` begins anew; the old run stays, and nothing of it runs on.
#[test]
fn a_fresh_run_begins_anew() {
    let queue = Queue::new(&sh("a", WAITS, ""));
    let run = queue.run("").spawn();
    let pid = queue.until_there("pid-a").parse().expect("a pid");
    run.signal(rustix::process::Signal::KILL);
    drop(run);
    assert!(alive(pid));
    queue.open("go");
    queue.run("--fresh").run().ok();
    until("the old one has ended", || (!alive(pid)).then_some(()));
    assert_eq!(queue.completed()["a"], 1);
    assert!(
        queue
            .dir()
            .with_extension("1")
            .join("events.jsonl")
            .exists()
    );
    // One that has come to its end stays as it is.
    let events = || std::fs::read(queue.dir().with_extension("2").join("events.jsonl"));
    let before = std::fs::read(queue.dir().join("events.jsonl")).expect("events");
    let out = queue.run("--fresh").run();
    assert_eq!(out.ok().stderr.matches("run started").count(), 1);
    out.says(".2");
    assert_eq!(events().expect("events"), before);
}

/// 12: memory that is asked for is a limit, or it is said that it is none.
#[test]
fn memory_is_limited_or_it_is_said_that_it_is_not() {
    let queue = Queue::new(&sh("a", "cat /proc/self/cgroup", "memory = \"64M\""));
    queue.run("").run().ok();
    let limited = queue.log("a", 1).contains("repo-pool-");
    let warnings = queue.all("Warning");
    match limited {
        true => assert!(warnings.is_empty(), "{warnings:?}"),
        false => {
            let text = warnings[0]["text"].as_str().expect("a text");
            assert!(text.contains("not limited"), "{text}");
        }
    }
}

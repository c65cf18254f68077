//! Tasks that join a run while it goes on, or change: what is wrong is said to who wants it, and what the
//! run itself has written is no news.

use crate::support::{Queue, World, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;

const WAITS: &str = "until [ -e go ]; do sleep 0.02; done";

fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\n{more}\n")
}

/// A run with quotas, whose task `a` waits for `go`.
fn scene() -> Queue {
    Queue::new(&sh("a", WAITS, "")).settings(
        "[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 2\ncpu_quota = 2\n",
    )
}

/// A request that can never be met is refused where it is made, with its line, and so is all else that
/// is wrong; the run goes on.
#[test]
fn what_is_wrong_with_a_file_is_said_to_who_adds_it() {
    let queue = scene();
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let add = |text: &str| {
        fs::write(queue.path("more.toml"), text).expect("writing");
        queue.ask("add more.toml").run()
    };
    let never = "it asks for 3 CPU, and agent pool local has 2 in all";
    let out = add(&("\n".to_owned() + &sh("b", "true", "cpu = 3")));
    out.code(2).says("more.toml:2: task \"b\": ").says(never);
    add(&sh("a", "true", "")).code(2).says("has it too");
    add("tasks").code(2).says("more.toml:1: not valid TOML");
    // A dispatcher reads it itself: by then it may be another.
    add(&sh("b", "echo b >> ran", "")).ok();
    queue.until("RunnerCompleted", 1);
    queue.ask("add more.toml").run().ok();
    queue.open("go");
    run.finish().ok();
    assert_eq!(fs::read_to_string(queue.path("ran")).expect("it"), "b\n");
    assert_eq!(queue.all("TaskAdded").len(), 1);
    assert_eq!(queue.all("Warning").len(), 0, "{:?}", queue.events());
}

/// A file that has joined and is gone is missed by its name; without it the run begins anew.
#[test]
fn a_file_that_has_joined_is_missed_when_it_is_gone() {
    let queue = scene();
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let more = queue.path("more.toml");
    fs::write(&more, sh("b", "true", "")).expect("writing");
    queue.ask("add more.toml").run().ok();
    queue.until("TaskAdded", 1);
    run.signal(Signal::KILL);
    drop(run);
    fs::remove_file(&more).expect("removing");
    let out = queue.run("").run();
    out.code(2)
        .says("more.toml was added to this run")
        .says("--fresh");
    queue.open("go");
    queue.run("--fresh").run().ok();
}

/// A task that is taken out of its file while it runs is not tried again.
#[test]
fn a_task_that_leaves_its_file_while_it_runs_is_not_tried_again() {
    let queue = Queue::new(&sh("a", &format!("{WAITS}; exit 1"), "retries = 3"));
    let run = queue.run("--watch").spawn();
    queue.until("RunnerStarted", 1);
    queue.write(&sh("b", "true", ""));
    queue.until("RunnerCompleted", 1);
    queue.open("go");
    queue.until("TaskDropped", 1);
    run.signal(Signal::INT);
    run.finish().code(130);
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a", "b"]);
}

/// With `--watch` a file is heeded only if it is right, and can be met.
#[test]
fn a_watching_run_leaves_its_tasks_as_they_were_where_a_file_is_wrong() {
    let queue = scene();
    let run = queue.run("--watch").spawn();
    queue.until("RunnerStarted", 1);
    let first = sh("a", WAITS, "");
    queue.write(&(first.clone() + &sh("b", "true", "cpu = 3")));
    queue.until("Warning", 1);
    let said = queue.all("Warning")[0]["text"].to_string();
    assert!(
        said.contains("left as they were") && said.contains("asks for 3 CPU"),
        "{said}"
    );
    queue.write(&(first + &sh("b", "true", "cpu = 2")));
    queue.until("TaskAdded", 1);
    queue.open("go");
    queue.until("RunnerCompleted", 2);
    run.signal(Signal::INT);
    run.finish().code(130);
}

fn registry(tasks: &[&str]) -> String {
    let task = |id: &&str| {
        json!({"id": id, "title": id, "description": "", "state": "ready",
        "created_at": "2025-01-01T00:00:00+00:00", "updated_at": "2025-01-01T00:00:00+00:00"})
    };
    let tasks: Vec<Value> = tasks.iter().map(task).collect();
    json!({"spec_name": "s", "version": 1, "tasks": tasks}).to_string()
}

/// What is written back to a registry is not read as news; what another has written there is, though
/// the run has written since.
#[test]
fn a_watching_run_knows_its_own_writing() {
    let world = World::new();
    let file = world.path("taskset.json");
    fs::write(&file, registry(&["1"])).expect("writing");
    let words = "dispatch run taskset.json --watch -- true";
    let run = world.call(words).spawn();
    let states = || {
        let set: Value = serde_json::from_slice(&fs::read(&file).expect("it")).expect("JSON");
        let tasks = set["tasks"].as_array().expect("tasks").clone();
        tasks.iter().filter(|task| task["state"] == "done").count()
    };
    let runs = world.workspace().join(".repo-pool/dispatch");
    let dir = until("the run has begun", || {
        let mut runs = fs::read_dir(&runs).ok()?;
        let dir = runs.next()?.expect("a run").path();
        dir.join("tasks.json").exists().then_some(dir)
    });
    let tasks = || fs::metadata(dir.join("tasks.json")).expect("it").ino();
    let before = tasks();
    until("it is written back", || (states() == 1).then_some(()));
    // What is heard after the writing is heeded after it.
    for priority in [3, 4] {
        world.pool(format!("dispatch prio 1 {priority}")).ok();
        until("it is taken up", || {
            let shown = world.pool("dispatch status --json").json();
            let now = &shown["run"]["tasks"][0]["priority"];
            (now.as_i64() == Some(priority)).then_some(())
        });
    }
    assert_eq!(tasks(), before, "it was read anew");
    fs::write(world.path("new"), registry(&["1", "2"])).expect("writing");
    fs::rename(world.path("new"), &file).expect("renaming");
    until("the other task is done", || (states() == 2).then_some(()));
    run.signal(Signal::INT);
    run.finish().code(130);
}

/// Only what is wanted is planned.
#[test]
fn a_plan_has_what_is_wanted() {
    let queue = Queue::new(
        &[
            sh("a", "true", ""),
            sh("b", "true", "depends = [\"a\"]"),
            sh("c", "true", ""),
        ]
        .concat(),
    );
    let plan = queue.run("--dry-run --only b --json").run().ok().json();
    let steps = plan["result"]["steps"].as_array().expect("steps").iter();
    let ids: Vec<_> = steps
        .map(|step| step["task"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids, ["a", "b"]);
    queue.run("--dry-run --only d").run().code(2);
}

/// A task that runs on without a dispatcher is not ended by who cancels it, and that is said.
#[test]
fn who_cancels_what_runs_without_a_dispatcher_is_told_when_it_ends() {
    let queue = Queue::new(&(sh("a", WAITS, "") + &sh("b", "true", "depends = [\"a\"]")));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    run.signal(Signal::KILL);
    run.finish();
    queue.ask("cancel b").run().ok().says("done");
    queue
        .ask("cancel a")
        .run()
        .ok()
        .says("noted; ")
        .says("goes on with the run");
    queue.run("").run().code(1);
    assert_eq!(queue.all("RunnerFailed")[0]["class"], "cancelled");
}

/// Whoever names a directory as if it were a pool is told so before anything runs.
#[test]
fn a_pool_that_is_not_there_is_told_of_before_a_task_fails() {
    let queue = Queue::new(&sh("a", "true", "repo = \"app\"\nretries = 0"));
    let file = queue.path("tasks.toml").display().to_string();
    let check = || queue.ask(&format!("check {file}")).run();
    check().ok().says("there is no pool app").says("./app");
    queue.run("").run().code(1).says("there is no pool app");
    let queue = Queue::with_slots(1, &sh("a", "true", "repo = \"p\""));
    queue.run("").run().ok().never_says("there is no pool");
}

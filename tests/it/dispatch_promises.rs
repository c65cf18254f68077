//! What `dispatch` promises, with real processes and real slots: what is not shown with the part of it
//! that the other files are about.

mod bad;
mod disk;
mod left;
mod limits;
mod people;
mod plan;
mod registry;
mod runner;
mod signals;

use crate::support::{Queue, until};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a task does that waits until its own gate is open; `$PLACE` is where the gates are.
const WAIT: &str =
    "until [ -e \"$PLACE/go-$REPO_POOL_TASK_ID\" ] || [ ! -d \"$PLACE\" ]; do sleep 0.02; done";

/// A task that runs this script.
fn task(queue: &Queue, id: &str, script: &str, more: &str) -> String {
    let place = queue.path("").display().to_string();
    let script = format!("PLACE='{}'\n{script}", place.trim_end_matches('/'));
    let command = json!(["sh", "-c", script]);
    format!(
        "[[task]]\nid = {}\ncommand = {command}\n{more}\n",
        json!(id)
    )
}

/// Lets these tasks go on.
fn open(queue: &Queue, ids: &[&str]) {
    ids.iter().for_each(|id| queue.open(&format!("go-{id}")));
}

/// What `status` says of all tasks.
fn states(queue: &Queue) -> Vec<String> {
    let shown = queue.ask("status --json").run().ok().json();
    let tasks = shown["run"]["tasks"].as_array().expect("tasks").iter();
    tasks
        .map(|task| format!("{} {}", task["id"], task["state"]).replace('"', ""))
        .collect()
}

/// The dispatcher has done whatever followed from all that had happened before: it hears in order, and
/// what it has decided is written together with what it has heard.
fn has_done_what_follows(queue: &Queue, any_task: &str) {
    let times = queue.all("PriorityChanged").len();
    queue.ask(&format!("prio {any_task} 0")).run().ok();
    queue.until("PriorityChanged", times + 1);
    queue.ask(&format!("prio {any_task} 0")).run().ok();
    queue.until("PriorityChanged", times + 2);
}

/// When something happened.
fn time(event: &Value) -> Timestamp {
    let text = event["time"].as_str().expect("a time");
    text.parse().expect("a time")
}

/// The place of an event in the order of all.
fn place(queue: &Queue, kind: &str, task: &str) -> u64 {
    let events = queue.all(kind).into_iter();
    let mut of_task = events.filter(|event| event["task"] == task);
    let event = of_task
        .next()
        .unwrap_or_else(|| panic!("no {kind} of {task}"));
    event["n"].as_u64().expect("a number")
}

/// A pid that a task has told in a file.
#[track_caller]
fn pid_in(queue: &Queue, name: &str) -> u32 {
    queue.until_there(name).parse().expect("a pid")
}

/// Waits until a task has come to an end of this class.
#[track_caller]
fn until_failed(queue: &Queue, task: &str) -> Value {
    queue.until("RunnerFailed", 1);
    until(&format!("{task} has failed"), || {
        let failed = queue.all("RunnerFailed").into_iter();
        failed.into_iter().find(|event| event["task"] == task)
    })
}

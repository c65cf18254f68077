//! Registries (`taskset.json`) of a real run: what is read from them and written back.

use crate::support::{Out, World};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn task(id: &str, state: &str, depends: &[&str]) -> Value {
    json!({
        "id": id, "title": format!("Task {id}"), "description": "D", "state": state,
        "dependencies": depends, "priority": 0, "is_optional": false, "artifacts": [], "metadata": {"own": 7},
        "created_at": "2025-01-01T00:00:00+00:00", "updated_at": "2025-01-01T00:00:00+00:00",
    })
}

/// A registry with one spec: its root, and its file.
fn registry(world: &World) -> (PathBuf, PathBuf) {
    let root = world.path("registry");
    let file = root.join("tasksets/login/taskset.json");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    let set = json!({
        "spec_name": "login", "version": 7, "created_at": "2025-01-01T00:00:00+00:00",
        "updated_at": "2025-01-01T00:00:00+00:00",
        "tasks": [
            task("1", "done", &[]),
            task("2", "running", &["1"]),
            task("3", "blocked", &["2"]),
            task("bad", "ready", &[]),
            task("5", "blocked", &["bad"]),
        ],
        "metadata": {"kept": [1, 2]},
    });
    fs::write(&file, serde_json::to_string_pretty(&set).expect("JSON")).expect("writing");
    (root, file)
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("the file")).expect("JSON")
}

fn states(set: &Value) -> Vec<String> {
    let tasks = set["tasks"].as_array().expect("tasks").iter();
    tasks
        .map(|task| task["state"].as_str().expect("a state").to_owned())
        .collect()
}

#[track_caller]
fn run(world: &World, file: &Path, more: &[&str]) -> Out {
    let file = file.display().to_string();
    let mut args = vec!["dispatch", "run", &file];
    args.extend(more);
    args.extend([
        "--",
        "sh",
        "-c",
        "echo $REPO_POOL_TASK_ID >>ran; [ $REPO_POOL_TASK_ID != bad ] || exit 78",
    ]);
    world.pool(args.into_iter().map(str::to_owned).collect::<Vec<String>>())
}

/// 1, 10: what was done stays done, the rest is run, and all of it is told.
#[test]
fn a_registry_follows_the_run() {
    let world = World::new();
    let (root, file) = registry(&world);
    run(&world, &file, &[]).code(1);
    let ran = fs::read_to_string(root.join("tasksets/login/ran")).expect("what ran");
    let mut ran: Vec<&str> = ran.lines().collect();
    ran.sort_unstable();
    assert_eq!(ran, ["2", "3", "bad"]);
    let set = read(&file);
    assert_eq!(states(&set), ["done", "done", "done", "failed", "blocked"]);
    assert!(set["version"].as_u64() > Some(7), "{set}");
    assert!(
        set["updated_at"]
            .as_str()
            .expect("a time")
            .ends_with("+00:00"),
        "{set}"
    );
    assert_eq!(
        (
            &set["metadata"]["kept"],
            &set["tasks"][1]["metadata"]["own"]
        ),
        (&json!([1, 2]), &json!(7))
    );
    assert_eq!(set["tasks"][0]["updated_at"], "2025-01-01T00:00:00+00:00");
    let events = fs::read_to_string(root.join("events/login/events.jsonl")).expect("events");
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |task: &str| -> Vec<String> {
        let events = events.iter().filter(|event| event["task_id"] == task);
        events
            .map(|e| format!("{} {}", e["event_type"], e["details"]["status"]).replace('"', ""))
            .collect()
    };
    assert_eq!(
        of("3"),
        [
            "TaskAssigned null",
            "RunnerStarted null",
            "RunnerFinished completed"
        ]
    );
    assert_eq!(
        of("bad"),
        [
            "TaskAssigned null",
            "RunnerStarted null",
            "RunnerFinished failed"
        ]
    );
    let keys: Vec<&String> = events[0].as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["event_type", "spec_name", "task_id", "timestamp", "details"]
    );
}

/// It is left alone where that is wanted.
#[test]
fn a_registry_is_only_read_where_that_is_wanted() {
    let world = World::new();
    let (root, file) = registry(&world);
    let before = fs::read(&file).expect("the file");
    run(&world, &file, &["--no-update-registry"]).code(1);
    assert_eq!(fs::read(&file).expect("the file"), before);
    assert!(!root.join("locks").exists() && !root.join("events").exists());
}

/// One that can't be written stops nothing: it is said, and put right by the next run.
#[test]
fn a_registry_that_can_not_be_written_stops_nothing() {
    let world = World::new();
    let (root, file) = registry(&world);
    // Where its locks would be is something else.
    fs::write(root.join("locks"), "").expect("writing");
    let before = fs::read(&file).expect("the file");
    run(&world, &file, &[])
        .code(1)
        .says("is not up to date: ")
        .says("was not brought up to date: ");
    assert_eq!(fs::read(&file).expect("the file"), before);
    fs::remove_file(root.join("locks")).expect("removing");
    let out = run(&world, &file, &[]);
    out.code(1).never_says("up to date");
    assert_eq!(
        states(&read(&file)),
        ["done", "done", "done", "failed", "blocked"]
    );
    let ran = fs::read_to_string(root.join("tasksets/login/ran")).expect("what ran");
    assert_eq!(ran.lines().count(), 3, "{ran}");
}

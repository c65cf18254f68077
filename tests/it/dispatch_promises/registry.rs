//! Registries (`taskset.json`) that can't be written for a while.

use super::{WAIT, open};
use crate::support::{Call, HeldLock, Queue, Running, World, is_root, until};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A registry with two tasks, the second after the first, and its run's command line.
fn registry(world: &World) -> PathBuf {
    let file = world.path("registry/tasksets/login/taskset.json");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    fs::create_dir_all(world.path("registry/locks")).expect("a directory");
    let task = |id: &str, depends: &[&str]| {
        json!({
            "id": id, "title": "T", "description": "D", "state": "ready", "dependencies": depends,
            "created_at": "2025-01-01T00:00:00+00:00", "updated_at": "2025-01-01T00:00:00+00:00",
        })
    };
    let set = json!({
        "spec_name": "login", "version": 1, "created_at": "2025-01-01T00:00:00+00:00",
        "updated_at": "2025-01-01T00:00:00+00:00", "tasks": [task("a", &[]), task("b", &["a"])],
        "metadata": {},
    });
    fs::write(&file, set.to_string()).expect("writing");
    file
}

fn states(file: &Path) -> Vec<String> {
    let set: Value = serde_json::from_slice(&fs::read(file).expect("the file")).expect("JSON");
    let tasks = set["tasks"].as_array().expect("tasks").iter();
    tasks
        .map(|task| task["state"].as_str().expect("a state").to_owned())
        .collect()
}

/// A task of it.
fn task(file: &Path, id: &str) -> Value {
    let set: Value = serde_json::from_slice(&fs::read(file).expect("the file")).expect("JSON");
    let mut tasks = set["tasks"].as_array().expect("tasks").iter();
    tasks.find(|task| task["id"] == id).expect("it").clone()
}

/// The run of a registry. Root heeds permissions there as everybody does.
fn run(queue: &Queue, file: &Path, heeds: bool) -> Running {
    let mut command = match heeds && is_root() {
        true => {
            let mut command = queue.world.command("setpriv");
            let without = "-dac_override,-dac_read_search";
            command.args(["--bounding-set", without, "--inh-caps", without]);
            command.arg(env!("CARGO_BIN_EXE_repo-pool"));
            command
        }
        false => queue.world.command(env!("CARGO_BIN_EXE_repo-pool")),
    };
    let place = queue.path("").display().to_string();
    let script = format!("PLACE='{place}'\n{WAIT}");
    command
        .args(["dispatch", "run"])
        .arg(file)
        .args(["--", "sh", "-c", &script]);
    Call::new(command).spawn()
}

/// While somebody else has it locked nothing of it is touched, and nobody waits for that; then it is
/// brought up to date, in the middle of the run.
#[test]
fn a_locked_registry_is_written_later() {
    let queue = Queue::new("");
    let file = registry(&queue.world);
    let lock = File::create(queue.path("registry/locks/login.lock")).expect("a lock file");
    let lock = HeldLock::of(lock).expect("its lock");
    let before = fs::read(&file).expect("the file");
    let run = run(&queue, &file, false);
    open(&queue, &["a"]);
    queue.until("RunnerStarted", 2);
    run.says("is not up to date: it is locked", 1);
    assert_eq!(fs::read(&file).expect("the file"), before);
    drop(lock);
    run.says("is up to date again", 1);
    assert_eq!(states(&file), ["done", "running"]);
    open(&queue, &["b"]);
    run.finish().ok();
    assert_eq!(states(&file), ["done", "done"]);
    let events = fs::read_to_string(queue.path("registry/events/login/events.jsonl"));
    let events = events.expect("events");
    assert_eq!(events.matches("RunnerFinished").count(), 2, "{events}");
}

/// One that may only be read: it is said, the tasks run, and the next run brings it up to date.
#[test]
fn a_registry_that_may_only_be_read_is_said_to_be_behind() {
    let queue = Queue::new("");
    let file = registry(&queue.world);
    let directories = ["registry", "registry/locks", "registry/tasksets/login"];
    let may = |mode: u32| {
        for directory in directories {
            let path = queue.path(directory);
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
        }
    };
    may(0o555);
    let before = fs::read(&file).expect("the file");
    open(&queue, &["a", "b"]);
    let out = run(&queue, &file, true).finish();
    may(0o755);
    out.ok()
        .says("is not up to date: ")
        .says("Permission denied")
        .says("was not brought up to date: ");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
    assert_eq!(fs::read(&file).expect("the file"), before);
    run(&queue, &file, true)
        .finish()
        .ok()
        .never_says("up to date");
    assert_eq!(states(&file), ["done", "done"]);
    assert_eq!(
        queue.tasks_of("RunnerCompleted").len(),
        2,
        "nothing ran again"
    );
}

/// Who works where is told: the slot and the runner, while they have it and for who had it last; and
/// commits are made on the branch that was reserved.
#[test]
fn a_registry_says_who_works_where() {
    let queue = Queue::with_slots(1, "");
    let file = registry(&queue.world);
    let mut set: Value = serde_json::from_slice(&fs::read(&file).expect("it")).expect("JSON");
    set["tasks"][0]["reserved_branch"] = "feature/login".into();
    fs::write(&file, set.to_string()).expect("writing");
    let place = queue.path("").display().to_string();
    let commits = format!("PLACE='{place}'\n{WAIT}; touch new; git add new; git commit -qm new");
    let mut command = queue.world.command(env!("CARGO_BIN_EXE_repo-pool"));
    command.args(["dispatch", "run"]).arg(&file);
    command.args(["--repo", "p", "--", "sh", "-c", &commits]);
    let run = Call::new(command).spawn();
    let standing = |state: &str| {
        until(&format!("a is {state}"), || {
            let now = task(&file, "a");
            let told = now["runner_id"].is_string() && now["state"] == state;
            told.then_some(now)
        })
    };
    let held = until("its slot is told", || {
        Some(standing("running")).filter(|task| task["assigned_slot"].is_string())
    });
    let runner = queue.all("TaskAssigned")[0]["runner"].clone();
    assert_eq!(
        (&held["runner_id"], &held["assigned_slot"]),
        (&runner, &"workspace-p-slot1".into())
    );
    assert_eq!(task(&file, "b")["state"], "blocked");
    open(&queue, &["a", "b"]);
    run.finish().ok();
    assert_eq!(standing("done")["runner_id"], runner);
    assert_eq!(queue.all("RunnerCompleted")[0]["branch"], "feature/login");
    let tip = queue
        .world
        .git(&queue.world.bare("p"), "rev-parse refs/heads/feature/login");
    assert_eq!(queue.all("RunnerCompleted")[0]["commit"], tip.as_str());
    queue.all_slots_are_free();
}

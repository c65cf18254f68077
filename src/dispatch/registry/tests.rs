//! Registries as files, and what is in them when a run has told of its events.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Registry;
use crate::dispatch::files::{self, Defaults, Loaded};
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{End, EndClass, Event, Record, RunState};
use crate::sys::fs;
use crate::sys::lock::FileLock;

struct World {
    dir: tempfile::TempDir,
    loaded: Loaded,
    state: RunState,
    registry: Registry,
    said: Arc<Mutex<Vec<String>>>,
    n: u64,
}

fn set(spec: &str) -> String {
    let task = |id: &str, depends: &str| {
        format!(
            "    {{\"id\": \"{id}\", \"title\": \"T\", \"description\": \"D\", \"state\": \"blocked\",\n     \
             \"dependencies\": [{depends}], \"assigned_slot\": null, \"runner_id\": null,\n     \
             \"created_at\": \"t\", \"updated_at\": \"t\"}}"
        )
    };
    format!(
        "{{\n  \"spec_name\": \"{spec}\",\n  \"version\": 1,\n  \"created_at\": \"t\",\n  \"updated_at\": \
         \"t\",\n  \"tasks\": [\n{},\n{},\n{}\n  ],\n  \"metadata\": {{}}\n}}\n",
        task("1", ""),
        task("2", "\"1\""),
        task("3", "\"2\"")
    )
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let paths = ["a", "b"].map(|spec| {
            let file = dir.path().join("tasksets").join(spec).join("taskset.json");
            fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
            fs::write_public(&file, set(spec).as_bytes()).expect("writing");
            file
        });
        let defaults = Defaults {
            command: Some(vec!["true".to_owned()].into()),
            repo: None,
            max_attempts: 3,
        };
        let loaded = files::load(&paths, &defaults).expect("right files");
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        let tell = move |text: &str| heard.lock().expect("whole").push(text.to_owned());
        let registry = Registry::open(&loaded.sources, Arc::new(tell)).expect("a thread");
        let state = RunState::new(loaded.tasks.clone().into());
        let mut world = Self {
            dir,
            loaded,
            state,
            registry,
            said,
            n: 0,
        };
        world.event(Event::RunStarted {
            pid: 1,
            policy: "priority".to_owned(),
            tasks: 6,
        });
        world
    }

    fn event(&mut self, event: Event) {
        self.n += 1;
        let record = Record {
            n: self.n,
            time: Timestamp::UNIX_EPOCH,
            event,
        };
        self.state.apply(&record);
        self.registry.note(&record, &self.state);
    }

    /// A task is given to a runner, with a slot.
    fn start(&mut self, task: &str, attempt: u32) -> AttemptId {
        let id = AttemptId {
            task: task.to_owned(),
            attempt,
            token: self.n,
        };
        self.event(Event::TaskAssigned {
            attempt: id.clone(),
            runner: format!("rp-{task}"),
            agent_pool: "local".to_owned(),
        });
        self.event(Event::SlotAllocated {
            attempt: id.clone(),
            slot: SlotRef {
                pool: "app".to_owned(),
                number: 2,
                path: "/p".to_owned(),
                allocation: "x".to_owned(),
                branch: "rp/1".to_owned(),
                base_commit: "c".to_owned(),
            },
        });
        self.event(Event::RunnerStarted {
            attempt: id.clone(),
            runner: format!("rp-{task}"),
            handle: "pid 7".to_owned(),
        });
        id
    }

    fn fail(&mut self, attempt: AttemptId, retry_in: Option<f64>) {
        self.event(Event::RunnerFailed {
            runner: format!("rp-{}", attempt.task),
            attempt,
            slot_id: Some("workspace-app-slot2".to_owned()),
            end: end(EndClass::Failure, 1),
            retry_in,
            counted: true,
        });
    }

    fn complete(&mut self, attempt: AttemptId) {
        self.event(Event::RunnerCompleted {
            runner: format!("rp-{}", attempt.task),
            attempt,
            slot_id: Some("workspace-app-slot2".to_owned()),
            end: end(EndClass::Done, 0),
            commit: Some("abc".to_owned()),
            branch: Some("rp/1".to_owned()),
        });
    }

    fn file(&self, spec: &str) -> PathBuf {
        let sources = self.loaded.sources.iter();
        let mut named = sources.filter(|source| source.name == spec);
        named.next().expect("a source").path.clone()
    }
}

fn end(class: EndClass, exit_code: i32) -> End {
    End {
        class,
        exit_code: Some(exit_code),
        signal: None,
        reason: None,
        seconds: 1.5,
    }
}

fn read(file: &Path) -> Value {
    let bytes = fs::read_limited(file, 1 << 20).expect("the file");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn states(set: &Value) -> Vec<&str> {
    let tasks = set["tasks"].as_array().expect("tasks").iter();
    tasks
        .map(|task| task["state"].as_str().expect("a state"))
        .collect()
}

fn events(root: &Path, spec: &str) -> Vec<Value> {
    let file = root.join("events").join(spec).join("events.jsonl");
    let bytes = fs::read_if_there(&file)
        .expect("readable")
        .unwrap_or_default();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn states_and_events_are_written_back() {
    let mut world = World::new();
    let first = world.start("1", 1);
    world.complete(first);
    let second = world.start("2", 1);
    world.fail(second, Some(1.0));
    let other = world.start("b/1", 1);
    world.fail(other, None);
    let (a, b) = (world.file("a"), world.file("b"));
    let root = world.dir.path().canonicalize().expect("a path");
    assert_eq!(world.registry.close(), Vec::<String>::new());
    assert!(world.said.lock().expect("whole").is_empty());
    let (a, b) = (read(&a), read(&b));
    assert_eq!(states(&a), ["done", "ready", "blocked"]);
    assert_eq!(states(&b), ["failed", "blocked", "blocked"]);
    assert!(a["version"].as_u64() > Some(1), "{a}");
    assert!(
        a["updated_at"]
            .as_str()
            .expect("a time")
            .ends_with("+00:00"),
        "{a}"
    );
    assert_eq!(a["tasks"][1]["runner_id"], Value::Null);
    assert_eq!(b["tasks"][0]["title"], "T");
    let events = (events(&root, "a"), events(&root, "b"));
    let words = |events: &[Value]| -> Vec<String> {
        let words = events
            .iter()
            .map(|e| (&e["event_type"], &e["task_id"], &e["details"]["status"]));
        words
            .map(|(word, task, status)| format!("{word} {task} {status}").replace('"', ""))
            .collect()
    };
    assert_eq!(
        words(&events.0),
        [
            "TaskAssigned 1 null",
            "RunnerStarted 1 null",
            "RunnerFinished 1 completed",
            "TaskAssigned 2 null",
            "RunnerStarted 2 null",
            "RunnerFinished 2 failed",
        ]
    );
    let last = &events.1[2];
    assert_eq!(
        (&last["spec_name"], &last["task_id"]),
        (&"b".into(), &"1".into())
    );
    assert_eq!(last["timestamp"], "1970-01-01T00:00:00.000000+00:00");
    assert_eq!(last["details"]["slot_id"], "workspace-app-slot2");
    assert_eq!(last["details"]["duration_seconds"], 1.5);
    assert_eq!(events.1[1]["details"]["slot_id"], "workspace-app-slot2");
    // Its own tools lock it by the same file.
    assert!(root.join("locks/a.lock").is_file() && root.join("locks/b.lock").is_file());
}

#[test]
fn one_that_is_locked_is_written_when_it_is_free() {
    let mut world = World::new();
    let root = world.dir.path().canonicalize().expect("a path");
    fs::create_dir_all(&root.join("locks")).expect("a directory");
    let lock = loop {
        // The first writing may be under way.
        if let Some(lock) = FileLock::try_acquire(&root.join("locks/a.lock")).expect("a lock") {
            break lock;
        }
        std::thread::yield_now();
    };
    let before = read(&world.file("a"))["version"].clone();
    let first = world.start("1", 1);
    world.complete(first);
    let complained = || {
        let said = world.said.lock().expect("whole");
        said.iter()
            .any(|text| text.contains("a/taskset.json is not up to date: it is locked"))
    };
    while !complained() {
        std::thread::yield_now();
    }
    assert_eq!(read(&world.file("a"))["version"], before);
    // The other is not concerned.
    let other = world.start("b/1", 1);
    world.complete(other);
    drop(lock);
    let (a, b, said) = (world.file("a"), world.file("b"), Arc::clone(&world.said));
    assert_eq!(world.registry.close(), Vec::<String>::new());
    assert_eq!(states(&read(&a)), ["done", "ready", "blocked"]);
    assert_eq!(states(&read(&b)), ["done", "ready", "blocked"]);
    assert_eq!(events(&root, "a").len(), 3);
    assert!(
        said.lock()
            .expect("whole")
            .iter()
            .any(|text| text.contains("is up to date again"))
    );
}

#[test]
fn one_that_can_not_be_written_is_named_at_the_end() {
    let mut world = World::new();
    let root = world.dir.path().canonicalize().expect("a path");
    while fs::metadata_if_there(&root.join("events/b"))
        .expect("readable")
        .is_none()
    {
        std::thread::yield_now();
    }
    let a = world.file("a");
    fs::write_public(&a, b"no JSON").expect("writing");
    let first = world.start("1", 1);
    world.complete(first);
    let left = world.registry.close_within(Duration::ZERO);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].contains("a/taskset.json was not brought up to date"),
        "{left:?}"
    );
    let bytes = fs::read_limited(&a, 100).expect("the file");
    assert_eq!(bytes, b"no JSON");
}

#[test]
fn what_somebody_else_changed_meanwhile_stays() {
    let mut world = World::new();
    let a = world.file("a");
    let text = set("a").replace("\"metadata\": {}", "\"metadata\": {\"note\": 7}");
    // Not before the first writing, which has its own time.
    while read(&a)["version"] == 1 {
        std::thread::yield_now();
    }
    fs::write_public(&a, text.as_bytes()).expect("writing");
    let first = world.start("1", 1);
    world.complete(first);
    assert_eq!(world.registry.close(), Vec::<String>::new());
    let set = read(&a);
    assert_eq!(set["metadata"]["note"], 7);
    assert_eq!(set["tasks"][0]["state"], "done");
}

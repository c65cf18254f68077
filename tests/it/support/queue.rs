//! A file of tasks and its run, seen from outside: its events, its directory, its processes.

use super::{Call, Out, World, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A world with a file of tasks.
pub struct Queue {
    /// Where everything is.
    pub world: World,
    file: PathBuf,
}

impl Queue {
    /// Tasks without slots.
    pub fn new(tasks: &str) -> Self {
        Self::of(World::new(), tasks)
    }

    /// Tasks whose slots come from pool `p` with so many.
    pub fn with_slots(slots: u32, tasks: &str) -> Self {
        Self::of(World::with_pool(slots).0, tasks)
    }

    /// Tasks in a world that is there.
    pub fn of(world: World, tasks: &str) -> Self {
        let queue = Self {
            file: world.path("tasks.toml"),
            world,
        };
        queue.write(tasks);
        queue
    }

    /// Writes the settings.
    pub fn settings(self, text: &str) -> Self {
        let config = self.world.workspace().join("pools.toml");
        std::fs::create_dir_all(self.world.workspace()).expect("a workspace");
        // A directory that is there must be a workspace.
        self.world.pool("init").ok();
        let before = std::fs::read_to_string(&config).unwrap_or_default();
        std::fs::write(&config, before + text).expect("settings");
        self
    }

    /// Writes the file of tasks anew.
    pub fn write(&self, tasks: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, tasks).expect("the tasks");
        std::fs::rename(&new, &self.file).expect("the tasks' file");
    }

    /// A path beside the file, where tasks without slots run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    /// Lets tasks go on that wait for this file.
    pub fn open(&self, gate: &str) {
        std::fs::write(self.path(gate), "").expect("a file");
    }

    /// `dispatch run FILE`, with more words.
    pub fn run(&self, words: &str) -> Call {
        let file = self.file.display().to_string();
        let words = words.split_whitespace().map(str::to_owned);
        let begin = ["dispatch".to_owned(), "run".to_owned(), file];
        self.world
            .call(begin.into_iter().chain(words).collect::<Vec<_>>())
    }

    /// Another verb of `dispatch`.
    pub fn ask(&self, words: &str) -> Call {
        self.world.call(format!("dispatch {words}"))
    }

    /// How people are told of a command about the run.
    pub fn told(&self, words: &str) -> String {
        let dir = self.dir();
        let run = dir.file_name().expect("its name").to_string_lossy();
        format!("repo-pool dispatch {words} --run {run}")
    }

    /// A command line as it was printed, typed into a shell in another directory.
    #[track_caller]
    pub fn typed(&self, line: &str) -> Out {
        let mut shell = self.world.shell("sh");
        shell.args(["-c", line]).current_dir(self.world.home());
        Call::new(shell).run()
    }

    /// The directory of the run.
    pub fn dir(&self) -> PathBuf {
        self.begun().expect("the run")
    }

    /// The same, if the run has one yet.
    fn begun(&self) -> Option<PathBuf> {
        let all = std::fs::read_dir(self.world.workspace().join(".repo-pool/dispatch"));
        let mut all = all.ok()?.map(|entry| entry.expect("a run").path());
        all.find(|path| path.extension().is_none())
    }

    /// The directory of an attempt of a task whose id is its own name.
    pub fn attempt(&self, task: &str, attempt: u32) -> PathBuf {
        self.dir().join(format!("attempts/{task}/{attempt}"))
    }

    /// What an attempt has printed so far.
    pub fn log(&self, task: &str, attempt: u32) -> String {
        std::fs::read_to_string(self.attempt(task, attempt).join("log")).unwrap_or_default()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        let text = self
            .begun()
            .and_then(|run| std::fs::read_to_string(run.join("events.jsonl")).ok())
            .unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect()
    }

    /// Those of one kind.
    pub fn all(&self, kind: &str) -> Vec<Value> {
        let events = self.events().into_iter();
        events.filter(|event| event["event"] == kind).collect()
    }

    /// The tasks of the events of one kind, in their order.
    pub fn tasks_of(&self, kind: &str) -> Vec<String> {
        let events = self.all(kind).into_iter();
        events
            .map(|event| event["task"].as_str().expect("a task").to_owned())
            .collect()
    }

    /// How often each task came to each accepted end.
    pub fn completed(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for task in self.tasks_of("RunnerCompleted") {
            *times.entry(task).or_default() += 1;
        }
        times
    }

    /// Waits until there are so many events of a kind.
    #[track_caller]
    pub fn until(&self, kind: &str, times: usize) {
        until(&format!("there are {times} {kind}"), || {
            let runs = self.world.workspace().join(".repo-pool/dispatch");
            let begun = std::fs::read_dir(runs).is_ok_and(|mut runs| runs.next().is_some());
            (begun && self.all(kind).len() >= times).then_some(())
        });
    }

    /// Waits for a file that a task makes.
    #[track_caller]
    pub fn until_there(&self, name: &str) -> String {
        until(&format!("{name} is there"), || {
            let text = std::fs::read_to_string(self.path(name)).ok()?;
            text.ends_with('\n').then(|| text.trim().to_owned())
        })
    }

    /// Every slot of pool `p` is free.
    #[track_caller]
    pub fn all_slots_are_free(&self) {
        let status = self.world.pool("status p --json").json();
        let slots = status["pool"]["slots"].as_array().expect("slots");
        let held = slots.iter().filter(|slot| slot["state"] != "available");
        assert_eq!(held.count(), 0, "{status:#}");
    }
}

//! States and events written back to the registries that tasks are from (`taskset.json`).
//!
//! The run's own events are the truth; a registry follows them, later where it is locked or can't be
//! written. When a run is taken up every task's state is told anew, so nothing that a killed
//! dispatcher did not get to write is missing for long.

mod document;
mod place;
mod words;
mod worker;
mod writings;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::{Format, Source};
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::{Event, Record, RunState, TaskState};
use crate::domain::{Error, Result};
use document::Standing;
use place::Place;
use worker::Message;
use writings::Writings;

/// How long a registry that is locked is waited for at the end of a run.
const AT_THE_END: Duration = Duration::from_secs(10);

/// The registries of a run.
#[derive(Debug)]
pub struct Registry {
    told: Mutex<Told>,
    worker: JoinHandle<Vec<String>>,
    writings: Arc<Writings>,
}

/// What the thread that writes was told.
#[derive(Debug)]
struct Told {
    sender: Sender<Message>,
    /// The registries by the place of their file: spec, and what stands in front of its ids here.
    specs: HashMap<u32, (String, String)>,
    standings: Vec<Option<Standing>>,
}

impl Registry {
    /// The registries among the run's files; `tell` is told what a person should know.
    ///
    /// # Errors
    /// If there can't be one more thread.
    pub fn open(sources: &[Source], tell: Arc<dyn Fn(&str) + Send + Sync>) -> Result<Self> {
        let (sender, messages) = channel();
        let writings = Arc::<Writings>::default();
        let own = Arc::clone(&writings);
        let worker = std::thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || worker::work(&messages, &own, &*tell))
            .map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
        let registry = Self {
            told: Mutex::new(Told {
                sender,
                specs: HashMap::new(),
                standings: Vec::new(),
            }),
            worker,
            writings,
        };
        registry.add(sources);
        Ok(registry)
    }

    /// The run's files, when they were read anew: whoever changed them may have changed states too, so
    /// all are told again.
    pub fn add(&self, sources: &[Source]) {
        self.with(|told| {
            told.standings.clear();
            for (file, source) in (0..).zip(sources) {
                if source.format == Format::TaskSet && !told.specs.contains_key(&file) {
                    let place = Place::of(&source.path, &source.name);
                    told.send(Message::Open { file, place });
                    told.specs
                        .insert(file, (source.name.clone(), source.prefix.clone()));
                }
            }
        });
    }

    /// Whether a file that had the one content has the other only because of what was written back.
    pub fn wrote(&self, file: &Path, from: &str, to: &str) -> bool {
        self.writings.lead(file, from, to)
    }

    /// What happened, and where everything stands since.
    pub fn note(&self, record: &Record, state: &RunState) {
        self.with(|told| {
            if told.specs.is_empty() {
                return;
            }
            let task = subject(&record.event).and_then(|id| state.index(id));
            if let Some(task) = task {
                told.happened(record, state, task);
                told.changed(state, task);
            }
            let added = told.standings.len() < state.tasks().len();
            if added || matches!(record.event, Event::RunStarted { .. }) {
                told.standings.resize(state.tasks().len(), None);
                for task in 0..state.tasks().len() {
                    told.stands(state, task);
                }
            }
        });
    }

    /// Waits until all is written, where that can be done soon. Returns what could not be.
    pub fn close(self) -> Vec<String> {
        self.close_within(AT_THE_END)
    }

    fn close_within(self, limit: Duration) -> Vec<String> {
        self.with(|told| told.send(Message::End(limit)));
        self.worker.join().unwrap_or_default()
    }

    fn with(&self, act: impl FnOnce(&mut Told)) {
        if let Ok(mut told) = self.told.lock() {
            act(&mut told);
        }
    }
}

impl Told {
    fn send(&self, message: Message) {
        // It ends only after this.
        let _ = self.sender.send(message);
    }

    fn happened(&self, record: &Record, state: &RunState, task: Index) {
        let (id, file) = (&state.tasks()[task].id, state.tasks()[task].file);
        let Some((spec, prefix)) = self.specs.get(&file) else {
            return;
        };
        let id = id.strip_prefix(prefix.as_str()).unwrap_or(id);
        if let Some(line) = words::event(record, state.progress(task), spec, id) {
            self.send(Message::Happened { file, line });
        }
    }

    /// A task may stand elsewhere, and those that wait for it.
    fn changed(&mut self, state: &RunState, task: Index) {
        let mut open = vec![task];
        let mut first = true;
        while let Some(task) = open.pop() {
            let changed = self.stands(state, task);
            // What did not change changes nothing further on.
            if changed || std::mem::take(&mut first) {
                let waiting = state.graph().dependents(task);
                open.extend(waiting.filter(|task| {
                    let now = state.progress(*task).state;
                    matches!(
                        now,
                        TaskState::Waiting | TaskState::Ready | TaskState::Blocked
                    )
                }));
            }
        }
    }

    /// Says where a task stands, if that is not known; whether it was not.
    fn stands(&mut self, state: &RunState, task: Index) -> bool {
        let described = &state.tasks()[task];
        let Some(standing) = words::standing(state.progress(task)) else {
            return false;
        };
        let Some(known) = self.standings.get_mut(task) else {
            return false;
        };
        if known.as_ref() == Some(&standing) {
            return false;
        }
        *known = Some(standing.clone());
        if let Some((_, prefix)) = self.specs.get(&described.file) {
            let id = &described.id;
            let task = id.strip_prefix(prefix.as_str()).unwrap_or(id).to_owned();
            self.send(Message::Stands {
                file: described.file,
                task,
                standing,
            });
        }
        true
    }
}

/// The task that an event is about.
fn subject(event: &Event) -> Option<&str> {
    match event {
        Event::TaskAssigned { attempt, .. }
        | Event::SlotUnavailable { attempt, .. }
        | Event::SlotAllocated { attempt, .. }
        | Event::RunnerStarted { attempt, .. }
        | Event::RunnerCompleted { attempt, .. }
        | Event::RunnerFailed { attempt, .. }
        | Event::RunnerLost { attempt, .. } => Some(&attempt.task),
        Event::TaskRetried { task }
        | Event::TaskCancelled { task }
        | Event::TaskAdded { task }
        | Event::NeedsAttention {
            task: Some(task), ..
        } => Some(task),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

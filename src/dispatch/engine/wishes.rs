//! What people want of the run while it goes on, and task files that have changed.

use std::path::PathBuf;
use std::sync::Arc;

use super::Engine;
use crate::dispatch::files;
use crate::dispatch::run::{Document, control};
use crate::domain::dispatch::agents::AgentPool;
use crate::domain::dispatch::scheduler::Scheduler;
use crate::domain::dispatch::{Event, Task, joining};
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::fs;

impl Engine<'_, '_> {
    /// Does what is wanted and was not taken up yet. Whether there was anything.
    pub(super) fn take_up_wishes(&mut self) -> bool {
        let taken = self.ledger.state().run().controls;
        let wishes = match control::pending(&self.setting.workshop.run, taken) {
            Ok(wishes) => wishes,
            Err(error) => {
                self.warn(&error);
                return false;
            }
        };
        for (wish, lines) in wishes.iter().zip(taken + 1..) {
            let follows = wish.consequences(self.ledger.state());
            for event in follows.events {
                self.follow(event);
            }
            for task in follows.stop {
                if let Some(attempt) = self.crew.cancel(task) {
                    let reason = "somebody cancelled its task".to_owned();
                    self.record(Event::RunnerStopping { attempt, reason });
                }
            }
            if let Some(file) = follows.add {
                let (mut paths, file) = (self.paths(), file.into());
                if !paths.contains(&file) {
                    paths.push(file);
                }
                self.load(&paths);
            }
            self.record(Event::ControlTaken { lines });
        }
        !wishes.is_empty()
    }

    /// Records what somebody wants, and lets the scheduler know of it.
    fn follow(&mut self, event: Event) {
        match &event {
            Event::PriorityChanged { task, priority } => {
                if let Some(task) = self.ledger.state().index(task) {
                    self.scheduler.set_priority(task, *priority);
                }
            }
            Event::AgentPoolChanged {
                agent_pool,
                enabled,
                max_concurrency,
            } => {
                let scheduler = &mut self.scheduler;
                let known = scheduler.pool_changed(agent_pool, *enabled, *max_concurrency);
                if !known {
                    let text = format!("there is no agent pool {agent_pool}");
                    return self.record(Event::Warning { text });
                }
            }
            _ => {}
        }
        let is_limit = matches!(event, Event::AgentPoolChanged { .. });
        self.record(event);
        if is_limit {
            self.warn_of_excess();
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// Reads the files again if one of them is not as it was.
    pub(super) fn read_files_again(&mut self) {
        let mut changed = false;
        for file in &mut self.files {
            // One that is not there is being replaced, or the next wish is about it.
            let Ok(Some(bytes)) = fs::read_if_there(&file.path) else {
                continue;
            };
            let digest = files::digest(&bytes);
            let registry = self.setting.registry;
            let ours = |from: &str| registry.is_some_and(|r| r.wrote(&file.path, from, &digest));
            if digest == file.digest {
                continue;
            }
            // What was only written back says nothing new.
            match ours(&file.digest) {
                true => file.digest = digest,
                false => changed = true,
            }
        }
        if changed {
            self.load(&self.paths());
        }
    }

    fn agent_pools(&self) -> Vec<AgentPool> {
        let pools = self.setting.agent_pools.iter();
        pools.map(|pool| (**pool).clone()).collect()
    }

    /// Takes the tasks of these files for those of the run. Files that are wrong change nothing.
    fn load(&mut self, paths: &[PathBuf]) {
        let defaults = &self.setting.options.defaults;
        let rules = &self.setting.workshop.rules;
        let read = files::load_for(paths, defaults, rules, &self.agent_pools());
        let (loaded, warnings) = match read {
            Ok(read) => read,
            Err(problems) => {
                let text = files::in_a_line(&problems);
                let text = format!("the tasks are left as they were: {text}");
                return self.record(Event::Warning { text });
            }
        };
        for text in warnings {
            if !self.told.contains(&text) {
                self.told.push(text.clone());
                self.record(Event::Warning { text });
            }
        }
        self.files = loaded.sources;
        if let Some(registry) = self.setting.registry {
            registry.add(&self.files);
        }
        if let Err(error) = self.join(loaded.tasks) {
            self.warn(&error);
        }
    }

    /// Puts tasks in place of those so far.
    pub(super) fn join(&mut self, read: Vec<Task>) -> Result<()> {
        let first = self.ledger.state().tasks().is_empty();
        let joining::Joined {
            tasks,
            events,
            leaving,
        } = joining::joined(self.ledger.state(), read);
        self.leaving = leaving;
        // What is there from the beginning does not join.
        let events = events.into_iter().filter(|_| !first);
        let tasks: Arc<[Task]> = tasks.into();
        let document = Document::new(self.files.clone(), Arc::clone(&tasks));
        document.write(&self.setting.workshop.run)?;
        self.ledger.state_mut().redefine(tasks, Some(clock::now()));
        for event in events {
            self.ledger.add(event);
        }
        self.schedule_anew()
    }

    /// Lets the scheduler begin anew with what is known.
    pub(super) fn schedule_anew(&mut self) -> Result<()> {
        let pools = self.agent_pools();
        let state = self.ledger.state();
        let only = &self.setting.options.only;
        self.scope = crate::domain::dispatch::course::Scope::of(state, only)
            .map_err(|id| Error::usage(format!("--only {id}: there is no task of that id")))?;
        let mut scheduler = Scheduler::resume(state, &pools, &self.setting.workshop.rules);
        scheduler.go_on_from(&self.scheduler);
        self.scheduler = scheduler;
        for task in state.ready().filter(|task| !self.scope.has(*task)) {
            self.scheduler.withdraw(task);
        }
        Ok(())
    }

    fn warn(&mut self, error: &Error) {
        self.record(Event::Warning {
            text: error.reason(),
        });
    }
}

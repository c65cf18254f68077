//! Tasks whose branch somebody outside the run has: each waits for its own, and is in nobody's way.

use std::sync::Arc;

use super::super::state::Index;
use super::Scheduler;
use super::why::{Reason, seconds};

/// A task that stands aside.
#[derive(Debug)]
pub struct Aside {
    /// What has its branch.
    why: Arc<str>,
    /// When it asks again.
    until: i64,
}

impl Scheduler {
    /// A task that was placed could not have its branch: it is ready as before, and asks again then.
    /// The slot that it might have had is for another one.
    pub fn without_branch(&mut self, task: Index, why: &str, now: i64, until: i64) {
        let Some(running) = self.undo(task, now) else {
            return;
        };
        if let Some(repo) = &self.tasks[task].repo {
            match running.asks {
                true => self.queue.asked(repo),
                false => self.queue.freed(repo),
            }
        }
        self.ready(task, running.ready);
        self.set_aside(task, why, until);
    }

    /// A ready task leaves the queue until then.
    pub(super) fn set_aside(&mut self, task: Index, why: &str, until: i64) {
        let Some(key) = self.ready.get(&task).copied() else {
            return;
        };
        let class = self.class(task);
        self.queue.remove(class, key);
        let files = self.files.leave(key, class);
        let why = why.into();
        self.aside.insert(task, Aside { why, until });
        self.wake(&files);
    }

    /// Lets those into the queue again whose time has come.
    pub(super) fn bring_back(&mut self, now: i64) {
        let due = self.aside.extract_if(.., |_, aside| aside.until <= now);
        let due: Vec<Index> = due.map(|(task, _)| task).collect();
        for task in due {
            let class = self.class(task);
            if let Some(key) = self.ready.get(&task).copied()
                && self.files.admit(key, class)
            {
                self.queue.insert(class, key);
            }
        }
    }

    /// When the first of them asks again.
    pub(super) fn aside_until(&self) -> Option<i64> {
        self.aside.values().map(|aside| aside.until).min()
    }

    /// What a task stands aside for.
    pub(super) fn branch_in_the_way(&self, task: Index, now: i64) -> Option<Reason> {
        let Aside { why, until } = self.aside.get(&task)?;
        Some(Reason::Branch {
            why: why.clone(),
            again: seconds(until - now),
        })
    }
}

//! What the scheduler is told of slots: that there was one or none, and that some have gone back.

use std::sync::Arc;

use super::super::state::Index;
use super::{Running, Scheduler};

impl Scheduler {
    /// A task that was placed got a slot: if nobody knew of one, there may be more.
    pub fn with_slot(&mut self, task: Index) {
        if let Some(running) = self.running.get_mut(&task)
            && std::mem::take(&mut running.asks)
            && let Some(repo) = &self.tasks[task].repo
        {
            self.queue.asked(repo);
        }
    }

    /// A task that was placed got no slot: it is ready as before, and its repository is not asked
    /// before then, unless a slot there comes back; then with one task only.
    pub fn without_slot(&mut self, task: Index, now: i64, until: i64) {
        let Some(running) = self.undo(task, now) else {
            return;
        };
        if let Some(repo) = &self.tasks[task].repo {
            self.queue.shut(repo, now, until);
        }
        self.ready(task, running.ready);
    }

    /// A slot of a repository, as tasks name it, has gone back.
    pub fn repo_free(&mut self, repo: &Arc<str>) {
        self.queue.freed(repo);
    }

    /// A repository has none before then.
    pub fn repo_exhausted(&mut self, repo: &Arc<str>, now: i64, until: i64) {
        self.queue.shut(repo, now, until);
    }

    /// Takes back what a task has that was placed and has not really begun.
    pub(super) fn undo(&mut self, task: Index, now: i64) -> Option<Running> {
        self.clock = now;
        let running = self.end(task)?;
        let group = self.share(task);
        self.shares.undone(group, running.began);
        Some(running)
    }
}

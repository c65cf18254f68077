//! How long tasks have waited for room.

use std::collections::HashMap;

use super::super::state::Index;

/// So long smaller tasks may pass one that is before them; then its agent pool is kept free for it.
pub const HEAD_PATIENCE: i64 = 60_000;

/// Since when each of them does, in milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Patience {
    since: HashMap<Index, i64>,
}

impl Patience {
    /// From now on, unless it waits already.
    pub fn begin(&mut self, task: Index, now: i64) {
        self.since.entry(task).or_insert(now);
    }

    /// Whether a task has waited for so many milliseconds.
    pub fn is_over(&self, task: Index, now: i64, limit: i64) -> bool {
        let since = self.since.get(&task);
        since.is_some_and(|since| now.saturating_sub(*since) >= limit)
    }

    /// A task runs, or waits for something else.
    pub fn forget(&mut self, task: Index) {
        self.since.remove(&task);
    }

    /// Takes over what is known of some tasks, whose places are the same.
    pub fn take_over(&mut self, earlier: &Self, which: impl Fn(Index) -> bool) {
        let known = earlier.since.iter().filter(|(task, _)| which(**task));
        self.since.extend(known);
    }
}

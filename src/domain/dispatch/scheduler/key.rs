//! The order in which tasks go.

use super::super::agents::{Policy, Rules};
use super::super::state::Index;

/// A task's place among those that are ready: the least goes first. It does not change while the
/// task waits, unless its priority does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What the policy says.
    policy: i64,
    /// Since when it is ready, in milliseconds.
    ready: i64,
    /// The more tasks wait for it one after the other, the less.
    height: u32,
    /// Its place in the files.
    task: u32,
}

/// What a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Which task.
    pub task: Index,
    /// Since when it is ready.
    pub ready: i64,
    /// Its priority.
    pub priority: i64,
    /// The longest path of tasks that wait for it.
    pub height: u32,
    /// Whether the mapping of skills names its skill.
    pub mapped: bool,
}

impl Key {
    /// The key of a task that stands so.
    pub fn new(standing: &Standing, rules: &Rules) -> Self {
        let steps = match rules.policy {
            Policy::Fifo => 0,
            Policy::SkillBased => i64::from(standing.mapped),
            Policy::Priority | Policy::FairShare => standing.priority,
        };
        let policy = match (rules.policy, rules.aging_interval) {
            (Policy::Fifo, _) | (_, None) => steps.saturating_neg(),
            // So long after this one a task that is a step ahead would be ready to have the same key:
            // the order never has to be made anew, and nobody waits for ever.
            (_, Some(interval)) => {
                let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
                standing.ready.saturating_sub(steps.saturating_mul(step))
            }
        };
        Self {
            policy,
            ready: standing.ready,
            height: u32::MAX - standing.height,
            task: standing.task as u32,
        }
    }

    /// Which task.
    pub fn task(&self) -> Index {
        self.task as Index
    }

    /// Since when it is ready.
    pub fn ready(&self) -> i64 {
        self.ready
    }
}

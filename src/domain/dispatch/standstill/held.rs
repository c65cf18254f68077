//! Slots that could not go back: what a task has left in them can't be saved, and nobody gives it up
//! unasked.

use std::sync::Arc;

use super::quoted;
use crate::domain::dispatch::advice::of_run;

/// A slot that could not go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id.
    pub slot: String,
    /// The id of the task whose work is in it.
    pub task: String,
}

/// A repository none of whose slots comes back by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// As tasks name it.
    pub repo: Arc<str>,
    first: Held,
    others: usize,
}

impl Lost {
    /// Because of these slots, if there are any.
    pub fn of(repo: Arc<str>, slots: &[Held]) -> Option<Self> {
        let first = slots.first()?.clone();
        let others = slots.len() - 1;
        Some(Self {
            repo,
            first,
            others,
        })
    }

    /// The first of the slots.
    pub fn first(&self) -> &Held {
        &self.first
    }

    /// In words.
    pub fn told(&self) -> String {
        let others = match self.others {
            0 => String::new(),
            n => format!("; so it is with {n} more"),
        };
        format!(
            "no slot of {} comes back by itself: {}{others}",
            self.repo,
            told(&self.first)
        )
    }
}

/// What is to be said of a slot that could not go back.
pub fn told(held: &Held) -> String {
    format!(
        "slot {} holds what task {} left there, and could not be given back",
        held.slot, held.task
    )
}

/// The command that gives such a slot back once nothing is in the way, and lets its task of that run run
/// again.
pub fn command(run: &str, slot: &str, retried: Option<&str>) -> String {
    let release = format!("repo-pool release {}", quoted(slot));
    match retried {
        Some(task) => format!("{release} && {}", of_run(run, "retry", &[task])),
        None => release,
    }
}

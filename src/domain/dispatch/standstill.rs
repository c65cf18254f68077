//! When a run can't go on by itself: what is in the way, and the command that helps.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::course::Scope;
use super::scheduler::{Reason, Scheduler};
use super::state::{Index, RunState, TaskState};

/// What only a person can clear out of the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Standstill {
    /// Tasks wait for each other: each for the next, the last for the first.
    Cycle(Vec<Index>),
    /// Tasks ask something.
    Questions(Vec<Index>),
    /// Ready tasks that no agent pool takes, the first with its reasons.
    NoRoom(Vec<Index>, Vec<Reason>),
    /// Tasks wait for others that came to a bad end; the task at the root of the first.
    Blocked(Vec<Index>, Index),
}

/// What a run has come to that does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is done.
    Done,
    /// Something failed, or was not run.
    Failed,
    /// Somebody has to decide something before it can go on.
    NeedsPerson,
}

/// Everything that is in the way of the tasks of `scope` in a run that can't go on by itself; empty if it can, or has
/// nothing left to do.
pub fn standstill(
    state: &RunState,
    scope: &Scope,
    scheduler: &mut Scheduler,
    now: Timestamp,
) -> Vec<Standstill> {
    let going = [TaskState::Running, TaskState::Retrying];
    let later = scheduler.wakes_at(now.as_millisecond());
    if going.iter().any(|s| state.count(*s) > 0) || scheduler.running() > 0 || later.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let ready: Vec<Index> = state.ready().filter(|task| scope.has(*task)).collect();
    if let Some(first) = ready.first() {
        let reasons = scheduler.why(*first, now.as_millisecond());
        if can_go(scheduler, &ready, now) {
            return Vec::new();
        }
        found.push(Standstill::NoRoom(ready, reasons));
    }
    if state.count(TaskState::Waiting) > 0 {
        let cycles = state.graph().cycles().into_iter();
        let alive = |cycle: &Vec<Index>| {
            let mut tasks = cycle.iter();
            tasks.all(|task| state.progress(*task).state == TaskState::Waiting)
        };
        found.extend(cycles.filter(alive).map(Standstill::Cycle));
    }
    let questions: Vec<Index> = state.in_state(TaskState::NeedsAttention).collect();
    if !questions.is_empty() {
        found.push(Standstill::Questions(questions));
    }
    let blocked: Vec<Index> = state.in_state(TaskState::Blocked).collect();
    if let Some(root) = blocked.first().and_then(|task| state.blocker(*task)) {
        found.push(Standstill::Blocked(blocked, root));
    }
    found
}

/// Whether one of these has not been asked for yet, and would go.
fn can_go(scheduler: &mut Scheduler, ready: &[Index], now: Timestamp) -> bool {
    let mut all = ready.iter();
    all.any(|task| {
        let reasons = scheduler.why(*task, now.as_millisecond());
        reasons.is_empty() || reasons.contains(&Reason::Next)
    })
}

/// What a run has come to that does not go on, with what [`standstill`] has found.
pub fn verdict(state: &RunState, found: &[Standstill]) -> Verdict {
    use TaskState::{Blocked, Cancelled, Failed};
    let person = |standstill: &Standstill| !matches!(standstill, Standstill::Blocked(..));
    if found.iter().any(person) {
        return Verdict::NeedsPerson;
    }
    let bad = [Failed, Cancelled, Blocked];
    match bad.iter().any(|bad| state.count(*bad) > 0) {
        true => Verdict::Failed,
        false => Verdict::Done,
    }
}

impl Standstill {
    /// What a person is to be told, and the command that helps.
    pub fn question(&self, state: &RunState) -> (String, String) {
        let id = |task: &Index| &*state.tasks()[*task].id;
        match self {
            Self::Cycle(tasks) => {
                let path: Vec<&str> = tasks.iter().chain(tasks.first()).map(id).collect();
                let text = format!("tasks wait for each other: {}", path.join(" -> "));
                let first = tasks.first().map(id).unwrap_or_default();
                (text, format!("repo-pool dispatch cancel {}", quoted(first)))
            }
            Self::Questions(tasks) => {
                let first = tasks.first().map(id).unwrap_or_default();
                let text = format!("{} a person", some(tasks, "needs", "need", id));
                (text, format!("repo-pool dispatch why {}", quoted(first)))
            }
            Self::NoRoom(tasks, reasons) => {
                let first = tasks.first().map(id).unwrap_or_default();
                let why: Vec<String> = reasons.iter().map(Reason::to_string).collect();
                let can = some(tasks, "can't run", "can't run", id);
                let text = format!("{can}: {}", why.join("; "));
                let disabled = reasons.iter().find_map(|reason| match reason {
                    Reason::Disabled { agent_pool } => Some(agent_pool),
                    _ => None,
                });
                let command = match disabled {
                    Some(pool) => format!("repo-pool dispatch pool enable {}", quoted(pool)),
                    None => format!("repo-pool dispatch why {}", quoted(first)),
                };
                (text, command)
            }
            Self::Blocked(tasks, root) => {
                let ended = match state.progress(*root).state {
                    TaskState::Cancelled => "was cancelled",
                    TaskState::Dropped => "is in no file any more",
                    _ => "failed",
                };
                let blocked = some(tasks, "is blocked", "are blocked", id);
                let text = format!("{blocked}: task {} {ended}", id(root));
                (
                    text,
                    format!("repo-pool dispatch retry {}", quoted(id(root))),
                )
            }
        }
    }
}

/// `task 3 needs`, `tasks 3, 4, 5 and 7 more need`.
fn some<'a>(
    tasks: &'a [Index],
    one_does: &str,
    many_do: &str,
    id: impl Fn(&'a Index) -> &'a str,
) -> String {
    let named: Vec<&str> = tasks.iter().take(3).map(id).collect();
    match tasks.len() {
        1 => format!("task {} {one_does}", named[0]),
        n if n > 3 => format!("tasks {} and {} more {many_do}", named.join(", "), n - 3),
        _ => format!("tasks {} {many_do}", named.join(", ")),
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

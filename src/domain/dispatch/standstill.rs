//! When a run can't go on by itself: what is in the way, and the command that helps.

pub mod held;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use self::held::Lost;
use super::advice::of_run;
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
    /// Ready tasks of a repository whose slots are all held by what ended tasks left in them.
    Held(Vec<Index>, Lost),
    /// Ready tasks that no agent pool takes, the first with its reasons.
    NoRoom(Vec<Index>, Vec<Reason>),
    /// Tasks wait for others that came to a bad end; the task at the root of the first.
    Blocked(Vec<Index>, Index),
}

/// Everything that is in the way of the tasks of `scope` in a run that can't go on by itself; empty if
/// it can, or has nothing left to do. To ask the repositories that are `lost` again is of no use.
pub fn standstill(
    state: &RunState,
    scope: &Scope,
    scheduler: &mut Scheduler,
    lost: &[Lost],
    now: Timestamp,
) -> Vec<Standstill> {
    let going = [TaskState::Running, TaskState::Retrying];
    let is_lost = |repo: &str| lost.iter().any(|lost| *lost.repo == *repo);
    let later = scheduler.wakes_but_for(&is_lost, now.as_millisecond());
    if going.iter().any(|s| state.count(*s) > 0) || scheduler.running() > 0 || later.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut ready: Vec<Index> = state.ready().filter(|task| scope.has(*task)).collect();
    for lost in lost {
        let is_theirs = |task: &mut Index| state.tasks()[*task].repo.as_ref() == Some(&lost.repo);
        let theirs: Vec<Index> = ready.extract_if(.., is_theirs).collect();
        if !theirs.is_empty() {
            found.push(Standstill::Held(theirs, lost.clone()));
        }
    }
    if let Some(first) = ready.first() {
        let mut reasons = scheduler.why(*first, now.as_millisecond());
        for task in &ready {
            let own = scheduler.why(*task, now.as_millisecond());
            // One that has not been asked for yet, and would go.
            if own.is_empty() || own.contains(&Reason::Next) {
                return Vec::new();
            }
            // What somebody only has to say a word to comes first.
            if paused(state, &own) && !paused(state, &reasons) {
                reasons = own;
            }
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

/// Whether one of the reasons is an agent pool that somebody has disabled since the run began, and not
/// its settings: that is a pause.
fn paused(state: &RunState, reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| match reason {
        Reason::Disabled { agent_pool } => {
            let change = state.run().agent_pools.get(&**agent_pool);
            change.is_some_and(|change| change.enabled == Some(false))
        }
        _ => false,
    })
}

impl Standstill {
    /// Whether somebody has brought it about on purpose, and ends it with a word: the run waits for
    /// that.
    pub fn is_pause(&self, state: &RunState) -> bool {
        match self {
            Self::NoRoom(_, reasons) => paused(state, reasons),
            _ => false,
        }
    }

    /// What a person is to be told, and the command that helps the run of that name.
    pub fn question(&self, state: &RunState, run: &str) -> (String, String) {
        let id = |task: &Index| &*state.tasks()[*task].id;
        match self {
            Self::Cycle(tasks) => {
                let path: Vec<&str> = tasks.iter().chain(tasks.first()).map(id).collect();
                let text = format!("tasks wait for each other: {}", path.join(" -> "));
                let first = tasks.first().map(id).unwrap_or_default();
                (text, of_run(run, "cancel", &[first]))
            }
            Self::Questions(tasks) => {
                let first = tasks.first().map(id).unwrap_or_default();
                let text = format!("{} a person", some(tasks, "needs", "need", id));
                (text, of_run(run, "why", &[first]))
            }
            Self::Held(tasks, lost) => {
                let can = some(tasks, "can't run", "can't run", id);
                (
                    format!("{can}: {}", lost.told()),
                    held::command(run, &lost.first().slot, None),
                )
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
                    Some(pool) => of_run(run, "pool enable", &[&**pool]),
                    None => of_run(run, "why", &[first]),
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
                (text, of_run(run, "retry", &[id(root)]))
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

//! What is wrong with tasks that are each right by themselves.

use std::collections::HashMap;
use std::sync::Arc;

use super::gather::{Placed, Places};
use super::{Loaded, Problem};
use crate::config::quoted;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::dispatch::graph::{Graph, places};
use crate::domain::dispatch::scheduler::fit;
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::{Initial, Task};

/// What is wrong with a task's part in the whole.
pub(super) enum Wrong {
    /// An earlier task has its id.
    Twice(Index),
    /// It waits for itself.
    Itself,
    /// It waits for one that there is not.
    Missing(Arc<str>),
    /// It waits for others that wait for it: the path back to it.
    Cycle(Vec<Index>),
}

/// What is wrong with which task. `incomplete`: not all are here, so that none is missing.
pub(super) fn tasks(tasks: &[Task], incomplete: bool) -> Vec<(Index, Wrong)> {
    let mut wrong = Vec::new();
    // Of two with one id this has the later.
    let by_id = places(tasks);
    if by_id.len() < tasks.len() {
        twice(tasks, &mut wrong);
    }
    for (index, task) in tasks.iter().enumerate() {
        for id in &task.depends {
            if *id == task.id {
                wrong.push((index, Wrong::Itself));
            } else if !incomplete && !by_id.contains_key(id) {
                wrong.push((index, Wrong::Missing(Arc::clone(id))));
            }
        }
    }
    let cycles = Graph::of(tasks, &by_id).cycles().into_iter();
    let others = cycles.filter(|path| path.len() > 1);
    wrong.extend(others.map(|path| (path[0], Wrong::Cycle(path))));
    wrong
}

fn twice(tasks: &[Task], wrong: &mut Vec<(Index, Wrong)>) {
    let mut first: HashMap<&str, Index> = HashMap::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        match first.get(&*task.id) {
            Some(earlier) => wrong.push((index, Wrong::Twice(*earlier))),
            None => drop(first.insert(&task.id, index)),
        }
    }
}

/// A cycle in words: `1 → 2 → 1`, each waiting for the next.
pub(super) fn path(tasks: &[Task], cycle: &[Index]) -> String {
    /// How many of a long one are named at its beginning.
    const NAMED: usize = 20;
    let ids = cycle.iter().map(|index| plain(&tasks[*index].id));
    let mut named: Vec<String> = ids.take(NAMED).collect();
    if cycle.len() > NAMED {
        named.push(format!("{} more", cycle.len() - NAMED));
    }
    named.extend(cycle.first().map(|index| plain(&tasks[*index].id)));
    named.join(" → ")
}

/// An id as it is where it is one plain word, else in quotes.
fn plain(id: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "._-/:#".contains(c);
    match id.len() <= 40 && id.chars().all(harmless) {
        true => id.to_owned(),
        false => quoted(id),
    }
}

/// The first task without a command, and how many there are, of a file's that are to be run.
pub(super) fn without_command(tasks: &[Placed]) -> Option<(&Placed, usize)> {
    let mut without = tasks
        .iter()
        .filter(|placed| placed.task.command.is_empty() && placed.task.initial == Initial::Open);
    let first = without.next()?;
    Some((first, 1 + without.count()))
}

/// Holds what tasks ask for against the agent pools. What is fine but worth knowing is returned.
///
/// # Errors
/// Every task that none of them could ever run, whatever ends or is enabled.
pub(super) fn requests(
    loaded: &Loaded,
    places: &Places,
    rules: &Rules,
    pools: &[AgentPool],
) -> Result<Vec<String>, Vec<Problem>> {
    // Tasks ask for few different things.
    let mut known: HashMap<(Option<&str>, u32, u64), Option<String>> = HashMap::new();
    let mut by_skill: HashMap<&str, Option<String>> = HashMap::new();
    let mut problems = Vec::new();
    let all = loaded.tasks.iter().enumerate();
    for (index, task) in all.filter(|(_, task)| task.initial == Initial::Open) {
        let request = (task.skill.as_deref(), task.cpu, task.memory);
        let obstacle = known
            .entry(request)
            .or_insert_with(|| fit::impossible(task, pools, rules));
        if let Some(what) = obstacle {
            problems.push(places.problem(index, task, what));
        } else if let Some(skill) = &task.skill {
            by_skill
                .entry(skill)
                .or_insert_with(|| fit::by_default(task, pools, rules));
        }
    }
    let mut warnings: Vec<String> = by_skill.into_values().flatten().collect();
    warnings.sort();
    match problems.is_empty() {
        true => Ok(warnings),
        false => Err(problems),
    }
}

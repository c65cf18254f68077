//! What is wrong with tasks that are each right by themselves.

use std::collections::HashMap;

use super::Placed;
use crate::config::quoted;
use crate::domain::dispatch::{Initial, Task};

/// What is wrong with which task. `incomplete`: not all are here, so that none is missing.
pub(super) fn tasks(tasks: &[Task], incomplete: bool) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut by_id: HashMap<&str, usize> = HashMap::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        if let Some(first) = by_id.insert(&task.id, index) {
            by_id.insert(&task.id, first);
            wrong.push((index, "id: another task has it already".to_owned()));
        }
    }
    for (index, task) in tasks.iter().enumerate() {
        for id in &task.depends {
            if *id == task.id {
                wrong.push((index, "depends: on itself".to_owned()));
            } else if !incomplete && !by_id.contains_key(&**id) {
                wrong.push((index, format!("depends: there is no task {}", quoted(id))));
            }
        }
    }
    wrong
}

/// The first task without a command, and how many there are, of a file's that are to be run.
pub(super) fn without_command(tasks: &[Placed]) -> Option<(&Placed, usize)> {
    let mut without = tasks
        .iter()
        .filter(|placed| placed.task.command.is_empty() && placed.task.initial == Initial::Open);
    let first = without.next()?;
    Some((first, 1 + without.count()))
}

//! Ending a run of which can't be read any more where it stands: what is left of it is told by the
//! directories of its attempts, and by the notes of the slots that it has.

use std::collections::{BTreeMap, BTreeSet};

use super::{Options, Setting, at_work, resume};
use crate::dispatch::attempt::place;
use crate::dispatch::local;
use crate::dispatch::run::{Replayed, RunDir, control};
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::{Event, Task};
use crate::domain::{Error, Result};

/// Ends what is left, and gives back the slots. The files that can't be read stay as they are: whoever
/// is killed meanwhile has it done again by the next.
pub fn close_down(setting: &Setting<'_>, damage: &Error) -> Result<()> {
    let workshop = setting.workshop;
    let run = &workshop.run;
    setting.teller.warn(&format!(
        "{}; the run is moved aside, and what it has left running is ended as the directories of its \
         attempts and its slots tell it",
        damage.reason()
    ));
    let slots = resume::slots_of_ours(workshop, &|_| None);
    let left = left(run, &slots)?;
    let of_slots = slots.values().map(|(id, _)| id);
    let ids = left.iter().map(|(id, _)| id).chain(of_slots);
    let ids: BTreeSet<&str> = ids.map(|id| id.task.as_str()).collect();
    let tasks: Vec<Task> = ids.into_iter().map(|id| Task::bare(id.into())).collect();
    let setting = &Setting {
        agent_pools: setting.agent_pools.clone(),
        // What becomes of these attempts is said to nobody: it is not known what they were.
        registry: None,
        options: Options {
            only: Vec::new(),
            ..setting.options.clone()
        },
        ..*setting
    };
    let replayed = Replayed::aside(run, tasks.into())?;
    at_work(
        setting,
        Vec::new(),
        |_| Ok(replayed),
        |engine| {
            let said = control::pending(run, 0).map_or(0, |wishes| wishes.len());
            engine.record(Event::ControlTaken { lines: said as u64 });
            for (attempt, agent_pool) in left {
                engine.record(Event::TaskAssigned {
                    runner: run.runner(&attempt.task, attempt.attempt),
                    attempt,
                    agent_pool,
                });
            }
            engine.end_all()
        },
    )
}

/// The attempts that may not be over, with their agent pools: of each task only its last one may be.
fn left(
    run: &RunDir,
    slots: &BTreeMap<u64, (AttemptId, SlotRef)>,
) -> Result<Vec<(AttemptId, String)>> {
    let mut last_token = slots.keys().max().copied().unwrap_or_default();
    let mut left = Vec::new();
    for (attempt, dir) in run.last_attempts()? {
        // Nothing is started before its task's file is there.
        let Some(named) = place::named(&dir).filter(|_| !local::is_over(&dir)) else {
            continue;
        };
        let same = |id: &&AttemptId| (&id.task, id.attempt) == (&named.task_id, attempt);
        let of_slot = slots.values().map(|(id, _)| id).find(same).cloned();
        let id = of_slot.unwrap_or_else(|| {
            last_token += 1;
            AttemptId {
                task: named.task_id,
                attempt,
                token: last_token,
            }
        });
        left.push((id, named.agent_pool));
    }
    Ok(left)
}

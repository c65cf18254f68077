//! What an earlier dispatcher of the run has left: runners, slots, words that nobody has heard.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use crate::dispatch::attempt::{Begun, Workshop, place};
use crate::domain::Result;
use crate::domain::dispatch::agents::{AgentPool, Kind};
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::dispatch::scheduler::Use;
use crate::domain::dispatch::state::{Index, Open};
use crate::domain::dispatch::{Event, Task};
use crate::domain::slot::SlotState;
use crate::store::pool as store;

impl Engine<'_, '_> {
    /// Takes the run up with the tasks that its files hold now.
    pub(super) fn begin(&mut self, tasks: Vec<Task>) -> Result<()> {
        let limits_memory = tasks.iter().any(|task| task.memory > 0);
        self.join(tasks)?;
        self.take_up()?;
        if limits_memory {
            self.warn_of_memory();
        }
        Ok(())
    }

    /// Says it once if tasks get more memory than they ask for.
    fn warn_of_memory(&mut self) {
        let pools = &self.setting.agent_pools;
        let mut local = pools
            .iter()
            .filter(|pool| pool.engine.kind() == Kind::LocalProcess);
        if let Some(pool) = local.next()
            && let Some(reason) = self.setting.launchers.of(pool).why_memory_is_not_limited()
        {
            let text = format!("the memory of local runners is not limited: {reason}");
            self.record(Event::Warning { text });
        }
    }

    /// Takes up what was left, with the tasks as they were.
    pub(super) fn take_up(&mut self) -> Result<()> {
        let policy = self.setting.workshop.rules.policy.word().to_owned();
        let tasks = self.ledger.state().tasks().len() as u64;
        let pid = std::process::id();
        self.record(Event::RunStarted { pid, policy, tasks });
        self.schedule_anew()?;
        self.take_up_wishes();
        self.ledger.write();
        let mut slots = self.slots_of_ours();
        let open = self.ledger.state().open();
        let open: Vec<(Index, Open)> = open.map(|(task, open)| (task, open.clone())).collect();
        let run = &self.setting.workshop.run;
        let dir = |id: &AttemptId| run.attempt(&id.task, id.attempt);
        self.crew.clear_away(
            open.iter().map(|(_, open)| dir(&open.id)).collect(),
            slots.values().map(|(id, _)| dir(id)).collect(),
        );
        for (task, open) in open {
            let (id, mut slot) = (open.id, open.slot);
            let found = slots.remove(&id.token);
            if slot.is_none()
                && let Some((_, found)) = found
            {
                // The dispatcher was killed before it could say so.
                self.record(Event::SlotAllocated {
                    attempt: id.clone(),
                    slot: found.clone(),
                });
                slot = Some(found);
            }
            let state = self.ledger.state();
            let dir = dir(&id);
            let mut plan = self
                .crew
                .plan(state, task, id, &open.agent_pool, &self.files);
            // It is found through what has begun it, whatever is configured now.
            let former = AgentPool::former(&open.agent_pool, place::read(&dir)?);
            plan.agent_pool = Arc::new(former);
            plan.begun = Some(Begun { slot });
            self.crew.add(plan);
            self.crew.start_all(state);
            if open.cancelled {
                self.crew.cancel(task);
            }
        }
        for (id, slot) in self
            .ledger
            .state()
            .run()
            .unreleased
            .values()
            .cloned()
            .collect::<Vec<_>>()
        {
            slots.remove(&id.token);
            self.give_back(id, slot);
        }
        for (id, slot) in slots.into_values() {
            self.give_back(id, slot);
        }
        self.warn_of_excess();
        Ok(())
    }

    /// What runs already may be more than is allowed by now.
    pub(super) fn warn_of_excess(&mut self) {
        let pools = self.scheduler.utilization().iter();
        let texts: Vec<String> = pools.filter_map(Use::excess).collect();
        for text in texts {
            self.record(Event::Warning { text });
        }
    }

    fn give_back(&mut self, id: AttemptId, slot: SlotRef) {
        self.crew.give_back(self.ledger.state(), id, slot);
    }

    /// The slots that are held for this run, by the token of their attempt.
    pub(super) fn slots_of_ours(&self) -> BTreeMap<u64, (AttemptId, SlotRef)> {
        slots_of_ours(self.setting.workshop, &|token| self.task_of(token))
    }

    /// The id of the task whose attempt has that token, if it may still have a slot.
    fn task_of(&self, token: u64) -> Option<String> {
        let state = self.ledger.state();
        let mut open = state.open().map(|(_, open)| &open.id);
        let unreleased = state.run().unreleased.get(&token).map(|(id, _)| id);
        let id = open.find(|id| id.token == token).or(unreleased);
        id.map(|id| id.task.clone())
    }
}

/// The slots that are held for this run, by the token of their attempt: what was recorded last
/// before a kill need not be all that was done. A pool that can't be read is another command's
/// problem.
pub fn slots_of_ours(
    workshop: &Workshop<'_>,
    task_of: &dyn Fn(u64) -> Option<String>,
) -> BTreeMap<u64, (AttemptId, SlotRef)> {
    let workspace = &workshop.context.workspace;
    let mut found = BTreeMap::new();
    for name in workspace.pool_names().unwrap_or_default() {
        let Ok(record) = store::read(workspace, &name) else {
            continue;
        };
        let pool = workspace.pool(&name);
        for slot in record.slots {
            let allocation = slot.allocation.as_ref();
            let Some(allocation) = allocation.filter(|_| slot.state == SlotState::Allocated) else {
                continue;
            };
            let note = |key: &str| allocation.metadata.get(key);
            let text = |key: &str| note(key).and_then(|value| value.as_str());
            let number = |key: &str| note(key).and_then(serde_json::Value::as_u64);
            if text("run") != Some(workshop.run.name()) {
                continue;
            }
            let Some(token) = number("token") else {
                continue;
            };
            // An id can be too long for a note.
            let noted = || text("task_id").map(str::to_owned);
            let Some(task) = task_of(token).or_else(noted) else {
                continue;
            };
            let attempt = number("attempt").and_then(|n| u32::try_from(n).ok());
            let id = AttemptId {
                task,
                attempt: attempt.unwrap_or_default(),
                token,
            };
            let slot = SlotRef {
                pool: name.to_string(),
                number: slot.number,
                path: pool.slot(slot.number).to_string_lossy().into_owned(),
                allocation: allocation.id.clone(),
                branch: allocation.branch.clone(),
                base_commit: allocation.commit.clone(),
            };
            found.insert(token, (id, slot));
        }
    }
    found
}

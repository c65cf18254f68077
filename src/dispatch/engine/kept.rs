//! Slots that could not go back: what is in them can't be saved from here, and only a person may give
//! it up. Until then they have their task's branch, and nobody else can have them.

use std::sync::Arc;

use super::Engine;
use super::over::Over;
use crate::domain::dispatch::standstill::held::{self, Held, Lost};
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::{Event, TaskState};
use crate::domain::lease::{self, Verdict};
use crate::domain::names::PoolName;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::pool::{Pool, holder};

impl Engine<'_, '_> {
    /// A slot stays with a task whose attempt has ended: a further attempt could not have its branch.
    pub(super) fn kept(&mut self, task: Index, slot_id: &str, reason: &str) {
        use TaskState::{Ready, Retrying};
        let state = self.ledger.state();
        if !matches!(state.progress(task).state, Ready | Retrying) {
            return;
        }
        let id = state.tasks()[task].id.to_string();
        self.record(Event::NeedsAttention {
            question: format!(
                "slot {slot_id} could not be given back ({reason}): move what is in there, or give \
                 it up with --discard"
            ),
            command: held::command(self.setting.workshop.run.name(), slot_id, Some(&id)),
            task: Some(id),
        });
    }

    /// How a run ends that has nothing left to do. A slot that could not go back needs a person,
    /// whatever has become of its task.
    pub(super) fn ended_so(&self) -> Over {
        let state = self.ledger.state();
        let asks = |id: &str| {
            let task = state.index(id).map(|task| state.progress(task).state);
            task == Some(TaskState::NeedsAttention)
        };
        let slots = self.slots_of_ours();
        let mut untold = slots.into_values().filter(|(id, _)| !asks(&id.task));
        let Some((id, slot)) = untold.next().filter(|_| state.run().question.is_none()) else {
            return Over::with(self.scope.code(state));
        };
        let held = Held {
            slot: slot.id(),
            task: id.task,
        };
        Over::asking(Event::NeedsAttention {
            task: None,
            question: held::told(&held),
            command: held::command(self.setting.workshop.run.name(), &held.slot, None),
        })
    }

    /// The repositories none of whose slots comes back by itself, because of slots of this run; while
    /// nobody is at work.
    pub(super) fn lost(&self) -> Vec<Lost> {
        let state = self.ledger.state();
        let exhausted = state.run().exhausted.keys();
        let lost = exhausted.map(|repo| self.is_lost(repo));
        lost.flatten().collect()
    }

    fn is_lost(&self, repo: &Arc<str>) -> Option<Lost> {
        let state = self.ledger.state();
        let of = |id: &str| {
            let task = state.index(id)?;
            state.tasks()[task].repo.as_ref()
        };
        let slots = self.slots_of_ours().into_values();
        let slots: Vec<_> = slots.filter(|(id, _)| of(&id.task) == Some(repo)).collect();
        let name = PoolName::new(&slots.first()?.1.pool).ok()?;
        let pool = self.setting.workshop.context.pool(&name);
        let record = pool.read().ok()?;
        let comes_back = record.slots.iter().any(|slot| {
            let ours = slots.iter().any(|(_, held)| held.number == slot.number);
            !ours && slot.state != SlotState::Error && !was_left(&pool, slot)
        });
        let held = slots.into_iter().map(|(id, slot)| Held {
            slot: slot.id(),
            task: id.task,
        });
        let held: Vec<Held> = held.collect();
        Lost::of(Arc::clone(repo), &held).filter(|_| !comes_back)
    }
}

/// Whether a slot's holder is gone: who looked for a free one has tried to take it back, in vain.
fn was_left(pool: &Pool<'_>, slot: &SlotRecord) -> bool {
    let allocated = slot.state == SlotState::Allocated;
    let allocation = slot.allocation.as_ref().filter(|_| allocated);
    allocation.is_some_and(|allocation| {
        let facts = holder::all_facts(pool, slot.number, allocation);
        matches!(lease::verdict(allocation, &facts), Verdict::Reclaimable(_))
    })
}

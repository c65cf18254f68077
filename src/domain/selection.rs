//! Which slot is handed out next.

use std::cmp::Reverse;

use super::pool::PoolRecord;
use super::slot::{OperationKind, SlotRecord, SlotState};

/// What to do for a caller that wants a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Prepare this idle slot.
    Idle(u32),
    /// Make a new one with this number.
    New(u32),
    /// Nothing is free and the pool may not grow.
    Exhausted,
}

/// The idle slots in the order in which they should go: one that is at the wanted commit already,
/// then a verified one, then the most recently used (its files are in the page cache, 10.2).
pub fn idle_in_order(pool: &PoolRecord, wanted: &str) -> Vec<u32> {
    let mut idle: Vec<&SlotRecord> = pool
        .slots
        .iter()
        .filter(|slot| slot.state == SlotState::Available)
        .collect();
    idle.sort_by_key(|slot| {
        (
            !(slot.is_verified() && slot.commit.as_deref() == Some(wanted)),
            !slot.is_verified(),
            Reverse(slot.last_released_at),
            slot.number,
        )
    });
    idle.iter().map(|slot| slot.number).collect()
}

/// Whether there is an idle slot that needs no look before it is handed out.
pub fn has_verified(pool: &PoolRecord) -> bool {
    let mut slots = pool.slots.iter();
    slots.any(|slot| slot.state == SlotState::Available && slot.is_verified())
}

/// Chooses among what is idle and not in `skip`, `prefer` first, else a new slot while the pool has
/// fewer than `may_grow_to`. An idle slot goes only to whom it is not too few for: `ahead` others have waited
/// for one before, and each of them gets one first.
pub fn choose(
    pool: &PoolRecord,
    wanted: &str,
    skip: &[u32],
    may_grow_to: Option<u32>,
    ahead: usize,
    prefer: Option<u32>,
) -> Choice {
    let mut idle: Vec<u32> = idle_in_order(pool, wanted)
        .into_iter()
        .filter(|number| !skip.contains(number))
        .collect();
    idle.sort_by_key(|number| Some(*number) != prefer);
    match (idle.first(), may_grow_to) {
        (Some(number), _) if idle.len() > ahead => Choice::Idle(*number),
        (_, Some(limit)) if (pool.slots.len() as u64) < u64::from(limit) => {
            let new = pool.free_numbers(skip.len() as u32 + 1);
            let new = new.into_iter().find(|number| !skip.contains(number));
            new.map_or(Choice::Exhausted, Choice::New)
        }
        _ => Choice::Exhausted,
    }
}

/// What a key leads to in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// Nothing: no slot is held under it.
    Free,
    /// This slot is held under it.
    Held(u32),
    /// A command works on this slot, which is held under it then, or after that.
    Coming(u32),
}

/// Looks for the slot that is held under `key`. One that is being given back or removed is not any
/// more.
pub fn keyed(pool: &PoolRecord, key: &str) -> Keyed {
    let mut slots = pool.slots.iter();
    let found = slots.find(|slot| slot.key() == Some(key) && !is_leaving(slot));
    match found {
        None => Keyed::Free,
        Some(slot) if slot.state == SlotState::Allocated => Keyed::Held(slot.number),
        Some(slot) => Keyed::Coming(slot.number),
    }
}

/// Whether a slot is being given back or removed.
pub fn is_leaving(slot: &SlotRecord) -> bool {
    let kind = slot.operation.as_ref().map(|operation| operation.kind);
    matches!(kind, Some(OperationKind::Release | OperationKind::Remove))
}

//! Taking a slot out of use for inspection (9.5).

use super::journal::SlotWork;
use super::{Pool, journal, park, settle};
use crate::domain::event::{Event, EventKind};
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::sys::clock;

/// Puts a slot out of use that can't be made ready or whole; what is in it stays as it is.
pub fn put_out_of_use(pool: &Pool<'_>, work: &SlotWork, reason: &str) -> Result<()> {
    park::bring_out(pool, work.number)?;
    journal::finish(pool, work, |locked, now| {
        journal::slot_of(locked, work).put_out_of_use(reason, now);
        locked.note(
            Event::new(EventKind::Isolated, &pool.name, now)
                .slot(pool.slot_id(work.number))
                .detail(reason),
        );
    })?;
    Ok(())
}

/// Takes an idle slot out of use; what is in it stays as it is.
pub fn isolate(pool: &Pool<'_>, number: u32, reason: &str) -> Result<SlotRecord> {
    settle::leftovers(pool)?;
    let (_lock, mut locked) = journal::wait_for_slot(pool, number)?;
    let id = pool.slot_id(number);
    let now = clock::now();
    let slot = locked
        .record
        .slot_mut(number)
        .ok_or_else(|| Error::SlotNotFound(id.to_string()))?;
    if slot.state == SlotState::Allocated {
        return Err(Error::Refused {
            message: format!("slot {id} is allocated; only an idle slot can be isolated"),
            hint: Some(format!("`repo-pool release {id}` first")),
        });
    }
    park::bring_out(pool, number)?;
    slot.put_out_of_use(reason, now);
    let slot = slot.clone();
    locked.note(
        Event::new(EventKind::Isolated, &pool.name, now)
            .slot(&id)
            .detail(reason),
    );
    locked.save()?;
    Ok(slot)
}

//! Slots that their holder has left for good while somebody else's process is inside.
//!
//! Nobody can take such a slot back, and nobody can clean it yet: the release is recorded, and waits.
//! The next command that finds the process gone finishes it ([`super::settle`]).

use super::journal::{self, SlotWork};
use super::release::Returned;
use super::{Pool, occupants};
use crate::domain::slot::SlotRecord;
use crate::domain::{Error, Result};
use crate::sys::inside::Inside;
use crate::sys::signals;

/// Leaves the release to wait until that process has left.
pub fn wait(pool: &Pool<'_>, work: &SlotWork, process: &Inside) -> Result<Returned> {
    let _shield = signals::shield();
    let reason = format!("pid {} ({}) is inside", process.pid, process.command);
    let mut locked = journal::reload(pool, work)?;
    let slot = journal::slot_of(&mut locked, work);
    let known = slot.error.replace(reason.clone()) == Some(reason);
    let slot = slot.clone();
    if !known {
        locked.save()?;
    }
    Ok(Returned {
        slot,
        was_allocated: true,
        cleanup: None,
        rescue: None,
    })
}

/// Why such a slot can't be released once more.
pub fn refusal(pool: &Pool<'_>, slot: &SlotRecord) -> Error {
    Error::Refused {
        message: format!(
            "slot {} is being given back, but {}",
            pool.slot_id(slot.number),
            slot.waits_for().unwrap_or("it waits")
        ),
        hint: Some("once it has left, the next command finishes that; --kill ends it".into()),
    }
}

/// Ends who is inside, if it is such a slot.
pub fn end_occupants(pool: &Pool<'_>, number: u32) -> Result<()> {
    let record = pool.read()?;
    match record.slot(number).and_then(SlotRecord::waits_for) {
        Some(_) => occupants::none_but_callers(pool, number, true).map(drop),
        None => Ok(()),
    }
}

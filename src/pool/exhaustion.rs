//! Why no slot is free: exhaustion explains itself.

use std::time::Duration;

use super::{Pool, holder};
use crate::domain::lease::{self, Permission};
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::sys::clock;

/// The error that says of each slot who has it, since when, and what would free it.
pub fn error(pool: &Pool<'_>) -> Result<Error> {
    let record = pool.read()?;
    let now = clock::now();
    let lines = record
        .slots
        .iter()
        .map(|slot| holder_line(pool, slot, now))
        .collect();
    Ok(Error::NoAvailableSlot {
        pool: pool.name.to_string(),
        slots: lines,
    })
}

fn holder_line(pool: &Pool<'_>, slot: &SlotRecord, now: jiff::Timestamp) -> String {
    let id = pool.slot_id(slot.number);
    let since = |at: jiff::Timestamp| {
        let seconds = now.duration_since(at).as_secs().max(0) as u64;
        crate::config::parse::format_duration(Duration::from_secs(seconds))
    };
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Allocated, Some(allocation), _) => {
            let facts = holder::facts(pool, slot.number, allocation);
            // The command is one that works: a live holder is got past only by force.
            let by_force = match lease::may_release(allocation, None, &facts, true) {
                Permission::Granted => "",
                _ => " --force (its holder is alive)",
            };
            format!(
                "{id}: allocated to {} since {}; free it: repo-pool release {id}{by_force}",
                holder::name(allocation),
                since(allocation.allocated_at)
            )
        }
        (SlotState::Cleaning, _, Some(operation)) => {
            let pid = operation
                .process
                .as_ref()
                .map(|process| format!(", pid {}", process.pid))
                .unwrap_or_default();
            format!(
                "{id}: {} under way since {}{pid}; if that was killed: repo-pool recover {id}",
                operation.kind,
                since(operation.started_at)
            )
        }
        (SlotState::Error, ..) => format!(
            "{id}: out of use ({}); bring it back: repo-pool recover {id}",
            slot.error.as_deref().unwrap_or("no reason recorded")
        ),
        _ => format!(
            "{id}: {}, but a process is inside or a command works on it; see: repo-pool status {id}",
            slot.state
        ),
    }
}

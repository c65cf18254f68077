//! Why no slot is free: exhaustion explains itself.

use std::time::Duration;

use super::{Pool, holder};
use crate::config::parse::format_duration;
use crate::domain::age;
use crate::domain::lease::{self, Allocation, Doubt, Permission, Verdict};
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
    let since = |at: jiff::Timestamp| age::since(at, now);
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Allocated, Some(allocation), _) => format!(
            "{id}: allocated to {} since {}{}",
            holder::name(allocation),
            since(allocation.allocated_at),
            way_out(pool, slot.number, allocation)
        ),
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

/// What would free an allocated slot: waiting, where that helps, and the command that works now.
fn way_out(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> String {
    let id = pool.slot_id(number);
    let facts = holder::facts(pool, number, allocation);
    let mut option = "";
    let state = match holder::verdict(pool, number, allocation) {
        Verdict::Held => match lease::lease_left(allocation, &facts.now) {
            None => String::new(),
            Some(Duration::ZERO) => ", its lease ran out".to_owned(),
            Some(left) => format!(", its lease ends in {}", seconds(left)),
        },
        Verdict::NotYet(reason, left) => {
            let when = seconds(left);
            format!("; {reason}: the next allocate may have it in {when}")
        }
        Verdict::Reclaimable(reason) => format!("; {reason}"),
        Verdict::Doubtful(reason, doubt) => {
            if matches!(doubt, Doubt::Inside(_)) {
                option = " --kill";
            }
            format!("; {reason}, but {doubt}")
        }
    };
    // The command is one that works: who stands against it is got past only by force.
    if let Permission::Forced(_) = lease::may_release(allocation, None, &facts, true) {
        option = " --force (its holder is alive, or may be)";
    }
    format!("{state}; free it: repo-pool release {id}{option}")
}

/// In whole seconds, rounded up: who waits for so long does not come too early.
fn seconds(time: Duration) -> String {
    format_duration(Duration::from_secs(time.as_secs().saturating_add(1)))
}

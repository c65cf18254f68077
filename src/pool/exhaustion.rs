//! Why no slot is free: exhaustion explains itself.

use std::time::Duration;

use super::{Pool, holder, queue};
use crate::domain::age;
use crate::domain::error::is_of_set_up;
use crate::domain::lease::{self, Allocation, Doubt, Permission, Verdict};
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result, gist, names};
use crate::sys::clock;

/// Of how many slots it is said in short who has them.
const IN_SHORT: usize = 3;

/// The error that says of each slot who has it, since when, and what would free it; and how long was
/// waited for one.
pub fn error(pool: &Pool<'_>, waited: Option<Duration>) -> Result<Error> {
    let record = pool.read()?;
    let now = clock::now();
    let in_line = queue::ahead(pool, None)?;
    let lines = record
        .slots
        .iter()
        .map(|slot| holder_line(pool, slot, in_line, now))
        .collect();
    // One that is out of use waits for a person itself.
    let may_come_back = record
        .slots
        .iter()
        .any(|slot| slot.state != SlotState::Error);
    Ok(Error::NoAvailableSlot {
        pool: pool.name.to_string(),
        slots: lines,
        waited,
        may_wait: waited.is_none() && may_come_back,
    })
}

/// Who has the first few slots, in a few words.
pub fn in_short(pool: &Pool<'_>) -> Result<String> {
    let record = pool.read()?;
    let now = clock::now();
    let mut parts: Vec<String> = record
        .slots
        .iter()
        .take(IN_SHORT)
        .map(|slot| format!("{} {}", names::dir_name(slot.number), in_hand_of(slot, now)))
        .collect();
    match record.slots.len().saturating_sub(IN_SHORT) {
        0 => {}
        more => parts.push(format!("and {more} more")),
    }
    match parts.is_empty() {
        true => Ok("it has none".to_owned()),
        false => Ok(parts.join(", ")),
    }
}

fn in_hand_of(slot: &SlotRecord, now: jiff::Timestamp) -> String {
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Allocated, Some(allocation), _) => format!(
            "is held by {} for {}",
            holder::name(allocation),
            age::since(allocation.allocated_at, now)
        ),
        (SlotState::Cleaning, _, Some(operation)) => format!(
            "is busy ({} for {})",
            operation.kind,
            age::since(operation.started_at, now)
        ),
        (SlotState::Error, ..) => "is out of use".to_owned(),
        (state, ..) => format!("is {state}"),
    }
}

fn holder_line(pool: &Pool<'_>, slot: &SlotRecord, in_line: usize, now: jiff::Timestamp) -> String {
    let id = pool.slot_id(slot.number);
    let reason = slot.error.as_deref();
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Allocated, Some(allocation), _) => format!(
            "{id}: held by {} for {}{}",
            holder::name(allocation),
            age::since(allocation.allocated_at, now),
            way_out(pool, slot.number, allocation)
        ),
        (SlotState::Cleaning, ..) if slot.waits_for().is_some() => format!(
            "{id}: given back, but {}; end it: repo-pool release {id} --kill",
            slot.waits_for().unwrap_or_default()
        ),
        (SlotState::Cleaning, _, Some(operation)) => {
            let pid = operation
                .process
                .as_ref()
                .map(|process| format!(", pid {}", process.pid))
                .unwrap_or_default();
            format!(
                "{id}: {} under way for {}{pid}; if that was killed: repo-pool recover {id}",
                operation.kind,
                age::since(operation.started_at, now)
            )
        }
        (SlotState::Error, ..) if reason.is_some_and(is_of_set_up) => format!(
            "{id}: out of use ({}); once that is repaired: repo-pool recover {}",
            gist(reason.unwrap_or_default()),
            pool.name
        ),
        (SlotState::Error, ..) => format!(
            "{id}: out of use ({}); bring it back: repo-pool recover {id}",
            gist(reason.unwrap_or("no reason recorded"))
        ),
        (SlotState::Available, ..) if in_line > 0 => {
            format!("{id}: available, but others have waited for a slot before ({in_line})")
        }
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
    let mut warning = "";
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
        option = " --force";
        warning = "; its holder is alive, or may be";
    }
    format!("{state}{warning}; free it: repo-pool release {id}{option}")
}

/// In whole seconds, or minutes of a longer time, rounded up: who waits for so long does not come too
/// early.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs().saturating_add(1);
    let unit = if seconds < age::MINUTE {
        1
    } else {
        age::MINUTE
    };
    age::age(Duration::from_secs(
        seconds.div_ceil(unit).saturating_mul(unit),
    ))
}

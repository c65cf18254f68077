//! What can be seen of a slot's holder right now.

use super::Pool;
use crate::domain::lease::{self, Allocation, HolderFacts, HolderState};
use crate::domain::process::{Liveness, ProcessStamp};
use crate::sys::{liveness, lock};

/// Looks at the processes and the lock that an allocation names.
pub fn facts(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> HolderFacts {
    let ours = liveness::ancestors();
    let is_ours = |process: &Option<ProcessStamp>| {
        process.as_ref().is_some_and(|stamp| {
            ours.contains(&stamp.pid) && liveness::liveness(stamp) == Liveness::Alive
        })
    };
    HolderFacts {
        owner: allocation.owner.process.as_ref().map(liveness::liveness),
        caller: allocation.caller.as_ref().map(liveness::liveness),
        holder_lock: if allocation.holder_lock {
            lock::is_locked(&pool.paths.holder_lock(number))
        } else {
            None
        },
        owner_is_ours: is_ours(&allocation.owner.process),
        caller_is_ours: is_ours(&allocation.caller),
    }
}

/// Whether the holder is alive, provably gone, or neither can be told.
pub fn state(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> HolderState {
    lease::holder_state(allocation, &facts(pool, number, allocation))
}

/// The holder in a few words, on one line whatever its label holds.
pub fn name(allocation: &Allocation) -> String {
    let label = allocation.owner.label.as_deref().map(on_one_line);
    let process = allocation
        .owner
        .process
        .as_ref()
        .or(allocation.caller.as_ref());
    match (label, process) {
        (Some(label), Some(process)) => format!("{label} (pid {})", process.pid),
        (Some(label), None) => label,
        (None, Some(process)) => format!("pid {}", process.pid),
        (None, None) => "somebody".to_owned(),
    }
}

fn on_one_line(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    for c in label.chars() {
        match c.is_control() {
            true => text.extend(c.escape_default()),
            false => text.push(c),
        }
    }
    text
}

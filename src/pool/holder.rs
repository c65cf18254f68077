//! What can be seen of a slot's holder right now, and what follows for who may do what.

use std::cell::LazyCell;

use super::{Pool, fetch};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{self, Allocation, HolderFacts, Moment, Permission, Verdict};
use crate::domain::process::{Liveness, ProcessStamp};
use crate::domain::{Error, Result};
use crate::sys::{clock, inside, liveness, lock, user};

/// This moment by both clocks.
pub fn now() -> Moment {
    Moment {
        at: clock::now(),
        boot: fetch::moment(),
    }
}

/// Looks at the processes and the lock that an allocation names, not yet at who is inside.
pub fn facts(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> HolderFacts {
    let (owner, caller) = (&allocation.owner.process, &allocation.caller);
    let liveness_of = |process: &Option<ProcessStamp>| process.as_ref().map(liveness::liveness);
    let (owner_is, caller_is) = (liveness_of(owner), liveness_of(caller));
    let ours = LazyCell::new(liveness::ancestors);
    let is_ours = |process: &Option<ProcessStamp>, is: Option<Liveness>| {
        is == Some(Liveness::Alive)
            && process
                .as_ref()
                .is_some_and(|stamp| ours.contains(&stamp.pid))
    };
    HolderFacts {
        owner: owner_is,
        caller: caller_is,
        holder_lock: match allocation.holder_lock {
            true => lock::is_held(&pool.paths.holder_lock(number)),
            false => None,
        },
        owner_is_ours: is_ours(owner, owner_is),
        caller_is_ours: is_ours(caller, caller_is),
        inside: None,
        now: now(),
    }
}

/// The same with a process that is inside, whosever it is: a look at all processes.
pub fn all_facts(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> HolderFacts {
    let found = inside::processes_inside(&pool.worktree(number).path, &[]).inside;
    HolderFacts {
        inside: found.first().map(|process| process.pid),
        ..facts(pool, number, allocation)
    }
}

/// Whether the slot may be taken back. Who is inside is looked for only where it matters.
pub fn verdict(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> Verdict {
    verdict_by(pool, number, allocation, &facts(pool, number, allocation))
}

/// The same, given what was seen of the holder.
pub fn verdict_by(
    pool: &Pool<'_>,
    number: u32,
    allocation: &Allocation,
    facts: &HolderFacts,
) -> Verdict {
    match lease::verdict(allocation, facts) {
        Verdict::Reclaimable(_) => lease::verdict(allocation, &all_facts(pool, number, allocation)),
        other => other,
    }
}

/// What somebody wants to do with an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Give the slot back.
    Release,
    /// Remove the slot.
    Remove,
    /// Extend the lease.
    Renew,
    /// Bring saved work into it.
    Restore,
}

/// Whether the caller may do that, with the allocation id that it presents; by an operator's force
/// with an event that says past whom it went and who used it.
pub fn permit(
    pool: &Pool<'_>,
    number: u32,
    allocation: &Allocation,
    wish: Wish,
    presented: Option<&str>,
    force: bool,
) -> Result<Option<Event>> {
    let id = pool.slot_id(number);
    let (done, way) = match wish {
        Wish::Release => ("released", "an operator gets past that with --force"),
        Wish::Remove => ("removed", "an operator gets past that with --force"),
        Wish::Renew => ("renewed", "who presents its id (--allocation ID) may"),
        Wish::Restore => ("restored into", "restore into a slot of your own"),
    };
    let facts = facts(pool, number, allocation);
    match lease::may_release(allocation, presented, &facts, force) {
        Permission::Granted => Ok(None),
        Permission::WrongId => Err(Error::StaleAllocation(format!(
            "slot {id} can't be {done}: allocation {} is not its current one",
            presented.unwrap_or_default().escape_debug()
        ))),
        Permission::HeldBy(who) => Err(Error::StaleAllocation(format!(
            "slot {id} can't be {done}: it is held by {who}; {way}"
        ))),
        Permission::Forced(who) => Ok(Some(Event {
            allocation_id: Some(allocation.id.clone()),
            owner: Some(name(allocation)),
            ..Event::new(EventKind::Forced, &pool.name, clock::now())
                .slot(&id)
                .detail(format!("{done} although held by {who}; {}", operator()))
        })),
    }
}

/// Who uses force: the process that called this command, and the user.
pub fn operator() -> String {
    let uid = user::effective_uid();
    match liveness::parent().map(|parent| parent.pid) {
        Some(pid) => {
            let command = liveness::command_of(pid).unwrap_or_default();
            format!("forced by pid {pid} ({command}), uid {uid}")
        }
        None => format!("forced by uid {uid}"),
    }
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

//! The moment in which a slot becomes somebody's, and taking that back.
//!
//! The record is written first, then the slot is renamed to where its users find it, then its path
//! is printed. An allocated slot that is still parked was never told to anybody: whoever meets one
//! whose lock is free undoes the allocation (after a restart of the machine, which may have lost
//! the rename, it is completed instead).

use std::path::PathBuf;
use std::time::Duration;

use super::acquire::Request;
use super::claim::Claim;
use super::journal;
use super::ready::{self, Prepared};
use super::target::{Branch, Target};
use super::{Pool, clones, holder, park, settle, verified};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{Allocation, Lease, Owner};
use crate::domain::metrics::Measured;
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::parse::Head;
use crate::git::refs;
use crate::store::LockedPool;
use crate::sys::clock::Stopwatch;
use crate::sys::lock::FileLock;
use crate::sys::{clock, liveness, signals, user};

/// A slot that was handed out.
pub struct Allocated {
    /// Its record.
    pub slot: SlotRecord,
    /// Its directory.
    pub path: PathBuf,
    /// The lock that shows that the holder lives; to be kept as long as the slot is held.
    pub holder: Option<FileLock>,
    /// The pool's record as of then.
    pub pool: PoolRecord,
    /// How long it took.
    pub took: Duration,
    /// Whether it was held under its key before, and so is not this command's to give back.
    pub joined: bool,
    /// When the slot had been handed out before.
    previous: Option<jiff::Timestamp>,
}

/// A slot that lies ready: its own lock, and the lock that shows that its holder lives.
pub struct Ready {
    /// Its number.
    pub number: u32,
    /// Its lock.
    pub lock: FileLock,
    /// The holder's lock, if this process will be the holder.
    pub holder: Option<FileLock>,
}

/// Whether nothing is to be done to an idle slot but to point HEAD at its own branch: it is verified
/// at the wanted commit, and the branch is there and nobody else's.
pub fn lies_ready(
    pool: &Pool<'_>,
    record: &PoolRecord,
    number: u32,
    target: &Target,
) -> Result<bool> {
    let branch = format!("refs/heads/{}", pool.own_branch(number));
    let Some(slot) = record.slot(number) else {
        return Ok(false);
    };
    Ok(target.branch == Branch::Own
        && slot.commit.as_ref() == Some(&target.commit)
        && refs::is_at(&pool.paths.repository(), &branch, &target.commit)?
        && verified::holds(pool, slot)
        && ready::holder_of_own_branch(pool, number, &record.slots)?.is_none())
}

/// Hands out a slot that lies ready: one write of the record and one rename.
pub fn at_once(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    locked: LockedPool,
    ready: Ready,
    watch: &Stopwatch,
) -> Result<Allocated> {
    let number = ready.number;
    let made = Made {
        number,
        prepared: Prepared {
            branch: pool.own_branch(number),
            ..Prepared::default()
        },
        holder: ready.holder,
        hit: true,
    };
    let allocated = record(pool, request, target, locked, made, watch)?;
    let name = format!("refs/heads/{}", pool.own_branch(number));
    pool.worktree(number).set_head(&Head::Symbolic(name))?;
    bring_out(pool, allocated, ready.lock)
}

/// Hands out a slot that was prepared.
pub fn prepared(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    claim: Claim,
    prepared: Prepared,
    watch: &Stopwatch,
) -> Result<Allocated> {
    let locked = journal::reload(pool, &claim.work)?;
    let made = Made {
        number: claim.work.number,
        prepared,
        hit: claim.is_hit(&target.commit),
        holder: claim.holder,
    };
    let allocated = record(pool, request, target, locked, made, watch)?;
    bring_out(pool, allocated, claim.work.lock)
}

/// What is handed out, before it is recorded.
struct Made {
    number: u32,
    prepared: Prepared,
    holder: Option<FileLock>,
    hit: bool,
}

fn record(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    mut locked: LockedPool,
    made: Made,
    watch: &Stopwatch,
) -> Result<Allocated> {
    let Made {
        number,
        prepared,
        holder,
        hit,
    } = made;
    let began = holder::now();
    let now = began.at;
    let took = watch.elapsed();
    let measured = Measured::new(took, hit);
    let allocation = Allocation {
        id: user::random_hex(16),
        generation: locked.record.next_generation(),
        allocated_at: now,
        began: began.boot,
        lease: request.ttl.map(Lease::new),
        owner: owner(request, holder.is_some()),
        caller: request.caller.clone(),
        holder_lock: holder.is_some(),
        commit: target.commit.clone(),
        branch: prepared.branch,
        named_branch: matches!(target.branch, Branch::Named { .. }),
        for_commit: request.reference.is_some() && target.branch == Branch::Own,
        key: request.key.clone(),
        metadata: request.metadata.clone(),
        measured: pool.settings.enable_metrics.then_some(measured),
    };
    prepared
        .events
        .into_iter()
        .for_each(|event| locked.note(event));
    locked.note(Event {
        allocation_id: Some(allocation.id.clone()),
        owner: Some(holder::name(&allocation)),
        commit: Some(allocation.commit.clone()),
        reference: Some(allocation.branch.clone()),
        duration_seconds: Some(took.as_secs_f64()),
        operations: prepared.operations,
        metadata: allocation.metadata.clone(),
        ..Event::new(EventKind::Allocated, &pool.name, now).slot(pool.slot_id(number))
    });
    let no_slot = || Error::failed("the slot is no more");
    let slot = locked.record.slot_mut(number).ok_or_else(no_slot)?;
    let previous = slot.last_allocated_at;
    slot.hand_out(allocation, target.commit.clone(), now);
    locked.measure(|metrics| metrics.record(measured));
    let record = locked.save()?;
    Ok(Allocated {
        slot: record.slot(number).cloned().ok_or_else(no_slot)?,
        path: pool.paths.slot(number),
        holder,
        pool: record,
        took,
        joined: false,
        previous,
    })
}

/// A slot that is held already, once more. Who has got the lock of its holder has taken its place.
pub fn again(
    pool: &Pool<'_>,
    record: PoolRecord,
    number: u32,
    holder: Option<FileLock>,
) -> Result<Allocated> {
    let slot = record.slot(number).cloned();
    let slot = slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(number).to_string()))?;
    Ok(Allocated {
        path: pool.paths.slot(number),
        joined: holder.is_none(),
        holder,
        pool: record,
        took: Duration::ZERO,
        previous: slot.last_allocated_at,
        slot,
    })
}

/// Who will hold the slot. The lock of a holder can be busy: with the one before, which was made to
/// give the slot back and has not ended yet. Then the process itself is the proof that it lives.
fn owner(request: &Request, has_lock: bool) -> Owner {
    let mut owner = request.owner.clone();
    if request.hold && !has_lock && owner.process.is_none() {
        owner.process.clone_from(&request.caller);
    }
    owner
}

/// The slot's lock is held until it is where its holder finds it.
fn bring_out(pool: &Pool<'_>, allocated: Allocated, lock: FileLock) -> Result<Allocated> {
    let (number, strategy) = (allocated.slot.number, allocated.pool.strategy);
    let moved =
        clones::send_out(pool, strategy, number).and_then(|()| park::bring_out(pool, number));
    drop(lock);
    match moved {
        Ok(()) => Ok(allocated),
        Err(error) => {
            take_back(pool, &allocated, "the slot could not be brought out")?;
            Err(error)
        }
    }
}

/// Settles an allocation that was recorded by a command that was killed before the slot was brought
/// out, with the slot's lock held. Tells whether the slot is one of those.
pub fn settle(pool: &Pool<'_>, number: u32, _held: &FileLock) -> Result<bool> {
    if !park::is_parked(pool, number) {
        return Ok(false);
    }
    let mut locked = pool.lock()?;
    let now = clock::now();
    let strategy = locked.record.strategy;
    let Some(slot) = locked.record.slot_mut(number) else {
        return Ok(false);
    };
    let Some(allocation) = slot
        .allocation
        .as_ref()
        .filter(|_| slot.state == SlotState::Allocated && park::is_parked(pool, number))
    else {
        return Ok(false);
    };
    let told = if allocation.began.boot_id == liveness::machine().boot_id {
        settle::remove_git_locks(pool, number)?;
        ready::take_off_branch(pool, number)?;
        let measured = slot.take_back(slot.last_allocated_at, now);
        slot.make_available(None, None, now);
        locked.measure(|metrics| metrics.take_back(measured));
        "an interrupted allocation was undone"
    } else {
        clones::send_out(pool, strategy, number)?;
        park::bring_out(pool, number)?;
        "an allocation that the machine's end interrupted was completed"
    };
    locked.note(
        Event::new(EventKind::Repaired, &pool.name, now)
            .slot(pool.slot_id(number))
            .detail(told),
    );
    locked.save()?;
    Ok(true)
}

/// Takes back an allocation that could not be told to its caller, or was of no use to it: it never
/// happened. `why` is for the history.
pub fn take_back(pool: &Pool<'_>, allocated: &Allocated, why: &str) -> Result<()> {
    let _shield = signals::shield();
    let number = allocated.slot.number;
    let (_lock, mut locked) = journal::wait_for_slot(pool, number)?;
    let now = clock::now();
    let ours = allocated
        .slot
        .allocation
        .as_ref()
        .map(|allocation| &allocation.id);
    if let Some(slot) = locked.record.slot_mut(number)
        && slot.state == SlotState::Allocated
        && slot.allocation.as_ref().map(|allocation| &allocation.id) == ours
    {
        ready::take_off_branch(pool, number)?;
        let measured = slot.take_back(allocated.previous, now);
        slot.make_available(None, None, now);
        locked.measure(|metrics| metrics.take_back(measured));
        locked.note(
            Event::new(EventKind::AllocationFailed, &pool.name, now)
                .slot(pool.slot_id(number))
                .detail(format!("{why}; the allocation was taken back")),
        );
        locked.save()?;
    }
    Ok(())
}

//! Intents: what a command is about to do to a slot, recorded before the first side effect.
//!
//! An operation is alive exactly as long as its slot's lock is held, by the command or by a git
//! child that outlived it.

use jiff::Timestamp;

use super::Pool;
use crate::domain::slot::{Operation, OperationKind, SlotRecord};
use crate::domain::{Error, Result};
use crate::store::LockedPool;
use crate::sys::lock::FileLock;
use crate::sys::{clock, liveness, user};

/// How often an operation may run out of time, or its git be killed, before its slot is put out of
/// use.
const ATTEMPTS: u32 = 3;

/// A slot that this command works on: its lock is held and its intent recorded.
pub struct SlotWork {
    /// The slot's number.
    pub number: u32,
    /// The recorded operation's id.
    pub operation: String,
    /// The slot's lock.
    pub lock: FileLock,
}

/// A new operation by this process.
pub fn operation(kind: OperationKind, now: Timestamp) -> Operation {
    Operation {
        id: user::random_hex(8),
        kind,
        started_at: now,
        process: liveness::stamp(std::process::id()),
        branch: None,
        key: None,
        before: None,
        attempts: 0,
        no_cleanup: false,
        in_place: false,
        discard: false,
        reclaim: false,
        lasting: false,
        kill: false,
    }
}

/// Tries the slot's lock; `None` if a command works on the slot. For those who hold the pool's
/// lock, and so must not wait.
pub fn try_slot(pool: &Pool<'_>, number: u32) -> Result<Option<FileLock>> {
    pool.workspace
        .locks()
        .try_acquire(&pool.paths.slot_lock(number))
}

/// Waits for the slot's lock, and only then locks the pool: the order of locks.
pub fn wait_for_slot(pool: &Pool<'_>, number: u32) -> Result<(FileLock, LockedPool)> {
    if !pool.paths.record().exists() {
        return Err(Error::PoolNotFound(pool.name.to_string()));
    }
    let id = pool.slot_id(number);
    let what = format!("slot {id}");
    let lock = pool.acquire(pool.workspace.locks(), &pool.paths.slot_lock(number), &what)?;
    let locked = pool.lock()?;
    if locked.record.slot(number).is_none() {
        return Err(Error::SlotNotFound(id.to_string()));
    }
    Ok((lock, locked))
}

/// Records the intent and unlocks the pool. That it may be lost in a power failure is harmless: what
/// was done by then is found by whoever looks at the slot next, as after a loss of the record.
pub fn begin(
    mut locked: LockedPool,
    number: u32,
    lock: FileLock,
    operation: Operation,
) -> Result<SlotWork> {
    let id = operation.id.clone();
    let slot = locked
        .record
        .slot_mut(number)
        .ok_or_else(|| Error::failed(format!("slot {number} is no more")))?;
    slot.begin(operation, clock::now());
    locked.save_lightly()?;
    Ok(SlotWork {
        number,
        operation: id,
        lock,
    })
}

/// Leaves the intent to the next command, which goes on from where this one failed. False if that
/// has happened too often.
pub fn put_off(pool: &Pool<'_>, work: &SlotWork) -> Result<bool> {
    let mut locked = reload(pool, work)?;
    let Some(operation) = &mut slot_of(&mut locked, work).operation else {
        return Ok(false);
    };
    operation.attempts += 1;
    let again = operation.attempts < ATTEMPTS;
    locked.save()?;
    Ok(again)
}

/// Locks the pool again, for the result. The intent must still be ours.
pub fn reload(pool: &Pool<'_>, work: &SlotWork) -> Result<LockedPool> {
    let locked = pool.lock()?;
    still_ours(pool, &locked, work)?;
    Ok(locked)
}

/// Makes sure that the intent is still the one that was recorded here.
pub fn still_ours(pool: &Pool<'_>, locked: &LockedPool, work: &SlotWork) -> Result<()> {
    match locked.record.slot(work.number) {
        Some(slot) if slot.runs(&work.operation) => Ok(()),
        _ => Err(Error::failed(format!(
            "slot {} was changed by another command meanwhile",
            pool.slot_id(work.number)
        ))),
    }
}

/// Records the result that `change` makes, and gives the slot's record back.
pub fn finish(
    pool: &Pool<'_>,
    work: &SlotWork,
    change: impl FnOnce(&mut LockedPool, Timestamp),
) -> Result<SlotRecord> {
    let mut locked = reload(pool, work)?;
    change(&mut locked, clock::now());
    let slot = locked.record.slot(work.number).cloned();
    locked.save()?;
    slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(work.number).to_string()))
}

/// The same, with the slot free for others as soon as they can see the result.
pub fn conclude(
    pool: &Pool<'_>,
    work: SlotWork,
    change: impl FnOnce(&mut LockedPool, &SlotWork, Timestamp),
) -> Result<()> {
    let mut locked = reload(pool, &work)?;
    change(&mut locked, &work, clock::now());
    locked.save_and_free(work.lock)
}

/// The record of the slot that is being worked on. It is there while the intent stands.
pub fn slot_of<'a>(locked: &'a mut LockedPool, work: &SlotWork) -> &'a mut SlotRecord {
    let number = work.number;
    locked
        .record
        .slot_mut(number)
        .unwrap_or_else(|| unreachable!("slot {number} was there when the intent was checked"))
}

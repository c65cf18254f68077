//! Finishing what killed commands left: an operation whose slot lock is free belongs to nobody.
//!
//! Making and preparing are undone, since their results were never told to anybody; giving back,
//! removing and repairing are carried to their end.

use super::journal::{self, SlotWork};
use super::{Pool, holder, ready, release, retire, slots};
use crate::domain::lease::HolderState;
use crate::domain::slot::{Operation, OperationKind, SlotState};
use crate::domain::{Error, Result};
use crate::sys::lock::FileLock;

/// Finishes every operation of the pool that nobody works on any more. Costs one read if there is
/// none. A slot that can't be finished stays for `recover`, which says why.
pub fn leftovers(pool: &Pool<'_>) -> Result<()> {
    let record = pool.read()?;
    for slot in record.slots.iter().filter(|slot| slot.operation.is_some()) {
        match one(pool, slot.number) {
            Err(error @ (Error::Interrupted(_) | Error::LockTimeout { .. })) => return Err(error),
            Err(error) => pool
                .context
                .observer
                .warn(&format!("{}: {error}", pool.slot_id(slot.number))),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Finishes the operation on one slot, if there is one and nobody works on it. Tells what was
/// finished.
pub fn one(pool: &Pool<'_>, number: u32) -> Result<Option<OperationKind>> {
    let Some(lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let locked = pool.lock()?;
    let operation = locked
        .record
        .slot(number)
        .and_then(|slot| slot.operation.clone());
    drop(locked);
    let Some(operation) = operation else {
        return Ok(None);
    };
    let kind = operation.kind;
    finish(pool, number, lock, operation)?;
    Ok(Some(kind))
}

fn finish(pool: &Pool<'_>, number: u32, lock: FileLock, operation: Operation) -> Result<()> {
    let work = SlotWork {
        number,
        operation: operation.id.clone(),
        lock,
    };
    remove_git_locks(pool, number)?;
    match operation.kind {
        OperationKind::Add | OperationKind::Create => slots::unmake(pool, &work),
        OperationKind::Allocate => {
            ready::take_off_branch(pool, number, &work.lock)?;
            journal::finish(pool, &work, |locked, now| {
                journal::slot_of(locked, &work).make_available(false, None, now);
            })?;
            Ok(())
        }
        OperationKind::Release => release::carry_out(pool, &work, &operation).map(|_| ()),
        OperationKind::Remove => retire::carry_out(pool, &work).map(|_| ()),
        OperationKind::Repair => {
            // What was repaired so far is found by the next look; the slot is not trusted until then.
            journal::finish(pool, &work, |locked, now| {
                let slot = journal::slot_of(locked, &work);
                slot.go_back(now);
                slot.verified = false;
            })?;
            Ok(())
        }
    }
}

/// The slot's lock is free, so no git of ours works in it: its lock files are left from a kill.
fn remove_git_locks(pool: &Pool<'_>, number: u32) -> Result<()> {
    for path in pool.worktree(number).stale_locks()? {
        crate::sys::fs::remove_file_if_there(&path)?;
    }
    Ok(())
}

/// Gives back the slots whose holders are provably gone (4.4). Tells whether there was one.
pub fn reclaim_dead(pool: &Pool<'_>) -> Result<bool> {
    let record = pool.read()?;
    let mut any = false;
    for slot in record
        .slots
        .iter()
        .filter(|slot| slot.state == SlotState::Allocated)
    {
        let dead = slot.allocation.as_ref().is_some_and(|allocation| {
            holder::state(pool, slot.number, allocation) == HolderState::Dead
        });
        if dead {
            match release::reclaim(pool, slot.number) {
                Ok(returned) => any |= returned.is_some(),
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => pool.context.observer.warn(&error.to_string()),
            }
        }
    }
    Ok(any)
}

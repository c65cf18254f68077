//! Finishing what killed commands left: an operation whose slot lock is free belongs to nobody.
//!
//! Making and preparing are undone, since their results were never told to anybody; giving back,
//! removing and repairing are carried to their end.

use super::journal::{self, SlotWork};
use super::{
    Pool, anew, clones, hand_out, holder, leaving, occupants, park, ready, release, retire, script,
    slots,
};
use crate::domain::lease::Verdict;
use crate::domain::pool::PoolRecord;
use crate::domain::process::Liveness;
use crate::domain::slot::{Operation, OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::advance;
use crate::sys::lock::FileLock;
use crate::sys::{inside, liveness};

/// How long a git that nobody waits for any more may take to end.
const END_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Finishes every operation of the pool that nobody works on any more, and gives the pool's record
/// back. Costs one read if there is none. A slot that can't be finished stays for `recover`, which
/// says why.
pub fn leftovers(pool: &Pool<'_>) -> Result<PoolRecord> {
    anew::settle(pool)?;
    let record = pool.read()?;
    let mut settled = false;
    let unsettled = |slot: &&SlotRecord| {
        slot.operation.is_some()
            || slot.state == SlotState::Allocated
                && (park::is_parked(pool, slot.number)
                    || clones::is_away(pool, record.strategy, slot.number))
    };
    for slot in record.slots.iter().filter(unsettled) {
        match one(pool, slot.number) {
            Err(error @ (Error::Interrupted(_) | Error::LockTimeout { .. })) => return Err(error),
            Err(error) => pool
                .context
                .observer
                .warn(&format!("{}: {error}", pool.slot_id(slot.number))),
            Ok(_) => settled = true,
        }
    }
    match settled {
        true => pool.read(),
        false => Ok(record),
    }
}

/// Finishes the operation on one slot, if there is one and nobody works on it. Tells what was
/// finished.
pub fn one(pool: &Pool<'_>, number: u32) -> Result<Option<OperationKind>> {
    let mut free = journal::try_slot(pool, number)?;
    if free.is_none() && end_overdue(pool, number)? {
        free = journal::try_slot(pool, number)?;
    }
    match free {
        Some(lock) => with_lock(pool, number, lock),
        None => Ok(None),
    }
}

/// The same with the slot's lock at hand. Taken once, and kept: what another thread starts between
/// two takings has the first one open for as long as it is not yet the program that it will be.
pub fn with_lock(pool: &Pool<'_>, number: u32, lock: FileLock) -> Result<Option<OperationKind>> {
    if hand_out::settle(pool, number, &lock)? {
        return Ok(Some(OperationKind::Allocate));
    }
    let locked = pool.lock()?;
    let slot = locked.record.slot(number).cloned();
    drop(locked);
    let held = slot
        .as_ref()
        .is_some_and(|slot| slot.state == SlotState::Allocated);
    let Some(operation) = slot.and_then(|slot| slot.operation) else {
        if held {
            clones::put_back(pool, number)?;
        }
        return Ok(None);
    };
    let work = SlotWork {
        number,
        operation: operation.id.clone(),
        lock,
    };
    // Before anything is touched: what is inside may be a git.
    if operation.lasting
        && let Some(process) = occupants::any(pool, number)
    {
        leaving::wait(pool, &work, &process)?;
        return Ok(None);
    }
    finish(pool, &work, &operation)?;
    Ok(Some(operation.kind))
}

/// Ends what a killed command has left working on the slot for longer than the command itself would
/// have let it: nobody else will. True if the slot's lock may be free now.
fn end_overdue(pool: &Pool<'_>, number: u32) -> Result<bool> {
    let record = pool.read()?;
    let process = record
        .slot(number)
        .and_then(|slot| slot.operation.as_ref()?.process.as_ref());
    if process.is_none_or(|process| liveness::liveness(process) != Liveness::Dead) {
        return Ok(false);
    }
    let limit = pool.settings.git_timeout.max(pool.settings.cleanup_timeout);
    let left = inside::processes_inside(&pool.paths.slot_lock(number), &[]).inside;
    let overdue = |pid| liveness::age(pid).is_some_and(|age| age > limit);
    if left.is_empty() || !left.iter().all(|process| overdue(process.pid)) {
        return Ok(false);
    }
    for process in &left {
        pool.context.observer.warn(&format!(
            "ending pid {} ({}), which a killed command has left at work on {}",
            process.pid,
            process.command,
            pool.slot_id(number)
        ));
    }
    let pids: Vec<u32> = left.iter().map(|process| process.pid).collect();
    Ok(inside::end(&pids, END_GRACE).is_empty())
}

fn finish(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<()> {
    let number = work.number;
    script::end_leftovers(pool, number);
    remove_git_locks(pool, number)?;
    complete_move(pool, work)?;
    match operation.kind {
        OperationKind::Add | OperationKind::Create => slots::unmake(pool, work),
        OperationKind::Allocate | OperationKind::Warm => {
            ready::take_off_branch(pool, number)?;
            journal::finish(pool, work, |locked, now| {
                journal::slot_of(locked, work).make_available(None, None, now);
            })?;
            Ok(())
        }
        OperationKind::Release => release::carry_out(pool, work, operation).map(|_| ()),
        OperationKind::Remove => retire::carry_out(pool, work).map(|_| ()),
        OperationKind::Repair => {
            // What was repaired so far is found by the next look; the slot is not trusted until then.
            journal::finish(pool, work, |locked, now| {
                let slot = journal::slot_of(locked, work);
                slot.go_back(now);
                slot.mark = None;
            })?;
            Ok(())
        }
    }
}

/// A slot that is damaged meanwhile is for whoever looks at it next.
fn complete_move(pool: &Pool<'_>, work: &SlotWork) -> Result<()> {
    let worktree = pool.worktree(work.number);
    match worktree.fault() {
        Ok(None) => advance::complete(&pool.git, &worktree, &work.lock),
        _ => Ok(()),
    }
}

/// The slot's lock is free, so no git of ours works in it: its lock files are left from a kill.
pub fn remove_git_locks(pool: &Pool<'_>, number: u32) -> Result<()> {
    for path in pool.worktree(number).stale_locks()? {
        crate::sys::fs::remove_file_if_there(&path)?;
    }
    Ok(())
}

/// Gives back the slots whose holders are provably gone or have let their leases run out (4.4).
/// Tells whether there was one.
pub fn reclaim_dead(pool: &Pool<'_>) -> Result<bool> {
    let record = pool.read()?;
    let mut any = false;
    for slot in record
        .slots
        .iter()
        .filter(|slot| slot.state == SlotState::Allocated)
    {
        let over = slot.allocation.as_ref().is_some_and(|allocation| {
            matches!(
                holder::verdict(pool, slot.number, allocation),
                Verdict::Reclaimable(_)
            )
        });
        if over {
            match release::reclaim(pool, slot.number) {
                Ok(returned) => any |= returned.is_some(),
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => pool.context.observer.warn(&error.to_string()),
            }
        }
    }
    Ok(any)
}

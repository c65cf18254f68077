//! Keys: who asks again with the same key gets the slot that is held under it.

use super::acquire::Request;
use super::hand_out::{self, Allocated};
use super::{Context, Pool, holder, journal, park, settle};
use crate::domain::age;
use crate::domain::lease::{self, Allocation, HolderFacts, HolderState, Lease};
use crate::domain::pool::PoolRecord;
use crate::domain::selection::{self, Keyed};
use crate::domain::{Error, Result};
use crate::store::{LockedPool, pool as store};
use crate::sys::clock;
use crate::sys::lock::FileLock;

/// What the key of a request led to.
pub enum Found {
    /// The slot that is held under it.
    Held(Box<Allocated>),
    /// None; this is the record as it was then.
    Free(Box<PoolRecord>),
}

/// Looks for the slot that is held under the key of the request, given the record as it is. One that
/// another command prepares for the same key is waited for.
pub fn held(pool: &Pool<'_>, request: &Request, mut record: PoolRecord) -> Result<Found> {
    let Some(key) = request.key.as_deref() else {
        return Ok(Found::Free(Box::new(record)));
    };
    while let Keyed::Held(number) | Keyed::Coming(number) = selection::keyed(&record, key) {
        match journal::wait_for_slot(&patient(pool), number) {
            // It was removed while this waited.
            Err(Error::SlotNotFound(_)) => {}
            Err(error) => return Err(error),
            Ok((lock, locked)) => {
                let is_held = selection::keyed(&locked.record, key) == Keyed::Held(number);
                if is_held && !park::is_parked(pool, number) {
                    let allocated = join(pool, request, number, locked)?;
                    return Ok(Found::Held(Box::new(allocated)));
                }
                // What a killed command left is finished first.
                drop(locked);
                settle::with_lock(pool, number, lock)?;
            }
        }
        record = pool.read()?;
    }
    Ok(Found::Free(Box::new(record)))
}

/// Preparing a slot may take as long as git may, unless this caller said how long it waits.
fn patient<'c>(pool: &Pool<'c>) -> Pool<'c> {
    let locks = pool.workspace.locks();
    let patience = match pool.context.flags.lock_timeout {
        Some(timeout) => timeout,
        None => locks.timeout().max(pool.settings.git_timeout),
    };
    Pool {
        workspace: pool
            .workspace
            .clone()
            .with_locks(locks.with_timeout(patience)),
        ..pool.clone()
    }
}

/// Gives the caller the slot as it is. To have asked for it is a sign of life: a lease runs anew, and
/// a holder that is gone is followed by this one.
fn join(
    pool: &Pool<'_>,
    request: &Request,
    number: u32,
    mut locked: LockedPool,
) -> Result<Allocated> {
    let gone = || Error::SlotNotFound(pool.slot_id(number).to_string());
    let slot = locked.record.slot_mut(number).ok_or_else(gone)?;
    let allocation = slot.allocation.as_mut().ok_or_else(gone)?;
    let facts = holder::facts(pool, number, allocation);
    let before = allocation.clone();
    let mut holder = None;
    if request.hold && allocation.holder_lock {
        holder = Some(follow_exec(pool, number, allocation)?);
        allocation.caller.clone_from(&request.caller);
        allocation.owner.process.clone_from(&request.owner.process);
    } else {
        follow(allocation, request, &facts);
    }
    tell(pool, request, number, allocation);
    let changed = (*allocation != before).then_some(facts.now.at);
    let record = match changed {
        Some(now) => {
            slot.updated_at = now;
            locked.save()?
        }
        None => locked.record,
    };
    hand_out::again(pool, record, number, holder)
}

fn follow(allocation: &mut Allocation, request: &Request, facts: &HolderFacts) {
    if lease::holder_state(allocation, facts) == HolderState::Dead {
        let own = request.caller.as_ref().filter(|_| request.hold);
        allocation.owner.process = request.owner.process.as_ref().or(own).cloned();
        allocation.caller.clone_from(&request.caller);
        allocation.holder_lock = false;
    }
    if let Some(ttl) = allocation.lease.as_ref().map(Lease::ttl) {
        allocation.renew(request.ttl.unwrap_or(ttl), facts.now.clone());
    }
}

/// The slot of an `exec` goes away when that ends, so another can't run in it; but it may follow one
/// that was killed, and give the slot back in its stead.
fn follow_exec(pool: &Pool<'_>, number: u32, allocation: &Allocation) -> Result<FileLock> {
    FileLock::acquire_unless_kept(&pool.paths.holder_lock(number))?.ok_or_else(|| {
        Error::StaleAllocation(format!(
            "slot {} is held under that key by a running exec ({}), which gives it back when its \
             command ends",
            pool.slot_id(number),
            holder::name(allocation)
        ))
    })
}

fn tell(pool: &Pool<'_>, request: &Request, number: u32, allocation: &Allocation) {
    let unheeded = match request.reference.is_some() || request.branch.is_some() {
        true => format!("; it stays on {}", allocation.branch),
        false => String::new(),
    };
    pool.context.observer.note(&format!(
        "{} is held under that key already, for {}{unheeded}",
        pool.slot_id(number),
        age::since(allocation.allocated_at, clock::now())
    ));
}

/// The slots of all pools that are held under `key`; where there is none, those that are being given
/// back.
pub fn find<'c>(context: &'c Context<'_>, key: &str) -> Result<Vec<(Pool<'c>, u32)>> {
    let (mut held, mut leaving) = (Vec::new(), Vec::new());
    for name in context.workspace.pool_names()? {
        // A record that can't be read is another command's problem.
        let Ok(record) = store::read(&context.workspace, &name) else {
            continue;
        };
        for slot in &record.slots {
            let allocation = slot.allocation.as_ref();
            if allocation.and_then(|allocation| allocation.key.as_deref()) != Some(key) {
                continue;
            }
            let found = match selection::is_leaving(slot) {
                true => &mut leaving,
                false => &mut held,
            };
            found.push((context.pool(&name), slot.number));
        }
    }
    Ok(if held.is_empty() { leaving } else { held })
}

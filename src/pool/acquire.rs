//! Handing out a slot (2.1 to 2.3, 4.1, 4.2).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::fetch::{self, Freshness};
use super::journal::{self, SlotWork};
use super::ready::{self, Prepared, Unready};
use super::target::{self, Branch, Target};
use super::{Pool, exhaustion, holder, settle, slots};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{Allocation, Owner};
use crate::domain::pool::PoolRecord;
use crate::domain::process::ProcessStamp;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::refs;
use crate::git::repository::LocalRepository;
use crate::store::LockedPool;
use crate::sys::clock::Stopwatch;
use crate::sys::lock::FileLock;
use crate::sys::{clock, signals, user};

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// `--ref`.
    pub reference: Option<String>,
    /// `--branch`.
    pub branch: Option<String>,
    /// The user's own repository, if the pool was named by a path.
    pub source: Option<LocalRepository>,
    /// Notes to keep with the allocation.
    pub metadata: Map<String, Value>,
    /// Who will hold the slot.
    pub owner: Owner,
    /// The process that asks.
    pub caller: Option<ProcessStamp>,
    /// Whether this process will hold the slot for its life.
    pub hold: bool,
    /// How new the remote's state must be.
    pub freshness: Freshness,
    /// How many slots the pool may grow to, if it may.
    pub grow_to: Option<u32>,
}

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
    /// Whether the slot was verified and at the wanted commit.
    pub hit: bool,
    /// When the slot had been handed out before.
    previous: Option<jiff::Timestamp>,
}

/// Hands out a slot: fetches, chooses, prepares. Failing slots are put out of use and the next one
/// is tried.
pub fn allocate(pool: &Pool<'_>, request: &Request) -> Result<Allocated> {
    let watch = Stopwatch::start();
    let result = attempt(pool, request, &watch);
    if let Err(error) = &result
        && pool.settings.enable_metrics
        && is_a_failed_allocation(error)
    {
        record_failure(pool, error);
    }
    result
}

/// A repository that can't be read at all (a config that an agent broke, for one) is no slot's
/// fault.
pub fn repository_answers(pool: &Pool<'_>) -> Result<()> {
    refs::list(
        &pool.git,
        &pool.paths.repository(),
        &["refs/repo-pool/head"],
    )
    .map(|_| ())
}

/// Mistakes in the request, and waits that the caller gave up, are no failures of the pool.
fn is_a_failed_allocation(error: &Error) -> bool {
    !matches!(
        error,
        Error::PoolNotFound(_)
            | Error::Usage { .. }
            | Error::LockTimeout { .. }
            | Error::Interrupted(_)
    )
}

fn attempt(pool: &Pool<'_>, request: &Request, watch: &Stopwatch) -> Result<Allocated> {
    settle::leftovers(pool)?;
    not_exhausted(pool, request)?;
    let record = fetch::refresh(pool, request.freshness)?;
    let network = request.freshness != Freshness::Known;
    let target = target::resolve(
        pool,
        &record,
        request.reference.as_deref(),
        request.branch.as_deref(),
        request.source.as_ref(),
        network,
    )?;
    let mut skip = Vec::new();
    let mut last_error = None;
    loop {
        let Some(claim) = claim(pool, request, &target, &mut skip)? else {
            return Err(match last_error {
                Some(error) => error,
                None => exhaustion::error(pool)?,
            });
        };
        let number = claim.work.number;
        match prepare(pool, &claim, &target) {
            Ok(prepared) => return hand_out(pool, request, &target, claim, prepared, watch),
            Err(Unready::Occupied(by)) => {
                put_back(pool, &claim.work)?;
                let id = pool.slot_id(number);
                pool.context
                    .observer
                    .note(&format!("{id} is passed over: {by} is inside"));
            }
            Err(Unready::Failed(error)) => return Err(undone(pool, &claim, error)),
            Err(Unready::Broken(error)) => {
                if let Err(everybodys) = repository_answers(pool) {
                    return Err(undone(pool, &claim, everybodys));
                }
                give_up(pool, &claim, &error)?;
                last_error = Some(error);
            }
        }
        skip.push(number);
    }
}

/// Undoes the intent, and gives back why. What can't be undone now is journalled; the failure is
/// what counts.
fn undone(pool: &Pool<'_>, claim: &Claim, error: Error) -> Error {
    let _shield = signals::shield();
    let _ = match is_new(&claim.slot) {
        true => slots::unmake(pool, &claim.work),
        false => put_back(pool, &claim.work),
    };
    error
}

/// Fails before any fetch if there is nothing to hand out anyway.
fn not_exhausted(pool: &Pool<'_>, request: &Request) -> Result<()> {
    let record = pool.read()?;
    match selection::choose(&record, "", &[], request.grow_to) {
        Choice::Exhausted if !settle::reclaim_dead(pool)? => Err(exhaustion::error(pool)?),
        _ => Ok(()),
    }
}

/// A slot that was chosen for a request, with the intent recorded.
struct Claim {
    work: SlotWork,
    /// Its record, as it was before.
    slot: SlotRecord,
    /// The lock that shows that the holder lives, if this process will be it.
    holder: Option<FileLock>,
    /// Whether it is verified and at the wanted commit.
    hit: bool,
}

/// Chooses a slot under the pool's lock and records the intent.
fn claim(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    skip: &mut Vec<u32>,
) -> Result<Option<Claim>> {
    loop {
        let mut locked = pool.lock()?;
        branch_is_free(pool, &locked, target)?;
        let now = clock::now();
        let mut operation = journal::operation(OperationKind::Allocate, now);
        operation.branch.clone_from(&request.branch);
        let choice = selection::choose(&locked.record, &target.commit, skip, request.grow_to);
        let number = match choice {
            Choice::Exhausted => return Ok(None),
            Choice::Idle(number) | Choice::New(number) => number,
        };
        let Some(lock) = journal::try_slot(pool, number)? else {
            skip.push(number);
            continue;
        };
        if let Choice::New(number) = choice {
            operation.kind = OperationKind::Add;
            locked
                .record
                .insert(SlotRecord::reserved(number, operation.clone(), now));
        }
        let holder = match request.hold {
            true => FileLock::try_acquire(&pool.paths.holder_lock(number))?,
            false => None,
        };
        let before = locked.record.slot(number).cloned();
        let before = before.ok_or_else(|| Error::failed("the chosen slot is not in the record"))?;
        let work = journal::begin(locked, number, lock, operation)?;
        return Ok(Some(Claim {
            hit: before.verified && before.commit.as_ref() == Some(&target.commit),
            slot: before,
            work,
            holder,
        }));
    }
}

/// A branch can be checked out in one slot only, also when two ask for it at the same moment.
fn branch_is_free(pool: &Pool<'_>, locked: &LockedPool, target: &Target) -> Result<()> {
    let Branch::Named { name, .. } = &target.branch else {
        return Ok(());
    };
    let wanted_by = locked.record.slots.iter().find(|slot| {
        let wanted = slot
            .operation
            .as_ref()
            .and_then(|operation| operation.branch.as_ref());
        wanted == Some(name)
    });
    let holder = match wanted_by {
        Some(slot) => Some(pool.slot_id(slot.number).to_string()),
        None => refs::holder_of(&pool.paths.repository(), name)?.map(|dir| {
            crate::domain::names::slot_number(&dir)
                .map_or(dir, |number| pool.slot_id(number).to_string())
        }),
    };
    match holder {
        None => Ok(()),
        Some(slot) => Err(Error::Failed {
            message: format!("branch {name:?} is checked out in {slot}"),
            hint: Some(format!(
                "release that slot first (`repo-pool release {slot}`), or choose another branch"
            )),
        }),
    }
}

fn prepare(
    pool: &Pool<'_>,
    claim: &Claim,
    target: &Target,
) -> std::result::Result<Prepared, Unready> {
    let Claim { work, slot, .. } = claim;
    if !is_new(slot) {
        return ready::prepare(pool, slot, &work.lock, target);
    }
    slots::make(pool, slot.number, &work.lock, &target.commit)?;
    let made = SlotRecord {
        verified: true,
        commit: Some(target.commit.clone()),
        ..slot.clone()
    };
    ready::prepare(pool, &made, &work.lock, target)
}

/// A slot that this very request adds.
fn is_new(slot: &SlotRecord) -> bool {
    slot.operation
        .as_ref()
        .is_some_and(|operation| operation.kind == OperationKind::Add)
}

fn hand_out(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    claim: Claim,
    prepared: Prepared,
    watch: &Stopwatch,
) -> Result<Allocated> {
    let Claim {
        work, holder, hit, ..
    } = claim;
    let work = &work;
    let mut locked = journal::reload(pool, work)?;
    let now = clock::now();
    let allocation = Allocation {
        id: user::random_hex(16),
        generation: locked.record.next_generation(),
        allocated_at: now,
        owner: request.owner.clone(),
        caller: request.caller.clone(),
        holder_lock: holder.is_some(),
        commit: target.commit.clone(),
        branch: prepared.branch,
        named_branch: matches!(target.branch, Branch::Named { .. }),
        metadata: request.metadata.clone(),
    };
    prepared
        .events
        .into_iter()
        .for_each(|event| locked.note(event));
    let took = watch.elapsed();
    locked.note(Event {
        allocation_id: Some(allocation.id.clone()),
        owner: Some(holder::name(&allocation)),
        commit: Some(allocation.commit.clone()),
        reference: Some(allocation.branch.clone()),
        duration_seconds: Some(took.as_secs_f64()),
        operations: prepared.operations,
        metadata: allocation.metadata.clone(),
        ..Event::new(EventKind::Allocated, &pool.name, now).slot(pool.slot_id(work.number))
    });
    let previous = journal::slot_of(&mut locked, work).last_allocated_at;
    journal::slot_of(&mut locked, work).hand_out(allocation, target.commit.clone(), now);
    if pool.settings.enable_metrics {
        locked.record.metrics.record(took, hit);
    }
    let record = locked.record.clone();
    locked.save()?;
    let slot = record
        .slot(work.number)
        .cloned()
        .ok_or_else(|| Error::failed("the slot is no more"))?;
    Ok(Allocated {
        slot,
        path: pool.paths.slot(work.number),
        holder,
        pool: record,
        took,
        hit,
        previous,
    })
}

/// The slot is as it was: available, but not seen clean.
fn put_back(pool: &Pool<'_>, work: &SlotWork) -> Result<()> {
    ready::take_off_branch(pool, work.number, &work.lock)?;
    journal::finish(pool, work, |locked, now| {
        journal::slot_of(locked, work).make_available(false, None, now);
    })?;
    Ok(())
}

/// A slot that can't be made ready goes out of use (9.5); a new one goes away again.
fn give_up(pool: &Pool<'_>, claim: &Claim, error: &Error) -> Result<()> {
    let work = &claim.work;
    if is_new(&claim.slot) {
        return slots::unmake(pool, work);
    }
    let reason = error.reason();
    pool.context.observer.warn(&format!(
        "{} is put out of use: {reason}",
        pool.slot_id(work.number)
    ));
    journal::finish(pool, work, |locked, now| {
        journal::slot_of(locked, work).put_out_of_use(&reason, now);
        locked.note(
            Event::new(EventKind::Isolated, &pool.name, now)
                .slot(pool.slot_id(work.number))
                .detail(&reason),
        );
    })?;
    Ok(())
}

/// Takes back an allocation that could not be told to its caller: it never happened.
pub fn take_back(pool: &Pool<'_>, allocated: &Allocated) -> Result<()> {
    let _shield = signals::shield();
    let number = allocated.slot.number;
    let (lock, mut locked) = journal::wait_for_slot(pool, number)?;
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
        ready::take_off_branch(pool, number, &lock)?;
        slot.take_back(allocated.previous, now);
        slot.make_available(false, None, now);
        if pool.settings.enable_metrics {
            locked
                .record
                .metrics
                .take_back(allocated.took, allocated.hit);
        }
        locked.note(
            Event::new(EventKind::AllocationFailed, &pool.name, now)
                .slot(pool.slot_id(number))
                .detail("the path could not be printed; the allocation was taken back"),
        );
        locked.save()?;
    }
    Ok(())
}

/// A failed request is counted, if that needs no wait; that it can't be is no second failure.
fn record_failure(pool: &Pool<'_>, error: &Error) {
    if let Ok(Some(mut locked)) = pool.try_lock() {
        locked.record.metrics.failed += 1;
        locked.note(
            Event::new(EventKind::AllocationFailed, &pool.name, clock::now())
                .detail(error.to_string()),
        );
        // The message that matters is the failure itself.
        let _ = locked.save();
    }
}

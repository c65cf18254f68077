//! Handing out a slot (2.1 to 2.3, 4.1, 4.2).

use std::time::Duration;

use serde_json::{Map, Value};

use super::fetch::Freshness;
use super::hand_out::{self, Allocated, Ready};
use super::journal::{self, SlotWork};
use super::ready::{self, Looked, Prepared, Unready};
use super::target::{self, Branch, Target};
use super::{
    Pool, ahead, background, copies, exhaustion, park, settle, shared, slots, verified, warm,
};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::Owner;
use crate::domain::pool::PoolRecord;
use crate::domain::process::ProcessStamp;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::{Operation, OperationKind, SlotRecord};
use crate::domain::{Error, Result};
use crate::git::refs;
use crate::git::repository::LocalRepository;
use crate::store::LockedPool;
use crate::sys::clock::Stopwatch;
use crate::sys::lock::FileLock;
use crate::sys::{clock, signals};

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
    /// For how long, unless renewed.
    pub ttl: Option<Duration>,
    /// The process that asks.
    pub caller: Option<ProcessStamp>,
    /// Whether this process will hold the slot for its life.
    pub hold: bool,
    /// How new the remote's state must be.
    pub freshness: Freshness,
    /// How many slots the pool may grow to, if it may.
    pub grow_to: Option<u32>,
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
    let record = settle::leftovers(pool)?;
    shared::usable(pool)?;
    copies::check(pool)?;
    not_exhausted(pool, request, &record)?;
    let network = request.freshness != Freshness::Known;
    let (record, mut ahead) = ahead::fetch(pool, request, record)?;
    let resolved = target::resolve(
        pool,
        &record,
        request.reference.as_deref(),
        request.branch.as_deref(),
        request.source.as_ref(),
        network,
    );
    let target = match (resolved, &ahead) {
        (Err(error), Some((claim, _))) => return Err(undone(pool, claim, error)),
        (resolved, _) => resolved?,
    };
    let mut skip = Vec::new();
    let mut last_error = None;
    loop {
        let (claim, looked) = match ahead.take() {
            Some((claim, looked)) => (claim, Some(looked)),
            None => match claim(pool, request, &target, &mut skip, watch)? {
                Claimed::Done(allocated) => return Ok(*allocated),
                Claimed::ToPrepare(claim) => (*claim, None),
                Claimed::Nothing => {
                    return Err(match last_error {
                        Some(error) => error,
                        None => exhaustion::error(pool)?,
                    });
                }
            },
        };
        let number = claim.work.number;
        match prepare(pool, &claim, looked, &target) {
            Ok(prepared) => {
                return hand_out::prepared(pool, request, &target, claim, prepared, watch);
            }
            Err(Unready::Occupied(by)) => {
                put_back(pool, &claim.work)?;
                let id = pool.slot_id(number);
                pool.context
                    .observer
                    .note(&format!("{id} is passed over: {by} is inside"));
            }
            Err(Unready::Passed(error)) => last_error = Some(undone(pool, &claim, error)),
            Err(Unready::Failed(error)) => return Err(undone(pool, &claim, error)),
            Err(Unready::Broken(error)) => {
                if let Err(everybodys) = repository_answers(pool) {
                    return Err(undone(pool, &claim, everybodys));
                }
                give_up(pool, &claim, &error)?;
                // Where the set-up of one slot fails, that of others most likely does, and takes its time.
                if is_of_setup(&error) {
                    return Err(error);
                }
                last_error = Some(error);
            }
        }
        skip.push(number);
    }
}

/// Undoes the intent, and gives back why. What can't be undone now is journalled; the failure is
/// what counts.
pub fn undone(pool: &Pool<'_>, claim: &Claim, error: Error) -> Error {
    let _shield = signals::shield();
    let _ = match is_new(&claim.slot) {
        true => slots::unmake(pool, &claim.work),
        false => put_back(pool, &claim.work),
    };
    error
}

/// Fails before any fetch if there is nothing to hand out anyway.
fn not_exhausted(pool: &Pool<'_>, request: &Request, record: &PoolRecord) -> Result<()> {
    match selection::choose(record, "", &[], request.grow_to) {
        Choice::Exhausted
            if !settle::reclaim_dead(pool)?
                && !warm::await_one(pool)?
                && !background::await_release(pool)? =>
        {
            Err(exhaustion::error(pool)?)
        }
        _ => Ok(()),
    }
}

/// A slot that was chosen for a request, with the intent recorded.
pub struct Claim {
    /// The intent.
    pub work: SlotWork,
    /// The slot's record, as it was before.
    pub slot: SlotRecord,
    /// The lock that shows that the holder lives, if this process will be it.
    pub holder: Option<FileLock>,
    /// Whether it was verified and at the wanted commit.
    pub hit: bool,
}

/// What choosing came to.
enum Claimed {
    /// The slot needed no preparation and is handed out.
    Done(Box<Allocated>),
    /// It is to be prepared.
    ToPrepare(Box<Claim>),
    /// There is none.
    Nothing,
}

/// Chooses a slot under the pool's lock. One that lies ready is handed out there and then; for any
/// other the intent is recorded.
fn claim(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    skip: &mut Vec<u32>,
    watch: &Stopwatch,
) -> Result<Claimed> {
    loop {
        let mut locked = pool.lock()?;
        branch_is_free(pool, &locked, target)?;
        let now = clock::now();
        let mut operation = journal::operation(OperationKind::Allocate, now);
        operation.branch.clone_from(&request.branch);
        let choice = selection::choose(&locked.record, &target.commit, skip, request.grow_to);
        let number = match choice {
            Choice::Exhausted => {
                drop(locked);
                match warm::await_one(pool)? {
                    true => continue,
                    false => return Ok(Claimed::Nothing),
                }
            }
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
        let holder = holder_lock(pool, request, number)?;
        let slot = locked.record.slot(number);
        let hit = slot
            .is_some_and(|slot| slot.is_verified() && slot.commit.as_ref() == Some(&target.commit));
        if hit && hand_out::lies_ready(pool, &locked.record, number, target)? {
            let ready = Ready {
                number,
                lock,
                holder,
            };
            let allocated = hand_out::at_once(pool, request, target, locked, ready, watch)?;
            return Ok(Claimed::Done(Box::new(allocated)));
        }
        let claim = intend(locked, number, lock, holder, hit, operation)?;
        return Ok(Claimed::ToPrepare(Box::new(claim)));
    }
}

/// The lock that shows that the holder lives, if this process will be it.
pub fn holder_lock(pool: &Pool<'_>, request: &Request, number: u32) -> Result<Option<FileLock>> {
    match request.hold {
        true => FileLock::try_acquire(&pool.paths.holder_lock(number)),
        false => Ok(None),
    }
}

/// Records the intent to hand the slot out.
pub fn intend(
    locked: LockedPool,
    number: u32,
    lock: FileLock,
    holder: Option<FileLock>,
    hit: bool,
    operation: Operation,
) -> Result<Claim> {
    let slot = locked.record.slot(number).cloned();
    let slot = slot.ok_or_else(|| Error::failed("the chosen slot is not in the record"))?;
    Ok(Claim {
        work: journal::begin(locked, number, lock, operation)?,
        slot,
        holder,
        hit,
    })
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
        None => refs::holder_of(&pool.paths.repository(), name, &|_| false)?.map(|dir| {
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
    looked: Option<std::result::Result<Looked, Unready>>,
    target: &Target,
) -> std::result::Result<Prepared, Unready> {
    let Claim { work, slot, .. } = claim;
    if !is_new(slot) {
        return ready::prepare(pool, slot, &work.lock, looked, target);
    }
    slots::make(pool, slot.number, &work.lock, &target.commit)?;
    let made = SlotRecord {
        mark: verified::mark(pool, slot.number, &target.commit),
        commit: Some(target.commit.clone()),
        ..slot.clone()
    };
    ready::prepare(pool, &made, &work.lock, None, target)
}

/// A slot that this very request adds.
fn is_new(slot: &SlotRecord) -> bool {
    slot.operation
        .as_ref()
        .is_some_and(|operation| operation.kind == OperationKind::Add)
}

/// The slot is as it was: available, but not seen clean. Off its branch it goes if git can do that.
fn put_back(pool: &Pool<'_>, work: &SlotWork) -> Result<()> {
    match ready::take_off_branch(pool, work.number) {
        Err(error) if ready::is_shared(&error) => {}
        other => other?,
    }
    journal::finish(pool, work, |locked, now| {
        journal::slot_of(locked, work).make_available(None, None, now);
    })?;
    Ok(())
}

/// Whether the set-up command failed.
fn is_of_setup(error: &Error) -> bool {
    matches!(error, Error::SetUp { .. })
}

/// A slot that can't be made ready goes out of use (9.5); a new one goes away again, unless a person is
/// to see why it can't be set up.
fn give_up(pool: &Pool<'_>, claim: &Claim, error: &Error) -> Result<()> {
    let work = &claim.work;
    if is_new(&claim.slot) && !is_of_setup(error) {
        return slots::unmake(pool, work);
    }
    let reason = error.reason();
    // The failure of a set-up ends the allocation, and is said there.
    if !is_of_setup(error) {
        pool.context.observer.warn(&format!(
            "{} is put out of use: {reason}",
            pool.slot_id(work.number)
        ));
    }
    park::bring_out(pool, work.number)?;
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

/// A failed request is counted, if that needs no wait; that it can't be is no second failure.
fn record_failure(pool: &Pool<'_>, error: &Error) {
    if let Ok(Some(mut locked)) = pool.try_lock() {
        locked.measure(|metrics| metrics.failed += 1);
        locked.note(
            Event::new(EventKind::AllocationFailed, &pool.name, clock::now())
                .detail(error.to_string()),
        );
        // The message that matters is the failure itself.
        let _ = locked.save();
    }
}

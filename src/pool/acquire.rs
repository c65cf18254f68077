//! Handing out a slot (2.1 to 2.3, 4.1, 4.2).

use std::time::Duration;

use serde_json::{Map, Value};

use super::ahead::{self, Ahead};
use super::claim::{self, Claim, Claimed};
use super::fetch::Freshness;
use super::hand_out::{self, Allocated};
use super::journal::{self, SlotWork};
use super::keys::{self, Found};
use super::ready::{self, Looked, Prepared, Unready};
use super::target::{self, Branch, Target};
use super::waiting::{Turn, Waiting};
use super::{Pool, background, copies, park, settle, shared, slots, verified, warm};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::Owner;
use crate::domain::pool::PoolRecord;
use crate::domain::process::ProcessStamp;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::SlotRecord;
use crate::domain::{Error, Result};
use crate::git::repository::LocalRepository;
use crate::git::{Oid, refs};
use crate::sys::clock::Stopwatch;
use crate::sys::{clock, signals};

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// `--ref`.
    pub reference: Option<String>,
    /// `--branch`.
    pub branch: Option<String>,
    /// The commit that the branch was left at by somebody who needs it no more: if it is still there,
    /// it begins anew where the slot starts.
    pub spent: Option<Oid>,
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
    /// For how long a slot is waited for if none is free.
    pub wait: Option<Duration>,
    /// The caller's own name for what it is for: the same key gets the same slot while it is held.
    pub key: Option<String>,
    /// The slot that it would rather have than another that is free.
    pub prefer: Option<u32>,
}

impl Request {
    /// Whether it waits for a slot if none is free.
    pub fn waits(&self) -> bool {
        self.wait.is_some_and(|time| !time.is_zero())
    }
}

/// Hands out a slot: the one that is held under the same key, else one that is free. Waits in line for
/// one if so asked.
pub fn allocate(pool: &Pool<'_>, request: &Request) -> Result<Allocated> {
    let result = sooner_or_later(pool, request);
    if let Err(error) = &result
        && pool.settings.enable_metrics
        && is_a_failed_allocation(error)
    {
        record_failure(pool, error);
    }
    result
}

fn sooner_or_later(pool: &Pool<'_>, request: &Request) -> Result<Allocated> {
    let mut waiting = Waiting::new(pool, request);
    let mut watch = Stopwatch::start();
    let mut claimed = None;
    loop {
        match attempt(pool, request, claimed.take(), &mut waiting, &watch)? {
            Attempt::Done(allocated) => return Ok(*allocated),
            Attempt::Keyed => {}
            Attempt::Exhausted => {
                if let Turn::Claimed(claim) = waiting.turn()? {
                    claimed = Some(*claim);
                }
                // How long a slot takes is one thing, how long all are taken another.
                watch = Stopwatch::start();
            }
        }
    }
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

/// What one attempt came to.
enum Attempt {
    /// A slot is handed out.
    Done(Box<Allocated>),
    /// Another command has got one for the same key.
    Keyed,
    /// None is free.
    Exhausted,
}

/// Fetches, chooses (if that was not done), prepares. Failing slots are put out of use and the next
/// one is tried.
fn attempt(
    pool: &Pool<'_>,
    request: &Request,
    claimed: Option<Claim>,
    waiting: &mut Waiting<'_, '_>,
    watch: &Stopwatch,
) -> Result<Attempt> {
    let done = |allocated| Ok(Attempt::Done(Box::new(allocated)));
    let (record, mut ahead) = match claimed {
        Some(claim) => ahead::fetch_for(pool, request, claim)?,
        None => {
            let record = settle::leftovers(pool)?;
            shared::usable(pool)?;
            copies::check(pool)?;
            let record = match keys::held(pool, request, record)? {
                Found::Held(allocated) => return Ok(Attempt::Done(allocated)),
                Found::Free(record) => *record,
            };
            if is_exhausted(pool, request, &record)? {
                return Ok(Attempt::Exhausted);
            }
            ahead::fetch(pool, request, record)?
        }
    };
    let target = match (resolved(pool, request, &record, &ahead), &ahead) {
        (Err(error), Some((claim, _))) => return Err(undone(pool, claim, error)),
        (resolved, _) => resolved?,
    };
    let mut skip = Vec::new();
    let mut last_error = None;
    loop {
        let (claim, looked) = match ahead.take() {
            Some(ahead) => ahead,
            None => match claim::slot(pool, request, &target, &mut skip, watch)? {
                Claimed::Done(allocated) => return Ok(Attempt::Done(allocated)),
                Claimed::ToPrepare(claim) => (*claim, None),
                Claimed::Keyed => return Ok(Attempt::Keyed),
                Claimed::Nothing => {
                    return last_error.map_or(Ok(Attempt::Exhausted), Err);
                }
            },
        };
        let number = claim.work.number;
        match prepare(pool, &claim, looked, &target) {
            Ok(prepared) => {
                return done(hand_out::prepared(
                    pool, request, &target, claim, prepared, watch,
                )?);
            }
            Err(Unready::Occupied(by)) => {
                put_back(pool, &claim.work)?;
                waiting.pass_over(number);
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
                // Who waits may get another, and this was said.
                last_error = last_error.or((!request.waits()).then_some(error));
            }
        }
        skip.push(number);
    }
}

/// What the caller wants, now that the remote was asked. A slot that was claimed before may have lost
/// its claim to a branch to somebody who works in another.
fn resolved(
    pool: &Pool<'_>,
    request: &Request,
    record: &PoolRecord,
    ahead: &Option<Ahead>,
) -> Result<Target> {
    let target = target::resolve(pool, record, request)?;
    if let (Some((claim, _)), Branch::Named { name, .. }) = (ahead, &target.branch) {
        claim::branch_is_free(pool, &pool.read()?, name, Some(claim.work.number))?;
    }
    Ok(target)
}

/// Undoes the intent, and gives back why. What can't be undone now is journalled; the failure is
/// what counts.
pub fn undone(pool: &Pool<'_>, claim: &Claim, error: Error) -> Error {
    let _shield = signals::shield();
    let _ = match claim.is_new() {
        true => slots::unmake(pool, &claim.work),
        false => put_back(pool, &claim.work),
    };
    error
}

/// Whether there is nothing to hand out anyway, which needs no fetch. Who does not wait in line gets
/// what is about to be free.
fn is_exhausted(pool: &Pool<'_>, request: &Request, record: &PoolRecord) -> Result<bool> {
    match selection::choose(record, "", &[], request.grow_to, 0, request.prefer) {
        Choice::Exhausted if request.waits() => Ok(true),
        Choice::Exhausted => Ok(!settle::reclaim_dead(pool)?
            && !warm::await_one(pool)?
            && !background::await_release(pool)?),
        _ => Ok(false),
    }
}

fn prepare(
    pool: &Pool<'_>,
    claim: &Claim,
    looked: Option<std::result::Result<Looked, Unready>>,
    target: &Target,
) -> std::result::Result<Prepared, Unready> {
    let Claim { work, slot, .. } = claim;
    if !claim.is_new() {
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
    if claim.is_new() && !is_of_setup(error) {
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

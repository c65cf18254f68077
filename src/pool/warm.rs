//! Idle slots that follow the remote (10.3), so that the next allocation finds them at the base.
//!
//! A slot is brought to the base under its lock, with the intent recorded, like everything else that
//! is done to one; whoever wants a slot meanwhile takes another, or waits for that one if there is
//! none. If the command is killed, the slot is idle and unverified, as after any allocation that was
//! undone.

use super::fetch::{self, Freshness};
use super::journal::{self, SlotWork};
use super::tidy::{self, Cleaned, Tidied};
use super::{
    Pool, acquire, fresh_index, holder, isolate, keep, parallel, ready, settle, shared, submodules,
    verified,
};
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::{WarmResult, WarmedPool, WarmedSlot};
use crate::domain::rescue::Reason;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::{Oid, refs};
use crate::sys::clock::Stopwatch;
use crate::sys::{clock, signals};

/// What is to be made ready.
#[derive(Debug, Clone)]
pub struct Request {
    /// Only these slots.
    pub slots: Option<Vec<u32>>,
    /// How new the remote's state must be.
    pub freshness: Freshness,
}

/// Brings the pool's idle slots to its base, several at a time. A slot that can't be made ready stops
/// none of the others.
pub fn warm(pool: &Pool<'_>, request: &Request) -> Result<WarmedPool> {
    let record = settle::leftovers(pool)?;
    shared::usable(pool)?;
    let record = fetch::refresh(pool, request.freshness, record)?;
    let base = record.remote.base_commit.clone();
    let base = base.ok_or_else(|| Error::failed("the pool has no base commit"))?;
    let chosen: Vec<u32> = match &request.slots {
        Some(named) => named.clone(),
        None => idle(&record.slots).collect(),
    };
    if let Some(number) = idle(&record.slots).next() {
        keep::warn_of_tracked(pool, number)?;
    }
    let jobs = parallel::jobs(pool.settings.jobs);
    let slots = parallel::each(&chosen, jobs, |number| one(pool, *number, &base));
    let slots = slots.into_iter().collect::<Result<Vec<_>>>()?;
    fresh_index::renew(pool, &chosen)?;
    Ok(WarmedPool {
        repo_name: pool.name.to_string(),
        base_commit: Some(base),
        slots,
        error: None,
    })
}

fn idle(slots: &[SlotRecord]) -> impl Iterator<Item = u32> {
    let idle = slots
        .iter()
        .filter(|slot| slot.state == SlotState::Available);
    idle.map(|slot| slot.number)
}

/// Brings one slot to the base. Fails only if all others have to stop too.
fn one(pool: &Pool<'_>, number: u32, base: &Oid) -> Result<WarmedSlot> {
    let watch = Stopwatch::start();
    let mut warmed = WarmedSlot {
        slot_id: pool.slot_id(number).to_string(),
        result: WarmResult::PassedOver,
        operations: Vec::new(),
        duration_seconds: None,
        rescue: None,
        reason: None,
    };
    let (work, slot) = match begin(pool, number, base)? {
        Begun::Work(work, slot) => (work, slot),
        Begun::Nothing(result, reason) => {
            (warmed.result, warmed.reason) = (result, reason);
            return Ok(warmed);
        }
    };
    match bring_to(pool, &work, &slot, base) {
        Ok(Tidied::Clean(cleaned)) => {
            warmed.result = WarmResult::Warmed;
            warmed.operations.clone_from(&cleaned.operations);
            warmed.rescue.clone_from(&cleaned.rescue);
            warmed.duration_seconds = Some(watch.elapsed().as_secs_f64());
            warmed.reason = record(pool, work, base, *cleaned, &watch)?.then(|| {
                "it can't be parked, so it is looked at once more when it is handed out".into()
            });
        }
        Ok(Tidied::Occupied(process)) => {
            warmed.reason = Some(format!(
                "pid {} ({}) is inside",
                process.pid, process.command
            ));
            leave(pool, work)?;
        }
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => {
            let _shield = signals::shield();
            warmed.result = WarmResult::Failed;
            warmed.reason = Some(error.reason());
            give_up(pool, work, &error)?;
        }
    }
    Ok(warmed)
}

/// What choosing a slot came to.
enum Begun {
    /// It is to be brought to the base: the intent, and its record as it was before.
    Work(SlotWork, Box<SlotRecord>),
    /// There is nothing to do, or nothing that may be done.
    Nothing(WarmResult, Option<String>),
}

fn begin(pool: &Pool<'_>, number: u32, base: &Oid) -> Result<Begun> {
    let passed_over = |why: String| Ok(Begun::Nothing(WarmResult::PassedOver, Some(why)));
    let locked = pool.lock()?;
    let Some(slot) = locked.record.slot(number).cloned() else {
        return passed_over("it was removed meanwhile".into());
    };
    if slot.state != SlotState::Available {
        return passed_over(not_idle(&slot));
    }
    if is_warm(pool, &slot, base)? {
        return Ok(Begun::Nothing(WarmResult::AlreadyWarm, None));
    }
    let Some(lock) = journal::try_slot(pool, number)? else {
        return passed_over("another command works on it".into());
    };
    let operation = journal::operation(OperationKind::Warm, clock::now());
    let work = journal::begin(locked, number, lock, operation)?;
    Ok(Begun::Work(work, Box::new(slot)))
}

fn not_idle(slot: &SlotRecord) -> String {
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Allocated, Some(allocation), _) => {
            format!("it is allocated to {}", holder::name(allocation))
        }
        (SlotState::Error, ..) => format!(
            "it is out of use: {}",
            slot.error.as_deref().unwrap_or("no reason recorded")
        ),
        (_, _, Some(operation)) => format!("{} is under way", operation.kind),
        (state, ..) => format!("it is {state}"),
    }
}

/// Whether handing the slot out at `base` would take nothing but its rename.
fn is_warm(pool: &Pool<'_>, slot: &SlotRecord, base: &Oid) -> Result<bool> {
    let branch = format!("refs/heads/{}", pool.own_branch(slot.number));
    Ok(slot.commit.as_ref() == Some(base)
        && refs::is_at(&pool.paths.repository(), &branch, base)?
        && verified::holds(pool, slot))
}

fn bring_to(pool: &Pool<'_>, work: &SlotWork, slot: &SlotRecord, base: &Oid) -> Result<Tidied> {
    match verified::holds(pool, slot) && submodules::stay(pool, slot, base) {
        true => tidy::advance(pool, work, slot, base).map(|done| Tidied::Clean(Box::new(done))),
        false => tidy::look_and_clean(pool, work, slot, base, Reason::Found),
    }
}

/// Records that the slot is ready. Tells whether it had to stay where people reach it.
fn record(
    pool: &Pool<'_>,
    work: SlotWork,
    base: &Oid,
    cleaned: Cleaned,
    watch: &Stopwatch,
) -> Result<bool> {
    let number = work.number;
    if let Some(rescue) = &cleaned.rescue {
        pool.context.observer.warn(&format!(
            "{} held work although nobody had it; it was saved: `repo-pool rescue show {}`",
            pool.slot_id(number),
            rescue.rescue_id
        ));
    }
    let mark = verified::mark(pool, number, base);
    let in_place = mark.is_none();
    journal::conclude(pool, work, |locked, work, now| {
        journal::slot_of(locked, work).make_available(mark, Some(base.clone()), now);
        cleaned
            .events
            .into_iter()
            .for_each(|event| locked.note(event));
        locked.note(Event {
            commit: Some(base.clone()),
            operations: cleaned.operations,
            duration_seconds: Some(watch.elapsed().as_secs_f64()),
            ..Event::new(EventKind::Warmed, &pool.name, now).slot(pool.slot_id(number))
        });
    })?;
    Ok(in_place)
}

/// The slot is idle again, and not seen clean.
fn leave(pool: &Pool<'_>, work: SlotWork) -> Result<()> {
    journal::conclude(pool, work, |locked, work, now| {
        journal::slot_of(locked, work).make_available(None, None, now);
    })
}

/// A slot that can't be made ready goes out of use (9.5), unless another would have failed as well.
fn give_up(pool: &Pool<'_>, work: SlotWork, error: &Error) -> Result<()> {
    let everybodys = ready::is_shared(error)
        || ready::was_ended(error)
        || acquire::repository_answers(pool).is_err();
    match everybodys {
        true => leave(pool, work),
        false => isolate::put_out_of_use(pool, &work, &error.reason()),
    }
}

/// Waits for a slot that is being made ready: who finds no other can have it soon. False if there is
/// none.
pub fn await_one(pool: &Pool<'_>) -> Result<bool> {
    let record = pool.read()?;
    let warming = record.slots.iter().find(|slot| {
        let operation = slot.operation.as_ref();
        operation.is_some_and(|operation| operation.kind == OperationKind::Warm)
    });
    let Some(slot) = warming else {
        return Ok(false);
    };
    let what = format!("slot {}, which is made ready", pool.slot_id(slot.number));
    let path = pool.paths.slot_lock(slot.number);
    let lock = pool.acquire(pool.workspace.locks(), &path, &what)?;
    settle::with_lock(pool, slot.number, lock)?;
    Ok(true)
}

//! Taking a slot back (2.4, 3.4, 3.5): nothing is destroyed before it is saved.

mod act;

use std::time::Duration;

use self::act::Acted;
use super::holder::{self, Wish};
use super::journal::{self, SlotWork};
use super::{
    Pool, acquire, background, clones, leaving, occupants, on_release, park, ready, settle, trash,
};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{self, Allocation, HolderFacts, Verdict};
use crate::domain::outcome::{CleanupView, RescueView};
use crate::domain::process::ProcessStamp;
use crate::domain::slot::{Operation, OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::store::LockedPool;
use crate::sys::{clock, liveness, signals};

/// How a slot is to be given back.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The allocation id that the caller presents.
    pub allocation: Option<String>,
    /// Leave the tree as it is; the next allocation cleans it.
    pub no_cleanup: bool,
    /// Give unlanded work up instead of saving it.
    pub discard: bool,
    /// Let a process of its own clean.
    pub background: bool,
    /// End the processes inside.
    pub kill: bool,
    /// An operator's: past a live holder.
    pub force: bool,
    /// The holder leaves for good: the slot is given back also if a process is inside, as soon as that
    /// has left.
    pub lasting: bool,
}

/// A slot that is back.
pub struct Returned {
    /// Its record.
    pub slot: SlotRecord,
    /// Whether there was anything to give back.
    pub was_allocated: bool,
    /// What cleaning did; `None` if it was skipped, or is still to be done.
    pub cleanup: Option<CleanupView>,
    /// The work that was saved.
    pub rescue: Option<RescueView>,
}

/// Gives the slot back, if the caller may.
pub fn release(pool: &Pool<'_>, number: u32, request: &Request) -> Result<Returned> {
    if request.kill {
        leaving::end_occupants(pool, number)?;
    }
    settle::leftovers(pool)?;
    let (lock, locked) = journal::wait_for_slot(pool, number)?;
    let slot = settled_slot(&locked, number)?;
    drop(locked);
    let Some(allocation) = slot
        .allocation
        .clone()
        .filter(|_| slot.state == SlotState::Allocated)
    else {
        return idle(pool, slot);
    };
    let presented = request.allocation.as_deref();
    let wish = Wish::Release;
    let forced = holder::permit(pool, number, &allocation, wish, presented, request.force)?;
    // Ending processes may take its time: the slot's lock is enough for that.
    let later = finds_out_later(pool, request, &allocation);
    let in_sight = request.no_cleanup || !later && occupants::any_in_sight(pool, number);
    let inside = match in_sight {
        true => occupants::none_but_callers(pool, number, request.kill),
        false => Ok(false),
    };
    let occupied = request.lasting && matches!(inside, Err(Error::Refused { .. }));
    let own_inside = !occupied && inside?;
    let mut locked = pool.lock()?;
    if settled_slot(&locked, number)?
        .allocation
        .as_ref()
        .map(|held| &held.id)
        != Some(&allocation.id)
    {
        return Err(Error::StaleAllocation(format!(
            "slot {} was released by somebody else meanwhile",
            pool.slot_id(number)
        )));
    }
    forced.into_iter().for_each(|event| locked.note(event));
    let operation = Operation {
        no_cleanup: request.no_cleanup,
        in_place: own_inside || !sees_all_processes(&allocation),
        discard: request.discard,
        lasting: request.lasting,
        kill: later,
        ..journal::operation(OperationKind::Release, clock::now())
    };
    let work = journal::begin(locked, number, lock, operation.clone())?;
    // Nobody is disturbed by parking the slot who is known to be there.
    if occupied && let Some(process) = occupants::any(pool, number) {
        return leaving::wait(pool, &work, &process);
    }
    match request.background && !request.no_cleanup {
        true => background::begin(pool, &work, &operation),
        false => carry_out(pool, &work, &operation),
    }
}

/// Whether who is inside need not be looked for before the slot is parked: nobody is to be left
/// undisturbed, and nothing but the parking, which looks itself, comes first.
fn finds_out_later(pool: &Pool<'_>, request: &Request, allocation: &Allocation) -> bool {
    request.kill
        && request.lasting
        && !(request.no_cleanup || request.background || on_release::is_asked_for(pool))
        && sees_all_processes(allocation)
}

/// Gives back a slot whose holder is provably gone or has let its lease run out; work is saved.
/// `None` if that is not so, or not any more.
pub fn reclaim(pool: &Pool<'_>, number: u32) -> Result<Option<Returned>> {
    take_back(pool, number, |allocation, facts| {
        match lease::verdict(allocation, facts) {
            Verdict::Reclaimable(reason) => Some(reason.to_string()),
            _ => None,
        }
    })
}

/// Gives back a slot that was held for longer than `stale_after`, as an operator asked for; never
/// past a holder that lives or may live, and work is saved. `None` if that is not so.
pub fn reclaim_stale(
    pool: &Pool<'_>,
    number: u32,
    stale_after: Duration,
) -> Result<Option<Returned>> {
    take_back(pool, number, |allocation, facts| {
        lease::may_take_stale(allocation, facts, stale_after)
            .then(|| "it was allocated for too long".to_owned())
    })
}

/// Gives back a slot for the reason that `why` finds, which is asked under the locks: what was seen
/// before them may have changed.
fn take_back(
    pool: &Pool<'_>,
    number: u32,
    why: impl FnOnce(&Allocation, &HolderFacts) -> Option<String>,
) -> Result<Option<Returned>> {
    let Some(lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let mut locked = pool.lock()?;
    let slot = settled_slot(&locked, number)?;
    let allocation = slot
        .allocation
        .filter(|_| slot.state == SlotState::Allocated);
    let Some(allocation) = allocation else {
        return Ok(None);
    };
    let Some(reason) = why(&allocation, &holder::all_facts(pool, number, &allocation)) else {
        return Ok(None);
    };
    let operation = Operation {
        in_place: !sees_all_processes(&allocation),
        reclaim: true,
        ..journal::operation(OperationKind::Release, clock::now())
    };
    locked.note(Event {
        owner: Some(holder::name(&allocation)),
        allocation_id: Some(allocation.id),
        ..Event::new(EventKind::Reclaimed, &pool.name, clock::now())
            .slot(pool.slot_id(number))
            .detail(reason)
    });
    let work = journal::begin(locked, number, lock, operation.clone())?;
    carry_out(pool, &work, &operation).map(Some)
}

/// Whether processes that got into the slot during the allocation can be seen from here: not from
/// another pid namespace than it was made in.
fn sees_all_processes(allocation: &Allocation) -> bool {
    let namespace = |stamp: &ProcessStamp| stamp.pid_namespace;
    allocation.caller.as_ref().map(namespace) == Some(liveness::machine().pid_namespace)
}

fn settled_slot(locked: &LockedPool, number: u32) -> Result<SlotRecord> {
    let slot = locked.record.slot(number).cloned();
    slot.ok_or_else(|| Error::SlotNotFound(locked.record.slot_id(number).to_string()))
}

/// Releasing an available slot succeeds and changes nothing.
fn idle(pool: &Pool<'_>, slot: SlotRecord) -> Result<Returned> {
    let id = pool.slot_id(slot.number);
    match slot.state {
        SlotState::Available => Ok(Returned {
            slot,
            was_allocated: false,
            cleanup: None,
            rescue: None,
        }),
        SlotState::Error => Err(Error::Failed {
            message: format!(
                "slot {id} is out of use: {}",
                slot.error.unwrap_or_default()
            ),
            hint: Some(format!("`repo-pool recover {id}` brings it back")),
        }),
        _ if slot.waits_for().is_some() => Err(leaving::refusal(pool, &slot)),
        _ => Err(Error::Failed {
            message: format!("slot {id} is not allocated: a command left it unfinished"),
            hint: Some(format!("`repo-pool recover {id}` finishes that")),
        }),
    }
}

/// Does what the recorded intent says, from wherever it stands: also for a command that was killed.
pub fn carry_out(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<Returned> {
    match act::act(pool, work, operation) {
        Ok(acted) => {
            let returned = record(pool, work, acted)?;
            trash::see_to(pool);
            Ok(returned)
        }
        // What was done is journalled; the next command completes it.
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error @ Error::Refused { .. }) => {
            if operation.lasting
                && let Some(process) = occupants::any(pool, work.number)
            {
                return leaving::wait(pool, work, &process);
            }
            go_back(pool, work)?;
            Err(error)
        }
        Err(error) => {
            let _shield = signals::shield();
            // The intent stands; the next command goes on from here.
            if ready::lacks(&error) {
                return Err(error);
            }
            if ready::is_shared(&error) {
                go_back(pool, work)?;
                return Err(error);
            }
            if let Err(everybodys) = acquire::repository_answers(pool) {
                go_back(pool, work)?;
                return Err(everybodys);
            }
            pool.count_failure(|metrics| metrics.cleanups.failed += 1);
            if ready::was_ended(&error) && journal::put_off(pool, work)? {
                return match ready::ran_out_of_time(&error) && !pool.context.alone {
                    true => background::go_on(pool, work),
                    false => Err(unfinished(pool, work, &error)),
                };
            }
            Err(put_out_of_use(pool, work, error)?)
        }
    }
}

/// A cleaning whose git was killed goes on with the next command, from where it is.
fn unfinished(pool: &Pool<'_>, work: &SlotWork, error: &Error) -> Error {
    Error::Cleanup {
        slot: pool.slot_id(work.number).to_string(),
        reason: format!("{}; the next command goes on with it", error.reason()),
    }
}

/// Its holder has the slot as it was.
pub fn go_back(pool: &Pool<'_>, work: &SlotWork) -> Result<()> {
    let _shield = signals::shield();
    clones::put_back(pool, work.number)?;
    park::bring_out(pool, work.number)?;
    journal::finish(pool, work, |locked, now| {
        locked.record.go_back(work.number, now);
    })?;
    Ok(())
}

fn record(pool: &Pool<'_>, work: &SlotWork, acted: Acted) -> Result<Returned> {
    let Acted {
        commit,
        mark,
        cleanup,
        rescue,
        events,
        deleted_ignored,
    } = acted;
    let id = pool.slot_id(work.number);
    let mut tell_of_ignored = false;
    let slot = journal::finish(pool, work, |locked, now| {
        let slot = journal::slot_of(locked, work);
        let allocation = slot.allocation.clone();
        slot.make_available(mark, commit, now);
        let heard = !pool.context.alone;
        if heard && !deleted_ignored.is_empty() && !locked.record.told_of_ignored {
            locked.record.told_of_ignored = true;
            tell_of_ignored = true;
        }
        events.into_iter().for_each(|event| locked.note(event));
        if let Some(cleanup) = &cleanup {
            locked.note(Event {
                duration_seconds: Some(cleanup.duration_seconds),
                operations: cleanup.operations.clone(),
                errors: cleanup.errors.clone(),
                ..Event::new(EventKind::Cleaned, &pool.name, now).slot(&id)
            });
        }
        if let Some(allocation) = allocation {
            locked.note(Event {
                owner: Some(holder::name(&allocation)),
                allocation_id: Some(allocation.id),
                duration_seconds: Some(now.duration_since(allocation.allocated_at).as_secs_f64()),
                ..Event::new(EventKind::Released, &pool.name, now).slot(&id)
            });
        }
    })?;
    if tell_of_ignored {
        let names: Vec<_> = deleted_ignored
            .iter()
            .take(5)
            .map(|path| path.to_string_lossy())
            .collect();
        pool.context.observer.note(&format!(
            "ignored files were deleted, as always at release: {}; `keep` in pools.toml leaves them",
            names.join(", ")
        ));
    }
    Ok(Returned {
        slot,
        was_allocated: true,
        cleanup,
        rescue,
    })
}

/// A slot that can't be cleaned is isolated (9.5), and the error says so.
fn put_out_of_use(pool: &Pool<'_>, work: &SlotWork, error: Error) -> Result<Error> {
    let reason = error.reason();
    let id = pool.slot_id(work.number);
    park::bring_out(pool, work.number)?;
    journal::finish(pool, work, |locked, now| {
        journal::slot_of(locked, work).put_out_of_use(&reason, now);
        locked.note(Event {
            errors: vec![reason.clone()],
            ..Event::new(EventKind::Isolated, &pool.name, now).slot(&id)
        });
    })?;
    Ok(Error::Cleanup {
        slot: id.to_string(),
        reason,
    })
}

//! Carrying out a plan, one step at a time. A step that fails does not stop the others.

use super::reconcile::Step;
use super::{Request, config, strays};
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult, RescueView};
use crate::domain::rescue::Reason;
use crate::domain::slot::{OperationKind, SlotState};
use crate::domain::{Error, Result, gist};
use crate::pool::journal::{self, SlotWork};
use crate::pool::release::Returned;
use crate::pool::tidy::{self, Tidied};
use crate::pool::{Pool, acquire, anew, furnish, isolate, mend, park, ready, release};
use crate::pool::{saving, settle, slots, verified};
use crate::sys::lock::FileLock;
use crate::sys::{clock, inside, signals};

/// Does what the step says, and tells what became of it.
pub fn carry_out(pool: &Pool<'_>, step: &Step, mut finding: Finding, request: &Request) -> Finding {
    match act(pool, step, request) {
        Ok((result, told)) => {
            finding.result = result;
            if let Some(told) = told {
                finding.detail = format!("{}; {told}", finding.detail);
            }
        }
        Err(error) => {
            finding.result = FindingResult::Failed;
            let words = error.reason();
            // What has failed once more as it did before is said once.
            if !finding.detail.ends_with(&gist(&words)) {
                finding.detail = format!("{}: {words}", finding.detail);
            }
        }
    }
    finding
}

/// What became of a step, and what there is to tell of it.
type Told = (FindingResult, Option<String>);

fn act(pool: &Pool<'_>, step: &Step, request: &Request) -> Result<Told> {
    let mut told = None;
    match (step.action, step.slot) {
        (FindingAction::Report, _) => return Ok((FindingResult::Reported, None)),
        (FindingAction::Complete | FindingAction::Undo, Some(number)) => {
            let path = pool.paths.slot_lock(number);
            let finished = match FileLock::acquire_unless_kept(&path)? {
                Some(lock) => settle::with_lock(pool, number, lock)?,
                None => settle::one(pool, number)?,
            };
            if finished.is_none() && is_under_way(pool, number)? {
                return Ok(taken_up());
            }
        }
        (FindingAction::Release, Some(number)) => {
            if !give_back(pool, number, step.kind, request)? {
                return Ok((FindingResult::Reported, None));
            }
        }
        (FindingAction::Rebuild | FindingAction::Repair | FindingAction::Restore, Some(number)) => {
            told = bring_back(pool, number, step, request)?;
        }
        (FindingAction::Isolate, Some(number)) if step.kind == FindingKind::ForeignDirectory => {
            if !strays::adopt(pool, number, &step.detail)? {
                return Ok(taken_up());
            }
        }
        (FindingAction::Isolate, Some(number)) => take_out(pool, number, &step.detail)?,
        (FindingAction::Rebuild, None) => {
            let renewed = anew::renew(pool)?;
            let mut text = format!("the old one is kept as {}", renewed.kept.display());
            renewed
                .losses
                .iter()
                .for_each(|loss| text.push_str(&format!("; {loss}")));
            told = Some(text);
        }
        (FindingAction::Repair, None) if step.kind == FindingKind::ChangedConfig => {
            config::repair(pool, request)?;
        }
        (FindingAction::Repair, None) => strays::complete_registration(pool, step)?,
        (FindingAction::Remove, _) if step.kind == FindingKind::ForeignRegistration => {
            told = strays::unregister(pool, step)?;
        }
        (FindingAction::Remove, _) => {
            if !strays::remove(pool, step)? {
                return Ok(taken_up());
            }
        }
        (_, None) => return Err(Error::failed("this step names no slot")),
    }
    Ok((FindingResult::Done, told))
}

/// Who has come to it since it was looked at sees to it.
fn taken_up() -> Told {
    let told = "somebody has come to it meanwhile";
    (FindingResult::Reported, Some(told.to_owned()))
}

fn is_under_way(pool: &Pool<'_>, number: u32) -> Result<bool> {
    let record = pool.read()?;
    let slot = record.slot(number);
    Ok(slot.is_some_and(|slot| slot.operation.is_some()))
}

/// Gives back a held slot. False if it is somebody's after all.
fn give_back(pool: &Pool<'_>, number: u32, kind: FindingKind, request: &Request) -> Result<bool> {
    let returned = match kind {
        FindingKind::StaleAllocation => release::reclaim_stale(pool, number, request.stale_after)?,
        FindingKind::MissingDirectory => Some(give_back_anew(pool, number)?),
        _ => release::reclaim(pool, number)?,
    };
    Ok(returned.is_some())
}

/// One of many slots that were deleted: release alone would wait for a disk to be mounted.
fn give_back_anew(pool: &Pool<'_>, number: u32) -> Result<Returned> {
    {
        let (lock, locked) = journal::wait_for_slot(pool, number)?;
        let base = locked.record.remote.base_commit.clone();
        let known = locked
            .record
            .slot(number)
            .and_then(|slot| slot.commit.clone());
        drop(locked);
        let known = known.or(base);
        let known = known.ok_or_else(|| Error::failed("no commit of the slot is known"))?;
        mend::make_missing(pool, number, &lock, &known)?;
    }
    release::release(pool, number, &release::Request::default())
}

/// Makes an idle slot whole again: its work saved, its tree clean at the base. What does not verify
/// goes out of use, with the reason.
fn bring_back(
    pool: &Pool<'_>,
    number: u32,
    step: &Step,
    request: &Request,
) -> Result<Option<String>> {
    let (lock, locked) = journal::wait_for_slot(pool, number)?;
    let state = locked.record.slot(number).map(|slot| slot.state);
    if !matches!(state, Some(SlotState::Available | SlotState::Error)) {
        // Somebody was faster.
        return Ok(None);
    }
    if let Some(process) = inside::processes_inside(&pool.worktree(number).path, &[])
        .inside
        .first()
    {
        return Err(Error::Refused {
            message: format!("pid {} ({}) is inside", process.pid, process.command),
            hint: None,
        });
    }
    let work = journal::begin(
        locked,
        number,
        lock,
        journal::operation(OperationKind::Repair, clock::now()),
    )?;
    let rebuild = step.action == FindingAction::Rebuild && request.force;
    match make_whole(pool, &work, rebuild) {
        Ok((commit, events, told)) => {
            journal::finish(pool, &work, |locked, now| {
                let mark = verified::mark(pool, number, &commit);
                journal::slot_of(locked, &work).make_available(mark, Some(commit), now);
                let repaired = events.iter().any(|event| event.kind == EventKind::Repaired);
                events.into_iter().for_each(|event| locked.note(event));
                if repaired {
                    return;
                }
                let mut detail = step.detail.clone();
                told.iter()
                    .for_each(|told| detail.push_str(&format!("; {told}")));
                locked.note(
                    Event::new(EventKind::Repaired, &pool.name, now)
                        .slot(pool.slot_id(number))
                        .detail(detail),
                );
            })?;
            Ok(told)
        }
        // The intent stands; the next command puts the slot out of use, and recover tries again.
        Err(error @ Error::Interrupted(_)) => Err(error),
        // Another slot would have met it too: this one is as it was, for another recover.
        Err(error)
            if ready::is_shared(&error)
                || ready::was_ended(&error)
                || acquire::repository_answers(pool).is_err() =>
        {
            let _shield = signals::shield();
            journal::finish(pool, &work, |locked, now| {
                journal::slot_of(locked, &work).go_back(now);
            })?;
            Err(error)
        }
        Err(error) => {
            let _shield = signals::shield();
            isolate::put_out_of_use(pool, &work, &error.reason())?;
            Err(error)
        }
    }
}

/// The commit that the slot is at then, what happened, and what there is to tell.
type Whole = (String, Vec<Event>, Option<String>);

fn make_whole(pool: &Pool<'_>, work: &SlotWork, rebuild: bool) -> Result<Whole> {
    let record = pool.read()?;
    let base = record
        .remote
        .base_commit
        .clone()
        .ok_or_else(|| Error::failed("the pool has no base commit"))?;
    if rebuild {
        let told = empty_place(pool, work)?;
        slots::make(pool, work.number, &work.lock, &base)?;
        furnish::complete(pool, work.number, &work.lock, &base)?;
        return Ok((base, Vec::new(), told));
    }
    let slot = record.slot(work.number);
    let slot = slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(work.number).to_string()))?;
    match tidy::look_and_clean(pool, work, slot, &base, Reason::Repair)? {
        Tidied::Clean(cleaned) => {
            let told = cleaned.rescue.map(|rescue| saved(&rescue));
            Ok((base, cleaned.events, told))
        }
        Tidied::Occupied(process) => Err(Error::failed(format!(
            "pid {} ({}) is inside",
            process.pid, process.command
        ))),
    }
}

fn saved(rescue: &RescueView) -> String {
    format!(
        "its work was saved: `repo-pool rescue show {}`",
        rescue.rescue_id
    )
}

/// Takes away what is left of a slot, its work saved. What git can't save it from is set aside as it
/// is, with everything that belongs to it.
fn empty_place(pool: &Pool<'_>, work: &SlotWork) -> Result<Option<String>> {
    let refused = match saving::dismantle(pool, work) {
        Ok(rescue) => return Ok(rescue.map(|rescue| saved(&rescue))),
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) if ready::is_shared(&error) => return Err(error),
        Err(error) => error,
    };
    let kept = mend::set_aside_whole(pool, work.number)?;
    Ok(Some(format!(
        "what it held can't be saved as a rescue ({}) and was moved to {}",
        refused.reason(),
        kept.display()
    )))
}

fn take_out(pool: &Pool<'_>, number: u32, reason: &str) -> Result<()> {
    let (_lock, mut locked) = journal::wait_for_slot(pool, number)?;
    let now = clock::now();
    if let Some(slot) = locked
        .record
        .slot_mut(number)
        .filter(|slot| slot.state == SlotState::Available)
    {
        park::bring_out(pool, number)?;
        slot.put_out_of_use(reason, now);
        locked.note(
            Event::new(EventKind::Isolated, &pool.name, now)
                .slot(pool.slot_id(number))
                .detail(reason),
        );
        locked.save()?;
    }
    Ok(())
}

//! Carrying out a plan, one step at a time. A step that fails does not stop the others.

use super::Request;
use super::reconcile::Step;
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::domain::slot::{OperationKind, SlotState};
use crate::domain::{Error, Result};
use crate::git::clean::{self, Goal};
use crate::pool::journal::{self, SlotWork};
use crate::pool::mend::{self, Repairs};
use crate::pool::{Pool, release, saving, settle, slots};
use crate::sys::clock::{self, Deadline};
use crate::sys::lock::FileLock;
use crate::sys::{inside, remove, signals};

/// Does what the step says, and tells what became of it.
pub fn carry_out(pool: &Pool<'_>, step: &Step, mut finding: Finding, request: &Request) -> Finding {
    match act(pool, step, request) {
        Ok(result) => finding.result = result,
        Err(error) => {
            finding.result = FindingResult::Failed;
            let words = error.reason();
            finding.detail = format!("{}: {words}", finding.detail);
        }
    }
    finding
}

fn act(pool: &Pool<'_>, step: &Step, request: &Request) -> Result<FindingResult> {
    match (step.action, step.slot) {
        (FindingAction::Report, _) => return Ok(FindingResult::Reported),
        (FindingAction::Complete | FindingAction::Undo, Some(number)) => {
            settle::one(pool, number)?;
        }
        (FindingAction::Release, Some(number)) if step.kind == FindingKind::DeadOwner => {
            if release::reclaim(pool, number)?.is_none() {
                return Ok(FindingResult::Reported);
            }
        }
        (FindingAction::Release, Some(number)) => {
            let operator = release::Request {
                force: true,
                ..release::Request::default()
            };
            release::release(pool, number, &operator)?;
        }
        (FindingAction::Rebuild | FindingAction::Repair | FindingAction::Restore, Some(number)) => {
            bring_back(pool, number, step, request)?;
        }
        (FindingAction::Isolate, Some(number)) => isolate(pool, number, &step.detail)?,
        (FindingAction::Remove, _) => remove_stray(pool, step)?,
        (_, None) => return Err(Error::failed("this step names no slot")),
    }
    Ok(FindingResult::Done)
}

/// Makes an idle slot whole again: its work saved, its tree clean at the base. What does not verify
/// goes out of use, with the reason.
fn bring_back(pool: &Pool<'_>, number: u32, step: &Step, request: &Request) -> Result<()> {
    let (lock, locked) = journal::wait_for_slot(pool, number)?;
    let state = locked.record.slot(number).map(|slot| slot.state);
    if !matches!(state, Some(SlotState::Available | SlotState::Error)) {
        // Somebody was faster.
        return Ok(());
    }
    if let Some(process) = inside::processes_inside(&pool.paths.slot(number), &[])
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
        Ok((commit, events)) => {
            journal::finish(pool, &work, |locked, now| {
                journal::slot_of(locked, &work).make_available(true, Some(commit), now);
                let told = events.iter().any(|event| event.kind == EventKind::Repaired);
                events.into_iter().for_each(|event| locked.note(event));
                if told {
                    return;
                }
                locked.note(
                    Event::new(EventKind::Repaired, &pool.name, now)
                        .slot(pool.slot_id(number))
                        .detail(&step.detail),
                );
            })?;
            Ok(())
        }
        // The intent stands; the next command puts the slot out of use, and recover tries again.
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error) => {
            let _shield = signals::shield();
            let reason = error.reason();
            journal::finish(pool, &work, |locked, now| {
                journal::slot_of(locked, &work).put_out_of_use(&reason, now);
                locked.note(
                    Event::new(EventKind::Isolated, &pool.name, now)
                        .slot(pool.slot_id(number))
                        .detail(&reason),
                );
            })?;
            Err(error)
        }
    }
}

fn make_whole(pool: &Pool<'_>, work: &SlotWork, rebuild: bool) -> Result<(String, Vec<Event>)> {
    let record = pool.read()?;
    let base = record
        .remote
        .base_commit
        .clone()
        .ok_or_else(|| Error::failed("the pool has no base commit"))?;
    let known = record
        .slot(work.number)
        .and_then(|slot| slot.commit.clone())
        .unwrap_or_else(|| base.clone());
    if rebuild {
        let rescue = saving::dismantle(pool, work)?;
        if let Some(rescue) = rescue {
            pool.context
                .observer
                .note(&format!("its work was saved as {}", rescue.reference));
        }
        slots::make(pool, work.number, &work.lock, &base)?;
        return Ok((base, Vec::new()));
    }
    let worktree = pool.worktree(work.number);
    let mut repairs = Repairs::default();
    let seen = mend::whole(pool, work.number, &work.lock, &known, true, &mut repairs)?;
    for path in worktree.stale_locks()? {
        crate::sys::fs::remove_file_if_there(&path)?;
    }
    let (rescue, events) = saving::save_work(pool, work.number, &work.lock, &seen)?;
    repairs.events.extend(events);
    if let Some(rescue) = rescue {
        pool.context
            .observer
            .note(&format!("its work was saved as {}", rescue.reference));
    }
    let deadline = Deadline::after(pool.settings.cleanup_timeout);
    let goal = Goal {
        commit: &base,
        keep: &pool.settings.keep,
        deadline,
        thorough: true,
    };
    clean::to_goal(&pool.git, &worktree, &work.lock, &seen, &goal)?;
    Ok((base, repairs.events))
}

fn isolate(pool: &Pool<'_>, number: u32, reason: &str) -> Result<()> {
    let (_lock, mut locked) = journal::wait_for_slot(pool, number)?;
    let now = clock::now();
    if let Some(slot) = locked
        .record
        .slot_mut(number)
        .filter(|slot| slot.state == SlotState::Available)
    {
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

/// Deletes a file that nobody uses; a lock file only while holding it.
fn remove_stray(pool: &Pool<'_>, step: &Step) -> Result<()> {
    let Some(path) = &step.path else {
        return Ok(());
    };
    let _slot = match step.slot {
        Some(number) => match journal::try_slot(pool, number)? {
            Some(lock) => Some(lock),
            None => return Ok(()),
        },
        None => None,
    };
    let mut locked = pool.lock()?;
    if step.kind == FindingKind::OrphanedLock {
        match FileLock::try_acquire(path)? {
            Some(_lock) => remove::remove_tree(path)?,
            None => return Ok(()),
        }
    } else {
        remove::remove_tree(path)?;
    }
    let event = Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(&step.detail);
    locked.note(match step.slot {
        Some(number) => event.slot(pool.slot_id(number)),
        None => event,
    });
    locked.save_history()
}

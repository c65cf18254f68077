//! Taking a slot back (2.4, 3.4, 3.5): nothing is destroyed before it is saved.

use super::journal::{self, SlotWork};
use super::mend::{self, Repairs};
use super::{Pool, acquire, holder, ready, saving, settle};
use crate::config::parse::format_duration;
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{self, Allocation, Permission};
use crate::domain::outcome::{CleanupView, RescueView};
use crate::domain::slot::{Operation, OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::Oid;
use crate::git::clean::{self, Goal};
use crate::store::LockedPool;
use crate::sys::clock::{self, Deadline, Stopwatch};
use crate::sys::{inside, liveness, signals};

/// How long processes that are told to end may take before they are killed.
const KILL_GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// How often a cleaning may run out of time before its slot is put out of use.
const ATTEMPTS: u32 = 3;

/// How a slot is to be given back.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The allocation id that the caller presents.
    pub allocation: Option<String>,
    /// Leave the tree as it is; the next allocation cleans it.
    pub no_cleanup: bool,
    /// Give unlanded work up instead of saving it.
    pub discard: bool,
    /// End the processes inside.
    pub kill: bool,
    /// An operator's: past a live holder.
    pub force: bool,
}

/// A slot that is back.
pub struct Returned {
    /// Its record.
    pub slot: SlotRecord,
    /// Whether there was anything to give back.
    pub was_allocated: bool,
    /// What cleaning did; `None` if it was skipped.
    pub cleanup: Option<CleanupView>,
    /// The work that was saved.
    pub rescue: Option<RescueView>,
}

/// Gives the slot back, if the caller may.
pub fn release(pool: &Pool<'_>, number: u32, request: &Request) -> Result<Returned> {
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
    let forced = permitted(pool, number, &allocation, request)?;
    // Ending processes may take its time: the slot's lock is enough for that.
    empty_of_processes(pool, number, request.kill)?;
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
        discard: request.discard,
        ..journal::operation(OperationKind::Release, clock::now())
    };
    let work = journal::begin(locked, number, lock, operation.clone())?;
    carry_out(pool, &work, &operation)
}

/// Whether the caller may release; by an operator's force with an event that says so.
fn permitted(
    pool: &Pool<'_>,
    number: u32,
    allocation: &Allocation,
    request: &Request,
) -> Result<Option<Event>> {
    let facts = holder::facts(pool, number, allocation);
    let id = pool.slot_id(number);
    let presented = request.allocation.as_deref();
    match lease::may_release(allocation, presented, &facts, request.force) {
        Permission::Granted => Ok(None),
        Permission::Denied(why) => Err(Error::StaleAllocation(format!(
            "slot {id} can't be released: {why}"
        ))),
        Permission::Forced(who) => Ok(Some(
            Event::new(EventKind::Forced, &pool.name, clock::now())
                .slot(&id)
                .detail(format!("released although held by {who}")),
        )),
    }
}

/// Gives back a slot whose holder is provably gone; work is saved. `None` if a process is inside.
pub fn reclaim(pool: &Pool<'_>, number: u32) -> Result<Option<Returned>> {
    let Some(lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let locked = pool.lock()?;
    let slot = settled_slot(&locked, number)?;
    let gone = slot.allocation.as_ref().is_some_and(|allocation| {
        holder::state(pool, number, allocation) == lease::HolderState::Dead
    });
    if !gone
        || !inside::processes_inside(&pool.paths.slot(number), &[])
            .inside
            .is_empty()
    {
        return Ok(None);
    }
    let operation = journal::operation(OperationKind::Release, clock::now());
    let work = journal::begin(locked, number, lock, operation.clone())?;
    carry_out(pool, &work, &operation).map(Some)
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
        _ => Err(Error::Failed {
            message: format!("slot {id} is not allocated: a command left it unfinished"),
            hint: Some(format!("`repo-pool recover {id}` finishes that")),
        }),
    }
}

/// Nobody but the caller and its ancestors may be inside a slot that is to be cleaned.
pub fn empty_of_processes(pool: &Pool<'_>, number: u32, kill: bool) -> Result<()> {
    let path = pool.paths.slot(number);
    let ours = liveness::ancestors();
    let found = inside::processes_inside(&path, &ours).inside;
    if found.is_empty() {
        return Ok(());
    }
    let deadline = Deadline::after(KILL_GRACE + KILL_GRACE);
    let mut found = found;
    // A process may start others while it is being ended.
    while kill && !found.is_empty() && !deadline.passed() {
        let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
        inside::end(&pids, KILL_GRACE);
        found = inside::processes_inside(&path, &ours).inside;
    }
    match found.first() {
        None => Ok(()),
        Some(process) => Err(Error::Refused {
            message: format!(
                "a process is inside slot {}: pid {} ({})",
                pool.slot_id(number),
                process.pid,
                process.command
            ),
            hint: Some(match kill {
                true => "it can't be ended; see what it does".into(),
                false => "end it, or release with --kill".into(),
            }),
        }),
    }
}

/// Does what the recorded intent says, from wherever it stands: also for a command that was killed.
pub fn carry_out(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<Returned> {
    match act(pool, work, operation) {
        Ok(acted) => record(pool, work, acted),
        // What was done is journalled; the next command completes it.
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error @ Error::Refused { .. }) => {
            let _shield = signals::shield();
            journal::finish(pool, work, |locked, now| {
                journal::slot_of(locked, work).go_back(now)
            })?;
            Err(error)
        }
        Err(error) => {
            let _shield = signals::shield();
            if let Err(everybodys) = acquire::repository_answers(pool) {
                journal::finish(pool, work, |locked, now| {
                    journal::slot_of(locked, work).go_back(now);
                })?;
                return Err(everybodys);
            }
            let out_of_time =
                matches!(&error, Error::Git { failure, .. } if failure.ended.is_some());
            if out_of_time && operation.attempts + 1 < ATTEMPTS {
                return Err(put_off(pool, work, &error)?);
            }
            Err(put_out_of_use(pool, work, error)?)
        }
    }
}

/// A cleaning that ran out of time goes on with the next command, from where it is.
fn put_off(pool: &Pool<'_>, work: &SlotWork, error: &Error) -> Result<Error> {
    journal::finish(pool, work, |locked, _| {
        if let Some(operation) = &mut journal::slot_of(locked, work).operation {
            operation.attempts += 1;
        }
    })?;
    Ok(Error::Cleanup {
        slot: pool.slot_id(work.number).to_string(),
        reason: format!(
            "{}; the next command goes on with it (cleanup_timeout is {})",
            error.reason(),
            format_duration(pool.settings.cleanup_timeout)
        ),
    })
}

/// What releasing did, before it is recorded.
#[derive(Default)]
struct Acted {
    commit: Option<Oid>,
    verified: bool,
    cleanup: Option<CleanupView>,
    rescue: Option<RescueView>,
    events: Vec<Event>,
    deleted_ignored: Vec<std::path::PathBuf>,
}

fn act(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<Acted> {
    let watch = Stopwatch::start();
    let record = pool.read()?;
    let slot = record.slot(work.number).cloned();
    let slot = slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(work.number).to_string()))?;
    let base = record.remote.base_commit.clone().or(slot.commit.clone());
    let base = base.ok_or_else(|| Error::failed("the pool has no base commit"))?;
    let worktree = pool.worktree(work.number);
    if operation.no_cleanup && worktree.fault()?.is_none() {
        // The branch becomes free for others; the tree stays.
        ready::take_off_branch(pool, work.number, &work.lock)?;
        return Ok(Acted::default());
    }
    let known = slot.commit.as_ref().unwrap_or(&base);
    let mut repairs = Repairs::default();
    let seen = mend::whole(pool, work.number, &work.lock, known, false, &mut repairs)?;
    let (rescue, mut events) = if operation.discard {
        (None, saving::given_up(pool, work.number, &seen)?)
    } else {
        saving::save_work(pool, work.number, &work.lock, &seen)?
    };
    events.append(&mut repairs.events);
    let deadline = Deadline::after(pool.settings.cleanup_timeout);
    let goal = Goal {
        commit: &base,
        keep: &pool.settings.keep,
        deadline,
        thorough: true,
    };
    let done = clean::to_goal(&pool.git, &worktree, &work.lock, &seen, &goal)?;
    let strangers = inside::processes_inside(&worktree.path, &[]).inside;
    repairs.operations.extend(done.operations);
    Ok(Acted {
        commit: Some(base),
        verified: strangers.is_empty(),
        cleanup: Some(CleanupView {
            success: true,
            duration_seconds: watch.elapsed().as_secs_f64(),
            operations: repairs.operations,
            errors: Vec::new(),
        }),
        rescue,
        events,
        deleted_ignored: done.ignored,
    })
}

fn record(pool: &Pool<'_>, work: &SlotWork, acted: Acted) -> Result<Returned> {
    let Acted {
        commit,
        verified,
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
        slot.make_available(verified, commit, now);
        if !deleted_ignored.is_empty() && !locked.record.told_of_ignored {
            locked.record.told_of_ignored = true;
            tell_of_ignored = true;
        }
        events.into_iter().for_each(|event| locked.note(event));
        if let Some(cleanup) = &cleanup {
            locked.note(Event {
                duration_seconds: Some(cleanup.duration_seconds),
                operations: cleanup.operations.clone(),
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

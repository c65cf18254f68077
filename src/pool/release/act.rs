//! What giving a slot back does to it: park it, look at it, save what is in it, clean it.

use crate::domain::event::Event;
use crate::domain::outcome::{CleanupView, RescueView};
use crate::domain::pool::PoolRecord;
use crate::domain::rescue::Reason;
use crate::domain::slot::{Mark, Operation, SlotRecord};
use crate::domain::{Error, Result};
use crate::git::clean::{self, Goal};
use crate::git::{Oid, refs, unseen};
use crate::pool::furnish::{self, Furnishing};
use crate::pool::journal::SlotWork;
use crate::pool::mend::{self, Repairs};
use crate::pool::park::{self, Place};
use crate::pool::{
    Pool, clones, contents, keep, occupants, on_release, ready, saving, settle, submodules, trash,
    verified,
};
use crate::sys::clock::{Deadline, Stopwatch};

/// What releasing did, before it is recorded.
#[derive(Default)]
pub(super) struct Acted {
    pub(super) commit: Option<Oid>,
    pub(super) mark: Option<Mark>,
    pub(super) cleanup: Option<CleanupView>,
    pub(super) rescue: Option<RescueView>,
    pub(super) events: Vec<Event>,
    pub(super) deleted_ignored: Vec<std::path::PathBuf>,
}

/// Carries out the intent, from wherever it stands.
pub(super) fn act(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<Acted> {
    let watch = Stopwatch::start();
    let record = pool.read()?;
    let slot = record.slot(work.number).cloned();
    let slot = slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(work.number).to_string()))?;
    let base = goal_commit(&record, &slot);
    let base = base.ok_or_else(|| Error::failed("the pool has no base commit"))?;
    if operation.no_cleanup && matches!(pool.worktree(work.number).fault(), Ok(None)) {
        // The branch becomes free for others; the tree stays. Nobody is inside.
        clones::bring_home(pool, work.number)?;
        settle::remove_git_locks(pool, work.number)?;
        ready::take_off_branch(pool, work.number)?;
        return Ok(Acted::default());
    }
    let reason = match operation.reclaim {
        true => Reason::Reclaim,
        false => Reason::Release,
    };
    let mut before = on_release::run(pool, &slot, &work.lock, operation, &base, reason)?;
    let parked = !operation.in_place && out_of_reach(pool, work.number, operation.kill)?;
    let known = slot.commit.as_ref().unwrap_or(&base);
    let unseen = unseen::before_git(&pool.worktree(work.number))?;
    let mut repairs = Repairs {
        operations: std::mem::take(&mut before.operations),
        ..Repairs::default()
    };
    let seen = mend::whole(pool, work.number, &work.lock, known, false, &mut repairs)?;
    let (rescue, mut events) = if operation.discard {
        (None, saving::given_up(pool, work.number, &seen)?)
    } else {
        before.save_the_rest(pool, work.number, &seen, &base, reason)?
    };
    events.append(&mut repairs.events);
    let deadline = Deadline::after(pool.settings.cleanup_timeout);
    let goal = Goal {
        commit: &base,
        keep: pool.keep(),
        deadline,
        since: slot.written_since(),
        unseen: Some(unseen),
        trash: trash::bin(pool, work.number),
    };
    let worktree = pool.worktree(work.number);
    let done = contents::with(pool, &base, || {
        clean::to_goal(&pool.git, &worktree, &work.lock, &seen, &goal)
    })?;
    repairs.operations.extend(done.operations);
    let too_much = keep::within_limit(pool, work.number, &work.lock)?;
    repairs.operations.extend(too_much);
    let filled = submodules::fill_if_possible(pool, work.number, &work.lock, &base)?;
    let furnished = furnish::without_setup(pool, work.number, &base)?;
    let complete = filled && furnished == Furnishing::Complete;
    // Commits that were given up stay given up.
    let own = pool.own_branch(work.number);
    if operation.discard && seen.branch.as_ref() == Some(&own) {
        refs::set_branch(&pool.git, &worktree, &work.lock, &own, &base, None)?;
    }
    let left_at = slot.commit.as_ref();
    ready::own_branch_at(pool, work.number, &work.lock, &base, left_at)?;
    worktree.forget_history()?;
    Ok(Acted {
        mark: verified::mark(pool, work.number, &base).filter(|_| parked && complete),
        commit: Some(base),
        cleanup: Some(CleanupView {
            success: true,
            duration_seconds: watch.elapsed().as_secs_f64(),
            operations: repairs.operations,
            errors: before.errors,
        }),
        rescue,
        events,
        deleted_ignored: done.ignored,
    })
}

/// The commit that a slot is left at: the base as far as it is known, but one that was handed out
/// for a certain commit stays there. Who asks for that commit next gets it as it is.
fn goal_commit(record: &PoolRecord, slot: &SlotRecord) -> Option<Oid> {
    let allocation = slot.allocation.as_ref();
    match allocation.filter(|allocation| allocation.for_commit) {
        Some(allocation) => Some(allocation.commit.clone()),
        None => record.remote.base_commit.clone().or(slot.commit.clone()),
    }
}

/// Parks the slot before it is looked at. False if it has to stay where it is.
fn out_of_reach(pool: &Pool<'_>, number: u32, kill: bool) -> Result<bool> {
    match park::park(pool, number)? {
        Place::Parked => Ok(true),
        Place::InPlace => occupants::none_but_callers(pool, number, kill).map(|_| false),
        Place::Occupied(_) if kill => match occupants::none_but_callers(pool, number, true)? {
            true => Ok(false),
            false => out_of_reach(pool, number, false),
        },
        Place::Occupied(process) => Err(occupants::occupied(pool, number, &process, false)),
    }
}

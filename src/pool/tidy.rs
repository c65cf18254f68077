//! Making an idle slot whole and clean where nobody can reach it: for those who repair it, or have it
//! ready ahead of use.

use super::journal::SlotWork;
use super::mend::{self, Repairs};
use super::park::{self, Place};
use super::{Pool, contents, copies, furnish, keep, ready, saving, submodules, trash};
use crate::domain::Result;
use crate::domain::event::Event;
use crate::domain::outcome::RescueView;
use crate::domain::rescue::Reason;
use crate::domain::slot::SlotRecord;
use crate::git::clean::{self, Goal};
use crate::git::{Oid, advance, unseen};
use crate::sys::clock::Deadline;
use crate::sys::fs;
use crate::sys::inside::{self, Inside};
use crate::sys::odd::Odd;

/// What came of it.
pub enum Tidied {
    /// The slot is clean at the commit.
    Clean(Box<Cleaned>),
    /// A process is inside: the slot is as it was.
    Occupied(Inside),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The steps, in order.
    pub operations: Vec<String>,
    /// What happened on the way.
    pub events: Vec<Event>,
    /// The work that was found and saved.
    pub rescue: Option<RescueView>,
}

/// Parks the slot if it can be, and brings it to `base` with nothing else in it; work that it holds is
/// saved first, for `reason`.
pub fn look_and_clean(
    pool: &Pool<'_>,
    work: &SlotWork,
    slot: &SlotRecord,
    base: &Oid,
    reason: Reason,
) -> Result<Tidied> {
    let number = work.number;
    if let Some(process) = out_of_reach(pool, number)? {
        return Ok(Tidied::Occupied(process));
    }
    let unseen = unseen::before_git(&pool.worktree(number))?;
    let known = slot.commit.as_ref().unwrap_or(base);
    let mut repairs = Repairs::default();
    let seen = mend::whole(pool, number, &work.lock, known, true, &mut repairs)?;
    let worktree = pool.worktree(number);
    for path in worktree.stale_locks()? {
        fs::remove_file_if_there(&path)?;
    }
    let landed = slot.commit.as_ref();
    let (rescue, events) = saving::save_work(pool, number, &seen, landed, reason)?;
    let mut cleaned = Cleaned {
        operations: repairs.operations,
        events: repairs.events,
        rescue,
    };
    cleaned.events.extend(events);
    let goal = goal(pool, slot, base, Some(unseen));
    let done = contents::with(pool, base, || {
        clean::to_goal(&pool.git, &worktree, &work.lock, &seen, &goal)
    })?;
    trash::see_to(pool);
    cleaned.operations.extend(done.operations);
    let too_much = keep::within_limit(pool, number, &work.lock)?;
    cleaned.operations.extend(too_much);
    submodules::fill(pool, number, &work.lock, base)?;
    let furnished = furnish::complete(pool, number, &work.lock, base)?;
    cleaned.operations.extend(furnished);
    put_branch(pool, work, slot, base)?;
    Ok(Tidied::Clean(Box::new(cleaned)))
}

/// Brings a slot that was verified to `base`, without a look at it.
pub fn advance(pool: &Pool<'_>, work: &SlotWork, slot: &SlotRecord, base: &Oid) -> Result<Cleaned> {
    let worktree = pool.worktree(work.number);
    let (from, goal) = (slot.commit.as_ref(), goal(pool, slot, base, None));
    if from != Some(base) {
        copies::take_out(pool, work.number)?;
    }
    let mut operations = contents::with(pool, base, || {
        advance::to_goal(&pool.git, &worktree, &work.lock, from, &goal)
    })?;
    operations.extend(furnish::complete(pool, work.number, &work.lock, base)?);
    put_branch(pool, work, slot, base)?;
    Ok(Cleaned {
        operations,
        ..Cleaned::default()
    })
}

fn goal<'a>(pool: &'a Pool<'_>, slot: &SlotRecord, base: &'a Oid, unseen: Option<Odd>) -> Goal<'a> {
    Goal {
        commit: base,
        keep: pool.keep(),
        deadline: Deadline::after(pool.settings.cleanup_timeout),
        since: slot.written_since(),
        unseen,
        trash: trash::bin(pool, slot.number),
    }
}

fn put_branch(pool: &Pool<'_>, work: &SlotWork, slot: &SlotRecord, base: &Oid) -> Result<()> {
    let left_at = slot.commit.as_ref();
    ready::own_branch_at(pool, work.number, &work.lock, base, left_at)?;
    pool.worktree(work.number).forget_history()
}

/// Parks the slot, or makes sure that nobody is inside one that has to stay where it is.
fn out_of_reach(pool: &Pool<'_>, number: u32) -> Result<Option<Inside>> {
    match park::park(pool, number)? {
        Place::Parked => Ok(None),
        Place::Occupied(process) => Ok(Some(process)),
        Place::InPlace => {
            let scan = inside::processes_inside(&pool.worktree(number).path, &[]);
            Ok(scan.inside.into_iter().next())
        }
    }
}

//! Making an idle slot ready: whole, clean, at the wanted commit, on the wanted branch.

use super::mend::{self, Repairs};
use super::target::{Branch, Target};
use super::{
    Pool, clones, contents, copies, furnish, occupants, saving, submodules, trash, verified,
};
use crate::domain::event::Event;
use crate::domain::rescue::Reason;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result, damage, names};
use crate::git::clean::{self, Goal};
use crate::git::parse::Head;
use crate::git::status::Status;
use crate::git::{Oid, Worktree, advance, refs, repository, unseen};
use crate::sys::clock::Deadline;
use crate::sys::lock::FileLock;
use crate::sys::odd::Odd;
use crate::sys::threads;

/// What it took.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The branch that the slot is on.
    pub branch: String,
    /// What had to be done to the tree; nothing, if it was clean and at the commit already.
    pub operations: Vec<String>,
    /// What happened on the way.
    pub events: Vec<Event>,
}

/// Why a slot was not made ready.
#[derive(Debug)]
pub enum Unready {
    /// A process is inside: the slot is as it was, and not to be handed out now.
    Occupied(String),
    /// It failed for a reason that is not the slot's, and that another slot need not meet: objects of
    /// the shared repository are damaged, or a disk is not mounted. The slot is as it was.
    Passed(Error),
    /// The slot is not usable.
    Broken(Error),
    /// It failed for a reason that is not the slot's: another slot would fail as well.
    Failed(Error),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        if damage::is_damage(&error) || matches!(error, Error::Pool { .. }) {
            Self::Passed(error)
        } else if is_everybodys(&error) {
            Self::Failed(error)
        } else {
            Self::Broken(error)
        }
    }
}

/// Whether an error would meet every slot, now: a signal, a time-out, or a fault of what they share.
fn is_everybodys(error: &Error) -> bool {
    matches!(error, Error::Interrupted(_) | Error::LockTimeout { .. })
        || was_ended(error)
        || is_shared(error)
}

/// Whether a git did not come to its own end: it ran out of time, or something killed it.
pub fn was_ended(error: &Error) -> bool {
    matches!(error, Error::Git { failure, .. }
        if failure.ended.is_some() || failure.exit_code.is_none())
}

/// Whether a git was ended because it took too long.
pub fn ran_out_of_time(error: &Error) -> bool {
    matches!(error, Error::Git { failure, .. } if failure.ended.is_some())
}

/// Whether the fault is one of what all slots share, so that none of them is to be put out of use for
/// it: the repository's objects, or what the machine lacks.
pub fn is_shared(error: &Error) -> bool {
    match error {
        Error::Pool { .. } => true,
        Error::Git { failure, .. } if damage::is_told_by(failure) => true,
        other => lacks(other),
    }
}

/// Whether the machine or the shared repository lacks what is needed: space, descriptors, a lock.
pub fn lacks(error: &Error) -> bool {
    let words = [
        "No space left on device",
        "Out of diskspace",
        "Disk quota exceeded",
        "File too large",
        "Read-only file system",
        "Input/output error",
        "Too many open files",
        "Cannot allocate memory",
        "Resource temporarily unavailable",
        "cannot lock ref",
        ".lock': File exists",
    ];
    let said = |text: &str| words.iter().any(|part| text.contains(part));
    match error {
        Error::Io { source, .. } => said(&source.to_string()),
        Error::Git { failure, .. } => said(&failure.stderr),
        Error::Failed { message, .. } => message.contains("cannot start"),
        _ => false,
    }
}

/// What a look at a slot has shown.
#[derive(Debug)]
pub struct Looked {
    seen: Status,
    unseen: Odd,
    prepared: Prepared,
}

/// Brings the slot to `target`. A verified slot needs no look; any other is looked at, unless that
/// was done already.
pub fn prepare(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    lock: &FileLock,
    looked: Option<std::result::Result<Looked, Unready>>,
    target: &Target,
) -> std::result::Result<Prepared, Unready> {
    let deadline = Deadline::after(pool.settings.git_timeout.max(pool.settings.cleanup_timeout));
    let mut goal = Goal {
        commit: &target.commit,
        keep: pool.keep(),
        deadline,
        since: slot.written_since(),
        unseen: None,
        trash: trash::bin(pool, slot.number),
    };
    let mut prepared = Prepared::default();
    if looked.is_none()
        && verified::holds(pool, slot)
        && submodules::stay(pool, slot, &target.commit)
    {
        let (worktree, from) = (pool.worktree(slot.number), slot.commit.as_ref());
        if from != Some(&target.commit) {
            copies::take_out(pool, slot.number)?;
        }
        prepared.operations = contents::with(pool, &target.commit, || {
            advance::to_goal(&pool.git, &worktree, lock, from, &goal)
        })?;
    } else {
        let looked = looked.unwrap_or_else(|| look(pool, slot, lock, &target.commit))?;
        prepared = looked.prepared;
        goal.unseen = Some(looked.unseen);
        // One that was missing has been made anew, in another place.
        let worktree = pool.worktree(slot.number);
        let done = contents::with(pool, &target.commit, || {
            clean::to_goal(&pool.git, &worktree, lock, &looked.seen, &goal)
        })?;
        if !done.operations.is_empty() {
            trash::see_to(pool);
        }
        prepared.operations.extend(done.operations);
        submodules::fill(pool, slot.number, lock, &target.commit)?;
    }
    let furnished = furnish::complete(pool, slot.number, lock, &target.commit)?;
    prepared.operations.extend(furnished);
    pool.worktree(slot.number).forget_history()?;
    prepared.branch = put_on_branch(pool, slot, lock, target)?;
    Ok(prepared)
}

/// Looks at a slot that may have been changed since it was given back, and saves what is in it.
/// `known` is the commit that it is taken for if its own is not recorded.
pub fn look(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    lock: &FileLock,
    known: &Oid,
) -> std::result::Result<Looked, Unready> {
    let mut prepared = Prepared::default();
    let worktree = pool.worktree(slot.number);
    let known = slot.commit.as_ref().unwrap_or(known);
    // Both take their time, and neither starts a process that the other one would meet.
    let (nobody, unseen) = threads::both(
        || nobody_inside(&worktree),
        || unseen::before_git(&worktree),
    );
    let unseen = unseen?;
    let mut repairs = Repairs::default();
    let seen = mend::whole(pool, slot.number, lock, known, true, &mut repairs)?;
    prepared.operations.append(&mut repairs.operations);
    prepared.events.append(&mut repairs.events);
    nobody?;
    let landed = slot.commit.as_ref();
    let (rescue, events) = saving::save_work(pool, slot.number, &seen, landed, Reason::Found)?;
    prepared.events.extend(events);
    if let Some(rescue) = rescue {
        pool.context.observer.warn(&format!(
            "{} held work although nobody had it; it was saved: `repo-pool rescue show {}`",
            pool.slot_id(slot.number),
            rescue.rescue_id
        ));
    }
    Ok(Looked {
        seen,
        unseen,
        prepared,
    })
}

/// The caller and its ancestors may stand in the slot; anybody else would disturb its next holder.
fn nobody_inside(worktree: &Worktree) -> std::result::Result<(), Unready> {
    match occupants::of_idle(worktree)?.first() {
        None => Ok(()),
        Some(process) => Err(Unready::Occupied(format!(
            "pid {} ({})",
            process.pid, process.command
        ))),
    }
}

/// Takes an idle slot off the branch that an undone allocation had put it on, so that nobody can
/// move its HEAD. What can't be done is found by the next look at the slot.
pub fn take_off_branch(pool: &Pool<'_>, number: u32) -> Result<()> {
    clones::bring_home(pool, number)?;
    let worktree = pool.worktree(number);
    if let Ok(Some(Head::Symbolic(_))) = worktree.head()
        && let Some(commit) = worktree.head_commit(&pool.git)?
    {
        worktree.set_head(&Head::Detached(commit))?;
    }
    Ok(())
}

/// What goes wrong here is the request's or the repository's fault, not the slot's.
fn put_on_branch(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    lock: &FileLock,
    target: &Target,
) -> std::result::Result<String, Unready> {
    let number = slot.number;
    let worktree = pool.worktree(number);
    let name = match &target.branch {
        Branch::Own => {
            let name = pool.own_branch(number);
            if let Some(other) = holder_of_own_branch(pool, number, &[])? {
                return Err(Unready::Occupied(format!("{other}, on its branch {name},")));
            }
            let left_at = slot.commit.as_ref();
            own_branch_at(pool, number, lock, &target.commit, left_at).map_err(Unready::Failed)?;
            name
        }
        Branch::Named { name, tip, track } => {
            let full = format!("refs/heads/{name}");
            let stays = tip.as_ref() == Some(&target.commit)
                && refs::is_at(&worktree.common, &full, &target.commit)?;
            if !stays {
                let expected = Some(tip.as_ref());
                refs::set_branch(&pool.git, &worktree, lock, name, &target.commit, expected)
                    .map_err(Unready::Failed)?;
            }
            if *track {
                repository::track(&pool.git, &worktree.common, name, name)
                    .map_err(Unready::Failed)?;
            }
            name.clone()
        }
    };
    worktree.set_head(&Head::Symbolic(format!("refs/heads/{name}")))?;
    Ok(name)
}

/// The other worktree that has the slot's own branch checked out, if somebody has done that. Those of
/// `idle` slots are not asked: HEAD of a verified one is on no branch.
pub fn holder_of_own_branch(
    pool: &Pool<'_>,
    number: u32,
    idle: &[SlotRecord],
) -> Result<Option<String>> {
    let own = names::dir_name(number);
    let is_detached = |name: &str| {
        let number = names::slot_number(name);
        let slot = number.and_then(|number| {
            let at = idle.binary_search_by_key(&number, |slot| slot.number);
            at.ok().map(|at| &idle[at])
        });
        slot.is_some_and(|slot| slot.state == SlotState::Available && slot.is_verified())
    };
    refs::holder_of(
        &pool.paths.repository(),
        &pool.own_branch(number),
        &|name| name == own || is_detached(name),
    )
}

/// Brings the slot's own branch to `commit`, saving what only it holds. Usually it is there already,
/// or where the tool left it, which one look at its file tells. Nothing is done while another
/// worktree is on it.
pub fn own_branch_at(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    commit: &Oid,
    left_at: Option<&Oid>,
) -> Result<()> {
    let worktree = pool.worktree(number);
    let branch = pool.own_branch(number);
    let name = format!("refs/heads/{branch}");
    if refs::is_at(&worktree.common, &name, commit)?
        || holder_of_own_branch(pool, number, &[])?.is_some()
    {
        return Ok(());
    }
    if let Some(left_at) = left_at
        && refs::is_at(&worktree.common, &name, left_at)?
    {
        let expected = Some(Some(left_at));
        return refs::set_branch(&pool.git, &worktree, lock, &branch, commit, expected);
    }
    if let Some(tip) = refs::commit_of(&pool.git, &worktree.common, &name)?
        && let Some(kept) = saving::keep_commit(pool, number, &tip, Reason::Found)?
    {
        pool.context.observer.warn(&format!(
            "{branch} held commits of its own; they were saved: `repo-pool rescue show {}`",
            kept.rescue_id
        ));
    }
    refs::set_branch(&pool.git, &worktree, lock, &branch, commit, None)
}

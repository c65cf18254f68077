//! Making an idle slot ready: whole, clean, at the wanted commit, on the wanted branch.

use super::Pool;
use super::mend::{self, Repairs};
use super::target::{Branch, Target};
use crate::domain::event::Event;
use crate::domain::slot::SlotRecord;
use crate::domain::{Error, Result, names};
use crate::git::clean::{self, Goal};
use crate::git::parse::Head;
use crate::git::{Oid, Worktree, refs, repository, snapshot};
use crate::sys::clock::Deadline;
use crate::sys::lock::FileLock;
use crate::sys::{fs, inside, liveness};

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
    /// The slot is not usable.
    Broken(Error),
    /// It failed for a reason that is not the slot's: another slot would fail as well.
    Failed(Error),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        if is_everybodys(&error) {
            Self::Failed(error)
        } else {
            Self::Broken(error)
        }
    }
}

/// Whether an error would meet every slot: a full disk, a signal, a time-out, a lock in the shared
/// repository.
fn is_everybodys(error: &Error) -> bool {
    let words = [
        "No space left on device",
        "Disk quota exceeded",
        "Read-only file system",
        "Too many open files",
        "cannot lock ref",
        ".lock': File exists",
    ];
    match error {
        Error::Interrupted(_) | Error::LockTimeout { .. } => true,
        Error::Io { source, .. } => words.iter().any(|part| source.to_string().contains(part)),
        Error::Git { failure, .. } => {
            failure.ended.is_some() || words.iter().any(|part| failure.stderr.contains(part))
        }
        Error::Failed { message, .. } => message.contains("cannot start"),
        _ => false,
    }
}

/// Brings the slot to `target`. Work that somebody did in it while it was idle is saved first.
pub fn prepare(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    lock: &FileLock,
    target: &Target,
) -> std::result::Result<Prepared, Unready> {
    let mut prepared = Prepared::default();
    let worktree = pool.worktree(slot.number);
    let known = slot.commit.as_ref().unwrap_or(&target.commit);
    let mut repairs = Repairs::default();
    let seen = mend::whole(pool, slot.number, lock, known, true, &mut repairs)?;
    prepared.operations.append(&mut repairs.operations);
    prepared.events.append(&mut repairs.events);
    if !slot.verified || seen.has_changes() {
        nobody_inside(&worktree)?;
    }
    if !slot.verified || seen.has_changes() || seen.branch.is_some() || seen.commit != slot.commit {
        let (rescue, events) = super::saving::save_work(pool, slot.number, lock, &seen)?;
        prepared.events.extend(events);
        if let Some(rescue) = rescue {
            pool.context.observer.warn(&format!(
                "{} held work although nobody had it; it was saved as {}",
                pool.slot_id(slot.number),
                rescue.reference
            ));
        }
    }
    let deadline = Deadline::after(pool.settings.git_timeout.max(pool.settings.cleanup_timeout));
    let goal = Goal {
        commit: &target.commit,
        keep: &pool.settings.keep,
        deadline,
        thorough: !slot.verified,
    };
    let done = clean::to_goal(&pool.git, &worktree, lock, &seen, &goal)?;
    prepared.operations.extend(done.operations);
    worktree.forget_history()?;
    prepared.branch = put_on_branch(pool, slot.number, lock, target)?;
    Ok(prepared)
}

/// The caller and its ancestors may stand in the slot; anybody else would disturb its next holder.
fn nobody_inside(worktree: &Worktree) -> std::result::Result<(), Unready> {
    let scan = inside::processes_inside(&worktree.path, &liveness::ancestors());
    match scan.inside.first() {
        None => Ok(()),
        Some(process) => Err(Unready::Occupied(format!(
            "pid {} ({})",
            process.pid, process.command
        ))),
    }
}

/// Takes an idle slot off the branch that an undone allocation had put it on, so that nobody can
/// move its HEAD. What can't be done is found by the next look at the slot.
pub fn take_off_branch(pool: &Pool<'_>, number: u32, lock: &FileLock) -> Result<()> {
    let worktree = pool.worktree(number);
    if let Ok(Some(Head::Symbolic(_))) = worktree.head()
        && let Some(commit) = worktree.head_commit(&pool.git)?
    {
        refs::detach(&pool.git, &worktree, lock, &commit)?;
    }
    Ok(())
}

/// What goes wrong here is the request's or the repository's fault, not the slot's.
fn put_on_branch(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    target: &Target,
) -> std::result::Result<String, Unready> {
    let worktree = pool.worktree(number);
    let put = |name: &str, expected| {
        refs::put_on_branch(&pool.git, &worktree, lock, name, &target.commit, expected)
            .map_err(Unready::Failed)
    };
    match &target.branch {
        Branch::Own => {
            let name = pool.own_branch(number);
            if let Some(other) = refs::holder_of(&worktree.common, &name)?
                && other != names::dir_name(number)
            {
                return Err(Unready::Occupied(format!("{other}, on its branch {name},")));
            }
            keep_old_tip(pool, number, &name, &target.commit)?;
            put(&name, None)?;
            Ok(name)
        }
        Branch::Named { name, tip, track } => {
            put(name, Some(tip.as_ref()))?;
            if *track {
                repository::track(&pool.git, &worktree.common, name).map_err(Unready::Failed)?;
            }
            Ok(name.clone())
        }
    }
}

/// The slot's own branch is about to be moved: what only it holds is saved. Usually it stands where
/// it will stand, which one look at its file tells.
fn keep_old_tip(pool: &Pool<'_>, number: u32, branch: &str, commit: &Oid) -> Result<()> {
    let worktree = pool.worktree(number);
    let name = format!("refs/heads/{branch}");
    let file = fs::read_if_there(&worktree.common.join(&name))?.unwrap_or_default();
    if String::from_utf8_lossy(&file).trim() == commit {
        return Ok(());
    }
    if let Some(tip) = refs::commit_of(&pool.git, &worktree.common, &name)?
        && let Some(kept) =
            snapshot::keep_commit(&pool.git, &worktree, &tip, &names::dir_name(number))?
    {
        pool.context.observer.warn(&format!(
            "{branch} held commits of its own; they were saved as {kept}"
        ));
    }
    Ok(())
}

//! What lies around in a pool's directory and belongs to no slot: finding it, and putting it right.

use std::path::{Path, PathBuf};

use super::observe::SlotFacts;
use super::reconcile::Step;
use crate::domain::Result;
use crate::domain::event::{Event, EventKind};
use crate::domain::names;
use crate::domain::outcome::FindingKind;
use crate::domain::pool::PoolRecord;
use crate::domain::rescue::Reason;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::git::registration::{self, Registration};
use crate::pool::{Pool, journal, queue, quiet, saving, slots, trash};
use crate::sys::lock::{self, FileLock};
use crate::sys::{clock, fs, inside, remove};

/// What was seen of it.
#[derive(Debug, Clone, Default)]
pub struct Strays {
    /// Directories among the slots that are none.
    pub foreign_directories: Vec<PathBuf>,
    /// Registrations in git that are not the pool's.
    pub foreign_registrations: Vec<PathBuf>,
    /// Those of them that a killed git left half made, so that git fails on all others too.
    pub broken_registrations: Vec<PathBuf>,
    /// The pool's own registrations of slots that are no more: there is no directory either.
    pub old_registrations: Vec<PathBuf>,
    /// Slots that the record does not know, whole with directory and registration.
    pub unrecorded: Vec<u32>,
    /// Temporary files and trash that nobody uses.
    pub leftovers: Vec<PathBuf>,
    /// Lock files of git's in the shared repository while no process uses the pool.
    pub shared_git_locks: Vec<PathBuf>,
    /// Lock files of slots that are no more.
    pub orphaned_locks: Vec<PathBuf>,
    /// Places in the line for a slot whose holders are gone.
    pub dead_tickets: Vec<PathBuf>,
}

/// Looks for strays.
pub fn strays(pool: &Pool<'_>, record: &PoolRecord, slots: &[SlotFacts]) -> Result<Strays> {
    let mut found = Strays::default();
    let registered = everything(&pool.paths.repository().join("worktrees"))?;
    let mut directories = everything(&pool.paths.worktrees())?;
    directories.extend(everything(&pool.paths.parked())?);
    let locks = everything(&pool.paths.locks())?;
    // A slot that was made or removed while this looked is in one of the two.
    let now = pool.read()?;
    let is_known = |number| record.slot(number).is_some() || now.slot(number).is_some();
    let stray = |path: &PathBuf| !number_of(path).is_some_and(is_known);

    registrations(pool, registered.into_iter().filter(stray), &mut found)?;
    let adopted = |path: &PathBuf| {
        let number = number_of(path);
        number.is_some_and(|number| found.unrecorded.contains(&number))
    };
    found.foreign_directories = directories
        .into_iter()
        .filter(|path| stray(path) && !adopted(path))
        .collect();
    found.orphaned_locks = locks
        .into_iter()
        .filter(|path| number_of(path).is_some() && stray(path) && !adopted(path))
        .filter(|path| lock::is_locked(path) == Some(false))
        .collect();
    found.dead_tickets = queue::dead(pool)?;
    let fetching = [pool.paths.fetch_lock(), pool.paths.fetching_lock()];
    let idle = slots.iter().all(|slot| !slot.locked)
        && fetching
            .iter()
            .all(|path| lock::is_locked(path) == Some(false));
    if idle && let Some(git) = quiet::leftovers(pool, &[std::process::id()])? {
        // What somebody is deleting is not left behind.
        if !trash::is_being_emptied(pool) {
            let trash = pool.paths.trash();
            let waits = !everything(&trash)?.is_empty();
            found.leftovers.extend(waits.then_some(trash));
        }
        let tmp = pool.paths.repository().join("repo-pool-tmp");
        found.leftovers.extend(everything(&tmp)?);
        found.leftovers.extend(temporary_files(&pool.paths.root)?);
        found.leftovers.extend(git.temporary);
        found.shared_git_locks = git.locks;
    }
    Ok(found)
}

/// The number of the slot that a directory or a lock file is named after.
fn number_of(path: &Path) -> Option<u32> {
    let stem = match path.extension().and_then(|kind| kind.to_str()) {
        Some("lock" | "holder") => path.file_stem(),
        _ => path.file_name(),
    };
    names::slot_number(stem?.to_str()?)
}

fn registrations(
    pool: &Pool<'_>,
    strays: impl Iterator<Item = PathBuf>,
    found: &mut Strays,
) -> Result<()> {
    for path in strays {
        let number = number_of(&path);
        let registration = registration::read(&path)?;
        let is_ours = number.filter(|number| is_ours(pool, *number, &registration));
        match is_ours {
            Some(number) if is_there(pool, number) => found.unrecorded.push(number),
            Some(_) => found.old_registrations.push(path),
            None if !registration.is_whole && nobody_is_at(&registration) => {
                found.broken_registrations.push(path);
            }
            None => found.foreign_registrations.push(path),
        }
    }
    Ok(())
}

/// Whether the pool made it: it names the place of a slot and is locked as slots are.
fn is_ours(pool: &Pool<'_>, number: u32, registration: &Registration) -> bool {
    registration.is_a_slots
        && registration.directory.as_deref() == Some(pool.paths.slot(number).as_path())
        && lock::is_locked(&pool.paths.slot_lock(number)) == Some(false)
}

fn is_there(pool: &Pool<'_>, number: u32) -> bool {
    [pool.paths.slot(number), pool.paths.parked_slot(number)]
        .iter()
        .any(|path| path.exists())
}

/// A git that is just making the registration stands in the repository, or has files there open.
fn nobody_is_at(registration: &Registration) -> bool {
    [Some(&registration.path), registration.directory.as_ref()]
        .into_iter()
        .flatten()
        .all(|path| inside::processes_inside(path, &[]).inside.is_empty())
}

fn everything(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let names = fs::list_dir_if_there(dir)?.unwrap_or_default();
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// What a killed atomic write leaves beside its target.
fn temporary_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let names = fs::list_dir_if_there(dir)?.unwrap_or_default();
    Ok(names
        .iter()
        .filter(|name| fs::is_temporary_name(name))
        .map(|name| dir.join(name))
        .collect())
}

/// Deletes a file that nobody uses; a lock file only while holding it. False if somebody may use it
/// by now.
pub fn remove(pool: &Pool<'_>, step: &Step) -> Result<bool> {
    let Some(path) = &step.path else {
        return Ok(true);
    };
    let _slot = match step.slot {
        Some(number) => match journal::try_slot(pool, number)? {
            Some(lock) => Some(lock),
            None => return Ok(false),
        },
        None => None,
    };
    let is_trash = *path == pool.paths.trash();
    if is_trash {
        // It may take its time.
        trash::empty(pool)?;
    }
    let mut locked = pool.lock()?;
    if step.kind == FindingKind::OrphanedLock {
        match FileLock::try_acquire(path)? {
            Some(_lock) => remove::remove_tree(path)?,
            None => return Ok(false),
        }
    } else if !is_trash {
        if step.kind == FindingKind::StaleGitLock && !is_nobodys(pool, &locked.record, step)? {
            return Ok(false);
        }
        remove::remove_tree(path)?;
    }
    let event = Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(&step.detail);
    locked.note(match step.slot {
        Some(number) => event.slot(pool.slot_id(number)),
        None => event,
    });
    locked.save_history()?;
    Ok(true)
}

/// Asked under the locks: since the look, the slot may have been handed out, and the lock be that of its
/// holder's git; or a command may have begun to use the repository.
fn is_nobodys(pool: &Pool<'_>, record: &PoolRecord, step: &Step) -> Result<bool> {
    let Some(number) = step.slot else {
        return Ok(quiet::leftovers(pool, &[std::process::id()])?.is_some());
    };
    let idle = |slot: &SlotRecord| slot.state == SlotState::Available && slot.operation.is_none();
    Ok(record.slot(number).is_some_and(idle))
}

/// Lets a half-made registration name the repository, unless it has been completed meanwhile.
pub fn complete_registration(pool: &Pool<'_>, step: &Step) -> Result<()> {
    let Some(path) = &step.path else {
        return Ok(());
    };
    let mut locked = pool.lock()?;
    let there = registration::read(path)?;
    if path.is_dir() && !there.is_whole && nobody_is_at(&there) {
        registration::complete(path)?;
        locked.note(Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(&step.detail));
    }
    locked.save_history()
}

/// Takes away the pool's own registration of a slot that is no more. Its commits are kept.
pub fn unregister(pool: &Pool<'_>, step: &Step) -> Result<Option<String>> {
    let Some(number) = step.path.as_deref().and_then(number_of) else {
        return Ok(None);
    };
    let Some(_lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let mut locked = pool.lock()?;
    if locked.record.slot(number).is_some() || is_there(pool, number) {
        return Ok(None);
    }
    let kept = saving::save_commits(pool, number, Reason::Repair)?;
    slots::clear(pool, number)?;
    fs::remove_file_if_there(&pool.paths.slot_lock(number))?;
    locked.note(Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(&step.detail));
    locked.save_history()?;
    Ok(kept.map(|rescue| {
        format!(
            "its commits were saved: `repo-pool rescue show {}`",
            rescue.rescue_id
        )
    }))
}

/// Takes a slot that the record does not know into the pool, out of use: what is in it may be work.
/// False if somebody has it by now.
pub fn adopt(pool: &Pool<'_>, number: u32, reason: &str) -> Result<bool> {
    let Some(_lock) = journal::try_slot(pool, number)? else {
        return Ok(false);
    };
    let mut locked = pool.lock()?;
    if locked.record.slot(number).is_some() {
        return Ok(false);
    }
    let now = clock::now();
    let operation = journal::operation(OperationKind::Repair, now);
    let mut slot = SlotRecord::reserved(number, operation, now);
    slot.commit = pool.worktree(number).head_commit(&pool.git)?;
    slot.put_out_of_use(reason, now);
    locked.record.insert(slot);
    locked.note(
        Event::new(EventKind::Isolated, &pool.name, now)
            .slot(pool.slot_id(number))
            .detail(reason),
    );
    locked.save()?;
    Ok(true)
}

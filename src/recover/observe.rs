//! Facts about a pool, gathered without changing anything and without waiting for any lock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Request;
use crate::domain::lease::HolderState;
use crate::domain::names;
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{OperationKind, SlotState};
use crate::domain::{Error, Result};
use crate::git::worktree::Fault;
use crate::git::{Worktree, status};
use crate::pool::{Pool, holder, parallel};
use crate::sys::{clock, fs, inside, liveness, lock};

/// How often processes are looked at before one that stays hidden counts as working.
const LOOKS: u32 = 5;

/// What was seen of a slot.
#[derive(Debug, Clone)]
pub struct SlotFacts {
    /// Its number.
    pub number: u32,
    /// Its state, as recorded.
    pub state: SlotState,
    /// Why it is out of use.
    pub error: Option<String>,
    /// The recorded operation.
    pub operation: Option<OperationKind>,
    /// Whether a command works on it.
    pub locked: bool,
    /// What is wrong with its links.
    pub fault: Option<Fault>,
    /// What else is wrong with it; only looked for in idle slots.
    pub unreadable: Option<String>,
    /// Its holder.
    pub holder: Option<HolderState>,
    /// For how long it has been held.
    pub held: Option<Duration>,
    /// Lock files of git's in its registration.
    pub git_locks: Vec<PathBuf>,
    /// A process that is inside.
    pub inside: Option<u32>,
}

/// What was seen of a pool.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its slots.
    pub slots: Vec<SlotFacts>,
    /// Directories among the slots that are none.
    pub foreign_directories: Vec<PathBuf>,
    /// Registrations in git that are not the pool's.
    pub foreign_registrations: Vec<PathBuf>,
    /// Temporary files and trash that nobody uses.
    pub leftovers: Vec<PathBuf>,
    /// Lock files of git's in the shared repository while no process uses the pool.
    pub shared_git_locks: Vec<PathBuf>,
    /// Lock files of slots that are no more.
    pub orphaned_locks: Vec<PathBuf>,
}

/// Looks at the pool.
pub fn observe(pool: &Pool<'_>, record: &PoolRecord, request: &Request) -> Result<Facts> {
    let chosen: Vec<_> = record
        .slots
        .iter()
        .filter(|slot| request.slot.is_none_or(|number| number == slot.number))
        .collect();
    let jobs = parallel::jobs(pool.settings.jobs);
    let slots = parallel::each(&chosen, jobs, |slot| slot_facts(pool, slot));
    let mut facts = Facts {
        slots: slots.into_iter().collect::<Result<_>>()?,
        ..Facts::default()
    };
    if request.slot.is_none() {
        strays(pool, record, &mut facts)?;
    }
    Ok(facts)
}

fn slot_facts(pool: &Pool<'_>, slot: &crate::domain::slot::SlotRecord) -> Result<SlotFacts> {
    let number = slot.number;
    let worktree = pool.worktree(number);
    let locked = lock::is_locked(&pool.paths.slot_lock(number)) == Some(true);
    let fault = match worktree.fault() {
        // What can't be looked at is damaged, and no reason to leave the other slots alone.
        Err(error) => Some(Fault::Admin(error.to_string())),
        Ok(fault) => fault,
    };
    let idle = matches!(slot.state, SlotState::Available | SlotState::Error);
    let unreadable = match (&fault, locked || !idle) {
        (None, false) => damage(pool, &worktree, slot.verified)?,
        _ => None,
    };
    let now = clock::now();
    Ok(SlotFacts {
        number,
        state: slot.state,
        error: slot.error.clone(),
        operation: slot.operation.as_ref().map(|operation| operation.kind),
        locked,
        fault,
        unreadable,
        holder: slot
            .allocation
            .as_ref()
            .map(|allocation| holder::state(pool, number, allocation)),
        held: slot.allocation.as_ref().map(|allocation| {
            let held = now.duration_since(allocation.allocated_at);
            if held.is_negative() {
                Duration::ZERO
            } else {
                held.unsigned_abs()
            }
        }),
        git_locks: worktree.stale_locks().unwrap_or_default(),
        inside: match slot.state {
            SlotState::Allocated | SlotState::Cleaning => {
                let found = inside::processes_inside(&worktree.path, &[]).inside;
                found.first().map(|process| process.pid)
            }
            _ => None,
        },
    })
}

/// What is wrong with an idle slot whose links are right: git can't read it, its HEAD names no
/// commit, or it is not as clean as it was left.
fn damage(pool: &Pool<'_>, worktree: &Worktree, verified: bool) -> Result<Option<String>> {
    match status::look(&pool.git, worktree, None) {
        Err(Error::Git { failure, .. }) => {
            Ok(Some(format!("git can't read it: {}", failure.stderr)))
        }
        Err(other @ Error::Interrupted(_)) => Err(other),
        Err(other) => Ok(Some(other.to_string())),
        Ok(seen) if seen.commit.is_none() => Ok(Some("its HEAD names no commit".into())),
        Ok(seen) if verified && seen.has_changes() => {
            Ok(Some("it has changes although nobody holds it".into()))
        }
        Ok(_) => Ok(None),
    }
}

/// What lies around in the pool's directory and belongs to no slot.
fn strays(pool: &Pool<'_>, record: &PoolRecord, facts: &mut Facts) -> Result<()> {
    let known = |name: &std::ffi::OsStr| {
        name.to_str()
            .and_then(names::slot_number)
            .is_some_and(|number| record.slot(number).is_some())
    };
    let unknown_in = |dir: &Path| -> Result<Vec<PathBuf>> {
        let names = fs::list_dir_if_there(dir)?.unwrap_or_default();
        Ok(names
            .iter()
            .filter(|name| !known(name))
            .map(|name| dir.join(name))
            .collect())
    };
    let everything = |dir: &Path| -> Result<Vec<PathBuf>> {
        let names = fs::list_dir_if_there(dir)?.unwrap_or_default();
        Ok(names.iter().map(|name| dir.join(name)).collect())
    };
    facts.foreign_directories = unknown_in(&pool.paths.worktrees())?;
    facts.foreign_registrations = unknown_in(&pool.paths.repository().join("worktrees"))?;
    facts.orphaned_locks = everything(&pool.paths.locks())?
        .into_iter()
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.and_then(names::slot_number)
                .is_some_and(|number| record.slot(number).is_none())
        })
        .filter(|path| lock::is_locked(path) == Some(false))
        .collect();
    let quiet = record.slots.iter().all(|slot| slot.operation.is_none())
        && facts.slots.iter().all(|slot| !slot.locked)
        && lock::is_locked(&pool.paths.fetch_lock()) == Some(false);
    if quiet && nobody_works_in(&pool.paths.root) {
        facts.leftovers = everything(&pool.paths.trash())?;
        facts
            .leftovers
            .extend(everything(&pool.paths.repository().join("repo-pool-tmp"))?);
        facts.leftovers.extend(temporary_files(&pool.paths.root)?);
        let git = crate::git::repository::leftovers(&pool.paths.repository())?;
        facts.leftovers.extend(git.temporary);
        facts.shared_git_locks = git.locks;
    }
    Ok(())
}

/// Whether provably no process uses the pool. One that can't be looked at for a moment, as while it
/// starts a program, is looked at again.
fn nobody_works_in(dir: &Path) -> bool {
    let mut hidden: Option<Vec<u32>> = None;
    for _ in 0..LOOKS {
        let scan = inside::processes_inside(dir, &[std::process::id()]);
        if !scan.inside.is_empty() {
            return false;
        }
        let now = scan.unreadable.into_iter().filter(|pid| may_be_git(*pid));
        let still: Vec<u32> = match &hidden {
            None => now.collect(),
            Some(before) => now.filter(|pid| before.contains(pid)).collect(),
        };
        if still.is_empty() {
            return true;
        }
        hidden = Some(still);
    }
    false
}

/// Whether a process that can't be looked at could be one that works on repositories: by its
/// command line, which everybody may read.
fn may_be_git(pid: u32) -> bool {
    liveness::command_of(pid)
        .is_none_or(|command| command.contains("git") || command.contains("repo-pool"))
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

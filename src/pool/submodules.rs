//! Submodules of slots, where the settings want them: filled whenever a slot was brought to a commit.
//!
//! Each remote's objects are fetched once per pool. A slot's own part is emptied with everything else
//! when it is cleaned, and filled anew.

use std::path::{Path, PathBuf};

use super::Pool;
use crate::config::Submodules;
use crate::domain::remote::RemoteUrl;
use crate::domain::slot::SlotRecord;
use crate::domain::{Error, Result};
use crate::git::gitmodules::{self, Recorded};
use crate::git::{Oid, Worktree, module, submodules};
use crate::sys::lock::FileLock;

/// How deep submodules are followed into each other: one that has itself as a submodule has no end.
const DEEPEST: usize = 16;

/// Fills the submodules of a slot that stands at `commit` and has none filled.
pub fn fill(pool: &Pool<'_>, number: u32, lock: &FileLock, commit: &Oid) -> Result<()> {
    if pool.settings.submodules == Submodules::Off {
        return Ok(());
    }
    let slot = pool.worktree(number);
    let url = pool.url(&pool.read()?)?;
    let top = Level {
        repository: pool.paths.repository(),
        url,
        commit: commit.clone(),
        admin: slot.admin.clone(),
        place: PathBuf::new(),
        depth: 0,
    };
    submodules::begin(&slot)?;
    fill_level(pool, &slot, lock, &top)?;
    slot.make_submodules_active()?;
    submodules::end(&slot)
}

/// The same for a slot that is given back: what can't be fetched now is, when it is handed out again.
/// Tells whether it is filled.
pub fn fill_if_possible(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    commit: &Oid,
) -> Result<bool> {
    match fill(pool, number, lock, commit) {
        Ok(()) => Ok(true),
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error) => {
            pool.context.observer.warn(&format!("{error}"));
            Ok(false)
        }
    }
}

/// Whether a slot that was verified need not be emptied of submodules to be brought to `commit`.
pub fn stay(pool: &Pool<'_>, slot: &SlotRecord, commit: &Oid) -> bool {
    pool.settings.submodules == Submodules::Off || slot.commit.as_ref() == Some(commit)
}

/// A repository whose submodules are filled.
struct Level {
    repository: PathBuf,
    url: RemoteUrl,
    commit: Oid,
    admin: PathBuf,
    place: PathBuf,
    depth: usize,
}

fn fill_level(pool: &Pool<'_>, slot: &Worktree, lock: &FileLock, level: &Level) -> Result<()> {
    let all = gitmodules::of(&pool.git, &level.repository, &level.commit, &level.url)?;
    let top = level.depth == 0;
    for recorded in all
        .into_iter()
        .filter(|one| !top || slot.sparse.has(&one.place))
    {
        if level.depth >= DEEPEST {
            return Err(Error::failed(format!(
                "submodules go deeper than {DEEPEST} levels at {}",
                level.place.display()
            )));
        }
        let shared = module::shared(&pool.paths.modules(), &recorded.url);
        bring(pool, &shared, &recorded)?;
        let place = level.place.join(&recorded.place);
        let git = &pool.git;
        let admin = module::fill(git, slot, lock, &shared, &recorded, &level.admin, &place)?;
        if pool.settings.submodules == Submodules::Recursive {
            let below = Level {
                repository: shared,
                url: recorded.url,
                commit: recorded.commit,
                admin,
                place,
                depth: level.depth + 1,
            };
            fill_level(pool, slot, lock, &below)?;
        }
    }
    Ok(())
}

/// Fetches what is recorded, once for all slots.
fn bring(pool: &Pool<'_>, shared: &Path, recorded: &Recorded) -> Result<()> {
    if module::is_here(&pool.git, shared, &recorded.commit)? {
        return Ok(());
    }
    let locks = pool.workspace.locks();
    let patience = locks.timeout().max(pool.settings.git_timeout);
    let what = format!("fetching submodules of pool {}", pool.name);
    let _lock = pool.acquire(
        &locks.with_timeout(patience),
        &pool.paths.modules_lock(),
        &what,
    )?;
    match module::is_here(&pool.git, shared, &recorded.commit)? {
        true => Ok(()),
        false => {
            module::fetch(&pool.git, shared, recorded).map_err(|error| not_here(recorded, error))
        }
    }
}

/// That a submodule can't be fetched is no slot's fault.
fn not_here(recorded: &Recorded, error: Error) -> Error {
    match error {
        Error::Interrupted(_) => error,
        other => Error::Pool {
            message: format!(
                "the submodule {:?} can't be fetched from {}: {}",
                recorded.name,
                recorded.url.stored(),
                other.reason()
            ),
            hint: Some(
                "try again when it can be reached; submodules = false in pools.toml does without"
                    .into(),
            ),
        },
    }
}

//! What was thrown away, and the process that deletes it.
//!
//! Throwing away is a rename; a process of its own deletes afterwards, with as many threads as there
//! are cores. It holds the trash's lock from the moment in which it is started, so whoever finds
//! something in the trash and the lock free sees that nobody deletes it, and starts another. Whoever
//! finds the lock held need do nothing: its holder looks once more after it has let go of it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Context, Pool, parallel};
use crate::domain::names::{PoolName, dir_name};
use crate::domain::{Error, Result};
use crate::store::PoolPaths;
use crate::store::workspace;
use crate::sys::detached::{self, Environment};
use crate::sys::lock::{self, FileLock};
use crate::sys::trash::Bin;
use crate::sys::{disk, fs, remove};

/// The first word of the command line of the process that deletes. It is no verb: nobody is meant to
/// type it.
pub const DELETE: &str = "__delete-trash";

/// For how long the process that deletes in a removed pool is waited for by the one that deletes the
/// pool.
const ONE_AT_A_TIME: Duration = Duration::from_secs(600);

/// Where to throw what is in a slot's way.
pub fn bin(pool: &Pool<'_>, number: u32) -> Bin {
    Bin::new(pool.paths.trash(), dir_name(number))
}

/// Makes sure that somebody deletes what is in the pool's trash. While older things wait there and all
/// of it is more than `trash_limit`, it is deleted here and now. What can't be done is said, and no
/// reason to fail: the next command tries again.
pub fn see_to(pool: &Pool<'_>) {
    let attend = || -> Result<()> {
        let trash = pool.paths.trash();
        let waiting = fs::list_dir_if_there(&trash)?.unwrap_or_default();
        if waiting.is_empty() {
            return Ok(());
        }
        let behind = waiting.iter().any(|name| !Bin::is_ours(name));
        let jobs = parallel::jobs(pool.settings.jobs);
        let is_too_much = |bytes| bytes > pool.settings.trash_limit;
        // What can't be measured may be too much.
        if behind && disk::of_tree(&trash, jobs).is_none_or(is_too_much) {
            return empty(pool);
        }
        let lock = pool.paths.trash_lock();
        match pool.workspace.locks().try_acquire(&lock)? {
            Some(lock) => start(pool.context, Some(&pool.name), pool.settings.jobs, &lock),
            None => Ok(()),
        }
    };
    if let Err(error) = attend() {
        pool.context.observer.warn(&error.to_string());
    }
}

/// The same for the workspace's trash, in which whole pools lie.
pub fn see_to_workspace(context: &Context<'_>) -> Result<()> {
    let lock = context.workspace.trash_lock();
    let jobs = context.config.settings(None, &context.flags).jobs;
    match context.workspace.locks().try_acquire(&lock)? {
        Some(lock) => start(context, None, jobs, &lock),
        None => Ok(()),
    }
}

fn start(
    context: &Context<'_>,
    pool: Option<&PoolName>,
    jobs: usize,
    lock: &FileLock,
) -> Result<()> {
    let root = context.workspace.root();
    let mut args: Vec<OsString> = vec![
        DELETE.into(),
        std::path::absolute(root)
            .map_err(|e| Error::io("find", root, e))?
            .into(),
        jobs.to_string().into(),
    ];
    args.extend(pool.map(|name| name.as_str().into()));
    detached::start(args, Environment::Empty, lock)
}

/// Deletes what is in the pool's trash, here and now. Who deletes there already is waited for.
pub fn empty(pool: &Pool<'_>) -> Result<()> {
    let what = format!("the trash of pool {}", pool.name);
    let locks = pool.workspace.locks();
    let _lock = pool.acquire(locks, &pool.paths.trash_lock(), &what)?;
    remove::empty(&pool.paths.trash(), parallel::jobs(pool.settings.jobs))
}

/// Whether somebody deletes what is in the pool's trash.
pub fn is_being_emptied(pool: &Pool<'_>) -> bool {
    lock::is_locked(&pool.paths.trash_lock()) == Some(true)
}

/// Deletes what is left of a pool that was moved to `gone` in the workspace's trash, once nobody deletes
/// in its own any more. Two would be in each other's way: who deletes in the workspace's already finds it
/// there, and what comes to it while this deletes is seen to afterwards.
pub fn delete_pool(context: &Context<'_>, gone: &Path) -> Result<()> {
    let workspace = &context.workspace;
    let Some(held) = workspace.locks().try_acquire(&workspace.trash_lock())? else {
        return Ok(());
    };
    await_deleter(gone);
    let deleted = remove::remove_tree(gone);
    drop(held);
    let waiting = fs::list_dir_if_there(&workspace.trash())?.unwrap_or_default();
    if waiting.is_empty() {
        return deleted;
    }
    see_to_workspace(context).and(deleted)
}

fn await_deleter(gone: &Path) {
    let lock = gone.join("locks/trash.lock");
    if lock.exists() {
        // Two would be in each other's way; after that time they have to put up with it.
        let _ = FileLock::acquire(&lock, ONE_AT_A_TIME, &mut || ());
    }
}

/// What the process that deletes was started for.
pub struct Deletion {
    dir: PathBuf,
    lock: PathBuf,
    holds_pools: bool,
    jobs: usize,
}

impl Deletion {
    /// Reads the words after [`DELETE`].
    pub fn from_args(args: &[OsString]) -> Result<Self> {
        let wrong = || Error::usage("this is started by repo-pool itself");
        let (root, rest) = args.split_first().ok_or_else(wrong)?;
        let (jobs, rest) = rest.split_first().ok_or_else(wrong)?;
        let jobs = jobs.to_str().and_then(|text| text.parse().ok());
        let jobs = parallel::jobs(jobs.ok_or_else(wrong)?);
        let root = PathBuf::from(root);
        let (dir, lock, holds_pools) = match rest {
            [] => {
                let (dir, lock) = workspace::trash_of(&root);
                (dir, lock, true)
            }
            [name] => {
                let name = name.to_str().ok_or_else(wrong)?;
                let paths = PoolPaths::new(&root, &PoolName::new(name)?);
                if paths.led_astray()?.is_some() {
                    return Err(wrong());
                }
                (paths.trash(), paths.trash_lock(), false)
            }
            _ => return Err(wrong()),
        };
        Ok(Self {
            dir,
            lock,
            holds_pools,
            jobs,
        })
    }

    /// Deletes until there is nothing left that can be deleted, unless another process does so.
    pub fn carry_out(&self) -> Result<()> {
        detached::stand_back();
        let mut lock = detached::lock_given(&self.lock)?;
        while let Some(held) = lock {
            if self.holds_pools {
                let pools = self.names()?;
                pools
                    .iter()
                    .for_each(|name| await_deleter(&self.dir.join(name)));
            }
            let seen = self.names()?;
            let emptied = remove::empty(&self.dir, self.jobs);
            drop(held);
            // Whoever threw something away until now has seen the lock held. What was there before can't
            // be deleted.
            if self.names()?.iter().all(|name| seen.contains(name)) {
                return emptied;
            }
            lock = FileLock::try_acquire(&self.lock)?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<OsString>> {
        fs::list_dir_if_there(&self.dir).map(Option::unwrap_or_default)
    }
}

/// Whether these are the words of a process that deletes.
pub fn is_deletion(word: Option<&OsStr>) -> bool {
    word.is_some_and(|word| word == DELETE)
}

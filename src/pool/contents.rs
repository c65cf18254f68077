//! Contents of files that a partial clone, or git-lfs, leaves with the remote until they are needed.
//!
//! They are brought where a commit is chosen, so that bringing a slot to it needs no remote. Should some
//! have been lost since, git says so, and they are brought again.

use super::Pool;
use crate::domain::pool::PoolRecord;
use crate::domain::{Error, Result};
use crate::git::{Oid, Sparse, lfs, remote};

/// What git says when it would have to fetch contents.
const LACKING: &str = " from promisor remote";

/// Brings what the files of `commit` hold here, as far as slots are to have it.
pub fn bring_files(pool: &Pool<'_>, record: &PoolRecord, commit: &Oid) -> Result<()> {
    bring(pool, record, commit)?;
    match pool.settings.lfs {
        true => {
            let url = pool.url(record)?;
            lfs::bring(&pool.git, &pool.paths.repository(), &url, commit)
        }
        false => Ok(()),
    }
}

/// Brings the files of `commit` here, where the pool's repository was made without them.
pub fn bring(pool: &Pool<'_>, record: &PoolRecord, commit: &Oid) -> Result<()> {
    let url = pool.url(record)?;
    let repository = pool.paths.repository();
    remote::bring_contents(&pool.git, &repository, &url, commit, &wanted(pool))
}

/// The files whose contents are brought: those that slots have, but git-lfs looks at all of them for
/// pointers.
pub fn wanted(pool: &Pool<'_>) -> Sparse {
    match pool.settings.lfs {
        true => Sparse::default(),
        false => Sparse::new(&pool.settings.sparse),
    }
}

/// Does what writes files of `commit`, once more if contents were lacking.
pub fn with<T>(pool: &Pool<'_>, commit: &Oid, mut act: impl FnMut() -> Result<T>) -> Result<T> {
    // They came with the commit, unless the settings have changed since.
    if pool.settings.lfs && !lfs::is_brought(&pool.paths.repository(), commit)? {
        bring_files(pool, &pool.read()?, commit)?;
    }
    match act().map_err(blameless) {
        Err(error) if is_lacking(&error) => {
            let brought = bring(pool, &pool.read()?, commit);
            brought.map_err(|error| unreachable(commit, &error))?;
            act()
        }
        // git-lfs asks for what it lacks itself, but without what the user has set for the network.
        Err(Error::Pool { .. }) if pool.settings.lfs => {
            lfs::forget_brought(&pool.paths.repository())?;
            let brought = bring_files(pool, &pool.read()?, commit);
            brought.map_err(|error| match error {
                Error::Git { .. } => unreachable(commit, &error),
                other => other,
            })?;
            act().map_err(blameless)
        }
        other => other,
    }
}

/// That git-lfs is not there or can't do its work is no slot's fault: its files and its index are as
/// they were.
pub fn blameless(error: Error) -> Error {
    match &error {
        Error::Git { failure, .. } if failure.ended.is_none() => {
            lfs::failure(&failure.stderr).unwrap_or(error)
        }
        _ => error,
    }
}

fn is_lacking(error: &Error) -> bool {
    matches!(error, Error::Git { failure, .. }
        if failure.ended.is_none() && failure.stderr.contains(LACKING))
}

/// That the remote can't be reached is no slot's fault.
fn unreachable(commit: &Oid, error: &Error) -> Error {
    match error {
        Error::Interrupted(signal) => Error::Interrupted(*signal),
        other => Error::Pool {
            message: format!(
                "contents of files at {} are not here and can't be fetched: {}",
                &commit[..commit.len().min(12)],
                other.reason()
            ),
            hint: Some("try again when the remote can be reached".into()),
        },
    }
}

//! Going on without the remote, where that is wanted, and saying how where it is not.

use super::Pool;
use crate::config::OnFetchFailure;
use crate::domain::age;
use crate::domain::pool::{PoolRecord, RemoteState};
use crate::domain::{Error, Result};
use crate::sys::clock;

/// What follows a fetch that failed: a warning that says how old the base is, if the settings want to
/// go on, else the error with the way to do so.
pub fn instead(pool: &Pool<'_>, record: &PoolRecord, error: Error) -> Result<()> {
    let Error::Git { failure, .. } = &error else {
        return Err(error);
    };
    if record.remote.base_commit.is_none() {
        return Err(error);
    }
    let base = base_as_fetched(&record.remote);
    if pool.settings.on_fetch_failure == OnFetchFailure::UseCache {
        pool.context.observer.warn(&format!(
            "pool {} could not be fetched ({}); going on with {base}",
            pool.name,
            failure.cause()
        ));
        return Ok(());
    }
    Err(error.with_hint(format!(
        "`--no-fetch` goes on with {base}; on_fetch_failure = \"use-cache\" in pools.toml does so by itself"
    )))
}

/// `main at 1a2b3c4d5e6f, as fetched 3h ago`.
fn base_as_fetched(remote: &RemoteState) -> String {
    let branch = remote.base_branch.as_deref().unwrap_or("the remote's HEAD");
    let commit = remote.base_commit.as_deref().unwrap_or_default();
    let age = remote
        .fetched_at
        .map(|at| format!(", as fetched {} ago", age::since(at, clock::now())));
    format!(
        "{branch} at {}{}",
        &commit[..commit.len().min(12)],
        age.unwrap_or_default()
    )
}

//! How the work of pools went, for who watches them. Takes no lock and runs no git.

use super::{Context, Pool, view};
use crate::domain::names::PoolName;
use crate::domain::outcome::{Figures, PoolMetrics, WorkView};
use crate::domain::pool::PoolRecord;
use crate::domain::{Error, Result};
use crate::store::{self, PoolPaths};
use crate::sys::{clock, fs};

/// The metrics of all pools. One that can't be read is there with the reason.
pub fn all(context: &Context<'_>) -> Result<Vec<PoolMetrics>> {
    let mut found = Vec::new();
    for name in context.workspace.pool_names()? {
        match store::pool::read(&context.workspace, &name) {
            Ok(record) => found.push(shown(&context.workspace.pool(&name), &record)),
            // It was removed meanwhile.
            Err(Error::PoolNotFound(_)) => {}
            Err(error @ Error::Failed { .. }) => found.push(unreadable(&name, &error)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The metrics of one pool.
pub fn of(pool: &Pool<'_>) -> Result<PoolMetrics> {
    Ok(shown(&pool.paths, &pool.read()?))
}

fn shown(paths: &PoolPaths, record: &PoolRecord) -> PoolMetrics {
    PoolMetrics {
        repo_name: paths.name.to_string(),
        figures: Some(figures(paths, record)),
        error: None,
    }
}

fn unreadable(name: &PoolName, error: &Error) -> PoolMetrics {
    PoolMetrics {
        repo_name: name.to_string(),
        figures: None,
        error: Some(error.to_string()),
    }
}

fn figures(paths: &PoolPaths, record: &PoolRecord) -> Figures {
    let metrics = &record.metrics;
    let fetched_at = record.remote.fetched_at;
    let trash = fs::list_dir_if_there(&paths.trash()).ok();
    Figures {
        repo_url: record.repo_url.clone(),
        base_branch: record.remote.base_branch.clone(),
        fetched_at,
        base_age_seconds: fetched_at
            .map(|at| clock::now().duration_since(at).as_secs_f64().max(0.0)),
        summary: view::summary(record),
        cache_hits: metrics.hits,
        total_rescues: metrics.rescues,
        trash_entries: Some(trash.map(|names| names.map_or(0, |names| names.len() as u64))),
        allocations: WorkView::from(metrics),
        fetches: WorkView::from(&metrics.fetches),
        cleanups: WorkView::from(&metrics.cleanups),
    }
}

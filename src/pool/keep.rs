//! The caches that cleaning leaves: how large they may get, and what their patterns may not mean.

use std::path::PathBuf;

use super::{Pool, parallel, trash};
use crate::config::parse::format_size;
use crate::domain::Result;
use crate::git::kept;
use crate::store::PoolPaths;
use crate::sys::disk;
use crate::sys::fs::{self, Durability};
use crate::sys::lock::FileLock;

/// So many paths are named.
const NAMED: usize = 5;

/// Notes the patterns that a pool is made with where they are not lost with its record.
pub fn note(paths: &PoolPaths, patterns: &[String]) -> Result<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    let lines: String = patterns.iter().map(|one| format!("{one}\n")).collect();
    fs::write_atomic(&paths.keep(), lines.as_bytes(), Durability::Durable)
}

/// What was noted.
pub fn noted(paths: &PoolPaths) -> Result<Vec<String>> {
    let bytes = fs::read_if_there(&paths.keep())?.unwrap_or_default();
    let lines = String::from_utf8_lossy(&bytes);
    Ok(lines.lines().map(str::to_owned).collect())
}

/// Throws away the largest of what `keep` left in the slot while all of it takes more than
/// `keep_limit`. Returns what was done.
pub fn within_limit(pool: &Pool<'_>, number: u32, lock: &FileLock) -> Result<Option<String>> {
    let settings = &pool.settings;
    if pool.keep().is_empty() {
        return Ok(None);
    }
    let worktree = pool.worktree(number);
    let mut paths = kept::paths(&pool.git, &worktree, lock, pool.keep())?;
    // git does not name a link or a file otherwise than a directory but for its slash.
    paths
        .iter_mut()
        .for_each(|path| *path = path.components().collect());
    let places: Vec<PathBuf> = paths.iter().map(|path| worktree.path.join(path)).collect();
    let usage = disk::usage(&places, parallel::jobs(settings.jobs));
    let sizes: Vec<u64> = usage.trees.iter().map(|size| size.unwrap_or(0)).collect();
    let too_much = surplus(&sizes, settings.keep_limit);
    if too_much.is_empty() {
        return Ok(None);
    }
    let gone: Vec<&PathBuf> = too_much.iter().map(|at| &paths[*at]).collect();
    let bin = trash::bin(pool, number);
    let stuck = bin.throw_all(&worktree.path, gone.iter().map(|path| path.as_path()))?;
    stuck
        .into_iter()
        .try_for_each(|path| crate::sys::remove::remove_tree(&worktree.path.join(path)))?;
    trash::see_to(pool);
    let names: Vec<_> = gone
        .iter()
        .take(NAMED)
        .map(|path| path.to_string_lossy())
        .collect();
    let text = format!(
        "remove kept {}: together they took {}, more than keep_limit ({})",
        names.join(", "),
        format_size(sizes.iter().sum()),
        format_size(settings.keep_limit)
    );
    pool.context
        .observer
        .note(&format!("{}: {text}", pool.slot_id(number)));
    Ok(Some(text))
}

/// Which of them have to go so that the others are within the limit: the largest first.
fn surplus(sizes: &[u64], limit: u64) -> Vec<usize> {
    let mut total: u64 = sizes.iter().sum();
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|at| std::cmp::Reverse(sizes[*at]));
    let mut gone = Vec::new();
    for at in by_size {
        if total <= limit {
            break;
        }
        total -= sizes[at];
        gone.push(at);
    }
    gone
}

/// Says so if the patterns of `keep` match tracked files, which are brought back like all others.
pub fn warn_of_tracked(pool: &Pool<'_>, number: u32) -> Result<()> {
    if pool.keep().is_empty() {
        return Ok(());
    }
    let tracked = kept::tracked(&pool.git, &pool.worktree(number), pool.keep())?;
    if tracked.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = tracked
        .iter()
        .take(NAMED)
        .map(|path| path.to_string_lossy())
        .collect();
    let more = match tracked.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    pool.context.observer.warn(&format!(
        "`keep` of pool {} matches tracked files, which it does not keep: {}{more}; it is for what git \
         ignores",
        pool.name,
        names.join(", ")
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_go_until_the_others_are_within_the_limit() {
        assert_eq!(surplus(&[1, 5, 3], 9), [0; 0]);
        assert_eq!(surplus(&[1, 5, 3], 8), [1]);
        assert_eq!(surplus(&[1, 5, 3], 3), [1, 2]);
        assert_eq!(surplus(&[1, 5, 3], 0), [1, 2, 0]);
        assert_eq!(surplus(&[], 0), [0; 0]);
        assert_eq!(surplus(&[0, 0], 0), [0; 0]);
    }
}

//! Whether the directories of slots are there at all, or their disk is not mounted.
//!
//! A disk that is not mounted looks as if every slot on it had been deleted at once. Nothing is
//! rebuilt then: what is on the disk would be forgotten.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Pool;
use crate::domain::pool::PoolRecord;
use crate::domain::{Error, Result};
use crate::sys::fs;

/// Directories that should hold slots and look as if their disk were not mounted: they are not there
/// themselves (or a link to them leads nowhere), or each of several registered slots is gone from them.
pub fn absent(pool: &Pool<'_>, record: &PoolRecord) -> Result<Vec<PathBuf>> {
    let mut places: BTreeMap<PathBuf, (usize, usize)> = BTreeMap::new();
    for slot in &record.slots {
        let worktree = pool.worktree(slot.number);
        let Some(place) = worktree.path.parent() else {
            continue;
        };
        if !worktree.admin.is_dir() {
            continue;
        }
        let gone = fs::metadata_if_there(&worktree.path)?.is_none();
        let (slots, missing) = places.entry(place.to_owned()).or_default();
        *slots += 1;
        *missing += usize::from(gone);
    }
    Ok(places
        .into_iter()
        .filter(|(place, (slots, missing))| missing == slots && (*slots > 1 || !place.is_dir()))
        .map(|(place, _)| place)
        .collect())
}

/// Refuses to go on where a disk seems not to be mounted.
pub fn check(pool: &Pool<'_>, record: &PoolRecord) -> Result<()> {
    match absent(pool, record)?.first() {
        None => Ok(()),
        Some(place) => Err(Error::Pool {
            message: format!(
                "the slots of pool {} are gone all at once from {}: its disk seems not to be mounted",
                pool.name,
                place.display()
            ),
            hint: Some(format!(
                "mount it; if they were deleted, `repo-pool recover {} --force` makes them anew",
                pool.name
            )),
        }),
    }
}

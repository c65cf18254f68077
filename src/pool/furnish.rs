//! What a slot has beyond git, as `pools.toml` says: files that are copied into it, and what its
//! set-up command makes.
//!
//! Whenever git looks at a slot's tree, cleans it or moves it, what was copied and is unchanged does
//! not count ([`copies`]); it is put in again at the end. What the set-up makes is ignored by git and
//! named by `keep`, or it is made again ([`setup`]). What is known of it lies in a file beside the
//! slot, which is only written and read by who has the slot's lock.

use std::os::unix::fs::MetadataExt;

use super::{Pool, copies, setup};
use crate::domain::furnished::Furnished;
use crate::domain::pool::SCHEMA;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::Oid;
use crate::store::document;
use crate::sys::fs::{self, Durability};
use crate::sys::lock::FileLock;
use crate::sys::remove;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Furnishing {
    /// The slot has everything.
    Complete,
    /// Something is still to be done before the slot is handed out.
    Incomplete,
    /// The set-up failed, for this reason: the slot can't be used.
    Failed(String),
}

/// Whether there is anything to be done for the pool's slots.
pub fn is_asked_for(pool: &Pool<'_>) -> bool {
    !pool.settings.copy.is_empty() || pool.settings.setup.is_some()
}

/// Gives the slot, which is clean at `commit`, all that it is to have. Returns what was done.
///
/// # Errors
/// [`Error::Pool`], if a file to be copied is not there or in the commit's way; and
/// [`Error::SetUp`], if the set-up failed.
pub fn complete(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    commit: &Oid,
) -> Result<Vec<String>> {
    if !is_asked_for(pool) {
        return Ok(Vec::new());
    }
    let mut operations = Vec::new();
    operations.extend(copies::put_in(pool, number, commit)?);
    operations.extend(setup::run_if_due(pool, number, lock, commit)?);
    Ok(operations)
}

/// The same for a new slot: what it came to is recorded with the slot, and said.
pub fn new_slot(pool: &Pool<'_>, number: u32, lock: &FileLock, commit: &Oid) -> Result<Furnishing> {
    match complete(pool, number, lock, commit) {
        Ok(_) => Ok(Furnishing::Complete),
        Err(error @ Error::SetUp { .. }) => {
            pool.context.observer.warn(&error.to_string());
            Ok(Furnishing::Failed(error.reason()))
        }
        Err(error @ Error::Pool { .. }) => {
            pool.context.observer.warn(&put_off(&error));
            Ok(Furnishing::Incomplete)
        }
        Err(other) => Err(other),
    }
}

/// Fails if one of these slots, which were just made, could not be set up. Why has been said.
pub fn all_set_up(pool: &Pool<'_>, made: &[SlotRecord]) -> Result<()> {
    let failed: Vec<String> = made
        .iter()
        .filter(|slot| slot.state == SlotState::Error)
        .map(|slot| pool.slot_id(slot.number).to_string())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let hint = format!(
        "once that is repaired, `repo-pool recover {}` runs the set-up again wherever it failed",
        pool.name
    );
    let text = format!(
        "{} of {} new slots could not be set up: {}",
        failed.len(),
        made.len(),
        failed.join(", ")
    );
    Err(Error::failed(text).with_hint(hint))
}

/// What of it takes no time, for a slot that is given back. The set-up is left to `warm` and `allocate`.
pub fn without_setup(pool: &Pool<'_>, number: u32, commit: &Oid) -> Result<Furnishing> {
    if !is_asked_for(pool) {
        return Ok(Furnishing::Complete);
    }
    let done = copies::put_in(pool, number, commit);
    match done.and_then(|_| setup::due(pool, number, commit)) {
        Ok(None) => Ok(Furnishing::Complete),
        Ok(Some(_)) => Ok(Furnishing::Incomplete),
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error) => {
            pool.context.observer.warn(&put_off(&error));
            Ok(Furnishing::Incomplete)
        }
    }
}

/// What is said where it can't be done now.
pub fn put_off(error: &Error) -> String {
    let hint = match error {
        Error::Pool { hint, .. } => hint.as_deref(),
        _ => None,
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("slots do not have everything yet: {}{hint}", error.reason())
}

/// What the slot was furnished with; nothing, if that is not known of the directory that is there.
pub fn read(pool: &Pool<'_>, number: u32) -> Furnished {
    let known: Option<Furnished> = document::read(&pool.paths.furnished(number)).ok().flatten();
    let directory = directory(pool, number);
    match known {
        Some(known) if known.directory == directory => known,
        _ => Furnished {
            schema: SCHEMA,
            directory,
            ..Furnished::default()
        },
    }
}

/// Notes it. That it may be lost costs no more than doing it anew.
pub fn write(pool: &Pool<'_>, number: u32, furnished: &Furnished) -> Result<()> {
    fs::create_private_dir_all(&pool.paths.furnishings())?;
    let path = pool.paths.furnished(number);
    document::write_as(&path, furnished, Durability::RenameOnly)
}

/// Forgets all about a slot that goes.
pub fn forget(pool: &Pool<'_>, number: u32) -> Result<()> {
    if fs::metadata_if_there(&pool.paths.furnishings())?.is_none() {
        return Ok(());
    }
    for path in [
        pool.paths.furnished(number),
        pool.paths.furnishing(number),
        pool.paths.output(number, setup::NAME),
        pool.paths.output(number, super::on_release::NAME),
    ] {
        fs::remove_file_if_there(&path)?;
    }
    remove::remove_tree(&pool.paths.learned(number))
}

/// What tells the slot's directory from any other.
fn directory(pool: &Pool<'_>, number: u32) -> String {
    let found = fs::metadata_if_there(&pool.worktree(number).path);
    match found.ok().flatten() {
        Some(metadata) => format!("{}:{}", metadata.dev(), metadata.ino()),
        None => String::new(),
    }
}

//! Parking: an idle slot lies where nobody reaches it by its path.
//!
//! Release renames a slot from `worktrees/` to `parked/` and only then looks for processes inside
//! and at the tree: from the rename on nobody can get in, so what was seen stays true. Whoever
//! strays to the old path finds no directory instead of losing work later. Handing out is the
//! rename back. git knows a slot by its place in `worktrees/` all the time, and is told where the
//! files are whenever it is run on a parked one.
//!
//! Residues: a program that watches by an open descriptor or writes through a hard link made
//! earlier, and processes that another mount namespace hides.

use std::io::ErrorKind;
use std::path::Path;

use super::Pool;
use crate::config::Submodules;
use crate::domain::{Error, Result, names};
use crate::sys::inside::{self, Inside};
use crate::sys::{fs, liveness, user};

/// Where a slot is after the attempt to park it.
pub enum Place {
    /// Parked, with nobody inside.
    Parked,
    /// Where it was: it is damaged, has submodules, or can't be renamed.
    InPlace,
    /// Where it was: a process is inside.
    Occupied(Inside),
}

/// Whether the slot is parked.
pub fn is_parked(pool: &Pool<'_>, number: u32) -> bool {
    pool.paths.parked_slot(number).symlink_metadata().is_ok()
}

/// Parks the slot, and makes sure that nobody came along.
pub fn park(pool: &Pool<'_>, number: u32) -> Result<Place> {
    if !is_parked(pool, number) {
        let worktree = pool.worktree(number);
        // A submodule's repository that a user made names its tree by a path that goes through the
        // slot's; where the pool fills them, they are looked at by other means and made anew.
        let own = pool.settings.submodules != Submodules::Off;
        let fit = matches!(worktree.fault(), Ok(None)) && (own || !worktree.has_submodules());
        if !fit || !rename_in(pool, number)? {
            return Ok(Place::InPlace);
        }
    }
    let found = inside::processes_inside(&pool.paths.parked_slot(number), &[]).inside;
    match found.into_iter().next() {
        None => Ok(Place::Parked),
        Some(process) => {
            bring_out(pool, number)?;
            match liveness::stamp(process.pid) {
                // It has left meanwhile, and is no reason any more.
                None => park(pool, number),
                Some(_) => Ok(Place::Occupied(process)),
            }
        }
    }
}

/// A directory without write permission can't be given another parent by its owner; a `parked/`
/// on another file system, or files of another user, leave the slot where it is.
fn rename_in(pool: &Pool<'_>, number: u32) -> Result<bool> {
    let (from, to) = (pool.paths.slot(number), pool.paths.parked_slot(number));
    fs::create_private_dir_all(&pool.paths.parked())?;
    let refused = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::CrossesDevices | ErrorKind::ReadOnlyFilesystem
        )
    };
    match fs::rename_noreplace(&from, &to) {
        Err(Error::Io { source, .. }) if refused(&source) => {
            let again =
                fs::make_directory_usable(&from) && fs::rename_noreplace(&from, &to).is_ok();
            Ok(again)
        }
        other => other.map(|()| true),
    }
}

/// Brings a parked slot to the place where users work in it. What somebody has put there meanwhile
/// is kept for its owner.
pub fn bring_out(pool: &Pool<'_>, number: u32) -> Result<()> {
    if !is_parked(pool, number) {
        return Ok(());
    }
    let (from, to) = (pool.paths.parked_slot(number), pool.paths.slot(number));
    match fs::rename_noreplace(&from, &to) {
        Err(Error::Io { source, .. }) => match source.kind() {
            ErrorKind::AlreadyExists => {
                if !fs::remove_dir_if_empty(&to) {
                    set_aside(pool, number, &to, "was made while the slot was idle")?;
                }
                fs::rename_noreplace(&from, &to)
            }
            ErrorKind::NotFound => {
                fs::create_private_dir_all(&pool.paths.worktrees())?;
                fs::rename_noreplace(&from, &to)
            }
            _ => Err(Error::io("rename to", &to, source)),
        },
        other => other,
    }
}

/// Whatever somebody put in the place of a slot's directory is theirs, and kept.
pub fn set_aside(pool: &Pool<'_>, number: u32, stranger: &Path, what: &str) -> Result<()> {
    let place = pool.paths.set_aside();
    fs::create_private_dir_all(&place)?;
    let kept = place.join(format!(
        "{}-{}",
        names::dir_name(number),
        user::random_hex(4)
    ));
    fs::rename_noreplace(stranger, &kept)?;
    pool.context.observer.warn(&format!(
        "{} {what}; it was moved to {}",
        stranger.display(),
        kept.display()
    ));
    Ok(())
}

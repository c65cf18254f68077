//! What is in a slot and git does not see, or can't cope with.

use std::path::{Path, PathBuf};

use super::{Git, Worktree, hidden};
use crate::domain::Result;
use crate::sys::lock::FileLock;
use crate::sys::odd::{self, Odd};
use crate::sys::{fs, remove};

/// The files in a tree that git opens wherever it meets them.
const READ_BY_GIT: [&str; 3] = [".gitignore", ".gitattributes", ".gitmodules"];

/// Looks through the tree before git does, and takes away FIFOs in the place of files that git
/// reads: it would wait there for ever. They hold nothing.
pub fn before_git(slot: &Worktree) -> Result<Odd> {
    if !slot.may_be_walked()? {
        return Ok(Odd::default());
    }
    let mut found = odd::look(&slot.path, &[])?;
    let (blocking, special) = found
        .special
        .into_iter()
        .partition(|path: &PathBuf| blocks(path));
    found.special = special;
    for path in blocking {
        fs::remove_file_if_there(&path)?;
    }
    Ok(found)
}

/// Whether git can look at the tree without waiting for ever, as it is: for who only looks.
pub fn may_be_read(slot: &Worktree) -> Result<bool> {
    Ok(slot.may_be_walked()?
        && !odd::look(&slot.path, &[])?
            .special
            .iter()
            .any(|path| blocks(path)))
}

/// Whether it is called as one of the files that git reads.
fn blocks(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    READ_BY_GIT.iter().any(|known| name == *known)
}

/// Takes away what git does not see, and gives the slot's user every right to its directories.
/// `known` is what an earlier look has found, if nothing has changed since; what is in the
/// directories `kept` stays. Returns what was done.
pub fn remove(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    known: Option<&Odd>,
    kept: &[PathBuf],
) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut found = match known {
        Some(known) => known.clone(),
        None => odd::look(&slot.path, &[])?,
    };
    if found.is_nothing() {
        return Ok(done);
    }
    if !found.closed.is_empty() && fs::make_directories_usable(&slot.path)? {
        done.push("make directories writable".into());
    }
    let mut except = hidden::entries(git, slot, Some(lock))?.submodules;
    except.extend_from_slice(kept);
    found = odd::look(&slot.path, &except)?;
    let odd: Vec<&PathBuf> = found.empty.iter().chain(&found.special).collect();
    for path in &odd {
        remove::remove_tree(path)?;
    }
    if !odd.is_empty() {
        done.push(removed(odd.len()));
    }
    Ok(done)
}

/// What was done to so many of them.
pub(super) fn removed(count: usize) -> String {
    format!("remove {count} empty directories and special files")
}

//! Bringing back only what has changed, and looking again only at that.
//!
//! For a parked slot. Nobody is in it, so what the look before has seen clean is clean;
//! what it has seen changed is known path by path with what HEAD has there. Anything out of the
//! ordinary takes the way over the whole tree.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::clean::{self, Goal};
use super::litter;
use super::status::{self, Ordinary, Status};
use super::{Git, Oid, Worktree, objects, promised};
use crate::domain::{Error, Result};
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// With more paths than this, the way over the whole tree is as good.
const MOST_PATHS: usize = 256;

/// What git writes into an index for `checkout --merge` to undo a resolved conflict: it would reach
/// the next holder.
const RESOLVED: &[u8] = b"REUC";

/// HEAD's commit, if the slot can be brought back to that in this way, once what is untracked has been
/// thrown away.
pub fn suffices<'s>(
    git: &Git,
    slot: &Worktree,
    seen: &'s Status,
    goal: &Goal<'_>,
) -> Result<Option<&'s Oid>> {
    let parked = slot.path != slot.home;
    let head = seen.commit.as_ref();
    let usual = seen.ordinary.len() == seen.changed.len()
        && seen.changed.len() <= MOST_PATHS
        && seen.hidden.is_empty()
        && seen.embedded.is_empty()
        && seen.unreadable.is_empty()
        && seen.submodules.is_empty()
        && !seen.damaged_index;
    let inside = seen.changed.iter().all(|path| slot.sparse.has(path));
    let open = goal.unseen.as_ref().is_none_or(|odd| odd.closed.is_empty());
    if !(parked && usual && open && inside) || crosses(&seen.ordinary) {
        return Ok(None);
    }
    if seen.ordinary.is_empty() {
        return Ok(head);
    }
    let index = slot.index_files()?;
    let bytes = fs::read_if_there(&slot.admin.join("index"))?.unwrap_or_default();
    let resolved = bytes.windows(RESOLVED.len()).any(|part| part == RESOLVED);
    let usual = index.len() == 1 && !resolved && has_contents(git, slot, &seen.ordinary)?;
    Ok(head.filter(|_| usual))
}

/// Whether the contents that are to come back are here: who works in a partial clone can stand on a
/// commit without having checked it out.
fn has_contents(git: &Git, slot: &Worktree, changes: &[Ordinary]) -> Result<bool> {
    if promised::filter(&slot.common)?.is_none() {
        return Ok(true);
    }
    let heads = changes.iter().filter_map(|change| change.head.as_ref());
    let asked: String = heads.map(|(_, oid)| format!("{oid}\n")).collect();
    Ok(objects::missing(git, &slot.common, asked.into_bytes())?.is_empty())
}

/// Whether a path that is to come back has been a directory of others, or the other way round.
fn crosses(changes: &[Ordinary]) -> bool {
    let wanted: BTreeSet<&Path> = changes
        .iter()
        .filter(|change| change.head.is_some())
        .map(|change| change.path.as_path())
        .collect();
    let mut above = changes
        .iter()
        .flat_map(|change| change.path.ancestors().skip(1));
    above.any(|dir| wanted.contains(dir))
}

/// Brings the changed paths back to what HEAD has, which is detached at `head`, and makes sure that
/// they are.
pub fn bring_back(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    changes: &[Ordinary],
    head: &Oid,
    goal: &Goal<'_>,
) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let staged = changes
        .iter()
        .filter(|change| change.staged || change.head.is_none());
    let index_info: Vec<u8> = staged
        .flat_map(|change| index_line(change, head.len()))
        .collect();
    if !index_info.is_empty() {
        slot.command(git)
            .holding(Some(lock))
            .until(goal.deadline)
            .stdin(index_info)
            .args(["update-index", "-z", "--index-info"])
            .run(&format!("reset the index of {}", slot.path.display()))?;
    }
    // What HEAD does not have is untracked now.
    let added = changes.iter().filter(|change| change.head.is_none());
    let added: BTreeSet<PathBuf> = added.map(|change| change.path.clone()).collect();
    litter::throw(slot, goal, &added)?;
    for path in &added {
        fs::remove_empty_parents(&slot.path, &slot.path.join(path));
    }
    let mut paths = Vec::new();
    for change in changes.iter().filter(|change| change.head.is_some()) {
        paths.extend_from_slice(change.path.as_os_str().as_bytes());
        paths.push(0);
    }
    if !paths.is_empty() {
        // Attributes are the commit's, as in the way over the whole tree.
        slot.command(git)
            .holding(Some(lock))
            .until(goal.deadline)
            .env("GIT_ATTR_SOURCE", head)
            .stdin(paths)
            .args(["checkout-index", "--force", "--index", "-z", "--stdin"])
            .run(&format!("bring back files of {}", slot.path.display()))?;
    }
    verify(git, slot, lock, changes, head)
}

/// `<mode> <object>\t<path>`, with mode 0 for a path that goes. The ids of the repository's objects
/// have `digits`.
fn index_line(change: &Ordinary, digits: usize) -> Vec<u8> {
    let mut line = match &change.head {
        Some((mode, object)) => format!("{mode} {object}\t").into_bytes(),
        None => format!("0 {}\t", "0".repeat(digits)).into_bytes(),
    };
    line.extend_from_slice(change.path.as_os_str().as_bytes());
    line.push(0);
    line
}

/// The same look as at the whole tree, at these paths.
fn verify(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    changes: &[Ordinary],
    head: &Oid,
) -> Result<()> {
    let paths = changes.iter().map(|change| change.path.as_path());
    let after = status::look_at(git, slot, lock, paths)?;
    // git names the directory that all these paths are in, also if it is not there.
    let is_there = |path: &&PathBuf| slot.path.join(path).symlink_metadata().is_ok();
    let litter = after.untracked.iter().chain(&after.ignored);
    let left: Vec<&PathBuf> = after
        .changed
        .iter()
        .chain(litter.chain(&after.unreadable).filter(is_there))
        .collect();
    if after.commit.as_ref() == Some(head) && left.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "these paths can't be brought back{}",
        clean::listed(left.into_iter())
    )))
}

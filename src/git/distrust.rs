//! What the index says of files that were written while somebody had the slot.
//!
//! By the index, git knows that a file is what the commit says without reading it. But it was filled
//! by a git that was given line ends, filters and attributes by whoever worked there, and nothing of
//! that stays. So what it says of such files does not count, and they are written anew.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::broken_index::{self, Entry};
use super::clean::Goal;
use super::status::{Ordinary, Status};
use super::{Git, Oid, Worktree};
use crate::domain::Result;
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// By how much the times of files may be behind the clock.
const LAG: Duration = Duration::from_millis(20);

/// The mode of a submodule.
const SUBMODULE: u32 = 0o160_000;

/// The files that say how others are written.
const ATTRIBUTES: &str = ".gitattributes";

/// The same look with those files among what was changed, if there are any: the index has lost what it
/// knew of them. Where other attributes were in force, or other filters, that is everything.
pub(super) fn mistrusted(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    goal: &Goal<'_>,
) -> Result<Option<Status>> {
    // Without its index, every file is written.
    if !seen.hidden.is_empty() {
        return Ok(None);
    }
    let otherwise = slot.is_filled_otherwise()?;
    let otherwise = otherwise.then(|| PathBuf::from(ATTRIBUTES));
    if let Some(attributes) = otherwise.or_else(|| changed_attributes(seen)) {
        let mut seen = seen.clone();
        seen.hidden.push(attributes);
        slot.forget_index()?;
        return Ok(Some(seen));
    }
    let written = written(slot, seen, goal)?;
    if written.is_empty() {
        return Ok(None);
    }
    let mut lines = Vec::new();
    for entry in &written {
        lines.extend_from_slice(format!("{:o} {}\t", entry.mode, entry.object()).as_bytes());
        lines.extend_from_slice(&entry.path);
        lines.push(0);
    }
    slot.command(git)
        .holding(Some(lock))
        .until(goal.deadline)
        .stdin(lines)
        .args(["update-index", "-z", "--index-info"])
        .run(&format!("reset the index of {}", slot.path.display()))?;
    let mut seen = seen.clone();
    for entry in written {
        let path = PathBuf::from(OsStr::from_bytes(&entry.path));
        seen.changed.push(path.clone());
        // It did not differ from HEAD.
        seen.ordinary.push(Ordinary {
            path,
            head: Some((format!("{:o}", entry.mode), entry.object())),
            staged: false,
        });
    }
    Ok(Some(seen))
}

/// A file of attributes that the commit does not have like that, above tracked files. It has decided
/// about what else was seen to be changed.
fn changed_attributes(seen: &Status) -> Option<PathBuf> {
    let is_above = |dir: &Path| {
        let tracked = seen.tracked.as_ref();
        dir.as_os_str().is_empty() || tracked.is_none_or(|tracked| tracked.contains(dir))
    };
    let mut all = seen
        .changed
        .iter()
        .chain(&seen.untracked)
        .chain(&seen.ignored);
    let found = all.find(|path| {
        path.file_name() == Some(OsStr::new(ATTRIBUTES)) && path.parent().is_some_and(is_above)
    });
    found.cloned()
}

/// The files that were written since the moment in question and that the look has not shown as
/// changed.
fn written(slot: &Worktree, seen: &Status, goal: &Goal<'_>) -> Result<Vec<Entry>> {
    let Some(since) = goal.since.and_then(|since| since.checked_sub(LAG).ok()) else {
        return Ok(Vec::new());
    };
    let index = slot.admin.join("index");
    let untouched = fs::metadata_if_there(&index)?.is_none_or(|metadata| {
        use std::os::unix::fs::MetadataExt;
        (metadata.ctime(), metadata.ctime_nsec()) < parts(since)
    });
    let Some(head) = seen.commit.as_ref().filter(|_| !untouched) else {
        return Ok(Vec::new());
    };
    let bytes = fs::read_if_there(&index)?.unwrap_or_default();
    let mut entries = broken_index::parse(&bytes, head.len() / 2);
    let known: BTreeSet<&Path> = seen.changed.iter().map(PathBuf::as_path).collect();
    entries.retain(|entry| {
        let changed = (i64::from(entry.changed.0), i64::from(entry.changed.1));
        let path = Path::new(OsStr::from_bytes(&entry.path));
        changed >= parts(since) && entry.mode != SUBMODULE && !known.contains(path)
    });
    Ok(entries)
}

fn parts(moment: Timestamp) -> (i64, i64) {
    (moment.as_second(), i64::from(moment.subsec_nanosecond()))
}

/// Whether files are to be written otherwise at `to` than at `from`, also those that are the same.
pub(super) fn attributes_differ(git: &Git, slot: &Worktree, from: &Oid, to: &Oid) -> Result<bool> {
    let output = git
        .repository(&slot.common)
        .args(["diff-tree", "-r", "--name-only", "--no-renames", "-z"])
        .args([from, to])
        .args(["--", &format!(":(glob)**/{ATTRIBUTES}")])
        .run("compare the attributes of two commits")?;
    Ok(!output.stdout.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_count_above_tracked_files_only() {
        let found = |path: &str| {
            let seen = Status {
                untracked: vec!["x".into(), path.into()],
                tracked: Some(BTreeSet::from(["src".into()])),
                ..Status::default()
            };
            changed_attributes(&seen).is_some()
        };
        assert!(found(".gitattributes") && found("src/.gitattributes"));
        assert!(!found("vendor/.gitattributes") && !found("src/attributes"));
    }
}

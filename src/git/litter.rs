//! What must go from a slot's tree, as few things as possible: of what is untracked or ignored, the
//! topmost directories that hold nothing else. Each is thrown away by one rename, however much is in
//! it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Worktree;
use super::clean::Goal;
use super::status::Status;
use super::worktree::Fault;
use crate::domain::{Error, Result};
use crate::sys::remove;

/// Throws away what is untracked or ignored, and what git does not see if that was looked for. False
/// if that is left to git, because some of it is to be kept, or because the look has not shown all of
/// it.
pub fn throw_away(slot: &Worktree, seen: &Status, goal: &Goal<'_>) -> Result<bool> {
    if !goal.keep.is_empty() || !seen.unreadable.is_empty() || !seen.submodules.is_empty() {
        return Ok(false);
    }
    let Some(mut litter) = litter(seen) else {
        return Ok(false);
    };
    if let Some(odd) = &goal.unseen {
        let found = odd.unchanged();
        litter.extend(found.filter_map(|path| path.strip_prefix(&slot.path).ok().map(Into::into)));
    }
    throw(slot, goal, &litter)?;
    Ok(true)
}

/// Throws these away. What can't be moved is deleted in its place, or named path by path with the
/// reason; nothing is deleted where something is mounted.
pub(super) fn throw(slot: &Worktree, goal: &Goal<'_>, paths: &BTreeSet<PathBuf>) -> Result<()> {
    let paths = paths.iter().map(PathBuf::as_path);
    let stuck = goal.trash.throw_all(&slot.path, paths)?;
    if !stuck.is_empty() && matches!(slot.fault()?, Some(Fault::Mounted)) {
        return Err(Error::Refused {
            message: format!("something is mounted in {}", slot.path.display()),
            hint: Some("unmount it; cleaning would delete what is mounted there".into()),
        });
    }
    stuck
        .into_iter()
        .try_for_each(|path| remove::remove_tree(&slot.path.join(path)))
}

/// The topmost of what is untracked or ignored; `None` if the index was not looked at, or does not
/// agree with it.
fn litter(seen: &Status) -> Option<BTreeSet<PathBuf>> {
    let tracked = seen.tracked.as_ref()?;
    let mut found = BTreeSet::new();
    let mut last = PathBuf::new();
    for path in seen.untracked.iter().chain(&seen.ignored) {
        let below_last = !last.as_os_str().is_empty() && path.starts_with(&last);
        if below_last {
            continue;
        }
        let is_directory = path.as_os_str().as_bytes().ends_with(b"/");
        let path = without_slash(path);
        if is_directory && tracked.contains(path) || path.starts_with(".git") {
            return None;
        }
        let above = path.ancestors().skip(1);
        let untracked = above
            .take_while(|dir| !dir.as_os_str().is_empty() && !tracked.contains(*dir))
            .last();
        last = untracked.unwrap_or(path).to_owned();
        found.insert(last.clone());
    }
    Some(found)
}

fn without_slash(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    Path::new(OsStr::from_bytes(bytes.strip_suffix(b"/").unwrap_or(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn litter_of(untracked: &[&str], ignored: &[&str]) -> Option<Vec<PathBuf>> {
        let seen = Status {
            untracked: paths(untracked),
            ignored: paths(ignored),
            tracked: Some(paths(&["src", "src/a"]).into_iter().collect()),
            ..Status::default()
        };
        litter(&seen).map(|found| found.into_iter().collect())
    }

    #[test]
    fn directories_without_anything_tracked_go_as_a_whole() {
        let untracked = [
            "new/d1/f1",
            "new/d2/f2",
            "newer",
            "src/a/x",
            "src/b/c/y",
            "nested/",
        ];
        let ignored = ["new/d1/x.o", "target/", "src/a/y.o", "src/b/z.o"];
        let found = litter_of(&untracked, &ignored).expect("known");
        let wanted = [
            "nested",
            "new",
            "newer",
            "src/a/x",
            "src/a/y.o",
            "src/b",
            "target",
        ];
        assert_eq!(found, paths(&wanted));
    }

    #[test]
    fn what_stands_in_the_place_of_a_tracked_directory_goes_alone() {
        assert_eq!(litter_of(&["src"], &[]), Some(paths(&["src"])));
        assert_eq!(litter_of(&["src/a"], &["x"]), Some(paths(&["src/a", "x"])));
    }

    #[test]
    fn a_tracked_directory_never_goes() {
        assert_eq!(litter_of(&["src/"], &[]), None);
        assert_eq!(litter_of(&[], &["src/a/"]), None);
        let unknown = Status {
            untracked: paths(&["new/x"]),
            ..Status::default()
        };
        assert_eq!(litter(&unknown), None);
    }
}

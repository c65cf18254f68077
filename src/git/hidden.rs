//! What an index tells that `status` does not: paths under assume-unchanged or skip-worktree bits,
//! whose edits it hides and a reset leaves, and the places of submodules.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::ErrorKind::PermissionDenied;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::scratch::Scratch;
use super::status::{self, Status};
use super::{Git, Invocation, Sparse, Worktree};
use crate::domain::{Error, GitFailure, Result};
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// What stands in an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The paths whose changes it hides.
    pub hidden: Vec<PathBuf>,
    /// The paths that it has files of and that a sparse checkout leaves out.
    pub outside: Vec<PathBuf>,
    /// The paths of submodules.
    pub submodules: Vec<PathBuf>,
    /// The directories of what is tracked.
    pub directories: BTreeSet<PathBuf>,
    /// Whether there are entries without a path or without contents, which no git writes.
    pub damaged: bool,
}

impl Entries {
    /// The directories that are repositories of their own: neither `status` nor `clean` says a word
    /// about the `.git` that somebody made among tracked files.
    pub fn embedded(&self, slot: &Worktree) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for dir in &self.directories {
            // Of a directory that can't be entered, `status` tells.
            let there = match fs::metadata_if_there(&slot.path.join(dir).join(".git")) {
                Err(Error::Io { source, .. }) if source.kind() == PermissionDenied => false,
                other => other?.is_some(),
            };
            // Through a link it would be somebody else's.
            if there && fs::is_directory_below(&slot.path, dir)? {
                found.push(dir.clone());
            }
        }
        Ok(found)
    }

    fn note_directories(&mut self, path: &Path) {
        let mut dir = path.parent();
        while let Some(next) = dir.filter(|dir| !dir.as_os_str().is_empty()) {
            if !self.directories.insert(next.to_owned()) {
                break;
            }
            dir = next.parent();
        }
    }
}

/// Reads the slot's index.
pub fn entries(git: &Git, slot: &Worktree, lock: Option<&FileLock>) -> Result<Entries> {
    ask(slot.command(git).holding(lock), &slot.sparse)
}

/// Completes a command on the tree that has the index.
pub(super) fn ask(command: Invocation<'_>, sparse: &Sparse) -> Result<Entries> {
    let listed = command
        .args(["ls-files", "-v", "-s", "-z"])
        .run("read the index")?;
    match is_cut_off(&listed.stdout) {
        false => Ok(parse(&listed.stdout, sparse)),
        true => Err(cut_off()),
    }
}

/// Looks at the tree by a copy of the index from which the bits of `paths` were taken, so that their
/// edits show. The slot's own index stays as it is.
pub fn look_behind(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    paths: &[PathBuf],
) -> Result<Status> {
    let scratch = Scratch::new(git, slot)?;
    let index = scratch.path("index");
    scratch.copy_index()?;
    let by_copy = || slot.command(git).env("GIT_INDEX_FILE", &index);
    reveal(by_copy, slot, paths)?;
    status::look_by(git, slot, Some(lock), Some(&index))
}

/// Takes the bits off those of `paths` that have a file, in the index that `command` works on. The
/// others are what a sparse checkout leaves out, and no work.
pub(super) fn reveal<'g>(
    command: impl Fn() -> Invocation<'g>,
    slot: &Worktree,
    paths: &[PathBuf],
) -> Result<()> {
    let mut present = Vec::new();
    for path in paths {
        if slot.path.join(path).symlink_metadata().is_ok() {
            present.extend_from_slice(path.as_os_str().as_bytes());
            present.push(0);
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    for switch in ["--no-assume-unchanged", "--no-skip-worktree"] {
        command()
            .stdin(present.clone())
            .args(["update-index", switch, "-z", "--stdin"])
            .run("show hidden changes")?;
    }
    Ok(())
}

/// Reads `ls-files -v -s -z`: `<tag> <mode> <object> <stage>\t<path>`. A lower-case tag is
/// assume-unchanged, `S` is skip-worktree, mode 160000 is a submodule. What `sparse` leaves out is to be
/// skipped.
pub(super) fn parse(bytes: &[u8], sparse: &Sparse) -> Entries {
    let mut found = Entries::default();
    for entry in bytes.split(|byte| *byte == 0) {
        let Some(at) = entry.iter().position(|byte| *byte == b'\t') else {
            continue;
        };
        let path = || PathBuf::from(OsStr::from_bytes(&entry[at + 1..]));
        let Some(tag) = entry.first().filter(|_| at > 0) else {
            continue;
        };
        let object = entry.get(9..at).unwrap_or_default();
        let object = object
            .split(|byte| *byte == b' ')
            .next()
            .unwrap_or_default();
        found.damaged |= at + 1 == entry.len() || object.iter().all(|byte| *byte == b'0');
        let left_out = sparse.is_on() && !sparse.has(&path());
        match (tag, left_out) {
            (b'S', true) => {}
            (b'S', false) | (b'a'..=b'z', _) => found.hidden.push(path()),
            (_, true) => found.outside.push(path()),
            (_, false) => {}
        }
        if entry.get(2..8) == Some(b"160000") {
            found.submodules.push(path());
        }
        found.damaged |= entry[..at].windows(32).any(|part| *part == [b'0'; 32]);
        found.note_directories(Path::new(OsStr::from_bytes(&entry[at + 1..])));
    }
    found
}

/// Whether there are entries without an object in `ls-files -v -s -z`: a part of the index is
/// missing. git takes zeros for what is not there, and notices nothing.
fn is_cut_off(listed: &[u8]) -> bool {
    let mut entries = listed.split(|byte| *byte == 0);
    entries.any(|entry| {
        let object = entry.splitn(4, |byte| *byte == b' ').nth(2);
        object.is_some_and(|id| id.iter().all(|digit| *digit == b'0'))
    })
}

/// What git should have said.
fn cut_off() -> Error {
    let words = "its index was cut off";
    Error::Git {
        context: words.into(),
        failure: Box::new(GitFailure {
            stderr: words.into(),
            ..GitFailure::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_was_cut_off_is_recognised() {
        let none = "0".repeat(40);
        let whole = format!("H 100644 {} 0\t{none} x\0", "1".repeat(40));
        let cut = format!("{whole}H 000000 {none} 0\t./\0");
        assert!(is_cut_off(cut.as_bytes()));
        assert!(!is_cut_off(whole.as_bytes()) && !is_cut_off(b""));
    }

    #[test]
    fn what_a_sparse_checkout_leaves_out_is_not_hidden() {
        let oid = "1".repeat(40);
        let sparse = Sparse::new(&["src".to_owned()]);
        let text =
            format!("S 100644 {oid} 0\ta/x\0S 100644 {oid} 0\tsrc/x\0H 100644 {oid} 0\tb/x\0");
        let found = parse(text.as_bytes(), &sparse);
        assert_eq!(found.hidden, [PathBuf::from("src/x")]);
        assert_eq!(found.outside, [PathBuf::from("b/x")]);
    }

    #[test]
    fn flagged_paths_and_submodules_are_named() {
        let oid = "1".repeat(40);
        let text = format!(
            "H 100644 {oid} 0\ta\0h 100644 {oid} 0\tb c\0S 100644 {oid} 0\td\0H 160000 {oid} 0\tsub\0"
        );
        let found = parse(text.as_bytes(), &Sparse::default());
        assert_eq!(found.hidden, ["b c", "d"].map(PathBuf::from));
        assert_eq!(found.submodules, [PathBuf::from("sub")]);
        assert!(!found.damaged);
        assert!(
            parse(
                format!("H 100644 {oid} 0\t\0").as_bytes(),
                &Sparse::default()
            )
            .damaged
        );
        let null = "0".repeat(40);
        assert!(
            parse(
                format!("H 100644 {null} 0\tx\0").as_bytes(),
                &Sparse::default()
            )
            .damaged
        );
        assert_eq!(parse(b"\0H\0\t\0", &Sparse::default()).hidden.len(), 0);
        let deep = parse(
            format!("H 100644 {oid} 0\tx/y/z\0").as_bytes(),
            &Sparse::default(),
        );
        assert!(deep.directories.iter().eq(["x", "x/y"].map(Path::new)));
    }
}

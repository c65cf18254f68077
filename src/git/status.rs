//! One look at a slot's tree: what differs from its commit, what is untracked, what is ignored.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Git, Invocation, Oid, Worktree, oid_or_none};
use crate::domain::{Error, GitFailure, Result};
use crate::sys::lock::FileLock;

/// How every answer begins.
const HEADER: &[u8] = b"# branch.oid ";

/// How many words stand before the path of an unmerged one.
const UNMERGED: usize = 9;

/// What `git status` says about a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// HEAD's commit; absent on an unborn branch.
    pub commit: Option<Oid>,
    /// The branch; absent when HEAD is detached.
    pub branch: Option<String>,
    /// Tracked paths that differ from HEAD or from the index.
    pub changed: Vec<PathBuf>,
    /// Those of them that are unmerged.
    pub unmerged: Vec<PathBuf>,
    /// Those of them that are files or links in HEAD, the index or the tree, with what HEAD has.
    pub ordinary: Vec<Ordinary>,
    /// Those of them that are there as git-lfs has put them in a pointer's place, and nobody's work.
    pub smudged: BTreeSet<PathBuf>,
    /// The directories of what the index tracks, if they were looked for.
    pub tracked: Option<BTreeSet<PathBuf>>,
    /// Submodules with work inside; `git status` is not asked for those, see [`super::submodules`].
    pub dirty_submodules: Vec<PathBuf>,
    /// Untracked files; a nested repository is one entry that ends in `/`.
    pub untracked: Vec<PathBuf>,
    /// Ignored files and directories; those end in `/`.
    pub ignored: Vec<PathBuf>,
    /// Files that the caller has put there itself and taken out of these lists: cleaning removes them,
    /// and they are nobody's work.
    pub furnished: Vec<PathBuf>,
    /// Directories that can't be looked into.
    pub unreadable: Vec<PathBuf>,
    /// The paths whose changes the index hides, and those that a sparse checkout leaves out.
    pub hidden: Vec<PathBuf>,
    /// Those of them that a sparse checkout leaves out, though there are files.
    pub outside: Vec<PathBuf>,
    /// Whether the index has entries that no git writes: it was cut off, and git reads on.
    pub damaged_index: bool,
    /// The places of submodules, filled or not.
    pub submodules: Vec<PathBuf>,
    /// Directories of tracked files that are repositories of their own, which git passes over.
    pub embedded: Vec<PathBuf>,
    /// Whether there may be files that were announced (`add -N`) and not added.
    pub may_be_announced: bool,
    /// How many paths differ between HEAD and the index.
    pub staged: u64,
    /// How many paths differ between the index and the files.
    pub unstaged: u64,
}

/// A changed path that is no submodule and not unmerged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordinary {
    /// The path.
    pub path: PathBuf,
    /// Its mode and object in HEAD; absent if it is not there.
    pub head: Option<(String, Oid)>,
    /// Whether the index differs from HEAD.
    pub staged: bool,
}

impl Status {
    /// Whether there is nothing that a commit does not hold, ignored files aside.
    pub fn has_changes(&self) -> bool {
        self.work().next().is_some() || !self.dirty_submodules.is_empty()
    }

    /// The paths in which somebody has changed something.
    pub fn work(&self) -> impl Iterator<Item = &PathBuf> {
        let changed = self.changed.iter();
        let own = changed.filter(|path| !self.smudged.contains(*path));
        own.chain(&self.untracked)
    }

    /// Nested repositories among what is untracked.
    pub fn nested(&self) -> impl Iterator<Item = &Path> {
        self.untracked
            .iter()
            .map(PathBuf::as_path)
            .filter(|path| ends_in_slash(path))
    }
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// Looks at the whole tree of `slot`.
pub fn look(git: &Git, slot: &Worktree, lock: Option<&FileLock>) -> Result<Status> {
    look_by(git, slot, lock, None)
}

/// The same by another index than the slot's.
pub fn look_by(
    git: &Git,
    slot: &Worktree,
    lock: Option<&FileLock>,
    index: Option<&Path>,
) -> Result<Status> {
    let mut command = slot.command(git).holding(lock);
    if let Some(index) = index {
        command = command.env("GIT_INDEX_FILE", index);
    }
    ask(command, &slot.path)
}

/// Looks at these paths only.
pub fn look_at<'p>(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    paths: impl Iterator<Item = &'p Path>,
) -> Result<Status> {
    let command = slot.command(git).holding(Some(lock));
    let command = command.env("GIT_LITERAL_PATHSPECS", "1");
    let only = std::iter::once(OsStr::new("--")).chain(paths.map(Path::as_os_str));
    ask_for(command, &slot.path, only)
}

/// Completes a command on the tree at `path`. Every switch that a config file could change is given.
/// git must not look into submodules: it would do so with the config of theirs, which anybody wrote.
pub(super) fn ask(command: Invocation<'_>, path: &Path) -> Result<Status> {
    ask_for(command, path, std::iter::empty())
}

fn ask_for<'p>(
    command: Invocation<'_>,
    path: &Path,
    only: impl Iterator<Item = &'p OsStr>,
) -> Result<Status> {
    let output = command
        .args([
            "status",
            "--porcelain=v2",
            "--branch",
            "-z",
            "--untracked-files=all",
        ])
        .args([
            "--ignored=matching",
            "--ignore-submodules=dirty",
            "--no-renames",
            "--no-ahead-behind",
        ])
        .args(only)
        .run(&format!("look at the tree of {}", path.display()))?;
    // git does not notice that it can't write into a pipe. No answer is not the answer that all is clean.
    if !output.stdout.starts_with(HEADER) {
        return Err(Error::Git {
            context: format!("look at the tree of {}", path.display()),
            failure: Box::new(GitFailure {
                stderr: "its answer was cut off".into(),
                ..GitFailure::default()
            }),
        });
    }
    let mut status = parse(&output.stdout);
    status.unreadable = unreadable(&String::from_utf8_lossy(&output.stderr));
    Ok(status)
}

/// The directories that git says it can't look into: what is in there is not in its answer. Of a path
/// that is too long for the system, git says only the beginning.
fn unreadable(stderr: &str) -> Vec<PathBuf> {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("warning: could not open directory '"))
        .map(|rest| rest.rsplit_once("': ").map_or(rest, |(path, _)| path))
        .map(PathBuf::from)
        .collect()
}

/// Reads `status --porcelain=v2 --branch -z`. Unknown lines are passed over.
pub fn parse(bytes: &[u8]) -> Status {
    let mut status = Status::default();
    let mut records = bytes.split(|byte| *byte == 0);
    while let Some(record) = records.next() {
        let Some((kind, rest)) = record.split_first() else {
            continue;
        };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        match kind {
            b'#' => header(&mut status, &String::from_utf8_lossy(rest)),
            b'1' => {
                changed(&mut status, rest, 7);
                status.ordinary.extend(ordinary(rest));
            }
            b'2' => {
                changed(&mut status, rest, 8);
                records.next();
            }
            b'u' => {
                changed(&mut status, rest, UNMERGED);
                status.unmerged.extend(status.changed.last().cloned());
            }
            b'?' => status.untracked.push(to_path(rest)),
            b'!' => status.ignored.push(to_path(rest)),
            _ => {}
        }
    }
    status
}

fn header(status: &mut Status, text: &str) {
    if let Some(oid) = text.strip_prefix("branch.oid ") {
        status.commit = oid_or_none(oid);
    } else if let Some(name) = text.strip_prefix("branch.head ") {
        status.branch = (name != "(detached)").then(|| name.to_owned());
    }
}

/// A record with `fields` words before its path.
fn changed(status: &mut Status, rest: &[u8], fields: usize) {
    let mut words = rest.splitn(fields + 1, |byte| *byte == b' ');
    let sides = words.next().unwrap_or_default();
    let Some(path) = words.nth(fields - 1) else {
        return;
    };
    if fields != UNMERGED {
        status.staged += u64::from(sides.first().is_some_and(|side| *side != b'.'));
        status.unstaged += u64::from(sides.get(1).is_some_and(|side| *side != b'.'));
        status.may_be_announced |= matches!(sides.get(1), Some(b'A' | b'D'));
    }
    status.changed.push(to_path(path));
}

/// The empty file, which git names as what HEAD has where a file was announced and then deleted.
const EMPTY_FILE: [&[u8]; 2] = [
    b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    b"473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
];

/// Reads `<XY> <sub> <mH> <mI> <mW> <hH> <hI> <path>`; none if the path is one of a submodule, or if
/// HEAD may not have it at all.
fn ordinary(rest: &[u8]) -> Option<Ordinary> {
    let words: Vec<&[u8]> = rest.splitn(8, |byte| *byte == b' ').collect();
    let &[sides, kind, mode, in_index, in_tree, object, _, path] = words.as_slice() else {
        return None;
    };
    let is_submodule = [mode, in_index, in_tree].contains(&b"160000".as_slice());
    let may_be_none = sides.ends_with(b"D") && EMPTY_FILE.contains(&object);
    if is_submodule || may_be_none || !kind.starts_with(b"N") {
        return None;
    }
    let text = |word| std::str::from_utf8(word).ok().map(str::to_owned);
    let head = match mode {
        b"000000" => None,
        mode => Some((text(mode)?, oid_or_none(&text(object)?)?)),
    };
    Some(Ordinary {
        path: to_path(path),
        head,
        staged: sides.first() != Some(&b'.'),
    })
}

fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_record_is_read() {
        let oid = "1".repeat(40);
        let text = format!(
            "# branch.oid {oid}\0# branch.head main\0\
             1 .M N... 100644 100644 100644 {oid} {oid} a file\0\
             1 .M SC.. 160000 160000 160000 {oid} {oid} sub\0\
             2 R. N... 100644 100644 100644 {oid} {oid} R100 new\0old\0\
             u UU N... 100644 100644 100644 100644 {oid} {oid} {oid} both\0\
             ? new file\0? nested/\0! target/\0"
        );
        let status = parse(text.as_bytes());
        assert_eq!(status.commit.as_deref(), Some(oid.as_str()));
        assert_eq!(status.branch.as_deref(), Some("main"));
        let names: Vec<_> = status.changed.iter().map(|p| p.to_str().unwrap()).collect();
        assert_eq!(names, ["a file", "sub", "new", "both"]);
        assert_eq!(status.unmerged, [PathBuf::from("both")]);
        let file = Ordinary {
            path: "a file".into(),
            head: Some(("100644".into(), oid)),
            staged: false,
        };
        assert_eq!(status.ordinary, [file]);
        assert_eq!((status.staged, status.unstaged), (1, 2));
        assert_eq!(status.untracked.len(), 2);
        assert_eq!(status.nested().count(), 1);
        assert_eq!(status.ignored, [PathBuf::from("target/")]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes);
        }
    }
}

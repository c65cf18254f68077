//! What the patterns of `keep` mean in a slot, and what a commit has at certain paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Git, Oid, Worktree};
use crate::domain::Result;
use crate::sys::lock::FileLock;

/// The untracked paths in the slot that cleaning would leave, of a directory that stays as a whole
/// only itself.
pub fn paths(git: &Git, slot: &Worktree, lock: &FileLock, keep: &[String]) -> Result<Vec<PathBuf>> {
    match keep {
        [] => Ok(Vec::new()),
        keep => listed(git, slot, Some(lock), &["--others", "--directory"], keep),
    }
}

/// The tracked files of the slot that the patterns match: cleaning brings them back like any other.
pub fn tracked(git: &Git, slot: &Worktree, keep: &[String]) -> Result<Vec<PathBuf>> {
    match keep {
        [] => Ok(Vec::new()),
        keep => listed(git, slot, None, &["--cached"], keep),
    }
}

fn listed(
    git: &Git,
    slot: &Worktree,
    lock: Option<&FileLock>,
    which: &[&str],
    keep: &[String],
) -> Result<Vec<PathBuf>> {
    let mut command = slot.command(git).holding(lock);
    command = command.args(["ls-files", "-z", "--ignored"]).args(which);
    for pattern in keep {
        command = command.args(["--exclude", pattern]);
    }
    let output = command.run("look for what `keep` names")?;
    Ok(split(&output.stdout).map(PathBuf::from).collect())
}

/// What a commit has at these paths and below them: `<mode> <type> <object>` of each path itself.
pub fn entries(
    git: &Git,
    repository: &Path,
    commit: &Oid,
    paths: &[String],
) -> Result<Vec<String>> {
    let output = ls_tree(git, repository, commit, &[], paths)?;
    let lines = split(&output).map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    Ok(lines.collect())
}

/// The files that a commit has at these paths and below them.
pub fn files(git: &Git, repository: &Path, commit: &Oid, paths: &[String]) -> Result<Vec<PathBuf>> {
    let output = ls_tree(git, repository, commit, &["-r", "--name-only"], paths)?;
    Ok(split(&output).map(PathBuf::from).collect())
}

fn ls_tree(
    git: &Git,
    repository: &Path,
    commit: &Oid,
    switches: &[&str],
    paths: &[String],
) -> Result<Vec<u8>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    // A directory with a slash behind it would be listed instead of named.
    let paths = paths.iter().map(|path| path.trim_end_matches('/'));
    let output = git
        .repository(repository)
        .env("GIT_LITERAL_PATHSPECS", "1")
        .args(["ls-tree", "-z", "--full-tree"])
        .args(switches)
        .args([commit, "--"])
        .args(paths)
        .run("look up files of a commit")?;
    Ok(output.stdout)
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &OsStr> {
    let parts = bytes.split(|byte| *byte == 0);
    parts.filter(|part| !part.is_empty()).map(OsStr::from_bytes)
}

//! Merging commits without a work tree.

use std::path::Path;

use super::scratch::commit_tree;
use super::{Git, Oid, is_oid, refs};
use crate::domain::{Error, Result};

/// What merging came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// This commit holds both: a merge, or the one that had the other already.
    Commit(Oid),
    /// A person has to merge these paths.
    Conflict(Vec<String>),
}

/// Merges `other` into `one`, in the bare repository. The same two commits make the same merge.
pub fn commits(git: &Git, repository: &Path, one: &Oid, other: &Oid) -> Result<Merged> {
    if refs::leads_to(git, repository, other, one)? {
        return Ok(Merged::Commit(one.clone()));
    }
    if refs::leads_to(git, repository, one, other)? {
        return Ok(Merged::Commit(other.clone()));
    }
    let output = git
        .repository(repository)
        .args(["merge-tree", "--write-tree", "--name-only", "--no-messages"])
        .args(["-z", "--allow-unrelated-histories", one, other])
        .run_allowing(&[1], "merge commits", &mut |_| ())?;
    let mut parts = output.stdout.split(|byte| *byte == 0);
    let tree = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    if output.code == 1 {
        let paths = parts.filter(|path| !path.is_empty());
        let paths = paths.map(|path| String::from_utf8_lossy(path).into_owned());
        return Ok(Merged::Conflict(paths.collect()));
    }
    if !is_oid(&tree) {
        return Err(Error::failed("git did not say what the merge is"));
    }
    let command = dated(git, repository, &[one, other])?;
    let parents = [one.clone(), other.clone()];
    commit_tree(
        command,
        &tree,
        &parents,
        "Merge for a task that depends on both",
    )
    .map(Merged::Commit)
}

/// A command that commits with the time of the newest of `parents`, so that it is the same each time.
fn dated<'g>(git: &'g Git, repository: &Path, parents: &[&Oid]) -> Result<super::Invocation<'g>> {
    let output = git
        .repository(repository)
        .args(["show", "--no-patch", "--format=%ct"])
        .args(parents)
        .run("look at commits")?;
    let newest = output
        .text()
        .lines()
        .filter_map(|line| line.parse::<i64>().ok())
        .max();
    let date = format!("@{} +0000", newest.unwrap_or_default());
    let command = git.repository(repository);
    Ok(command
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date))
}

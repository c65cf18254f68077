//! The branch of a task: a new attempt begins at the base anew, and what a former one has committed
//! stays, under the branch's name with the attempt's number behind it.

use std::path::Path;

use crate::domain::Result;
use crate::git::remote::TRACKING;
use crate::git::{Git, Oid, refs, snapshot};

/// What stood in the way of a branch that is to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// The remote has a branch of that name: who asks for the branch alone would get that one.
    pub is_remote: bool,
}

/// Makes room for `branch`: one of that name that holds commits of its own is renamed after the
/// attempt `before`, any other is deleted.
pub fn clear(git: &Git, repository: &Path, branch: &str, before: u32) -> Result<Cleared> {
    let (local, remote) = (
        format!("refs/heads/{branch}"),
        format!("{TRACKING}{branch}"),
    );
    let kept = format!("{local}.a{before}");
    let found = refs::list(git, repository, &[&local, &remote, &format!("{kept}*")])?;
    let is_remote = found.iter().any(|reference| reference.name == remote);
    let Some(old) = found.iter().find(|reference| reference.name == local) else {
        return Ok(Cleared { is_remote });
    };
    if !snapshot::is_at_the_remote(git, repository, &old.oid)? {
        keep(git, repository, &old.oid, |n| match n {
            0 => kept.clone(),
            n => format!("{kept}.{n}"),
        })?;
    }
    // One that is checked out is somebody's who works on it: who allocates meets that.
    if refs::holder_of(repository, branch, &|_| false)?.is_none() {
        refs::delete_at(git, repository, &local, &old.oid)?;
    }
    Ok(Cleared { is_remote })
}

/// Keeps a commit under the first of the names that is free, or has it already.
fn keep(git: &Git, repository: &Path, commit: &Oid, name: impl Fn(u32) -> String) -> Result<()> {
    for n in 0.. {
        let name = name(n);
        let there = refs::commit_of(git, repository, &name)?;
        if there.as_ref() == Some(commit)
            || there.is_none() && refs::replace(git, repository, &name, None, commit)?
        {
            break;
        }
    }
    Ok(())
}

/// The commit that a branch is at, if it has left `base`.
pub fn left(git: &Git, repository: &Path, branch: &str, base: &str) -> Result<Option<Oid>> {
    let name = format!("refs/heads/{branch}");
    let tip = match refs::loose(repository, &name)? {
        None => refs::commit_of(git, repository, &name)?,
        tip => tip,
    };
    Ok(tip.filter(|tip| tip != base))
}

//! The branch of a task: a new attempt begins at the base anew, and what a former one has committed
//! stays, under the branch's name with the attempt's number behind it.

use std::path::Path;

use crate::domain::Result;
use crate::git::remote::TRACKING;
use crate::git::{Git, Oid, refs, snapshot};

/// What stood in the way of a branch that is to begin anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// The remote has a branch of that name: who asks for the branch alone would get that one.
    pub is_remote: bool,
    /// Where the branch is. That commit is kept under another name, or needs no keeping.
    pub spent: Option<Oid>,
}

/// Lets `branch` begin anew at `begin`: commits that only it holds are kept under the name of the
/// attempt `before`.
pub fn clear(
    git: &Git,
    repository: &Path,
    branch: &str,
    before: u32,
    begin: Option<&Oid>,
) -> Result<Cleared> {
    let (local, remote) = (
        format!("refs/heads/{branch}"),
        format!("{TRACKING}{branch}"),
    );
    let spent = refs::tip(git, repository, &local)?;
    if let Some(old) = spent.as_ref().filter(|old| Some(*old) != begin)
        && !snapshot::is_at_the_remote(git, repository, old)?
        && !begin.map_or(Ok(false), |begin| {
            refs::leads_to(git, repository, old, begin)
        })?
    {
        let kept = format!("{local}.a{before}");
        keep(git, repository, old, |n| match n {
            0 => kept.clone(),
            n => format!("{kept}.{n}"),
        })?;
    }
    Ok(Cleared {
        is_remote: refs::tip(git, repository, &remote)?.is_some(),
        spent,
    })
}

/// Keeps a commit under the first of the names that is free, or has it already.
fn keep(git: &Git, repository: &Path, commit: &Oid, name: impl Fn(u32) -> String) -> Result<()> {
    for n in 0.. {
        let name = name(n);
        let there = refs::tip(git, repository, &name)?;
        if there.as_ref() == Some(commit)
            || there.is_none() && refs::replace(git, repository, &name, None, commit)?
        {
            break;
        }
    }
    Ok(())
}

/// The commit that a branch is at.
pub fn tip(git: &Git, repository: &Path, branch: &str) -> Result<Option<Oid>> {
    refs::tip(git, repository, &format!("refs/heads/{branch}"))
}

//! Bringing branches that were made in a slot into the user's own repository.

use std::path::{Path, PathBuf};

use super::{Pool, clones, journal};
use crate::domain::outcome::BranchView;
use crate::domain::pool::Strategy;
use crate::domain::{Error, Result};
use crate::git::parse::{self, Head};
use crate::git::{refs, repository, snapshot, view};

/// Fetches the slot's branches into the repository at `into`. Branches there are only ever moved
/// forward; one that is checked out there or has commits of its own is git's to refuse.
pub fn collect(pool: &Pool<'_>, number: u32, into: &Path) -> Result<Vec<BranchView>> {
    let target = repository::local(&pool.git, into)?;
    if target.path.starts_with(pool.workspace.root()) {
        return Err(Error::usage(format!(
            "{} belongs to the workspace itself",
            target.path.display()
        ))
        .with_hint("name your own repository: --into DIR"));
    }
    let branches = made_in(pool, number)?;
    if branches.is_empty() {
        return Ok(branches);
    }
    let refspecs: Vec<String> = branches
        .iter()
        .map(|branch| format!("refs/heads/{0}:refs/heads/{0}", branch.name))
        .collect();
    pool.git
        .bare()
        .cwd(&target.path)
        .args([
            "fetch",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--no-tags",
            "--",
        ])
        .args([view::path(&pool.paths.repository())])
        .args(&refspecs)
        .run(&format!(
            "fetch the branches of {} into {}",
            pool.slot_id(number),
            target.path.display()
        ))?;
    Ok(branches)
}

/// The branches that the slot has been on in its current or last allocation and that hold commits
/// that the remote does not have: HEAD's own history names them.
fn made_in(pool: &Pool<'_>, number: u32) -> Result<Vec<BranchView>> {
    gather(pool, number)?;
    let worktree = pool.worktree(number);
    let mut names = parse::checked_out(&worktree.history()?);
    if let Some(Head::Symbolic(name)) = worktree.head()? {
        names.extend(name.strip_prefix("refs/heads/").map(str::to_owned));
    }
    names.push(pool.own_branch(number));
    names.sort();
    names.dedup();
    let repository = pool.paths.repository();
    let mut found = Vec::new();
    for name in names {
        let full = format!("refs/heads/{name}");
        match refs::commit_of(&pool.git, &repository, &full)? {
            Some(commit) if !snapshot::is_landed(&pool.git, &repository, &commit)? => {
                found.push(BranchView { name, commit });
            }
            Some(_) => {}
            // git does not tell a branch that it can't read from one that is not there.
            None if repository.join(&full).exists() => {
                return Err(Error::failed(format!("branch {name:?} can't be read")));
            }
            None => {}
        }
    }
    Ok(found)
}

/// What was made in a slot that is a repository of its own. While it is gathered nobody brings that
/// repository home, and takes who gathers for somebody who is inside.
fn gather(pool: &Pool<'_>, number: u32) -> Result<()> {
    match pool.read()?.strategy {
        Strategy::Worktree => Ok(()),
        Strategy::Clone => {
            let (_lock, locked) = journal::wait_for_slot(pool, number)?;
            drop(locked);
            clones::gather(pool, number)
        }
    }
}

/// The user's repository: where the pool was made from, or its remote, if that lies on this machine
/// and is no bare repository.
pub fn home_of(pool: &Pool<'_>) -> Result<Option<PathBuf>> {
    let record = pool.read()?;
    let local = crate::domain::remote::RemoteUrl::new(&record.repo_url)?;
    let candidates = [record.made_from.as_deref(), local.local_path()];
    Ok(candidates
        .into_iter()
        .flatten()
        .map(PathBuf::from)
        .find(|path| path.join(".git").exists()))
}

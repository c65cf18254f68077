//! Where a task starts that starts from what its dependencies left.

use super::Left;
use crate::domain::Result;
use crate::git::merge::{self, Merged};
use crate::git::{Oid, refs};
use crate::pool::Pool;

/// The start.
pub enum Start {
    /// This commit; none if the dependencies left none.
    Commit(Option<Oid>),
    /// A person has to merge these first.
    Conflict {
        /// What was merged until then.
        ours: Vec<Left>,
        /// What can't be merged into that.
        theirs: Left,
        /// The paths that both change.
        paths: Vec<String>,
    },
}

/// Merges what the dependencies left, in their order.
pub fn of(pool: &Pool<'_>, deps: &[Left]) -> Result<Start> {
    let repository = pool.paths.repository();
    let mut start: Option<Oid> = None;
    for (before, left) in deps.iter().enumerate() {
        let commit = newest(pool, left)?;
        let merged = match &start {
            None => Merged::Commit(commit),
            Some(so_far) => merge::commits(&pool.git, &repository, so_far, &commit)?,
        };
        match merged {
            Merged::Commit(merged) => start = Some(merged),
            Merged::Conflict(paths) => {
                return Ok(Start::Conflict {
                    ours: deps[..before].to_vec(),
                    theirs: left.clone(),
                    paths,
                });
            }
        }
    }
    Ok(Start::Commit(start))
}

/// The commit that was left, or what a person has put on top of it since.
fn newest(pool: &Pool<'_>, left: &Left) -> Result<Oid> {
    let repository = pool.paths.repository();
    let name = format!("refs/heads/{}", left.branch);
    let tip = refs::commit_of(&pool.git, &repository, &name)?;
    let tip = tip.filter(|tip| *tip != left.commit);
    match tip {
        Some(tip) if refs::leads_to(&pool.git, &repository, &left.commit, &tip)? => Ok(tip),
        _ => Ok(left.commit.clone()),
    }
}

//! What a task has left: on its branch, or on one of its own, which its branch then follows.

use super::branch;
use super::slot::Held;
use crate::domain::pool::{PoolRecord, Strategy};
use crate::domain::slot::SlotState;
use crate::domain::{Result, names};
use crate::git::parse::Head;
use crate::git::{Oid, refs, snapshot, standalone};
use crate::pool::{clones, journal};

/// What a task has left.
#[derive(Debug, Default)]
pub struct Work {
    /// The commit, and the name of its branch.
    pub commit: Option<(String, String)>,
    /// Where there is work that its branch does not have.
    pub astray: Option<String>,
}

/// Where a slot stands that is not on its task's branch.
struct Aside {
    commit: Oid,
    /// The branch's name; none: on none.
    branch: Option<String>,
}

impl Held<'_> {
    /// What the task has left, as far as that can be told: nothing is lost by what can't.
    pub fn left(&self) -> Work {
        let found = self.look().or_else(|_| self.on_branch(None));
        found.unwrap_or_default()
    }

    /// To be begun again at any point: where the branch has followed already, nothing is left to do.
    fn look(&self) -> Result<Work> {
        let pool = self.pool();
        let is_clone = clones::noted(&pool.paths.repository())? == Strategy::Clone;
        if !is_clone && self.aside()?.is_none() {
            return self.on_branch(None);
        }
        let (_lock, locked) = journal::wait_for_slot(pool, self.slot.number)?;
        let is_ours = self.is_in(&locked.record);
        drop(locked);
        // Who took it back from a dispatcher that was killed has changed where it stands.
        if !is_ours {
            return self.on_branch(None);
        }
        clones::gather(pool, self.slot.number)?;
        let astray = match self.aside()? {
            Some(aside) => self.follow(&aside)?,
            None => None,
        };
        self.on_branch(astray)
    }

    fn on_branch(&self, astray: Option<String>) -> Result<Work> {
        let (branch, base) = (&self.slot.branch, &self.slot.base_commit);
        let pool = self.pool();
        let tip = branch::tip(&pool.git, &pool.paths.repository(), branch)?;
        let commit = tip.filter(|tip| tip != base);
        Ok(Work {
            commit: commit.map(|commit| (commit, branch.clone())),
            astray,
        })
    }

    /// Whether nobody has begun to take it back.
    fn is_in(&self, record: &PoolRecord) -> bool {
        let slot = record.slot(self.slot.number);
        let allocated = slot.filter(|slot| slot.state == SlotState::Allocated);
        let allocation = allocated.and_then(|slot| slot.allocation.as_ref());
        allocation.is_some_and(|allocation| allocation.id == self.slot.allocation)
    }

    /// Where the slot stands, unless that is its task's branch.
    fn aside(&self) -> Result<Option<Aside>> {
        let pool = self.pool();
        let (revision, branch) = match pool.worktree(self.slot.number).head()? {
            Some(Head::Symbolic(name)) => match name.strip_prefix("refs/heads/") {
                Some(branch) if *branch != *self.slot.branch => {
                    let branch = branch.to_owned();
                    (name, Some(branch))
                }
                _ => return Ok(None),
            },
            Some(Head::Detached(commit)) => (commit, None),
            None => return Ok(None),
        };
        let commit = refs::commit_of(&pool.git, &pool.paths.repository(), &revision)?;
        Ok(commit.map(|commit| Aside { commit, branch }))
    }

    /// Brings the task's branch to where the slot stands, if that only adds to it. What can't be
    /// brought there is told.
    fn follow(&self, aside: &Aside) -> Result<Option<String>> {
        let (pool, own) = (self.pool(), &self.slot.branch);
        let (git, repository) = (&pool.git, pool.paths.repository());
        let tip = branch::tip(git, &repository, own)?;
        let from = tip.as_ref().unwrap_or(&self.slot.base_commit);
        let commit = &aside.commit;
        if refs::leads_to(git, &repository, commit, from)? {
            return Ok(None);
        }
        let (name, slot) = (
            format!("refs/heads/{own}"),
            names::dir_name(self.slot.number),
        );
        let may_move = refs::leads_to(git, &repository, from, commit)?
            && refs::holder_of(&repository, own, &|name| name == slot)?.is_none();
        if may_move {
            standalone::count_as_given(&pool.worktree(self.slot.number), &name)?;
        }
        if may_move && refs::replace(git, &repository, &name, tip.as_ref(), commit)? {
            return Ok(None);
        }
        if snapshot::is_at_the_remote(git, &repository, commit)? {
            return Ok(None);
        }
        let commit = &commit[..commit.len().min(12)];
        Ok(Some(match &aside.branch {
            Some(branch) => format!("at {commit} on branch {branch}, which {own} does not have"),
            None => format!("at {commit} on no branch, which {own} does not have"),
        }))
    }
}

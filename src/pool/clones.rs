//! Slots of a pool of clones: each is a repository of its own while somebody has it, and a worktree
//! like any other while it is idle.

use std::path::Path;

use super::Pool;
use crate::domain::pool::Strategy;
use crate::domain::{Result, names};
use crate::git::standalone::learned;
use crate::git::{refs, standalone};

/// The last step before a slot is handed out: in a pool of clones, it gets a repository of its own.
pub fn send_out(pool: &Pool<'_>, strategy: Strategy, number: u32) -> Result<()> {
    match strategy {
        Strategy::Worktree => Ok(()),
        Strategy::Clone => {
            let learned = pool.paths.learned(number);
            let learned = pool.settings.setup.is_some().then_some(learned.as_path());
            standalone::send_out(&pool.git, &pool.worktree(number), learned)
        }
    }
}

/// Does `work` in an idle slot as its users find it: in a pool of clones, with a repository of its own.
/// The slot is as before then, however that ended; what was written into that repository is kept for
/// those that the slot is handed out with, if `succeeded` says so.
pub fn while_out<T>(
    pool: &Pool<'_>,
    number: u32,
    work: impl FnOnce() -> Result<T>,
    succeeded: impl FnOnce(&T) -> bool,
) -> Result<T> {
    if noted(&pool.paths.repository())? == Strategy::Worktree {
        return work();
    }
    let (git, place) = (&pool.git, pool.paths.learned(number));
    standalone::send_out(git, &pool.worktree(number), None)?;
    let before = learned::settings(git, &pool.worktree(number))?.unwrap_or_default();
    let done = work();
    let home = bring_home(pool, number).and_then(|()| {
        let slot = pool.worktree(number);
        match done.as_ref().is_ok_and(succeeded) {
            true => learned::keep(git, &slot, &before, &place),
            false => learned::clear(git, &slot),
        }
    });
    done.and_then(|done| home.map(|()| done))
}

/// The first step of whatever is done to a slot that comes back: what was made in it goes into the
/// pool's repository. Costs one look where there is nothing to do.
pub fn bring_home(pool: &Pool<'_>, number: u32) -> Result<()> {
    let is_held = |branch: &str| is_held(pool, number, branch);
    standalone::bring_home(&pool.git, &pool.worktree(number), &is_held)
}

/// The same, as far as it concerns the pool: the slot stays as it is.
pub fn gather(pool: &Pool<'_>, number: u32) -> Result<()> {
    let is_held = |branch: &str| is_held(pool, number, branch);
    standalone::gather(&pool.git, &pool.worktree(number), &is_held)
}

/// Its holder goes on with it, as it was.
pub fn put_back(pool: &Pool<'_>, number: u32) -> Result<()> {
    standalone::put_back(&pool.git, &pool.worktree(number))
}

/// Whether a killed command has left its holder without it.
pub fn is_away(pool: &Pool<'_>, strategy: Strategy, number: u32) -> bool {
    strategy == Strategy::Clone && standalone::is_away(&pool.worktree(number)).unwrap_or_default()
}

/// Its holder goes on with it, where it stands now.
pub fn put_back_moved(pool: &Pool<'_>, number: u32) -> Result<()> {
    standalone::put_back_moved(&pool.git, &pool.worktree(number))
}

/// Notes what the slots of the pool with that repository are, where it is not lost with the record.
pub fn note(repository: &Path, strategy: Strategy) -> Result<()> {
    match strategy {
        Strategy::Worktree => Ok(()),
        Strategy::Clone => standalone::note(repository),
    }
}

/// What was noted.
pub fn noted(repository: &Path) -> Result<Strategy> {
    Ok(match standalone::of_clones(repository)? {
        true => Strategy::Clone,
        false => Strategy::Worktree,
    })
}

/// Whether another slot was handed out with the branch.
fn is_held(pool: &Pool<'_>, number: u32, branch: &str) -> Result<bool> {
    let own = names::dir_name(number);
    let holder = refs::holder_of(&pool.paths.repository(), branch, &|name| name == own)?;
    Ok(holder.is_some())
}

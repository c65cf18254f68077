//! Whether provably nobody uses a pool, so that what is locked in its repository is locked by nobody.
//!
//! git's lock files do not say who holds them, and a holder's own git takes the same ones. So they are
//! removed only while no command works on the pool and no process of any kind is inside it.

use std::path::Path;
use std::time::Duration;

use super::{Pool, trash};
use crate::domain::Result;
use crate::git::leftovers::{self, Leftovers};
use crate::sys::{clock, fs, inside, liveness, lock};

/// How often processes are looked at before one that stays hidden counts as working.
const LOOKS: u32 = 5;

/// The pause before the second look, halved; it doubles from look to look.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What killed git processes left in the pool's repository; `None` while it may be somebody's.
/// Processes in `except` are known not to work on it.
pub fn leftovers(pool: &Pool<'_>, except: &[u32]) -> Result<Option<Leftovers>> {
    let record = pool.read()?;
    let busy = record.slots.iter().any(|slot| {
        slot.operation.is_some()
            || lock::is_locked(&pool.paths.slot_lock(slot.number)) != Some(false)
    });
    if busy || !nobody_works_in(&pool.paths.root, except) {
        return Ok(None);
    }
    leftovers::leftovers(&pool.paths.repository()).map(Some)
}

/// Removes the locks that killed git processes left in the pool's repository, if they are provably
/// nobody's. The caller holds the fetch lock, so no fetch of the tool's own is under way, and its
/// ancestors wait for it. Tells whether there was one.
pub fn unlock(pool: &Pool<'_>) -> Result<bool> {
    let Some(found) = leftovers(pool, &liveness::ancestors())? else {
        return Ok(false);
    };
    for path in &found.locks {
        fs::remove_file_if_there(path)?;
        pool.context.observer.warn(&format!(
            "{} was left by a killed git, and is removed",
            path.display()
        ));
    }
    Ok(!found.locks.is_empty())
}

/// Whether provably no process uses the directory. One that can't be looked at for a moment, as while
/// it starts a program, is looked at again.
pub fn nobody_works_in(dir: &Path, except: &[u32]) -> bool {
    let mut hidden: Option<Vec<u32>> = None;
    for look in 0..LOOKS {
        // One that is just ending can't be looked at for as long as its disk is busy.
        if look > 0 && clock::pause(FIRST_PAUSE * (1 << look)).is_err() {
            return false;
        }
        let scan = inside::processes_inside(dir, except);
        // Who deletes what was thrown away has nothing to do with git.
        let deletes = |command: &str| command.contains(trash::DELETE);
        if !scan.inside.iter().all(|process| deletes(&process.command)) {
            return false;
        }
        let now = scan.unreadable.into_iter().filter(|pid| may_be_git(*pid));
        let still: Vec<u32> = match &hidden {
            None => now.collect(),
            Some(before) => now.filter(|pid| before.contains(pid)).collect(),
        };
        if still.is_empty() {
            return true;
        }
        hidden = Some(still);
    }
    false
}

/// Whether a process that can't be looked at could be one that works on repositories: by its
/// command line, which everybody may read.
fn may_be_git(pid: u32) -> bool {
    liveness::command_of(pid)
        .is_none_or(|command| command.contains("git") || command.contains("repo-pool"))
}

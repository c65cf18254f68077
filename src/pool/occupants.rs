//! Who is inside a slot that is to be cleaned or removed.

use std::path::Path;
use std::time::Duration;

use super::Pool;
use crate::domain::{Error, Result};
use crate::git::Worktree;
use crate::sys::clock::{self, Deadline};
use crate::sys::inside::{self, Inside, Thoroughness};
use crate::sys::liveness;

/// How long processes that are told to end may take before they are killed.
const KILL_GRACE: Duration = Duration::from_secs(10);

/// How long what a `git commit` leaves tidying up in a slot may take to end.
const TIDYING: Duration = Duration::from_secs(2);

/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether anybody seems to be inside. If not, no process is disturbed by parking the slot, as is done
/// before it is cleaned, and the thorough look follows then.
pub fn any_in_sight(pool: &Pool<'_>, number: u32) -> bool {
    let path = pool.worktree(number).path;
    let scan = inside::scan(&path, &[], Thoroughness::Open);
    !scan.inside.is_empty()
}

/// The first process that is inside, whosever it is.
pub fn any(pool: &Pool<'_>, number: u32) -> Option<Inside> {
    let path = pool.worktree(number).path;
    let found = inside::processes_inside(&path, &[std::process::id()]).inside;
    found.into_iter().next()
}

/// Nobody but the caller and its ancestors may be inside a slot that is to be cleaned. Tells whether
/// one of those is. A git that the last commit has left behind is given a moment to end.
pub fn none_but_callers(pool: &Pool<'_>, number: u32, kill: bool) -> Result<bool> {
    let path = pool.worktree(number).path;
    let ours = liveness::ancestors();
    let (own, found): (Vec<Inside>, Vec<Inside>) = inside::processes_inside(&path, &[])
        .inside
        .into_iter()
        .partition(|process| ours.contains(&process.pid));
    let mut found = after_a_moment(&path, &ours, found)?;
    let deadline = Deadline::after(KILL_GRACE + KILL_GRACE);
    // A process may start others while it is being ended.
    while kill && !found.is_empty() && !deadline.passed() {
        let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
        inside::end(&pids, KILL_GRACE);
        found = inside::processes_inside(&path, &ours).inside;
    }
    match found.first() {
        None => Ok(!own.is_empty()),
        Some(process) => Err(occupied(pool, number, process, kill)),
    }
}

/// Those in a slot that nobody holds. A git that has only looked at it is given a moment to end.
pub fn of_idle(worktree: &Worktree) -> Result<Vec<Inside>> {
    let ours = liveness::ancestors();
    let found = inside::processes_inside(&worktree.path, &ours).inside;
    after_a_moment(&worktree.path, &ours, found)
}

fn after_a_moment(path: &Path, ours: &[u32], mut found: Vec<Inside>) -> Result<Vec<Inside>> {
    let moment = Deadline::after(TIDYING);
    while !found.is_empty() && found.iter().all(is_git) && !moment.passed() {
        clock::pause(PAUSE)?;
        found = inside::processes_inside(path, ours).inside;
    }
    Ok(found)
}

fn is_git(process: &Inside) -> bool {
    let program = process.command.split(' ').next().unwrap_or_default();
    program.rsplit('/').next() == Some("git")
}

/// Why a slot with that process inside is left alone.
pub fn occupied(pool: &Pool<'_>, number: u32, process: &Inside, kill: bool) -> Error {
    Error::Refused {
        message: format!(
            "a process is inside slot {}: pid {} ({})",
            pool.slot_id(number),
            process.pid,
            process.command
        ),
        hint: Some(match kill {
            true => "it can't be ended; see what it does".into(),
            false => "end it, or release with --kill".into(),
        }),
    }
}

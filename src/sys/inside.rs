//! Which processes use a directory, and how to end them.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};

use super::clock::Deadline;
use super::group::{self, KILL_TAKES_AT_MOST};
use super::procfs::{self, Stat};
use super::{liveness, looking, threads, user, wait};

mod look;

use look::{Look, Looker};

/// How a process uses a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Its working directory is there.
    Cwd,
    /// Its root directory is there.
    Root,
    /// Its program is there.
    Exe,
    /// It has a file from there open.
    OpenFile,
    /// It has a file from there in its memory.
    Mapped,
}

/// A process that uses a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its pid.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its command line, shortened.
    pub command: String,
    /// The first use that was found.
    pub how: How,
}

/// What a look at all processes showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Those that use the directory.
    pub inside: Vec<Inside>,
    /// Those of this user that could not be looked at. Other users' are not listed: they can't get
    /// into a private directory, except for root's.
    pub unreadable: Vec<u32>,
}

/// How much is looked at of each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Where it stands, and what it has open.
    Open,
    /// Also what it has in its memory, which costs more than all the rest.
    Whole,
}

/// From so many processes on, the work is shared between threads.
const WORTH_A_THREAD: usize = 24;

/// How often the processes are listed, as long as there are new ones: one that ends while it is looked
/// for may have started another.
const ROUNDS: usize = 16;

/// More threads do not help: the kernel's own locks are in the way.
const THREADS_MAX: usize = 4;

/// Looks for processes that use `dir` or what is below it, but for those in `except` and those of
/// this program that only look ([`looking`]).
///
/// Seen are only processes of this pid namespace, by the paths they have in this mount namespace.
pub fn processes_inside(dir: &Path, except: &[u32]) -> Scan {
    scan(dir, except, Thoroughness::Whole)
}

/// The same, as thoroughly as is asked for.
pub fn scan(dir: &Path, except: &[u32], thoroughness: Thoroughness) -> Scan {
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let mut known: BTreeSet<u32> = except.iter().copied().collect();
    let mut scan = Scan::default();
    for _ in 0..ROUNDS {
        let mut pids = procfs::pids();
        pids.retain(|pid| known.insert(*pid));
        if pids.is_empty() {
            break;
        }
        look_at_all(&dir, &pids, thoroughness, &mut scan);
    }
    scan
}

fn look_at_all(dir: &Path, pids: &[u32], thoroughness: Thoroughness, scan: &mut Scan) {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = (pids.len() / WORTH_A_THREAD).clamp(1, cores.min(THREADS_MAX));
    let next = AtomicUsize::new(0);
    let look = || scan_some(dir, pids, &next, thoroughness);
    for found in threads::share(threads, look) {
        scan.inside.extend(found.inside);
        scan.unreadable.extend(found.unreadable);
    }
}

/// Looks at one process after the other, as long as there is one that no other thread looks at.
fn scan_some(dir: &Path, pids: &[u32], next: &AtomicUsize, thoroughness: Thoroughness) -> Scan {
    let own_uid = user::effective_uid();
    let mut looker = Looker::new(dir, thoroughness);
    let mut scan = Scan::default();
    while let Some(&pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
        let found = looker.look_at(pid);
        if matches!(found, Look::Elsewhere) {
            continue;
        }
        // Whoever is gone by now is not inside.
        let Some(stat) = Stat::of(pid) else { continue };
        if stat.is_kernel_thread() || stat.is_dead() || is_being_started(pid, &stat) {
            continue;
        }
        if looking::is_by_one(&stat) {
            continue;
        }
        let Some(uid) = procfs::effective_uid(pid) else {
            continue;
        };
        match found {
            Look::Uses(how) => scan.inside.push(Inside {
                pid,
                uid,
                command: liveness::command_of(pid).unwrap_or_else(|| stat.name.clone()),
                how,
            }),
            Look::Unreadable if uid == own_uid => scan.unreadable.push(pid),
            Look::Unreadable | Look::Elsewhere => {}
        }
    }
    scan
}

/// Whether it is a child of this very process that has not become another program yet: until then
/// it has what this process has open.
fn is_being_started(pid: u32, stat: &Stat) -> bool {
    let program = |of: &str| std::fs::read_link(format!("/proc/{of}/exe")).ok();
    stat.parent == std::process::id() && program(&pid.to_string()) == program("self")
}

/// Ends processes: SIGTERM to all, then SIGKILL to those that are still there after `grace`.
/// Returns those that could not be ended.
pub fn end(pids: &[u32], grace: Duration) -> Vec<u32> {
    let running: Vec<_> = pids
        .iter()
        .filter_map(|&pid| Some((pid, group::open(pid)?)))
        .collect();
    // Failures show by what is left in the end.
    for (_, process) in &running {
        let _ = pidfd_send_signal(process, Signal::TERM);
        let _ = pidfd_send_signal(process, Signal::CONT);
    }
    let grace = Deadline::after(grace);
    let gone = |process: &std::os::fd::OwnedFd, limit: &Deadline| {
        let left = limit.remaining().unwrap_or_default();
        wait::readable(process.as_fd(), left).unwrap_or(false)
    };
    let stubborn: Vec<_> = running
        .into_iter()
        .filter(|(_, process)| !gone(process, &grace))
        .collect();
    for (_, process) in &stubborn {
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
    let limit = Deadline::after(KILL_TAKES_AT_MOST);
    stubborn
        .into_iter()
        .filter(|(_, process)| !gone(process, &limit))
        .map(|(pid, _)| pid)
        .collect()
}

#[cfg(test)]
mod tests;

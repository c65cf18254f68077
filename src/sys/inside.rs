//! Which processes use a directory, and how to end them.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};

use super::clock::Deadline;
use super::group::{self, KILL_TAKES_AT_MOST};
use super::procfs::{self, Stat};
use super::{liveness, user, wait};

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

/// Looks for processes that use `dir` or what is below it, but for those in `except`.
///
/// Seen are only processes of this pid namespace, by the paths they have in this mount namespace.
pub fn processes_inside(dir: &Path, except: &[u32]) -> Scan {
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let own_uid = user::effective_uid();
    let mut scan = Scan::default();
    for pid in procfs::pids() {
        if except.contains(&pid) {
            continue;
        }
        // Whoever is gone by now is not inside.
        let Some(stat) = Stat::of(pid) else { continue };
        if stat.is_kernel_thread() || stat.is_dead() || is_being_started(pid, &stat) {
            continue;
        }
        let Some(uid) = procfs::effective_uid(pid) else {
            continue;
        };
        match look_at(pid, &dir) {
            Look::Uses(how) => scan.inside.push(Inside {
                pid,
                uid,
                command: liveness::command_of(pid).unwrap_or_else(|| stat.name.clone()),
                how,
            }),
            Look::Unreadable if uid == own_uid && still_runs(pid, &stat) => {
                scan.unreadable.push(pid);
            }
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

fn still_runs(pid: u32, stat: &Stat) -> bool {
    Stat::of(pid).is_some_and(|now| now.start_time == stat.start_time && !now.is_dead())
}

/// What one process does with the directory.
enum Look {
    Uses(How),
    Elsewhere,
    Unreadable,
}

fn look_at(pid: u32, dir: &Path) -> Look {
    let own = PathBuf::from(format!("/proc/{pid}"));
    let mut unreadable = false;
    for (link, how) in [("cwd", How::Cwd), ("root", How::Root), ("exe", How::Exe)] {
        match std::fs::read_link(own.join(link)) {
            Ok(target) if leads_into(&target, dir) => return Look::Uses(how),
            Ok(_) => {}
            Err(_) => unreadable = true,
        }
    }
    match std::fs::read_dir(own.join("fd")) {
        Ok(entries) => {
            let open = entries
                .flatten()
                .filter_map(|entry| std::fs::read_link(entry.path()).ok())
                .any(|target| leads_into(&target, dir));
            if open {
                return Look::Uses(How::OpenFile);
            }
        }
        Err(_) => unreadable = true,
    }
    match std::fs::read(own.join("maps")) {
        Ok(maps) if maps_into(&maps, dir) => Look::Uses(How::Mapped),
        Ok(_) if !unreadable => Look::Elsewhere,
        _ => Look::Unreadable,
    }
}

/// Whether the target of one of the kernel's links is `dir` or below it. A file that has been
/// deleted since has ` (deleted)` after its name.
fn leads_into(target: &Path, dir: &Path) -> bool {
    let bytes = target.as_os_str().as_bytes();
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    target.starts_with(dir) || Path::new(std::ffi::OsStr::from_bytes(bytes)).starts_with(dir)
}

/// Whether one of the lines of `/proc/PID/maps` is of a file below `dir`.
fn maps_into(maps: &[u8], dir: &Path) -> bool {
    maps.split(|&b| b == b'\n').any(|line| {
        // Five fields without slashes but for the path come before it.
        let Some(start) = line.iter().position(|&b| b == b'/') else {
            return false;
        };
        leads_into(&unescape(&line[start..]), dir)
    })
}

/// The kernel writes a line end within a path as `\012`.
fn unescape(path: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        if let Some(tail) = rest.strip_prefix(b"\\012") {
            bytes.push(b'\n');
            rest = tail;
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
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

/// From now on, processes that outlive their parent below this process become its children, so that
/// [`end_descendants`] finds them.
pub fn adopt_orphans() {
    // Without it (before Linux 3.4) only those with a living parent are found.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Ends all descendants of this process, as [`end`] does, until there are none left or some can't
/// be ended.
pub fn end_descendants(grace: Duration) {
    loop {
        let pids = descendants(std::process::id());
        if pids.is_empty() || !end(&pids, grace).is_empty() {
            return;
        }
        reap();
    }
}

/// The living processes below `root`, by their parents.
fn descendants(root: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = procfs::pids()
        .into_iter()
        .filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead())?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            all.iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Takes leave of children that have ended.
fn reap() {
    let options = rustix::process::WaitOptions::NOHANG;
    while let Ok(Some(_)) = rustix::process::wait(options) {}
}

#[cfg(test)]
mod tests;

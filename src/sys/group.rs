//! Process groups: signals to all members, and making sure that none remains.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::clock::Deadline;
use super::{procfs, wait};

/// How long the kernel gets to carry out a SIGKILL.
pub(super) const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(5);

/// Sends `signal` to every member of `group`; a group without members is fine.
///
/// The leader must not have been reaped yet: until then its number belongs to nobody else.
pub(super) fn signal(group: Pid, signal: Signal) {
    // The only failures are that nobody is left, or that all of them changed their user.
    let _ = kill_process_group(group, signal);
}

/// Waits until no member of `group` runs, at most until `deadline`; tells whether it is so.
pub(super) fn gone(group: Pid, deadline: &Deadline) -> bool {
    loop {
        let running = running(group);
        if running.is_empty() {
            return true;
        }
        for member in running {
            let left = deadline.remaining().unwrap_or_default();
            if !wait::readable(member.as_fd(), left).unwrap_or(false) {
                return false;
            }
        }
        // A member may have started another meanwhile: look again.
    }
}

/// A descriptor for each member of `group` that has not ended.
fn running(group: Pid) -> Vec<OwnedFd> {
    procfs::pids()
        .into_iter()
        .filter(|&pid| {
            procfs::Stat::of(pid)
                .is_some_and(|stat| stat.group == group.as_raw_pid() && !stat.is_dead())
        })
        .filter_map(open)
        .collect()
}

/// A descriptor for the process `pid`, if it exists.
pub(super) fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

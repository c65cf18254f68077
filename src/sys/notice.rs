//! Being told of what others do, instead of asking again and again: a file that is put in place, a
//! process that ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::clock::{self, Interrupted};
use super::{liveness, signals, wait};
use crate::domain::{Liveness, ProcessStamp};

/// Tells of files that are renamed into a directory, and of the end of the directory itself.
#[derive(Debug)]
pub struct DirNotice(OwnedFd);

impl DirNotice {
    /// Tells of everything from now on.
    pub fn of(dir: &Path) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let what = WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, dir, what)?;
        Ok(Self(fd))
    }

    /// Forgets what it has told: who looks now sees all that.
    pub fn forget(&self) {
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.0, &mut buffer).is_ok_and(|read| read > 0) {}
    }
}

impl AsFd for DirNotice {
    /// Is readable when there is something that was not forgotten.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Tells of the end of a process.
#[derive(Debug)]
pub struct ProcessNotice(OwnedFd);

impl ProcessNotice {
    /// None if the process has ended, or can't be seen from here.
    pub fn of(process: &ProcessStamp) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
        let is_alive = || liveness::liveness(process) == Liveness::Alive;
        let notice = Self(pidfd_open(pid, PidfdFlags::empty()).ok()?);
        // Seen alive now, it is the one that was opened, and no later one with its pid.
        is_alive().then_some(notice)
    }
}

impl AsFd for ProcessNotice {
    /// Is readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of `fds` is readable, at most `limit`, and tells for each whether it is. A
/// termination signal ends the wait.
pub fn wait_for_any(fds: &[BorrowedFd<'_>], limit: Duration) -> Result<Vec<bool>, Interrupted> {
    if let Some(signal) = signals::received() {
        return Err(Interrupted(signal));
    }
    let all: Vec<_> = fds
        .iter()
        .copied()
        .chain(signals::wake_fd())
        .map(|fd| (fd, PollFlags::IN))
        .collect();
    let mut told = match wait::ready(&all, Some(limit)) {
        Ok(told) => told,
        Err(_) => {
            // Only a lack of kernel memory lets poll fail here: waiting must still take its time.
            clock::pause(limit.min(Duration::from_millis(50)))?;
            vec![false; fds.len()]
        }
    };
    told.truncate(fds.len());
    match signals::received() {
        Some(signal) => Err(Interrupted(signal)),
        None => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tells(fd: BorrowedFd<'_>) -> bool {
        wait::ready(&[(fd, PollFlags::IN)], Some(Duration::ZERO)).expect("poll")[0]
    }

    #[test]
    fn a_file_that_is_renamed_into_the_directory_is_told_of_until_it_is_forgotten() {
        let dir = tempfile::tempdir().expect("a directory");
        let notice = DirNotice::of(dir.path()).expect("a notice");
        crate::sys::fs::write_atomic(
            &dir.path().join("a"),
            b"x",
            crate::sys::fs::Durability::RenameOnly,
        )
        .expect("writing");
        assert!(tells(notice.as_fd()));
        notice.forget();
        assert!(!tells(notice.as_fd()));
    }

    #[test]
    fn a_process_that_lives_is_not_told_of_and_one_that_is_gone_has_no_notice() {
        let own = liveness::stamp(std::process::id()).expect("own stamp");
        let notice = ProcessNotice::of(&own).expect("a notice");
        assert!(!tells(notice.as_fd()));
        let earlier = ProcessStamp {
            start_time: 1,
            ..own
        };
        assert!(ProcessNotice::of(&earlier).is_none());
    }
}

//! Being told when a file grows.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// Becomes readable when a file is written to.
#[derive(Debug)]
pub struct Growth(OwnedFd);

impl Growth {
    /// Watches the file at `path`. The system has only so many of these.
    pub fn of(path: &Path) -> io::Result<Self> {
        let notices = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&notices, path, WatchFlags::MODIFY)?;
        Ok(Self(notices))
    }

    /// Forgets what was told so far. The system tells once of many writes.
    pub fn forget(&self) {
        let mut buffer = [0; 1024];
        while rustix::io::read(&self.0, &mut buffer).is_ok_and(|n| n > 0) {}
    }
}

impl AsFd for Growth {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

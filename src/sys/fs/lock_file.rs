//! Opening files that others may have put something else in the place of.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::regular;
use crate::domain::{Error, Result};
use crate::sys::crash;

/// Opens the lock file at `path`, and makes it when it is missing. Refuses a symbolic link and
/// anything else that is not a regular file.
pub fn open_lock_file(path: &Path) -> Result<File> {
    crash::point("open the lock file", path);
    open_lock(path, OFlags::RDWR | OFlags::CREATE)
}

/// The same, to look at it only: nothing is made or written.
pub fn open_existing_lock_file(path: &Path) -> Result<File> {
    open_lock(path, OFlags::RDONLY)
}

fn open_lock(path: &Path, how: OFlags) -> Result<File> {
    let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = || {
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, mode))?;
        let file = File::from(fd);
        regular(&file)?;
        Ok(file)
    };
    open().map_err(|e| Error::io("open the lock file", path, e))
}

/// Opens a regular file for reading; none if there is nothing, or something else.
pub fn open_if_there(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())).map(File::from) {
        Ok(file) => Ok(file.metadata().is_ok_and(|m| m.is_file()).then_some(file)),
        Err(Errno::NOENT | Errno::LOOP) => Ok(None),
        Err(e) => Err(Error::io("open", path, e.into())),
    }
}

//! Files that a child writes, and files whose time tells something.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

use crate::domain::{Error, Result};
use crate::sys::crash;

/// Opens a file for output that is added to what is there; makes it when it is missing.
pub fn open_log(path: &Path) -> Result<File> {
    crash::point("open", path);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|e| Error::io("open", path, e))
}

/// Opens a file for output that is written over what is there, from its beginning; makes it when it is
/// missing.
pub fn open_output(path: &Path) -> Result<File> {
    crash::point("open", path);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|e| Error::io("open", path, e))
}

/// Gives an open file the present as its modification time. Needs no room on the disk.
pub fn touch(file: impl AsFd) -> std::io::Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps {
        last_access: time(UTIME_OMIT),
        last_modification: time(UTIME_NOW),
    };
    Ok(futimens(file, &times)?)
}

//! The modification times of files: kept by a copy, or set.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::open_to_read;
use crate::domain::{Error, Result};
use crate::sys::{clock, crash};

/// Copies a file with its modification time; the target must not exist. The copy is 0600.
pub fn copy_with_time(from: &Path, to: &Path) -> Result<()> {
    let opened = open_to_read(from).map_err(|e| Error::io("open", from, e))?;
    let mut source = opened.file;
    let mut copy = || {
        let time = source.metadata()?.modified()?;
        crash::point("make", to);
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        crash::point("copy to", to);
        io::copy(&mut source, &mut target)?;
        crash::point("set the time of", to);
        target.set_modified(time)
    };
    copy().map_err(|e| Error::io("copy to", to, e))
}

/// Copies a file, with a time later than that of anything that was written so far; the target must
/// not exist. The copy is 0600.
pub fn copy_later(from: &Path, to: &Path) -> Result<()> {
    copy_with_time(from, to)?;
    set_modified(to, clock::now().as_second() + 60)
}

/// Sets the modification time of a file, which is not opened, to a whole second.
pub fn set_modified(path: &Path, seconds: i64) -> Result<()> {
    crash::point("set the time of", path);
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::io("set the time of", path, e.into()))
}

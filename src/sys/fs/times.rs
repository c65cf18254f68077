//! The modification times of files: kept by a copy, or set.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::copy::copy;
use crate::domain::{Error, Result};
use crate::sys::{clock, crash};

/// Copies a file with its modification time; the target must not exist. The copy is 0600.
pub fn copy_with_time(from: &Path, to: &Path) -> Result<()> {
    copy(from, to, |source, target| {
        crash::point("set the time of", to);
        target.set_modified(source.modified()?)
    })
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

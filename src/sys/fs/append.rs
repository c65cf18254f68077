//! Files that only grow.

#![expect(
    clippy::disallowed_methods,
    reason = "part of the module where files are written"
)]

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{crash, flags, regular};
use crate::domain::{Error, Result};

/// Appends lines in one write, all or nothing; makes the file when it is missing. A line that a
/// killed writer left torn ends before them. Others must be kept from writing it meanwhile. Refuses a
/// symbolic link and anything else that is not a regular file.
pub fn append_line(path: &Path, lines: &[u8]) -> Result<()> {
    let append = || {
        crash::point("open", path);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
            .open(path)?;
        let before = regular(&file)?;
        let mut last = [b'\n'];
        if before > 0 {
            file.read_exact_at(&mut last, before - 1)?;
        }
        let bytes = match last {
            [b'\n'] => Cow::Borrowed(lines),
            _ => Cow::Owned([b"\n", lines].concat()),
        };
        crash::point("append to", path);
        let written = loop {
            match file.write(&bytes) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if written < bytes.len() {
            // The caller is the only writer. Where this fails too, readers skip the torn line.
            let _ = file.set_len(before);
            let part = "only a part could be written (is the disk full?)";
            return Err(io::Error::new(ErrorKind::StorageFull, part));
        }
        Ok(())
    };
    append().map_err(|e| Error::io("append to", path, e))
}

/// Cuts what is beyond the first `length` bytes off a regular file.
pub fn cut(path: &Path, length: u64) -> Result<()> {
    crash::point("cut", path);
    let cut = || {
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
            .open(path)?;
        regular(&file)?;
        file.set_len(length)
    };
    cut().map_err(|e| Error::io("cut", path, e))
}

/// Has what was written to a file on the disk when it returns.
pub fn sync_file(path: &Path) -> Result<()> {
    let sync = || std::fs::File::open(path)?.sync_data();
    sync().map_err(|e| Error::io("sync", path, e))
}

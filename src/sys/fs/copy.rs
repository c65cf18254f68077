//! Files that are copied as they are, and files that grow.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::open_to_read;
use crate::domain::{Error, Result};
use crate::sys::crash;

/// Copies a file with its permissions; the target must not exist. Where the file system can, the two
/// share their blocks.
pub fn copy_with_mode(from: &Path, to: &Path) -> Result<()> {
    copy(from, to, |source, target| {
        let mode = source.permissions().mode() & 0o777;
        target.set_permissions(Permissions::from_mode(mode))
    })
}

/// Copies the content of a file into a new one, 0600, which `finish` may change as the first was.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    finish: impl FnOnce(&Metadata, &File) -> io::Result<()>,
) -> Result<()> {
    let opened = open_to_read(from).map_err(|e| Error::io("open", from, e))?;
    let mut source = opened.file;
    let written = || {
        let before = source.metadata()?;
        crash::point("make", to);
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        crash::point("copy to", to);
        io::copy(&mut source, &mut target)?;
        finish(&before, &target)
    };
    written().map_err(|e| Error::io("copy to", to, e))
}

/// Whether two files have the same content and permissions. A link is no file.
pub fn are_equal(one: &Path, other: &Path) -> bool {
    let mode = |metadata: &Metadata| metadata.permissions().mode() & 0o777;
    are_alike(one, other, |a, b| mode(a) == mode(b))
}

/// Whether two files have the same content. A link is no file.
pub fn have_same_content(one: &Path, other: &Path) -> bool {
    are_alike(one, other, |_, _| true)
}

fn are_alike(one: &Path, other: &Path, also: impl Fn(&Metadata, &Metadata) -> bool) -> bool {
    let open = |path: &Path| -> io::Result<_> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed())
            .open(path)?;
        Ok((file.metadata()?, file))
    };
    let compare = || -> io::Result<bool> {
        let ((a, one), (b, other)) = (open(one)?, open(other)?);
        let alike = a.is_file() && b.is_file() && a.len() == b.len() && also(&a, &b);
        Ok(alike && have_the_same(one, other)?)
    };
    // What can't be read is not known to be equal.
    compare().unwrap_or(false)
}

fn have_the_same(one: File, other: File) -> io::Result<bool> {
    use std::io::{BufRead, BufReader};
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (a, b) = (one.fill_buf()?, other.fill_buf()?);
        let most = a.len().min(b.len());
        if most == 0 {
            return Ok(a.len() == b.len());
        }
        if a[..most] != b[..most] {
            return Ok(false);
        }
        one.consume(most);
        other.consume(most);
    }
}

/// A file that is written piece by piece.
#[derive(Debug)]
pub struct Appending(File);

impl Appending {
    /// An empty file, in the place of an older one.
    pub fn new(path: &Path) -> Result<Self> {
        super::remove_file_if_there(path)?;
        crash::point("make", path);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        file.map(Self).map_err(|e| Error::io("make", path, e))
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

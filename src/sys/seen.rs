//! How a file or directory looks from outside.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FileType;

use super::fs;
use crate::domain::Result;

/// What tells a file or directory that was replaced or written to from one that was not, without
/// reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    /// How `path` itself looks now; none if it is not there.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        Ok(fs::metadata_if_there(path)?.map(|metadata| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            mode: metadata.mode(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }))
    }

    /// Whether it is a directory itself, and no link to one.
    pub fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }
}

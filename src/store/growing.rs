//! A file of lines that others append to, read as it grows.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};
use crate::sys::fs;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A reader that remembers how far it came. A line counts when it has ended.
#[derive(Debug)]
pub struct Growing {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
    read: u64,
}

impl Growing {
    /// The file from its beginning; none if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let Some(file) = fs::open_growing(path)? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
        Ok(Some(Self {
            path: path.to_owned(),
            identity: identity(&metadata),
            file,
            read: 0,
        }))
    }

    /// The lines that have ended since the last time. What is torn is read again, since its writer
    /// may cut it off.
    pub fn read_on(&mut self) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let at = self.read + lines.len() as u64;
            let read = self.file.read_at(&mut chunk, at);
            let read = read.map_err(|e| Error::io("read", &self.path, e))?;
            if read == 0 {
                break;
            }
            lines.extend_from_slice(&chunk[..read]);
        }
        let whole = lines.iter().rposition(|byte| *byte == b'\n');
        lines.truncate(whole.map_or(0, |end| end + 1));
        self.read += lines.len() as u64;
        Ok(lines)
    }

    /// Whether this is the file that it reads.
    pub fn is(&self, file: &Metadata) -> bool {
        self.identity == identity(file)
    }

    /// Whether it reads the same file as the other.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// How many bytes of whole lines were read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Reads from the beginning again.
    pub fn rewind(&mut self) {
        self.read = 0;
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

//! JSON documents that carry the number of their format.
//!
//! A newer format than this version knows may be read by commands that only look, and is never
//! written. What can't be read is left where it is: nobody starts anew over it.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::pool::SCHEMA;
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// The largest document that is read, in bytes.
const SIZE_MAX: u64 = 64 * 1024 * 1024;

/// Reads the document at `path`; `None` if there is none.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(metadata) = fs::metadata_if_there(path)? else {
        return Ok(None);
    };
    if !metadata.is_file() {
        return Err(unreadable(path, "it is no file"));
    }
    let bytes = fs::read_limited(path, SIZE_MAX)?;
    match serde_json::from_slice(&bytes) {
        Ok(document) => Ok(Some(document)),
        Err(_) if is_of_newer(&bytes) => Err(newer(path)),
        Err(error) => Err(unreadable(path, &error.to_string())),
    }
}

/// Writes the document at `path` so that it is there after a power failure.
pub fn write<T: Serialize>(path: &Path, document: &T) -> Result<()> {
    write_as(path, document, Durability::Durable)
}

/// Writes the document at `path`, as durably as is asked for.
pub fn write_as<T: Serialize>(path: &Path, document: &T, durability: Durability) -> Result<()> {
    let mut bytes = serde_json::to_vec(document)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
    bytes.push(b'\n');
    fs::write_atomic(path, &bytes, durability)
}

/// Refuses to change what a newer version wrote.
pub fn check_writable(path: &Path, schema: u32) -> Result<()> {
    if schema > SCHEMA {
        Err(newer(path))
    } else {
        Ok(())
    }
}

/// Whether the document at `path` was written by a newer version.
pub fn is_newer(path: &Path) -> bool {
    let bytes = fs::read_limited(path, SIZE_MAX).unwrap_or_default();
    is_of_newer(&bytes)
}

/// Whether such a document was written by a newer version. Nothing else of it is kept, however large
/// it is.
pub fn is_of_newer(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Format {
        schema: u64,
    }
    serde_json::from_slice(bytes).is_ok_and(|format: Format| format.schema > SCHEMA.into())
}

/// The error for what a newer version wrote.
pub fn newer(path: &Path) -> Error {
    Error::failed(format!(
        "{} was written by a newer version of repo-pool",
        path.display()
    ))
    .with_hint("update repo-pool; nothing was changed")
}

fn unreadable(path: &Path, reason: &str) -> Error {
    Error::failed(format!("{} can't be read: {reason}", path.display()))
        .with_hint("nothing was changed; if it is a pool's record, `repo-pool recover POOL` sets it aside and makes a new one")
}

//! `outcome.json`: how a driven runner ended; and what stands in the way of knowing it.

use std::path::{Path, PathBuf};

use crate::domain::dispatch::outcome::Outcome;
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// It is larger only if somebody else has written it.
const LARGEST: u64 = 1 << 20;

/// Writes the outcome in one step.
pub fn write(dir: &Path, outcome: &Outcome) -> Result<()> {
    let text = serde_json::to_vec(outcome).map_err(|e| Error::failed(e.to_string()))?;
    // Nothing is synced: what a crash of the machine takes is found out again.
    fs::write_atomic(&dir.join("outcome.json"), &text, Durability::RenameOnly)
}

/// What is written there; none if nothing is.
pub fn read(dir: &Path) -> Option<Outcome> {
    let bytes = fs::read_limited(&dir.join("outcome.json"), LARGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Says why the driver does not get on; nothing takes that back. It is for people only.
pub fn tell_trouble(dir: &Path, reason: Option<&str>) {
    let path = trouble_file(dir);
    let _ = match reason {
        Some(reason) => fs::write_atomic(&path, reason.as_bytes(), Durability::RenameOnly),
        None => fs::remove_file_if_there(&path).map(drop),
    };
}

/// Why the driver does not get on, if it does not.
pub fn trouble(dir: &Path) -> Option<String> {
    let bytes = fs::read_limited(&trouble_file(dir), LARGEST).ok()?;
    String::from_utf8(bytes).ok()
}

fn trouble_file(dir: &Path) -> PathBuf {
    dir.join("trouble")
}

//! The files of an attempt's directory that belong to its shim.

use std::path::{Path, PathBuf};

/// What the command has written.
pub fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// How it ended.
pub fn exit(dir: &Path) -> PathBuf {
    dir.join("exit.json")
}

/// There as long as what runs the command is being prepared: its time has not begun.
pub fn preparing(dir: &Path) -> PathBuf {
    dir.join("preparing")
}

/// Its time is that of the last sign of life.
pub fn heartbeat(dir: &Path) -> PathBuf {
    dir.join("heartbeat")
}

/// Locked as long as the shim lives; says which process that is.
pub fn lock(dir: &Path) -> PathBuf {
    dir.join("shim.lock")
}

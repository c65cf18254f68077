//! `exit.json`: how it is written, whatever the disk says, and read.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::files;
use super::order::Order;
use crate::domain::dispatch::exit::{Cause, Exit};
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};
use crate::sys::{clock, companion};

/// The time between two tries to write it.
const PAUSE: Duration = Duration::from_secs(1);
/// How often is tried while the starter waits, who can be told otherwise.
const TRIES: u32 = 5;
/// How often is tried when there is nobody to be told.
const TRIES_ALONE: u32 = 600;
/// It is larger only if somebody else has written it.
const LARGEST: u64 = 1 << 20;

/// Writes it in one step. A full disk may be emptied, so it is tried again for a while.
pub fn write(order: &Order, exit: &Exit) -> Result<()> {
    let path = files::exit(&order.dir);
    let text = serde_json::to_vec(exit).map_err(|e| Error::failed(e.to_string()))?;
    let mut tries = 0;
    loop {
        // Nothing is synced: what a crash of the machine takes is done again.
        let error = match fs::write_atomic(&path, &text, Durability::RenameOnly) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        tries += 1;
        let enough = match companion::is_child_of(order.terms.starter) {
            true => TRIES,
            false => TRIES_ALONE,
        };
        if tries >= enough {
            return Err(error);
        }
        let _ = clock::pause(PAUSE);
    }
}

/// What is written there; none if nothing is, or only half of it.
pub fn read(dir: &Path) -> Option<Exit> {
    let bytes = fs::read_limited(&files::exit(dir), LARGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The end of a command that could not be run, with the exit code that a shell would give it.
pub fn not_run(command: &[String], error: &std::io::Error) -> Exit {
    let program = command.first().map_or("", String::as_str);
    let reason = format!("cannot run {program}: {error}");
    let passes = matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::OutOfMemory
            | ErrorKind::ExecutableFileBusy
            | ErrorKind::Interrupted
            | ErrorKind::ResourceBusy
    );
    let (code, cause) = match error.kind() {
        _ if passes => (None, Cause::NotStarted(reason)),
        ErrorKind::NotFound => (Some(127), Cause::NotRunnable(reason)),
        _ => (Some(126), Cause::NotRunnable(reason)),
    };
    Exit {
        code,
        cause: Some(cause),
        ..Exit::default()
    }
}

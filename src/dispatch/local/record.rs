//! `exit.json`: how it is written, whatever the disk says, and read.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::files;
use super::order::Order;
use crate::domain::dispatch::exit::{Cause, Exit};
use crate::domain::{Error, Result};
use crate::sys::companion;
use crate::sys::fs::{self, Durability};

/// The time between the first two tries to write it; it doubles each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often is tried while somebody waits, for a second or two: the starter, who can be told
/// otherwise, or who wants it to end.
const TRIES: u32 = 5;
/// How often is tried when nobody does: for ten minutes.
const TRIES_ALONE: u32 = 126;
/// It is larger only if somebody else has written it.
const LARGEST: u64 = 1 << 20;

/// Writes it in one step. A full disk may be emptied, so it is tried again for a while; `go_on`
/// waits, and says whether to.
pub fn write(order: &Order, exit: &Exit, go_on: &mut dyn FnMut(Duration) -> bool) -> Result<()> {
    let path = files::exit(&order.dir);
    let text = serde_json::to_vec(exit).map_err(|e| Error::failed(e.to_string()))?;
    let mut tries = 0;
    let mut pause = PAUSE;
    loop {
        // Nothing is synced: what a crash of the machine takes is done again.
        let error = match fs::write_atomic(&path, &text, Durability::RenameOnly) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        tries += 1;
        // Somebody waits, or has waited long enough.
        let hurry = !go_on(pause) || companion::is_child_of(order.terms.starter);
        let enough = if hurry { TRIES } else { TRIES_ALONE };
        if tries >= enough {
            return Err(error);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What is written there; none if nothing is, or only half of it.
pub fn read(dir: &Path) -> Option<Exit> {
    let bytes = fs::read_limited(&files::exit(dir), LARGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The end of a command that could not be run, with the exit code that a shell would give it.
pub fn not_run(command: &[String], error: &io::Error) -> Exit {
    let program = command.first().map_or("", String::as_str);
    let missing = error.kind() == ErrorKind::NotFound;
    let why = match missing {
        true if which::which(program).is_ok() => {
            "the interpreter that it names is not there".to_owned()
        }
        true => "there is no such program".to_owned(),
        false => error.to_string(),
    };
    let reason = format!("cannot run {program}: {why}");
    let passes = [
        ErrorKind::WouldBlock,
        ErrorKind::OutOfMemory,
        ErrorKind::ExecutableFileBusy,
        ErrorKind::Interrupted,
        ErrorKind::ResourceBusy,
    ];
    let (code, cause) = match missing {
        _ if passes.contains(&error.kind()) => (None, Cause::NotStarted(reason)),
        true => (Some(127), Cause::NotRunnable(reason)),
        false => (Some(126), Cause::NotRunnable(reason)),
    };
    Exit {
        code,
        cause: Some(cause),
        ..Exit::default()
    }
}

//! `apply --watch`: applying the file at each of its changes (8.3).
//!
//! The file is read again and again, so that it does not matter how it is changed: written in place,
//! replaced by a rename, taken away and put back. It counts as changed once it reads the same twice:
//! half a file, as some editors leave it for a moment, may declare fewer pools than are meant.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::super::session::Session;
use super::once;
use crate::cli::ApplyArgs;
use crate::config::{self, Config, parse};
use crate::domain::{Error, Result};
use crate::report::Failure;
use crate::store::workspace::Located;
use crate::sys::clock;

/// How long the file has to stay as it is to be read as whole.
const REST: Duration = Duration::from_millis(200);

/// What the file held when it was looked at, or why that can't be told.
type Seen = std::result::Result<Option<Vec<u8>>, String>;

/// Applies the file now and at each change, until a signal ends it or nobody reads what it says.
pub(super) fn run(
    session: &Session,
    args: &ApplyArgs,
    located: &Located,
    every: Duration,
) -> Result<u8> {
    let (file, _) = session.config_file(located);
    session.output.note(&format!(
        "watching {} every {}; Ctrl-C ends it",
        file.display(),
        parse::format_duration(every)
    ));
    match watch(session, args, located, &file, every) {
        Err(Error::Interrupted(_)) => Ok(0),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(error),
        Ok(never) => match never {},
    }
}

fn watch(
    session: &Session,
    args: &ApplyArgs,
    located: &Located,
    file: &Path,
    every: Duration,
) -> Result<std::convert::Infallible> {
    let mut known = None;
    loop {
        let seen = at_rest(file, known.as_ref())?;
        if known.as_ref() != Some(&seen) {
            tell(session, apply(session, args, located, file, &seen))?;
            known = Some(seen);
        }
        clock::pause(every)?;
    }
}

/// What the file holds; if that is not what is `known`, then once it stays so.
fn at_rest(file: &Path, known: Option<&Seen>) -> Result<Seen> {
    let mut seen = look(file);
    while known != Some(&seen) {
        clock::pause(REST)?;
        let again = look(file);
        if again == seen {
            break;
        }
        seen = again;
    }
    Ok(seen)
}

fn look(file: &Path) -> Seen {
    config::read(file, false).map_err(|error| error.to_string())
}

fn apply(
    session: &Session,
    args: &ApplyArgs,
    located: &Located,
    file: &Path,
    seen: &Seen,
) -> Result<()> {
    let bytes = match seen {
        Ok(bytes) => bytes.as_deref(),
        Err(wrong) => {
            let problems = vec![wrong.clone()];
            return Err(Error::Config { problems });
        }
    };
    let config = Config::from_bytes(bytes, file, session.environment.clone())?;
    let ended = once(session, args, located, config)?;
    ended
        .written
        .map_err(|error| Error::io("write to", "standard output", error))
}

/// A failure is said, once for each state of the file, and ends nothing; the next change is tried
/// again.
fn tell(session: &Session, applied: Result<()>) -> Result<()> {
    match applied {
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(Error::Io {
            action,
            path,
            source,
        }) if source.kind() == ErrorKind::BrokenPipe => Err(Error::Io {
            action,
            path,
            source,
        }),
        Err(error) => {
            session.output.error(&Failure::from(error));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

//! `dispatch add`: the tasks of another file join.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchAddArgs;
use crate::domain::dispatch::control::Control;
use crate::domain::{Error, Result};

/// Asks for it. The dispatcher reads the file, with what it was told of commands and repositories.
pub fn run(session: &Session, args: &DispatchAddArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let seen = run.read()?;
    let file = args
        .file
        .canonicalize()
        .map_err(|error| Error::io("read", &args.file, error))?;
    let Some(file) = file.to_str() else {
        return Err(Error::usage(format!(
            "the path {} is no text",
            file.display()
        )));
    };
    let wish = Control::Add {
        file: file.to_owned(),
    };
    wish::ask(session, &run, &seen, &[wish], true)
}

//! `dispatch add`: the tasks of another file join.

use std::path::PathBuf;

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchAddArgs;
use crate::dispatch::files;
use crate::domain::dispatch::control::Control;
use crate::domain::{Error, Result};

/// Asks for it. The dispatcher reads the file itself; what is wrong with it is said here already, to
/// whom it concerns.
pub fn run(session: &Session, args: &DispatchAddArgs) -> Result<u8> {
    let (run, seen) = wish::find(session, &args.run)?;
    let terms = shown::terms(session, &run)?;
    let files = seen.document.files.iter();
    let mut paths: Vec<PathBuf> = files.map(|file| file.path.clone()).collect();
    let file = args.file.canonicalize().unwrap_or(args.file.clone());
    if !paths.contains(&file) {
        paths.push(file.clone());
    }
    if let Some(defaults) = &terms.defaults {
        let (rules, pools) = (&terms.rules, &terms.agent_pools);
        let (_, warnings) = files::load_for(&paths, defaults, rules, pools)
            .map_err(|problems| files::refused(&problems))?;
        for warning in &warnings {
            session.output.warn(warning);
        }
    }
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

//! `config import`: what the original declares, as a `pools.toml`.

use std::path::{Path, PathBuf};

use super::super::session::Session;
use crate::cli::ImportArgs;
use crate::config::{self, Imported, template};
use crate::domain::outcome::{ImportView, LeftBehind};
use crate::domain::{Error, Result};
use crate::report::escape::shell_word;
use crate::report::human;
use crate::report::output::unless_closed;
use crate::store::Workspace;
use crate::sys::fs;

/// Prints it, or writes it where it is wanted.
pub(super) fn run(session: &Session, args: &ImportArgs) -> Result<u8> {
    let imported = config::import(&args.source)?;
    let target = target(session, args)?;
    if let Some(file) = &target {
        write(file, &imported.toml, args.force)?;
    }
    if session.output.is_json() {
        unless_closed(document(session, &imported, target.as_deref()))?;
        return Ok(0);
    }
    for left in &imported.left {
        session
            .output
            .note(&format!("{}: {}: {}", left.place, left.what, left.why));
    }
    let pools = match imported.agent_pools as u64 {
        0 => human::count(imported.pools as u64, "pool"),
        agents => format!(
            "{} and {}",
            human::count(imported.pools as u64, "pool"),
            human::count(agents, "agent pool")
        ),
    };
    match target {
        None => unless_closed(session.output.data(&imported.toml))?,
        Some(file) => {
            // What `apply` reads by itself is the workspace's file.
            let config = match args.output {
                Some(Some(_)) => format!("--config {} ", shell_word(&file.to_string_lossy())),
                _ => String::new(),
            };
            session.output.note(&format!(
                "wrote {} with {pools}; `repo-pool {config}apply --dry-run` says what would be made",
                file.display()
            ));
        }
    }
    Ok(0)
}

fn document(session: &Session, imported: &Imported, file: Option<&Path>) -> std::io::Result<()> {
    let left = imported.left.iter().map(|left| LeftBehind {
        place: left.place.to_string(),
        what: left.what.to_string(),
        reason: left.why.to_string(),
    });
    let result = ImportView {
        pools: imported.pools as u64,
        agent_pools: imported.agent_pools as u64,
        toml: imported.toml.clone(),
        left_behind: left.collect(),
        config: file.map(|file| file.display().to_string()),
    };
    session.output.json("result", &result)
}

/// The file to write, if one is wanted; without a name it is the settings file of the workspace.
fn target(session: &Session, args: &ImportArgs) -> Result<Option<PathBuf>> {
    match &args.output {
        None => Ok(None),
        Some(Some(file)) => Ok(Some(file.clone())),
        Some(None) => settings_file(session).map(Some),
    }
}

/// The settings file of the workspace, which is made when it is missing.
fn settings_file(session: &Session) -> Result<PathBuf> {
    let located = session.located()?;
    let (file, named) = session.config_file(&located);
    if !named {
        // A file with mistakes is what may be replaced here.
        let allowed = session.config(&located).is_ok_and(|config| {
            let settings = config.settings(None, &session.flags());
            settings.allow_network_filesystem
        });
        Workspace::open_or_create(&located, allowed)?;
    }
    Ok(file)
}

/// What somebody has written stays, unless they say otherwise; the comments that `init` wrote may go.
fn write(file: &Path, text: &str, force: bool) -> Result<()> {
    let there = fs::read_if_there(file)?;
    if there.is_some_and(|there| !force && there != template().as_bytes()) {
        let message = format!("{} is there already, and was not changed", file.display());
        return Err(Error::failed(message).with_hint("--force replaces it"));
    }
    fs::write_public(file, text.as_bytes())
}

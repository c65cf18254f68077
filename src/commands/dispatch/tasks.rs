//! The tasks of files, for the verbs that read them.

use super::super::session::Session;
use crate::cli::TaskDefaults;
use crate::config::Config;
use crate::dispatch::files::{self, Defaults, Loaded};
use crate::domain::Result;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::pool::parallel::jobs;
use std::path::PathBuf;

/// Tasks that have been checked, and what they run under.
pub struct Tasks {
    /// The tasks.
    pub loaded: Loaded,
    /// What holds for their run.
    pub rules: Rules,
    /// Where they can run.
    pub pools: Vec<AgentPool>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Reads the files, and holds them against the settings.
pub fn read(
    session: &Session,
    config: &Config,
    paths: &[PathBuf],
    said: &TaskDefaults,
) -> Result<Tasks> {
    let defaults = Defaults::of(config, said.repo.as_deref(), &said.command)?;
    let loaded = files::load(paths, &defaults).map_err(|problems| files::refused(&problems))?;
    let rules = config.rules();
    let pools = config.agent_pools(u32::try_from(jobs(0)).unwrap_or(u32::MAX));
    let warnings =
        files::requests(&loaded, &rules, &pools).map_err(|problems| files::refused(&problems))?;
    for warning in &warnings {
        session.output.warn(warning);
    }
    Ok(Tasks {
        loaded,
        rules,
        pools,
        warnings,
    })
}

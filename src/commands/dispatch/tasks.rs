//! The tasks of files, for the verbs that read them.

use super::super::session::Session;
use crate::cli::TaskDefaults;
use crate::config::Config;
use crate::dispatch::files::{self, Defaults, Given, Loaded};
use crate::domain::Result;
use crate::domain::dispatch::Initial;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::remote::PoolArgument;
use crate::pool::parallel::jobs;
use crate::report::human::count;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tasks that have been checked, and what they run under.
pub struct Tasks {
    /// What held for what the files do not say.
    pub defaults: Defaults,
    /// The tasks.
    pub loaded: Loaded,
    /// What holds for their run.
    pub rules: Rules,
    /// Where they can run.
    pub pools: Vec<AgentPool>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What the command line says of tasks.
pub fn given(said: &TaskDefaults) -> Result<Given> {
    Given::new(said.repo.as_deref(), &said.command)
}

/// Reads the files, and holds them against the settings.
pub fn read(session: &Session, config: &Config, paths: &[PathBuf], given: &Given) -> Result<Tasks> {
    let defaults = Defaults::of(config, given);
    let rules = config.rules();
    let pools = config.agent_pools(u32::try_from(jobs(0)).unwrap_or(u32::MAX));
    let (loaded, mut warnings) = files::load_for(paths, &defaults, &rules, &pools)
        .map_err(|problems| files::refused(&problems))?;
    warnings.extend(missing_pools(session, config, &loaded)?);
    for warning in &warnings {
        session.output.warn(warning);
    }
    Ok(Tasks {
        defaults,
        loaded,
        rules,
        pools,
        warnings,
    })
}

/// The pools that tasks name, and that are neither there nor declared. They may be made before a task
/// needs them, so this is no error yet.
fn missing_pools(session: &Session, config: &Config, loaded: &Loaded) -> Result<Vec<String>> {
    let mut named: BTreeMap<&str, u64> = BTreeMap::new();
    let open = |initial| initial == Initial::Open;
    for task in loaded.tasks.iter().filter(|task| open(task.initial)) {
        if let Some(repo) = &task.repo {
            *named.entry(repo).or_default() += 1;
        }
    }
    named.retain(|repo, _| matches!(PoolArgument::classify(repo), PoolArgument::Name(_)));
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let there = match session.context(session.flags())? {
        Some(context) => context.workspace.pool_names()?,
        None => Vec::new(),
    };
    named.retain(|repo, _| {
        let is_there = there.iter().any(|pool| pool.as_str() == *repo);
        !is_there && config.declared_pool(repo).is_none()
    });
    let missing = named.into_iter().map(|(repo, tasks)| {
        let tasks = count(tasks, "task");
        format!(
            "there is no pool {repo}, from which {tasks} would have a slot: `repo-pool create` makes \
             it; a repository in a directory is named by its path, like ./{repo}"
        )
    });
    Ok(missing.collect())
}

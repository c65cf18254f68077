//! Task files: what they hold, read whole or refused with everything that is wrong.
//!
//! Three formats are told apart by their content: our own (TOML or JSON), `tasks.json` and
//! `taskset.json`. All become [`Task`]s of one run, whose ids are unique. Of several files that are
//! each a list of its own (the two foreign formats number their tasks by themselves), the ids of all
//! but the first file's get the name of their list in front: `login/1`.

mod check;
mod foreign;
mod gather;
pub(super) mod node;
mod ours;
mod reader;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Config, printable, quoted};
use crate::domain::dispatch::Task;
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::remote::PoolArgument;
use crate::domain::{Error, Result};
use gather::Files;

pub use gather::digest;

/// The largest file that is read, in bytes: a hundred thousand tasks of a page each.
pub(super) const LARGEST: u64 = 512 << 20;

/// How many problems are named; who has more reads no further.
const MOST_NAMED: usize = 100;

/// What holds for tasks whose file says nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Arc<[String]>>,
    /// The repository pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<Arc<str>>,
    /// How many attempts a task has at most.
    pub max_attempts: u32,
}

impl Defaults {
    /// What was said when the run was asked for comes before what the settings say.
    pub fn of(config: &Config, given: &Given) -> Self {
        let Given { command, repo } = given.clone();
        Self {
            command: command.or_else(|| config.task_command()).map(Arc::from),
            repo: repo.or_else(|| config.task_repo()).map(Arc::from),
            max_attempts: config.rules().retry_max_attempts,
        }
    }
}

/// What the command line says in place of the settings. It holds for as long as the run goes on,
/// whoever goes on with it; settings may change meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    /// The repository pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repo: Option<String>,
}

impl Given {
    /// A relative path starts here.
    pub fn new(repo: Option<&str>, command: &[OsString]) -> Result<Self> {
        let words = command.iter().map(|word| word.to_str().map(str::to_owned));
        let Some(words) = words.collect::<Option<Vec<String>>>() else {
            return Err(Error::usage("the command is not in UTF-8"));
        };
        Ok(Self {
            command: Some(words).filter(|words| !words.is_empty()),
            repo: repo.map(|repo| absolute(repo, Path::new(""))),
        })
    }

    /// The same, with what was said earlier where nothing is said now.
    pub fn or(self, earlier: Self) -> Self {
        Self {
            command: self.command.or(earlier.command),
            repo: self.repo.or(earlier.repo),
        }
    }
}

/// The kind of a task file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Our own, TOML or JSON.
    Tasks,
    /// `tasks.json`: a project and its tasks.
    TaskList,
    /// `taskset.json`: a registry's file, with states.
    TaskSet,
}

/// A file that tasks are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its absolute path.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: Format,
    /// What its list is called: its spec, its project, else the file's stem.
    pub name: String,
    /// What stands in front of the ids that it has, in this run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Changes when its content does.
    pub digest: String,
}

/// What the files hold.
#[derive(Debug)]
pub struct Loaded {
    /// All tasks, in the order of the files.
    pub tasks: Vec<Task>,
    /// The files, by [`Task::file`].
    pub sources: Vec<Source>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The task's id.
    pub task: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(task) = &self.task {
            write!(f, ": task {}", quoted(task))?;
        }
        write!(f, ": {}", printable(&self.what))
    }
}

/// The error that says all of it.
pub fn refused(problems: &[Problem]) -> Error {
    let named = problems.iter().take(MOST_NAMED).map(Problem::to_string);
    let mut lines: Vec<String> = named.collect();
    if let Some(more) = problems.len().checked_sub(MOST_NAMED).filter(|n| *n > 0) {
        lines.push(format!("and {more} more"));
    }
    Error::Config { problems: lines }
}

/// The same as a part of a sentence.
pub fn in_a_line(problems: &[Problem]) -> String {
    /// How many are named where there is little room.
    const NAMED: usize = 5;
    let named = problems.iter().take(NAMED).map(Problem::to_string);
    let mut parts: Vec<String> = named.collect();
    if let Some(more) = problems.len().checked_sub(NAMED).filter(|n| *n > 0) {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

/// Reads the files of a run.
///
/// # Errors
/// Everything that is wrong with them, in the order of the files and their lines.
pub fn load(paths: &[PathBuf], defaults: &Defaults) -> std::result::Result<Loaded, Vec<Problem>> {
    let (loaded, _) = gathered(paths, defaults).finish()?;
    Ok(loaded)
}

/// The same, with what tasks ask for held against the agent pools. What is fine but worth knowing is
/// returned beside.
///
/// # Errors
/// The same, and every task that no agent pool could ever run, whatever ends or is enabled.
pub fn load_for(
    paths: &[PathBuf],
    defaults: &Defaults,
    rules: &Rules,
    pools: &[AgentPool],
) -> std::result::Result<(Loaded, Vec<String>), Vec<Problem>> {
    let (loaded, places) = gathered(paths, defaults).finish()?;
    let warnings = check::requests(&loaded, &places, rules, pools)?;
    Ok((loaded, warnings))
}

fn gathered(paths: &[PathBuf], defaults: &Defaults) -> Files {
    let mut all = Files::default();
    for path in paths {
        all.add(path, defaults);
    }
    all
}

/// A repository, whose relative path starts at a directory.
fn absolute(repo: &str, directory: &Path) -> String {
    let path = match PoolArgument::classify(repo) {
        PoolArgument::Path(path) => std::path::absolute(directory.join(path)).ok(),
        PoolArgument::Name(_) | PoolArgument::Url(_) => None,
    };
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    path.unwrap_or_else(|| repo.to_owned())
}

#[cfg(test)]
mod tests;

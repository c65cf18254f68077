//! What an attempt's directory holds for its job, and of it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dispatch::driven::order::Order;
use crate::domain::dispatch::agents::exec::script::{self, Script};
use crate::domain::dispatch::agents::exec::template::Template;
use crate::domain::dispatch::exit::Cause;
use crate::domain::dispatch::outcome::Outcome;
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// The variable that says when a runner will be ended.
const DEADLINE: &str = "REPO_POOL_DEADLINE";
/// An exit code is no longer.
const LONGEST: u64 = 64;

/// What a driver knows of its job; written down before it is submitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Since when its command runs, as far as that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Since when it is over, by its own word or the engine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// Why its driver ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How it ended, where that can't be seen again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// The files.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// In that directory.
    pub fn in_(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The script that the engine runs.
    pub fn script(&self) -> PathBuf {
        self.at("job.sh")
    }

    /// The variables, as lines.
    pub fn env_file(&self) -> PathBuf {
        self.at("job.env")
    }

    /// The output.
    pub fn log(&self) -> PathBuf {
        self.at("log")
    }

    /// Made by who begins, or by who calls it off.
    fn begun(&self) -> PathBuf {
        self.at("job.begun")
    }

    /// The exit code that the script writes down.
    fn exit(&self) -> PathBuf {
        self.at("job.exit")
    }

    fn exports(&self) -> PathBuf {
        self.at("job.env.sh")
    }

    fn known(&self) -> PathBuf {
        self.at("job.json")
    }

    /// Writes what the job needs.
    pub fn prepare(&self, order: &Order, submit: Template<'_>, has_log: bool) -> Result<()> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        // When it will be ended is not known as long as it waits in the engine's queue.
        let env = || {
            let env = order.env.iter();
            env.map(|(name, value)| match name == DEADLINE {
                true => (&**name, ""),
                false => (&**name, &**value),
            })
        };
        if submit.has("env_file") {
            let lines = script::lines(env());
            fs::write_atomic(&self.env_file(), lines.as_bytes(), Durability::RenameOnly)?;
        }
        if !submit.has("script") {
            return Ok(());
        }
        let exports = script::exports(env());
        fs::write_atomic(&self.exports(), exports.as_bytes(), Durability::RenameOnly)?;
        let id = &order.attempt;
        let log = (!has_log).then(|| text(&self.log()));
        let script = Script {
            title: &format!("Attempt {} of task {}", id.attempt, id.task),
            begun: &text(&self.begun()),
            exit: &text(&self.exit()),
            env: &text(&self.exports()),
            log: log.as_deref(),
            workdir: &text(&order.workdir),
            command: &order.command,
        };
        fs::write_program(&self.script(), script.text().as_bytes())
    }

    /// Takes away what may hold secrets. What was said of its beginning and its end stays: whenever its
    /// turn comes, the job finds that it has had it.
    pub fn clear(&self) -> Result<()> {
        for path in [self.script(), self.exports(), self.env_file()] {
            fs::remove_file_if_there(&path)?;
        }
        Ok(())
    }

    /// What is known of the job; none if it was never to be submitted.
    pub fn read(&self) -> Result<Option<Known>> {
        let path = self.known();
        let bytes = fs::read_if_there(&path)?;
        let read = bytes.map(|bytes| serde_json::from_slice(&bytes));
        read.transpose()
            .map_err(|error| Error::failed(format!("{} can't be read: {error}", path.display())))
    }

    /// Writes it down.
    pub fn write(&self, known: &Known) -> Result<()> {
        let text = serde_json::to_vec(known)
            .map_err(|error| Error::failed(format!("cannot write down the job: {error}")))?;
        fs::write_atomic(&self.known(), &text, Durability::RenameOnly)
    }

    /// Whether the command has begun, as far as can be seen.
    pub fn has_begun(&self) -> Result<bool> {
        let found = fs::metadata_if_there(&self.begun())?;
        Ok(found.is_some_and(|found| !found.is_symlink()))
    }

    /// Whether it was called off.
    pub fn is_off(&self) -> Result<bool> {
        let found = fs::metadata_if_there(&self.begun())?;
        Ok(found.is_some_and(|found| found.is_symlink()))
    }

    /// Takes the right to begin away for good; false if it has begun.
    pub fn call_off(&self) -> Result<bool> {
        match fs::symlink(Path::new("called off"), &self.begun()) {
            Ok(()) => Ok(true),
            Err(error) => match fs::metadata_if_there(&self.begun())? {
                Some(found) => Ok(found.is_symlink()),
                None => Err(error),
            },
        }
    }

    /// The exit code that the script has written down.
    pub fn code(&self) -> Option<i32> {
        let bytes = fs::read_limited(&self.exit(), LONGEST).ok()?;
        std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
    }

    /// How much output there is.
    pub fn written(&self) -> u64 {
        let log = fs::metadata_if_there(&self.log()).ok().flatten();
        log.map_or(0, |log| log.len())
    }
}

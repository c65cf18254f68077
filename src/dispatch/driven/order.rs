//! What a driver is told: everything that it has to know of its attempt, in a file that only its owner
//! can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dispatch::launcher::Job;
use crate::domain::dispatch::agents::Engine;
use crate::domain::dispatch::event::{AttemptId, SlotRef};
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::fs::{self, Durability};

/// The variable with the run's name.
const RUN: &str = "REPO_POOL_RUN_ID";

/// The attempt of a driver, and the engine that runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The engine.
    pub engine: Engine,
    /// Where the engine is, as far as variables of the dispatcher's said so: a later dispatcher may
    /// have others.
    pub surroundings: BTreeMap<String, String>,
    /// The runner's name.
    pub runner: String,
    /// Which attempt.
    pub attempt: AttemptId,
    /// The attempt's directory.
    pub dir: PathBuf,
    /// The command.
    pub command: Vec<String>,
    /// Where it runs.
    pub workdir: PathBuf,
    /// The slot, if it has one.
    pub slot: Option<SlotRef>,
    /// The directories that git needs in the slot beside it.
    pub shared: Vec<PathBuf>,
    /// What the runner finds in its environment.
    pub env: BTreeMap<String, String>,
    /// What it may use, in thousandths of a processor.
    pub cpu: u32,
    /// What it may use, in bytes; 0: as much as there is.
    pub memory: u64,
    /// How long it may run, where its driver counts that.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// How long it may be without output, likewise.
    #[serde(default)]
    pub stall: Option<Duration>,
    /// When it was begun.
    pub begun: Timestamp,
    /// Since when its runner's time runs: what is done before, an image fetched for one, is not its own.
    #[serde(default)]
    pub time: Option<Timestamp>,
    /// How often it was taken up by another driver since. Only the first one begins anything.
    pub taken_up: u32,
    /// Whether its runner has ended, and only what the engine keeps of that is to be taken away.
    #[serde(default)]
    pub over: bool,
}

impl Order {
    /// For an attempt that begins now, on the engine that is there.
    pub fn of(job: &Job, engine: &Engine, surroundings: &BTreeMap<String, String>) -> Self {
        Self {
            engine: engine.clone(),
            surroundings: surroundings.clone(),
            runner: job.runner.clone(),
            attempt: job.attempt.clone(),
            dir: job.dir.clone(),
            command: job.command.clone(),
            workdir: job.workdir.clone(),
            slot: job.slot.clone(),
            shared: job.shared.clone(),
            env: job.env.clone(),
            cpu: job.cpu,
            memory: job.memory,
            timeout: job.timeout,
            stall: job.stall,
            begun: clock::now(),
            time: None,
            taken_up: 0,
            over: false,
        }
    }

    /// The order in an attempt's directory; none if there is none.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = path(dir);
        let bytes = fs::read_if_there(&path)?;
        let read = bytes.map(|bytes| serde_json::from_slice(&bytes));
        read.transpose()
            .map_err(|error| Error::failed(format!("{} can't be read: {error}", path.display())))
    }

    /// Writes it there.
    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::failed(format!("cannot write an order: {error}")))?;
        fs::write_atomic(&path(&self.dir), &text, Durability::RenameOnly)
    }

    /// Takes it away, with the secrets that it may hold. A file that stays is no harm.
    pub fn remove(dir: &Path) {
        let _ = fs::remove_file_if_there(&path(dir));
    }

    /// Leaves it to a later dispatcher to take away what the engine keeps, for which nobody needs secrets.
    pub fn put_off(&mut self) {
        self.over = true;
        self.env.retain(|name, _| name == RUN);
        if self.write().is_err() {
            Self::remove(&self.dir);
        }
    }

    /// The run that it is of.
    pub fn run(&self) -> &str {
        self.env.get(RUN).map_or("", String::as_str)
    }

    /// The same with a runner whose time runs from now on.
    pub fn with_time(&self) -> Self {
        Self {
            time: Some(clock::now()),
            ..self.clone()
        }
    }

    /// For how long its runner's time has run.
    pub fn age(&self) -> Duration {
        let age = clock::now().duration_since(self.time.unwrap_or(self.begun));
        age.try_into().unwrap_or_default()
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("order.json")
}

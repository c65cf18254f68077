//! The seam between the dispatcher and what runs runners: processes, containers, Jobs.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::dispatch::End;
use crate::domain::dispatch::event::{AttemptId, SlotRef};

/// Everything a launcher needs to know about an attempt.
#[derive(Debug)]
pub struct Job {
    /// The runner's id, `rp-<run>-<task>-a<n>`: the same for the same attempt, always.
    pub runner: String,
    /// Which attempt.
    pub attempt: AttemptId,
    /// The attempt's directory: `log`, `exit.json`, `heartbeat`, `shim.lock`, `env` …
    pub dir: PathBuf,
    /// The program and its arguments, ready to be run.
    pub command: Vec<String>,
    /// Where it runs: the slot, or the directory of the task's file.
    pub workdir: PathBuf,
    /// The slot, if it has one.
    pub slot: Option<SlotRef>,
    /// What the runner finds in its environment beside what the dispatcher has.
    pub env: BTreeMap<String, String>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How long it may be without output.
    pub stall: Option<Duration>,
    /// After how long without a heartbeat it is ended.
    pub heartbeat_timeout: Duration,
    /// The most output that is kept, in bytes.
    pub log_limit: u64,
    /// What it may use, in thousandths of a processor.
    pub cpu: u32,
    /// What it may use, in bytes; 0: as much as there is.
    pub memory: u64,
    /// The slot's holder lock: who inherits it holds the slot for its life.
    pub holder: Option<OwnedFd>,
}

/// What a launcher finds of an attempt that an earlier dispatcher began.
#[derive(Debug)]
pub enum Found {
    /// It runs; it is waited for by this handle.
    Running(String),
    /// It has ended.
    Ended(End),
    /// It has never begun.
    NotStarted,
    /// There is no trace of its end.
    Gone,
}

/// What runs runners. The dispatcher calls `start` and `wait` on a thread per attempt, `stop` from
/// another one.
pub trait Launcher: Send + Sync {
    /// Starts the attempt, or takes up what runs under its name already. Returns the handle.
    ///
    /// Fails if it can't be started: the attempt ends as `infra`.
    fn start(&self, job: &Job) -> Result<String>;

    /// What has become of an attempt that an earlier dispatcher may have started. If it is
    /// [`Found::Gone`], whatever it had left running has been ended.
    fn find(&self, job: &Job) -> Result<Found>;

    /// Waits for its end, which it brings about itself if the heartbeat stops.
    fn wait(&self, job: &Job, handle: &str) -> End;

    /// Ends it: asked to, and after 10 s (or at once if `now`) by force. Returns before it has ended.
    fn stop(&self, job: &Job, handle: &str, now: bool);

    /// Why its runners are not limited to the memory that they ask for, if they are not: something to
    /// warn of once.
    fn why_memory_is_not_limited(&self) -> Option<String> {
        None
    }

    /// Clears away what is left of it, once its end is recorded.
    fn remove(&self, job: &Job) {
        let _ = job;
    }
}

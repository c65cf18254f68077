//! The seam between the dispatcher and what runs runners: processes, containers, Jobs.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// The directories that git needs in the slot beside it: the repository that it is a checkout of,
    /// and those of its submodules.
    pub shared: Vec<PathBuf>,
    /// The files that it works on instead, if they are not here.
    pub away: Option<Away>,
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

/// Where the files of a launcher's runners are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// In a slot, which a process of this machine holds as long as it lives: it inherits the lock.
    Held,
    /// In a slot that no process holds: it stays allocated until it is given back, whatever becomes of
    /// the dispatcher.
    Lasting,
    /// In a clone of its own, `/tmp/<runner>/slot`, whose branch is pushed.
    Clone,
    /// In a slot of another workspace, where it begins, and whose branch is pushed.
    Node,
}

impl Ground {
    /// Whether the files are not here.
    pub fn is_away(self) -> bool {
        matches!(self, Self::Clone | Self::Node)
    }
}

/// Files of a task that are not here: they come from the remote, and go back there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// The repository pool's name.
    pub pool: String,
    /// The remote's address, without secrets.
    pub remote: String,
    /// The branch that the task's commits are pushed as.
    pub branch: String,
    /// What a branch of an earlier attempt is called that is in its way.
    pub keep: String,
    /// The commit to start from.
    pub base_commit: String,
    /// The branch that was made at the remote for that commit, which was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
}

/// What a runner whose files are not here has pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It did not say.
    Unknown,
    /// It has made no commit.
    Nothing,
    /// This commit, as the task's branch.
    Commit(String),
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

/// What was found when what runs runners was asked whether it would.
#[derive(Debug, Default)]
pub struct Checked {
    /// What keeps runners from being started, until the settings or what they name are changed.
    pub problems: Vec<String>,
    /// What keeps them now and may pass, or could not be checked.
    pub warnings: Vec<String>,
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

    /// The same, for who can be told meanwhile that nothing can be seen of it, and why. None: its end
    /// can't be told from here, so [`Launcher::find`] has to.
    fn watch(&self, job: &Job, handle: &str, unseen: &dyn Fn(String)) -> Option<End> {
        let _ = unseen;
        Some(self.wait(job, handle))
    }

    /// The same, for who can be told besides what is to be known of it meanwhile: what it waits for, and
    /// that it waits no more.
    fn observe(
        &self,
        job: &Job,
        handle: &str,
        unseen: &dyn Fn(String),
        noted: &dyn Fn(Option<String>),
    ) -> Option<End> {
        let _ = noted;
        self.watch(job, handle, unseen)
    }

    /// Ends it: asked to, and after 10 s (or at once if `now`) by force. Returns before it has ended.
    fn stop(&self, job: &Job, handle: &str, now: bool);

    /// Where the files of its runners are.
    fn ground(&self) -> Ground {
        Ground::Held
    }

    /// What an attempt has pushed that has ended.
    fn pushed(&self, job: &Job) -> Pushed {
        let _ = job;
        Pushed::Unknown
    }

    /// Why its runners are not limited to the memory that they ask for, if they are not: something to
    /// warn of once.
    fn why_memory_is_not_limited(&self) -> Option<String> {
        None
    }

    /// Clears away what is left of it, once its end is recorded. What fails here is something to warn
    /// of.
    fn remove(&self, job: &Job) -> Result<()> {
        let _ = job;
        Ok(())
    }

    /// Whether it could run anything here and now for the agent pool of this name.
    fn check(&self, name: &str) -> Checked {
        let _ = name;
        Checked::default()
    }

    /// Clears away what was begun before a moment of the run in this directory, but for the attempts in
    /// `keep`, which are seen to.
    fn clear_away(&self, run: &Path, keep: &[PathBuf], before: Timestamp) -> Result<()> {
        let _ = (run, keep, before);
        Ok(())
    }
}

//! Who holds an attempt's lock, as that process says in the lock file, and what it may have left when
//! it holds it no more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Traces, files};
use crate::domain::ProcessStamp;
use crate::sys::cgroup::{self, Cgroup};
use crate::sys::{companion, fs, heirs, liveness};

/// A lock file says little.
const LARGEST: u64 = 1 << 16;

/// What a shim says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Which process it is.
    #[serde(flatten)]
    pub process: ProcessStamp,
    /// The control group of its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// The time between two of its heartbeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat: Option<Duration>,
}

impl Holder {
    /// This process; none if the system does not say when it was started.
    pub fn own() -> Option<Self> {
        let process = liveness::stamp(std::process::id())?;
        Some(Self {
            process,
            cgroup: None,
            beat: None,
        })
    }

    /// A name that no other process's control group has.
    pub fn group_name(&self) -> String {
        let ProcessStamp {
            pid, start_time, ..
        } = &self.process;
        format!("repo-pool-{pid}-{start_time}")
    }

    /// Says it. Where that can't be written, only who has started this process can end it.
    pub fn tell(&self) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = companion::write_into_lock(&text);
        }
    }

    /// What the holder of the lock in an attempt's directory says.
    pub fn of(dir: &Path) -> Option<Self> {
        let bytes = fs::read_limited(&files::lock(dir), LARGEST).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Ends what a shim that is gone has left of an attempt.
pub fn end_leftovers(dir: &Path, traces: Traces) {
    match traces.grace {
        Some(grace) => drop(heirs::end(traces.mark, dir, grace)),
        None => heirs::kill(traces.mark, dir),
    }
    empty_group(dir);
}

/// Kills everything of an attempt, its shim too.
pub fn kill_all(dir: &Path, traces: Traces) {
    heirs::kill(traces.mark, dir);
    empty_group(dir);
}

fn empty_group(dir: &Path) {
    if let Some(group) = Holder::of(dir).and_then(|holder| holder.cgroup) {
        cgroup::end(&group);
    }
}

/// Why the memory of commands can't be limited here; none if it can.
pub fn why_memory_is_not_limited() -> Option<String> {
    const ENOUGH: u64 = 1 << 30;
    let name = Holder::own()?.group_name();
    match Cgroup::with_memory(&name, ENOUGH) {
        Ok(group) => {
            group.remove();
            None
        }
        Err(reason) => Some(reason),
    }
}

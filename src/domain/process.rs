//! The identity of a process, beyond its pid.

use serde::{Deserialize, Serialize};

/// A process that can be recognised later: a pid alone is reused, so all five must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessStamp {
    /// The machine's name.
    pub host: String,
    /// The boot of that machine.
    pub boot_id: String,
    /// The pid namespace's inode number.
    pub pid_namespace: u64,
    /// The pid within it.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_time: u64,
}

/// Whether a process is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs.
    Alive,
    /// It is gone: absent, a zombie, another process with its pid, or another boot.
    Dead,
    /// It can't be told from here: another host or pid namespace.
    Unknown,
}

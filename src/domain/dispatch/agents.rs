//! Agent pools: where runners run, and how many.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod docker;
pub mod exec;
mod kubernetes;

pub use docker::{Docker, Pull};
pub use exec::Exec;
pub use kubernetes::{Kubernetes, Transport};

/// What runs an agent pool's runners, with what it has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Processes of this machine.
    LocalProcess,
    /// Containers of this machine's docker.
    Docker(Docker),
    /// Jobs of a Kubernetes cluster.
    Kubernetes(Kubernetes),
    /// Whatever a person's own commands drive.
    Exec(Exec),
}

impl Engine {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::LocalProcess => Kind::LocalProcess,
            Self::Docker(_) => Kind::Docker,
            Self::Kubernetes(_) => Kind::Kubernetes,
            Self::Exec(_) => Kind::Exec,
        }
    }
}

/// The kinds of what runs runners (`type` of an agent pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Processes of this machine.
    LocalProcess,
    /// Containers of this machine's docker.
    Docker,
    /// Jobs of a Kubernetes cluster.
    Kubernetes,
    /// Whatever a person's own commands drive.
    Exec,
}

/// An agent pool as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentPool {
    /// Its name.
    pub name: String,
    /// What runs its runners.
    pub engine: Engine,
    /// How many runners it has at most.
    pub max_concurrency: u32,
    /// Whether it takes tasks.
    pub enabled: bool,
    /// How much its running tasks may ask for together, in thousandths of a processor.
    pub cpu_quota: Option<u32>,
    /// The same in bytes of memory.
    pub memory_quota: Option<u64>,
    /// The skills that it serves, beside those that the mapping sends to it.
    pub skills: Vec<String>,
    /// Variables of its runners.
    #[serde(skip)]
    pub env: BTreeMap<String, String>,
    /// A file of variables (`NAME=value` lines).
    #[serde(skip)]
    pub env_file: Option<PathBuf>,
}

impl AgentPool {
    /// One that runs nothing new: what it began is seen to its end.
    pub fn former(name: &str, engine: Engine) -> Self {
        Self {
            name: name.to_owned(),
            engine,
            max_concurrency: 1,
            enabled: false,
            cpu_quota: None,
            memory_quota: None,
            skills: Vec::new(),
            env: BTreeMap::new(),
            env_file: None,
        }
    }
}

/// The order in which ready tasks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The order of becoming ready.
    Fifo,
    /// High priority first.
    #[default]
    Priority,
    /// By the mapping of skills first, then the best fit.
    SkillBased,
    /// The group with the least use over its weight first.
    FairShare,
}

impl Policy {
    /// As settings and events have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Priority => "priority",
            Self::SkillBased => "skill-based",
            Self::FairShare => "fair-share",
        }
    }
}

/// What holds for a whole run (`[dispatch]`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// How often files are looked at again with `--watch`, and a slot is asked for again.
    pub poll_interval: Duration,
    /// The order in which ready tasks go.
    pub policy: Policy,
    /// How many runners there are at most, over all agent pools.
    pub max_global_concurrency: u32,
    /// After how long without a heartbeat a runner is ended.
    pub heartbeat_timeout: Duration,
    /// How many attempts a task has that says nothing of its own.
    pub retry_max_attempts: u32,
    /// The first wait is 1 s, each further one so many times the one before.
    pub retry_backoff_base: f64,
    /// How long runners may take when the dispatcher is told to end.
    pub graceful_shutdown_timeout: Duration,
    /// Skills and the agent pools that serve them, the preferred first; `default`: for tasks whose
    /// skill no entry names, and those without.
    pub skill_mapping: BTreeMap<String, Vec<String>>,
    /// With it, waiting so long is worth one step of priority, or as much as a skill that is mapped.
    pub aging_interval: Option<Duration>,
    /// The weights of `fair-share` groups; 1 for those that are not named.
    pub share_weights: BTreeMap<String, f64>,
    /// How long an agent pool rests when a task says "try later".
    pub cooldown: Duration,
    /// The most output of one attempt that is kept, in bytes; more ends it.
    pub log_limit: u64,
}

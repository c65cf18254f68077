//! The answers of commands that have little to say: the `result` of their documents.

use serde::Serialize;
use serde_json::Value;

use super::{BranchView, PoolMetrics, RescueView};

/// What `init` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkspaceView {
    /// The workspace's directory.
    pub workspace: String,
    /// The file with its settings.
    pub config: String,
    /// Whether it was made now.
    pub created: bool,
}

/// What `list` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PoolNames {
    /// The names of the pools.
    pub pools: Vec<String>,
}

/// What `remove-slot` and `remove-pool` answer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Removed {
    /// The id of the slot, or the name of the pool.
    pub removed: String,
    /// The work that was found in the slot and saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueView>,
}

/// What `rescue drop` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dropped {
    /// The ids of what was given up.
    pub dropped: Vec<String>,
}

/// What `collect` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Collected {
    /// The repository that the branches were brought into.
    pub into: String,
    /// The branches.
    pub branches: Vec<BranchView>,
}

/// What `metrics` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MetricsView {
    /// The pools, by name.
    pub pools: Vec<PoolMetrics>,
}

/// What `config path` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigPath {
    /// The file with the settings.
    pub config: String,
}

/// What `config check` answers for a file without mistakes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigChecked {
    /// The file with the settings.
    pub config: String,
    /// Whether it is there; without it the defaults hold.
    pub exists: bool,
    /// How many pools it declares.
    pub pools: u64,
}

/// A setting as it is in effect.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SettingView {
    /// Its value; durations are seconds.
    pub value: Value,
    /// Where it comes from.
    pub origin: String,
}

/// What `man DIR` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ManView {
    /// The directory that the pages are below.
    pub directory: String,
    /// How many were written.
    pub pages: u64,
}

/// What `config import` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ImportView {
    /// How many pools there are in it.
    pub pools: u64,
    /// How many agent pools of the dispatcher.
    pub agent_pools: u64,
    /// The settings, as text of a `pools.toml`.
    pub toml: String,
    /// What has no place there.
    pub left_behind: Vec<LeftBehind>,
    /// The file that it was written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// Something that was not imported.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftBehind {
    /// Where it stands.
    pub place: String,
    /// What it is.
    pub what: String,
    /// Why it was left.
    pub reason: String,
}

//! What commands answer: the published JSON contract, and what the tables are made from.
//!
//! A key that does not apply is absent (`None`); one that could not be determined is `null`
//! (`Some(None)`). Times are RFC 3339 UTC, durations are seconds.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::lease::Owner;
use super::pool::Strategy;
use super::ports::Numbers;
use super::slot::SlotState;

mod apply;
mod details;
mod dispatch;
mod metrics;
mod recover;
mod rescue;
mod results;
mod tasks;
mod warm;

pub use apply::{AppliedView, ApplySummary, StepResult, StepView};
pub use details::{ChangeCounts, PastCleanup, ProcessView, SlotContent, SlotDetails};
pub use dispatch::{
    AgentPoolView, AskedEffect, AskedView, AttemptLogView, AttemptView, AttentionView, CommandView,
    PlanView, PlannedView, RunPhase, RunView, TaskCounts, TaskLogView, TaskView, UnplannedView,
    WhyView,
};
pub use metrics::{BucketView, Figures, PoolMetrics, WorkView};
pub use recover::{Finding, FindingAction, FindingKind, FindingResult, RecoverSummary, Recovered};
pub use rescue::{CommitView, PathView, RescueDetails, RescueView, Restored};
pub use results::{
    Collected, ConfigChecked, ConfigPath, Dropped, ImportView, LeftBehind, ManView, MetricsView,
    PoolNames, Removed, SettingView, WorkspaceView,
};
pub use tasks::{CheckedFile, GraphTask, TaskGraph, TasksChecked};
pub use warm::{WarmResult, WarmSummary, Warmed, WarmedPool, WarmedSlot};

/// A value that may not apply (absent) or not be determinable (`null`).
pub type Determined<T> = Option<Option<T>>;

/// A slot, as shown.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlotView {
    /// `workspace-<pool>-slot<N>`.
    pub slot_id: String,
    /// The pool.
    pub repo_name: String,
    /// The remote, without secrets.
    pub repo_url: String,
    /// The directory users work in; while the slot is parked, nothing is there.
    pub slot_path: String,
    /// The state.
    pub state: SlotState,
    /// Whether it is idle and out of reach, so that there is no directory at `slot_path`.
    pub parked: bool,
    /// Whether it was seen clean when it became available.
    pub verified: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// When it was last handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_allocated_at: Option<Timestamp>,
    /// When it was last given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_released_at: Option<Timestamp>,
    /// How often it was handed out.
    pub allocation_count: u64,
    /// How long it was in use, in seconds.
    pub total_usage_seconds: f64,
    /// The branch it is on; absent when HEAD is detached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub current_branch: Determined<String>,
    /// The commit it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub current_commit: Determined<String>,
    /// The holder's notes.
    pub metadata: Map<String, Value>,
    /// The fencing token, while allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
    /// The key that it is held under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its generation, while allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When the current allocation began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_at: Option<Timestamp>,
    /// For how long it is held unless renewed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<f64>,
    /// When that was last renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Timestamp>,
    /// When that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Who holds it, while allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerView>,
    /// What speaks against its holder, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim: Option<ReclaimView>,
    /// Why it is out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is being done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationView>,
    /// Whether a command holds its lock right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub is_locked: Determined<bool>,
    /// What its directory takes on disk, in bytes; a file with several names in it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub disk_usage_bytes: Determined<u64>,
    /// The numbers that it has to itself in the workspace, once somebody has asked for them.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// The variables of its environment, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Map<String, Value>>,
    /// What a look into it showed, where it is the only one asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<SlotDetails>>,
}

/// A holder, as shown.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OwnerView {
    /// The holder as recorded.
    #[serde(flatten)]
    pub owner: Owner,
    /// `alive`, `dead` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("enum" = ["alive", "dead", "unknown"])))]
    pub liveness: Option<&'static str>,
    /// The pid of the process that called `allocate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_pid: Option<u32>,
    /// The command line of the owner's process while it lives, where the slot is the only one asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The same of the process that called `allocate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_command: Option<String>,
}

/// Whether a slot may be taken back from its holder, as shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReclaimView {
    /// `reclaimable`, `not_yet` or `doubtful`.
    #[cfg_attr(test, schemars(extend("enum" = ["reclaimable", "not_yet", "doubtful"])))]
    pub verdict: &'static str,
    /// What speaks against the holder, and what against taking the slot back.
    pub reason: String,
    /// After how long it may be taken back, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<f64>,
}

/// An operation under way, as shown.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperationView {
    /// The verb.
    pub kind: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The process that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// The counts of a pool.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// All slots.
    pub total_slots: u64,
    /// Those that can be handed out.
    pub available_slots: u64,
    /// Those that are held.
    pub allocated_slots: u64,
    /// Those that a command works on.
    pub cleaning_slots: u64,
    /// Those out of use.
    pub error_slots: u64,
    /// Successful allocations over the pool's life.
    pub total_allocations: u64,
    /// The mean time of one, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_allocation_time_seconds: Option<f64>,
    /// The time half of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_allocation_time_seconds: Option<f64>,
    /// The time 95 % of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_allocation_time_seconds: Option<f64>,
    /// The time 99 % of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_allocation_time_seconds: Option<f64>,
    /// The share that found a verified slot at the wanted commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_hit_rate: Option<f64>,
    /// Requests that ended without a slot.
    pub failed_allocations: u64,
}

/// A pool in the list of pools.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PoolSummary {
    /// Its name.
    pub repo_name: String,
    /// Its remote, without secrets.
    pub repo_url: String,
    /// Its counts.
    #[serde(flatten)]
    pub summary: Summary,
    /// What is being done to the pool as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationView>,
    /// What its directory takes on disk, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub disk_usage_bytes: Determined<u64>,
    /// Why its record can't be read, if it can't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A pool with its slots.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PoolView {
    /// Its name.
    pub repo_name: String,
    /// Its remote, without secrets.
    pub repo_url: String,
    /// How its slots are made.
    pub strategy: Strategy,
    /// Which contents of files its repository was made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// How many commits of each branch its repository was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Patterns of ignored paths that cleaning leaves: those that are configured, and those that it was
    /// made with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// How many slots it has.
    pub num_slots: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// The branch that slots start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// That branch's commit as of the last fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_commit: Option<String>,
    /// When the remote was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// Whether a command holds the pool's lock right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub is_locked: Determined<bool>,
    /// What its directory takes on disk, in bytes; a file with several names in it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub disk_usage_bytes: Determined<u64>,
    /// What the shared repository takes on disk, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub repository_bytes: Determined<u64>,
    /// Who waits in line for a slot; absent if nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingView>,
    /// Its counts.
    pub summary: Summary,
    /// Its slots, by number.
    pub slots: Vec<SlotView>,
}

/// The line of those who wait for a slot.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WaitingView {
    /// How many stand in it.
    pub count: u64,
    /// Since when the first of them does.
    pub since: Timestamp,
}

/// What cleaning a slot did.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CleanupView {
    /// Whether the slot is clean now.
    pub success: bool,
    /// How long it took.
    pub duration_seconds: f64,
    /// What was done, in order.
    pub operations: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// A slot that was given back.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Released {
    /// The slot after it.
    pub slot: SlotView,
    /// Whether there was anything to give back.
    pub was_allocated: bool,
    /// What cleaning did; absent when it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<CleanupView>,
    /// The work that was saved, if there was any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueView>,
}

/// A remote branch.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BranchView {
    /// Its name at the remote.
    pub name: String,
    /// Its commit.
    pub commit: String,
}

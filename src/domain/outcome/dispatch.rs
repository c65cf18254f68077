//! A run of tasks, as shown.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::dispatch::agents::Kind;
use crate::domain::dispatch::event::SlotRef;
use crate::domain::dispatch::{EndClass, TaskState};

/// A run as it stands.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunView {
    /// Its name.
    pub run: String,
    /// Its directory.
    pub directory: String,
    /// The files that its tasks are from.
    pub files: Vec<String>,
    /// Whether it goes on.
    pub state: RunPhase,
    /// The pid of the dispatcher that works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatcher_pid: Option<u32>,
    /// The scheduling policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// When its first dispatcher began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// When its last dispatcher began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last dispatcher ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// With which code it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// How many tasks stand where.
    pub counts: TaskCounts,
    /// Where runners run.
    pub agent_pools: Vec<AgentPoolView>,
    /// What a person has to decide.
    pub attention: Vec<AttentionView>,
    /// The tasks.
    pub tasks: Vec<TaskView>,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// A dispatcher works on it.
    Running,
    /// It takes nothing new any more, and waits for what runs.
    Draining,
    /// Its dispatcher ended.
    Ended,
    /// Its dispatcher was interrupted or killed: `dispatch run` goes on with it.
    Interrupted,
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskCounts {
    /// All but those that their files name no more.
    pub total: u64,
    /// Their dependencies are not done.
    pub waiting: u64,
    /// They can run as soon as there is room.
    pub ready: u64,
    /// They run.
    pub running: u64,
    /// They failed and are tried again later.
    pub retrying: u64,
    /// They are done.
    pub done: u64,
    /// They failed for good.
    pub failed: u64,
    /// What they depend on failed.
    pub blocked: u64,
    /// Somebody cancelled them.
    pub cancelled: u64,
    /// A person has to decide something.
    pub needs_attention: u64,
}

/// An agent pool and what is in use of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AgentPoolView {
    /// Its name.
    pub name: String,
    /// What runs its runners.
    #[serde(rename = "type")]
    pub engine: Kind,
    /// Whether it takes tasks.
    pub enabled: bool,
    /// How many runners it has.
    pub running: u32,
    /// How many it has at most.
    pub max_concurrency: u32,
    /// How many processors its tasks asked for.
    pub cpu_in_use: f64,
    /// How many they may ask for together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<f64>,
    /// How much memory its tasks asked for.
    pub memory_in_use_bytes: u64,
    /// How much they may ask for together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_quota_bytes: Option<u64>,
    /// Until when it rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooling_until: Option<Timestamp>,
}

/// What a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttentionView {
    /// The task; absent: the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What is to be decided.
    pub question: String,
    /// The command that answers it.
    pub command: String,
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskView {
    /// Its id.
    pub id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where it stands.
    pub state: TaskState,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The number of its last attempt; 0: none yet.
    pub attempt: u32,
    /// How many attempts count against it.
    pub counted: u32,
    /// How many may.
    pub max_attempts: u32,
    /// Higher goes first.
    pub priority: i64,
    /// The ids of the tasks that come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// Since when it has been ready, or was before it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Its attempt under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<AttemptView>,
    /// How its last attempt ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<EndClass>,
    /// How long that ran, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seconds: Option<f64>,
    /// Why: the reason, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The commit that it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch which that is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// An attempt under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptView {
    /// The runner's id.
    pub runner: String,
    /// The agent pool.
    pub agent_pool: String,
    /// What the launcher knows the runner by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// When it was given to the agent pool.
    pub assigned_at: Timestamp,
    /// When its runner started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotRef>,
    /// Why it is being ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopping: Option<String>,
    /// What its runner waits for, or why nothing can be seen of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhyView {
    /// The run.
    pub run: String,
    /// The task.
    pub task: TaskView,
    /// The reasons, the one that counts first.
    pub reasons: Vec<String>,
    /// Commands that help, with what they do.
    pub commands: Vec<CommandView>,
}

/// A command and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandView {
    /// The command line.
    pub command: String,
    /// What it does.
    pub effect: String,
}

/// The output of a task's attempts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskLogView {
    /// The run.
    pub run: String,
    /// The task.
    pub task: String,
    /// Its attempts, the first one first.
    pub attempts: Vec<AttemptLogView>,
}

/// Where an attempt's output is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptLogView {
    /// Its number.
    pub attempt: u32,
    /// The file with its output.
    pub log: String,
    /// How large that is.
    pub bytes: u64,
    /// The directory of what it left.
    pub artifacts: String,
}

/// What somebody asked of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AskedView {
    /// The run.
    pub run: String,
    /// When it takes effect.
    pub effect: AskedEffect,
    /// The dispatcher that was asked, if one works on the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatcher_pid: Option<u32>,
}

/// When what was asked of a run takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AskedEffect {
    /// It holds already.
    Done,
    /// The dispatcher was told.
    Told,
    /// When `dispatch run` goes on with the run.
    WhenItGoesOn,
}

/// What a run would do if every task were done at its first attempt, and all took the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanView {
    /// What starts, in this order.
    pub steps: Vec<PlannedView>,
    /// What never starts.
    pub left: Vec<UnplannedView>,
}

/// A task that would start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedView {
    /// The task.
    pub task: String,
    /// What people call it.
    pub title: String,
    /// Where it runs.
    pub agent_pool: String,
    /// What is in the same round starts at the same moment; from 1.
    pub round: u32,
}

/// A task that would never start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnplannedView {
    /// The task.
    pub task: String,
    /// Why.
    pub reasons: Vec<String>,
}

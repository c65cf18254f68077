//! What happened in a run: the lines of its `events.jsonl`, which are the truth about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::end::End;
use crate::domain::names::{PoolName, SlotId};

/// One line: an event with its number and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// 1, 2, 3 … without a gap.
    pub n: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// An attempt of a task, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptId {
    /// The task's id.
    pub task: String,
    /// 1, 2, 3 …
    pub attempt: u32,
    /// The fencing token: rises with each assignment of the run. What comes with another is recorded
    /// and changes nothing.
    pub token: u64,
}

/// The slot of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlotRef {
    /// The repository pool's name.
    pub pool: String,
    /// Its number.
    pub number: u32,
    /// Its path.
    pub path: String,
    /// The allocation's id.
    pub allocation: String,
    /// The branch it is on.
    pub branch: String,
    /// The commit it started from.
    pub base_commit: String,
}

impl SlotRef {
    /// The slot's id.
    pub fn id(&self) -> String {
        match PoolName::new(&self.pool) {
            Ok(pool) => SlotId::new(&pool, self.number).to_string(),
            Err(_) => format!("{}/slot{}", self.pool, self.number),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event")]
pub enum Event {
    /// A dispatcher took the run up.
    RunStarted {
        /// Its pid.
        pid: u32,
        /// The scheduling policy's word.
        policy: String,
        /// How many tasks there are.
        tasks: u64,
    },
    /// It takes nothing new any more.
    RunDraining {
        /// The signal that said so.
        signal: i32,
    },
    /// It ended.
    RunEnded {
        /// Its exit code.
        code: u8,
    },
    /// A task is to be run in an agent pool: said before anything is done for it.
    TaskAssigned {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The runner's id, `rp-<run>-<task>-a<n>`.
        runner: String,
        /// The agent pool.
        agent_pool: String,
    },
    /// No slot was to be had: the task is ready as before.
    SlotUnavailable {
        /// Which attempt is off.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The repository pool.
        pool: String,
        /// The task's branch, if it is that which somebody has in another slot; else no slot was free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// Why.
        reason: String,
    },
    /// It has a slot.
    SlotAllocated {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The slot.
        slot: SlotRef,
    },
    /// Its runner runs.
    RunnerStarted {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The runner's id.
        runner: String,
        /// What the launcher knows it by: `pid 4711`, a container's name, a job's.
        handle: String,
    },
    /// A later dispatcher found it running and watches it.
    RunnerAdopted {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
    },
    /// It is being ended.
    RunnerStopping {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// Why.
        reason: String,
    },
    /// What is to be known of a runner that goes on: what it waits for, why nothing can be seen of it.
    RunnerNoted {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// That; absent: nothing any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It is done.
    RunnerCompleted {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The runner's id.
        runner: String,
        /// The slot's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot_id: Option<String>,
        /// How it ended.
        #[serde(flatten)]
        end: End,
        /// The commit its branch is at, if it made any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// That branch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
    },
    /// It failed.
    RunnerFailed {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The runner's id.
        runner: String,
        /// The slot's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot_id: Option<String>,
        /// How it ended.
        #[serde(flatten)]
        end: End,
        /// After how many seconds it is tried again; absent: not at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in: Option<f64>,
        /// Whether the attempt counts against the task.
        counted: bool,
    },
    /// It vanished without a word.
    RunnerLost {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The runner's id.
        runner: String,
        /// The slot's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot_id: Option<String>,
        /// After how many seconds it is tried again; absent: not at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in: Option<f64>,
    },
    /// Its slot went back.
    SlotReleased {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
        /// The slot's id.
        slot_id: String,
        /// The work that was saved, if there was any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rescue: Option<String>,
        /// Why it could not go back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// An end came for an attempt that is not the current one: it changes nothing.
    StaleCompletion {
        /// Which attempt.
        #[serde(flatten)]
        attempt: AttemptId,
    },
    /// An agent pool rests.
    AgentPoolCooling {
        /// The agent pool.
        agent_pool: String,
        /// For so many seconds.
        seconds: f64,
    },
    /// Somebody changed an agent pool.
    AgentPoolChanged {
        /// The agent pool.
        agent_pool: String,
        /// Whether it takes tasks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
        /// How many runners it may have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_concurrency: Option<u32>,
    },
    /// Somebody wants a task that failed, was cancelled or needs attention to run again.
    TaskRetried {
        /// The task.
        task: String,
    },
    /// Somebody wants a task not to run.
    TaskCancelled {
        /// The task.
        task: String,
    },
    /// Somebody changed its priority.
    PriorityChanged {
        /// The task.
        task: String,
        /// The new one.
        priority: i64,
    },
    /// A task that was not there when the run began.
    TaskAdded {
        /// The task.
        task: String,
    },
    /// A task whose file names it no more.
    TaskDropped {
        /// The task.
        task: String,
    },
    /// A person is needed.
    NeedsAttention {
        /// The task; absent: the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// What is to be decided.
        question: String,
        /// The command that answers it.
        command: String,
    },
    /// What people want of the run was taken up: so many lines of its `control.jsonl` by now.
    ControlTaken {
        /// All lines that were taken up.
        lines: u64,
    },
    /// Something a person should know.
    Warning {
        /// What.
        text: String,
    },
}

impl Event {
    /// The attempt that it is about.
    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::TaskAssigned { attempt, .. }
            | Self::SlotUnavailable { attempt, .. }
            | Self::SlotAllocated { attempt, .. }
            | Self::RunnerStarted { attempt, .. }
            | Self::RunnerAdopted { attempt }
            | Self::RunnerStopping { attempt, .. }
            | Self::RunnerNoted { attempt, .. }
            | Self::RunnerCompleted { attempt, .. }
            | Self::RunnerFailed { attempt, .. }
            | Self::RunnerLost { attempt, .. }
            | Self::SlotReleased { attempt, .. }
            | Self::StaleCompletion { attempt } => Some(attempt),
            _ => None,
        }
    }

    /// The id of the task that it is about.
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::TaskRetried { task }
            | Self::TaskCancelled { task }
            | Self::PriorityChanged { task, .. }
            | Self::TaskAdded { task }
            | Self::TaskDropped { task } => Some(task),
            Self::NeedsAttention { task, .. } => task.as_deref(),
            _ => self.attempt().map(|attempt| attempt.task.as_str()),
        }
    }
}

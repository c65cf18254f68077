//! Where every task of a run stands: what its events add up to.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::end::EndClass;
use super::event::{AttemptId, Record, SlotRef};
use super::task::Task;

/// A task's place in the run's list.
pub type Index = usize;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Its dependencies are not done.
    Waiting,
    /// It can run as soon as there is room.
    Ready,
    /// It has been given to a runner.
    Running,
    /// It failed and is tried again later.
    Retrying,
    /// It is done.
    Done,
    /// It failed for good.
    Failed,
    /// A dependency failed, was cancelled or is blocked itself.
    Blocked,
    /// Somebody cancelled it.
    Cancelled,
    /// A person has to decide something.
    NeedsAttention,
    /// Its file names it no more.
    Dropped,
}

impl TaskState {
    /// What people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
            Self::NeedsAttention => "in need of attention",
            Self::Dropped => "dropped",
        }
    }
}

/// An attempt that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Which.
    pub id: AttemptId,
    /// The runner's id.
    pub runner: String,
    /// The agent pool.
    pub agent_pool: String,
    /// When it was assigned.
    pub assigned: Timestamp,
    /// When its runner started, if it did.
    pub started: Option<Timestamp>,
    /// What the launcher knows it by.
    pub handle: Option<String>,
    /// The slot, if it has one.
    pub slot: Option<SlotRef>,
    /// Why it is being ended, if it is.
    pub stopping: Option<String>,
}

/// What is known of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it stands.
    pub state: TaskState,
    /// The number of its last attempt; 0: none yet.
    pub attempt: u32,
    /// How many of them count.
    pub counted: u32,
    /// Its priority, as changed.
    pub priority: i64,
    /// Since when it has been ready, if it is.
    pub ready_at: Option<Timestamp>,
    /// When it is tried again, if it is.
    pub retry_at: Option<Timestamp>,
    /// The attempt under way.
    pub open: Option<Box<Open>>,
    /// The slot (pool, number) of its last attempt, which is preferred for the next.
    pub last_slot: Option<(Arc<str>, u32)>,
    /// How its last attempt ended.
    pub last_end: Option<EndClass>,
    /// Why: the failed dependency's id, the question, the reason.
    pub note: Option<Box<str>>,
    /// The commit and branch it left, once it is done.
    pub left: Option<Box<(String, String)>>,
}

/// What an event has changed for the scheduler.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tasks that have become ready.
    pub ready: Vec<Index>,
    /// Tasks that were ready and are no more.
    pub withdrawn: Vec<Index>,
}

/// A run as its events tell it.
#[derive(Debug)]
pub struct RunState {
    tasks: Arc<[Task]>,
    by_id: HashMap<Arc<str>, Index>,
    progress: Vec<Progress>,
}

impl RunState {
    /// The run before its first event.
    pub fn new(tasks: Arc<[Task]>) -> Self {
        let _ = &tasks;
        unimplemented!()
    }

    /// What follows from one more event.
    pub fn apply(&mut self, record: &Record) -> Changes {
        let _ = record;
        unimplemented!()
    }

    /// All tasks, in the order of their files.
    pub fn tasks(&self) -> &Arc<[Task]> {
        &self.tasks
    }

    /// The place of the task of that id.
    pub fn index(&self, id: &str) -> Option<Index> {
        self.by_id.get(id).copied()
    }

    /// What is known of a task.
    pub fn progress(&self, task: Index) -> &Progress {
        &self.progress[task]
    }
}

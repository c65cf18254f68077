//! Where every task of a run stands: what its events add up to.

mod apply;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::branches::Branches;
use super::end::EndClass;
use super::event::{AttemptId, Event, Record, SlotRef};
use super::graph::{Graph, places};
use super::task::{Initial, Task, When};

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
    /// All of them, in their order.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Ready,
        Self::Running,
        Self::Retrying,
        Self::Done,
        Self::Failed,
        Self::Blocked,
        Self::Cancelled,
        Self::NeedsAttention,
        Self::Dropped,
    ];

    /// As it stands in JSON.
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
            Self::NeedsAttention => "needs_attention",
            Self::Dropped => "dropped",
        }
    }

    /// Whether a task stands there only because of its dependencies: no attempt and nobody put it
    /// there.
    fn follows_dependencies(self) -> bool {
        matches!(self, Self::Waiting | Self::Ready | Self::Blocked)
    }

    /// What it means to those that wait for the task.
    fn for_dependents(self) -> ForDependents {
        match self {
            Self::Done => ForDependents::Good,
            Self::Failed | Self::Blocked | Self::Cancelled | Self::Dropped => ForDependents::Bad,
            _ => ForDependents::Open,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum ForDependents {
    Open,
    Good,
    Bad,
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
    /// What is to be known of its runner.
    pub note: Option<String>,
    /// Whether somebody cancelled its task: it is not tried again then, however it ends.
    pub cancelled: bool,
}

/// What is known of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it stands.
    pub state: TaskState,
    /// Since when it stands there; `None`: since before the run.
    pub since: Option<Timestamp>,
    /// The number of its last attempt; 0: none yet.
    pub attempt: u32,
    /// How many of them count, since it was last told to be tried anew.
    pub counted: u32,
    /// Its priority, as changed.
    pub priority: i64,
    /// Since when it has been ready; kept while it runs.
    pub ready_at: Option<Timestamp>,
    /// When it is tried again, if it is.
    pub retry_at: Option<Timestamp>,
    /// The attempt under way.
    pub open: Option<Box<Open>>,
    /// The slot (pool, number) of its last attempt, which is preferred for the next.
    pub last_slot: Option<(Arc<str>, u32)>,
    /// How its last attempt ended.
    pub last_end: Option<EndClass>,
    /// How long that ran, in seconds, if that is known.
    pub last_seconds: Option<f64>,
    /// The question, if it needs attention; else why its last attempt ended, where that says more
    /// than the class. What blocks a task is found by [`RunState::blocker`].
    pub note: Option<Box<str>>,
    /// The command that answers the question.
    pub answer: Option<Box<str>>,
    /// When it was last asked for its branch in vain, and who has that.
    pub branch_taken: Option<Box<(Timestamp, Box<str>)>>,
    /// The commit and branch it left, once it is done.
    pub left: Option<Box<(String, String)>>,
}

/// What an event has changed for the scheduler.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tasks that have become ready.
    pub ready: Vec<Index>,
    /// Tasks that were ready, do not run, and are ready no more.
    pub withdrawn: Vec<Index>,
}

/// What people and tasks have changed about an agent pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolChange {
    /// Whether it takes tasks, if somebody said so.
    pub enabled: Option<bool>,
    /// How many runners it may have, if somebody said so.
    pub max_concurrency: Option<u32>,
    /// Until when it rests.
    pub cooling_until: Option<Timestamp>,
}

/// What is known of the run as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// When its first dispatcher began.
    pub began: Option<Timestamp>,
    /// When its last one did.
    pub started: Option<Timestamp>,
    /// The pid of its last dispatcher.
    pub pid: Option<u32>,
    /// The scheduling policy of its last dispatcher, as a word.
    pub policy: Option<String>,
    /// The signal that told it to take nothing new.
    pub draining: Option<i32>,
    /// When the last dispatcher ended and with which code; `None` while it works, or was killed.
    pub ended: Option<(Timestamp, u8)>,
    /// What a person has to decide about the run, and the command that does; until something happens
    /// that may have answered it.
    pub question: Option<(String, String)>,
    /// Agent pools that are not as configured.
    pub agent_pools: BTreeMap<String, PoolChange>,
    /// Repositories (as tasks name them) without a free slot: since when, and when last asked.
    pub exhausted: BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    /// Seconds from assignment to end of all ended attempts, by `share`.
    pub used: HashMap<Arc<str>, f64>,
    /// Slots of ended attempts that have not gone back, by the attempt's token.
    pub unreleased: BTreeMap<u64, (AttemptId, SlotRef)>,
    /// The number of the last event.
    pub last_number: u64,
    /// The highest token so far.
    pub last_token: u64,
    /// How many lines of what people want were taken up.
    pub controls: u64,
}

/// A run as its events tell it.
#[derive(Debug, Clone)]
pub struct RunState {
    tasks: Arc<[Task]>,
    by_id: HashMap<Arc<str>, Index>,
    graph: Graph,
    branches: Branches,
    progress: Vec<Progress>,
    /// How many dependencies of each task have not come to an end.
    open: Vec<u32>,
    /// How many have come to a bad one.
    bad: Vec<u32>,
    counts: [usize; TaskState::ALL.len()],
    retries: BTreeSet<(Timestamp, Index)>,
    run: Run,
}

impl RunState {
    /// The run before its first event. What is ready from the start is in [`RunState::ready`].
    pub fn new(tasks: Arc<[Task]>) -> Self {
        let mut state = Self {
            by_id: HashMap::new(),
            graph: Graph::of(&[], &HashMap::new()),
            branches: Branches::default(),
            progress: Vec::new(),
            open: Vec::new(),
            bad: Vec::new(),
            counts: Default::default(),
            retries: BTreeSet::new(),
            run: Run::default(),
            tasks: Arc::new([]),
        };
        state.redefine(tasks, None);
        state
    }

    /// Puts other definitions in place of those so far: the same ids at the same places, whatever
    /// else has changed of them, and new tasks after them. What has come to an end stays so. Whoever
    /// schedules this run has to begin anew with it.
    pub fn redefine(&mut self, tasks: Arc<[Task]>, now: Option<Timestamp>) {
        self.by_id = places(&tasks);
        self.graph = Graph::of(&tasks, &self.by_id);
        self.branches = Branches::of(&tasks);
        let known = self.tasks.iter().zip(tasks.iter()).zip(&mut self.progress);
        for ((old, new), progress) in known {
            if old.priority != new.priority {
                progress.priority = new.priority;
            }
        }
        let joining = tasks.iter().skip(self.progress.len());
        self.progress.extend(joining.map(Progress::before));
        self.tasks = tasks;
        self.settle_all(now);
    }

    /// What follows from an event that nobody records: for who only asks what would be.
    pub fn happened(&mut self, event: Event, time: Timestamp) -> Changes {
        let n = self.run.last_number + 1;
        self.apply(&Record { n, time, event })
    }

    /// All tasks, in the order of their files.
    pub fn tasks(&self) -> &Arc<[Task]> {
        &self.tasks
    }

    /// Who waits for whom.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Who shares a branch with whom.
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// What is known of the run as a whole.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The place of the task of that id.
    pub fn index(&self, id: &str) -> Option<Index> {
        self.by_id.get(id).copied()
    }

    /// What is known of a task.
    pub fn progress(&self, task: Index) -> &Progress {
        &self.progress[task]
    }

    /// The tasks in a state, in their order.
    pub fn in_state(&self, state: TaskState) -> impl Iterator<Item = Index> + '_ {
        let all = self.progress.iter().enumerate();
        all.filter(move |(_, progress)| progress.state == state)
            .map(|(task, _)| task)
    }

    /// The tasks that can run as soon as there is room.
    pub fn ready(&self) -> impl Iterator<Item = Index> + '_ {
        self.in_state(TaskState::Ready)
    }

    /// The attempts under way.
    pub fn open(&self) -> impl Iterator<Item = (Index, &Open)> {
        let all = self.progress.iter().enumerate();
        all.filter_map(|(task, progress)| Some((task, &**progress.open.as_ref()?)))
    }

    /// How many tasks are in a state.
    pub fn count(&self, state: TaskState) -> usize {
        self.counts[state as usize]
    }

    /// Whether nothing is left that can still run by itself: no task runs, is ready, is tried again,
    /// or waits.
    pub fn is_over(&self) -> bool {
        use TaskState::{Ready, Retrying, Running, Waiting};
        [Waiting, Ready, Running, Retrying]
            .iter()
            .all(|state| self.count(*state) == 0)
    }

    /// Whether the last dispatcher has come to its end, and nothing that it began is left.
    pub fn is_left_in_order(&self) -> bool {
        let run = self.run();
        run.ended.is_some() && run.unreleased.is_empty() && self.open().next().is_none()
    }

    /// Whether an attempt is the one that is under way: what comes from any other is stale.
    pub fn is_current(&self, attempt: &AttemptId) -> bool {
        self.current(attempt).is_some()
    }

    fn current(&self, attempt: &AttemptId) -> Option<Index> {
        let task = self.index(&attempt.task)?;
        let open = self.progress[task].open.as_ref()?;
        (open.id == *attempt).then_some(task)
    }

    /// The task at the root of why this one is blocked: one that failed, was cancelled or dropped.
    pub fn blocker(&self, task: Index) -> Option<Index> {
        let bad = |at: Index| {
            let mut depends = self.graph.depends(at);
            depends.find(|d| self.progress[*d].state.for_dependents() == ForDependents::Bad)
        };
        let mut at = bad(task)?;
        // Bounded, should the tasks wait in a circle.
        for _ in 0..self.tasks.len() {
            if self.progress[at].state != TaskState::Blocked {
                break;
            }
            at = bad(at)?;
        }
        Some(at)
    }

    /// What a task waits for: dependencies that have not come to an end.
    pub fn waits_for(&self, task: Index) -> impl Iterator<Item = Index> + '_ {
        self.graph
            .depends(task)
            .filter(|d| self.progress[*d].state.for_dependents() == ForDependents::Open)
    }

    /// When the next task is to be tried again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.retries.first().map(|(time, _)| *time)
    }
}

impl Progress {
    /// That of a task of which only its file is known.
    fn before(task: &Task) -> Self {
        Self {
            state: match task.initial {
                Initial::Open => TaskState::Waiting,
                Initial::Done => TaskState::Done,
                Initial::Failed => TaskState::Failed,
            },
            since: None,
            attempt: 0,
            counted: 0,
            priority: task.priority,
            ready_at: None,
            retry_at: None,
            open: None,
            last_slot: None,
            last_end: None,
            last_seconds: None,
            note: None,
            answer: None,
            branch_taken: None,
            left: None,
        }
    }
}

/// Where dependencies put a task: so many of them open, so many badly ended.
fn by_dependencies(when: When, open: u32, bad: u32) -> TaskState {
    match when {
        When::Success if bad > 0 => TaskState::Blocked,
        _ if open == 0 => TaskState::Ready,
        _ => TaskState::Waiting,
    }
}

//! What people tell a run, while its dispatcher works or not: the lines of its `control.jsonl`.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::state::{Index, RunState, TaskState};

/// One wish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Control {
    /// Run a task that failed, was cancelled, or needs attention again; its dependents revive.
    Retry {
        /// Its id.
        task: String,
    },
    /// All that failed.
    RetryFailed,
    /// Don't run a task; if it runs, end it.
    Cancel {
        /// Its id.
        task: String,
    },
    /// All that have not ended.
    CancelAll,
    /// Another priority.
    Prio {
        /// The task's id.
        task: String,
        /// The new priority.
        priority: i64,
    },
    /// The tasks of another file join.
    Add {
        /// Its absolute path.
        file: String,
    },
    /// An agent pool changes until the run ends.
    Pool {
        /// Its name.
        name: String,
        /// Whether it takes tasks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
        /// How many runners it has at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_concurrency: Option<u32>,
    },
}

/// What follows from a wish.
#[derive(Debug, Default, PartialEq)]
pub struct Consequences {
    /// What is to be recorded.
    pub events: Vec<Event>,
    /// The tasks whose runners are to be ended: by the next dispatcher, if there is none.
    pub stop: Vec<Index>,
    /// The file whose tasks join.
    pub add: Option<String>,
}

/// What follows from a wish for a run that stands so. What can't be done is said, and changes nothing.
pub fn consequences(state: &RunState, wish: &Control) -> Consequences {
    let mut follows = Consequences::default();
    let all = 0..state.tasks().len();
    match wish {
        Control::Retry { task } => match state.index(task) {
            Some(index) => retry(state, index, &mut follows),
            None => follows.events.push(unknown(task)),
        },
        Control::RetryFailed => all
            .filter(|index| state.progress(*index).state == TaskState::Failed)
            .for_each(|index| retry(state, index, &mut follows)),
        Control::Cancel { task } => match state.index(task) {
            Some(index) => cancel(state, index, &mut follows),
            None => follows.events.push(unknown(task)),
        },
        Control::CancelAll => all
            .filter(|index| may_be_cancelled(state.progress(*index).state))
            .for_each(|index| cancel(state, index, &mut follows)),
        Control::Prio { task, priority } => follows.events.push(match state.index(task) {
            Some(_) => Event::PriorityChanged {
                task: task.clone(),
                priority: *priority,
            },
            None => unknown(task),
        }),
        Control::Add { file } => follows.add = Some(file.clone()),
        Control::Pool {
            name,
            enabled,
            max_concurrency,
        } => follows.events.push(Event::AgentPoolChanged {
            agent_pool: name.clone(),
            enabled: *enabled,
            max_concurrency: *max_concurrency,
        }),
    }
    follows
}

fn retry(state: &RunState, task: Index, follows: &mut Consequences) {
    let id = state.tasks()[task].id.to_string();
    follows.events.push(match state.progress(task).state {
        TaskState::Failed
        | TaskState::Cancelled
        | TaskState::NeedsAttention
        | TaskState::Retrying => Event::TaskRetried { task: id },
        other => Event::Warning {
            text: format!("task {id} is {}: there is nothing to retry", other.word()),
        },
    });
}

fn cancel(state: &RunState, task: Index, follows: &mut Consequences) {
    let progress = state.progress(task);
    let id = state.tasks()[task].id.to_string();
    if may_be_cancelled(progress.state) {
        follows.events.push(Event::TaskCancelled { task: id });
        follows.stop.extend(progress.open.is_some().then_some(task));
    } else {
        let text = format!(
            "task {id} is {} and can't be cancelled",
            progress.state.word()
        );
        follows.events.push(Event::Warning { text });
    }
}

/// Whether a task in that state can still be cancelled: not once it has come to an end.
pub fn may_be_cancelled(state: TaskState) -> bool {
    !matches!(
        state,
        TaskState::Done | TaskState::Failed | TaskState::Cancelled | TaskState::Dropped
    )
}

fn unknown(task: &str) -> Event {
    Event::Warning {
        text: format!("there is no task {task}"),
    }
}

//! What people tell a run, while its dispatcher works or not: the lines of its `control.jsonl`.

use serde::{Deserialize, Serialize};

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

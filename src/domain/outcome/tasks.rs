//! What is said of task files.

use serde::Serialize;

/// What `dispatch check` answers for files without mistakes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TasksChecked {
    /// The files.
    pub files: Vec<CheckedFile>,
    /// How many tasks they have.
    pub tasks: u64,
    /// How many of these are to be run: their file does not say that they are done or failed.
    pub open: u64,
    /// How many of these wait for no other.
    pub ready: u64,
    /// What a person should know, but that stops nothing.
    pub warnings: Vec<String>,
}

/// A task file without mistakes.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedFile {
    /// Its absolute path.
    pub path: String,
    /// `tasks` (our own), `task-list` (`tasks.json`) or `task-set` (`taskset.json`).
    pub format: String,
    /// What its list is called: its spec, its project, else the file's stem.
    pub name: String,
    /// How many tasks it has.
    pub tasks: u64,
}

/// What `dispatch graph` answers.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskGraph {
    /// The tasks, in the order of their files.
    pub tasks: Vec<GraphTask>,
}

/// A task and what it waits for.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphTask {
    /// Its id.
    pub id: String,
    /// What people call it; may be empty.
    pub title: String,
    /// Where it stands; absent where files were asked about, that say nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The ids of the tasks that come first.
    pub depends: Vec<String>,
    /// Whether it runs too when these fail.
    pub always: bool,
}

//! One task, whatever kind of file it came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids;

/// What a task's slot starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The pool's base branch.
    #[default]
    Pool,
    /// A branch, tag, ref or commit.
    Ref(Arc<str>),
    /// The merged branches of its dependencies.
    Deps,
}

/// After which ends of its dependencies a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All are done.
    #[default]
    Success,
    /// All have come to an end, whichever.
    Always,
}

/// What the file says has become of the task before this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// It is to be run.
    #[default]
    Open,
    /// It is done: its dependents may run.
    Done,
    /// It failed, and is not run again unless somebody says `retry`.
    Failed,
}

/// One task with everything that defaults have added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, unique in the run; anything printable.
    pub id: Arc<str>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub title: Box<str>,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub description: Box<str>,
    /// The program and its arguments, with placeholders (`{task_file}`, `{id}` …) still in it.
    pub command: Arc<[String]>,
    /// The repository pool (its name, path or URL) that its slot comes from; without one it has no
    /// slot and runs in the directory of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<Arc<str>>,
    /// The ids of the tasks that come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<Arc<str>>,
    /// Higher goes first.
    #[serde(default)]
    pub priority: i64,
    /// What an agent pool must be able to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<Arc<str>>,
    /// The group among which `fair-share` shares.
    pub share: Arc<str>,
    /// What it needs of the processors, in thousandths of one.
    pub cpu: u32,
    /// What it needs of memory, in bytes; 0: it says nothing.
    #[serde(default)]
    pub memory: u64,
    /// What its slot starts from.
    #[serde(default)]
    pub base: Base,
    /// The branch its commits are made on, if the file reserves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Arc<str>>,
    /// Files that no other running task may have declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Arc<str>>,
    /// After which ends of its dependencies it runs.
    #[serde(default)]
    pub when: When,
    /// How many attempts it has at most.
    pub max_attempts: u32,
    /// How long one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub timeout: Option<Duration>,
    /// After how long without output an attempt counts as hung; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub stall: Option<Duration>,
    /// Variables of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What became of it before.
    #[serde(default)]
    pub initial: Initial,
    /// Which of the run's files it is from.
    #[serde(default)]
    pub file: u32,
    /// What else its file says of it: handed on to the runner as it is.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Task {
    /// One of which nothing is known but its id.
    pub fn bare(id: Arc<str>) -> Self {
        Self {
            id,
            title: Box::default(),
            description: Box::default(),
            command: Arc::default(),
            repo: None,
            depends: Vec::new(),
            priority: 0,
            skill: None,
            share: "".into(),
            cpu: 1000,
            memory: 0,
            base: Base::Pool,
            branch: None,
            files: Vec::new(),
            when: When::Success,
            max_attempts: 1,
            timeout: None,
            stall: None,
            env: BTreeMap::new(),
            initial: Initial::Open,
            file: 0,
            extra: Map::new(),
        }
    }

    /// The branch that its commits are made on.
    pub fn branch_name(&self) -> Cow<'_, str> {
        match &self.branch {
            Some(branch) => Cow::Borrowed(branch),
            None => Cow::Owned(format!("rp/{}", ids::encoded(&self.id))),
        }
    }
}

/// Durations as seconds, in JSON.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_f64(duration.as_secs_f64()),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom))
            .transpose()
    }
}

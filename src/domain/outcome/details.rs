//! What a look into one slot shows, beyond what is recorded of it.

use jiff::Timestamp;
use serde::Serialize;

use super::{Determined, RescueView};

/// What is in a slot, who is in it, and what became of it before.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlotDetails {
    /// The work in it; absent while a command works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub work: Determined<SlotContent>,
    /// What is wrong with its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The processes inside.
    pub processes: Vec<ProcessView>,
    /// The work that was saved from it, oldest first; `null` if git can't tell.
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub rescues: Option<Vec<RescueView>>,
    /// How it was last cleaned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_cleanup: Option<PastCleanup>,
}

/// The work in a slot. What could not be determined is `null`.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SlotContent {
    /// The first line of its commit's message.
    pub commit_subject: Option<String>,
    /// The branch that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// How many commits it has that the base, as last fetched, does not have.
    pub ahead: Option<u64>,
    /// How many the base has that it does not have.
    pub behind: Option<u64>,
    /// How many commits no branch of the remote holds, nor saved work.
    pub unpushed_commits: Option<u64>,
    /// How many commits were made in it and left behind.
    pub left_behind_commits: Option<u64>,
    /// Its paths that differ from its commit.
    pub changes: Option<ChangeCounts>,
    /// What its user is in the middle of: `a rebase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_way: Option<&'static str>,
}

/// Paths, by what has become of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeCounts {
    /// Those that the index has in another way than the commit.
    pub staged: u64,
    /// Those that are in another way than the index has them.
    pub unstaged: u64,
    /// Those that git does not know, nor ignores.
    pub untracked: u64,
    /// Those with conflicts.
    pub conflicts: u64,
}

/// A process inside a slot.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessView {
    /// Its pid.
    pub pid: u32,
    /// Its command line, shortened.
    pub command: String,
    /// Whether it is the one that asks, or one above that: those don't keep the slot from being
    /// released.
    pub is_caller: bool,
}

/// A cleaning that is over.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PastCleanup {
    /// When it ended.
    pub time: Timestamp,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// What was done.
    pub operations: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
}

//! Saved work, as shown.

use jiff::Timestamp;
use serde::Serialize;

use super::{BranchView, Determined};
use crate::domain::rescue::{Amounts, Name, Reason, Record};

/// Work that was saved.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RescueView {
    /// What it is called by: the part of the ref after `refs/repo-pool/rescue/`.
    pub rescue_id: String,
    /// The pool that has it.
    pub repo_name: String,
    /// The slot it comes from.
    pub slot_id: String,
    /// The ref that holds it.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// When it was saved.
    pub created_at: Timestamp,
    /// Until when it is kept; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// HEAD's subject, or what was changed.
    pub subject: String,
    /// Why it was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who held the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The allocation it was made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
    /// The branch that the slot was on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// HEAD's commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// How many commits no remote branch held, those left behind too.
    pub unlanded_commits: u64,
    /// How many of them HEAD no longer reached.
    pub left_behind_commits: u64,
    /// Whether uncommitted changes are in it.
    pub uncommitted_changes: bool,
    /// Paths, by what had become of them.
    pub staged: u64,
    /// Changed and not staged.
    pub unstaged: u64,
    /// Not known to git.
    pub untracked: u64,
    /// With conflicts.
    pub conflicts: u64,
    /// What only saved work holds of it, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub size_bytes: Determined<u64>,
}

impl RescueView {
    /// Shows a record; the size is not looked at.
    pub fn new(name: Name, reference: String, commit: String, record: &Record) -> Self {
        let Amounts {
            commits,
            staged,
            unstaged,
            untracked,
            conflicts,
        } = record.amounts;
        let left_behind = record.left_behind.len() as u64;
        Self {
            rescue_id: name.id,
            repo_name: name.pool,
            slot_id: record.slot_id.clone(),
            reference,
            commit,
            created_at: record.created_at,
            expires_at: record.expires_at,
            subject: record.subject.clone(),
            reason: record.reason,
            owner: record.owner.clone(),
            allocation_id: record.allocation_id.clone(),
            branch: record.branch.clone(),
            head: record.head.clone(),
            unlanded_commits: commits + left_behind,
            left_behind_commits: left_behind,
            uncommitted_changes: record.amounts.has_changes(),
            staged,
            unstaged,
            untracked,
            conflicts,
            size_bytes: None,
        }
    }
}

/// Everything about one piece of saved work.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RescueDetails {
    /// What the list says of it.
    #[serde(flatten)]
    pub rescue: RescueView,
    /// Its commits, newest first; at most a hundred.
    pub commits: Vec<CommitView>,
    /// Its paths that no commit held.
    pub paths: Vec<PathView>,
    /// The command that shows all of it, word by word.
    pub diff_command: Vec<String>,
}

/// A commit, as listed.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommitView {
    /// Its id.
    pub commit: String,
    /// Its subject.
    pub subject: String,
    /// Whether HEAD no longer reached it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
}

/// A path with a change that no commit held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PathView {
    /// The path; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// As `git status --short` says it: the index against HEAD, the file against the index.
    pub status: String,
}

/// Saved work that was brought back.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Restored {
    /// What was brought back; it is still there.
    pub rescue_id: String,
    /// The slot it was brought into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_id: Option<String>,
    /// That slot's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_path: Option<String>,
    /// The branches that were made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<BranchView>,
    /// HEAD's commit in the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Whether HEAD was moved there.
    pub head_moved: bool,
    /// Commits that HEAD had not reached when they were saved, and that are still in the rescue only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// Submodules that had been at another commit; they are not filled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub submodules: Vec<String>,
}

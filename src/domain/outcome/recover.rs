//! What `recover` answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that `recover` found.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recovered {
    /// The findings, one by one.
    pub findings: Vec<Finding>,
    /// How many there are of which kind.
    pub summary: RecoverSummary,
}

/// How many findings came to what.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecoverSummary {
    /// All findings.
    pub found: u64,
    /// Those that were put right.
    pub repaired: u64,
    /// Those that would be.
    pub planned: u64,
    /// Those that are left to a person.
    pub reported: u64,
    /// Those that could not be put right.
    pub failed: u64,
}

impl From<Vec<Finding>> for Recovered {
    fn from(findings: Vec<Finding>) -> Self {
        let count = |result| findings.iter().filter(|one| one.result == result).count() as u64;
        let summary = RecoverSummary {
            found: findings.len() as u64,
            repaired: count(FindingResult::Done),
            planned: count(FindingResult::Planned),
            reported: count(FindingResult::Reported),
            failed: count(FindingResult::Failed),
        };
        Self { findings, summary }
    }
}

/// What `recover` found, and what became of it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The slot it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_id: Option<String>,
    /// The pool it concerns.
    pub repo_name: String,
    /// What is done about it.
    pub action: FindingAction,
    /// What became of that.
    pub result: FindingResult,
    /// The particulars, for people.
    pub detail: String,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A command was killed and left its operation in the journal.
    UnfinishedOperation,
    /// A slot's directory is gone.
    MissingDirectory,
    /// A slot's `.git`, HEAD or index is damaged.
    DamagedSlot,
    /// The holder of a slot is provably gone.
    DeadOwner,
    /// The lease of a slot's holder ran out.
    ExpiredLease,
    /// A slot has been held for longer than `stale_after`.
    StaleAllocation,
    /// A slot is out of use.
    IsolatedSlot,
    /// A lock file of git's that nobody holds.
    StaleGitLock,
    /// A temporary file or directory of a killed command, or what a killed dispatcher's tasks left running.
    Leftover,
    /// A lock file of a slot that is no more.
    OrphanedLock,
    /// A slot whose registration in git is gone.
    LostRegistration,
    /// A registration in git that is not the pool's.
    ForeignRegistration,
    /// A directory among the slots that is none.
    ForeignDirectory,
    /// A pool's record that can't be read.
    UnreadableRecord,
    /// What all slots share is not as the pool made it.
    ChangedConfig,
    /// Objects of the pool's repository that are missing or damaged.
    CorruptObjects,
    /// Directories that are gone as if their disk were not mounted.
    Unmounted,
}

impl FindingKind {
    /// The kind with this published name.
    pub fn from_name(name: &str) -> Option<Self> {
        serde_json::from_value(Value::String(name.to_owned())).ok()
    }
}

/// What is done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingAction {
    /// Carry a killed operation to its end.
    Complete,
    /// Take a killed operation back.
    Undo,
    /// Make the slot anew.
    Rebuild,
    /// Put one thing right.
    Repair,
    /// Give the slot back, its work saved.
    Release,
    /// Tell a person.
    Report,
    /// Take the slot out of use.
    Isolate,
    /// Delete or end a leftover.
    Remove,
    /// Bring an isolated slot back.
    Restore,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingResult {
    /// Done.
    Done,
    /// It would be done (`--dry-run`).
    Planned,
    /// Left to a person.
    Reported,
    /// It was tried and failed.
    Failed,
}

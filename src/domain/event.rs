//! What happened to a pool, one line of its history each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The pool was made.
    Created,
    /// A slot was made.
    SlotAdded,
    /// A slot was removed.
    SlotRemoved,
    /// A slot was handed out.
    Allocated,
    /// A request ended without a slot.
    AllocationFailed,
    /// A slot was given back.
    Released,
    /// A slot that was to be given back in the background is its holder's again.
    ReleaseFailed,
    /// A slot was cleaned (3.5): operations, duration, errors.
    Cleaned,
    /// Work was saved under a ref.
    Rescued,
    /// Saved work was brought back.
    RescueRestored,
    /// Saved work was dropped by the user; the commit can be found until the next gc.
    RescueDropped,
    /// Saved work was kept as long as was promised, and dropped.
    RescueExpired,
    /// Work was given up by the user.
    Discarded,
    /// An operator's force went past a live holder.
    Forced,
    /// A slot is taken back from a holder that is gone, whose lease ran out, or that is stale.
    Reclaimed,
    /// Something damaged or unfinished was put right.
    Repaired,
    /// An idle slot was made ready ahead of use.
    Warmed,
    /// A slot was taken out of use.
    Isolated,
    /// The remote was looked at and had something new.
    Fetched,
}

/// One line of a pool's history. What does not apply is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// The format's number.
    #[cfg_attr(test, schemars(extend("const" = 1)))]
    pub schema: u32,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The pool.
    pub repo_name: String,
    /// The slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_id: Option<String>,
    /// The allocation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
    /// The holder's label or command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The commit concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch or ref concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The caller's notes at allocation.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Event {
    /// An event of `kind` with nothing else said yet.
    pub fn new(kind: EventKind, repo_name: impl ToString, time: Timestamp) -> Self {
        Self {
            schema: super::pool::SCHEMA,
            time,
            kind,
            repo_name: repo_name.to_string(),
            slot_id: None,
            allocation_id: None,
            owner: None,
            commit: None,
            reference: None,
            duration_seconds: None,
            operations: Vec::new(),
            errors: Vec::new(),
            detail: None,
            metadata: Map::new(),
        }
    }

    /// Names the slot.
    #[must_use]
    pub fn slot(mut self, id: impl ToString) -> Self {
        self.slot_id = Some(id.to_string());
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }
}

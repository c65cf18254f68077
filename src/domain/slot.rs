//! A slot's record and its state machine.
//!
//! The four states are the whole truth about who may touch a slot; `operation` is the journal:
//! while a command works on a slot, the record says which one, so that whoever finds the slot's
//! lock free can complete or undo it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lease::Allocation;
use super::metrics::Measured;
use super::process::ProcessStamp;

/// What may be done with a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    /// Ready to be handed out; never has an operation under way.
    Available,
    /// Held by somebody.
    Allocated,
    /// A command is making, preparing, resetting or removing it.
    Cleaning,
    /// Out of use, with a reason, until a person or `recover` brings it back.
    Error,
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Allocated => "allocated",
            Self::Cleaning => "cleaning",
            Self::Error => "error",
        })
    }
}

/// What a command is doing to a slot or pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// The pool is being made.
    Create,
    /// The slot is being made; undone by removing it.
    Add,
    /// The slot is being prepared for a caller; undone by giving it back.
    Allocate,
    /// The slot is being given back; completed forward.
    Release,
    /// The slot is being removed; completed forward.
    Remove,
    /// The slot is being repaired; undone by leaving it to the next repair.
    Repair,
    /// The idle slot is being made ready ahead of use; undone by leaving it to the next look.
    Warm,
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Add => "add-slot",
            Self::Allocate => "allocate",
            Self::Release => "release",
            Self::Remove => "remove",
            Self::Repair => "repair",
            Self::Warm => "warm",
        })
    }
}

/// An operation under way: the journal entry. It lives exactly as long as its slot's lock is held;
/// `process` is for messages only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Random; a command saves its result only while its own operation still stands.
    pub id: String,
    /// Which verb.
    pub kind: OperationKind,
    /// When it began.
    pub started_at: Timestamp,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessStamp>,
    /// Allocate only: the branch that was asked for by name, so that nobody else takes it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Allocate only: the key that the slot will be held under, so that nobody else gets another for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The state to go back to if the operation refuses to do its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// How often it was tried and ran out of time or failed.
    #[serde(default)]
    pub attempts: u32,
    /// Release only: leave the tree as it is, for the next allocation to clean.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_cleanup: bool,
    /// Release only: the caller's own shell stands in the slot, which so stays where it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_place: bool,
    /// Release only: the user gave the work up, so nothing is saved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discard: bool,
    /// Release only: the slot is taken back from a holder that is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reclaim: bool,
    /// Release only: its holder has left for good, so that nobody can take the slot back. While a
    /// process is inside, it waits for that to leave; the record's `error` says which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasting: bool,
    /// Release only, and only by the command that was asked to: whoever is found inside is ended.
    #[serde(skip)]
    pub kill: bool,
}

/// What a slot was before an operation began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its state.
    pub state: SlotState,
    /// Why it was out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The mark it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// What a slot looked like when it was parked and seen clean there: a digest of a few facts that any
/// change by git or by hand would alter. While it still looks like that it is *verified*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub String);

/// Everything recorded about a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// Its number, from 1.
    pub number: u32,
    /// Its state.
    pub state: SlotState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this record last changed.
    pub updated_at: Timestamp,
    /// When it was last handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_allocated_at: Option<Timestamp>,
    /// When it was last given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_released_at: Option<Timestamp>,
    /// How often it was handed out.
    pub allocation_count: u64,
    /// For how long it was in use, over all ended allocations.
    pub total_usage_seconds: f64,
    /// Idle slots: what it looked like when it was seen clean, parked, with nobody inside; absent if
    /// it is to be looked at before it is handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// The commit that HEAD was last brought to (an object id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Why it is in `error`, or what its release waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<Allocation>,
    /// What is being done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
}

impl SlotRecord {
    /// A slot that is about to be made by `operation`.
    pub fn reserved(number: u32, operation: Operation, now: Timestamp) -> Self {
        Self {
            number,
            state: SlotState::Cleaning,
            created_at: now,
            updated_at: now,
            last_allocated_at: None,
            last_released_at: None,
            allocation_count: 0,
            total_usage_seconds: 0.0,
            mark: None,
            commit: None,
            error: None,
            allocation: None,
            operation: Some(operation),
        }
    }

    /// Begins an operation. An allocation that is being released stays recorded until the end, so
    /// that a killed release can be completed.
    pub fn begin(&mut self, mut operation: Operation, now: Timestamp) {
        // A slot that is being made has no state to go back to.
        if self.operation.is_none() {
            operation.before = Some(Before {
                state: self.state,
                error: self.error.take(),
                mark: self.mark.take(),
            });
        }
        self.state = SlotState::Cleaning;
        self.operation = Some(operation);
        self.error = None;
        self.updated_at = now;
    }

    /// What is still to be waited for before its release can be finished.
    pub fn waits_for(&self) -> Option<&str> {
        let lasting = self.operation.as_ref().is_some_and(|op| op.lasting);
        self.error.as_deref().filter(|_| lasting)
    }

    /// Whether `operation_id` is still the one under way.
    pub fn runs(&self, operation_id: &str) -> bool {
        self.operation
            .as_ref()
            .is_some_and(|op| op.id == operation_id)
    }

    /// The operation refused to do its work: everything is as it was before.
    pub fn go_back(&mut self, now: Timestamp) {
        let before = self.operation.take().and_then(|operation| operation.before);
        let Some(before) = before else { return };
        self.state = before.state;
        self.error = before.error;
        self.mark = before.mark;
        self.updated_at = now;
    }

    /// The operation ended with the slot handed out.
    pub fn hand_out(&mut self, allocation: Allocation, commit: String, now: Timestamp) {
        self.state = SlotState::Allocated;
        self.operation = None;
        self.mark = None;
        self.commit = Some(commit);
        self.last_allocated_at = Some(now);
        self.allocation_count += 1;
        self.allocation = Some(allocation);
        self.updated_at = now;
    }

    /// The key that it is held under, or will be.
    pub fn key(&self) -> Option<&str> {
        let of_operation = self.operation.as_ref().and_then(|op| op.key.as_deref());
        let held = self.allocation.as_ref();
        of_operation.or_else(|| held?.key.as_deref())
    }

    /// Whether it was seen clean where nobody can reach it.
    pub fn is_verified(&self) -> bool {
        self.mark.is_some()
    }

    /// The operation ended with the slot idle; an allocation it had is over.
    pub fn make_available(&mut self, mark: Option<Mark>, commit: Option<String>, now: Timestamp) {
        self.end_allocation(now);
        self.state = SlotState::Available;
        self.operation = None;
        self.error = None;
        self.mark = mark;
        if commit.is_some() {
            self.commit = commit;
        }
        self.updated_at = now;
    }

    /// Takes the slot out of use; an allocation it had is over.
    pub fn put_out_of_use(&mut self, reason: impl Into<String>, now: Timestamp) {
        self.end_allocation(now);
        self.state = SlotState::Error;
        self.operation = None;
        self.mark = None;
        self.error = Some(reason.into());
        self.updated_at = now;
    }

    /// Since when somebody else may have written in the slot: since it was handed out, or since it was
    /// cleaned.
    pub fn written_since(&self) -> Option<Timestamp> {
        match self.allocation.is_some() || self.commit.is_none() {
            true => self.last_allocated_at,
            false => self.last_released_at,
        }
    }

    /// An allocation that was never handed to its caller leaves no trace in the counts. Gives what
    /// it added to the pool's.
    pub fn take_back(&mut self, previous: Option<Timestamp>, now: Timestamp) -> Option<Measured> {
        self.last_allocated_at = previous;
        self.allocation_count = self.allocation_count.saturating_sub(1);
        self.updated_at = now;
        self.allocation.take()?.measured
    }

    fn end_allocation(&mut self, now: Timestamp) {
        if let Some(allocation) = self.allocation.take() {
            let seconds = now.duration_since(allocation.allocated_at).as_secs_f64();
            self.total_usage_seconds += seconds.max(0.0);
            self.last_released_at = Some(now);
        }
    }
}

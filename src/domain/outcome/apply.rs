//! What `apply` answers.

use serde::Serialize;

use super::RescueView;
use crate::domain::SlotId;
use crate::domain::apply::{Planned, Step};

/// What was done to bring the pools to what is declared, or would be.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppliedView {
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// The steps, one by one.
    pub steps: Vec<StepView>,
    /// How many steps came to what.
    pub summary: ApplySummary,
}

/// How many steps came to what.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApplySummary {
    /// Steps that were done.
    pub done: u64,
    /// Steps that could not be done.
    pub failed: u64,
    /// Steps that would be done.
    pub planned: u64,
    /// Steps that were refused.
    pub refused: u64,
    /// Where there was nothing to do.
    pub unchanged: u64,
}

impl AppliedView {
    /// The steps with their counts.
    pub fn new(dry_run: bool, steps: Vec<StepView>) -> Self {
        let count = |result| steps.iter().filter(|step| step.result == result).count() as u64;
        let summary = ApplySummary {
            done: count(StepResult::Done),
            failed: count(StepResult::Failed),
            planned: count(StepResult::Planned),
            refused: count(StepResult::Refused),
            unchanged: count(StepResult::Unchanged),
        };
        Self {
            dry_run,
            steps,
            summary,
        }
    }
}

/// A step, and what became of it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepView {
    /// The pool it is about.
    pub repo_name: String,
    /// The slot, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_id: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub step: Step,
    /// What became of it.
    pub result: StepResult,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The work that was found in a removed slot and saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueView>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// There was nothing to do.
    Unchanged,
    /// It would be done.
    Planned,
    /// It was done.
    Done,
    /// It was refused, to protect work or a holder.
    Refused,
    /// It could not be done.
    Failed,
}

impl StepView {
    /// A step as it is planned.
    pub fn planned(planned: &Planned) -> Self {
        let slot = planned.step.slot();
        Self {
            repo_name: planned.name.to_string(),
            slot_id: slot.map(|number| SlotId::new(&planned.name, number).to_string()),
            result: match &planned.step {
                step if step.changes() => StepResult::Planned,
                Step::KeepSlot { .. } | Step::KeepPool { .. } => StepResult::Refused,
                Step::Unusable { .. } => StepResult::Failed,
                _ => StepResult::Unchanged,
            },
            step: planned.step.clone(),
            error: None,
            rescue: None,
        }
    }
}

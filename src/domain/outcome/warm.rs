//! What `warm` answers.

use serde::Serialize;

use super::RescueView;

/// A pool whose idle slots were to be made ready.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WarmedPool {
    /// Its name.
    pub repo_name: String,
    /// The commit that its idle slots are at now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_commit: Option<String>,
    /// What became of its idle slots.
    pub slots: Vec<WarmedSlot>,
    /// Why nothing was done, if nothing could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl WarmedPool {
    /// How many slots it came to that with.
    pub fn count(&self, result: WarmResult) -> usize {
        let slots = self.slots.iter();
        slots.filter(|slot| slot.result == result).count()
    }
}

/// A slot that was to be made ready.
#[derive(Debug, Clone, Serialize)]
pub struct WarmedSlot {
    /// Its id.
    pub slot_id: String,
    /// What became of it.
    pub result: WarmResult,
    /// What was done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// How long it took, where something was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// The work that was found in it and saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<RescueView>,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of a slot that was to be made ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmResult {
    /// It was brought to the base and verified.
    Warmed,
    /// It was there already.
    AlreadyWarm,
    /// It is somebody's, or a process is inside.
    PassedOver,
    /// It could not be made ready.
    Failed,
}

//! What `warm` answers.

use serde::Serialize;

use super::RescueView;

/// What became of all pools.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warmed {
    /// The pools, one by one.
    pub pools: Vec<WarmedPool>,
    /// How many slots and pools came to what.
    pub summary: WarmSummary,
}

/// How many slots and pools came to what.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WarmSummary {
    /// Slots that were made ready.
    pub warmed: u64,
    /// Slots that were ready before.
    pub already_warm: u64,
    /// Slots that are somebody's.
    pub passed_over: u64,
    /// Slots that could not be made ready.
    pub failed: u64,
    /// Pools with which nothing could be done.
    pub failed_pools: u64,
}

impl From<Vec<WarmedPool>> for Warmed {
    fn from(pools: Vec<WarmedPool>) -> Self {
        let count = |result| pools.iter().map(|pool| pool.count(result) as u64).sum();
        let summary = WarmSummary {
            warmed: count(WarmResult::Warmed),
            already_warm: count(WarmResult::AlreadyWarm),
            passed_over: count(WarmResult::PassedOver),
            failed: count(WarmResult::Failed),
            failed_pools: pools.iter().filter(|pool| pool.error.is_some()).count() as u64,
        };
        Self { pools, summary }
    }
}

/// A pool whose idle slots were to be made ready.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

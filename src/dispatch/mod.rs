//! A queue of tasks, each run in a slot of its own, by a foreground command that can be killed and
//! started again at any point.
//!
//! | part | owns |
//! |---|---|
//! | [`files`] | task files, as tasks or as everything that is wrong with them |
//! | [`engine`] | the loop that hears, records, and lets begin |
//! | [`run`] | a run on disk: its directory, lock, tasks, events, wishes |
//! | [`attempt`] | one attempt: its slot, its runner, the return of the slot |
//! | [`registry`] | states and events, written back to the files of a registry |
//! | [`launcher`] | the seam to what runs runners |
//! | [`metrics`] | the figures of a run, for Prometheus |
//! | [`local`] | runners as processes of this machine |
//!
//! The decisions (graph, order, limits, what an end means) are in [`crate::domain::dispatch`].

pub mod attempt;
pub mod engine;
pub mod files;
pub mod launcher;
pub mod local;
pub mod metrics;
pub mod registry;
pub mod run;

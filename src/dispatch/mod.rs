//! A queue of tasks, each run in a slot of its own, by a foreground command that can be killed and
//! started again at any point.
//!
//! | part | owns |
//! |---|---|
//! | [`files`] | task files, as tasks or as everything that is wrong with them |
//! | [`run`] | a run on disk: its directory, lock, tasks, events, wishes |
//! | [`attempt`] | one attempt: its slot, its runner, the return of the slot |
//! | [`launcher`] | the seam to what runs runners |
//! | [`metrics`] | the figures of a run, for Prometheus |
//!
//! The decisions (graph, order, limits, what an end means) are in [`crate::domain::dispatch`].

pub mod attempt;
pub mod files;
pub mod launcher;
pub mod metrics;
pub mod run;

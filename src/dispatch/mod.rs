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
//! | [`launchers`] | which of them an agent pool has |
//! | [`docker`] | runners in containers |
//! | [`driven`] | runners of other engines, each driven by a process of this machine |
//! | [`exec`] | those that a person's own commands drive |
//! | [`metrics`] | the figures of a run, for Prometheus |
//! | [`local`] | runners as processes of this machine |
//! | [`kubernetes`] | runners as Jobs of a cluster |
//!
//! The decisions (graph, order, limits, what an end means) are in [`crate::domain::dispatch`].

pub mod attempt;
pub mod docker;
pub mod driven;
pub mod engine;
pub mod exec;
pub mod files;
pub mod kubernetes;
pub mod launcher;
pub mod launchers;
pub mod local;
pub mod metrics;
pub mod registry;
pub mod run;

//! Pools of ready git checkouts.
//!
//! # The layers
//!
//! Arrows point downwards only; a test (`tests/it/layers.rs`) holds every `use crate::…` against
//! this table.
//!
//! | layer | owns | may use |
//! |---|---|---|
//! | [`commands`] | one file per verb: load, plan, act, report; wiring only | all below |
//! | [`report`] | tables, JSON, progress, the only writer of stdout and stderr | config, sys |
//! | [`dispatch`] | tasks, runs, launchers, the engine that runs a queue | pool, config, git, store, sys |
//! | [`recover`] | observe, reconcile (pure), repair | pool, config, git, store, sys |
//! | [`pool`] | the operations: provision, acquire, release, retire, fetch, clean | config, git, store, sys |
//! | [`config`] | `pools.toml` and the effective settings with the origin of each | sys |
//! | [`git`] | everything that knows git | sys |
//! | [`store`] | workspace layout, locks, atomic JSON, event log | sys |
//! | [`sys`] | child processes, clock, signals, liveness, file system | – |
//! | [`domain`] | pure decisions and data: no file system, process or clock | – |
//! | [`cli`] | the command line's grammar; knows nothing of the crate | – |
//!
//! [`domain`] is imported by all and imports none of them.

pub mod cli;
pub mod commands;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod git;
pub mod pool;
pub mod recover;
pub mod report;
pub mod store;
pub mod sys;

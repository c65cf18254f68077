//! The integration tests: the real binary against real git, seen from outside only.
//!
//! Every test has a [`support::World`] of its own and runs beside the others. Names are sentences;
//! the numbers in the doc comments are those of the requirements.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes, read clocks and write files themselves; the rule is the product's"
)]

mod support;

mod allocate;
mod allocate_fetch;
mod allocate_ref;
mod config;
mod contract;
mod create;
mod exec;
mod generated;
mod hostile;
mod layers;
mod locks;
mod ownership;
mod recover;
mod recover_kill;
mod recover_record;
mod release;
mod release_rights;
mod remotes;
mod requests;
mod saved_work;
mod scale;
mod settings;
mod slots;
mod status;
mod submodules;
mod views;

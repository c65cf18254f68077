//! The integration tests: the real binary against real git, seen from outside only.
//!
//! Every test has a [`support::World`] of its own and runs beside the others. Names are sentences;
//! the numbers in the doc comments are those of the requirements.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes, read clocks and write files themselves; the rule is the product's"
)]

mod dispatch_files;
mod dispatch_registry;
mod support;

mod allocate;
mod allocate_fetch;
mod allocate_ref;
mod apply;
#[cfg(debug_assertions)]
mod apply_killed;
mod apply_watch;
mod available;
#[cfg(debug_assertions)]
mod background;
mod clones;
mod cluster;
mod completion;
mod config;
mod contract;
mod copies;
mod crash_git;
#[cfg(debug_assertions)]
mod crash_points;
mod create;
mod crowd;
mod deadlines;
mod dispatch_branches;
mod dispatch_campaign;
mod dispatch_docker;
mod dispatch_exec;
mod dispatch_failures;
mod dispatch_join;
mod dispatch_kubernetes;
mod dispatch_local;
mod dispatch_person;
mod dispatch_promises;
mod dispatch_repository;
mod dispatch_resume;
mod dispatch_run;
mod dispatch_slots;
mod dispatch_views;
mod environment;
mod exec;
mod exec_left;
mod exec_signals;
mod exec_terminal;
mod fast;
mod faults;
mod follow;
mod generated;
mod hook;
mod hostile;
mod hostile_config;
mod hostile_content;
mod hostile_files;
mod hostile_names;
mod import;
mod jobs;
mod keep;
mod keys;
mod kill_loop;
mod layers;
mod lease;
mod lfs;
mod line_ends;
mod locks;
mod metrics;
mod model;
mod offline;
mod ownership;
mod parking;
mod partial;
mod recipes;
mod recover;
mod recover_config;
mod recover_damage;
mod recover_fetch;
mod recover_kill;
mod recover_objects;
mod recover_record;
mod release;
mod release_rights;
mod remotes;
mod requests;
mod rescue;
mod rescue_exact;
mod rescue_gc;
mod rescue_random;
mod saved_work;
mod scale;
mod schemas;
mod session;
mod settings;
mod setup;
mod shell_init;
mod slot_view;
mod slots;
mod sparse;
mod status;
mod submodules;
mod submodules_filled;
#[cfg(debug_assertions)]
mod trash;
mod views;
mod wait;
mod wait_notice;
mod warm;
mod watch;

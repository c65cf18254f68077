//! Effects on the operating system, each in one place: child processes, clock, signals, liveness
//! of processes, files, locks, the terminal.
//!
//! Nothing here knows git, pools or the layout of a workspace. Functions take paths and limits and
//! return values; what a failure means is the caller's to say.

pub mod cgroup;
pub mod clock;
pub mod companion;
pub mod crash;
pub mod descendants;
pub mod detached;
pub mod disk;
pub mod ears;
pub mod family;
pub mod foreground;
pub mod fs;
pub mod growth;
pub mod heirs;
pub mod inside;
pub mod limits;
pub mod liveness;
pub mod lock;
pub mod looking;
pub mod mounts;
pub mod notice;
pub mod odd;
pub mod ownership;
pub mod process;
pub mod remove;
pub mod seen;
pub mod signals;
pub mod starting;
pub mod stdin;
pub mod threads;
pub mod transcript;
pub mod trash;
pub mod user;
pub mod watch;

mod group;
mod proc_locks;
mod procfs;
mod wait;

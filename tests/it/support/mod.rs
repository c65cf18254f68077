//! The harness: a hermetic world per test, the real binary, real git, helpers that end with it.

mod args;
mod call;
mod fixture;
mod helper;
mod inspect;
mod out;
mod servers;
mod world;

pub use args::Args;
pub use call::Call;
pub use fixture::{PULL_REF, Remote, SPACED_FILE, odd_file};
pub use helper::{Helper, alive, kill, kill_on_drop, until};
pub use inspect::{files_containing, snapshot, tree};
pub use out::Out;
pub use servers::{AuthServer, SilentServer};
pub use world::World;

/// Whether the tests run as root, whom file permissions do not stop.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

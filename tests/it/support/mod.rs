//! The harness: a hermetic world per test, the real binary, real git, helpers that end with it.

mod args;
mod call;
mod detached;
mod fixture;
mod furnished;
mod helper;
mod inspect;
mod invariants;
mod line;
mod mount;
mod out;
mod piped;
mod queue;
mod random;
mod scene;
pub mod schemas;
mod servers;
mod stand;
mod terminal;
mod trap;
mod typist;
pub mod verbs;
mod work;
mod world;

pub use args::Args;
pub use call::{Call, Running};
pub use detached::Detached;
pub use fixture::{PULL_REF, Remote, SPACED_FILE, odd_file};
pub use helper::{Helper, alive, in_time, kill, kill_on_drop, until};
pub use inspect::{files_containing, snapshot, tree};
pub use invariants::{Findings, Invariants, Kind, await_quiet};
pub use mount::Mount;
pub use out::Out;
pub use piped::Piped;
pub use queue::Queue;
pub use random::Random;
pub use scene::{DOCUMENTED, Scene, Verb, program};
pub use servers::{AuthServer, SilentServer};
pub use stand::Stand;
pub use terminal::{Terminal, at_terminal};
pub use trap::Traps;
pub use typist::Typist;
pub use work::Work;
pub use world::{World, over_clones};

/// Whether the tests run as root, whom file permissions do not stop.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Prints a line: figures, and what repeats a random test. Shown with a failing test, or by
/// `--nocapture`.
#[expect(clippy::print_stdout, reason = "what a test tells its reader")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Whether every crash is to be tried, each with all that can follow it.
pub fn all_crashes() -> bool {
    std::env::var("REPO_POOL_TEST_CRASHES").is_ok_and(|value| value == "all")
}

/// The numbers, from 1 on, of the places at which a verb is to crash: all, or every `nth` from one on
/// that the printed seed chooses; `REPO_POOL_TEST_THIN=N` tries only one of N of these.
pub fn crash_places(nth: u32) -> impl Iterator<Item = u32> {
    let thin = std::env::var("REPO_POOL_TEST_THIN").ok();
    let nth = nth * thin.and_then(|thin| thin.parse().ok()).unwrap_or(1).max(1);
    match all_crashes() {
        true => (1..).step_by(1),
        false => (1 + Random::new().below(u64::from(nth)) as u32..).step_by(nth as usize),
    }
}

/// Whether there is a program of that name.
pub fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

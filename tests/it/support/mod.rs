//! The harness: a hermetic world per test, the real binary, real git, helpers that end with it.

mod args;
mod call;
pub mod cluster;
mod detached;
mod docker;
mod fixture;
mod furnished;
mod held_lock;
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
pub use docker::{Docker, IMAGE};
pub use fixture::{PULL_REF, Remote, SPACED_FILE, odd_file};
pub use held_lock::HeldLock;
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
/// that the printed seed chooses; `REPO_POOL_TEST_THIN=N` tries only one of N of these. Each [`Part`]
/// begins with another one, within the first ones as always, and leaves as many out as there are parts.
pub fn crash_places(nth: u32) -> impl Iterator<Item = u32> {
    let thin = std::env::var("REPO_POOL_TEST_THIN").ok();
    let nth = nth * thin.and_then(|thin| thin.parse().ok()).unwrap_or(1).max(1);
    let part = Part::own();
    if all_crashes() {
        return (1 + part.number..).step_by(part.of as usize);
    }
    let chosen = Random::new().below(u64::from(nth)) as u32;
    let first = (chosen + part.number * nth / part.of) % nth;
    (1 + first..).step_by((nth * part.of) as usize)
}

/// Which of the runs this is that share what campaigns try: none does what another one does.
/// `REPO_POOL_TEST_PART=1/2` is the first of two; usually one does it all.
#[derive(Clone, Copy)]
pub struct Part {
    /// Counted from 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Part {
    /// This run's.
    pub fn own() -> Self {
        let Ok(given) = std::env::var("REPO_POOL_TEST_PART") else {
            return Self { number: 0, of: 1 };
        };
        let parsed = given.split_once('/').and_then(|(number, of)| {
            let (number, of): (u32, u32) = (number.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&number).then_some(Self {
                number: number - 1,
                of,
            })
        });
        parsed.unwrap_or_else(|| panic!("REPO_POOL_TEST_PART is 1/2 or 2/2, not {given:?}"))
    }

    /// Its share of so many tries.
    pub fn share(self, tries: u64) -> u64 {
        tries.div_ceil(u64::from(self.of))
    }

    /// Whether the try of this number is its own.
    pub fn has(self, number: usize) -> bool {
        number % self.of as usize == self.number as usize
    }

    /// The random choices that are its own.
    pub fn random(self) -> Random {
        match self.number {
            0 => Random::new(),
            other => Random::new().branch(1 << 32 | u64::from(other)),
        }
    }
}

/// Whether there is a program of that name.
pub fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

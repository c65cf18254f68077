//! Small pseudo-random numbers, and the settings of a run.

use crate::support::Part;
use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers that follows from its seed (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The seed that was given, or one from the clock; it is shown with a failing test.
#[expect(
    clippy::print_stdout,
    reason = "shown with a failing test, so that it can be repeated"
)]
pub fn seed(test: &str) -> u64 {
    let clock = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.expect("a time").as_nanos() as u64 % 1_000_000_007
    };
    let given = number("REPO_POOL_TEST_SEED");
    let own = u64::from(Part::own().number) << 32;
    let seed = given.unwrap_or_else(clock).wrapping_add(own);
    println!("{test}: repeat it with REPO_POOL_TEST_SEED={seed}");
    seed
}

/// How many steps to take: as many as the environment says, else this run's part of `usually`.
pub fn steps(usually: u64) -> u64 {
    let own = || Part::own().share(usually);
    number("REPO_POOL_TEST_STEPS").unwrap_or_else(own)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

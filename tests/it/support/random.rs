//! Random choices that can be repeated.

use super::say;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Small pseudo-random numbers (xorshift). The seed is printed; `REPO_POOL_TEST_SEED` sets it.
pub struct Random(u64);

impl Random {
    /// Begins with a seed of its own, or with the one that was set.
    pub fn new() -> Self {
        let clock = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("a time")
                .as_nanos() as u64
        };
        let given = std::env::var("REPO_POOL_TEST_SEED")
            .ok()
            .and_then(|s| s.parse().ok());
        let seed = given.unwrap_or_else(clock) | 1;
        say(&format!("REPO_POOL_TEST_SEED={seed}"));
        Self(seed)
    }

    /// Another row of numbers that depends on the same seed.
    pub fn branch(&self, number: u64) -> Self {
        let mut other = Self(self.0 ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        other.next();
        other
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A time up to `longest`.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.next() as f64 / (1u64 << 53) as f64)
    }
}

//! How allocations went, kept in the pool's own document so that they cost no write of their own.
//!
//! Times go into a histogram of fixed, logarithmic buckets: a percentile read from it is at most
//! a fifth too high.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets per factor of two.
const STEPS: f64 = 4.0;

/// Counts over a pool's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Successful allocations.
    #[serde(default)]
    pub allocations: u64,
    /// Allocations that found a verified slot at the wanted commit.
    #[serde(default)]
    pub hits: u64,
    /// Requests that ended without a slot.
    #[serde(default)]
    pub failed: u64,
    /// The time of all successful allocations together, in seconds.
    #[serde(default)]
    pub total_seconds: f64,
    /// The longest allocation, in seconds.
    #[serde(default)]
    pub longest_seconds: f64,
    /// Allocations per bucket; bucket n holds times up to 2^(n/4) microseconds.
    #[serde(default)]
    pub histogram: BTreeMap<u16, u64>,
}

impl Metrics {
    /// Records a successful allocation.
    pub fn record(&mut self, took: Duration, hit: bool) {
        self.allocations += 1;
        self.hits += u64::from(hit);
        self.total_seconds += took.as_secs_f64();
        self.longest_seconds = self.longest_seconds.max(took.as_secs_f64());
        *self.histogram.entry(bucket(took)).or_default() += 1;
    }

    /// Takes back what [`Metrics::record`] recorded: the allocation failed after all.
    pub fn take_back(&mut self, took: Duration, hit: bool) {
        self.allocations = self.allocations.saturating_sub(1);
        self.hits = self.hits.saturating_sub(u64::from(hit));
        self.total_seconds = (self.total_seconds - took.as_secs_f64()).max(0.0);
        if let Some(count) = self.histogram.get_mut(&bucket(took)) {
            *count = count.saturating_sub(1);
        }
        self.failed += 1;
    }

    /// The mean time in seconds; absent before the first allocation.
    pub fn average_seconds(&self) -> Option<f64> {
        (self.allocations > 0).then(|| self.total_seconds / self.allocations as f64)
    }

    /// The share of allocations that were hits; absent before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        (self.allocations > 0).then(|| self.hits as f64 / self.allocations as f64)
    }

    /// The time in seconds that `share` (0 to 1) of the allocations did not exceed.
    pub fn percentile_seconds(&self, share: f64) -> Option<f64> {
        let total: u64 = self.histogram.values().sum();
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.histogram.iter().find_map(|(bucket, count)| {
            seen += count;
            let most = 2f64.powf(f64::from(*bucket) / STEPS) / 1e6;
            (seen >= rank).then_some(most.min(self.longest_seconds))
        })
    }
}

fn bucket(took: Duration) -> u16 {
    let micros = (took.as_secs_f64() * 1e6).max(1.0);
    (micros.log2() * STEPS).ceil() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_a_fifth_too_high() {
        let mut metrics = Metrics::default();
        for ms in 1..=100 {
            metrics.record(Duration::from_millis(ms), ms % 2 == 0);
        }
        for (share, ms) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = metrics.percentile_seconds(share).unwrap() * 1000.0;
            assert!(found >= ms - 0.001 && found <= ms * 1.2, "{share}: {found}");
        }
        assert_eq!(metrics.hit_rate(), Some(0.5));
        assert!((metrics.average_seconds().unwrap() - 0.0505).abs() < 1e-9);
        assert_eq!(Metrics::default().percentile_seconds(0.5), None);
    }
}

//! How the work of a pool went, kept in the pool's own document so that it costs no write of its own.
//!
//! Times go into a histogram of fixed, logarithmic buckets: a percentile read from it is at most
//! a fifth too high.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind};

/// Buckets per factor of two.
const STEPS: u16 = 4;

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
    /// How the times of allocations spread.
    #[serde(default)]
    pub histogram: Histogram,
    /// Looks at the remote, those included that found nothing new.
    #[serde(default)]
    pub fetches: Runs,
    /// Cleanings at release.
    #[serde(default)]
    pub cleanups: Runs,
    /// Pieces of work that were saved.
    #[serde(default)]
    pub rescues: u64,
}

/// What an allocation added to the metrics, so that it can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether it found a verified slot at the wanted commit.
    pub hit: bool,
}

impl Measured {
    /// An allocation that took so long.
    pub fn new(took: Duration, hit: bool) -> Self {
        Self {
            seconds: took.as_secs_f64(),
            hit,
        }
    }
}

impl Metrics {
    /// Records a successful allocation.
    pub fn record(&mut self, measured: Measured) {
        self.allocations += 1;
        self.hits += u64::from(measured.hit);
        self.total_seconds += measured.seconds;
        self.longest_seconds = self.longest_seconds.max(measured.seconds);
        self.histogram.add(measured.seconds);
    }

    /// Takes back what [`Metrics::record`] recorded, if it did: the allocation failed after all.
    pub fn take_back(&mut self, measured: Option<Measured>) {
        self.failed += 1;
        let Some(measured) = measured else { return };
        self.allocations = self.allocations.saturating_sub(1);
        self.hits = self.hits.saturating_sub(u64::from(measured.hit));
        self.total_seconds = (self.total_seconds - measured.seconds).max(0.0);
        self.histogram.take(measured.seconds);
    }

    /// Counts what the history says of cleanings and of saved work.
    pub fn observe(&mut self, event: &Event) {
        match (event.kind, event.duration_seconds) {
            (EventKind::Cleaned, Some(seconds)) => self.cleanups.record(seconds),
            (EventKind::Rescued, _) => self.rescues += 1,
            _ => {}
        }
    }

    /// The mean time of an allocation in seconds; absent before the first.
    pub fn average_seconds(&self) -> Option<f64> {
        average(self.total_seconds, self.allocations)
    }

    /// The share of allocations that were hits; absent before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        average(self.hits as f64, self.allocations)
    }

    /// The time in seconds that `share` (0 to 1) of the allocations did not exceed.
    pub fn percentile_seconds(&self, share: f64) -> Option<f64> {
        self.histogram.percentile(share, self.longest_seconds)
    }
}

/// One kind of work: how often it was done, and how long it took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// How often it succeeded.
    pub count: u64,
    /// How often it failed.
    pub failed: u64,
    /// The time of all that succeeded together, in seconds.
    pub total_seconds: f64,
    /// The longest of them, in seconds.
    pub longest_seconds: f64,
    /// How their times spread.
    #[serde(default)]
    pub histogram: Histogram,
}

impl Runs {
    /// Records one that succeeded.
    pub fn record(&mut self, seconds: f64) {
        self.count += 1;
        self.total_seconds += seconds;
        self.longest_seconds = self.longest_seconds.max(seconds);
        self.histogram.add(seconds);
    }

    /// The mean time in seconds; absent before the first.
    pub fn average_seconds(&self) -> Option<f64> {
        average(self.total_seconds, self.count)
    }
}

/// Counts per bucket; bucket n holds times up to 2^(n/4) microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(BTreeMap<u16, u64>);

impl Histogram {
    fn add(&mut self, seconds: f64) {
        *self.0.entry(bucket(seconds)).or_default() += 1;
    }

    fn take(&mut self, seconds: f64) {
        if let Some(count) = self.0.get_mut(&bucket(seconds)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Half a millisecond to a minute, in steps of a factor of two: the bounds in seconds, and how
    /// many times were within each. The bounds are borders of buckets, so the counts are exact.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        self.within(9..=26)
    }

    /// The same for what may take days: a millisecond to 19 hours, in steps of a factor of four.
    pub fn cumulative_coarse(&self) -> impl Iterator<Item = (f64, u64)> {
        self.within((10..=36).step_by(2))
    }

    fn within(&self, powers: impl Iterator<Item = u16>) -> impl Iterator<Item = (f64, u64)> {
        powers.map(|power| {
            let last = power * STEPS;
            (most(last), self.0.range(..=last).map(|(_, n)| n).sum())
        })
    }

    /// The time in seconds that `share` (0 to 1) of all did not exceed, given the longest.
    pub fn percentile(&self, share: f64, longest: f64) -> Option<f64> {
        let total: u64 = self.0.values().sum();
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then_some(most(*bucket).min(longest))
        })
    }
}

fn average(total: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| total / count as f64)
}

fn bucket(seconds: f64) -> u16 {
    let micros = (seconds * 1e6).max(1.0);
    (micros.log2() * f64::from(STEPS)).ceil() as u16
}

/// The longest time that a bucket holds, in seconds.
fn most(bucket: u16) -> f64 {
    2f64.powf(f64::from(bucket) / f64::from(STEPS)) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(ms: u64, hit: bool) -> Measured {
        Measured::new(Duration::from_millis(ms), hit)
    }

    #[test]
    fn percentiles_are_at_most_a_fifth_too_high() {
        let mut metrics = Metrics::default();
        for ms in 1..=100 {
            metrics.record(measured(ms, ms % 2 == 0));
        }
        for (share, ms) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = metrics.percentile_seconds(share).unwrap() * 1000.0;
            assert!(found >= ms - 0.001 && found <= ms * 1.2, "{share}: {found}");
        }
        assert_eq!(metrics.hit_rate(), Some(0.5));
        assert!((metrics.average_seconds().unwrap() - 0.0505).abs() < 1e-9);
        assert_eq!(Metrics::default().percentile_seconds(0.5), None);
    }

    #[test]
    fn an_allocation_that_is_taken_back_was_a_failure() {
        let mut metrics = Metrics::default();
        metrics.record(measured(3, true));
        let before = metrics.clone();
        metrics.record(measured(2, true));
        metrics.take_back(Some(measured(2, true)));
        let counts = |metrics: &Metrics| (metrics.allocations, metrics.hits, metrics.failed);
        assert_eq!(counts(&before), (1, 1, 0));
        assert_eq!(counts(&metrics), (1, 1, 1));
        assert!((metrics.total_seconds - before.total_seconds).abs() < 1e-9);
        assert_eq!(
            metrics.percentile_seconds(0.01),
            before.percentile_seconds(0.01)
        );
    }

    #[test]
    fn buckets_are_cumulative_and_their_bounds_exact() {
        let mut runs = Runs::default();
        for micros in [1, 1024, 1025, 2048, 3_600_000_000_u64] {
            runs.record(Duration::from_micros(micros).as_secs_f64());
        }
        let buckets: Vec<_> = runs.histogram.cumulative().collect();
        let within = |bound: f64| buckets.iter().find(|(le, _)| *le == bound).unwrap().1;
        assert_eq!(within(0.000_512), 1);
        assert_eq!(within(0.001_024), 2);
        assert_eq!(within(0.002_048), 4);
        assert_eq!(buckets.last().unwrap(), &(67.108_864, 4));
        assert!(buckets.is_sorted());
    }

    #[test]
    fn a_record_of_before_there_were_fetches_is_read() {
        let old = r#"{"allocations":2,"hits":1,"failed":0,"total_seconds":0.5,
            "longest_seconds":0.4,"histogram":{"40":2}}"#;
        let metrics: Metrics = serde_json::from_str(old).unwrap();
        assert_eq!((metrics.allocations, metrics.fetches.count), (2, 0));
        let again = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<Metrics>(&again).unwrap(), metrics);
        assert_eq!(
            serde_json::from_str::<Metrics>("{}").unwrap(),
            Metrics::default()
        );
    }
}

//! Metrics, as shown.

use jiff::Timestamp;
use serde::Serialize;

use super::{Determined, Summary};
use crate::domain::metrics::{Histogram, Metrics, Runs};

/// The metrics of a pool.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PoolMetrics {
    /// Its name.
    pub repo_name: String,
    /// What its record holds; absent if that can't be read.
    #[serde(flatten)]
    pub figures: Option<Figures>,
    /// Why its record can't be read, if it can't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is known about a pool's work.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Figures {
    /// Its remote, without secrets.
    pub repo_url: String,
    /// The branch that slots start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// When the remote was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// How long ago that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_age_seconds: Option<f64>,
    /// Its counts, as `status` has them.
    pub summary: Summary,
    /// Allocations that found a verified slot at the wanted commit.
    pub cache_hits: u64,
    /// Pieces of work that were saved.
    pub total_rescues: u64,
    /// What lies in the trash, to be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("nullable" = true)))]
    pub trash_entries: Determined<u64>,
    /// Handing out.
    pub allocations: WorkView,
    /// Looking at the remote.
    pub fetches: WorkView,
    /// Cleaning at release.
    pub cleanups: WorkView,
}

/// One kind of work, as shown: how often it was done, and how long it took when it succeeded.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkView {
    /// How often it succeeded.
    pub total: u64,
    /// How often it failed.
    pub failed: u64,
    /// The time of all together.
    pub total_seconds: f64,
    /// The mean time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_seconds: Option<f64>,
    /// The time half of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_seconds: Option<f64>,
    /// The time 95 % of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_seconds: Option<f64>,
    /// The time 99 % of them did not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_seconds: Option<f64>,
    /// The longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_seconds: Option<f64>,
    /// How many took at most how long.
    pub histogram: Vec<BucketView>,
}

/// How many took at most so long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BucketView {
    /// The bound, in seconds.
    pub le: f64,
    /// How many did not exceed it.
    pub count: u64,
}

impl From<&Metrics> for WorkView {
    fn from(metrics: &Metrics) -> Self {
        Self {
            total: metrics.allocations,
            failed: metrics.failed,
            total_seconds: metrics.total_seconds,
            average_seconds: metrics.average_seconds(),
            longest_seconds: (metrics.allocations > 0).then_some(metrics.longest_seconds),
            ..spread(&metrics.histogram, metrics.longest_seconds)
        }
    }
}

impl From<&Runs> for WorkView {
    fn from(runs: &Runs) -> Self {
        Self {
            total: runs.count,
            failed: runs.failed,
            total_seconds: runs.total_seconds,
            average_seconds: runs.average_seconds(),
            longest_seconds: (runs.count > 0).then_some(runs.longest_seconds),
            ..spread(&runs.histogram, runs.longest_seconds)
        }
    }
}

fn spread(histogram: &Histogram, longest: f64) -> WorkView {
    WorkView {
        p50_seconds: histogram.percentile(0.50, longest),
        p95_seconds: histogram.percentile(0.95, longest),
        p99_seconds: histogram.percentile(0.99, longest),
        histogram: histogram
            .cumulative()
            .map(|(le, count)| BucketView { le, count })
            .collect(),
        ..WorkView::default()
    }
}

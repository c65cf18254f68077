//! The metrics of pools in Prometheus' text format.

use crate::domain::exposition;
use crate::domain::outcome::{Figures, PoolMetrics, Summary, WorkView};

/// The metrics as one page; a family without samples is left out.
pub fn text(pools: &[PoolMetrics]) -> String {
    let mut page = Page {
        pools: pools
            .iter()
            .filter_map(|pool| Some((pool.repo_name.as_str(), pool.figures.as_ref()?)))
            .collect(),
        made: exposition::Page::default(),
    };
    page.readable(pools);
    page.about_the_pool();
    page.slots();
    page.allocations();
    page.other_work();
    page.made.into_text()
}

/// What the page is made from, and the page so far.
struct Page<'a> {
    pools: Vec<(&'a str, &'a Figures)>,
    made: exposition::Page,
}

impl<'a> Page<'a> {
    fn readable(&mut self, pools: &[PoolMetrics]) {
        let samples = pools.iter().map(|pool| {
            let labels = vec![("pool", pool.repo_name.as_str())];
            (labels, f64::from(u8::from(pool.figures.is_some())))
        });
        let samples: Vec<_> = samples.collect();
        self.made.family(
            "repo_pool_readable",
            "gauge",
            "Whether the pool's record can be read.",
            samples,
        );
    }

    fn about_the_pool(&mut self) {
        let samples = self.pools.iter().map(|(pool, figures)| {
            let branch = figures.base_branch.as_deref().unwrap_or_default();
            let url = figures.repo_url.as_str();
            let labels = vec![("pool", *pool), ("repo_url", url), ("base_branch", branch)];
            (labels, 1.0)
        });
        let samples: Vec<_> = samples.collect();
        self.made.family(
            "repo_pool_info",
            "gauge",
            "What the pool is made of; always 1.",
            samples,
        );
        self.gauge(
            "repo_pool_base_age_seconds",
            "Time since the remote was last looked at.",
            |figures| figures.base_age_seconds,
        );
        self.gauge(
            "repo_pool_last_fetch_timestamp_seconds",
            "When the remote was last looked at, since the epoch.",
            |figures| Some(figures.fetched_at?.as_duration().as_secs_f64()),
        );
        self.gauge(
            "repo_pool_trash_entries",
            "What was cleaned away and is not deleted yet.",
            |figures| figures.trash_entries.flatten().map(|count| count as f64),
        );
    }

    fn slots(&mut self) {
        let states = |counts: &Summary| {
            [
                ("available", counts.available_slots),
                ("allocated", counts.allocated_slots),
                ("cleaning", counts.cleaning_slots),
                ("error", counts.error_slots),
            ]
        };
        let samples = self.pools.iter().flat_map(|(pool, figures)| {
            states(&figures.summary)
                .map(|(state, count)| (vec![("pool", *pool), ("state", state)], count as f64))
        });
        let samples: Vec<_> = samples.collect();
        self.made
            .family("repo_pool_slots", "gauge", "Slots by their state.", samples);
    }

    fn allocations(&mut self) {
        self.counter(
            "repo_pool_allocations_total",
            "Slots that were handed out.",
            |figures| figures.allocations.total,
        );
        self.counter(
            "repo_pool_allocation_failures_total",
            "Requests that ended without a slot.",
            |figures| figures.allocations.failed,
        );
        self.counter(
            "repo_pool_allocation_hits_total",
            "Allocations that found a verified slot at the wanted commit.",
            |figures| figures.cache_hits,
        );
        self.gauge(
            "repo_pool_allocation_hit_ratio",
            "The share of allocations that were hits.",
            |figures| figures.summary.cache_hit_rate,
        );
        self.times("allocation", "An allocation", |figures| {
            &figures.allocations
        });
    }

    fn other_work(&mut self) {
        self.counter(
            "repo_pool_fetches_total",
            "Looks at the remote that succeeded, also if they found nothing new.",
            |figures| figures.fetches.total,
        );
        self.counter(
            "repo_pool_fetch_failures_total",
            "Looks at the remote that failed.",
            |figures| figures.fetches.failed,
        );
        self.times("fetch", "A look at the remote", |figures| &figures.fetches);
        self.counter(
            "repo_pool_cleanups_total",
            "Cleanings at release that succeeded.",
            |figures| figures.cleanups.total,
        );
        self.counter(
            "repo_pool_cleanup_failures_total",
            "Cleanings at release that failed.",
            |figures| figures.cleanups.failed,
        );
        self.times("cleanup", "A cleaning at release", |figures| {
            &figures.cleanups
        });
        self.counter(
            "repo_pool_rescues_total",
            "Pieces of work that were saved.",
            |figures| figures.total_rescues,
        );
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Fn(&Figures) -> u64) {
        self.family_of(name, "counter", help, |figures| Some(value(figures) as f64));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(&Figures) -> Option<f64>) {
        self.family_of(name, "gauge", help, value);
    }

    fn family_of(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        value: impl Fn(&Figures) -> Option<f64>,
    ) {
        let samples = self
            .pools
            .iter()
            .filter_map(|(pool, figures)| Some((vec![("pool", *pool)], value(figures)?)));
        let samples: Vec<_> = samples.collect();
        self.made.family(name, kind, help, samples);
    }

    /// The times of one kind of work: a histogram, and what a person asks for without a query.
    fn times(&mut self, work: &str, subject: &str, of: impl Fn(&Figures) -> &WorkView) {
        let name = format!("repo_pool_{work}_duration");
        self.histogram(
            &format!("{name}_seconds"),
            &format!("{subject}, in seconds."),
            &of,
        );
        self.gauge(
            &format!("{name}_average_seconds"),
            &format!("{subject}, on average."),
            |figures| of(figures).average_seconds,
        );
        let samples = self.pools.iter().flat_map(|(pool, figures)| {
            let work = of(figures);
            let shares = [
                ("0.5", work.p50_seconds),
                ("0.95", work.p95_seconds),
                ("0.99", work.p99_seconds),
            ];
            shares
                .into_iter()
                .filter_map(|(q, value)| Some((vec![("pool", *pool), ("quantile", q)], value?)))
        });
        let samples: Vec<_> = samples.collect();
        self.made.family(
            &format!("{name}_quantile_seconds"),
            "gauge",
            &format!("{subject}: the time that this share did not exceed."),
            samples,
        );
        self.gauge(
            &format!("{name}_longest_seconds"),
            &format!("{subject}: the longest."),
            |figures| of(figures).longest_seconds,
        );
    }

    fn histogram(&mut self, name: &str, help: &str, of: impl Fn(&Figures) -> &WorkView) {
        if self.pools.is_empty() {
            return;
        }
        self.made.head(name, "histogram", help);
        for (pool, figures) in &self.pools {
            let work = of(figures);
            let within = work
                .histogram
                .iter()
                .map(|within| (within.le, within.count));
            let all = (work.total_seconds, work.total);
            self.made.histogram(name, &[("pool", pool)], within, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_cannot_be_read_has_no_figures() {
        let pool = PoolMetrics {
            repo_name: "p".into(),
            figures: None,
            error: Some("broken".into()),
        };
        let page = text(&[pool]);
        assert!(page.ends_with("repo_pool_readable{pool=\"p\"} 0\n"));
        assert_eq!(page.lines().count(), 3);
        assert_eq!(text(&[]), "");
    }
}

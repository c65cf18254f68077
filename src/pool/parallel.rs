//! The same for many things, several at a time.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sys::threads;

/// How many things are done at once: `configured`, or as many as there are cores if that is 0.
pub fn jobs(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        jobs => jobs,
    }
}

/// How many things each of `items` may do at once, if several are worked on by `jobs` threads.
pub fn share(jobs: usize, items: usize) -> usize {
    (jobs / items.clamp(1, jobs.max(1))).max(1)
}

/// Does `work` for every item with up to `jobs` threads; the results are in the items' order.
pub fn each<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 || jobs <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let work_on_some = || {
        let mut results = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            results.push((index, work(item)));
        }
        results
    };
    let results = threads::share(jobs.min(items.len()), work_on_some);
    let mut results: Vec<_> = results.into_iter().flatten().collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = super::each(&items, 4, |n| n * 2);
        assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(
            [super::share(8, 1), super::share(8, 3), super::share(2, 9)],
            [8, 2, 1]
        );
        assert_eq!(super::each(&[] as &[u32], 4, |n| *n), Vec::<u32>::new());
    }
}

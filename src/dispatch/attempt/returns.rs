//! The slots that this dispatcher is giving back at this moment.
//!
//! Who gets the room of a task finds its slot on the way back. To stand in the pool's line for it takes
//! files, locks and looks at the pool; to wait for it here takes nothing.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sys::clock::Deadline;

/// All of them, by their pools' names.
#[derive(Debug, Default)]
pub struct Returns {
    pools: Mutex<HashMap<String, Traffic>>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Traffic {
    /// Slots that are being given back.
    under_way: usize,
    /// Who waits for one of them.
    waiting: usize,
    /// Slots that are back, for as many of those who wait.
    back: usize,
}

/// A slot that is being given back, until this is dropped.
#[derive(Debug)]
#[must_use = "the slot is back as soon as this is dropped"]
pub struct Returning<'r> {
    returns: &'r Returns,
    pool: String,
}

impl Returns {
    fn pools(&self) -> MutexGuard<'_, HashMap<String, Traffic>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more begins.
    pub fn begin(&self, pool: &str) -> Returning<'_> {
        self.pools().entry(pool.to_owned()).or_default().under_way += 1;
        Returning {
            returns: self,
            pool: pool.to_owned(),
        }
    }

    /// Whether one is about to be back.
    pub fn any(&self, pool: &str) -> bool {
        let pools = self.pools();
        pools.get(pool).is_some_and(|traffic| traffic.under_way > 0)
    }

    /// Waits until one is back that nobody else waits for, as long as any is on its way, and at most
    /// so long.
    pub fn wait(&self, pool: &str, at_most: Duration) {
        let limit = Deadline::after(at_most);
        let mut pools = self.pools();
        pools.entry(pool.to_owned()).or_default().waiting += 1;
        loop {
            let traffic = pools.entry(pool.to_owned()).or_default();
            let left = limit.remaining();
            if traffic.back > 0 || traffic.under_way == 0 || left.is_none() {
                traffic.waiting -= 1;
                traffic.back = traffic.back.saturating_sub(1).min(traffic.waiting);
                return;
            }
            let waited = self.changed.wait_timeout(pools, left.unwrap_or_default());
            pools = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        let mut pools = self.returns.pools();
        let traffic = pools.entry(self.pool.clone()).or_default();
        traffic.under_way -= 1;
        traffic.back = (traffic.back + 1).min(traffic.waiting);
        drop(pools);
        self.returns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn waiting(returns: &Returns, pool: &str) -> usize {
        returns
            .pools()
            .get(pool)
            .map_or(0, |traffic| traffic.waiting)
    }

    #[test]
    fn who_waits_goes_on_when_a_slot_of_that_pool_is_back_or_none_comes() {
        let returns = Returns::default();
        returns.wait("a", LONG);
        assert!(!returns.any("a"));
        let (first, second) = (returns.begin("a"), returns.begin("a"));
        let other = returns.begin("b");
        assert!(returns.any("a"));
        std::thread::scope(|scope| {
            let waits = [(); 2].map(|()| scope.spawn(|| returns.wait("a", LONG)));
            while waiting(&returns, "a") < 2 {
                std::thread::yield_now();
            }
            drop(first);
            while waiting(&returns, "a") > 1 {
                std::thread::yield_now();
            }
            // The other one waits for the other slot.
            assert_eq!(waiting(&returns, "a"), 1);
            drop(second);
            for wait in waits {
                wait.join().expect("a wait");
            }
        });
        assert!(!returns.any("a") && returns.any("b"));
        drop(other);
    }
}

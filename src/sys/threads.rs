//! Work in several threads of this process. Where no thread can be had, the work is done all the
//! same, one piece after the other.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, ScopedJoinHandle, scope};

use super::signals;

/// Does both at the same time. `here` is done by the calling thread.
pub fn both<A: Send, B>(elsewhere: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    let work = Mutex::new(Some(elsewhere));
    // Whoever takes it does it.
    let take = || work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let shield = signals::shield_of_helpers();
    scope(|scope| {
        let thread = Builder::new().spawn_scoped(scope, || {
            let _shield = shield();
            take().map(|work| work())
        });
        let done_here = here();
        let done = match thread {
            Ok(thread) => join(thread),
            Err(_) => take().map(|work| work()),
        };
        match done {
            Some(done) => (done, done_here),
            None => unreachable!("the work is there until it is done"),
        }
    })
}

/// Has `work` done by the calling thread and up to `threads - 1` others. What is to be done is for
/// `work` to share out. The results are in no particular order.
pub fn share<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let shield = signals::shield_of_helpers();
    let help = || {
        let _shield = shield();
        work()
    };
    scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map_while(|_| Builder::new().spawn_scoped(scope, help).ok())
            .collect();
        let mut results = vec![work()];
        results.extend(others.into_iter().map(join));
        results
    })
}

/// What a thread came to; if it panicked, this one does.
fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_is_done_once() {
        assert_eq!(both(|| 1, || 2), (1, 2));
        let next = AtomicU32::new(0);
        let take = || next.fetch_add(1, Ordering::Relaxed);
        let some = || {
            std::iter::repeat_with(take)
                .take_while(|n| *n < 100)
                .count()
        };
        assert_eq!(share(4, some).into_iter().sum::<usize>(), 100);
        assert_eq!(share(0, || 1), [1]);
    }
}

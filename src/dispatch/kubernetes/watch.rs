//! One look at all Jobs of a run, every few seconds, for all who wait for one of them.
//!
//! A thread looks as long as somebody waits: it starts with the first and ends with the last.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::kubectl::Cluster;
use crate::domain::dispatch::kubernetes::seen::{Answer, Seen};
use crate::sys::clock::Deadline;
use crate::sys::signals;

/// The longest time between two looks at a cluster that does not answer.
const SLOWEST: Duration = Duration::from_secs(30);
/// The shortest one if somebody expects something.
const SOONEST: Duration = Duration::from_millis(200);

/// Looks at the Jobs of one run in one place.
#[derive(Debug)]
pub struct Watch {
    cluster: Cluster,
    /// The run, as its label has it.
    run: String,
    interval: Duration,
    state: Mutex<State>,
    /// There is something new for those who wait.
    news: Condvar,
    /// There is something to do for who looks.
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    looking: bool,
    /// How many looks have begun.
    begun: u64,
    /// How many have ended, whatever came of them.
    ended: u64,
    /// Which of them saw something, and what.
    seen: (u64, Arc<Answer>),
    /// Why the last one saw nothing.
    trouble: Option<String>,
    /// Somebody expects something.
    expected: bool,
    /// How often those who wait were called.
    calls: u64,
}

/// What somebody who waits is told.
#[derive(Debug)]
pub enum News {
    /// What there is of its Job.
    Seen(Seen),
    /// Why that can't be told.
    Trouble(String),
    /// It was called, or its time is over.
    Nothing,
}

/// Somebody who waits.
#[derive(Debug)]
pub struct Waiting {
    watch: Arc<Watch>,
    /// The look that was seen last, or had begun when this began to wait: only later ones count.
    after: u64,
    /// The look that came to nothing which was told of last.
    told: u64,
    calls: u64,
}

impl Watch {
    /// Of a run; nothing is looked at yet.
    pub fn new(cluster: Cluster, run: String, interval: Duration) -> Self {
        Self {
            cluster,
            run,
            interval,
            state: Mutex::default(),
            news: Condvar::new(),
            work: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits from now on: what was seen before does not count.
    pub fn join(self: &Arc<Self>) -> Waiting {
        let mut state = self.state();
        state.waiting += 1;
        state.expected = true;
        if !state.looking {
            let watch = Arc::clone(self);
            let thread = std::thread::Builder::new().name("kubernetes".to_owned());
            state.looking = thread.spawn(move || watch.look()).is_ok();
        }
        self.work.notify_all();
        Waiting {
            watch: Arc::clone(self),
            after: state.begun,
            told: state.ended,
            calls: state.calls,
        }
    }

    /// Something is expected to be seen soon.
    pub fn expect(&self) {
        self.state().expected = true;
        self.work.notify_all();
    }

    /// Calls those who wait: something is to be done.
    pub fn call(&self) {
        self.state().calls += 1;
        self.news.notify_all();
    }

    fn look(&self) {
        // Signals come to the engine, and what runs is watched to its end.
        let _shield = signals::shield();
        let mut pause = self.interval;
        loop {
            let number = {
                let mut state = self.state();
                if state.waiting == 0 {
                    state.looking = false;
                    return;
                }
                state.begun += 1;
                state.expected = false;
                state.begun
            };
            let answer = self.cluster.of_run(&self.run);
            let mut state = self.state();
            state.ended = number;
            pause = match answer {
                Ok(answer) => {
                    state.seen = (number, Arc::new(answer));
                    state.trouble = None;
                    self.interval
                }
                Err(trouble) => {
                    state.trouble = Some(trouble.to_string());
                    (pause * 2).min(SLOWEST.max(self.interval))
                }
            };
            self.news.notify_all();
            let failing = state.trouble.is_some();
            let (least, most) = (Deadline::after(SOONEST), Deadline::after(pause));
            while state.waiting > 0 {
                let until = match state.expected && !failing {
                    true => &least,
                    false => &most,
                };
                let Some(left) = until.remaining() else {
                    break;
                };
                let waited = self.work.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl Waiting {
    /// Waits for a look that began after the last one that was told of, for a call, or for so long.
    pub fn next(&mut self, runner: &str, timeout: Duration) -> News {
        let watch = Arc::clone(&self.watch);
        let deadline = Deadline::after(timeout);
        let mut state = watch.state();
        loop {
            if state.calls != self.calls {
                self.calls = state.calls;
                return News::Nothing;
            }
            if state.seen.0 > self.after {
                (self.after, self.told) = (state.seen.0, state.seen.0);
                return News::Seen(state.seen.1.get(runner).cloned().unwrap_or_default());
            }
            if state.ended > self.told
                && let Some(trouble) = &state.trouble
            {
                self.told = state.ended;
                return News::Trouble(trouble.clone());
            }
            let Some(left) = deadline.remaining() else {
                return News::Nothing;
            };
            let waited = watch.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What was seen so far does not count any more: something was done.
    pub fn begin_anew(&mut self) {
        self.after = self.watch.state().begun;
    }

    /// Something is expected to be seen soon.
    pub fn expect(&self) {
        self.watch.expect();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.watch.state().waiting -= 1;
        self.watch.work.notify_all();
    }
}

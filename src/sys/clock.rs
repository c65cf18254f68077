//! The clock: wall time, time since boot, stop watches, deadlines and waiting.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where the clock is read"
)]

use std::fs::Metadata;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::PollFlags;
use rustix::time::{ClockId, clock_gettime};

use super::{signals, wait};
use crate::domain::Error;

/// The wall clock's time.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The moment so long from now; none if there is no such.
pub fn from_now(time: Duration) -> Option<jiff::Timestamp> {
    let time = jiff::SignedDuration::try_from(time).ok()?;
    now().checked_add(time).ok()
}

/// The time since this machine was started, suspended time included.
pub fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long ago a file was last written; nothing if that lies in the future.
pub fn age_of(file: &Metadata) -> Duration {
    let written = file.modified().ok();
    written
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .unwrap_or_default()
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A moment by which something must be over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Stopwatch,
    limit: Duration,
}

impl Deadline {
    /// The moment `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self {
            start: Stopwatch::start(),
            limit,
        }
    }

    /// The time that is left; none once it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.limit
            .checked_sub(self.start.elapsed())
            .filter(|left| !left.is_zero())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.remaining().is_none()
    }

    /// The whole time that was given.
    pub fn limit(&self) -> Duration {
        self.limit
    }
}

/// A wait was ended by a signal that asks this process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted(
    /// The signal's number.
    pub i32,
);

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted.0)
    }
}

/// Waits for `time`; a termination signal ends it early.
pub fn pause(time: Duration) -> Result<(), Interrupted> {
    let deadline = Deadline::after(time);
    loop {
        if let Some(signal) = signals::received() {
            return Err(Interrupted(signal));
        }
        let Some(left) = deadline.remaining() else {
            return Ok(());
        };
        let fds: Vec<_> = signals::wake_fd()
            .map(|fd| (fd, PollFlags::IN))
            .into_iter()
            .collect();
        if wait::ready(&fds, Some(left)).is_err() {
            // Only a lack of kernel memory lets poll fail here: waiting must still take its time.
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_and_says_what_it_was() {
        let far = Deadline::after(Duration::from_secs(3600));
        assert!(!far.passed());
        assert!(far.remaining().is_some_and(|d| d <= far.limit()));
        let gone = Deadline::after(Duration::ZERO);
        assert!(gone.passed());
        assert_eq!(gone.remaining(), None);
    }

    #[test]
    fn a_pause_takes_at_least_its_time() {
        let watch = Stopwatch::start();
        assert_eq!(pause(Duration::from_millis(5)), Ok(()));
        assert!(watch.elapsed() >= Duration::from_millis(5));
        assert!(boot_time() > Duration::ZERO);
    }
}

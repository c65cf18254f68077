//! Whether something that should give a sign of life now and then has fallen silent.

use std::time::Duration;

/// How often is looked within the time after which silence counts.
const LOOKS: u32 = 4;

/// Silence as it adds up between looks.
///
/// A look that comes much later than it was due (this process, or the whole machine, stood still)
/// counts as one look only: who stood still at the same time could give no sign either.
#[derive(Debug, Clone)]
pub struct Pulse<S> {
    last: S,
    silent: Duration,
    limit: Duration,
}

impl<S: PartialEq> Pulse<S> {
    /// Silence counts after `limit`; the last sign so far is `seen`.
    pub fn new(seen: S, limit: Duration) -> Self {
        Self {
            last: seen,
            silent: Duration::ZERO,
            limit,
        }
    }

    /// After how long silence counts.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// How long to wait before the next look.
    pub fn interval(&self) -> Duration {
        self.limit / LOOKS
    }

    /// One more look, so long after the last one. True if the silence has lasted too long.
    pub fn look(&mut self, seen: S, since: Duration) -> bool {
        if seen != self.last {
            self.last = seen;
            self.silent = Duration::ZERO;
            return false;
        }
        self.silent += since.min(self.interval());
        self.silent >= self.interval() * LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_counts_from_the_last_sign() {
        let mut pulse = Pulse::new(1, 8 * SECOND);
        let every = pulse.interval();
        assert_eq!(every, 2 * SECOND);
        let looks = [1, 1, 1, 2, 2, 2, 2];
        assert!(looks.iter().all(|seen| !pulse.look(*seen, every)));
        assert!(pulse.look(2, every));
    }

    #[test]
    fn a_standstill_of_all_is_no_silence() {
        let mut pulse = Pulse::new(1, 8 * SECOND);
        assert!(!pulse.look(1, 3600 * SECOND));
        assert!(!pulse.look(1, 3600 * SECOND));
        assert!(!pulse.look(2, SECOND));
    }

    #[test]
    fn many_short_looks_make_no_long_silence() {
        let mut pulse = Pulse::new(1, 8 * SECOND);
        assert!((0..7).all(|_| !pulse.look(1, SECOND)));
        assert!(pulse.look(1, SECOND));
    }
}

//! What a shim is told on its command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dispatch::launcher::Job;
use crate::domain::{Error, Result};

/// The first word of a shim's command line. Words with `__` before them are those of processes that
/// nobody ends; a shim is to be ended with whatever it runs in.
pub const WORD: &str = "dispatch-shim";

/// The longest time between two heartbeats.
const SLOWEST_BEAT: Duration = Duration::from_secs(10);
/// So many heartbeats fit into the time after which their absence counts.
const BEATS: u32 = 6;

/// How often a runner's heartbeat comes, if it counts as silent after so long.
pub fn beat(heartbeat_timeout: Duration) -> Duration {
    (heartbeat_timeout / BEATS).min(SLOWEST_BEAT)
}

/// After how long a runner counts as silent whose heartbeats come so often, if a dispatcher with these
/// settings takes it up: it was begun under others, perhaps.
pub fn silence(heartbeat_timeout: Duration, beat: Option<Duration>) -> Duration {
    let theirs = beat.map_or(Duration::ZERO, |beat| beat * BEATS);
    heartbeat_timeout.max(theirs)
}

/// Everything a shim has to know.
#[derive(Debug, PartialEq)]
pub struct Order {
    /// The attempt's directory.
    pub dir: PathBuf,
    /// Where the command runs.
    pub workdir: PathBuf,
    /// The command.
    pub command: Vec<String>,
    /// How it is to be watched.
    pub terms: Terms,
}

/// What a runner may do, how often it gives a sign of life, and to whom its end is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The dispatcher's pid.
    pub starter: u32,
    /// The time between two heartbeats.
    pub beat: Duration,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// How long it may write nothing.
    pub stall: Option<Duration>,
    /// How long it has between being asked to end and being killed.
    pub grace: Duration,
    /// How many bytes it may write.
    pub output: u64,
    /// How many bytes of memory it may have; 0: as much as there is.
    pub memory: u64,
}

impl Order {
    /// For this attempt.
    pub fn of(job: &Job, grace: Duration) -> Self {
        Self {
            dir: job.dir.clone(),
            workdir: job.workdir.clone(),
            command: job.command.clone(),
            terms: Terms {
                starter: std::process::id(),
                beat: beat(job.heartbeat_timeout),
                timeout: job.timeout,
                stall: job.stall,
                grace,
                output: job.log_limit,
                memory: job.memory,
            },
        }
    }

    /// As words of a command line: the terms, the two directories, the command.
    pub fn words(&self) -> Vec<OsString> {
        let terms = serde_json::to_string(&self.terms).unwrap_or_default();
        let first = [
            OsString::from(WORD),
            OsString::from(terms),
            self.dir.clone().into(),
            self.workdir.clone().into(),
        ];
        let command = self.command.iter().map(OsString::from);
        first.into_iter().chain(command).collect()
    }

    /// From those words, without the first.
    pub fn from_words(words: &[OsString]) -> Result<Self> {
        let wrong = || Error::usage("this is no command line of a dispatcher");
        let [terms, dir, workdir, command @ ..] = words else {
            return Err(wrong());
        };
        let text = |word: &OsString| word.to_str().map(str::to_owned).ok_or_else(wrong);
        Ok(Self {
            dir: dir.into(),
            workdir: workdir.into(),
            command: command.iter().map(text).collect::<Result<_>>()?,
            terms: serde_json::from_str(&text(terms)?).map_err(|_| wrong())?,
        })
    }
}

/// Whether the word is that of a shim.
pub fn is_shim(word: Option<&OsStr>) -> bool {
    word == Some(OsStr::new(WORD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_understood_as_it_was_given() {
        let order = Order {
            dir: "/a b/ü".into(),
            workdir: "/".into(),
            command: vec!["sh".into(), "-c".into(), "exit\n1".into()],
            terms: Terms {
                starter: 7,
                beat: Duration::from_millis(1500),
                timeout: Some(Duration::from_secs(90)),
                stall: None,
                grace: Duration::ZERO,
                output: u64::MAX,
                memory: 1 << 40,
            },
        };
        let words = order.words();
        assert!(is_shim(words.first().map(OsString::as_os_str)));
        assert_eq!(Order::from_words(&words[1..]).unwrap(), order);
        assert!(Order::from_words(&words[2..]).is_err());
        assert!(Order::from_words(&[]).is_err());
    }

    #[test]
    fn the_heart_beats_six_times_as_fast_as_it_has_to() {
        let seconds = Duration::from_secs;
        assert_eq!(beat(seconds(60)), seconds(10));
        assert_eq!(beat(seconds(600)), seconds(10));
        assert_eq!(beat(seconds(6)), seconds(1));
    }
}

//! How attempts end, and what follows from it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::agents::Rules;
use super::ids::digest;
use super::state::Progress;
use super::task::Task;

/// No wait between two attempts is longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Waits differ by up to so much in either direction, from task to task.
const JITTER: f64 = 0.2;

/// What an attempt's end means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndClass {
    /// It is done (0).
    Done,
    /// It failed and may be tried again.
    Failure,
    /// Not now: no attempt is counted, and the agent pool rests (75).
    TryLater,
    /// Trying again makes no sense (78).
    Permanent,
    /// The command can't be run (126, 127): no retry.
    Configuration,
    /// It needed more memory than it may have.
    Oom,
    /// It took longer than it may.
    Timeout,
    /// It said nothing for longer than it may.
    Stalled,
    /// Its heartbeat stopped: it was ended.
    Silent,
    /// It wrote more output than is kept.
    Output,
    /// It could not be started, or what runs it broke.
    Infra,
    /// It vanished without a word of its end.
    Lost,
    /// What runs it took it away (eviction): no attempt is counted.
    Evicted,
    /// Somebody cancelled it.
    Cancelled,
    /// The dispatcher was told to stop, and ended it: no attempt is counted.
    Stopped,
}

impl EndClass {
    /// The word for it, as events have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failure => "failure",
            Self::TryLater => "try_later",
            Self::Permanent => "permanent",
            Self::Configuration => "configuration",
            Self::Oom => "oom",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::Output => "output",
            Self::Infra => "infra",
            Self::Lost => "lost",
            Self::Evicted => "evicted",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End {
    /// What that means.
    pub class: EndClass,
    /// The command's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// In words, where code and signal don't say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it ran, in seconds.
    #[serde(default)]
    pub seconds: f64,
}

/// What follows for the task from an attempt that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again after so long; whether the attempt counts.
    Retry {
        /// How long until then.
        after: Duration,
        /// Whether one attempt less is left.
        counted: bool,
    },
    /// It has failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Next {
    /// What follows for a task from its attempt under way, as `progress` has it, if that ends so;
    /// `None`: nothing, for it is done.
    pub fn after(class: EndClass, task: &Task, progress: &Progress, rules: &Rules) -> Option<Self> {
        use EndClass as C;
        Some(match class {
            C::Done => return None,
            C::Cancelled => Self::Cancelled,
            C::Permanent | C::Configuration => Self::Failed,
            // The agent pool rests, not the task: another one may take it at once.
            C::TryLater | C::Stopped => Self::Retry {
                after: Duration::ZERO,
                counted: false,
            },
            C::Evicted => Self::Retry {
                after: wait(&task.id, progress.attempt, rules),
                counted: false,
            },
            C::Failure
            | C::Oom
            | C::Timeout
            | C::Stalled
            | C::Silent
            | C::Output
            | C::Infra
            | C::Lost => match progress.counted + 1 {
                last if last >= task.max_attempts => Self::Failed,
                nth => Self::Retry {
                    after: wait(&task.id, nth, rules),
                    counted: true,
                },
            },
        })
    }
}

/// How long a task waits after its nth attempt (from 1): 1 s, each further time
/// `retry_backoff_base` times as long, never more than [`LONGEST_WAIT`], and for each task and
/// attempt a little different, so that what failed together does not come back together. A base of
/// 0 means no wait at all.
fn wait(id: &str, nth: u32, rules: &Rules) -> Duration {
    if rules.retry_backoff_base <= 0.0 {
        return Duration::ZERO;
    }
    let exponent = i32::try_from(nth.saturating_sub(1)).unwrap_or(i32::MAX);
    let longest = LONGEST_WAIT.as_secs_f64() / (1.0 + JITTER);
    let seconds = rules.retry_backoff_base.powi(exponent).min(longest);
    Duration::from_secs_f64(seconds * (1.0 + JITTER * between(id, nth)))
}

/// A number from -1 to 1, always the same for the same task and attempt.
fn between(id: &str, nth: u32) -> f64 {
    let bytes = [id.as_bytes(), b"/", nth.to_string().as_bytes()].concat();
    // This digest of short texts differs in few bits: they are spread (the end of MurmurHash3).
    let mut bits = digest(&bytes) as u64;
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        bits = (bits ^ (bits >> 33)).wrapping_mul(factor);
    }
    let share = (bits ^ (bits >> 33)) as f64 / u64::MAX as f64;
    share.mul_add(2.0, -1.0)
}

//! How attempts end, and what follows from it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

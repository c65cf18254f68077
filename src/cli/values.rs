//! The values of options: durations, counts, pairs, and the words of closed lists.

use std::time::Duration;

use clap::ValueEnum;

/// Longest duration accepted. Everything up to it can be added to a time without overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The most things that are done at once.
const MOST_JOBS: u32 = 1024;

/// When the output is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set; CLICOLOR_FORCE forces it
    #[value(help = None::<&str>)]
    #[default]
    Auto,
    /// In any case
    #[value(help = None::<&str>)]
    Always,
    /// In no case
    #[value(help = None::<&str>)]
    Never,
}

/// What the slots of a pool are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// Worktrees of one repository
    #[value(help = None::<&str>)]
    Worktree,
    /// Full clones while they are in use
    #[value(help = None::<&str>)]
    Clone,
}

impl Strategy {
    /// The word, as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worktree => "worktree",
            Self::Clone => "clone",
        }
    }
}

/// The form of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsFormat {
    /// The text format of Prometheus
    #[value(help = None::<&str>)]
    Prometheus,
    /// One JSON document
    #[value(help = None::<&str>)]
    Json,
}

/// The shells that lines can be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScriptShell {
    /// GNU bash
    #[value(help = None::<&str>)]
    Bash,
    /// Z shell
    #[value(help = None::<&str>)]
    Zsh,
    /// fish
    #[value(help = None::<&str>)]
    Fish,
    /// Any other that reads the language of POSIX: dash, busybox
    #[value(help = None::<&str>, alias = "dash", alias = "ksh")]
    Sh,
}

/// What `recover` can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum FindingKind {
    /// A command ended in the middle of its work on a slot
    UnfinishedOperation,
    /// A slot has no directory
    MissingDirectory,
    /// A slot's files of git are damaged
    DamagedSlot,
    /// The process that owned a slot has ended
    DeadOwner,
    /// The lease by which a slot was held has run out
    ExpiredLease,
    /// A slot has been allocated for too long
    StaleAllocation,
    /// A slot is out of use
    IsolatedSlot,
    /// A lock file of git's was left behind by a killed git
    StaleGitLock,
    /// A file, a directory or a process was left behind by a killed command
    Leftover,
    /// A lock file belongs to a slot or pool that is no more
    OrphanedLock,
    /// A slot is not registered in git
    LostRegistration,
    /// A worktree is registered in git that is no slot
    ForeignRegistration,
    /// A directory lies among the slots that is none
    ForeignDirectory,
    /// A pool's record cannot be read
    UnreadableRecord,
    /// What all slots share in git is not as the pool made it
    ChangedConfig,
    /// Objects of a pool's repository are missing or damaged
    CorruptObjects,
    /// The disk that slots lie on seems not to be mounted
    Unmounted,
}

impl FindingKind {
    /// The word for it, on the command line and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnfinishedOperation => "unfinished_operation",
            Self::MissingDirectory => "missing_directory",
            Self::DamagedSlot => "damaged_slot",
            Self::DeadOwner => "dead_owner",
            Self::ExpiredLease => "expired_lease",
            Self::StaleAllocation => "stale_allocation",
            Self::IsolatedSlot => "isolated_slot",
            Self::StaleGitLock => "stale_git_lock",
            Self::Leftover => "leftover",
            Self::OrphanedLock => "orphaned_lock",
            Self::LostRegistration => "lost_registration",
            Self::ForeignRegistration => "foreign_registration",
            Self::ForeignDirectory => "foreign_directory",
            Self::UnreadableRecord => "unreadable_record",
            Self::ChangedConfig => "changed_config",
            Self::CorruptObjects => "corrupt_objects",
            Self::Unmounted => "unmounted",
        }
    }
}

/// A duration: `30s`, `1h 30m`, or plain seconds (`90`, `0.5`).
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let duration = if plain {
        let seconds = text.parse::<f64>().map_err(|e| e.to_string())?;
        Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())?
    } else {
        humantime::parse_duration(text)
            .map_err(|e| format!("{e} (examples: 30s, 5m, 1h, or plain seconds)"))?
    };
    if duration > LONGEST {
        return Err("longer than 100 years".to_owned());
    }
    Ok(duration)
}

/// The same, and not zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be more than zero".to_owned()),
        time => Ok(time),
    }
}

/// A number of slots, at least one.
pub(super) fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

/// How many things are done at once, as the setting of that name takes it.
pub(super) fn jobs(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(jobs) if jobs <= MOST_JOBS => Ok(jobs),
        Ok(_) => Err(format!("at most {MOST_JOBS}")),
        Err(error) => Err(error.to_string()),
    }
}

/// `KEY=VALUE`, split at the first `=`; the value may be empty.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        None => Err("needs the form KEY=VALUE".to_owned()),
        Some(("", _)) => Err("the key before = is empty".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_plain_seconds_or_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
    }

    #[test]
    fn durations_that_are_none_are_refused() {
        for text in ["", ".", "1.2.3", "-5", "abc", "nan", "inf", "5 parsecs"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert!(duration("99999999999999999999999999").is_err());
        assert!(duration("101years").is_err());
    }

    #[test]
    fn no_time_is_not_some_time() {
        assert_eq!(some_time("1ms"), Ok(Duration::from_millis(1)));
        for text in ["0", "0s", "0.0", "-1"] {
            assert!(some_time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_count_of_zero_is_refused() {
        assert_eq!(count("3"), Ok(3));
        for text in ["0", "-1", "", "1.5", "99999999999"] {
            assert!(count(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pair_needs_a_key_and_an_equals_sign() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_value("task=7"), pair("task", "7"));
        assert_eq!(key_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_value("empty="), pair("empty", ""));
        assert!(key_value("task").is_err());
        assert!(key_value("=7").is_err());
    }

    #[test]
    fn the_words_of_findings_are_those_of_the_command_line() {
        for kind in FindingKind::value_variants() {
            let value = kind.to_possible_value().unwrap();
            assert_eq!(value.get_name(), kind.as_str());
        }
    }
}

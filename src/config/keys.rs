//! The table of all keys, from which everything else about them derives.

use toml::de::DeValue;

use super::checks;
use super::value::Value;
use crate::domain::pool::Strategy;

/// The type of a key's value, with its range.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number in a range, both ends included.
    Count {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A length of time, at most a hundred years.
    Duration {
        /// Whether zero is allowed.
        zero: bool,
        /// Whether `never` is allowed.
        never: bool,
    },
    /// Bytes.
    Size,
    /// Yes or no.
    Bool,
    /// One of a few words.
    Choice {
        /// The words.
        allowed: &'static [&'static str],
    },
    /// A text.
    Text {
        /// What it is, with its article.
        what: &'static str,
        /// Says what is wrong with a text, to follow it.
        check: fn(&str) -> Result<(), String>,
    },
    /// Texts.
    List {
        /// What each is, in the plural.
        what: &'static str,
        /// Says what is wrong with one of them, to follow it.
        check: fn(&str) -> Result<(), String>,
    },
}

impl Kind {
    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        match self {
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { zero, never } => {
                let range = if *zero { "0 or more" } else { "more than 0" };
                let never = if *never { ", or \"never\"" } else { "" };
                format!("a duration like \"30s\" or \"1h 30m\", or seconds, {range}{never}")
            }
            Self::Size => "a size like \"10G\" or \"512M\", or bytes".into(),
            Self::Bool => "true or false".into(),
            Self::Choice { allowed, .. } => {
                let words: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
                words.join(", ")
            }
            Self::Text { what, .. } => (*what).into(),
            Self::List { what, .. } => format!("a list of {what}"),
        }
    }
}

/// The tables of the file in which a key may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `[defaults]` and the pools' tables.
    Both,
    /// `[defaults]` only: it is about the workspace.
    Defaults,
    /// The pools' tables only.
    Pool,
}

/// One key of `pools.toml`.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its type and range.
    pub kind: Kind,
    /// The built-in value as TOML; `None` where there is none.
    pub default: Option<&'static str>,
    /// A value as TOML, for the example pool of the template.
    pub example: Option<&'static str>,
    /// Where it may stand.
    pub place: Place,
    /// What it does, in one line.
    pub doc: &'static str,
}

impl Key {
    /// The environment variable that sets it: every single value of `[defaults]` has one.
    pub fn variable(&self) -> Option<String> {
        let single = !matches!(self.kind, Kind::List { .. });
        (single && self.place != Place::Pool)
            .then(|| format!("REPO_POOL_{}", self.name.to_ascii_uppercase()))
    }

    /// The built-in value.
    pub(super) fn built_in(&self) -> Option<Value> {
        let parsed = DeValue::parse(self.default?).ok()?;
        Value::from_toml(&self.kind, parsed.get_ref()).ok()
    }
}

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The built-in value of the key of that name.
pub(super) fn built_in(name: &str) -> Option<Value> {
    find(name)?.built_in()
}

/// Keys with a meaning that this version does not support.
pub const LATER: &[&str] = &["copy", "setup", "setup_inputs", "on_release"];

/// The most slots a pool may have.
pub const MOST_SLOTS: u32 = 10_000;

const SLOTS: Kind = Kind::Count {
    min: 1,
    max: MOST_SLOTS,
};
const TIMEOUT: Kind = Kind::Duration {
    zero: false,
    never: false,
};

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default: Some(default),
        example: None,
        place: Place::Both,
        doc,
    }
}

/// Every key, in the order in which people are shown them.
pub const KEYS: &[Key] = &[
    Key {
        place: Place::Pool,
        default: None,
        example: Some("\"https://example.com/team/my-project.git\""),
        ..key(
            "repo_url",
            Kind::Text {
                what: "the repository's URL, or a path to it",
                check: |text| {
                    if text.is_empty() {
                        Err("is empty".into())
                    } else {
                        Ok(())
                    }
                },
            },
            "",
            "The repository; a relative path starts at this file's directory.",
        )
    },
    Key {
        place: Place::Pool,
        example: Some("\"worktree\""),
        ..key(
            "strategy",
            Kind::Choice {
                allowed: Strategy::WORDS,
            },
            "\"worktree\"",
            "What a slot is: a worktree of the pool's repository, or a full clone while it is in use.",
        )
    },
    Key {
        example: Some("3"),
        ..key("num_slots", SLOTS, "2", "Slots a pool is made with.")
    },
    Key {
        default: None,
        example: Some("8"),
        ..key(
            "max_slots",
            SLOTS,
            "",
            "How far `allocate --grow` may go, and a pool made on first use by itself; without it 16.",
        )
    },
    Key {
        place: Place::Pool,
        default: None,
        example: Some("\"main\""),
        ..key(
            "base",
            Kind::Text {
                what: "a branch of the remote",
                check: checks::branch,
            },
            "",
            "The branch that slots start from; without it the remote's HEAD.",
        )
    },
    Key {
        example: Some("[\"node_modules/\", \"target/\"]"),
        ..key(
            "keep",
            Kind::List {
                what: "patterns relative to the slot, without \"..\"",
                check: checks::keep_pattern,
            },
            "[]",
            "Ignored paths that cleaning leaves, so that caches stay warm.",
        )
    },
    key(
        "lock_timeout",
        TIMEOUT,
        "\"30s\"",
        "How long to wait for a lock.",
    ),
    key(
        "cleanup_timeout",
        TIMEOUT,
        "\"60s\"",
        "How long cleaning a slot may take; then it goes on in the background.",
    ),
    key(
        "git_timeout",
        TIMEOUT,
        "\"5m\"",
        "How long clone or fetch may go on without any progress.",
    ),
    key(
        "stale_after",
        TIMEOUT,
        "\"24h\"",
        "Allocations older than this are reported by `recover`.",
    ),
    key(
        "fetch_on_allocate",
        Kind::Bool,
        "true",
        "Whether allocating fetches, so that a slot has the newest commit.",
    ),
    key(
        "fetch_max_age",
        Kind::Duration {
            zero: true,
            never: false,
        },
        "\"0s\"",
        "A fetch this fresh is good enough.",
    ),
    key(
        "on_fetch_failure",
        Kind::Choice {
            allowed: &["error", "use-cache"],
        },
        "\"error\"",
        "When fetching fails: \"error\" fails, \"use-cache\" warns and uses the last fetch.",
    ),
    key(
        "clean_on_release",
        Kind::Bool,
        "true",
        "Whether releasing cleans; if not, the next allocate does.",
    ),
    key(
        "background_cleanup",
        Kind::Bool,
        "false",
        "Whether releasing returns at once, and cleaning goes on in the background.",
    ),
    key(
        "rescue",
        Kind::Choice {
            allowed: &["all", "commits", "off"],
        },
        "\"all\"",
        "Which unlanded work is saved before cleaning: \"all\", \"commits\" or \"off\".",
    ),
    key(
        "rescue_expire",
        Kind::Duration {
            zero: false,
            never: true,
        },
        "\"90d\"",
        "How long saved work is kept at least, or \"never\" to keep it until it is dropped.",
    ),
    key(
        "trash_limit",
        Kind::Size,
        "\"10G\"",
        "How much may wait for deletion, per pool; beyond that, commands delete it.",
    ),
    key(
        "warmup_enabled",
        Kind::Bool,
        "false",
        "Whether `warm` without arguments keeps this pool's idle slots at the newest base.",
    ),
    key(
        "jobs",
        Kind::Count { min: 0, max: 1024 },
        "0",
        "How many things are done at once; 0 is one per core.",
    ),
    key(
        "enable_metrics",
        Kind::Bool,
        "true",
        "Whether allocation times are recorded.",
    ),
    Key {
        place: Place::Defaults,
        ..key(
            "allow_network_filesystem",
            Kind::Bool,
            "false",
            "Whether the workspace may be on a network file system, whose locks can't be trusted.",
        )
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_and_example_is_a_value_of_its_key() {
        for key in KEYS {
            for literal in [key.default, key.example].into_iter().flatten() {
                let parsed = DeValue::parse(literal).unwrap();
                let value = Value::from_toml(&key.kind, parsed.get_ref());
                assert!(value.is_ok(), "{}: {value:?}", key.name);
            }
            assert!(key.doc.ends_with('.') && key.doc.len() < 90, "{}", key.name);
        }
    }

    #[test]
    fn names_and_variables_are_unique() {
        let mut names: Vec<&str> = KEYS
            .iter()
            .map(|key| key.name)
            .chain(LATER.iter().copied())
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(
            find("git_timeout").unwrap().variable().as_deref(),
            Some("REPO_POOL_GIT_TIMEOUT")
        );
        assert_eq!(find("keep").unwrap().variable(), None);
        for reserved in [
            "workspace",
            "config",
            "slot",
            "slot_path",
            "pool",
            "allocation",
        ] {
            assert!(
                !names.contains(&reserved),
                "{reserved} is a variable of its own"
            );
        }
    }
}

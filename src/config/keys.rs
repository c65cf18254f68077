//! The table of all keys, from which everything else about them derives.

mod agents;
mod dispatch;
mod place;

use toml::de::DeValue;

use super::checks;
use super::value::Value;
use crate::domain::Error;
use crate::domain::pool::Strategy;

pub use super::kind::Kind;
pub use agents::{AGENT_POOL, is_for};
pub use dispatch::DISPATCH;
pub use place::Place;

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
        (single && matches!(self.place, Place::Both | Place::Defaults))
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

/// The keys that may stand in a table.
pub fn in_table(place: Place) -> impl Iterator<Item = &'static Key> {
    let keys = match place {
        Place::Both | Place::Defaults | Place::Pool => KEYS,
        Place::Dispatch => DISPATCH,
        Place::AgentPool => AGENT_POOL,
    };
    let pools = matches!(place, Place::Defaults | Place::Pool);
    keys.iter()
        .filter(move |key| key.place == place || (pools && key.place == Place::Both))
}

/// The keys of all tables; no two have one name.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(DISPATCH).chain(AGENT_POOL)
}

/// Refuses what an option says about a key if it is no value of that key.
pub fn check_flag(name: &str, flag: &str, text: &str) -> Result<(), Error> {
    let checked = find(name).map(|key| Value::from_variable(&key.kind, text));
    match checked {
        Some(Err(wrong)) => Err(Error::usage(format!("{flag}: {wrong}"))),
        _ => Ok(()),
    }
}

/// The built-in value of the key of that name.
pub(super) fn built_in(name: &str) -> Option<Value> {
    find(name)?.built_in()
}

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

const COMMAND_WORDS: Kind = Kind::List {
    what: "a program and its arguments",
    check: checks::variable,
};

const COMMAND: Kind = Kind::Text {
    what: "a command for sh",
    check: checks::command,
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

/// Every key about pools, in the order in which people are shown them.
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
        default: None,
        example: Some("\"blob:none\""),
        ..key(
            "filter",
            Kind::Text {
                what: "\"blob:none\", or \"blob:limit=SIZE\" like \"blob:limit=1m\"",
                check: checks::filter,
            },
            "",
            "Which contents of files stay with the remote until they are needed (partial clone).",
        )
    },
    Key {
        default: None,
        example: Some("50"),
        ..key(
            "depth",
            Kind::Count {
                min: 1,
                max: 1_000_000,
            },
            "",
            "How many commits of each branch a pool is made with (shallow); without it all.",
        )
    },
    Key {
        example: Some("[\"src\", \"docs\"]"),
        ..key(
            "sparse",
            Kind::List {
                what: "directories of the repository",
                check: checks::directory,
            },
            "[]",
            "The directories that slots have (sparse checkout); without it everything.",
        )
    },
    Key {
        example: Some("true"),
        ..key(
            "lfs",
            Kind::Bool,
            "false",
            "Whether slots have the contents of files that git-lfs keeps; if not, pointers to them.",
        )
    },
    Key {
        example: Some("true"),
        ..key(
            "submodules",
            Kind::Choice {
                allowed: &["false", "true", "recursive"],
            },
            "false",
            "Whether slots have their submodules: false, true or \"recursive\".",
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
        "keep_limit",
        Kind::Size,
        "\"20G\"",
        "How much of that a slot may hold; beyond it the largest of them go.",
    ),
    Key {
        example: Some("[\".env\"]"),
        ..key(
            "copy",
            Kind::List {
                what: "paths below the pool's files/, without \"..\"",
                check: checks::path_inside,
            },
            "[]",
            "What of the pool's folder files/ every slot has, as it is there.",
        )
    },
    Key {
        place: Place::Pool,
        default: None,
        example: Some("\"npm ci\""),
        ..key(
            "setup",
            COMMAND,
            "",
            "What sh runs in a slot that is made or warmed, so that it can be worked in.",
        )
    },
    Key {
        place: Place::Pool,
        example: Some("[\"package-lock.json\"]"),
        ..key(
            "setup_inputs",
            Kind::List {
                what: "paths of the repository, without \"..\"",
                check: checks::path_inside,
            },
            "[]",
            "Where one of these is another than at the last time, `setup` runs again.",
        )
    },
    key(
        "setup_timeout",
        TIMEOUT,
        "\"30m\"",
        "How long `setup` may take; then it is ended, and has failed.",
    ),
    Key {
        place: Place::Pool,
        default: None,
        example: Some("\"./clean-up\""),
        ..key(
            "on_release",
            COMMAND,
            "",
            "What sh runs in a slot that is given back, within `cleanup_timeout`.",
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
    key(
        "ports",
        Kind::Text {
            what: "a range of ports like \"20000-29999\"",
            check: checks::ports,
        },
        "\"20000-29999\"",
        "Where slots have their ports, for `exec` and `allocate --export`.",
    ),
    key(
        "ports_per_slot",
        Kind::Count { min: 0, max: 1000 },
        "10",
        "How many ports a slot has that no other of the workspace has; 0 for none.",
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
mod tests;

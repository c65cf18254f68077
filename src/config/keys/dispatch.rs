//! The keys of `[dispatch]`.

use super::{COMMAND_WORDS, Key, Kind, Place, TIMEOUT, checks, key};

const fn rule(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        place: Place::Dispatch,
        ..key(name, kind, default, doc)
    }
}

/// A key without a value of its own.
pub(super) const fn unset(key: Key, example: &'static str) -> Key {
    Key {
        default: None,
        example: Some(example),
        ..key
    }
}

const NAMES: Kind = Kind::List {
    what: "names of agent pools",
    check: checks::word,
};
pub(super) const RUNNERS: Kind = Kind::Count {
    min: 1,
    max: 10_000,
};

/// Every key of `[dispatch]`, in the order in which people are shown them.
pub const DISPATCH: &[Key] = &[
    rule(
        "poll_interval",
        TIMEOUT,
        "\"5s\"",
        "How often task files are looked at with `--watch`, and a slot is asked for again.",
    ),
    rule(
        "scheduling_policy",
        Kind::Choice {
            allowed: &["fifo", "priority", "skill-based", "fair-share"],
        },
        "\"priority\"",
        "The order of ready tasks: \"fifo\", \"priority\", \"skill-based\" or \"fair-share\".",
    ),
    rule(
        "max_global_concurrency",
        RUNNERS,
        "10",
        "How many runners there are at most, over all agent pools.",
    ),
    rule(
        "heartbeat_timeout",
        TIMEOUT,
        "\"60s\"",
        "After how long without a heartbeat a runner is ended.",
    ),
    rule(
        "retry_max_attempts",
        Kind::Count { min: 1, max: 1001 },
        "3",
        "How many attempts a task has that says nothing of its own.",
    ),
    rule(
        "retry_backoff_base",
        Kind::Decimal {
            min: 1_000,
            max: 100_000,
        },
        "2",
        "The first wait before a retry is 1 s, each further one so many times the one before.",
    ),
    rule(
        "graceful_shutdown_timeout",
        Kind::Duration {
            zero: true,
            never: false,
        },
        "\"300s\"",
        "How long runners may take when the dispatcher is told to end.",
    ),
    unset(
        rule(
            "skill_mapping",
            Kind::Table {
                names: "skills",
                each: &NAMES,
            },
            "",
            "Skills and the agent pools that serve them; `default` is for all others.",
        ),
        "{ backend = [\"local\"], default = [\"local\"] }",
    ),
    unset(
        rule(
            "aging_interval",
            TIMEOUT,
            "",
            "With it, waiting so long is worth one step of priority, or a mapped skill.",
        ),
        "\"10m\"",
    ),
    unset(
        rule(
            "share_weights",
            Kind::Table {
                names: "groups",
                each: &Kind::Decimal {
                    min: 1,
                    max: 1_000_000,
                },
            },
            "",
            "The weights of groups with \"fair-share\"; 1 for those that are not named.",
        ),
        "{ team-a = 2, team-b = 1 }",
    ),
    rule(
        "cooldown",
        TIMEOUT,
        "\"30s\"",
        "How long an agent pool rests when a task says \"try later\".",
    ),
    rule(
        "log_limit",
        Kind::Size,
        "\"1G\"",
        "The most output of one attempt; what writes more is ended.",
    ),
    unset(
        rule(
            "command",
            COMMAND_WORDS,
            "",
            "What runs a task whose file names no command.",
        ),
        "[\"agent\", \"--task\", \"{task_file}\"]",
    ),
    unset(
        rule(
            "repo",
            Kind::Text {
                what: "a pool's name, or a repository's URL or path",
                check: checks::word,
            },
            "",
            "The pool whose slots tasks get whose file names none.",
        ),
        "\"my-project\"",
    ),
];

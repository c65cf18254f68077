//! What the help of `dispatch` and its verbs adds.

use super::{Row, Topic};

/// What the end of `dispatch run` means.
const CODES: &[Row] = &[
    ("0", "all tasks are done"),
    ("1", "some failed, were cancelled or are blocked by those"),
    (
        "2",
        "a task file or the settings are wrong; every problem is named",
    ),
    ("3", "another dispatcher has this run"),
    (
        "4",
        "nothing can go on without a person: see dispatch status",
    ),
    ("7", "there is no such run, task or agent pool"),
    (
        "128+N",
        "signal N ended it; dispatch run with the same files goes on",
    ),
];

/// Of `dispatch`.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        verb: "dispatch",
        exit_codes: CODES,
        examples: &[
            (
                "repo-pool dispatch run tasks.toml",
                "all tasks, from the first or from where it was",
            ),
            (
                "repo-pool dispatch status --watch",
                "what runs and what waits, from another terminal",
            ),
            (
                "repo-pool dispatch why 3",
                "why task 3 does not run, and what helps",
            ),
            (
                "repo-pool dispatch log -f 3",
                "what task 3 says, through all its attempts",
            ),
        ],
    },
    Topic {
        verb: "dispatch run",
        exit_codes: CODES,
        examples: &[
            (
                "repo-pool dispatch run tasks.toml --dry-run",
                "in which order the tasks would start",
            ),
            (
                "repo-pool dispatch run tasks.json --repo app -- agent --task '{task_file}'",
                "a file that names neither repository nor command",
            ),
            (
                "repo-pool dispatch run tasks.toml --only 3 --max 1",
                "task 3 and what it depends on, one by one",
            ),
            (
                "repo-pool dispatch run login/taskset.json --watch",
                "as a service: what becomes ready in the file is run",
            ),
        ],
    },
];

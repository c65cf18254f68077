//! What the help of `dispatch` and its verbs adds.

use super::Topic;

/// Of `dispatch`.
pub(super) const TOPICS: &[Topic] = &[Topic {
    verb: "dispatch",
    exit_codes: &[
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
    ],
    examples: &[
        (
            "repo-pool dispatch run tasks.toml",
            "all tasks, from the first or from where it was",
        ),
        (
            "repo-pool dispatch run tasks.json --repo app -- agent --task '{task_file}'",
            "a file that names neither repository nor command",
        ),
        (
            "repo-pool dispatch status --watch",
            "what runs and what waits, from another terminal",
        ),
        (
            "repo-pool dispatch why 3",
            "why task 3 does not run, and what helps",
        ),
    ],
}];

//! What the help of the verbs about the settings adds.

use super::Topic;

/// Of `apply` and `config`.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        verb: "apply",
        exit_codes: &[
            (
                "1",
                "a pool failed; the others were seen to. --dry-run: something would change",
            ),
            (
                "2",
                "the file is wrong, or declares another URL; nothing was done",
            ),
            ("5", "what should go is in use or holds work, and was left"),
        ],
        examples: &[
            ("repo-pool apply --dry-run", "what would change"),
            (
                "repo-pool apply --prune",
                "as declared, and nothing beyond that",
            ),
            (
                "repo-pool apply --watch=10s",
                "as a service: at each change of the file",
            ),
        ],
    },
    Topic {
        verb: "config",
        exit_codes: &[
            ("1", "import: there is a file already, and no --force"),
            ("2", "the settings are wrong; every problem is named"),
        ],
        examples: &[
            ("repo-pool config show", "what applies, and why"),
            ("repo-pool config check", "before relying on a changed file"),
            (
                "repo-pool config import pools.yaml --output",
                "the original's pools",
            ),
        ],
    },
];

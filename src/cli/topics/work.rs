//! What the help of the verbs for working in a slot adds.

use super::{NO_SUCH_POOL, NO_SUCH_SLOT, Topic};

/// Of `allocate`, `release` and what goes with them.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        verb: "allocate",
        exit_codes: &[
            ("1", "git failed, or another slot holds the branch"),
            ("3", "a lock was busy until the time-out"),
            (
                "4",
                "no slot is available, or became so within --wait; the message says who holds them",
            ),
            NO_SUCH_POOL,
        ],
        examples: &[
            (
                "slot=$(repo-pool allocate my-project) && cd \"$slot\"",
                "work in a slot, until repo-pool release",
            ),
            (
                "repo-pool allocate . --branch fix-login --key fix-login --wait 10m",
                "on a branch; in line if no slot is free, and the same slot for the same key",
            ),
            (
                "repo-pool allocate my-project --owner-pid $$ --meta task_id=123",
                "held for as long as this shell lives, with a note",
            ),
            (
                "vars=$(repo-pool allocate my-project --export) && eval \"$vars\"",
                "its variables, as exec sets them; then: cd \"$REPO_POOL_SLOT_PATH\"",
            ),
        ],
    },
    Topic {
        verb: "release",
        exit_codes: &[
            ("5", "a process is inside the slot; the message names it"),
            (
                "6",
                "ID is not the current allocation, or the owner is alive",
            ),
            NO_SUCH_SLOT,
        ],
        examples: &[
            ("repo-pool release", "the slot of the current directory"),
            (
                "repo-pool release \"$slot\"",
                "the slot whose path allocate printed",
            ),
            (
                "repo-pool release my-project/slot2 --discard",
                "without saving what was done in it",
            ),
        ],
    },
    Topic {
        verb: "renew",
        exit_codes: &[
            ("2", "the slot has no lease yet, and --ttl is not given"),
            (
                "6",
                "the slot is not allocated (any more), or it is another's",
            ),
            NO_SUCH_SLOT,
        ],
        examples: &[
            (
                "while sleep 60 && kill -0 $$; do repo-pool renew \"$slot\" || break; done &",
                "a heartbeat that ends with this shell or the allocation",
            ),
            (
                "repo-pool renew my-project/slot2 --ttl 2h",
                "two hours from now",
            ),
        ],
    },
    Topic {
        verb: "exec",
        exit_codes: &[
            (
                "CMD's",
                "when CMD ran; a failing release does not replace it",
            ),
            ("125", "repo-pool itself failed; the message says in what"),
            ("126", "CMD was found and cannot be run"),
            ("127", "CMD was not found"),
            ("128+N", "signal N ended CMD"),
        ],
        examples: &[
            (
                "repo-pool exec . -- make test",
                "on a clean checkout of the repository in this directory",
            ),
            (
                "repo-pool exec my-project --ref v1.2 -- sh -c 'make && make check'",
                "at a tag",
            ),
            ("repo-pool exec my-project", "a shell in a slot"),
            (
                "repo-pool exec . -- sh -c './serve --port \"$REPO_POOL_PORT\"'",
                "on a port that no other slot has",
            ),
        ],
    },
    Topic {
        verb: "rescue",
        exit_codes: &[
            ("1", "there is no such saved work"),
            ("2", "the id means several, or no slot is meant"),
            ("5", "the slot has changes, or commits of its own"),
            ("6", "the slot is somebody else's"),
        ],
        examples: &[
            ("repo-pool rescue list", "what was saved, in all pools"),
            (
                "repo-pool rescue restore slot1-8045931a --into my-project/slot2",
                "commits, staged and other changes, untracked files",
            ),
            (
                "repo-pool rescue restore 8045 --branch saved-work",
                "as a branch of the pool's repository",
            ),
        ],
    },
    Topic {
        verb: "hook",
        exit_codes: &[
            ("2", "what came on stdin is not what the hook is given"),
            ("4", "no slot is available"),
            ("5", "remove: a process is inside the slot"),
        ],
        examples: &[
            (
                "repo-pool hook install claude-code --write",
                "agents that this repository's Claude Code starts work in slots",
            ),
            (
                "echo '{\"cwd\": \"'$PWD'\", \"name\": \"fix-login\"}' | repo-pool hook claude-code create",
                "what the tool does",
            ),
        ],
    },
    Topic {
        verb: "collect",
        exit_codes: &[NO_SUCH_SLOT],
        examples: &[(
            "repo-pool collect my-project/slot1 --into ~/src/my-project",
            "the branches made in slot1, to be merged there",
        )],
    },
];

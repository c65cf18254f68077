//! What the help says beyond the grammar: groups of verbs, exit codes, examples, environment and
//! files. The help texts and the manual pages are both made from these tables.

mod dispatch;
mod settings;
mod work;

/// A word and what it means, one row of a table.
pub type Row = (&'static str, &'static str);

/// Verbs that belong together, under a heading.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The verbs, in the order in which they are listed.
    pub verbs: &'static [&'static str],
}

/// What the help of one verb adds to its description.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// The verb.
    pub verb: &'static str,
    /// What the exit codes mean for this verb in particular; [`EXIT_CODES`] has them all.
    pub exit_codes: &'static [Row],
    /// Command lines and what they do.
    pub examples: &'static [Row],
}

/// The groups of the top-level help; every verb is in exactly one.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Work in a slot",
        verbs: &["exec", "allocate", "release", "renew", "rescue", "collect"],
    },
    Group {
        title: "Run a queue of tasks",
        verbs: &["dispatch"],
    },
    Group {
        title: "See what there is",
        verbs: &["status", "list", "branches", "log", "metrics"],
    },
    Group {
        title: "Make and change pools",
        verbs: &[
            "init",
            "create",
            "apply",
            "add-slot",
            "remove-slot",
            "remove-pool",
        ],
    },
    Group {
        title: "Keep pools healthy",
        verbs: &["recover", "warm", "isolate"],
    },
    Group {
        title: "Settings and shells",
        verbs: &["config", "hook", "completions", "shell-init", "man"],
    },
];

/// The exit codes.
pub const EXIT_CODES: &[Row] = &[
    ("0", "done"),
    ("1", "failed; the message says what, and what to try next"),
    ("2", "wrong usage, or a wrong configuration"),
    ("3", "a lock was busy until the time-out; try again"),
    ("4", "no slot is available"),
    ("5", "refused, to protect work or a live process"),
    (
        "6",
        "not the slot's current allocation, or the slot is another's",
    ),
    ("7", "no such pool or slot"),
    (
        "exec",
        "the command's own code, or 125 to 127, see exec --help",
    ),
    (
        "dispatch",
        "1, 3, 4 and 128+N tell of the tasks, see dispatch --help",
    ),
];

/// The environment variables that are read.
pub const ENVIRONMENT: &[Row] = &[
    ("REPO_POOL_WORKSPACE", "like --workspace"),
    ("REPO_POOL_CONFIG", "like --config"),
    ("REPO_POOL_LOCK_TIMEOUT", "like --lock-timeout"),
    (
        "REPO_POOL_<SETTING>",
        "a value of [defaults], as in REPO_POOL_GIT_TIMEOUT",
    ),
    ("REPO_POOL_SLOT", "the slot meant when none is named"),
    ("REPO_POOL_ALLOCATION", "the allocation by which it is held"),
    ("SHELL", "what exec runs when no command is given"),
    (
        "NO_COLOR, CLICOLOR_FORCE",
        "no colour, or colour in any case",
    ),
];

/// Where the workspace is looked for, in this order.
pub const WORKSPACE: &[Row] = &[
    ("--workspace DIR", "if it is given"),
    ("$REPO_POOL_WORKSPACE", "if it is set"),
    (
        "the nearest parent directory",
        "that holds .repo-pool/workspace.json",
    ),
    ("$XDG_DATA_HOME/repo-pool", "if XDG_DATA_HOME is set"),
    ("~/.local/share/repo-pool", "otherwise"),
];

/// The files of a workspace a person may want to know.
pub const FILES: &[Row] = &[
    (
        "pools.toml",
        "the settings; repo-pool config check reads it",
    ),
    ("POOL/worktrees/slotN", "the checkouts"),
    ("POOL/repo.git", "the repository they share"),
    (
        "POOL/view.git",
        "the same for repo-pool's own git, out of reach of the slots",
    ),
    ("POOL/pool.json", "the state of the pool and its slots"),
    ("POOL/events.jsonl", "the history; repo-pool log shows it"),
];

/// What the help of `verb` adds to its description.
#[must_use]
pub fn topic(verb: &str) -> Option<&'static Topic> {
    let tables = [TOPICS, work::TOPICS, settings::TOPICS, dispatch::TOPICS];
    let mut all = tables.into_iter().flatten();
    all.find(|topic| topic.verb == verb)
}

const NO_SUCH_POOL: Row = ("7", "there is no such pool");
const NO_SUCH_SLOT: Row = ("7", "there is no such slot");
const NO_SUCH_TARGET: Row = ("7", "there is no such pool or slot");

const TOPICS: &[Topic] = &[
    Topic {
        verb: "init",
        exit_codes: &[("2", "DIR is not empty and no workspace, or not yours alone")],
        examples: &[
            ("repo-pool init", "in the directory used without being told"),
            ("repo-pool init /srv/pools", "in a place of your choice"),
        ],
    },
    Topic {
        verb: "create",
        exit_codes: &[
            ("1", "the repository could not be cloned; nothing is left"),
            ("2", "the name, the URL or the number is not acceptable"),
        ],
        examples: &[
            (
                "repo-pool create my-project https://example.com/team/my-project.git",
                "a pool with as many slots as the settings say",
            ),
            (
                "repo-pool create my-project git@example.com:team/my-project.git -n 4 --base dev",
                "four slots, at the newest commit of dev",
            ),
        ],
    },
    Topic {
        verb: "add-slot",
        exit_codes: &[NO_SUCH_POOL],
        examples: &[("repo-pool add-slot my-project -n 3", "three more slots")],
    },
    Topic {
        verb: "remove-slot",
        exit_codes: &[
            ("5", "the slot is allocated, or a process is inside it"),
            (
                "6",
                "ID is not the current allocation, or the owner is alive",
            ),
            NO_SUCH_SLOT,
        ],
        examples: &[(
            "repo-pool remove-slot my-project/slot3",
            "if nobody uses it",
        )],
    },
    Topic {
        verb: "remove-pool",
        exit_codes: &[
            ("5", "a slot is allocated, or saved work is left"),
            NO_SUCH_POOL,
        ],
        examples: &[("repo-pool remove-pool my-project", "if nobody uses it")],
    },
    Topic {
        verb: "list",
        exit_codes: &[],
        examples: &[(
            "for pool in $(repo-pool list); do repo-pool branches \"$pool\"; done",
            "something for each pool",
        )],
    },
    Topic {
        verb: "status",
        exit_codes: &[
            ("1", "with --check: something needs attention"),
            NO_SUCH_TARGET,
        ],
        examples: &[
            ("repo-pool status", "all pools"),
            (
                "repo-pool status my-project --disk",
                "its slots and their sizes",
            ),
            (
                "repo-pool status --watch=5s my-project/slot1",
                "all about one slot, again every five seconds",
            ),
        ],
    },
    Topic {
        verb: "recover",
        exit_codes: &[
            (
                "1",
                "a repair failed; with --dry-run: there is something to do",
            ),
            NO_SUCH_TARGET,
        ],
        examples: &[
            ("repo-pool recover --dry-run", "what is wrong, anywhere"),
            (
                "repo-pool recover my-project",
                "once `setup` is repaired: run it wherever it failed",
            ),
            (
                "repo-pool recover my-project/slot2 --force",
                "rebuild a slot, its work saved",
            ),
            (
                "repo-pool recover my-project --force",
                "make a damaged repository anew from the remote",
            ),
        ],
    },
    Topic {
        verb: "warm",
        exit_codes: &[
            (
                "1",
                "a pool could not be fetched, or a slot not be made ready; all others were",
            ),
            NO_SUCH_TARGET,
        ],
        examples: &[
            (
                "repo-pool warm --quiet",
                "for cron: pools with warmup_enabled = true",
            ),
            ("repo-pool warm my-project", "one pool, now"),
            (
                "repo-pool warm my-project --no-fetch --jobs 1",
                "clean and verify only, one by one",
            ),
        ],
    },
    Topic {
        verb: "isolate",
        exit_codes: &[("5", "the slot is in use"), NO_SUCH_SLOT],
        examples: &[(
            "repo-pool isolate my-project/slot2 --reason \"odd build results\"",
            "keep slot2 as it is",
        )],
    },
    Topic {
        verb: "branches",
        exit_codes: &[NO_SUCH_POOL],
        examples: &[("repo-pool branches my-project", "what --ref may name")],
    },
    Topic {
        verb: "log",
        exit_codes: &[NO_SUCH_TARGET],
        examples: &[
            ("repo-pool log my-project/slot1", "what happened to a slot"),
            ("repo-pool --json log -n 20", "the newest events, as JSON"),
            ("repo-pool log -f", "what happens from now on"),
        ],
    },
    Topic {
        verb: "metrics",
        exit_codes: &[NO_SUCH_POOL],
        examples: &[
            (
                "repo-pool metrics --output /var/lib/node_exporter/repo-pool.prom",
                "for node_exporter's textfile collector",
            ),
            (
                "repo-pool metrics my-project --format json",
                "one pool, as JSON",
            ),
        ],
    },
    Topic {
        verb: "completions",
        exit_codes: &[],
        examples: &[
            ("source <(repo-pool completions bash)", "for this bash"),
            (
                "repo-pool completions fish > ~/.config/fish/completions/repo-pool.fish",
                "for every fish",
            ),
        ],
    },
    Topic {
        verb: "shell-init",
        exit_codes: &[],
        examples: &[
            (
                "eval \"$(repo-pool shell-init bash)\"",
                "in ~/.bashrc; in ~/.zshrc with zsh for bash",
            ),
            (
                "repo-pool shell-init fish | source",
                "in ~/.config/fish/config.fish",
            ),
            (
                "eval \"$(repo-pool shell-init bash --cmd slot)\"",
                "a function called slot",
            ),
        ],
    },
    Topic {
        verb: "man",
        exit_codes: &[],
        examples: &[(
            "repo-pool man ~/.local/share/man",
            "where man finds them, for instance as repo-pool-exec(1)",
        )],
    },
];

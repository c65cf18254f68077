//! The keys of the agent pools' tables.

use super::dispatch::{RUNNERS, unset};
use super::{COMMAND_WORDS, Key, Kind, Place, TIMEOUT, checks, key};
use crate::domain::dispatch::agents::exec::answer::STATES;

const ANSWER: Kind = Kind::Text {
    what: "a part of an answer",
    check: checks::word,
};

const fn agent(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        place: Place::AgentPool,
        ..key(name, kind, default, doc)
    }
}

const fn exec(name: &'static str, kind: Kind, doc: &'static str, example: &'static str) -> Key {
    unset(agent(name, kind, "", doc), example)
}

/// Whether a key of an agent pool is for such of this type.
pub fn is_for(key: &str, engine: &str) -> bool {
    match key {
        "image" => matches!(engine, "docker" | "kubernetes"),
        "user" | "network" | "pull" | "pids_limit" | "host" | "arguments" | "answer_timeout" => {
            engine == "docker"
        }
        "namespace" | "context" | "kubeconfig" | "job_template" | "secrets" | "transport"
        | "node" | "workspace" | "pending_timeout" | "watch_interval" => engine == "kubernetes",
        "submit" | "poll" | "cancel" | "find" | "log" | "job_after" | "state_after"
        | "exit_code_after" | "states" | "gone" | "poll_every" | "command_timeout"
        | "exit_wait" => engine == "exec",
        _ => true,
    }
}

/// Every key of an agent pool, in the order in which people are shown them.
pub const AGENT_POOL: &[Key] = &[
    Key {
        example: Some("\"local-process\""),
        ..agent(
            "type",
            Kind::Choice {
                allowed: &["local-process", "docker", "kubernetes", "exec"],
            },
            "\"local-process\"",
            "What runs its runners: \"local-process\", \"docker\", \"kubernetes\" or \"exec\".",
        )
    },
    unset(
        agent(
            "max_concurrency",
            RUNNERS,
            "",
            "How many runners it has at most; without it one per core.",
        ),
        "2",
    ),
    Key {
        example: Some("true"),
        ..agent("enabled", Kind::Bool, "true", "Whether it takes tasks.")
    },
    unset(
        agent(
            "cpu_quota",
            Kind::Decimal {
                min: 1,
                max: 1_000_000_000,
            },
            "",
            "How many processors its running tasks may ask for together.",
        ),
        "4",
    ),
    unset(
        agent(
            "memory_quota",
            Kind::Memory,
            "",
            "How much memory its running tasks may ask for together; a plain number is in MB.",
        ),
        "\"8G\"",
    ),
    unset(
        agent(
            "skills",
            Kind::List {
                what: "skills",
                check: checks::word,
            },
            "",
            "The skills that it serves, beside those that `skill_mapping` sends to it.",
        ),
        "[\"backend\"]",
    ),
    unset(
        agent(
            "env",
            Kind::Table {
                names: "variables",
                each: &Kind::Text {
                    what: "a text",
                    check: checks::variable,
                },
            },
            "",
            "Variables of its runners.",
        ),
        "{ LANG = \"C.UTF-8\" }",
    ),
    unset(
        agent(
            "env_file",
            Kind::Text {
                what: "a path to a file of NAME=value lines",
                check: checks::word,
            },
            "",
            "A file with more of them; a relative path starts at this file's directory.",
        ),
        "\"runner.env\"",
    ),
    unset(
        agent(
            "image",
            Kind::Text {
                what: "a container's image",
                check: checks::word,
            },
            "",
            "With docker and kubernetes: the image that runners start from.",
        ),
        "\"team/runner:1\"",
    ),
    // Those of docker.
    unset(
        agent(
            "user",
            Kind::Text {
                what: "a user of the container, or UID:GID",
                check: checks::word,
            },
            "",
            "With docker: who runners are in the container; without it who the dispatcher is.",
        ),
        "\"1000:1000\"",
    ),
    unset(
        agent(
            "network",
            Kind::Text {
                what: "a network of docker's",
                check: checks::word,
            },
            "",
            "With docker: the network that runners are in; \"none\" for none.",
        ),
        "\"none\"",
    ),
    unset(
        agent(
            "pull",
            Kind::Choice {
                allowed: &["always", "missing", "never"],
            },
            "",
            "With docker: when to fetch the image: \"always\", \"missing\" (default) or \"never\".",
        ),
        "\"never\"",
    ),
    unset(
        agent(
            "pids_limit",
            Kind::Count {
                min: 1,
                max: 1_000_000,
            },
            "",
            "With docker: how many processes a runner may have [default: 512].",
        ),
        "4096",
    ),
    unset(
        agent(
            "arguments",
            Kind::List {
                what: "arguments of docker run",
                check: checks::word,
            },
            "",
            "With docker: further arguments of `docker run`.",
        ),
        "[\"--read-only\", \"--tmpfs=/tmp\"]",
    ),
    unset(
        agent(
            "host",
            Kind::Text {
                what: "a daemon's address",
                check: checks::word,
            },
            "",
            "With docker: the daemon; without it the one that DOCKER_HOST or docker's context names.",
        ),
        "\"unix:///run/user/1000/docker.sock\"",
    ),
    unset(
        agent(
            "answer_timeout",
            TIMEOUT,
            "",
            "With docker: how long the daemon may take to answer [default: 30s].",
        ),
        "\"1m\"",
    ),
    // kubernetes
    unset(
        agent(
            "namespace",
            Kind::Text {
                what: "a namespace",
                check: checks::word,
            },
            "",
            "With kubernetes: where Jobs are made; without it the current one.",
        ),
        "\"agents\"",
    ),
    unset(
        agent(
            "context",
            Kind::Text {
                what: "a context of kubectl's configuration",
                check: checks::word,
            },
            "",
            "With kubernetes: kubectl's context; without it the current one.",
        ),
        "\"cluster-1\"",
    ),
    unset(
        agent(
            "kubeconfig",
            Kind::Text {
                what: "a path to kubectl's configuration",
                check: checks::word,
            },
            "",
            "With kubernetes: kubectl's configuration; without it the one that kubectl finds itself.",
        ),
        "\"kubeconfig\"",
    ),
    unset(
        agent(
            "job_template",
            Kind::Text {
                what: "a path to a Job in JSON",
                check: checks::word,
            },
            "",
            "With kubernetes: what Jobs have beside what is set for each of them.",
        ),
        "\"job.json\"",
    ),
    unset(
        agent(
            "secrets",
            Kind::List {
                what: "names of secrets",
                check: checks::word,
            },
            "",
            "With kubernetes: secrets, at /run/repo-pool/secrets/NAME; \"env:NAME\": as variables.",
        ),
        "[\"git-token\"]",
    ),
    unset(
        agent(
            "transport",
            Kind::Choice {
                allowed: &["clone", "hostPath", "node"],
            },
            "",
            "With kubernetes: where files are: \"clone\" (the default), \"hostPath\" or \"node\".",
        ),
        "\"clone\"",
    ),
    unset(
        agent(
            "node",
            Kind::Text {
                what: "a node's name",
                check: checks::word,
            },
            "",
            "With kubernetes: the node that Jobs run on (its label kubernetes.io/hostname).",
        ),
        "\"worker-1\"",
    ),
    unset(
        agent(
            "workspace",
            Kind::Text {
                what: "an absolute path",
                check: checks::absolute,
            },
            "",
            "With kubernetes and transport = \"node\": the workspace on each node.",
        ),
        "\"/var/lib/repo-pool\"",
    ),
    unset(
        agent(
            "pending_timeout",
            Kind::Duration {
                zero: false,
                never: false,
            },
            "",
            "With kubernetes: how long a Job may wait for its node and image; without it 5m.",
        ),
        "\"5m\"",
    ),
    unset(
        agent(
            "watch_interval",
            Kind::Duration {
                zero: false,
                never: false,
            },
            "",
            "With kubernetes: how often the cluster is asked how its Jobs are; without it 3s.",
        ),
        "\"3s\"",
    ),
    // Exec.
    exec(
        "submit",
        COMMAND_WORDS,
        "With exec: the command that hands {script} or {command} over, and prints a job's id.",
        "[\"sbatch\", \"--parsable\", \"--job-name={name}\", \"{script}\"]",
    ),
    exec(
        "poll",
        COMMAND_WORDS,
        "With exec: the command that prints the state of {job}.",
        "[\"squeue\", \"--noheader\", \"--states=all\", \"--jobs={job}\", \"--format=%T\"]",
    ),
    exec(
        "cancel",
        COMMAND_WORDS,
        "With exec: the command that ends {job}.",
        "[\"scancel\", \"{job}\"]",
    ),
    exec(
        "find",
        COMMAND_WORDS,
        "With exec: the command that prints the id of the job called {name}, if there is one.",
        "[\"squeue\", \"--noheader\", \"--name={name}\", \"--format=%i\"]",
    ),
    exec(
        "log",
        COMMAND_WORDS,
        "With exec: the command that prints {job}'s output; without it {script} writes to {log}.",
        "[\"nomad\", \"alloc\", \"logs\", \"-job\", \"{job}\"]",
    ),
    exec(
        "job_after",
        ANSWER,
        "With exec: what the job's id follows in an answer; else it is the last word.",
        "\"Submitted batch job\"",
    ),
    exec(
        "state_after",
        ANSWER,
        "With exec: what the state follows in `poll`'s answer; else it is the first word.",
        "\"JobState=\"",
    ),
    exec(
        "exit_code_after",
        ANSWER,
        "With exec: what the exit code follows there; {script} tells it without that.",
        "\"ExitCode=\"",
    ),
    exec(
        "states",
        Kind::Table {
            names: "the engine's words",
            each: &Kind::Choice { allowed: STATES },
        },
        "With exec: what further words for states mean; \"\" stands for an empty answer.",
        "{ R = \"running\", PD = \"waiting\", \"\" = \"gone\" }",
    ),
    exec(
        "gone",
        Kind::List {
            what: "texts",
            check: checks::word,
        },
        "With exec: what the engine says of a job that it does not know.",
        "[\"Invalid job id\"]",
    ),
    exec(
        "poll_every",
        TIMEOUT,
        "With exec: how often `poll` is run; without it every 5 s.",
        "\"5s\"",
    ),
    exec(
        "command_timeout",
        TIMEOUT,
        "With exec: how long each command may take; without it 30 s.",
        "\"30s\"",
    ),
    exec(
        "exit_wait",
        TIMEOUT,
        "With exec: how late the exit code may be seen after the job's end; without it 30 s.",
        "\"30s\"",
    ),
];

//! `repo-pool-tasks`(7): files of tasks, and what a task's command can rely on.

use clap_mangen::roff::{Roff, bold, roman};

use super::{head, page, section, see_also, table};
use crate::cli::PROGRAM;

/// What the page is called, with its section.
pub const NAME: (&str, &str) = ("repo-pool-tasks", "7");

/// What the page shows as it is typed.
const EXAMPLE: &str = "[defaults]\n\
    command = [\"agent\", \"--task\", \"{task_file}\"]\n\
    repo = \"app\"\n\
    retries = 2\n\
    timeout = \"30m\"\n\n\
    [[task]]\n\
    id = \"1\"\n\
    title = \"Log in\"\n\n\
    [[task]]\n\
    id = \"2\"\n\
    title = \"Log out\"\n\
    depends = [\"1\"]\n\
    base = \"deps\"";

const FIELDS: &[(&str, &str)] = &[
    (
        "id",
        "what the task is called, once in a run; anything printable",
    ),
    ("title, description", "for people, and for the command"),
    (
        "command",
        "the program and its arguments; {task_file}, {id}, {title}, {slot}, {branch}, {attempt} and the like are put in",
    ),
    (
        "repo",
        "the repository pool that the slot comes from: a name, a path, a URL; without one the command runs in the directory of its file",
    ),
    ("depends", "the tasks that come first"),
    (
        "when",
        "\"success\" (the default): once those are done; \"always\": once they have come to an end",
    ),
    ("priority", "higher goes first"),
    ("skill", "what an agent pool must serve"),
    (
        "share",
        "the group among which the policy fair-share shares; the file's name by default",
    ),
    (
        "cpu, memory",
        "what it asks for; held against the quotas of agent pools",
    ),
    (
        "files",
        "paths; tasks that name the same one do not run at the same time",
    ),
    (
        "base",
        "the branch, tag or commit to start from; \"deps\": the merged branches of what it depends on",
    ),
    (
        "branch",
        "the branch for its commits; rp/ID by default. Tasks with the same one run one at a time",
    ),
    ("retries", "how often it is tried again after a failure"),
    (
        "timeout, stall",
        "how long an attempt may run, and how long it may be without output",
    ),
    ("env", "variables of its own"),
];

const VARIABLES: &[(&str, &str)] = &[
    (
        "REPO_POOL_TASK_ID, REPO_POOL_RUN_ID",
        "the task and the run",
    ),
    ("REPO_POOL_TASK_FILE", "the task as JSON"),
    (
        "REPO_POOL_ATTEMPT, REPO_POOL_MAX_ATTEMPTS",
        "which attempt it is, and of how many",
    ),
    (
        "REPO_POOL_SLOT_PATH, REPO_POOL_SLOT_ID, REPO_POOL_POOL",
        "the slot",
    ),
    (
        "REPO_POOL_BRANCH, REPO_POOL_BASE_COMMIT",
        "the branch for its commits, and what that starts from",
    ),
    (
        "REPO_POOL_ALLOCATION",
        "the allocation by which the slot is held",
    ),
    (
        "REPO_POOL_RESULT_FILE",
        "where it may leave a result, as JSON",
    ),
    ("REPO_POOL_ARTIFACTS_DIR", "where it may leave files"),
    (
        "REPO_POOL_DEADLINE",
        "when it is ended, if it has a timeout",
    ),
    ("REPO_POOL_RUNNER_ID, REPO_POOL_AGENT_POOL", "what runs it"),
    (
        "REPO_POOL_HEARTBEAT_FILE, REPO_POOL_HEARTBEAT_INTERVAL",
        "touched so often, by what watches over the command; the command need not",
    ),
    (
        "RUNNER_ID, POOL_NAME, TASK_CONTEXT",
        "the same for runners of the original",
    ),
];

const PLACES: &[(&str, &str)] = &[
    (
        "local-process",
        "a process of this machine, in the slot, with what the dispatcher has in its environment besides",
    ),
    (
        "docker",
        "a container of this machine; slot, repository and the attempt's directory have the same paths as \
         outside; HOME is a directory that can be written to; the time in which its image is fetched, or the \
         daemon is waited for, is not its own",
    ),
    (
        "kubernetes, hostPath",
        "the same in the pod of a Job on this machine's node",
    ),
    (
        "kubernetes, clone",
        "a pod; the slot is a clone at /tmp/RUNNER/slot, beside it task.json, result.json and artifacts/, which \
         go with the pod; what is committed is pushed",
    ),
    (
        "kubernetes, node",
        "a pod, in a slot of its node's own workspace; the other files as with clone",
    ),
    (
        "exec",
        "wherever the engine runs it, on a file system that has the workspace at the same path; \
         REPO_POOL_DEADLINE is empty, for the time before it begins is not its own",
    ),
];

const CODES: &[(&str, &str)] = &[
    ("0", "done"),
    (
        "75",
        "not now: no attempt is counted, and the agent pool rests",
    ),
    ("78", "trying again makes no sense"),
    (
        "126, 127",
        "the command can't be run: it is not tried again",
    ),
    ("137", "out of memory, if the kernel says so"),
    (
        "other",
        "a failure, which is tried again as often as the task may be",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("tasks.json", "the tasks as they were read last"),
    (
        "events.jsonl",
        "what happened, one line each: the truth about the run",
    ),
    ("control.jsonl", "what people asked of it"),
    ("metrics.prom", "the figures for Prometheus"),
    ("attempts/TASK/N/log", "the output of an attempt"),
    (
        "attempts/TASK/N/task.json",
        "the task as its command got it",
    ),
    ("attempts/TASK/N/exit.json", "how it ended"),
    ("attempts/TASK/N/result.json, artifacts/", "what it left"),
];

/// The page.
pub fn render() -> Vec<u8> {
    let mut roff = Roff::default();
    let mut say = |title: &str, text: &str, rows: &[(&str, &str)]| {
        section(&mut roff, title);
        roff.text([roman(text)]);
        table(&mut roff, rows);
    };
    say(
        "DESCRIPTION",
        "repo-pool dispatch run FILE runs the tasks of a file, each in a slot of its own, as soon as \
         what it depends on is done and there is room. A file is TOML, or the same as JSON. The \
         original's tasks.json and taskset.json are read as they are, and the states of a taskset.json \
         are written back.",
        &[],
    );
    typed(&mut roff);
    let mut say = |title: &str, text: &str, rows: &[(&str, &str)]| {
        section(&mut roff, title);
        roff.text([roman(text)]);
        table(&mut roff, rows);
    };
    say(
        "FIELDS",
        "Those from command on may stand in [defaults], too, where that makes sense.",
        FIELDS,
    );
    say(
        "ENVIRONMENT OF A COMMAND",
        "A command runs in its slot, on a branch of its own, with its output in a file. It finds in \
         its environment:",
        VARIABLES,
    );
    say(
        "WHERE A COMMAND RUNS",
        "That is up to the agent pool's type (pools.toml(5)). Where the slot is not on this machine the \
         command finds no slot id and no allocation, and no Job has a heartbeat file. A Job that has ended and is not deleted stays for ten minutes at least, \
         whatever ttlSecondsAfterFinished of a job_template says. In the words of agent pools of type exec these are put in: \
         {name}, {job}, {script}, {command}, {workdir}, {dir}, {log}, {env_file}, {cpu}, {memory_mb}, \
         {timeout_seconds}, {timeout_minutes}, {run}, {task}, {attempt}.",
        PLACES,
    );
    say("EXIT CODES OF A COMMAND", "What its end means:", CODES);
    say(
        "WHAT IS KEPT",
        "Commits are kept on the task's branch, also those of attempts that failed: then the branch is \
         called rp/ID.a1 and so on. Tasks of one repository that name the same branch run one at a time, \
         and each starts from what the last of them that is done has left there, unless its base says \
         otherwise. What was not committed is saved before the slot is cleaned; \
         repo-pool rescue list names it. An attempt that is ended gets SIGTERM, and SIGKILL 10 s later, \
         with all that it started. A task may run more than once: after a crash of the machine it is not \
         known how far it came.",
        &[],
    );
    say(
        "FILES",
        "A run is kept in .repo-pool/dispatch/RUN below the workspace. Its files may be read at any \
         time:",
        FILES,
    );
    let related = ["", "-dispatch", "-rescue", "-status"];
    see_also(
        &mut roff,
        &related.map(|verb| (format!("{PROGRAM}{verb}"), "1")),
    );
    page(&[
        head(NAME, "files of tasks, and what their commands can rely on"),
        roff.render(),
    ])
}

fn typed(roff: &mut Roff) {
    roff.control("PP", []);
    roff.control("RS", []);
    roff.control("nf", []);
    roff.text([bold(EXAMPLE)]);
    roff.control("fi", []);
    roff.control("RE", []);
}

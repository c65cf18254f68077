//! `[dispatch]` and `[agent_pools.NAME]`: what counts, and what is refused in which words.

use std::path::Path;
use std::time::Duration;

use crate::config::{Config, Environment, Flags};
use crate::domain::Error;
use crate::domain::dispatch::agents::exec::answer::State;
use crate::domain::dispatch::agents::{Engine, Policy};

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("/w/pools.toml"), Environment::default()).unwrap()
}

fn said(text: &str) -> Vec<String> {
    match Config::parse(text, Path::new("/w/pools.toml"), Environment::default()) {
        Err(Error::Config { problems }) => problems
            .iter()
            .map(|problem| problem.replace("/w/pools.toml:", ""))
            .collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

const EXAMPLE: &str = r#"
[dispatch]
poll_interval = 2
scheduling_policy = "fair-share"
max_global_concurrency = 20
heartbeat_timeout = "90s"
retry_max_attempts = 5
retry_backoff_base = 1.5
graceful_shutdown_timeout = 0
skill_mapping = { backend = ["docker", "k8s"], default = ["local"] }
aging_interval = "10m"
share_weights = { team-a = 2, "team b" = 0.5 }
cooldown = "1m"
log_limit = "50M"
command = ["agent", "--task", "{task_file}"]
repo = "./app"

[agent_pools.local]
type = "local-process"
max_concurrency = 2
skills = ["docs"]
env = { LANG = "C" }
env_file = "runner.env"

[agent_pools.docker]
type = "docker"
max_concurrency = 4
enabled = false
cpu_quota = 1.5
memory_quota = 512
image = "team/runner:1"

[agent_pools.k8s]
type = "kubernetes"
memory_quota = "8G"
namespace = "agents"
job_template = "job.json"
secrets = ["git-token"]
"#;

#[test]
fn the_dispatchers_tables_become_rules_and_agent_pools() {
    let config = parse(EXAMPLE);
    let rules = config.rules();
    assert_eq!(rules.poll_interval, Duration::from_secs(2));
    assert_eq!(rules.policy, Policy::FairShare);
    assert_eq!(rules.max_global_concurrency, 20);
    assert_eq!(rules.heartbeat_timeout, Duration::from_secs(90));
    assert_eq!(rules.retry_max_attempts, 5);
    assert!((rules.retry_backoff_base - 1.5).abs() < f64::EPSILON);
    assert_eq!(rules.graceful_shutdown_timeout, Duration::ZERO);
    assert_eq!(rules.skill_mapping["backend"], ["docker", "k8s"]);
    assert_eq!(rules.aging_interval, Some(Duration::from_secs(600)));
    assert!((rules.share_weights["team b"] - 0.5).abs() < f64::EPSILON);
    assert_eq!(rules.cooldown, Duration::from_secs(60));
    assert_eq!(rules.log_limit, 50 << 20);
    let command = config.task_command().unwrap();
    assert_eq!(command, ["agent", "--task", "{task_file}"]);
    assert_eq!(config.task_repo().as_deref(), Some("/w/app"));
    let pools = config.agent_pools(7);
    let names: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["local", "docker", "k8s"]);
    assert_eq!(pools[0].engine, Engine::LocalProcess);
    assert_eq!((pools[0].max_concurrency, pools[2].max_concurrency), (2, 7));
    assert_eq!((pools[0].enabled, pools[1].enabled), (true, false));
    assert_eq!(
        (&*pools[0].skills, &*pools[0].env["LANG"]),
        (&["docs".to_owned()][..], "C")
    );
    assert_eq!(
        pools[0].env_file.as_deref(),
        Some(Path::new("/w/runner.env"))
    );
    assert_eq!(
        (pools[1].cpu_quota, pools[1].memory_quota),
        (Some(1500), Some(512 << 20))
    );
    assert_eq!(pools[2].memory_quota, Some(8 << 30));
    // What `config show --toml` writes is the same.
    let again = parse(&config.to_toml(&Flags::default()));
    assert_eq!(again.rules(), rules);
    assert_eq!(again.agent_pools(7), pools);
}

#[test]
fn without_a_word_the_built_in_rules_hold() {
    let config = parse("");
    let rules = config.rules();
    assert_eq!(rules.poll_interval, Duration::from_secs(5));
    assert_eq!(
        (rules.policy, rules.max_global_concurrency),
        (Policy::Priority, 10)
    );
    assert_eq!(rules.heartbeat_timeout, Duration::from_secs(60));
    assert_eq!(rules.retry_max_attempts, 3);
    assert!((rules.retry_backoff_base - 2.0).abs() < f64::EPSILON);
    assert_eq!(rules.graceful_shutdown_timeout, Duration::from_secs(300));
    assert!(rules.skill_mapping.is_empty() && rules.aging_interval.is_none());
    let pools = config.agent_pools(7);
    assert_eq!(pools.len(), 1);
    assert_eq!((&*pools[0].name, pools[0].max_concurrency), ("local", 7));
    assert!(pools[0].enabled && pools[0].cpu_quota.is_none());
    assert_eq!((config.task_command(), config.task_repo()), (None, None));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let text = r#"[dispatch]
scheduling_polices = "fifo"
max_global_concurrency = 0
retry_backoff_base = 0.5
skill_mapping = { backend = ["dokcer"], empty = [] }
share_weights = { a = "x" }
num_slots = 3
heartbeat_timeout = "never"
[agent_pools.docker]
type = "podman"
max_concurency = 3
memory_quota = "much"
cpu_quota = -1
image = ""
[agent_pools.local]
image = "x"
secrets = ["a"]
poll_interval = 3
[agent_pools."a b"]
[pools.p]
repo_url = "https://example.com/p.git"
enabled = true
"#;
    let expected = [
        "2: dispatch.scheduling_polices: unknown key; did you mean scheduling_policy?",
        "3: dispatch.max_global_concurrency: 0 is out of range (allowed: a whole number from 1 to 10000)",
        "4: dispatch.retry_backoff_base: 0.5 is out of range (allowed: a number from 1 to 100)",
        "5: dispatch.skill_mapping.backend: there is no agent pool dokcer (there are: docker, local, a b)",
        "5: dispatch.skill_mapping.empty: names no agent pool",
        "6: dispatch.share_weights: a: \"x\" is a text (allowed: a number from 0.001 to 1000)",
        "7: dispatch.num_slots: belongs in [defaults] or [pools.NAME]",
        "8: dispatch.heartbeat_timeout: \"never\" is no duration (allowed: a duration like \"30s\" or \
         \"1h 30m\", or seconds, more than 0)",
        "10: agent_pools.docker.type: \"podman\" is not known (allowed: \"local-process\", \"docker\", \
         \"kubernetes\", \"exec\")",
        "11: agent_pools.docker.max_concurency: unknown key; did you mean max_concurrency?",
        "12: agent_pools.docker.memory_quota: \"much\" has the unknown unit \"much\" (allowed: a size like \"8G\" or \
         \"512M\", or a number of MB)",
        "13: agent_pools.docker.cpu_quota: -1 is out of range (allowed: a number from 0.001 to 1000000)",
        "14: agent_pools.docker.image: \"\" is empty (allowed: a container's image)",
        "16: agent_pools.local.image: is not for agent pools of type \"local-process\"",
        "17: agent_pools.local.secrets: is not for agent pools of type \"local-process\"",
        "18: agent_pools.local.poll_interval: belongs in [dispatch]",
    ];
    let said = said(text);
    for (said, expected) in said.iter().zip(expected) {
        assert_eq!(said, expected);
    }
    assert!(
        said[16].starts_with("19: agent_pools.\"a b\": "),
        "{said:?}"
    );
    assert_eq!(
        said[17],
        "22: pools.p.enabled: belongs in [agent_pools.NAME]"
    );
    assert_eq!(said.len(), 18);
}

#[test]
fn a_table_that_is_none_is_refused() {
    assert_eq!(
        said("dispatch = 3\n[[agent_pools]]\n"),
        [
            "1: dispatch: is a whole number, not a table",
            "2: agent_pools: is a list, not a table; each is [agent_pools.NAME]",
        ]
    );
    assert_eq!(
        said("[dispatch]\nskill_mapping = { a = ['x'] }\n"),
        ["2: dispatch.skill_mapping.a: there is no agent pool x (there are: local)"]
    );
    assert_eq!(
        said("poll_interval = 3\n"),
        ["1: poll_interval: belongs in [dispatch]"]
    );
    assert_eq!(
        said("[dispach]\n"),
        ["1: dispach: unknown table; did you mean dispatch?"]
    );
}

const EXEC: &str = r#"
[agent_pools.slurm]
type = "exec"
submit = ["sbatch", "--parsable", "{script}"]
poll = ["squeue", "-h", "-t", "all", "-j", "{job}", "-o", "%T"]
cancel = ["scancel", "{job}"]
states = { R = "running", "" = "gone" }
gone = ["Invalid job id"]
poll_every = "2s"
"#;

#[test]
fn commands_that_drive_another_engine_become_its_settings() {
    let config = parse(EXEC);
    let pools = config.agent_pools(1);
    let Engine::Exec(exec) = &pools[0].engine else {
        panic!("{:?}", pools[0].engine)
    };
    assert_eq!(exec.cancel, ["scancel", "{job}"]);
    assert_eq!(exec.states[""], State::Gone);
    assert_eq!(exec.poll_every, Duration::from_secs(2));
    assert_eq!(exec.command_timeout, Duration::from_secs(30));
    assert!(exec.has_script() && exec.find.is_empty());
    let again = parse(&config.to_toml(&Flags::default()));
    assert_eq!(again.agent_pools(1), pools);
}

#[test]
fn commands_that_can_drive_nothing_are_refused_with_their_line() {
    let text = EXEC.replace("\"{script}\"", "\"{skript}\"");
    let text = text.replace("states = {", "job_after = 3\nstates = { Q = \"sleeping\",");
    let text = text.replace("cancel = [\"scancel\", \"{job}\"]", "cancel = 7");
    let said = said(&text);
    let expected = [
        "4: agent_pools.slurm.submit: holds neither {script} nor {command}: what is to be run?",
        "4: agent_pools.slurm.submit: holds {skript}, which is none of {name}, {job}, {script}, ",
        "6: agent_pools.slurm.cancel: 7 is a whole number (allowed: a list of a program and its ",
        "7: agent_pools.slurm.job_after: 3 is a whole number (allowed: a part of an answer)",
        "8: agent_pools.slurm.states: Q: \"sleeping\" is not known (allowed: \"waiting\", ",
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
}

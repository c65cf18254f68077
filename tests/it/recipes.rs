//! The recipes of the README, run as the systems that they are for would run them.
//!
//! What can't be had here are the systems themselves: a test plays each by its documented part, the
//! environment it gives to a job and the shell it runs the job's lines with.

use crate::support::{Out, Remote, World};
use std::fs;
use std::path::PathBuf;

/// The block of the README whose first line is `# name`.
fn recipe(name: &str) -> String {
    let readme = include_str!("../../README.md");
    let first = format!("# {name}\n");
    let block = readme
        .split("\n```")
        .filter_map(|block| block.split_once('\n'))
        .map(|(_, text)| text)
        .find(|text| text.starts_with(&first));
    let block = block.unwrap_or_else(|| panic!("README has no block {name}"));
    format!("{block}\n")
}

/// A machine that runs jobs: `repo-pool` is on its PATH, and there is a pool.
struct Machine {
    world: World,
    remote: Remote,
    commit: String,
}

impl Machine {
    fn new() -> Self {
        let (world, remote) = World::with_pool(2);
        world
            .pool(format!("create my-project {} -n 1", remote.url()))
            .ok();
        let makefile = "test:\n\t@echo tested $$(git rev-parse HEAD)\nall:\n\t@echo built > built.txt\n\
                        nightly: test\n.DEFAULT_GOAL := all\n";
        let commit = world.push_commit(&remote, "Makefile", makefile);
        Self {
            world,
            remote,
            commit,
        }
    }

    /// Runs a script by a command line of a shell, with these variables beside the machine's.
    fn run(&self, shell: &str, script: &str, variables: &[(&str, &str)]) -> Out {
        let mut words = shell.split(' ');
        let mut command = self.world.command(words.next().expect("a shell"));
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_repo-pool"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", bin.parent().expect("a directory").display());
        let file = self.world.path("job.sh");
        fs::write(&file, script).expect("writing the job's script");
        command.args(words).arg(&file).env("PATH", path);
        for (name, value) in variables {
            command.env(name, value);
        }
        crate::support::Call::new(command).run()
    }

    fn assert_all_is_back(&self) {
        for slot in self.world.slots("my-project") {
            assert_eq!(slot["state"], "available", "{slot}");
        }
    }
}

/// The texts of the block scalars that stand under `key` in YAML, in their order.
fn blocks(yaml: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = yaml.lines().peekable();
    let indent = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        if line.trim_start() != format!("{key}: |") {
            continue;
        }
        let (outer, mut text) = (indent(line), String::new());
        let inner = lines.peek().map_or(0, |line| indent(line));
        while let Some(line) = lines.next_if(|line| line.is_empty() || indent(line) > outer) {
            text += line.get(inner..).unwrap_or_default();
            text.push('\n');
        }
        found.push(text);
    }
    found
}

/// A self-hosted runner runs each step by `bash -e`, and gives it what earlier steps wrote to
/// `$GITHUB_ENV`.
fn workflow(machine: &Machine, text: &str) -> Vec<Out> {
    let file = machine.world.path("github.env");
    fs::write(&file, "").expect("a file");
    let mut outs = Vec::new();
    for script in blocks(text, "run") {
        let written = fs::read_to_string(&file).expect("GITHUB_ENV");
        let mut variables: Vec<(&str, &str)> = written
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let path = file.display().to_string();
        variables.extend([
            ("GITHUB_ENV", path.as_str()),
            ("GITHUB_SHA", machine.commit.as_str()),
            ("GITHUB_REPOSITORY", "team/my-project"),
            ("GITHUB_RUN_ID", "4711"),
        ]);
        outs.push(machine.run("bash --noprofile --norc -eo pipefail", &script, &variables));
    }
    outs
}

#[test]
fn github_actions_in_one_step() {
    let machine = Machine::new();
    let outs = workflow(&machine, &recipe(".github/workflows/test.yml"));
    assert_eq!(outs[0].ok().stdout, format!("tested {}\n", machine.commit));
    machine.assert_all_is_back();
}

#[test]
fn github_actions_in_several_steps() {
    let machine = Machine::new();
    let outs = workflow(&machine, &recipe(".github/workflows/steps.yml"));
    assert_eq!(outs.len(), 4);
    outs.iter().for_each(|out| {
        out.ok();
    });
    assert_eq!(outs[2].stdout, format!("tested {}\n", machine.commit));
    machine.assert_all_is_back();
}

/// The shell executor runs the lines of `script` by bash, stopping at the first that fails.
#[test]
fn gitlab_runner() {
    let machine = Machine::new();
    let text = recipe(".gitlab-ci.yml");
    let (_, list) = text.split_once("  script:\n").expect("a script");
    let lines: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("    - "))
        .collect();
    let script = format!("set -eo pipefail\n{}\n", lines.join("\n"));
    let out = machine.run("bash", &script, &[("CI_COMMIT_SHA", &machine.commit)]);
    assert_eq!(out.ok().stdout, format!("tested {}\n", machine.commit));
    machine.assert_all_is_back();

    // As the text says: by the job's own URL.
    let script = script.replace(" my-project ", " \"$CI_REPOSITORY_URL\" ");
    let url = machine.remote.url();
    let variables = [
        ("CI_COMMIT_SHA", machine.commit.as_str()),
        ("CI_REPOSITORY_URL", url.as_str()),
    ];
    machine.world.pool("remove-pool p").ok();
    machine.run("bash", &script, &variables).ok();
    machine.assert_all_is_back();
}

/// The agent sources its hooks one after the other in one environment, and runs the job between
/// `checkout` and `pre-exit` in the checkout's directory.
#[test]
fn buildkite_agent() {
    let machine = Machine::new();
    machine.world.pool("remove-pool p").ok();
    let job = |command: &str| {
        format!(
            "set -e\n{}\n{}\ncd \"$BUILDKITE_BUILD_CHECKOUT_PATH\"\ncode=0\nbash -c '{command}' || code=$?\n{}\nexit $code\n",
            recipe("hooks/environment"),
            recipe("hooks/checkout"),
            recipe("hooks/pre-exit"),
        )
    };
    let url = machine.remote.url();
    for commit in [machine.commit.as_str(), "HEAD"] {
        let variables = [
            ("BUILDKITE_COMMIT", commit),
            ("BUILDKITE_BRANCH", "main"),
            ("BUILDKITE_REPO", url.as_str()),
            ("BUILDKITE_JOB_ID", "0190"),
        ];
        let out = machine.run("bash", &job("make test"), &variables);
        assert_eq!(out.ok().stdout, format!("tested {}\n", machine.commit));
        machine.assert_all_is_back();
        machine.run("bash", &job("exit 3"), &variables).code(3);
        machine.assert_all_is_back();
    }
}

/// cron runs the rest of the line by sh, with next to nothing in the environment.
#[test]
fn cron() {
    let machine = Machine::new();
    let readme = include_str!("../../README.md");
    let line = readme
        .lines()
        .find(|line| line.starts_with("0 3 * * *"))
        .expect("a line of crontab");
    let command = line.splitn(6, ' ').last().expect("a command");
    let command = command.replace("/usr/local/bin/repo-pool", "repo-pool");
    let out = machine.run("sh", &command, &[]);
    assert_eq!(out.ok().stdout, format!("tested {}\n", machine.commit));
    assert_eq!(out.stderr, "");
    machine.assert_all_is_back();
}

//! Tasks in containers, beside the same containers by `docker run`.

use super::super::report::Line;
use super::*;
use serde_json::{Value, json};
use std::process::Command;

const TASKS: &str = "dispatch: a task in a container";
/// The image that the tests make.
const IMAGE: &str = "repo-pool-test:1";

/// What a task costs beyond the container that it runs in. Containers run one after the other here, so
/// that nothing hides behind another one.
pub fn of_docker(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    if !stage.options.wants(&[TASKS]) {
        return Ok(());
    }
    let host = std::env::var("REPO_POOL_TEST_DOCKER").unwrap_or_default();
    let docker = |words: &[&str]| {
        let mut command: Command = stage.command("docker");
        command.args(words).env("DOCKER_HOST", &host);
        command
    };
    if host.is_empty() || timed(&mut docker(&["image", "inspect", IMAGE])).is_err() {
        report.not_there(None, TASKS, "no docker daemon with the tests' image");
        return Ok(());
    }
    let count = stage.options.count(20, 2);
    let workspace = stage.path("docker");
    timed(&mut stage.pool(&workspace, "init"))?;
    let settings = format!(
        "\n[agent_pools.box]\ntype = \"docker\"\nimage = {IMAGE:?}\nhost = {host:?}\nnetwork = \
         \"none\"\nmax_concurrency = 1\n"
    );
    let config = workspace.join("pools.toml");
    let before = std::fs::read_to_string(&config).unwrap_or_default();
    std::fs::write(&config, before + &settings)?;
    let tasks: Vec<Value> = (0..count)
        .map(|n| json!({"id": n.to_string(), "command": ["true"]}))
        .collect();
    let file = stage.path("docker.json");
    std::fs::write(&file, json!({ "task": tasks }).to_string())?;
    let words = [
        "run",
        "--rm",
        "--init",
        "--network",
        "none",
        "--pull",
        "never",
        IMAGE,
        "true",
    ];
    let (mut ours, mut bare) = (Samples::times(), Samples::times());
    for _ in 0..stage.options.few(Size::Small) {
        let run = format!("dispatch run --fresh {}", file.display());
        ours.push(timed(&mut stage.pool(&workspace, &run))?.took);
        let mut all = std::time::Duration::ZERO;
        for _ in 0..count {
            all += timed(&mut docker(&words))?.took;
        }
        bare.push(all);
    }
    let each = 1.0 / f64::from(count);
    let line = Line::new(TASKS, ours.times_over(each));
    report.add(line.against("docker run --rm", bare.times_over(each)));
    Ok(())
}

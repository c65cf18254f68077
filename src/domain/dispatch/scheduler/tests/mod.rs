mod cases;
mod room;
mod shares;
mod words;
mod world;

use super::*;
use crate::domain::dispatch::testing::{agent_pool, rules, task};

/// A scheduler of these tasks, all of them ready since the beginning.
fn scheduler(tasks: Vec<Task>, pools: &[AgentPool], rules: &Rules) -> Scheduler {
    let count = tasks.len();
    let mut scheduler = Scheduler::new(tasks.into(), pools, rules);
    for task in 0..count {
        scheduler.ready(task, 0);
    }
    scheduler
}

/// What is placed now, as `id@pool`.
fn placed(scheduler: &mut Scheduler, now: i64) -> String {
    let mut names = Vec::new();
    while let Some(placement) = scheduler.next(now) {
        let id = scheduler.tasks[placement.task].id.clone();
        names.push(format!("{id}@{}", placement.agent_pool));
    }
    names.join(" ")
}

fn with_priority(id: &str, priority: i64) -> Task {
    Task {
        priority,
        ..task(id)
    }
}

fn with_skill(id: &str, skill: &str) -> Task {
    Task {
        skill: Some(skill.into()),
        ..task(id)
    }
}

fn with_files(id: &str, files: &[&str]) -> Task {
    Task {
        files: files.iter().map(|file| (*file).into()).collect(),
        ..task(id)
    }
}

fn in_repo(id: &str, repo: &str) -> Task {
    Task {
        repo: Some(repo.into()),
        ..task(id)
    }
}

fn with_cpu(id: &str, cpu: u32) -> Task {
    Task { cpu, ..task(id) }
}

fn with_policy(policy: Policy) -> Rules {
    Rules { policy, ..rules() }
}

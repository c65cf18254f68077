//! The dispatcher's decisions about very many tasks: functions here, since a run makes them one at
//! a time while tasks run.

use super::super::report::Line;
use super::*;
use jiff::Timestamp;
use repo_pool::domain::dispatch::agents::{AgentPool, Engine, Policy, Rules};
use repo_pool::domain::dispatch::event::AttemptId;
use repo_pool::domain::dispatch::graph::{Graph, places};
use repo_pool::domain::dispatch::{
    Base, End, EndClass, Event, Initial, Record, RunState, Scheduler, Task, When,
};
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DECISIONS: &str = "dispatch: 1000 decisions";
const GRAPH: &str = "dispatch: check of the graph";
const REPLAY: &str = "dispatch: replay of all events";
const MEMORY: &str = "dispatch: memory";

/// How long decisions, the check of a graph and a replay take, and what all of it needs.
pub fn of_dispatch(stage: &Stage<'_>, report: &mut Report<'_>) -> Result<()> {
    if !stage.options.wants(&[DECISIONS, GRAPH, REPLAY, MEMORY]) {
        return Ok(());
    }
    let count = stage.options.count(100_000, 2_000);
    let rounds = stage.options.rounds(Size::Large);
    let named = |name: &str, what: &str| format!("{name} ({what}{count})");
    for (policy, what) in [
        (Policy::Fifo, "fifo, "),
        (Policy::Priority, "priority, "),
        (Policy::SkillBased, "skill-based, "),
        (Policy::FairShare, "fair-share, "),
    ] {
        let line = Line::new(named(DECISIONS, what), decisions(policy, 3, count, rounds)?);
        report.add(line.goal(Goal::Most(20.0)));
    }
    let many = decisions(Policy::Priority, 300, count, rounds)?;
    report.add(Line::new(named(DECISIONS, "900 shapes, "), many).goal(Goal::Most(20.0)));

    let tasks: Arc<[Task]> = tasks(count, 3);
    let checks = repeated(rounds, || {
        let graph = Graph::of(&tasks, &places(&tasks));
        (graph.cycles().len(), graph.heights().len())
    });
    report.add(Line::new(named(GRAPH, ""), checks).goal(Goal::Most(500.0)));

    let lines = history(&tasks)?;
    let replays = repeated(rounds, || {
        replayed(&tasks, &lines).map_err(|e| e.to_string())
    });
    let line = Line::new(format!("{REPLAY} ({})", lines.len()), replays);
    report.add(line.goal(Goal::Most(1000.0)));

    let own = std::env::current_exe()?;
    let ran = timed(Command::new(own).args(["--dispatch-memory", &count.to_string()]))?;
    let bytes = Samples::bytes(ran.stdout.trim().parse()?);
    report.add(Line::new(named(MEMORY, ""), bytes).goal(Goal::Most(150.0 * 1048576.0)));
    Ok(())
}

/// What a process of its own needs that knows so many tasks, all that happened to them, and a
/// scheduler in which all of them wait: its high-water mark in bytes.
pub fn memory_of(count: u32) -> Result<u64> {
    let tasks = tasks(count, 3);
    let mut state = RunState::new(tasks.clone());
    let mut n = 0;
    for (place, task) in tasks.iter().enumerate() {
        for event in life(task, place as u64 + 1) {
            n += 1;
            let line = serde_json::to_string(&record(n, event))?;
            state.apply(&serde_json::from_str(&line)?);
        }
    }
    let waiting = waiting(Policy::Priority, tasks);
    let status = std::fs::read_to_string("/proc/self/status")?;
    black_box((&state, &waiting));
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse::<u64>()? * 1024)
}

/// The times of a thousand ends, each followed by what goes next, while so many wait.
fn decisions(policy: Policy, shapes: u32, count: u32, rounds: usize) -> Result<Samples> {
    let mut scheduler = waiting(policy, tasks(count, shapes));
    let mut running = VecDeque::new();
    while let Some(placement) = scheduler.next(0) {
        running.push_back(placement.task);
    }
    let mut samples = Samples::times();
    let mut now = 0;
    for _ in 0..rounds {
        let start = Instant::now();
        let mut placed = 0;
        for _ in 0..1000 {
            now += 10;
            let ended = running.pop_front().ok_or("nothing runs")?;
            scheduler.finished(ended, now);
            while let Some(placement) = scheduler.next(now) {
                running.push_back(placement.task);
                placed += 1;
            }
            scheduler.ready(ended, now);
        }
        samples.push(start.elapsed());
        if placed < 900 {
            return Err(format!("of 1000 ends only {placed} made room for a task").into());
        }
    }
    Ok(samples)
}

fn waiting(policy: Policy, tasks: Arc<[Task]>) -> Scheduler {
    let pools = [("a", 40), ("b", 20), ("c", 20), ("d", 20)].map(|(name, max)| AgentPool {
        name: name.into(),
        engine: Engine::LocalProcess,
        max_concurrency: max,
        enabled: true,
        cpu_quota: (name != "a").then_some(30_000),
        memory_quota: None,
        skills: Vec::new(),
        env: BTreeMap::new(),
        env_file: None,
    });
    let count = tasks.len();
    let mut scheduler = Scheduler::new(tasks, &pools, &rules(policy));
    for task in 0..count {
        scheduler.ready(task, 0);
    }
    scheduler
}

fn rules(policy: Policy) -> Rules {
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Rules {
        poll_interval: Duration::from_secs(5),
        policy,
        max_global_concurrency: 90,
        heartbeat_timeout: Duration::from_secs(60),
        retry_max_attempts: 3,
        retry_backoff_base: 2.0,
        graceful_shutdown_timeout: Duration::from_secs(300),
        skill_mapping: BTreeMap::from([
            ("s0".to_owned(), to(&["a", "b"])),
            ("s1".to_owned(), to(&["b", "c"])),
            ("default".to_owned(), to(&["a", "c", "d"])),
        ]),
        aging_interval: None,
        share_weights: BTreeMap::from([("g0".to_owned(), 2.0)]),
        cooldown: Duration::from_secs(60),
        log_limit: 1 << 30,
    }
}

/// Tasks of many kinds; of ten one after the other depends on the one before.
fn tasks(count: u32, shapes: u32) -> Arc<[Task]> {
    let command: Arc<[String]> = ["agent".to_owned(), "{task_file}".to_owned()].into();
    let words = |letter: char, n: u32| -> Vec<Arc<str>> {
        (0..n).map(|i| format!("{letter}{i}").into()).collect()
    };
    let (skills, repos, groups) = (words('s', 3), words('r', 4), words('g', 5));
    let one = |n: u32| Task {
        id: format!("task-{n}").into(),
        title: format!("Task number {n}").into(),
        description: "What is to be done about it, in a few words".into(),
        command: command.clone(),
        repo: Some(repos[n as usize % 4].clone()),
        depends: match n % 10 {
            0 => Vec::new(),
            _ => vec![format!("task-{}", n - 1).into()],
        },
        priority: i64::from(n * 7 % 10),
        skill: Some(skills[n as usize % 3].clone()),
        share: groups[n as usize % 5].clone(),
        cpu: 1000 + n / 3 % shapes,
        memory: 0,
        base: Base::Pool,
        branch: None,
        files: match n % 10 {
            0 => vec![format!("src/file{}.rs", n % 500).into()],
            _ => Vec::new(),
        },
        when: When::Success,
        max_attempts: 3,
        timeout: None,
        stall: None,
        env: BTreeMap::new(),
        initial: Initial::Open,
        file: 0,
        extra: serde_json::Map::new(),
    };
    (0..count).map(one).collect()
}

/// What happens to a task that is done at once.
fn life(task: &Task, token: u64) -> [Event; 3] {
    let attempt = AttemptId {
        task: task.id.to_string(),
        attempt: 1,
        token,
    };
    let runner = format!("rp-tasks-0a1b2c3d-{}-a1", task.id);
    let assigned = Event::TaskAssigned {
        attempt: attempt.clone(),
        runner: runner.clone(),
        agent_pool: "a".into(),
    };
    let started = Event::RunnerStarted {
        attempt: attempt.clone(),
        runner: runner.clone(),
        handle: "pid 4711".into(),
    };
    let end = End {
        class: EndClass::Done,
        exit_code: Some(0),
        signal: None,
        reason: None,
        seconds: 1.5,
    };
    let completed = Event::RunnerCompleted {
        attempt,
        runner,
        slot_id: None,
        end,
        commit: None,
        branch: None,
    };
    [assigned, started, completed]
}

fn record(n: u64, event: Event) -> Record {
    Record {
        n,
        time: Timestamp::UNIX_EPOCH,
        event,
    }
}

/// The lines of a run in which every task was done.
fn history(tasks: &[Task]) -> Result<Vec<String>> {
    let events = (1..).zip(tasks).flat_map(|(token, task)| life(task, token));
    let lines = (1..)
        .zip(events)
        .map(|(n, event)| serde_json::to_string(&record(n, event)));
    Ok(lines.collect::<std::result::Result<_, _>>()?)
}

fn replayed(tasks: &Arc<[Task]>, lines: &[String]) -> Result<RunState> {
    let mut state = RunState::new(tasks.clone());
    for line in lines {
        state.apply(&serde_json::from_str(line)?);
    }
    match state.is_over() {
        true => Ok(state),
        false => Err("a replay has lost something".into()),
    }
}

fn repeated<T>(rounds: usize, work: impl Fn() -> T) -> Samples {
    let mut samples = Samples::times();
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(work());
        samples.push(start.elapsed());
    }
    samples
}

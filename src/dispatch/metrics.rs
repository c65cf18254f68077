//! The figures of a run, for Prometheus: made of its events, so that they go on where an earlier
//! dispatcher of the run left them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::Result;
use crate::domain::dispatch::agents::AgentPool;
use crate::domain::dispatch::end::End;
use crate::domain::dispatch::event::AttemptId;
use crate::domain::dispatch::state::{Changes, Index};
use crate::domain::dispatch::{Event, Record, RunState, TaskState};
use crate::domain::exposition::{Label, Page};
use crate::domain::metrics::Runs;
use crate::sys::clock::Deadline;
use crate::sys::fs;

/// The states of tasks that are still to be run.
const QUEUED: [(TaskState, &str); 5] = [
    (TaskState::Ready, "ready"),
    (TaskState::Waiting, "waiting"),
    (TaskState::Retrying, "retrying"),
    (TaskState::Blocked, "blocked"),
    (TaskState::NeedsAttention, "needs_attention"),
];

/// What an attempt holds of its agent pool.
#[derive(Debug)]
struct Held {
    task: String,
    agent_pool: String,
    cpu: u32,
    memory: u64,
    assigned: Timestamp,
}

/// An agent pool and what is in use of it.
#[derive(Debug, Default)]
struct Pool {
    max: u32,
    running: u32,
    cpu: u64,
    memory: u64,
}

/// The figures of a run.
#[derive(Debug)]
pub struct Metrics {
    run: String,
    pools: BTreeMap<String, Pool>,
    /// Attempts under way, by their fencing tokens.
    held: HashMap<u64, Held>,
    /// Since when tasks have been ready that have not started.
    ready: HashMap<Index, Timestamp>,
    begun: Option<Timestamp>,
    waits: Runs,
    runs: Runs,
    attempts: BTreeMap<String, u64>,
}

impl Metrics {
    /// Those of a run before its first event.
    pub fn new(run: &str, pools: &[AgentPool]) -> Self {
        let pools = pools.iter().map(|pool| {
            let max = pool.max_concurrency;
            let pool_now = Pool {
                max,
                ..Pool::default()
            };
            (pool.name.clone(), pool_now)
        });
        Self {
            run: run.to_owned(),
            pools: pools.collect(),
            held: HashMap::new(),
            ready: HashMap::new(),
            begun: None,
            waits: Runs::default(),
            runs: Runs::default(),
            attempts: BTreeMap::new(),
        }
    }

    /// Counts one more event; `changes` is what the state that knows it already said of it.
    pub fn observe(&mut self, record: &Record, changes: &Changes, state: &RunState) {
        let now = record.time;
        self.begun.get_or_insert(now);
        for task in &changes.withdrawn {
            self.ready.remove(task);
        }
        self.ready
            .extend(changes.ready.iter().map(|task| (*task, now)));
        match &record.event {
            Event::TaskAssigned {
                attempt,
                agent_pool,
                ..
            } => self.assigned(attempt, agent_pool, now, state),
            Event::SlotUnavailable { attempt, .. } => drop(self.give_back(attempt.token)),
            // It ends the attempt that is under way, if there is one.
            Event::NeedsAttention {
                task: Some(task), ..
            } => {
                let mut held = self.held.iter();
                let open = held.find(|(_, held)| held.task == *task);
                if let Some(token) = open.map(|(token, _)| *token) {
                    self.give_back(token);
                }
            }
            Event::RunnerStarted { attempt, .. } => self.started(attempt, now, state),
            Event::RunnerCompleted { attempt, end, .. } => self.ended(attempt, end),
            Event::RunnerFailed {
                attempt,
                end,
                retry_in,
                ..
            } => {
                self.ended(attempt, end);
                self.ready_again(attempt, *retry_in, now, state);
            }
            Event::RunnerLost {
                attempt, retry_in, ..
            } => {
                if let Some(held) = self.give_back(attempt.token) {
                    self.count("lost", now.duration_since(held.assigned).as_secs_f64());
                }
                self.ready_again(attempt, *retry_in, now, state);
            }
            Event::AgentPoolChanged {
                agent_pool,
                max_concurrency: Some(max),
                ..
            } => self.pools.entry(agent_pool.clone()).or_default().max = *max,
            _ => {}
        }
    }

    fn assigned(&mut self, attempt: &AttemptId, name: &str, now: Timestamp, state: &RunState) {
        let task = state
            .index(&attempt.task)
            .map(|index| &state.tasks()[index]);
        let held = Held {
            task: attempt.task.clone(),
            agent_pool: name.to_owned(),
            cpu: task.map_or(0, |task| task.cpu),
            memory: task.map_or(0, |task| task.memory),
            assigned: now,
        };
        let pool = self.pools.entry(name.to_owned()).or_default();
        pool.running += 1;
        pool.cpu += u64::from(held.cpu);
        pool.memory += held.memory;
        self.held.insert(attempt.token, held);
    }

    fn started(&mut self, attempt: &AttemptId, now: Timestamp, state: &RunState) {
        let ready = state
            .index(&attempt.task)
            .and_then(|index| self.ready.remove(&index));
        if let Some(since) = ready.or(self.begun) {
            self.waits.record(now.duration_since(since).as_secs_f64());
        }
    }

    fn ended(&mut self, attempt: &AttemptId, end: &End) {
        if self.give_back(attempt.token).is_some() {
            self.count(end.class.word(), end.seconds);
        }
    }

    fn count(&mut self, result: &str, seconds: f64) {
        *self.attempts.entry(result.to_owned()).or_default() += 1;
        self.runs.record(seconds);
    }

    /// A task that is tried again counts as waiting from the end of the pause on.
    fn ready_again(
        &mut self,
        attempt: &AttemptId,
        retry_in: Option<f64>,
        now: Timestamp,
        state: &RunState,
    ) {
        let pause = retry_in.and_then(|pause| Duration::try_from_secs_f64(pause).ok());
        if let (Some(index), Some(pause)) = (state.index(&attempt.task), pause) {
            self.ready.insert(index, now + pause);
        }
    }

    /// What the attempt held; none if its end was counted already.
    fn give_back(&mut self, token: u64) -> Option<Held> {
        let held = self.held.remove(&token)?;
        if let Some(pool) = self.pools.get_mut(&held.agent_pool) {
            pool.running = pool.running.saturating_sub(1);
            pool.cpu = pool.cpu.saturating_sub(held.cpu.into());
            pool.memory = pool.memory.saturating_sub(held.memory);
        }
        Some(held)
    }

    /// The page.
    pub fn text(&self, state: &RunState) -> String {
        let mut page = Page::default();
        let run = ("run", self.run.as_str());
        let mut counts: HashMap<TaskState, u64> = HashMap::new();
        for task in 0..state.tasks().len() {
            *counts.entry(state.progress(task).state).or_default() += 1;
        }
        let queued = QUEUED.iter().map(|(state, word)| {
            let count = counts.get(state).copied().unwrap_or_default();
            (vec![run, ("state", *word)], count as f64)
        });
        page.family(
            &name("queue_tasks"),
            "gauge",
            "Tasks that have not ended and don't run, by their state.",
            queued,
        );
        self.of_pools(&mut page, run);
        self.times(&mut page, run);
        let attempts = self.attempts.iter().map(|(result, count)| {
            let labels = vec![run, ("result", result.as_str())];
            (labels, *count as f64)
        });
        page.family(
            &name("attempts_total"),
            "counter",
            "Attempts that ended, by how.",
            attempts,
        );
        page.into_text()
    }

    fn of_pools(&self, page: &mut Page, run: Label<'_>) {
        let mut gauge = |of: &str, help: &str, value: &dyn Fn(&Pool) -> f64| {
            let pools = self.pools.iter().map(|(agent_pool, pool)| {
                let labels = vec![run, ("agent_pool", agent_pool.as_str())];
                (labels, value(pool))
            });
            page.family(&name(of), "gauge", help, pools);
        };
        gauge("running_tasks", "Tasks that run.", &|pool| {
            f64::from(pool.running)
        });
        gauge(
            "agent_pool_utilization",
            "The share of an agent pool's runners that are at work.",
            &|pool| f64::from(pool.running) / f64::from(pool.max.max(1)),
        );
        gauge(
            "cpu_in_use",
            "Processors that running tasks asked for.",
            &|pool| pool.cpu as f64 / 1000.0,
        );
        gauge(
            "memory_in_use_bytes",
            "Memory that running tasks asked for.",
            &|pool| pool.memory as f64,
        );
    }

    fn times(&self, page: &mut Page, run: Label<'_>) {
        let all = [
            (
                "wait_seconds",
                "From being ready to the start of the runner, in seconds.",
                &self.waits,
            ),
            (
                "run_seconds",
                "From the start of a runner to its end, in seconds.",
                &self.runs,
            ),
        ];
        for (of, help, times) in all {
            let name = name(of);
            page.head(&name, "histogram", help);
            let within = times.histogram.cumulative_coarse();
            page.histogram(&name, &[run], within, (times.total_seconds, times.count));
        }
    }
}

fn name(of: &str) -> String {
    format!("repo_pool_dispatch_{of}")
}

/// How long a page stays before the next one.
const REST: Duration = Duration::from_secs(1);

/// The files that the figures are written to.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    /// Whether something happened since they were written.
    stale: bool,
    rest: Option<Deadline>,
}

impl Files {
    /// These files; nothing is written yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            stale: true,
            rest: None,
        }
    }

    /// What they hold is no more as it is.
    pub fn out_of_date(&mut self) {
        self.stale = true;
    }

    /// After how long they are to be written; none if they are as they should be.
    pub fn due(&self) -> Option<Duration> {
        let rest = self.rest.as_ref().and_then(Deadline::remaining);
        self.stale.then(|| rest.unwrap_or_default())
    }

    /// Writes them if they are due; `at_once`, if anything has changed.
    ///
    /// # Errors
    /// The first failure; the other files are written all the same.
    pub fn write(&mut self, at_once: bool, text: impl FnOnce() -> String) -> Result<()> {
        match self.due() {
            Some(due) if due.is_zero() || at_once => {}
            _ => return Ok(()),
        }
        self.stale = false;
        self.rest = Some(Deadline::after(REST));
        let text = text();
        let written = self.paths.iter();
        let written: Vec<_> = written
            .map(|path| fs::write_passing(path, text.as_bytes()))
            .collect();
        written.into_iter().collect()
    }
}

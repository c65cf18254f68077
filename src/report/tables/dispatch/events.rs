//! What happened in a run, a line an event.

use crate::domain::dispatch::event::AttemptId;
use crate::domain::dispatch::{End, EndClass, Event, Record};
use crate::report::advice::here;
use crate::report::grid::{Layout, width_of};
use crate::report::human;
use crate::report::tables::{one_line, safe, short_commit};
use crate::report::tone::{Tone, painted};

/// How much an event matters to who watches a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It follows from what is said before and after it.
    Detail,
    /// It tells how the run goes.
    Step,
    /// Something went wrong, somebody ends it, or a person is needed.
    Trouble,
}

/// How much an event matters.
pub fn weight(event: &Event) -> Weight {
    match event {
        Event::TaskAssigned { .. }
        | Event::SlotAllocated { .. }
        | Event::SlotReleased {
            rescue: None,
            error: None,
            ..
        }
        | Event::ControlTaken { .. } => Weight::Detail,
        Event::RunnerFailed { .. }
        | Event::RunnerLost { .. }
        | Event::SlotReleased { error: Some(_), .. }
        | Event::RunDraining { .. }
        | Event::RunnerStopping { .. }
        | Event::RunnerNoted { note: Some(_), .. }
        | Event::NeedsAttention { .. }
        | Event::Warning { .. } => Weight::Trouble,
        _ => Weight::Step,
    }
}

/// Lines of events that appear one by one; their columns get wider as they have to.
#[derive(Debug, Default)]
pub struct EventLines {
    task: usize,
    what: usize,
}

impl EventLines {
    /// The lines for these events: when, which task, what, and the particulars.
    pub fn lines<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
        layout: &Layout,
    ) -> String {
        let rows: Vec<_> = records
            .into_iter()
            .map(|record| {
                let (what, details) = told(&record.event);
                let task = safe(record.event.task().unwrap_or("-")).into_owned();
                let details = safe(&one_line(&details)).into_owned();
                (record, task, what, details)
            })
            .collect();
        for (_, task, what, _) in &rows {
            self.task = self.task.max(width_of(task)).min(TASK_MAX);
            self.what = self.what.max(what.len());
        }
        let mut text = String::new();
        for (record, task, what, details) in rows {
            let time = painted(&format!("{:.0}", record.time), Tone::Dim, layout.color);
            let padding = " ".repeat(self.what - what.len());
            let what = match tone(&record.event) {
                Some(tone) => painted(what, tone, layout.color),
                None => what.to_owned(),
            };
            let missing = " ".repeat(self.task.saturating_sub(width_of(&task)));
            let line = format!("{time}  {task}{missing}  {what}{padding}  {details}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The widest that the column of tasks gets; longer ids stick out.
const TASK_MAX: usize = 24;

fn tone(event: &Event) -> Option<Tone> {
    match (event, weight(event)) {
        (Event::RunnerCompleted { .. }, _) => Some(Tone::Green),
        (Event::RunnerFailed { retry_in, .. } | Event::RunnerLost { retry_in, .. }, _) => {
            Some(match retry_in {
                Some(_) => Tone::Yellow,
                None => Tone::Red,
            })
        }
        (_, Weight::Trouble) => Some(Tone::Yellow),
        (_, Weight::Detail) => Some(Tone::Dim),
        _ => None,
    }
}

/// What happened, and the particulars.
fn told(event: &Event) -> (&'static str, String) {
    if let Some(attempt) = event.attempt() {
        return of_attempt(event, attempt);
    }
    match event {
        Event::RunStarted { pid, policy, tasks } => {
            let tasks = human::count(*tasks, "task");
            (
                "run started",
                format!("{tasks}, policy {policy}, pid {pid}"),
            )
        }
        Event::RunDraining { signal } => (
            "draining",
            format!(
                "signal {signal}: nothing new is started, and what runs is waited for; a second \
                 signal ends it"
            ),
        ),
        Event::RunEnded { code } => ("run ended", format!("exit {code}")),
        Event::TaskRetried { .. } => ("retried", String::new()),
        Event::TaskCancelled { .. } => ("cancelled", String::new()),
        Event::TaskAdded { .. } => ("added", String::new()),
        Event::TaskDropped { .. } => ("dropped", "its file names it no more".into()),
        Event::PriorityChanged { priority, .. } => ("priority", priority.to_string()),
        Event::NeedsAttention {
            question, command, ..
        } => ("needs you", format!("{question}: {}", here(command))),
        Event::AgentPoolCooling {
            agent_pool,
            seconds,
        } => (
            "resting",
            format!("agent pool {agent_pool} for {}", human::seconds(*seconds)),
        ),
        Event::AgentPoolChanged {
            agent_pool,
            enabled,
            max_concurrency,
        } => {
            let mut parts = vec![format!("agent pool {agent_pool}")];
            let words = |on| if on { "enabled" } else { "disabled" };
            parts.extend(enabled.map(|on| words(on).to_owned()));
            parts.extend(max_concurrency.map(|max| format!("at most {max}")));
            ("changed", parts.join(", "))
        }
        Event::ControlTaken { lines } => ("requests", format!("{lines} were taken up")),
        Event::Warning { text } => ("warning", text.clone()),
        _ => ("", String::new()),
    }
}

fn of_attempt(event: &Event, attempt: &AttemptId) -> (&'static str, String) {
    let n = attempt.attempt;
    match event {
        Event::TaskAssigned { agent_pool, .. } => {
            ("assigned", format!("attempt {n}, agent pool {agent_pool}"))
        }
        Event::SlotUnavailable { pool, reason, .. } => {
            ("no slot", format!("pool {pool}: {reason}"))
        }
        Event::SlotAllocated { slot, .. } => {
            let commit = short_commit(&slot.base_commit);
            let place = format!("{}/slot{}", slot.pool, slot.number);
            ("slot", format!("{place}, {} at {commit}", slot.branch))
        }
        Event::RunnerStarted { handle, .. } => ("started", format!("attempt {n}, {handle}")),
        Event::RunnerAdopted { .. } => ("adopted", format!("attempt {n} went on")),
        Event::RunnerStopping { reason, .. } => ("stopping", format!("attempt {n}: {reason}")),
        Event::RunnerNoted { note, .. } => {
            let note = note.as_deref().unwrap_or("goes on");
            ("runner", format!("attempt {n}: {note}"))
        }
        Event::RunnerCompleted {
            end,
            commit,
            branch,
            ..
        } => {
            let mut parts = vec![human::seconds(end.seconds)];
            if let (Some(commit), Some(branch)) = (commit, branch) {
                parts.push(format!("{branch} at {}", short_commit(commit)));
            }
            ("done", parts.join(", "))
        }
        Event::RunnerFailed { end, retry_in, .. } => ("failed", failed(n, &ended(end), *retry_in)),
        Event::RunnerLost { retry_in, .. } => {
            ("lost", failed(n, "vanished without a word", *retry_in))
        }
        Event::SlotReleased {
            slot_id,
            rescue,
            error,
            ..
        } => released(slot_id, rescue.as_deref(), error.as_deref()),
        _ => ("stale end", format!("attempt {n} is not the current one")),
    }
}

fn failed(attempt: u32, how: &str, retry_in: Option<f64>) -> String {
    let next = match retry_in {
        Some(0.0) => "to be run again".to_owned(),
        Some(seconds) => format!("again in {}", human::seconds(seconds)),
        None => "not tried again".to_owned(),
    };
    format!("attempt {attempt}: {how}; {next}")
}

fn released(slot: &str, rescue: Option<&str>, error: Option<&str>) -> (&'static str, String) {
    let slot = super::super::short_id(slot);
    match (error, rescue) {
        (Some(error), _) => ("not released", format!("{slot}: {error}")),
        (None, Some(id)) => ("released", format!("{slot}; work was saved: {id}")),
        (None, None) => ("released", slot.into_owned()),
    }
}

/// How an attempt ended: `exit 3 after 1.2 s`, `timeout after 30m (SIGTERM did not end it)`.
fn ended(end: &End) -> String {
    let code = match (end.exit_code, end.signal) {
        (Some(code), _) => Some(format!("exit {code}")),
        (None, Some(signal)) => Some(format!("signal {signal}")),
        (None, None) => None,
    };
    let class = end.class.word().replace('_', " ");
    let how = match (end.class, code) {
        (EndClass::Failure, Some(code)) => code,
        (_, Some(code)) => format!("{class}, {code}"),
        (_, None) => class,
    };
    let reason = end.reason.as_ref().map(|reason| format!(" ({reason})"));
    format!(
        "{how} after {}{}",
        human::seconds(end.seconds),
        reason.unwrap_or_default()
    )
}

//! A run of tasks: how it stands, what happened, why a task is where it is.

mod events;
mod plan;

pub use events::{EventLines, Weight, weight};
pub use plan::plan;

use jiff::Timestamp;

use super::{one_line, safe};
use crate::domain::dispatch::TaskState;
use crate::domain::dispatch::advice::of_run;
use crate::domain::outcome::{
    AgentPoolView, AttentionView, RunPhase, RunView, TaskCounts, TaskView, WhyView,
};
use crate::report::advice::here;
use crate::report::grid::{Column, Fit, Grid, Layout, Text};
use crate::report::human::{self, since};
use crate::report::tone::{Tone, painted};

/// A run: what it is, how far it is, its agent pools, its tasks, and what a person has to decide.
pub fn run(run: &RunView, now: Timestamp, layout: &Layout) -> String {
    let mut parts = vec![
        format!(
            "{}\n{}\n",
            heading(run, now, layout),
            progress(&run.counts, layout)
        ),
        agent_pools(&run.agent_pools, now, layout),
        tasks(&run.tasks, now, layout),
        attention(&run.attention, layout),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// What became of a run: how many tasks stand where, those that went wrong, and what helps.
/// `resume` is the command that goes on with it.
pub fn summary(run: &RunView, resume: &str, now: Timestamp, layout: &Layout) -> String {
    let counts = &run.counts;
    let resume = here(resume);
    let name = painted(&safe(&run.run), Tone::Bold, layout.color);
    let ended = run.ended_at.unwrap_or(now);
    let took = run.started_at.map(|started| ended.duration_since(started));
    let took = took.map(|took| format!(", in {}", human::seconds(took.as_secs_f64())));
    let mut parts = vec![
        format!(
            "{name}  {}{}\n",
            amounts(counts, name_width(run), layout),
            took.unwrap_or_default()
        ),
        troubles(&run.tasks, now, layout),
        attention(&run.attention, layout),
    ];
    let mut helps = Vec::new();
    if counts.failed > 0 {
        let of_run = |verb: &str| here(&of_run(&run.run, verb, &[]));
        helps.push(format!("`{}` shows what a task said", of_run("log TASK")));
        helps.push(format!(
            "`{}` and `{}` run what failed again",
            of_run("retry --failed"),
            safe(&resume)
        ));
    }
    if run.state == RunPhase::Interrupted {
        helps.push(format!("`{}` goes on with it", safe(&resume)));
    }
    parts.push(helps.iter().map(|help| format!("{help}\n")).collect());
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// What went wrong: which task, how far it came, why.
fn troubles(tasks: &[TaskView], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::bare([
        Column::new("").fit(Fit::Shorten(16)),
        Column::new(""),
        Column::new("").rank(1),
        Column::new("").fit(Fit::Wrap(20)),
    ]);
    for task in tasks {
        let attempt = attempt(task).map(|attempt| format!("attempt {attempt}"));
        grid.row([
            Text::new(format!("  {}", task.id)),
            Text::new(task_state(task.state)).tone(state_tone(task.state)),
            Text::maybe(attempt),
            Text::maybe(note(task, now).map(|note| one_line(&note))),
        ]);
    }
    grid.render(layout)
}

fn name_width(run: &RunView) -> usize {
    run.run.len() + 2
}

/// `tasks-1a2b3c4d  running for 4m, pid 4711, policy priority`.
fn heading(run: &RunView, now: Timestamp, layout: &Layout) -> String {
    let name = painted(&safe(&run.run), Tone::Bold, layout.color);
    let (word, tone) = match run.state {
        RunPhase::Running => ("running", Tone::Green),
        RunPhase::Draining => ("draining", Tone::Yellow),
        RunPhase::Ended => ("ended", Tone::Dim),
        RunPhase::Interrupted => ("interrupted", Tone::Yellow),
    };
    let moment = match run.state {
        RunPhase::Running | RunPhase::Draining => run
            .started_at
            .map(|started| format!(" for {}", since(started, now))),
        RunPhase::Ended | RunPhase::Interrupted => run
            .ended_at
            .map(|ended| format!(" {} ago", since(ended, now))),
    };
    let mut facts = vec![painted(word, tone, layout.color) + &moment.unwrap_or_default()];
    facts.extend(run.exit_code.map(|code| format!("exit {code}")));
    facts.extend(run.dispatcher_pid.map(|pid| format!("pid {pid}")));
    let policy = run.policy.as_deref();
    facts.extend(policy.map(|policy| format!("policy {}", safe(policy))));
    format!("{name}  {}", facts.join(", "))
}

/// The columns of the bar.
const BAR: u64 = 20;

/// `[=======>            ] 3 of 8 done, 2 running, 1 failed, 2 waiting`.
pub fn progress(counts: &TaskCounts, layout: &Layout) -> String {
    let filled = (counts.done * BAR).checked_div(counts.total).unwrap_or(BAR);
    let tip = if filled < BAR { ">" } else { "" };
    let bar = format!(
        "{}{tip}{}",
        "=".repeat(filled as usize),
        " ".repeat((BAR - filled) as usize - tip.len())
    );
    let bar = format!("[{bar}] ");
    format!("{bar}{}", amounts(counts, bar.len(), layout))
}

/// `3 of 8 done, 2 running, 1 failed, 2 waiting`, in more lines if there is no room, of which the first
/// begins behind something of this width.
fn amounts(counts: &TaskCounts, before: usize, layout: &Layout) -> String {
    let others = [
        (counts.running, "running", Tone::Cyan),
        (counts.retrying, "retrying", Tone::Yellow),
        (counts.ready, "ready", Tone::Dim),
        (counts.waiting, "waiting", Tone::Dim),
        (counts.failed, "failed", Tone::Red),
        (counts.blocked, "blocked", Tone::Red),
        (counts.cancelled, "cancelled", Tone::Yellow),
        (counts.needs_attention, "needing you", Tone::Yellow),
    ];
    let done = (
        format!("{} of {} done", counts.done, counts.total),
        Tone::Green,
    );
    let others = others.into_iter().filter(|(count, ..)| *count > 0);
    let others = others.map(|(count, word, tone)| (format!("{count} {word}"), tone));
    let mut text = String::new();
    let mut used = before;
    for (at, (part, tone)) in std::iter::once(done).chain(others).enumerate() {
        let room = layout.width.map_or(usize::MAX, usize::from);
        let gap = match at {
            0 => "",
            _ if used + part.len() + ", ".len() < room => ", ",
            _ => ",\n  ",
        };
        used = match gap.strip_prefix(",\n") {
            Some(indent) => indent.len(),
            None => used + gap.len(),
        } + part.len();
        text.push_str(gap);
        text.push_str(&painted(&part, tone, layout.color));
    }
    text
}

/// Agent pools: what runs in each, and how much of it is in use.
pub fn agent_pools(pools: &[AgentPoolView], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("AGENT POOL").fit(Fit::Shorten(12)),
        Column::new("RUNNING").right(),
        Column::new("MAX").right(),
        Column::new("TYPE").rank(3),
        Column::new("CPU").rank(2),
        Column::new("MEMORY").rank(1),
        Column::new("NOTE").fit(Fit::Wrap(16)),
    ]);
    for pool in pools {
        let running = Text::new(pool.running.to_string());
        let cpu = used(pool.cpu_in_use, pool.cpu_quota, |cpu| cpu.to_string());
        let memory = used(
            pool.memory_in_use_bytes,
            pool.memory_quota_bytes,
            human::bytes,
        );
        let rests = pool.cooling_until.filter(|until| *until > now);
        let note = match (pool.enabled, rests) {
            (false, _) => Some("disabled".to_owned()),
            (true, until) => until.map(|until| format!("rests for {}", since(now, until))),
        };
        grid.row([
            Text::new(&pool.name),
            if pool.running > 0 {
                running.tone(Tone::Cyan)
            } else {
                running
            },
            Text::new(pool.max_concurrency.to_string()),
            Text::new(super::words(&pool.engine)),
            Text::maybe(cpu),
            Text::maybe(memory),
            Text::maybe(note).tone(Tone::Yellow),
        ]);
    }
    grid.render(layout)
}

/// `2 of 4`, if there is a bound.
fn used<T: Copy>(used: T, quota: Option<T>, show: impl Fn(T) -> String) -> Option<String> {
    quota.map(|quota| format!("{} of {}", show(used), show(quota)))
}

/// Tasks, a line each.
fn tasks(tasks: &[TaskView], now: Timestamp, layout: &Layout) -> String {
    let mut grid = Grid::new([
        Column::new("TASK").fit(Fit::Shorten(12)),
        Column::new("STATE"),
        Column::new("SINCE").right().rank(2),
        Column::new("TOOK").right().rank(3),
        Column::new("ATTEMPT").rank(4),
        Column::new("AGENT POOL").fit(Fit::Shorten(10)).rank(5),
        Column::new("SLOT").fit(Fit::Shorten(14)).rank(1),
        Column::new("RUNNER").fit(Fit::Shorten(10)).rank(7),
        Column::new("TITLE").fit(Fit::Shorten(16)).rank(6),
        Column::new("NOTE").fit(Fit::Wrap(20)),
    ]);
    for task in tasks {
        let running = task.running.as_ref();
        let slot = running.and_then(|running| running.slot.as_ref());
        grid.row([
            Text::new(&task.id),
            Text::new(task_state(task.state)).tone(state_tone(task.state)),
            Text::maybe(stands_since(task).map(|time| since(time, now))),
            Text::maybe(took(task)),
            Text::maybe(attempt(task)),
            Text::maybe(running.map(|running| &running.agent_pool)),
            Text::maybe(slot.map(|slot| format!("{}/slot{}", slot.pool, slot.number))),
            Text::maybe(running.and_then(|running| running.handle.as_ref())),
            Text::new(&task.title),
            Text::maybe(note(task, now).map(|note| one_line(&note))),
        ]);
    }
    grid.render(layout)
}

/// Where a task stands, in words.
pub(super) fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::NeedsAttention => "needs you",
        other => other.word(),
    }
}

fn state_tone(state: TaskState) -> Tone {
    match state {
        TaskState::Waiting | TaskState::Ready | TaskState::Dropped => Tone::Dim,
        TaskState::Running => Tone::Cyan,
        TaskState::Retrying | TaskState::Cancelled | TaskState::NeedsAttention => Tone::Yellow,
        TaskState::Done => Tone::Green,
        TaskState::Failed | TaskState::Blocked => Tone::Red,
    }
}

/// Since when it stands where it does; of one that runs, since when its runner does.
fn stands_since(task: &TaskView) -> Option<Timestamp> {
    match (&task.running, task.state) {
        (Some(running), _) => Some(running.started_at.unwrap_or(running.assigned_at)),
        (None, TaskState::Waiting) => None,
        _ => task.since,
    }
}

/// How long its last attempt ran.
fn took(task: &TaskView) -> Option<String> {
    let ended = task.running.is_none();
    let seconds = task.last_seconds.filter(|_| ended);
    seconds.map(human::seconds)
}

fn attempt(task: &TaskView) -> Option<String> {
    (task.attempt > 0).then(|| match task.attempt <= task.max_attempts {
        true => format!("{} of {}", task.attempt, task.max_attempts),
        false => task.attempt.to_string(),
    })
}

/// What is special about a task.
fn note(task: &TaskView, now: Timestamp) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(running) = &task.running {
        let reason = running.stopping.as_ref();
        parts.extend(reason.map(|reason| format!("is being ended: {reason}")));
        if running.started_at.is_none() {
            parts.push("starting".to_owned());
        }
        parts.extend(running.note.clone());
    }
    if let Some(at) = task.retry_at.filter(|_| task.state == TaskState::Retrying) {
        parts.push(format!("again in {}", since(now, at)));
    }
    parts.extend(task.note.clone());
    if task.state == TaskState::Done
        && let Some(branch) = &task.branch
    {
        parts.push(branch.clone());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What a person has to decide, each with the command that does it.
fn attention(questions: &[AttentionView], layout: &Layout) -> String {
    let mut text = String::new();
    for question in questions {
        let of = question.task.as_ref();
        let of = of.map_or_else(|| "the run".to_owned(), |task| format!("task {task}"));
        let label = painted(
            &format!("{} needs you:", safe(&of)),
            Tone::Yellow,
            layout.color,
        );
        let asked = one_line(&question.question);
        text.push_str(&format!(
            "{label} {}\n  {}\n",
            safe(&asked),
            safe(&question.command)
        ));
    }
    text
}

/// Why a task is where it is, and what helps.
pub fn why(why: &WhyView, now: Timestamp, layout: &Layout) -> String {
    let task = &why.task;
    let state = painted(task_state(task.state), state_tone(task.state), layout.color);
    let mut title = format!(
        "{}  {state}",
        painted(&safe(&task.id), Tone::Bold, layout.color)
    );
    if let Some(time) = stands_since(task) {
        title.push_str(&format!(" for {}", since(time, now)));
    }
    if let Some(attempt) = attempt(task) {
        title.push_str(&format!(", attempt {attempt}"));
    }
    let mut text = title + "\n";
    for reason in &why.reasons {
        text.push_str(&format!("{}\n", safe(&one_line(reason))));
    }
    let mut grid = Grid::bare([
        Column::new("").fit(Fit::Wrap(30)),
        Column::new("").fit(Fit::Wrap(20)),
    ]);
    for command in &why.commands {
        grid.row([
            Text::new(format!("  {}", command.command)),
            Text::new(&command.effect),
        ]);
    }
    let commands = grid.render(layout);
    if !commands.is_empty() {
        text.push('\n');
        text.push_str(&commands);
    }
    text
}

#[cfg(test)]
mod tests;

//! What is shown of a run, from where it stands.

use super::agents::AgentPool;
use super::end::EndClass;
use super::state::{Index, Open, RunState, TaskState};
use super::task::Task;
use crate::domain::outcome::{AgentPoolView, AttemptView, AttentionView, TaskCounts, TaskView};

/// Of a long list, so many are named.
const NAMED: usize = 3;

/// How many tasks stand where.
pub fn counts(state: &RunState) -> TaskCounts {
    let count = |of| state.count(of) as u64;
    TaskCounts {
        total: state.tasks().len() as u64 - count(TaskState::Dropped),
        waiting: count(TaskState::Waiting),
        ready: count(TaskState::Ready),
        running: count(TaskState::Running),
        retrying: count(TaskState::Retrying),
        done: count(TaskState::Done),
        failed: count(TaskState::Failed),
        blocked: count(TaskState::Blocked),
        cancelled: count(TaskState::Cancelled),
        needs_attention: count(TaskState::NeedsAttention),
    }
}

/// The agent pools, as people and tasks have changed them, with what is in use of each.
pub fn agent_pools(state: &RunState, configured: &[AgentPool]) -> Vec<AgentPoolView> {
    let changes = &state.run().agent_pools;
    let mut views: Vec<AgentPoolView> = configured
        .iter()
        .map(|pool| {
            let change = changes.get(&pool.name);
            AgentPoolView {
                name: pool.name.clone(),
                engine: pool.engine.kind(),
                enabled: change.and_then(|c| c.enabled).unwrap_or(pool.enabled),
                running: 0,
                max_concurrency: change
                    .and_then(|c| c.max_concurrency)
                    .unwrap_or(pool.max_concurrency),
                cpu_in_use: 0.0,
                cpu_quota: pool.cpu_quota.map(|quota| f64::from(quota) / 1000.0),
                memory_in_use_bytes: 0,
                memory_quota_bytes: pool.memory_quota,
                cooling_until: change.and_then(|c| c.cooling_until),
            }
        })
        .collect();
    let mut thousandths = vec![0; views.len()];
    for (task, open) in state.open() {
        let task = &state.tasks()[task];
        let at = views.iter().position(|view| view.name == open.agent_pool);
        if let Some(at) = at {
            views[at].running += 1;
            views[at].memory_in_use_bytes += task.memory;
            thousandths[at] += u64::from(task.cpu);
        }
    }
    for (view, used) in views.iter_mut().zip(thousandths) {
        view.cpu_in_use = used as f64 / 1000.0;
    }
    views
}

/// What a person has to decide, about the run first.
pub fn attention(state: &RunState) -> Vec<AttentionView> {
    let run = state
        .run()
        .question
        .iter()
        .map(|(question, command)| AttentionView {
            task: None,
            question: question.clone(),
            command: command.clone(),
        });
    let tasks = state.in_state(TaskState::NeedsAttention).map(|index| {
        let progress = state.progress(index);
        AttentionView {
            task: Some(state.tasks()[index].id.to_string()),
            question: progress.note.as_deref().unwrap_or_default().to_owned(),
            command: progress.answer.as_deref().unwrap_or_default().to_owned(),
        }
    });
    run.chain(tasks).collect()
}

/// A task as it stands.
pub fn task(state: &RunState, index: Index) -> TaskView {
    let task = &state.tasks()[index];
    let progress = state.progress(index);
    let (commit, branch) = progress.left.as_deref().cloned().unzip();
    TaskView {
        id: task.id.to_string(),
        title: task.title.to_string(),
        state: progress.state,
        since: progress.since,
        attempt: progress.attempt,
        counted: progress.counted,
        max_attempts: task.max_attempts,
        priority: progress.priority,
        depends: task.depends.iter().map(ToString::to_string).collect(),
        ready_at: progress.ready_at,
        retry_at: progress.retry_at,
        running: progress.open.as_deref().map(attempt),
        last_end: progress.last_end,
        last_seconds: progress.last_seconds,
        note: note(state, index, task),
        commit,
        branch,
    }
}

fn attempt(open: &Open) -> AttemptView {
    AttemptView {
        runner: open.runner.clone(),
        agent_pool: open.agent_pool.clone(),
        handle: open.handle.clone(),
        assigned_at: open.assigned,
        started_at: open.started,
        slot: open.slot.clone(),
        stopping: open.stopping.clone(),
        note: open.note.clone(),
    }
}

/// Why it stands there, in a few words.
fn note(state: &RunState, index: Index, task: &Task) -> Option<String> {
    let progress = state.progress(index);
    let id = |index: Index| state.tasks()[index].id.to_string();
    match progress.state {
        TaskState::Waiting => waits_for(state.waits_for(index).map(id)),
        TaskState::Blocked => state.blocker(index).map(|by| {
            let how = state.progress(by).state.word();
            format!("dependency {} {how}", id(by))
        }),
        TaskState::Ready if progress.branch_taken.is_some() => {
            let taken = progress.branch_taken.as_deref();
            taken.map(|(_, why)| why.to_string())
        }
        TaskState::Ready => {
            let exhausted = &state.run().exhausted;
            let repo = task
                .repo
                .as_ref()
                .filter(|repo| exhausted.contains_key(*repo));
            repo.map(|repo| format!("no slot of {repo} is free"))
        }
        TaskState::Failed | TaskState::Retrying => {
            let class = progress.last_end.map(|end| end.word().replace('_', " "));
            let note = progress.note.as_deref().map(str::to_owned);
            match (class, note) {
                (Some(_), Some(note)) if progress.last_end == Some(EndClass::Failure) => Some(note),
                (Some(class), Some(note)) => Some(format!("{class}: {note}")),
                (class, note) => note.or(class),
            }
        }
        TaskState::NeedsAttention => progress.note.as_deref().map(str::to_owned),
        _ => None,
    }
}

/// `waits for 1, 2, 3 and 4 more`.
fn waits_for(ids: impl Iterator<Item = String>) -> Option<String> {
    let ids: Vec<String> = ids.collect();
    let named = ids.iter().take(NAMED).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    match ids.len() {
        0 => None,
        n if n > NAMED => Some(format!("waits for {named} and {} more", n - NAMED)),
        _ => Some(format!("waits for {named}")),
    }
}

/// Whether a task is worth a line where there are many: it runs, or something is wrong with it.
pub fn is_of_interest(state: TaskState) -> bool {
    use TaskState::{Failed, NeedsAttention, Retrying, Running};
    matches!(state, Running | Retrying | Failed | NeedsAttention)
}

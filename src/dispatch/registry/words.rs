//! What a registry says of tasks and events, in its words.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::document::Standing;
use crate::domain::dispatch::state::Progress;
use crate::domain::dispatch::{End, Event, Record, TaskState};

/// A time as a registry has it.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// Where a task stands.
///
/// It has no words for tasks that were cancelled or wait for a person: they are not to be taken up.
pub fn standing(progress: &Progress) -> Option<Standing> {
    let word = match progress.state {
        TaskState::Dropped => return None,
        TaskState::Ready | TaskState::Retrying => "ready",
        TaskState::Running => "running",
        TaskState::Done => "done",
        TaskState::Failed => "failed",
        TaskState::Waiting
        | TaskState::Blocked
        | TaskState::Cancelled
        | TaskState::NeedsAttention => "blocked",
    };
    let holders = match (&progress.open, word) {
        (Some(open), "running") => {
            let slot = open.slot.as_ref().map(|slot| slot_id(&slot.pool, slot.number));
            Some((Some(open.runner.clone()), slot))
        }
        // Who had it at its end is worth knowing.
        (_, "done" | "failed") => None,
        _ => Some((None, None)),
    };
    Some(Standing { word, holders })
}

fn slot_id(pool: &str, number: u32) -> String {
    format!("workspace-{pool}-slot{number}")
}

/// An event in the registry's words, if it has any for it.
pub fn event(record: &Record, progress: &Progress, spec: &str, task: &str) -> Option<Value> {
    let (word, details) = match &record.event {
        Event::TaskAssigned {
            attempt,
            runner,
            agent_pool,
        } => (
            "TaskAssigned",
            json!({"runner_id": runner, "pool_name": agent_pool, "attempt": attempt.attempt}),
        ),
        Event::RunnerStarted {
            attempt, runner, ..
        } => {
            let open = progress.open.as_ref();
            let slot = open.and_then(|open| open.slot.as_ref());
            let slot = slot.map(|slot| slot_id(&slot.pool, slot.number));
            let details = json!({"runner_id": runner, "slot_id": slot, "attempt": attempt.attempt});
            ("RunnerStarted", details)
        }
        Event::RunnerCompleted {
            attempt,
            runner,
            slot_id,
            end,
            commit,
            branch,
        } => {
            let mut details = finished("completed", attempt.attempt, runner, slot_id.as_deref());
            add_end(&mut details, end);
            details.insert("branch".into(), json!(branch));
            details.insert("commit".into(), json!(commit));
            ("RunnerFinished", Value::Object(details))
        }
        Event::RunnerFailed {
            attempt,
            runner,
            slot_id,
            end,
            retry_in,
            ..
        } => {
            let mut details = finished("failed", attempt.attempt, runner, slot_id.as_deref());
            add_end(&mut details, end);
            details.insert("retry_in".into(), json!(retry_in));
            ("RunnerFinished", Value::Object(details))
        }
        Event::RunnerLost {
            attempt,
            runner,
            slot_id,
            retry_in,
        } => {
            let mut details = finished("failed", attempt.attempt, runner, slot_id.as_deref());
            details.insert("reason".into(), json!("it vanished without a word"));
            details.insert("retry_in".into(), json!(retry_in));
            ("RunnerFinished", Value::Object(details))
        }
        _ => return None,
    };
    Some(json!({
        "event_type": word,
        "spec_name": spec,
        "task_id": task,
        "timestamp": time(record.time),
        "details": details,
    }))
}

fn finished(status: &str, attempt: u32, runner: &str, slot: Option<&str>) -> Map<String, Value> {
    let entries = [
        ("status", json!(status)),
        ("runner_id", json!(runner)),
        ("slot_id", json!(slot)),
        ("attempt", json!(attempt)),
    ];
    let entries = entries.into_iter();
    entries.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn add_end(details: &mut Map<String, Value>, end: &End) {
    details.insert("duration_seconds".into(), json!(end.seconds));
    details.insert("exit_code".into(), json!(end.exit_code));
    details.insert("class".into(), json!(end.class));
    if let Some(reason) = &end.reason {
        details.insert("reason".into(), json!(reason));
    }
}

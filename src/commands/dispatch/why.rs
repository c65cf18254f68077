//! `dispatch why`: why a task is where it is.

use super::super::session::Session;
use super::shown;
use crate::cli::DispatchWhyArgs;
use crate::dispatch::run::{RunDir, Seen, Terms};
use crate::domain::Result;
use crate::domain::dispatch::scheduler::why;
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::{Reason, Scheduler, TaskState, view};
use crate::domain::outcome::{CommandView, WhyView};
use crate::report::output::unless_closed;
use crate::report::shell::word;
use crate::report::tables;
use crate::sys::clock;

/// Says why, and which command helps.
pub fn run(session: &Session, args: &DispatchWhyArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let seen = run.read()?;
    let task = shown::task(&run, &seen, &args.task)?;
    let terms = shown::terms(session, &run)?;
    let shown = explained(&run, &seen, &terms, task);
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("result", &shown),
        false => output.text(&tables::why(&shown, clock::now(), &output.layout())),
    })?;
    Ok(0)
}

fn explained(run: &RunDir, seen: &Seen, terms: &Terms, task: Index) -> WhyView {
    let state = &seen.state;
    let mut scheduler = Scheduler::resume(state, &terms.agent_pools, &terms.rules);
    let found = why(state, &mut scheduler, task, clock::now());
    let mut reasons: Vec<String> = found.iter().map(ToString::to_string).collect();
    let mut commands: Vec<CommandView> = found.iter().filter_map(help).collect();
    reasons.extend(standing(seen, task));
    commands.extend(of_state(seen, task));
    if seen.dispatcher.is_none() && !is_over(state.progress(task).state) {
        reasons.push("no dispatcher works on the run".to_owned());
        commands.push(command(shown::resume(seen), "goes on with it"));
    }
    WhyView {
        run: run.name().to_owned(),
        task: view::task(state, task),
        reasons,
        commands,
    }
}

fn is_over(state: TaskState) -> bool {
    use TaskState::{Cancelled, Done, Dropped, Failed};
    matches!(state, Cancelled | Done | Dropped | Failed)
}

/// What its state says where nothing keeps it from running.
fn standing(seen: &Seen, task: Index) -> Option<String> {
    let shown = view::task(&seen.state, task);
    let attempt = shown.running.as_ref();
    match shown.state {
        TaskState::Running => {
            let place = attempt.map(|attempt| {
                let slot = attempt.slot.as_ref();
                let slot = slot.map(|slot| format!(", in {}/slot{}", slot.pool, slot.number));
                let handle = attempt.handle.as_ref().map(|handle| format!(" ({handle})"));
                format!(
                    " in agent pool {}{}{}",
                    attempt.agent_pool,
                    slot.unwrap_or_default(),
                    handle.unwrap_or_default()
                )
            });
            let stopping = attempt.and_then(|attempt| attempt.stopping.as_ref());
            let stopping = stopping.map(|why| format!("; it is being ended: {why}"));
            let place = place.unwrap_or_default();
            Some(format!("it runs{place}{}", stopping.unwrap_or_default()))
        }
        TaskState::Retrying => shown.note.map(|note| format!("its last attempt: {note}")),
        TaskState::Done => Some(match shown.branch {
            Some(branch) => format!("it is done, and left its commits on {branch}"),
            None => "it is done".to_owned(),
        }),
        TaskState::Failed => {
            let note = shown.note.unwrap_or_else(|| "its file says so".to_owned());
            Some(format!("it failed for good: {note}"))
        }
        TaskState::Cancelled => Some("somebody cancelled it".to_owned()),
        TaskState::Dropped => Some("its file names it no more".to_owned()),
        _ => None,
    }
}

/// What helps against a reason.
fn help(reason: &Reason) -> Option<CommandView> {
    match reason {
        Reason::Blocked { task, .. } => Some(command(
            format!("repo-pool dispatch retry {}", word(task)),
            "runs that one again, and then this",
        )),
        Reason::Question {
            command: answer, ..
        } => Some(command(answer.to_string(), "answers the question")),
        Reason::Disabled { agent_pool } => Some(command(
            format!("repo-pool dispatch pool enable {}", word(agent_pool)),
            "lets it take tasks again",
        )),
        Reason::Full {
            agent_pool, max, ..
        } => Some(command(
            format!(
                "repo-pool dispatch pool set {} --max {}",
                word(agent_pool),
                max + 1
            ),
            "lets it have one runner more",
        )),
        Reason::Slot { repo, .. } => Some(command(
            format!("repo-pool status {}", word(repo)),
            "shows who holds its slots",
        )),
        _ => None,
    }
}

/// What helps a task that stands so.
fn of_state(seen: &Seen, task: Index) -> Vec<CommandView> {
    let state = &seen.state;
    let id = &state.tasks()[task].id;
    let id = word(id);
    let log = || command(format!("repo-pool dispatch log {id}"), "shows what it said");
    let retry = || command(format!("repo-pool dispatch retry {id}"), "runs it again");
    match state.progress(task).state {
        TaskState::Running => vec![
            command(
                format!("repo-pool dispatch log -f {id}"),
                "shows what it says",
            ),
            command(format!("repo-pool dispatch cancel {id}"), "ends it"),
        ],
        TaskState::Failed => vec![log(), retry()],
        TaskState::Retrying => vec![log()],
        TaskState::Cancelled => vec![retry()],
        TaskState::Ready => vec![command(
            format!("repo-pool dispatch prio {id} N"),
            "changes who goes first",
        )],
        _ => Vec::new(),
    }
}

fn command(command: String, effect: &str) -> CommandView {
    CommandView {
        command,
        effect: effect.to_owned(),
    }
}

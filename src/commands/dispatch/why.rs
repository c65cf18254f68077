//! `dispatch why`: why a task is where it is.

use super::super::session::Session;
use super::shown;
use crate::cli::DispatchWhyArgs;
use crate::dispatch::run::{RunDir, Seen, Terms};
use crate::domain::Result;
use crate::domain::dispatch::advice::of_run;
use crate::domain::dispatch::scheduler::why;
use crate::domain::dispatch::state::{Index, RunState};
use crate::domain::dispatch::{Reason, Scheduler, TaskState, view};
use crate::domain::outcome::{CommandView, WhyView};
use crate::git::refs;
use crate::pool::find;
use crate::report::advice::here;
use crate::report::output::unless_closed;
use crate::report::shell::word;
use crate::report::tables::{self, short_commit};
use crate::sys::clock;

/// Says why, and which command helps.
pub fn run(session: &Session, args: &DispatchWhyArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let mut seen = run.read()?;
    seen.state.due(clock::now());
    let task = shown::task(&run, &seen, &args.task)?;
    let terms = shown::terms(session, &run)?;
    let moved = has_moved(session, &seen, task);
    let (reasons, commands) = match run.replaced_by(&seen.document.files) {
        Some(next) => aside(&run, &seen, (task, moved), next),
        None => explained(&run, &seen, &terms, (task, moved)),
    };
    let shown = WhyView {
        run: run.name().to_owned(),
        task: view::task(&seen.state, task),
        reasons,
        commands,
    };
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("result", &shown),
        false => output.text(&tables::why(&shown, clock::now(), &output.layout())),
    })?;
    Ok(0)
}

/// Why, and what helps.
type Explained = (Vec<String>, Vec<CommandView>);

/// In a run that was set aside for `next` a task stays where it is.
fn aside(run: &RunDir, seen: &Seen, (task, moved): (Index, bool), next: &str) -> Explained {
    let state = &seen.state;
    let progress = state.progress(task);
    let ended = is_over(progress.state).then(|| standing(seen, task, moved));
    let reasons = ended.flatten().into_iter();
    let reasons = reasons.chain([shown::aside(run.name(), next)]);
    let log = of_run(run.name(), "log", &[&*state.tasks()[task].id]);
    let log = command(log, "shows what it said");
    let log = (progress.attempt > 0).then_some(log).into_iter();
    let other = command(of_run(next, "status", &[]), "shows the other run");
    (reasons.collect(), log.chain([other]).collect())
}

fn explained(run: &RunDir, seen: &Seen, terms: &Terms, (task, moved): (Index, bool)) -> Explained {
    let state = &seen.state;
    let mut scheduler = Scheduler::resume(state, &terms.agent_pools, &terms.rules);
    let found = why(state, &mut scheduler, task, clock::now());
    let mut reasons: Vec<String> = found.iter().map(|found| here(&found.to_string())).collect();
    let mut commands: Vec<CommandView> = found
        .iter()
        .filter_map(|found| help(run, state, found))
        .collect();
    reasons.extend(standing(seen, task, moved));
    commands.extend(of_state(run, seen, task));
    let stands = state.progress(task).state;
    if !is_over(stands)
        && let Some(obstacle) = of_dispatcher(seen, stands)
    {
        reasons.push(obstacle);
        commands.push(command(shown::resume(run, seen), "goes on with it"));
    }
    (reasons, commands)
}

/// Whether the branch that a task has left is at another commit by now: a later run begins the branch
/// of a task of that name anew, and people work on it. What can't be seen has not moved.
fn has_moved(session: &Session, seen: &Seen, task: Index) -> bool {
    let moved = || {
        let repo = seen.state.tasks()[task].repo.as_deref()?;
        let (commit, branch) = seen.state.progress(task).left.as_deref()?;
        let context = session.context(session.flags()).ok()??;
        let pool = find::pool_as_is(&context, repo).ok()?;
        let name = format!("refs/heads/{branch}");
        let tip = refs::tip(&context.git, &pool.paths.repository(), &name);
        Some(tip.ok()?? != *commit)
    };
    moved().unwrap_or(false)
}

/// Why the dispatcher lets nothing begin that waits.
fn of_dispatcher(seen: &Seen, stands: TaskState) -> Option<String> {
    match (seen.dispatcher, seen.state.run().draining) {
        (None, _) => Some("no dispatcher works on the run".to_owned()),
        (Some(pid), Some(signal)) if stands != TaskState::Running => Some(format!(
            "dispatcher {pid} was told to end (signal {signal}), and starts nothing new"
        )),
        _ => None,
    }
}

fn is_over(state: TaskState) -> bool {
    use TaskState::{Cancelled, Done, Dropped, Failed};
    matches!(state, Cancelled | Done | Dropped | Failed)
}

/// What its state says where nothing keeps it from running.
fn standing(seen: &Seen, task: Index, moved: bool) -> Option<String> {
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
            let note = attempt.and_then(|attempt| attempt.note.as_ref());
            let note = note.map(|note| format!("; {note}"));
            let place = place.unwrap_or_default();
            let rest = [stopping, note].into_iter().flatten().collect::<String>();
            Some(format!("it runs{place}{rest}"))
        }
        TaskState::Retrying => shown.note.map(|note| format!("its last attempt: {note}")),
        TaskState::Done => Some(match (shown.branch, shown.commit) {
            (Some(branch), Some(commit)) if moved => {
                let commit = short_commit(&commit);
                format!(
                    "it is done, and left its commits at {commit}; {branch} is at another commit now"
                )
            }
            (Some(branch), _) => format!("it is done, and left its commits on {branch}"),
            (None, _) => "it is done".to_owned(),
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
fn help(run: &RunDir, state: &RunState, reason: &Reason) -> Option<CommandView> {
    match reason {
        Reason::Dependency { task, .. } => {
            let progress = state.progress(state.index(task)?);
            let asks = progress.state == TaskState::NeedsAttention;
            let answer = progress.answer.as_ref().filter(|_| asks)?;
            Some(command(answer.to_string(), "answers what that one asks"))
        }
        Reason::Blocked { task, .. } => Some(command(
            of_run(run.name(), "retry", &[&**task]),
            "runs that one again, and then this",
        )),
        Reason::Question {
            command: answer, ..
        } => Some(command(answer.to_string(), "answers the question")),
        Reason::Disabled { agent_pool } => Some(command(
            of_run(run.name(), "pool enable", &[&**agent_pool]),
            "lets it take tasks again",
        )),
        Reason::Full {
            agent_pool, max, ..
        } => Some(command(
            of_run(
                run.name(),
                &format!("pool set --max {}", max + 1),
                &[&**agent_pool],
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
fn of_state(run: &RunDir, seen: &Seen, task: Index) -> Vec<CommandView> {
    let state = &seen.state;
    let id = &*state.tasks()[task].id;
    let of_task = |verb: &str, effect| command(of_run(run.name(), verb, &[id]), effect);
    let log = || of_task("log", "shows what it said");
    let retry = || of_task("retry", "runs it again");
    match state.progress(task).state {
        TaskState::Running => vec![
            of_task("log -f", "shows what it says"),
            of_task("cancel", "ends it"),
        ],
        TaskState::Failed => vec![log(), retry()],
        TaskState::Retrying => vec![log()],
        TaskState::Cancelled => vec![retry()],
        TaskState::Ready => vec![command(
            of_run(run.name(), "prio", &[id, "N"]),
            "changes who goes first",
        )],
        _ => Vec::new(),
    }
}

fn command(command: String, effect: &str) -> CommandView {
    CommandView {
        command: here(&command),
        effect: effect.to_owned(),
    }
}

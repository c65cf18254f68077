//! What the verbs that show a run begin with: which run is meant, and what it works by.

use crate::cli::RunName;
use crate::commands::session::Session;
use crate::dispatch::files::Given;
use crate::dispatch::run::{RunDir, Seen, Terms};
use crate::domain::dispatch::state::Index;
use crate::domain::dispatch::view;
use crate::domain::outcome::{AttentionView, RunPhase, RunView};
use crate::domain::{Error, Result};
use crate::pool::parallel::jobs;
use crate::report::{advice, shell};

/// The run that is meant.
pub fn find(session: &Session, name: &RunName) -> Result<RunDir> {
    match session.context(session.flags())? {
        Some(context) => RunDir::find(&context.workspace, name.run.as_deref()),
        None => Err(Error::not_found("there is no run yet")
            .with_hint("`repo-pool dispatch run FILE` begins one")),
    }
}

/// What a run works by: as its last dispatcher said, else as the settings do.
pub fn terms(session: &Session, run: &RunDir) -> Result<Terms> {
    if let Some(terms) = Terms::read(run)? {
        return Ok(terms);
    }
    let config = session.config(&session.located()?)?;
    Ok(Terms {
        rules: config.rules(),
        agent_pools: config.agent_pools(u32::try_from(jobs(0)).unwrap_or(u32::MAX)),
        defaults: None,
        given: Given::default(),
    })
}

/// The place of a task.
pub fn task(run: &RunDir, seen: &Seen, id: &str) -> Result<Index> {
    seen.state.index(id).ok_or_else(|| {
        Error::not_found(format!("run {} has no task {id}", run.name())).with_hint(format!(
            "`repo-pool dispatch status --all --run {}` lists its tasks",
            run.name()
        ))
    })
}

/// A run as it is shown, with the tasks that are `wanted`.
pub fn run_view(
    run: &RunDir,
    seen: &Seen,
    terms: &Terms,
    wanted: impl Fn(Index) -> bool,
) -> RunView {
    let state = &seen.state;
    let known = state.run();
    let phase = phase(seen);
    let over = matches!(phase, RunPhase::Ended | RunPhase::Interrupted);
    let files = seen.document.files.iter();
    RunView {
        run: run.name().to_owned(),
        directory: run.path().display().to_string(),
        files: files.map(|file| file.path.display().to_string()).collect(),
        state: phase,
        dispatcher_pid: seen.dispatcher.filter(|_| !over),
        policy: known.policy.clone(),
        began_at: known.began,
        started_at: known.started,
        ended_at: known.ended.filter(|_| over).map(|(at, _)| at),
        exit_code: known.ended.filter(|_| over).map(|(_, code)| code),
        counts: view::counts(state),
        agent_pools: view::agent_pools(state, &terms.agent_pools),
        attention: attention(run, seen),
        tasks: (0..state.tasks().len())
            .filter(|task| wanted(*task))
            .map(|task| view::task(state, task))
            .collect(),
    }
}

/// What a person has to decide. The commands were written down for whoever reads them.
fn attention(run: &RunDir, seen: &Seen) -> Vec<AttentionView> {
    if run.replaced_by(&seen.document.files).is_some() {
        return Vec::new();
    }
    let mut asked = view::attention(&seen.state);
    for asked in &mut asked {
        asked.command = advice::here(&asked.command);
    }
    asked
}

/// Whether it goes on. Who looks at it from where the dispatcher can't be seen has the events; a
/// dispatcher that has said that it ends is about to be gone.
fn phase(seen: &Seen) -> RunPhase {
    let run = seen.state.run();
    match (run.ended, seen.dispatcher) {
        (Some((_, code)), _) if code < 128 => RunPhase::Ended,
        (None, Some(_)) if run.draining.is_some() => RunPhase::Draining,
        (None, Some(_)) => RunPhase::Running,
        (Some(_), _) | (None, None) => RunPhase::Interrupted,
    }
}

/// What is to be said of a run that was set aside for `next`.
pub fn aside(run: &str, next: &str) -> String {
    format!("run {run} was set aside, and nothing goes on with it: {next} has taken its place")
}

/// The command that goes on with a run. Files that have joined it, it knows by itself, and so what the
/// command line said that began it.
pub fn resume(run: &RunDir, seen: &Seen) -> String {
    let files = run.begun_with(&seen.document.files).iter();
    let files = files.map(|file| shell::word(&file.path.to_string_lossy()).into_owned());
    let files: Vec<String> = files.collect();
    format!("repo-pool dispatch run {}", files.join(" "))
}

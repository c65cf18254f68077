//! `dispatch run --dry-run`: what would start, in which order and where.

use std::time::Duration;

use super::super::session::Session;
use super::tasks::Tasks;
use crate::cli::DispatchRunArgs;
use crate::dispatch::run::RunDir;
use crate::domain::dispatch::course::Scope;
use crate::domain::dispatch::simulate::{Plan, simulate};
use crate::domain::dispatch::{RunState, joining};
use crate::domain::outcome::{PlanView, PlannedView, UnplannedView};
use crate::domain::{Error, Result};
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::sys::clock;

/// How long each task is taken to last. Only what comes before what is told.
const LASTS: Duration = Duration::from_secs(60);

/// Prints the plan from where the run stands, and changes nothing.
pub fn print(session: &Session, args: &DispatchRunArgs, tasks: Tasks) -> Result<u8> {
    let state = as_it_stands(session, &tasks)?;
    let scope = Scope::of(&state, &args.only)
        .map_err(|id| Error::usage(format!("--only {id}: there is no task of that id")))?;
    let (pools, rules) = (&tasks.pools, &tasks.rules);
    let plan = simulate(&state, &scope, pools, rules, clock::now(), |_| LASTS);
    let view = view(&state, &plan);
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("result", &view),
        false => output.text(&tables::plan(&view, &output.layout())),
    })?;
    Ok(0)
}

/// The run with the tasks as the files have them now.
fn as_it_stands(session: &Session, tasks: &Tasks) -> Result<RunState> {
    let loaded = &tasks.loaded;
    let paths = loaded.sources.iter().map(|source| source.path.clone());
    let paths: Vec<_> = paths.collect();
    let mut state = match session.context(session.flags())? {
        Some(context) => RunDir::of_files(&context.workspace, &paths).read()?.state,
        None => RunState::new(Vec::new().into()),
    };
    let joining::Joined {
        tasks: joined,
        events,
        ..
    } = joining::joined(&state, loaded.tasks.clone());
    let now = clock::now();
    state.redefine(joined.into(), Some(now));
    for event in events {
        state.happened(event, now);
    }
    Ok(state)
}

fn view(state: &RunState, plan: &Plan) -> PlanView {
    let tasks = state.tasks();
    let steps = plan.steps.iter().map(|step| PlannedView {
        task: tasks[step.task].id.to_string(),
        title: tasks[step.task].title.to_string(),
        agent_pool: step.agent_pool.to_string(),
        round: (step.after.as_secs() / LASTS.as_secs()) as u32 + 1,
    });
    let left = plan.left.iter().map(|(task, reasons)| UnplannedView {
        task: tasks[*task].id.to_string(),
        reasons: reasons.iter().map(ToString::to_string).collect(),
    });
    PlanView {
        steps: steps.collect(),
        left: left.collect(),
    }
}

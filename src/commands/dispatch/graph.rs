//! `dispatch graph`: tasks and dependencies, as Graphviz or Mermaid reads them.

use super::super::session::Session;
use crate::cli::DispatchGraphArgs;
use crate::dispatch::files::{self, Defaults};
use crate::dispatch::run::RunDir;
use crate::domain::dispatch::{Initial, Task, When};
use crate::domain::outcome::{GraphTask, TaskGraph};
use crate::domain::{Error, Result};
use crate::report::graph::{dot, mermaid};
use crate::report::output::unless_closed;

/// Prints the graph.
pub fn run(session: &Session, args: &DispatchGraphArgs) -> Result<u8> {
    let graph = match args.files.is_empty() {
        true => of_run(session, args.run.run.as_deref())?,
        false => of_files(args)?,
    };
    let output = &session.output;
    unless_closed(match (output.is_json(), args.mermaid) {
        (true, _) => output.json("result", &graph),
        (false, true) => output.data(mermaid(&graph)),
        (false, false) => output.data(dot(&graph)),
    })?;
    Ok(0)
}

/// Of files only what they say: whether their commands are there is no matter of the graph.
fn of_files(args: &DispatchGraphArgs) -> Result<TaskGraph> {
    let defaults = Defaults {
        command: Some(vec!["true".to_owned()].into()),
        ..Defaults::default()
    };
    let loaded = files::load(&args.files, &defaults).map_err(|wrong| files::refused(&wrong))?;
    let tasks = loaded.tasks.iter().map(|task| {
        let state = match task.initial {
            Initial::Open => None,
            Initial::Done => Some("done"),
            Initial::Failed => Some("failed"),
        };
        view(task, state)
    });
    Ok(TaskGraph {
        tasks: tasks.collect(),
    })
}

fn of_run(session: &Session, name: Option<&str>) -> Result<TaskGraph> {
    let Some(context) = session.context(session.flags())? else {
        return Err(Error::usage("there is no run yet")
            .with_hint("`repo-pool dispatch run FILE` begins one; a FILE has a graph without it"));
    };
    let seen = RunDir::find(&context.workspace, name)?.read()?;
    let tasks = seen.state.tasks().iter().enumerate();
    let tasks = tasks.map(|(place, task)| {
        let state = seen.state.progress(place).state;
        view(task, Some(state.word()))
    });
    Ok(TaskGraph {
        tasks: tasks.collect(),
    })
}

fn view(task: &Task, state: Option<&str>) -> GraphTask {
    GraphTask {
        id: task.id.to_string(),
        title: task.title.to_string(),
        state: state.map(str::to_owned),
        depends: task.depends.iter().map(|id| id.to_string()).collect(),
        always: task.when == When::Always,
    }
}

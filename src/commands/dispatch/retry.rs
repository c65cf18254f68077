//! `dispatch retry`: tasks that failed run again.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchRetryArgs;
use crate::dispatch::run::{RunDir, Seen};
use crate::domain::dispatch::TaskState;
use crate::domain::dispatch::advice::of_run;
use crate::domain::dispatch::control::Control;
use crate::domain::dispatch::state::Index;
use crate::domain::{Error, Result};

/// Asks for it. A task of which that makes no sense is refused, and with it all.
pub fn run(session: &Session, args: &DispatchRetryArgs) -> Result<u8> {
    let (run, seen) = wish::find(session, &args.run)?;
    if args.failed {
        if seen.state.count(TaskState::Failed) == 0 {
            session.output.note("no task has failed");
            return Ok(0);
        }
        return wish::ask(session, &run, &seen, &[Control::RetryFailed], true);
    }
    for id in &args.tasks {
        check(&run, &seen, shown::task(&run, &seen, id)?)?;
    }
    let wishes = args.tasks.iter();
    let wishes: Vec<_> = wishes
        .map(|task| Control::Retry { task: task.clone() })
        .collect();
    wish::ask(session, &run, &seen, &wishes, true)
}

fn check(run: &RunDir, seen: &Seen, task: Index) -> Result<()> {
    use TaskState::{Cancelled, Failed, NeedsAttention, Retrying};
    let state = &seen.state;
    let id = &state.tasks()[task].id;
    match state.progress(task).state {
        Failed | Cancelled | NeedsAttention | Retrying => Ok(()),
        TaskState::Blocked => {
            let by = state.blocker(task).map(|by| state.tasks()[by].id.clone());
            let error = Error::failed(format!("task {id} is blocked: it has not failed itself"));
            Err(match by {
                Some(by) => error.with_hint(format!(
                    "`{}` revives it",
                    of_run(run.name(), "retry", &[&*by])
                )),
                None => error,
            })
        }
        other => Err(Error::failed(format!(
            "task {id} is {}: there is nothing to retry",
            other.word()
        ))),
    }
}

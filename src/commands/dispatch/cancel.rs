//! `dispatch cancel`: tasks are taken out of a run.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchCancelArgs;
use crate::domain::dispatch::control::{Control, may_be_cancelled};
use crate::domain::{Error, Result};

/// Asks for it. A task that has come to an end is refused, and with it all.
pub fn run(session: &Session, args: &DispatchCancelArgs) -> Result<u8> {
    let (run, seen) = wish::find(session, &args.run)?;
    let mut wishes = Vec::new();
    for id in &args.tasks {
        let task = shown::task(&run, &seen, id)?;
        let state = seen.state.progress(task).state;
        if !may_be_cancelled(state) {
            return Err(Error::failed(format!(
                "task {id} is {}: there is nothing to cancel",
                state.word()
            )));
        }
        wishes.push(Control::Cancel { task: id.clone() });
    }
    if args.all {
        wishes.push(Control::CancelAll);
    }
    wish::ask(session, &run, &seen, &wishes, false)
}

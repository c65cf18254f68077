//! `dispatch cancel`: tasks are taken out of a run.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchCancelArgs;
use crate::domain::Result;
use crate::domain::dispatch::control::Control;

/// Asks for it.
pub fn run(session: &Session, args: &DispatchCancelArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let seen = run.read()?;
    let mut wishes = Vec::new();
    for id in &args.tasks {
        shown::task(&run, &seen, id)?;
        wishes.push(Control::Cancel { task: id.clone() });
    }
    if args.all {
        wishes.push(Control::CancelAll);
    }
    wish::ask(session, &run, &seen, &wishes, false)
}

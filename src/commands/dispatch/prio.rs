//! `dispatch prio`: another priority.

use super::super::session::Session;
use super::{shown, wish};
use crate::cli::DispatchPrioArgs;
use crate::domain::Result;
use crate::domain::dispatch::control::Control;

/// Asks for it.
pub fn run(session: &Session, args: &DispatchPrioArgs) -> Result<u8> {
    let (run, seen) = wish::find(session, &args.run)?;
    shown::task(&run, &seen, &args.task)?;
    let wish = Control::Prio {
        task: args.task.clone(),
        priority: args.priority,
    };
    wish::ask(session, &run, &seen, &[wish], false)
}

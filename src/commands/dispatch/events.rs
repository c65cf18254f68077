//! `dispatch events`: what happened in a run.

use super::super::session::Session;
use crate::cli::DispatchEventsArgs;
use crate::domain::{Error, Result};

/// Prints it, oldest first.
pub fn run(_session: &Session, _args: &DispatchEventsArgs) -> Result<u8> {
    Err(Error::failed("dispatch events is not there yet"))
}

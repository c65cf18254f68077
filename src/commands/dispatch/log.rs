//! `dispatch log`: the output of a task's attempts.

use super::super::session::Session;
use crate::cli::DispatchLogArgs;
use crate::domain::{Error, Result};

/// Prints it.
pub fn run(_session: &Session, _args: &DispatchLogArgs) -> Result<u8> {
    Err(Error::failed("dispatch log is not there yet"))
}

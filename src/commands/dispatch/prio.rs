//! `dispatch prio`: another priority.

use super::super::session::Session;
use crate::cli::DispatchPrioArgs;
use crate::domain::{Error, Result};

/// Asks for it.
pub fn run(_session: &Session, _args: &DispatchPrioArgs) -> Result<u8> {
    Err(Error::failed("dispatch prio is not there yet"))
}

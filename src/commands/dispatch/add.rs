//! `dispatch add`: the tasks of another file join.

use super::super::session::Session;
use crate::cli::DispatchAddArgs;
use crate::domain::{Error, Result};

/// Asks for it.
pub fn run(_session: &Session, _args: &DispatchAddArgs) -> Result<u8> {
    Err(Error::failed("dispatch add is not there yet"))
}

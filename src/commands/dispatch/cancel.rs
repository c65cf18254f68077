//! `dispatch cancel`: tasks are taken out of a run.

use super::super::session::Session;
use crate::cli::DispatchCancelArgs;
use crate::domain::{Error, Result};

/// Asks for it.
pub fn run(_session: &Session, _args: &DispatchCancelArgs) -> Result<u8> {
    Err(Error::failed("dispatch cancel is not there yet"))
}

//! `dispatch retry`: tasks that failed run again.

use super::super::session::Session;
use crate::cli::DispatchRetryArgs;
use crate::domain::{Error, Result};

/// Asks for it.
pub fn run(_session: &Session, _args: &DispatchRetryArgs) -> Result<u8> {
    Err(Error::failed("dispatch retry is not there yet"))
}

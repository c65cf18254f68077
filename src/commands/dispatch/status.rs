//! `dispatch status`: where a run stands.

use super::super::session::Session;
use crate::cli::DispatchStatusArgs;
use crate::domain::{Error, Result};

/// Shows it.
pub fn run(_session: &Session, _args: &DispatchStatusArgs) -> Result<u8> {
    Err(Error::failed("dispatch status is not there yet"))
}

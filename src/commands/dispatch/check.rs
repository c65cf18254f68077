//! `dispatch check`: whether task files are right.

use super::super::session::Session;
use crate::cli::DispatchCheckArgs;
use crate::domain::{Error, Result};

/// Checks the files.
pub fn run(_session: &Session, _args: &DispatchCheckArgs) -> Result<u8> {
    Err(Error::failed("dispatch check is not there yet"))
}

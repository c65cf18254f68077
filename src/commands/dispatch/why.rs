//! `dispatch why`: why a task is where it is.

use super::super::session::Session;
use crate::cli::DispatchWhyArgs;
use crate::domain::{Error, Result};

/// Says why.
pub fn run(_session: &Session, _args: &DispatchWhyArgs) -> Result<u8> {
    Err(Error::failed("dispatch why is not there yet"))
}

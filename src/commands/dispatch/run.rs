//! `dispatch run`: the tasks of files, each in a slot.

use super::super::session::Session;
use crate::cli::DispatchRunArgs;
use crate::domain::{Error, Result};

/// Runs the tasks.
pub fn run(_session: &Session, _args: &DispatchRunArgs) -> Result<u8> {
    Err(Error::failed("dispatch run is not there yet"))
}

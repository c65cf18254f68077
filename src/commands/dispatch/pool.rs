//! `dispatch pool`: the agent pools of a run.

use super::super::session::Session;
use crate::cli::AgentPoolCommand;
use crate::domain::{Error, Result};

/// Lists or changes them.
pub fn run(_session: &Session, _args: &AgentPoolCommand) -> Result<u8> {
    Err(Error::failed("dispatch pool is not there yet"))
}

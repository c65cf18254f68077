//! `dispatch graph`: tasks and dependencies, as Graphviz or Mermaid reads them.

use super::super::session::Session;
use crate::cli::DispatchGraphArgs;
use crate::domain::{Error, Result};

/// Prints the graph.
pub fn run(_session: &Session, _args: &DispatchGraphArgs) -> Result<u8> {
    Err(Error::failed("dispatch graph is not there yet"))
}

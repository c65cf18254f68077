//! `list`: the pools' names.

use super::session::Session;
use crate::domain::Result;
use crate::domain::outcome::PoolNames;
use crate::report::output::unless_closed;

/// Prints the names, one a line.
pub fn run(session: &Session) -> Result<u8> {
    let names = match session.context(session.flags())? {
        Some(context) => context.workspace.pool_names()?,
        None => Vec::new(),
    };
    if session.output.is_json() {
        let pools = names.iter().map(ToString::to_string).collect();
        unless_closed(session.output.json("result", &PoolNames { pools }))?;
        return Ok(0);
    }
    let lines: Vec<String> = names.iter().map(ToString::to_string).collect();
    unless_closed(session.output.data(lines.join("\n")))?;
    Ok(0)
}

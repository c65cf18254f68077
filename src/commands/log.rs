//! `log`: the history of a pool or slot.

use super::session::{self, Session};
use crate::cli::LogArgs;
use crate::domain::Result;
use crate::domain::event::Event;
use crate::pool::{Context, find};
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::store::events;

/// Prints the history, oldest first.
pub fn run(session: &Session, args: &LogArgs) -> Result<u8> {
    let history = match (session.context(session.flags())?, args.target.as_deref()) {
        (Some(context), target) => read(&context, target)?,
        (None, None) => Vec::new(),
        (None, Some(target)) => return Err(session::no_pool(target)),
    };
    let output = &session.output;
    if output.is_json() {
        for event in &history {
            let written = output.json_line(event);
            let closed = written
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
            unless_closed(written)?;
            if closed {
                break;
            }
        }
        return Ok(0);
    }
    unless_closed(output.text(&tables::events(&history, &output.layout())))?;
    Ok(0)
}

fn read(context: &Context<'_>, target: Option<&str>) -> Result<Vec<Event>> {
    match target {
        None => {
            let mut all = Vec::new();
            for name in context.workspace.pool_names()? {
                all.extend(events::read(&context.workspace.pool(&name))?);
            }
            all.sort_by_key(|event| event.time);
            Ok(all)
        }
        Some(target) if find::means_slot(context, target) => {
            let (pool, number) = find::slot(context, target)?;
            let id = pool.slot_id(number).to_string();
            let mut history = events::read(&pool.paths)?;
            history.retain(|event| event.slot_id.as_ref() == Some(&id));
            Ok(history)
        }
        Some(target) => events::read(&find::pool_as_is(context, target)?.paths),
    }
}

//! A name that nothing has: what may have been meant.

use super::session::Session;
use crate::domain::Error;
use crate::domain::names::SlotId;
use crate::domain::near::nearest;
use crate::report::tables::short_id;
use crate::store::{Workspace, pool};

/// The question whether a pool or slot of a like name was meant, if the error is that there is none. What
/// can't be looked up is no reason to say less.
pub fn hint(session: &Session, error: &Error) -> Option<String> {
    let located = session.located().ok()?;
    let workspace = Workspace::open(&located, true).ok()??;
    let pools = workspace.pool_names().ok()?;
    let found = match error {
        Error::PoolNotFound(text) => {
            let config = session.config(&located).ok()?;
            let declared = config.declared().map(|(name, _)| name.to_owned());
            nearest(text, pools.iter().map(ToString::to_string).chain(declared))
        }
        Error::SlotNotFound(text) => {
            let id = text.parse::<SlotId>().ok();
            if id.as_ref().is_some_and(|id| pools.contains(&id.pool)) {
                return None;
            }
            let short = |id: &str| short_id(id).into_owned();
            let records = pools.iter().flat_map(|name| pool::read(&workspace, name));
            let slots = records.flat_map(|record| {
                let ids = record.slots.iter().map(|slot| record.slot_id(slot.number));
                ids.map(|id| short(&id.to_string())).collect::<Vec<_>>()
            });
            nearest(&short(text), slots)
        }
        _ => None,
    };
    found.map(|name| format!("did you mean {name}?"))
}

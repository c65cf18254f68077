//! `remove-slot` and `remove-pool`.

use super::release;
use super::session::{self, Session};
use crate::cli::{RemovePoolArgs, RemoveSlotArgs};
use crate::domain::Result;
use crate::domain::outcome::Removed;
use crate::pool::find;
use crate::pool::retire::{self, Request};
use crate::report::output::unless_closed;
use crate::sys::limits;

/// Removes a slot with its directory and registration.
pub fn slot(session: &Session, args: &RemoveSlotArgs) -> Result<u8> {
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_slot(Some(&args.slot)))?;
    let (pool, number) = find::slot(&context, &args.slot)?;
    let request = Request {
        named: args.allocation.clone(),
        own: session.own_allocation(&pool, number),
        force: args.force,
        spare_of: None,
    };
    let rescue = retire::remove_slot(&pool, number, &request)?;
    release::tell_of_rescue(session, rescue.as_ref());
    let id = pool.slot_id(number).to_string();
    if session.output.is_json() {
        let result = Removed {
            removed: id.clone(),
            rescue,
        };
        unless_closed(session.output.json("result", &result))?;
    }
    session.output.note(&format!("removed slot {id}"));
    Ok(0)
}

/// Removes a pool with all its slots.
pub fn pool(session: &Session, args: &RemovePoolArgs) -> Result<u8> {
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_pool(&args.pool))?;
    let pool = find::pool(&context, &args.pool)?.pool;
    limits::raise_open_files();
    retire::remove_pool(&pool, args.force)?;
    if session.output.is_json() {
        let result = Removed {
            removed: pool.name.to_string(),
            rescue: None,
        };
        unless_closed(session.output.json("result", &result))?;
    }
    session.output.note(&format!("removed pool {}", pool.name));
    Ok(0)
}

//! `renew`: extend a lease.

use super::session::{self, Session};
use crate::cli::RenewArgs;
use crate::domain::Result;
use crate::pool::renew::{self, Request};
use crate::pool::view;
use crate::report::human;
use crate::report::output::unless_closed;

/// Extends the lease of a slot; without one, that of the environment or the current directory.
pub fn run(session: &Session, args: &RenewArgs) -> Result<u8> {
    let named = args.slot.as_deref();
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_slot(named))?;
    let (pool, number) = session.slot_or_default(&context, named)?;
    let request = Request {
        allocation: args
            .allocation
            .clone()
            .or_else(|| session.own_allocation(&pool, number)),
        ttl: args.ttl,
    };
    let slot = renew::renew(&pool, number, &request)?;
    let shown = view::recorded(&pool, &pool.read()?, &slot);
    if session.output.is_json() {
        unless_closed(session.output.json("slot", &shown))?;
    }
    if let Some(ttl) = shown.ttl_seconds {
        session.output.detail(&format!(
            "{} is held for another {}",
            shown.slot_id,
            human::seconds(ttl)
        ));
    }
    Ok(0)
}

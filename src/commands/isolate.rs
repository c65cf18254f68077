//! `isolate`: take an idle slot out of use.

use super::allocate::check_label;
use super::session::{self, Session};
use crate::cli::IsolateArgs;
use crate::domain::Result;
use crate::pool::{find, isolate, view};
use crate::report::output::unless_closed;

/// Takes an idle slot out of use for inspection.
pub fn run(session: &Session, args: &IsolateArgs) -> Result<u8> {
    let reason = args.reason.as_deref().unwrap_or("isolated by hand");
    check_label("--reason", reason)?;
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_slot(Some(&args.slot)))?;
    let (pool, number) = find::slot(&context, &args.slot)?;
    let slot = isolate::isolate(&pool, number, reason)?;
    let id = pool.slot_id(number);
    if session.output.is_json() {
        let record = pool.read()?;
        unless_closed(
            session
                .output
                .json("slot", &view::recorded(&pool, &record, &slot)),
        )?;
    }
    session.output.note(&format!(
        "slot {id} is out of use; `repo-pool recover {id}` brings it back"
    ));
    Ok(0)
}

//! `add-slot`: add slots to a pool.

use super::session::{self, Session};
use crate::cli::AddSlotArgs;
use crate::domain::Result;
use crate::domain::slot::SlotState;
use crate::pool::{find, furnish, settle, slots, view};
use crate::report::output::unless_closed;
use crate::sys::limits;

/// Adds slots and prints their paths.
pub fn add(session: &Session, args: &AddSlotArgs) -> Result<u8> {
    slots::check_count(args.count)?;
    limits::raise_open_files();
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_pool(&args.pool))?;
    let pool = find::pool(&context, &args.pool)?.pool;
    settle::leftovers(&pool)?;
    let made = slots::add(&pool, args.count)?;
    let record = pool.read()?;
    let views: Vec<_> = made
        .iter()
        .map(|slot| view::recorded(&pool, &record, slot))
        .collect();
    if session.output.is_json() {
        let written = match views.as_slice() {
            [one] => session.output.json("slot", one),
            all => session.output.json("slots", &all),
        };
        unless_closed(written)?;
    } else {
        let usable = views.iter().filter(|slot| slot.state != SlotState::Error);
        let paths: Vec<&str> = usable.map(|slot| slot.slot_path.as_str()).collect();
        if !paths.is_empty() {
            unless_closed(session.output.data(paths.join("\n")))?;
        }
    }
    furnish::all_set_up(&pool, &made).map(|()| 0)
}

//! What an engine keeps of a runner that has ended: taken away once that is recorded. Where the engine
//! does not answer then, the order stays, and the next dispatcher does it.

use std::path::Path;

use jiff::Timestamp;

use super::driver_of;
use super::order::Order;
use crate::domain::Result;

/// Takes it away, and then the order.
pub(super) fn finish(mut order: Order) -> Result<()> {
    let removed = driver_of(&order).and_then(|driver| driver.remove());
    match &removed {
        Ok(()) => Order::remove(&order.dir),
        Err(_) => order.put_off(),
    }
    removed
}

/// The same for the attempt in this directory, if somebody has put that off for one that was begun
/// before a moment. Its slot is let alone if it is not the attempt's any more.
pub fn finish_late(dir: &Path, before: Timestamp, has_slot: bool) -> Result<()> {
    let order = Order::read(dir)?;
    let Some(mut order) = order.filter(|order| order.over && order.begun < before) else {
        return Ok(());
    };
    order.slot = order.slot.filter(|_| has_slot);
    finish(order)
}

//! Extending a lease: the holder was heard of. Done often, so it is one small write under the
//! pool's lock, without a line in the history.

use std::time::Duration;

use super::Pool;
use super::holder::{self, Wish};
use crate::domain::lease::Lease;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};

/// How a lease is to be extended.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The allocation id that the caller presents.
    pub allocation: Option<String>,
    /// How long it runs from now on; as long as last time if absent.
    pub ttl: Option<Duration>,
}

/// Extends the lease of an allocated slot, if the caller may.
pub fn renew(pool: &Pool<'_>, number: u32, request: &Request) -> Result<SlotRecord> {
    let id = pool.slot_id(number);
    let mut locked = pool.lock()?;
    let slot = locked
        .record
        .slot_mut(number)
        .ok_or_else(|| Error::SlotNotFound(id.to_string()))?;
    let allocation = match (slot.state, &mut slot.allocation) {
        (SlotState::Allocated, Some(allocation)) => allocation,
        (SlotState::Cleaning, Some(_)) => {
            return Err(Error::StaleAllocation(format!(
                "slot {id} is being given back; there is nothing to renew"
            )));
        }
        _ => {
            return Err(Error::StaleAllocation(format!(
                "slot {id} is not allocated; there is nothing to renew"
            )));
        }
    };
    let presented = request.allocation.as_deref();
    holder::permit(pool, number, allocation, Wish::Renew, presented, false)?;
    let recorded = allocation.lease.as_ref().map(Lease::ttl);
    let ttl = request.ttl.or(recorded).ok_or_else(|| {
        Error::usage(format!("slot {id} was allocated without a lease"))
            .with_hint("`repo-pool renew SLOT --ttl 30m` gives it one of 30 minutes from now")
    })?;
    let now = holder::now();
    slot.updated_at = now.at;
    allocation.renew(ttl, now);
    let renewed = slot.clone();
    locked.save_lightly()?;
    Ok(renewed)
}

//! A branch that is in another slot.

use super::slot::NoSlot;
use super::{Plan, Workshop};
use crate::domain::dispatch::standstill::held;
use crate::domain::lease::{self, Permission};
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::pool::{Pool, claim, holder};

/// Why there is no slot. A branch that somebody has who lives, or whose slot is on its way back, comes
/// free without us; from any other slot only a person can bring it back, and trying again is of no use.
pub fn refused(
    workshop: &Workshop<'_>,
    pool: &Pool<'_>,
    plan: &Plan,
    repo: &str,
    error: Error,
) -> NoSlot {
    let Error::BranchTaken {
        ref branch,
        ref slot,
    } = error
    else {
        return NoSlot::of(repo, error);
    };
    let reason = error.to_string();
    // What can't be looked at is a person's to look at.
    match who(pool, branch, slot).unwrap_or_default() {
        Some(who) => NoSlot::None {
            pool: repo.to_owned(),
            branch: Some(branch.clone()),
            reason: format!("{reason}, {who}"),
        },
        None => NoSlot::Question {
            question: format!("task {} can't have its branch: {reason}", plan.id.task),
            command: held::command(workshop.run.name(), slot, Some(&plan.id.task)),
        },
    }
}

/// From whom the branch comes back; none if nobody is known who would not be robbed of it.
fn who(pool: &Pool<'_>, branch: &str, slot: &str) -> Result<Option<String>> {
    let record = pool.read()?;
    let mut slots = record.slots.iter();
    let Some(found) = slots.find(|other| pool.slot_id(other.number).to_string() == slot) else {
        return Ok(None);
    };
    let allocation = found.allocation.as_ref();
    Ok(match (found.state, allocation) {
        (SlotState::Cleaning, _) => Some("which is on its way back".to_owned()),
        (SlotState::Allocated, Some(allocation)) => {
            let facts = holder::facts(pool, found.number, allocation);
            let held = lease::may_release(allocation, None, &facts, false);
            let name = || format!("which {} holds", holder::name(allocation));
            matches!(held, Permission::HeldBy(_)).then(name)
        }
        _ => {
            let is_free = claim::branch_is_free(pool, &record, branch, None).is_ok();
            is_free.then(|| "which was on its way back".to_owned())
        }
    })
}

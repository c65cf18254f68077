//! The command that is run in a slot that is given back, before it is cleaned.
//!
//! It may delete what it likes: the work is saved before. It may take its time, in which somebody may
//! still reach the slot, so it is looked at again afterwards, and what is there that was not saved is.
//! Then the slot is parked: one that is parked has been through this. A release that was killed before
//! runs the command again.

use super::script::{self, Script};
use super::{Pool, mend, park, saving};
use crate::domain::event::Event;
use crate::domain::outcome::RescueView;
use crate::domain::rescue::Reason;
use crate::domain::slot::{Operation, SlotRecord};
use crate::domain::{Error, Result};
use crate::git::status::Status;
use crate::git::{Oid, rescue, unseen};
use crate::sys::lock::FileLock;

/// The key.
pub const NAME: &str = "on_release";

/// What came of it.
#[derive(Debug, Default)]
pub struct Before {
    /// What was done.
    pub operations: Vec<String>,
    /// What went wrong, which stops nothing.
    pub errors: Vec<String>,
    saved: Option<RescueView>,
    events: Vec<Event>,
}

/// Whether a command is run in slots that are given back.
pub fn is_asked_for(pool: &Pool<'_>) -> bool {
    pool.settings.on_release.is_some()
}

/// Saves the slot's work and runs the command. `landed` is a commit that needs no saving.
///
/// # Errors
/// Refused, if there is work that can't be saved. That the command fails is said, and no error.
pub fn run(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    lock: &FileLock,
    operation: &Operation,
    landed: &Oid,
    reason: Reason,
) -> Result<Before> {
    let number = slot.number;
    let (Some(command), Some(allocation)) = (&pool.settings.on_release, &slot.allocation) else {
        return Ok(Before::default());
    };
    let is_whole = matches!(pool.worktree(number).fault(), Ok(None));
    if park::is_parked(pool, number) || !is_whole {
        return Ok(Before::default());
    }
    script::end_leftovers(pool, number);
    let mut before = Before::default();
    if !operation.discard {
        let known = slot.commit.as_ref().unwrap_or(landed);
        unseen::before_git(&pool.worktree(number))?;
        let mut repairs = mend::Repairs::default();
        let seen = mend::whole(pool, number, lock, known, false, &mut repairs)?;
        before.operations = repairs.operations;
        before.events = repairs.events;
        let (saved, events) = saving::save_work(pool, number, &seen, Some(landed), reason)?;
        before.saved = saved;
        before.events.extend(events);
    }
    let script = Script {
        name: NAME,
        command,
        limit: pool.settings.cleanup_timeout,
        limited_by: "cleanup_timeout",
        allocation: Some(allocation),
    };
    let failed = match script::run(pool, number, &script) {
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => Some(error.reason()),
        Ok(failed) => failed,
    };
    before.operations.push(format!("run {NAME}"));
    if let Some(why) = failed {
        let text = format!("{NAME} in {} failed: {why}", pool.slot_id(number));
        pool.context.observer.warn(&text);
        before.errors.push(text);
    }
    Ok(before)
}

impl Before {
    /// Saves what a second look has shown, as far as the first has not.
    pub fn save_the_rest(
        &mut self,
        pool: &Pool<'_>,
        number: u32,
        seen: &Status,
        landed: &Oid,
        reason: Reason,
    ) -> Result<(Option<RescueView>, Vec<Event>)> {
        let (found, events) = saving::save_work(pool, number, seen, Some(landed), reason)?;
        let mut all = std::mem::take(&mut self.events);
        let repository = pool.paths.repository();
        let rescue = match (self.saved.take(), found) {
            (Some(first), Some(second))
                if rescue::hold_the_same(
                    &pool.git,
                    &repository,
                    &first.commit,
                    &second.commit,
                )? =>
            {
                rescue::delete(&pool.git, &repository, &second.rescue_id, &second.commit)?;
                Some(first)
            }
            (first, second) => {
                all.extend(events);
                second.or(first)
            }
        };
        Ok((rescue, all))
    }
}

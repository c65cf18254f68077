//! What all slots share in git, as the next user's git reads it.

use super::Pool;
use crate::domain::Result;
use crate::domain::event::{Event, EventKind};
use crate::domain::pool::PoolRecord;
use crate::git::shared::{self, Fault};
use crate::sys::clock;

/// A config with which no git works must not be handed out. It costs a git process only where the
/// config has been changed since it was last looked at.
pub fn usable(pool: &Pool<'_>) -> Result<()> {
    let repository = pool.paths.repository();
    if shared::is_known(&repository)? {
        return Ok(());
    }
    let seen = shared::stamp(&repository)?;
    if !shared::look(&pool.git, &repository)?
        .iter()
        .any(Fault::is_vital)
    {
        return shared::note(&repository, &seen);
    }
    for what in put_right(pool, |fault, _| fault.is_vital())? {
        pool.context.observer.warn(&format!(
            "{what}; it was put right, what was there is in {}",
            pool.paths.set_aside().display()
        ));
    }
    Ok(())
}

/// Puts right what `may` be, as it is now. Tells what it was.
pub fn put_right(
    pool: &Pool<'_>,
    may: impl Fn(&Fault, &PoolRecord) -> bool,
) -> Result<Vec<String>> {
    let mut locked = pool.lock()?;
    let repository = pool.paths.repository();
    let mut done = Vec::new();
    for fault in shared::look(&pool.git, &repository)? {
        if may(&fault, &locked.record) {
            shared::repair(&pool.git, &repository, &fault, &pool.paths.set_aside())?;
            locked.note(
                Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(fault.to_string()),
            );
            done.push(fault.to_string());
        }
    }
    locked.save_history()?;
    Ok(done)
}

//! Looking at a slot while the remote is asked: the network takes its time, and so does a large tree.
//!
//! Only where no slot lies ready is there anything to look at. The slot is claimed as for any
//! allocation; if the remote can't be reached, the claim is undone.

use super::acquire::{self, Request};
use super::claim::{self, Claim};
use super::fetch::{self, Begun, Turn};
use super::ready::{self, Looked, Unready};
use super::{Pool, journal, queue, shared};
use crate::domain::Result;
use crate::domain::pool::PoolRecord;
use crate::domain::selection::{self, Choice};
use crate::sys::threads;

/// A slot that was claimed before the remote had answered, and what a look at it came to, if it needed
/// one.
pub type Ahead = (Claim, Option<std::result::Result<Looked, Unready>>);

/// Fetches. If no slot lies ready, the one that will probably be handed out is looked at meanwhile.
pub fn fetch(
    pool: &Pool<'_>,
    request: &Request,
    record: PoolRecord,
) -> Result<(PoolRecord, Option<Ahead>)> {
    let turn = match fetch::begin(pool, request.freshness, record)? {
        Begun::Known(record) => return Ok((*record, None)),
        Begun::Turn(turn) => turn,
    };
    // A branch can't be claimed before it is known where it is.
    if request.branch.is_some() || selection::has_verified(turn.record()) {
        return turn.look(pool).map(|record| (record, None));
    }
    let (fetched, ahead) = threads::both(|| turn.look(pool), || look_ahead(pool, request));
    match (fetched, ahead) {
        (Err(error), Ok(Some((claim, _)))) => Err(acquire::undone(pool, &claim, error)),
        (fetched, ahead) => Ok((fetched?, ahead?)),
    }
}

/// Fetches for a slot that was claimed already, and looks at it meanwhile if it is not verified.
pub fn fetch_for(
    pool: &Pool<'_>,
    request: &Request,
    claim: Claim,
) -> Result<(PoolRecord, Option<Ahead>)> {
    let begun = shared::usable(pool)
        .and_then(|()| pool.read())
        .and_then(|record| fetch::begin(pool, request.freshness, record));
    let (fetched, looked) = match begun {
        Err(error) => (Err(error), None),
        Ok(Begun::Known(record)) => (Ok(*record), None),
        Ok(Begun::Turn(turn)) => look_meanwhile(pool, *turn, &claim),
    };
    match fetched {
        Ok(record) => Ok((record, Some((claim, looked)))),
        Err(error) => Err(acquire::undone(pool, &claim, error)),
    }
}

fn look_meanwhile(
    pool: &Pool<'_>,
    turn: Turn,
    claim: &Claim,
) -> (
    Result<PoolRecord>,
    Option<std::result::Result<Looked, Unready>>,
) {
    let base = turn.record().remote.base_commit.clone();
    match base.filter(|_| !claim.is_new() && !claim.slot.is_verified()) {
        None => (turn.look(pool), None),
        Some(base) => {
            let look = || ready::look(pool, &claim.slot, &claim.work.lock, &base);
            let (fetched, looked) = threads::both(|| turn.look(pool), look);
            (fetched, Some(looked))
        }
    }
}

/// Claims the slot that would be handed out if the base were what it was, and looks at it. None if
/// there is nothing to be looked at.
fn look_ahead(pool: &Pool<'_>, request: &Request) -> Result<Option<Ahead>> {
    let locked = pool.lock()?;
    let Some(base) = locked.record.remote.base_commit.clone() else {
        return Ok(None);
    };
    if claim::is_keyed(&locked.record, request) {
        return Ok(None);
    }
    let others = queue::ahead(pool, None)?;
    let choice = selection::choose(&locked.record, &base, &[], None, others, request.prefer);
    let Choice::Idle(number) = choice else {
        return Ok(None);
    };
    let Some(lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let claim = claim::intend(pool, request, locked, choice, lock)?;
    let looked = ready::look(pool, &claim.slot, &claim.work.lock, &base);
    Ok(Some((claim, Some(looked))))
}

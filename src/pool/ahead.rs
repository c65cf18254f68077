//! Looking at a slot while the remote is asked: the network takes its time, and so does a large tree.
//!
//! Only where no slot lies ready is there anything to look at. The slot is claimed as for any
//! allocation; if the remote can't be reached, the claim is undone.

use super::acquire::{self, Claim, Request};
use super::fetch::{self, Begun};
use super::ready::{self, Looked, Unready};
use super::{Pool, journal};
use crate::domain::Result;
use crate::domain::pool::PoolRecord;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::OperationKind;
use crate::sys::{clock, threads};

/// A slot that was claimed before the remote had answered, and what a look at it came to.
pub type Ahead = (Claim, std::result::Result<Looked, Unready>);

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

/// Claims the slot that would be handed out if the base were what it was, and looks at it. None if
/// there is nothing to be looked at.
fn look_ahead(pool: &Pool<'_>, request: &Request) -> Result<Option<Ahead>> {
    let locked = pool.lock()?;
    let Some(base) = locked.record.remote.base_commit.clone() else {
        return Ok(None);
    };
    let Choice::Idle(number) = selection::choose(&locked.record, &base, &[], None) else {
        return Ok(None);
    };
    let Some(lock) = journal::try_slot(pool, number)? else {
        return Ok(None);
    };
    let holder = acquire::holder_lock(pool, request, number)?;
    let operation = journal::operation(OperationKind::Allocate, clock::now());
    let claim = acquire::intend(locked, number, lock, holder, false, operation)?;
    let looked = ready::look(pool, &claim.slot, &claim.work.lock, &base);
    Ok(Some((claim, looked)))
}

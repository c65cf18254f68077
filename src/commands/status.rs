//! `status`: pools, the slots of a pool, or everything about a slot.

use super::session::{self, Session};
use crate::cli::StatusArgs;
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::pool::{Context, Pool, find, view};
use crate::recover::{self, Request};
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::sys::clock;

/// Shows the state. Takes no lock. With `--check`, looks as `recover --dry-run` does.
pub fn run(session: &Session, args: &StatusArgs) -> Result<u8> {
    let context = session.context(session.flags())?;
    let attention = match (&context, args.target.as_deref()) {
        (None, None) => {
            show_pools(session, Vec::new())?;
            false
        }
        (None, Some(target)) => return Err(session::no_pool(target)),
        (Some(context), None) => {
            show_pools(session, view::pools(context, args.disk)?)?;
            args.check && any_pool_needs_attention(context)?
        }
        (Some(context), Some(target)) => {
            let (pool, slot) = show_one(session, context, target, args.disk)?;
            args.check && needs_attention(&pool, slot)?
        }
    };
    Ok(u8::from(attention))
}

fn show_pools(session: &Session, pools: Vec<crate::domain::outcome::PoolSummary>) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        return unless_closed(output.json("pools", &pools));
    }
    if pools.is_empty() {
        output.note("there is no pool yet; `repo-pool create NAME URL` makes one, `repo-pool exec . -- CMD` too");
    }
    unless_closed(output.text(&tables::pools(&pools, clock::now(), &output.layout())))
}

/// Shows a pool or a slot, and tells which.
fn show_one<'c>(
    session: &Session,
    context: &'c Context<'_>,
    target: &str,
    disk: bool,
) -> Result<(Pool<'c>, Option<u32>)> {
    let output = &session.output;
    if find::means_slot(context, target) {
        let (pool, number) = find::slot(context, target)?;
        let record = pool.read()?;
        let slot = record
            .slot(number)
            .ok_or_else(|| session::no_slot(Some(target)))?;
        let shown = view::slot(&pool, &record, slot);
        unless_closed(match output.is_json() {
            true => output.json("slot", &shown),
            false => output.text(&tables::slot(&shown, clock::now(), &output.layout())),
        })?;
        return Ok((pool, Some(number)));
    }
    let pool = find::pool_as_is(context, target)?;
    let shown = view::pool(&pool, &pool.read()?, disk);
    unless_closed(match output.is_json() {
        true => output.json("pool", &shown),
        false => output.text(&tables::pool(&shown, clock::now(), &output.layout())),
    })?;
    Ok((pool, None))
}

fn any_pool_needs_attention(context: &Context<'_>) -> Result<bool> {
    for name in context.workspace.pool_names()? {
        if needs_attention(&context.pool(&name), None)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a person or `recover` should look: if `recover --dry-run` finds something, or if a slot that
/// was to be given back in the background is still held.
fn needs_attention(pool: &Pool<'_>, slot: Option<u32>) -> Result<bool> {
    let request = Request {
        slot,
        dry_run: true,
        stale_after: pool.settings.stale_after,
        ..Request::default()
    };
    match recover::recover(pool, &request) {
        Err(Error::PoolNotFound(_)) => Ok(false),
        // What can't be read does need somebody.
        Err(Error::Failed { .. }) => Ok(true),
        found => Ok(!found?.is_empty() || any_not_given_back(pool, slot)?),
    }
}

fn any_not_given_back(pool: &Pool<'_>, number: Option<u32>) -> Result<bool> {
    let record = pool.read()?;
    let mut slots = record.slots.iter();
    Ok(slots.any(|slot| {
        slot.state == SlotState::Allocated
            && slot.error.is_some()
            && number.is_none_or(|number| number == slot.number)
    }))
}

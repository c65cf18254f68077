//! `status`: pools, the slots of a pool, or everything about a slot.

use jiff::Timestamp;

use super::session::{self, Session};
use crate::cli::StatusArgs;
use crate::domain::outcome::{PoolSummary, PoolView, SlotView};
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::pool::{Context, Pool, details, find, view};
use crate::recover::{self, Request};
use crate::report::output::unless_closed;
use crate::report::{Layout, tables};
use crate::sys::{clock, looking};

mod watch;

/// Shows the state. Takes no lock. With `--check`, looks as `recover --dry-run` does. Whoever works on
/// a slot meanwhile is not kept from that.
pub fn run(session: &Session, args: &StatusArgs) -> Result<u8> {
    looking::begin();
    if let Some(interval) = args.watch {
        watch::run(session, args, interval)?;
        return Ok(0);
    }
    let context = session.context(session.flags())?;
    let seen = Seen::now(context.as_ref(), args)?;
    let output = &session.output;
    if seen.is_nothing() {
        output.note("there is no pool yet; `repo-pool create NAME URL` makes one, `repo-pool exec . -- CMD` too");
    }
    unless_closed(match output.is_json() {
        true => seen.print_json(session),
        false => output.text(&seen.text(clock::now(), &output.layout())),
    })?;
    let attention = match &context {
        Some(context) if args.check => attention(context, args.target.as_deref())?,
        _ => false,
    };
    Ok(u8::from(attention))
}

/// What there is to show.
enum Seen {
    Pools(Vec<PoolSummary>),
    Pool(Box<PoolView>),
    Slot(Box<SlotView>),
}

impl Seen {
    /// A look at what the command line names.
    fn now(context: Option<&Context<'_>>, args: &StatusArgs) -> Result<Self> {
        let target = args.target.as_deref();
        match (context, target) {
            (None, None) => Ok(Self::Pools(Vec::new())),
            (None, Some(target)) => Err(session::no_pool(target)),
            (Some(context), None) => view::pools(context, args.disk).map(Self::Pools),
            (Some(context), Some(target)) if find::means_slot(context, target) => {
                let (pool, number) = find::slot(context, target)?;
                let record = pool.read()?;
                let slot = record
                    .slot(number)
                    .ok_or_else(|| session::no_slot(Some(target)))?;
                let shown = details::slot(&pool, &record, slot);
                Ok(Self::Slot(Box::new(shown)))
            }
            (Some(context), Some(target)) => {
                let pool = find::pool_as_is(context, target)?;
                let shown = view::pool(&pool, &pool.read()?, args.disk);
                Ok(Self::Pool(Box::new(shown)))
            }
        }
    }

    /// The pools that it is about.
    fn pools(&self) -> Vec<&str> {
        match self {
            Self::Pools(pools) => pools.iter().map(|pool| pool.repo_name.as_str()).collect(),
            Self::Pool(pool) => vec![&pool.repo_name],
            Self::Slot(slot) => vec![&slot.repo_name],
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Pools(pools) if pools.is_empty())
    }

    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        match self {
            Self::Pools(pools) => tables::pools(pools, now, layout),
            Self::Pool(pool) => tables::pool(pool, now, layout),
            Self::Slot(slot) => tables::slot(slot, now, layout),
        }
    }

    fn print_json(&self, session: &Session) -> std::io::Result<()> {
        match self {
            Self::Pools(pools) => session.output.json("pools", pools),
            Self::Pool(pool) => session.output.json("pool", pool),
            Self::Slot(slot) => session.output.json("slot", slot),
        }
    }
}

fn attention(context: &Context<'_>, target: Option<&str>) -> Result<bool> {
    match target {
        None => any_pool_needs_attention(context),
        Some(target) if find::means_slot(context, target) => {
            let (pool, number) = find::slot(context, target)?;
            needs_attention(&pool, Some(number))
        }
        Some(target) => needs_attention(&find::pool_as_is(context, target)?, None),
    }
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

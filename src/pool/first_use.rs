//! Pools that nobody made: a path or URL is enough, and ten at once get one pool.

use super::create::{self, Plan};
use super::find::{self, FoundPool, Wanted};
use super::{Context, Pool};
use crate::domain::names::PoolName;
use crate::domain::pool::Strategy;
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::sys::lock::FileLock;

/// How far a pool that was made on first use grows by itself.
pub const GROWS_TO: u32 = 16;

enum Step<'c> {
    Found(PoolName),
    Reserved(Box<(Pool<'c>, FileLock, Plan)>),
}

/// The pool of a remote; it is made if there is none. A pool that another command was making and
/// that failed is tried once more from here.
pub fn find_or_make<'c>(context: &'c Context<'_>, wanted: Wanted) -> Result<FoundPool<'c>> {
    let source = wanted.local.clone();
    let mut tries = 0;
    loop {
        match find_or_reserve(context, &wanted)? {
            Step::Found(name) => {
                let found = find::ready(context, &name, None);
                match found {
                    Err(Error::PoolNotFound(_)) if tries == 0 => tries += 1,
                    Err(other) => return Err(other),
                    Ok(mut found) => {
                        found.source = source;
                        found.pool.given_url =
                            Some(wanted.url).filter(|url| url.secret().is_some());
                        return Ok(found);
                    }
                }
            }
            Step::Reserved(reserved) => {
                let (pool, making, plan) = *reserved;
                context.observer.note(&format!(
                    "making pool {} of {} on first use (`repo-pool remove-pool {}` removes it)",
                    pool.name,
                    plan.url.stored(),
                    pool.name
                ));
                create::build_or_undo(&pool, &plan, making)?;
                return FoundPool::new(pool, source);
            }
        }
    }
}

/// Looks and reserves under the workspace's lock, so that of ten callers one makes the pool.
fn find_or_reserve<'c>(context: &'c Context<'_>, wanted: &Wanted) -> Result<Step<'c>> {
    if let Some(name) = find::by_remote(context, &wanted.url)? {
        return Ok(Step::Found(name));
    }
    let _lock = context.workspace.lock()?;
    if let Some(name) = find::by_remote(context, &wanted.url)? {
        return Ok(Step::Found(name));
    }
    if let Some(found) = declared(context, wanted)? {
        return Ok(found);
    }
    let name = free_name(
        context,
        &PoolName::from_repository(wanted.url.repository_name()),
    )?;
    let plan = plan(wanted, wanted.url.clone());
    let (pool, making) = create::reserve(context, &name, &plan)?;
    Ok(Step::Reserved(Box::new((pool, making, plan))))
}

/// A pool that `pools.toml` declares for this remote is made as declared.
fn declared<'c>(context: &'c Context<'_>, wanted: &Wanted) -> Result<Option<Step<'c>>> {
    let Some((name, declared)) = context
        .config
        .declared()
        .find(|(_, pool)| pool.url.same_remote(wanted.url.stored()))
    else {
        return Ok(None);
    };
    let name = PoolName::new(name)?;
    let settings = context.config.settings(Some(name.as_str()), &context.flags);
    let plan = Plan {
        slots: settings.num_slots,
        strategy: settings.strategy,
        grows_to: None,
        ..plan(wanted, declared.url.clone())
    };
    let (pool, making) = create::reserve(context, &name, &plan)?;
    Ok(Some(Step::Reserved(Box::new((pool, making, plan)))))
}

fn plan(wanted: &Wanted, url: RemoteUrl) -> Plan {
    let local = wanted.local.as_ref();
    Plan {
        url,
        slots: 1,
        base: None,
        keep: Vec::new(),
        grows_to: Some(GROWS_TO),
        strategy: Strategy::default(),
        made_from: local.map(|local| local.path.clone()),
        settings: local
            .map(|local| local.settings.clone())
            .unwrap_or_default(),
    }
}

/// The repository's name, or with a number behind it if another remote's pool has it.
fn free_name(context: &Context<'_>, wanted: &PoolName) -> Result<PoolName> {
    let taken = context.workspace.pool_names()?;
    let is_free = |name: &PoolName| {
        !taken.iter().any(|other| other.same_but_for_case(name))
            && context.config.declared_pool(name.as_str()).is_none()
    };
    Ok(std::iter::once(wanted.clone())
        .chain((2..).map(|n| wanted.numbered(n)))
        .find(is_free)
        .unwrap_or_else(|| wanted.clone()))
}

//! The numbers that a slot has to itself in its workspace: an index and a block of ports.
//!
//! A slot gets them when somebody asks for the first time, and keeps them. They stand in one document
//! of the workspace, under a lock of its own under which no other is taken: who never asks never pays.
//! Those of slots that are no more go to whoever asks next, so nothing has to be given back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pool;
use crate::domain::names::PoolName;
use crate::domain::pool::SCHEMA;
use crate::domain::ports::{self, Numbers};
use crate::domain::{Error, Result};
use crate::store::{document, pool as store};

/// Which slot has which numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: u32,
    pools: BTreeMap<PoolName, BTreeMap<u32, Numbers>>,
}

impl Document {
    fn of(&self, pool: &PoolName, number: u32) -> Option<Numbers> {
        self.pools.get(pool)?.get(&number).copied()
    }
}

/// The slot's numbers if it has any, without a lock.
pub fn known(pool: &Pool<'_>, number: u32) -> Result<Option<Numbers>> {
    Ok(read(pool)?.of(&pool.name, number))
}

/// The slot's numbers. They stay the same, but for ports that do not fit the settings any more.
///
/// # Errors
/// If the range of the setting `ports` is used up.
pub fn of(pool: &Pool<'_>, number: u32) -> Result<Numbers> {
    let (range, count) = (pool.settings.ports, pool.settings.ports_per_slot);
    let fit = |numbers: &Numbers| numbers.fit(range, count);
    if let Some(numbers) = known(pool, number)?.filter(fit) {
        return Ok(numbers);
    }
    let file = pool.workspace.numbers();
    let locks = pool.workspace.locks();
    let _lock = locks.acquire(
        &pool.workspace.numbers_lock(),
        "the ports of the workspace's slots",
    )?;
    let mut document = read(pool)?;
    document::check_writable(&file, document.schema)?;
    let before = document.of(&pool.name, number);
    if let Some(numbers) = before.filter(fit) {
        return Ok(numbers);
    }
    forget_removed(pool, &mut document);
    if let Some(slots) = document.pools.get_mut(&pool.name) {
        slots.remove(&number);
    }
    let others: Vec<Numbers> = document
        .pools
        .values()
        .flat_map(|slots| slots.values().copied())
        .collect();
    let mut numbers = ports::choose(&others, range, count).ok_or_else(|| used_up(pool, number))?;
    if let Some(before) = before {
        numbers.index = before.index;
    }
    let slots = document.pools.entry(pool.name.clone()).or_default();
    slots.insert(number, numbers);
    document::write(&file, &document)?;
    Ok(numbers)
}

fn read(pool: &Pool<'_>) -> Result<Document> {
    let file = pool.workspace.numbers();
    let document = document::read(&file).map_err(|error| match error {
        error @ Error::Failed { .. } if !document::is_newer(&file) => {
            error.with_hint("remove it, and every slot gets its ports anew")
        }
        other => other,
    })?;
    Ok(document.unwrap_or(Document {
        schema: SCHEMA,
        pools: BTreeMap::new(),
    }))
}

/// Takes slots out that are no more. Those of a pool whose record can't be read are kept, and of one
/// that is being made, which has no slots in its record yet.
fn forget_removed(pool: &Pool<'_>, document: &mut Document) {
    document.pools.retain(|name, slots| {
        match store::read(&pool.workspace, name) {
            Ok(record) if record.operation.is_some() => {}
            Ok(record) => slots.retain(|number, _| record.slot(*number).is_some()),
            Err(_) if pool.workspace.pool(name).root.exists() => {}
            Err(_) => slots.clear(),
        }
        !slots.is_empty()
    });
}

fn used_up(pool: &Pool<'_>, number: u32) -> Error {
    let (range, count) = (pool.settings.ports, pool.settings.ports_per_slot);
    Error::failed(format!(
        "there are no {count} ports left for slot {} in the range {range}",
        pool.slot_id(number)
    ))
    .with_hint("make `ports` in pools.toml larger, or `ports_per_slot` smaller; 0 gives slots none")
}

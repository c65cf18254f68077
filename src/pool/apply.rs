//! Bringing the pools to what the settings declare (8.2, 8.3). What is to be done is decided in
//! [`crate::domain::apply`]; every step is one of the ordinary operations, so that a command that is
//! killed leaves what they leave, and the next one goes on from there.

use super::retire::{self, Request};
use super::{Context, Pool, fetch, find, furnish, holder, parallel, settle, slots};
use crate::config::{Config, DeclaredPool, Flags, Settings};
use crate::domain::apply::{
    self, Conflict, Declared, Known, KnownSlot, Made, MadeWith, Planned, State, Step,
};
use crate::domain::names::{self, PoolName};
use crate::domain::outcome::RescueView;
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result, gist};
use crate::sys::lock::HeldLocks;
use crate::sys::signals;

/// What became of a step.
pub struct Applied {
    /// The step, and the pool it is about.
    pub planned: Planned,
    /// What it came to; work that was found in a slot that went was saved.
    pub result: Result<Option<RescueView>>,
}

/// What there is and what is declared, seen once.
pub struct Sight {
    /// The pools that are declared, in the order of the file.
    pub declared: Vec<Declared>,
    /// The pools there are.
    pub known: Vec<Known>,
}

/// The pools that the settings declare.
pub fn declared(config: &Config, flags: &Flags) -> Vec<Declared> {
    let pools = config.declared();
    pools
        .map(|(name, pool)| {
            let settings = config.settings(Some(name), flags);
            Declared {
                name: pool.name.clone(),
                url: pool.url.clone(),
                slots: settings.num_slots,
                most: settings.max_slots.unwrap_or(settings.num_slots),
                strategy: settings.strategy,
                made_with: made_with(pool, &settings),
                base: settings.base,
            }
        })
        .collect()
}

/// What the pool's own table says that its repository is made with, and what nobody says. A default is
/// for pools that are still to be made.
fn made_with(pool: &DeclaredPool, settings: &Settings) -> MadeWith {
    let mut keys = as_made_with(settings.filter.as_ref(), settings.depth);
    keys.retain(|(key, value)| pool.has_own(key) || value.is_none());
    keys
}

fn as_made_with(filter: Option<&String>, depth: Option<u32>) -> MadeWith {
    let depth = depth.map(|depth| depth.to_string());
    vec![("filter", filter.cloned()), ("depth", depth)]
}

/// Looks at everything without changing anything. What keeps a pool from being removed is looked for
/// only where it matters.
pub fn look(context: &Context<'_>, prune: bool) -> Result<Sight> {
    let declared = declared(&context.config, &context.flags);
    let mut names = context.workspace.pool_names()?;
    names.extend(context.workspace.lost_pools()?);
    let known = names.into_iter().map(|name| {
        let goes = prune && !declared.iter().any(|pool| pool.name == name);
        let state = state(context, &name, goes);
        Known { name, state }
    });
    Ok(Sight {
        known: known.collect(),
        declared,
    })
}

impl Sight {
    /// Which declarations contradict what there is.
    pub fn conflicts(&self) -> Vec<Conflict> {
        apply::conflicts(&self.declared, &self.known)
    }

    /// What is to be done.
    pub fn plan(&self, prune: bool) -> Vec<Planned> {
        apply::plan(&self.declared, &self.known, prune)
    }
}

fn state(context: &Context<'_>, name: &PoolName, goes: bool) -> State {
    let pool = context.pool(name);
    if pool.paths.has_lost_its_record() {
        return State::Unusable(format!(
            "its record is gone; `repo-pool recover {name}` makes it anew from what is there"
        ));
    }
    match pool.read() {
        Ok(record) if record.operation.is_some() => State::Unmade,
        Ok(record) => State::Made(made(&pool, &record, goes)),
        Err(Error::PoolNotFound(_)) => State::Unmade,
        Err(error) => State::Unusable(error.to_string()),
    }
}

fn made(pool: &Pool<'_>, record: &PoolRecord, goes: bool) -> Made {
    let locks = HeldLocks::now(&pool.paths.locks());
    let is_alive =
        |slot: &SlotRecord| locks.is_locked(&pool.paths.slot_lock(slot.number)) != Some(false);
    let there = record.slots.iter().filter(|slot| lasts(slot, is_alive));
    let slots: Vec<KnownSlot> = there
        .map(|slot| KnownSlot {
            number: slot.number,
            kept: kept(slot, is_alive),
        })
        .collect();
    Made {
        url: record.repo_url.clone(),
        strategy: record.strategy,
        made_with: as_made_with(record.filter.as_ref(), record.depth),
        declared: record.declared,
        base: record.remote.base_branch.clone(),
        kept: if goes { keeps(pool, &slots) } else { None },
        slots,
    }
}

/// Whether the slot will still be there once what is under way has ended: what a killed command was
/// making is undone, and what is being removed is going.
fn lasts(slot: &SlotRecord, is_alive: impl Fn(&SlotRecord) -> bool) -> bool {
    match slot.operation.as_ref().map(|operation| operation.kind) {
        Some(OperationKind::Remove) => false,
        Some(OperationKind::Add | OperationKind::Create) => is_alive(slot),
        _ => true,
    }
}

/// Why a slot can't be removed now. What a killed command was doing to it is finished before that.
fn kept(slot: &SlotRecord, is_alive: impl Fn(&SlotRecord) -> bool) -> Option<String> {
    match (slot.state, &slot.allocation, &slot.operation) {
        (SlotState::Available, _, None) => None,
        (SlotState::Allocated, Some(allocation), _) => {
            Some(format!("is allocated to {}", holder::name(allocation)))
        }
        (SlotState::Error, ..) => Some(format!(
            "is out of use: {}",
            gist(slot.error.as_deref().unwrap_or("no reason recorded"))
        )),
        (_, _, Some(operation)) if is_alive(slot) => {
            Some(format!("is in use: {} is under way", operation.kind))
        }
        (_, _, Some(_)) => None,
        (state, ..) => Some(format!("is {state}")),
    }
}

/// Why the pool can't be removed, as far as that shows without locking anything.
fn keeps(pool: &Pool<'_>, slots: &[KnownSlot]) -> Option<String> {
    let held = slots.iter().find_map(|slot| {
        let reason = slot.kept.as_ref()?;
        Some(format!("{} {reason}", names::dir_name(slot.number)))
    });
    held.or_else(|| {
        let refusal = retire::refuse_with_unsaved_work(pool).err();
        refusal.map(|error| error.to_string())
    })
}

/// Carries out what `planned` says, `jobs` pools at a time. A pool that fails stops none of the
/// others. Each is looked at once more, after what a killed command has left in it was finished; that
/// alone is done where there is nothing else to do.
pub fn carry_out(
    context: &Context<'_>,
    planned: &[Planned],
    prune: bool,
    jobs: usize,
) -> Vec<Applied> {
    let declared = declared(&context.config, &context.flags);
    let pools: Vec<&[Planned]> = planned.chunk_by(|a, b| a.name == b.name).collect();
    let applied = parallel::each(&pools, jobs, |steps| {
        let first = &steps[0];
        let wanted = declared.iter().find(|pool| pool.name == first.name);
        match again(context, &first.name, wanted, prune) {
            Ok(steps) => one_pool(context, &first.name, steps),
            Err(error) => vec![Applied {
                planned: first.clone(),
                result: Err(error),
            }],
        }
    });
    applied.into_iter().flatten().collect()
}

/// The steps for one pool, as it is now.
fn again(
    context: &Context<'_>,
    name: &PoolName,
    wanted: Option<&Declared>,
    prune: bool,
) -> Result<Vec<Step>> {
    let mut seen = state(context, name, false);
    if matches!(seen, State::Made(_)) {
        match settle::leftovers(&context.pool(name)) {
            // It was removed meanwhile.
            Err(Error::PoolNotFound(_)) => {}
            other => drop(other?),
        }
        seen = state(context, name, prune && wanted.is_none());
    }
    Ok(apply::steps(wanted, Some(&seen), prune))
}

fn one_pool(context: &Context<'_>, name: &PoolName, steps: Vec<Step>) -> Vec<Applied> {
    let mut applied = Vec::new();
    for step in steps {
        let planned = Planned {
            name: name.clone(),
            step,
        };
        let result = take(context, &planned);
        let ended = matches!(result, Err(Error::Interrupted(_)));
        applied.push(Applied { planned, result });
        if ended {
            break;
        }
    }
    applied
}

fn take(context: &Context<'_>, planned: &Planned) -> Result<Option<RescueView>> {
    let name = &planned.name;
    let pool = || context.pool(name);
    match &planned.step {
        Step::CreatePool { num_slots, .. } => make(context, name, *num_slots)?,
        Step::AdoptPool => adopt(&pool())?,
        Step::ChangeBase { to, .. } => change_base(&pool(), to)?,
        Step::AddSlots { to, .. } => {
            furnish::all_set_up(&pool(), &slots::add_up_to(&pool(), *to)?)?
        }
        Step::RemoveSlot { number, to } => return remove_slot(&pool(), *number, *to),
        Step::RemovePool { .. } => remove_pool(&pool())?,
        Step::KeepSlot { number, reason } => {
            let id = pool().slot_id(*number);
            return Err(Error::Refused {
                message: format!("slot {id} {reason}, and is left"),
                hint: Some(format!(
                    "`repo-pool status {id}` shows it; apply again when it is free"
                )),
            });
        }
        Step::KeepPool { reason } => {
            // It was looked at without its lock: whoever was removing it meanwhile has done so now.
            if let Err(Error::PoolNotFound(_)) = pool().lock() {
                return Ok(None);
            }
            return Err(Error::Refused {
                message: format!("it is declared no more, and is left: {reason}"),
                hint: Some(format!("`repo-pool remove-pool {name}` says what to do")),
            });
        }
        Step::Unusable { reason } => return Err(Error::failed(reason.clone())),
        Step::SpareSlots { .. } | Step::SparePool | Step::Unchanged { .. } => {}
    }
    Ok(None)
}

/// Makes the pool, or waits for another command that makes it; one that was killed in the middle is
/// begun anew.
fn make(context: &Context<'_>, name: &PoolName, count: u32) -> Result<()> {
    let found = match find::pool_or_create(context, name.as_str()) {
        Err(Error::PoolNotFound(_)) => find::pool_or_create(context, name.as_str())?,
        other => other?,
    };
    slots::add_up_to(&found.pool, count)?;
    furnish::all_set_up(&found.pool, &found.pool.read()?.slots)
}

fn adopt(pool: &Pool<'_>) -> Result<()> {
    let mut locked = pool.lock()?;
    locked.record.declared = true;
    locked.save().map(drop)
}

/// The declared base takes the place of one that was chosen when the pool was made, and is looked up
/// at once: what the remote does not have is refused here, and the base stays as it was.
fn change_base(pool: &Pool<'_>, to: &str) -> Result<()> {
    let mut locked = pool.lock()?;
    let chosen = locked.record.base.take();
    let record = locked.save()?;
    let now = fetch::Freshness::Within(std::time::Duration::ZERO);
    let looked = fetch::refresh(pool, now, record).and_then(|record| {
        match record.remote.base_branch.as_deref() == Some(to) {
            true => Ok(()),
            false => Err(Error::failed(format!("branch {to} could not be looked up"))),
        }
    });
    if looked.is_err() && chosen.is_some() {
        let _shield = signals::shield();
        let mut locked = pool.lock()?;
        locked.record.base = chosen;
        locked.save()?;
    }
    looked
}

fn remove_pool(pool: &Pool<'_>) -> Result<()> {
    match retire::remove_pool(pool, false) {
        // Another command was faster.
        Err(Error::PoolNotFound(_)) => Ok(()),
        other => other,
    }
}

fn remove_slot(pool: &Pool<'_>, number: u32, to: u32) -> Result<Option<RescueView>> {
    let request = Request {
        spare_of: Some(to),
        ..Request::default()
    };
    match retire::remove_slot(pool, number, &request) {
        // Another command was faster.
        Err(Error::SlotNotFound(_)) => Ok(None),
        other => other,
    }
}

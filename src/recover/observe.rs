//! Facts about a pool, gathered without changing anything and without waiting for any lock.

use std::path::PathBuf;
use std::time::Duration;

use super::strays::{self, Strays};
use super::{Request, config};
use crate::domain::lease::{self, Verdict};
use crate::domain::outcome::FindingKind;
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result, damage};
use crate::git::objects::{self, Depth};
use crate::git::worktree::Fault;
use crate::git::{Worktree, lfs, status};
use crate::pool::{Pool, copies, holder, occupants, parallel, park, presence};
use crate::sys::clock::{self, Deadline};
use crate::sys::{fs, lock};

/// A slot that changes each time is looked at so often.
const LOOKS: usize = 5;

/// What was seen of a slot.
#[derive(Debug, Clone)]
pub struct SlotFacts {
    /// Its number.
    pub number: u32,
    /// The directory that it lies in.
    pub place: PathBuf,
    /// Its state, as recorded.
    pub state: SlotState,
    /// Why it is out of use.
    pub error: Option<String>,
    /// The recorded operation.
    pub operation: Option<OperationKind>,
    /// Who is inside, if its release waits for that.
    pub waits_for: Option<String>,
    /// Whether a command works on it.
    pub locked: bool,
    /// What is wrong with its links.
    pub fault: Option<Fault>,
    /// What else is wrong with it; only looked for in idle slots.
    pub unreadable: Option<String>,
    /// Whether it may be taken back from its holder.
    pub verdict: Option<Verdict>,
    /// For how long it has been held.
    pub held: Option<Duration>,
    /// Whether it may be released for being held for too long, if that is asked for.
    pub may_go_stale: bool,
    /// Lock files of git's in its registration, and how old they are.
    pub git_locks: Vec<(PathBuf, Duration)>,
}

impl SlotFacts {
    /// Whether it looks as no command leaves a slot that nobody works on.
    fn seems_wrong(&self) -> bool {
        let left_undone = self.operation.is_some() && !self.locked;
        left_undone || self.fault.is_some() || self.unreadable.is_some()
    }
}

/// What was seen of a pool.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its slots.
    pub slots: Vec<SlotFacts>,
    /// What git says of objects that are missing or damaged.
    pub corrupt: Option<String>,
    /// Directories of slots whose disk seems not to be mounted.
    pub unmounted: Vec<PathBuf>,
    /// What belongs to no slot.
    pub strays: Strays,
    /// What all slots share.
    pub shared: config::Shared,
}

/// Looks at the pool.
pub fn observe(pool: &Pool<'_>, record: &PoolRecord, request: &Request) -> Result<Facts> {
    let chosen: Vec<_> = record
        .slots
        .iter()
        .filter(|slot| request.slot.is_none_or(|number| number == slot.number))
        .collect();
    let jobs = parallel::jobs(pool.settings.jobs);
    let seen = parallel::each(&chosen, jobs, |slot| slot_facts(pool, slot, request));
    let mut facts = Facts {
        unmounted: presence::absent(pool, record)?,
        ..Facts::default()
    };
    for seen in seen {
        let (slot, corrupt) = seen?;
        facts.corrupt = facts.corrupt.or(corrupt);
        facts.slots.push(slot);
    }
    if request.slot.is_none() {
        facts.corrupt = match facts.corrupt {
            None => objects(pool, record, request)?,
            found => found,
        };
        facts.strays = strays::strays(pool, record, &facts.slots)?;
        facts.shared = config::observe(pool, record)?;
    }
    Ok(facts)
}

/// Whether the shared objects are damaged: all of their contents are read where somebody suspects it,
/// and otherwise it is made sure that they are there.
fn objects(pool: &Pool<'_>, record: &PoolRecord, request: &Request) -> Result<Option<String>> {
    if !request.wants(FindingKind::CorruptObjects) {
        return Ok(None);
    }
    let suspected = request.force
        || record
            .slots
            .iter()
            .filter_map(|slot| slot.error.as_deref())
            .any(damage::tell_of_damage);
    let depth = if suspected {
        Depth::Contents
    } else {
        Depth::Connected
    };
    let deadline = Deadline::after(pool.settings.git_timeout);
    objects::damage(&pool.git, &pool.paths.repository(), depth, deadline)
}

/// What is seen of one slot, and what git says on the way of damaged objects. What somebody has done to
/// it while it was looked at is no damage: then it is looked at again.
fn slot_facts(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    request: &Request,
) -> Result<(SlotFacts, Option<String>)> {
    let mut slot = slot.clone();
    let mut looks = 0;
    loop {
        let (mut facts, corrupt) = look_at_slot(pool, &slot, request)?;
        if !facts.seems_wrong() && corrupt.is_none() {
            return Ok((facts, corrupt));
        }
        looks += 1;
        match pool.read()?.slot(slot.number) {
            Some(now) if *now == slot => return Ok((facts, corrupt)),
            Some(now) if looks < LOOKS => slot = now.clone(),
            // Whoever changes it all the time, or has removed it, sees to it.
            _ => {
                facts.locked = true;
                return Ok((facts, None));
            }
        }
    }
}

/// One look.
fn look_at_slot(
    pool: &Pool<'_>,
    slot: &SlotRecord,
    request: &Request,
) -> Result<(SlotFacts, Option<String>)> {
    let number = slot.number;
    let worktree = pool.worktree(number);
    let path = pool.paths.slot_lock(number);
    // In a pid namespace of its own the kernel does not list locks that were handed on.
    let locked = lock::is_locked(&path) == Some(true)
        || slot.operation.is_some() && lock::is_held(&path) == Some(true);
    let fault = match worktree.fault() {
        // What can't be looked at is damaged, and no reason to leave the other slots alone.
        Err(error) => Some(Fault::Admin(error.to_string())),
        Ok(fault) => fault,
    };
    let idle = matches!(slot.state, SlotState::Available | SlotState::Error);
    let (unreadable, corrupt) = match (&fault, locked || !idle) {
        (None, false) => damage_of(pool, &worktree, slot)?,
        _ => (None, None),
    };
    let now = clock::now();
    let holding = slot
        .allocation
        .as_ref()
        .filter(|_| slot.state == SlotState::Allocated)
        .map(|allocation| (allocation, holder::all_facts(pool, number, allocation)));
    let facts = SlotFacts {
        number,
        place: worktree
            .path
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default(),
        state: slot.state,
        error: slot.error.clone(),
        operation: operation(pool, slot),
        waits_for: waits_for(pool, slot),
        locked,
        fault,
        unreadable,
        verdict: holding
            .as_ref()
            .map(|(allocation, facts)| lease::verdict(allocation, facts)),
        held: holding
            .as_ref()
            .map(|(allocation, facts)| lease::age(allocation, &facts.now)),
        may_go_stale: holding.is_some_and(|(allocation, facts)| {
            lease::may_take_stale(allocation, &facts, request.stale_after)
        }),
        git_locks: worktree
            .stale_locks()
            .unwrap_or_default()
            .into_iter()
            .map(|path| (path.clone(), fs::age(&path, now)))
            .collect(),
    };
    Ok((facts, corrupt))
}

/// What is under way by the record, or by a slot that was allocated and never brought out.
fn operation(pool: &Pool<'_>, slot: &SlotRecord) -> Option<OperationKind> {
    let half_allocated = || {
        let half = slot.state == SlotState::Allocated && park::is_parked(pool, slot.number);
        half.then_some(OperationKind::Allocate)
    };
    let recorded = slot.operation.as_ref().map(|operation| operation.kind);
    recorded.or_else(half_allocated)
}

/// The process that a release waits for, as it is now.
fn waits_for(pool: &Pool<'_>, slot: &SlotRecord) -> Option<String> {
    let lasting = slot.operation.as_ref().is_some_and(|op| op.lasting);
    let process = lasting.then(|| occupants::any(pool, slot.number))??;
    Some(format!("pid {} ({})", process.pid, process.command))
}

/// What is wrong with an idle slot whose links are right: git can't read it, its HEAD names no
/// commit, or it is not as clean as it was left. Damage to what all slots share is told apart.
fn damage_of(
    pool: &Pool<'_>,
    worktree: &Worktree,
    slot: &SlotRecord,
) -> Result<(Option<String>, Option<String>)> {
    let own = |text: String| Ok((Some(text), None));
    let seen = status::look(&pool.git, worktree, None).and_then(|mut seen| {
        copies::set_apart(pool, slot.number, &mut seen);
        lfs::set_apart(&pool.git, worktree, &mut seen)?;
        Ok(seen)
    });
    match seen {
        Err(Error::Git { failure, .. }) if damage::is_told_by(&failure) => {
            Ok((None, Some(failure.stderr)))
        }
        Err(Error::Git { failure, .. }) => own(format!("git can't read it: {}", failure.stderr)),
        Err(other @ Error::Interrupted(_)) => Err(other),
        Err(other) => own(other.to_string()),
        Ok(seen) if seen.commit.is_none() => own("its HEAD names no commit".into()),
        Ok(seen) if slot.is_verified() && (seen.has_changes() || !seen.unreadable.is_empty()) => {
            own("it has changes although nobody holds it".into())
        }
        Ok(_) => Ok((None, None)),
    }
}

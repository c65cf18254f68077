//! Making slots.

use super::furnish::{self, Furnishing};
use super::journal::{self, SlotWork};
use super::{Pool, contents, copies, keep, parallel, park, ready, submodules, trash, verified};
use jiff::Timestamp;

use crate::config::keys::MOST_SLOTS;
use crate::domain::event::{Event, EventKind};
use crate::domain::pool::PoolRecord;
use crate::domain::progress::Step;
use crate::domain::slot::{OperationKind, SlotRecord};
use crate::domain::{Error, Result};
use crate::git::{Oid, Worktree, refs};
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, signals};

/// Refuses counts that can only be mistakes.
pub fn check_count(count: u32) -> Result<()> {
    if (1..=MOST_SLOTS).contains(&count) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "a pool can have 1 to {MOST_SLOTS} slots, not {count}"
    )))
}

/// Adds `count` slots to the pool (7.1, 7.2): the lowest free numbers. If one can't be made, those
/// that were reserved with it are taken back.
pub fn add(pool: &Pool<'_>, count: u32) -> Result<Vec<SlotRecord>> {
    check_count(count)?;
    let record = pool.read()?;
    check_count(count.saturating_add(record.slots.len() as u32))?;
    let commit = base_commit(pool, record)?;
    let reserved = reserve(pool, |_| count)?;
    fill_reserved(pool, &reserved, &commit)
}

/// Adds slots until the pool has `total`, counting those that others are adding now.
pub fn add_up_to(pool: &Pool<'_>, total: u32) -> Result<Vec<SlotRecord>> {
    check_count(total)?;
    let commit = base_commit(pool, pool.read()?)?;
    let missing = |record: &PoolRecord| total.saturating_sub(record.lasting_slots());
    let reserved = reserve(pool, missing)?;
    match reserved.is_empty() {
        true => Ok(Vec::new()),
        false => fill_reserved(pool, &reserved, &commit),
    }
}

fn base_commit(pool: &Pool<'_>, record: PoolRecord) -> Result<Oid> {
    record
        .remote
        .base_commit
        .ok_or_else(|| Error::failed(format!("pool {} has no base commit yet", pool.name)))
}

/// Makes what was reserved; if one can't be made, all are taken back.
fn fill_reserved(pool: &Pool<'_>, reserved: &[SlotWork], commit: &Oid) -> Result<Vec<SlotRecord>> {
    let slots: Vec<_> = reserved
        .iter()
        .map(|work| (work.number, &work.lock))
        .collect();
    let made = make_all(pool, &slots, commit).and_then(|()| furnish_all(pool, &slots, commit));
    let furnished = match made {
        Ok(furnished) => furnished,
        Err(error) => {
            let _shield = signals::shield();
            reserved.iter().try_for_each(|work| unmake(pool, work))?;
            return Err(error);
        }
    };
    let slots = finish(pool, reserved.iter().zip(furnished), commit)?;
    slots
        .first()
        .map_or(Ok(()), |slot| keep::warn_of_tracked(pool, slot.number))?;
    Ok(slots)
}

/// Records as many new slots as the record as of now asks for, with the intent to make them.
fn reserve(pool: &Pool<'_>, count: impl Fn(&PoolRecord) -> u32) -> Result<Vec<SlotWork>> {
    let mut locked = pool.lock()?;
    let count = count(&locked.record);
    let now = clock::now();
    let mut reserved = Vec::new();
    if count == 0 {
        return Ok(reserved);
    }
    for number in 1.. {
        if reserved.len() as u32 == count {
            break;
        }
        if locked.record.slot(number).is_some() || !is_vacant(pool, number)? {
            continue;
        }
        // A busy lock of a slot that is no more: its removal is just ending.
        if let Some(lock) = journal::try_slot(pool, number)? {
            let operation = journal::operation(OperationKind::Add, now);
            reserved.push(SlotWork {
                number,
                operation: operation.id.clone(),
                lock,
            });
            locked
                .record
                .insert(SlotRecord::reserved(number, operation, now));
        }
    }
    locked.save()?;
    Ok(reserved)
}

/// Whether nothing is where a new slot of that number would be. What is there is not the pool's by its
/// record: somebody's own worktree, or a slot that the record has lost. `recover` sees to it.
pub fn is_vacant(pool: &Pool<'_>, number: u32) -> Result<bool> {
    let slot = pool.worktree(number);
    for place in [&slot.home, &slot.path, &slot.admin] {
        if fs::metadata_if_there(place)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes several slots, as [`make`] does one.
pub fn make_all(pool: &Pool<'_>, slots: &[(u32, &FileLock)], commit: &Oid) -> Result<()> {
    let jobs = parallel::jobs(pool.settings.jobs);
    let filled = parallel::each(slots, jobs, |(number, lock)| {
        fill(pool, *number, lock, commit)
    });
    filled.into_iter().collect::<Result<()>>()?;
    let names: Vec<String> = slots
        .iter()
        .map(|(number, _)| format!("refs/heads/{}", pool.own_branch(*number)))
        .collect();
    match refs::create_all(&pool.git, &pool.paths.repository(), &names, commit) {
        // There is one of them already.
        Err(Error::Git { failure, .. }) if failure.ended.is_none() => slots
            .iter()
            .try_for_each(|(number, lock)| ready::own_branch_at(pool, *number, lock, commit, None)),
        other => other,
    }
}

/// Furnishes slots that were just made, several at a time.
pub fn furnish_all(
    pool: &Pool<'_>,
    slots: &[(u32, &FileLock)],
    commit: &Oid,
) -> Result<Vec<Furnishing>> {
    if !furnish::is_asked_for(pool) {
        return Ok(vec![Furnishing::Complete; slots.len()]);
    }
    // What is missing is missing for all of them, and said once.
    if let Err(error) = copies::check(pool) {
        pool.context.observer.warn(&furnish::put_off(&error));
        return Ok(vec![Furnishing::Incomplete; slots.len()]);
    }
    let jobs = parallel::jobs(pool.settings.jobs);
    let furnished = parallel::each(slots, jobs, |(number, lock)| {
        furnish::new_slot(pool, *number, lock, commit)
    });
    furnished.into_iter().collect()
}

/// Records a slot that was just made: it is idle, or out of use if its set-up failed.
pub fn record_made(
    pool: &Pool<'_>,
    slot: &mut SlotRecord,
    commit: &Oid,
    furnished: Furnishing,
    now: Timestamp,
) {
    slot.commit = Some(commit.clone());
    match furnished {
        Furnishing::Complete => {
            let mark = verified::mark(pool, slot.number, commit);
            slot.make_available(mark, None, now);
        }
        Furnishing::Incomplete => slot.make_available(None, None, now),
        Furnishing::Failed(reason) => slot.put_out_of_use(reason, now),
    }
}

/// Makes the slot's directory and registration, and fills it with `commit`; it is parked, so that
/// nobody is in it before it is handed out. What a killed command left in its place is moved into
/// the trash first.
pub fn make(pool: &Pool<'_>, number: u32, lock: &FileLock, commit: &Oid) -> Result<()> {
    make_all(pool, &[(number, lock)], commit)
}

/// Makes the slot but for its branch.
fn fill(pool: &Pool<'_>, number: u32, lock: &FileLock, commit: &Oid) -> Result<()> {
    let id = pool.slot_id(number).to_string();
    let mut progress = pool.context.observer.begin(Step::Slot(&id));
    clear(pool, number)?;
    let slot = Worktree {
        path: pool.paths.parked_slot(number),
        ..pool.worktree(number)
    };
    slot.register(commit)?;
    contents::with(pool, commit, || {
        slot.populate(&pool.git, lock, commit, &mut |bytes| {
            progress.git_progress(bytes)
        })
    })?;
    submodules::fill(pool, number, lock, commit)?;
    slot.forget_history()?;
    progress.done();
    Ok(())
}

/// Takes directory and registration away, by rename: at no moment is there half a slot.
pub fn clear(pool: &Pool<'_>, number: u32) -> Result<()> {
    let slot = pool.worktree(number);
    let bin = trash::bin(pool, number);
    let mut moved = false;
    if slot.path != slot.home && fs::metadata_if_there(&slot.home)?.is_some() {
        park::set_aside(pool, number, &slot.home, "was made while the slot was idle")?;
    }
    for path in [&slot.path, &slot.admin] {
        if fs::metadata_if_there(path)?.is_some() {
            bin.throw(path)?;
            moved = true;
        }
    }
    furnish::forget(pool, number)?;
    // What can't be deleted is out of the way, and shows as a leftover.
    if moved {
        trash::see_to(pool);
    }
    Ok(())
}

/// All of them at once: one write of the record.
fn finish<'w>(
    pool: &Pool<'_>,
    made: impl Iterator<Item = (&'w SlotWork, Furnishing)>,
    commit: &Oid,
) -> Result<Vec<SlotRecord>> {
    let mut locked = pool.lock()?;
    let now = clock::now();
    let mut slots = Vec::new();
    for (work, furnished) in made {
        journal::still_ours(pool, &locked, work)?;
        let slot = journal::slot_of(&mut locked, work);
        record_made(pool, slot, commit, furnished, now);
        slots.push(slot.clone());
        let id = pool.slot_id(work.number);
        locked.note(Event::new(EventKind::SlotAdded, &pool.name, now).slot(id));
    }
    locked.save()?;
    Ok(slots)
}

/// Undoes a slot that could not be made.
pub fn unmake(pool: &Pool<'_>, work: &SlotWork) -> Result<()> {
    clear(pool, work.number)?;
    let mut locked = journal::reload(pool, work)?;
    locked.record.remove(work.number);
    fs::remove_file_if_there(&pool.paths.slot_lock(work.number))?;
    locked.save().map(drop)
}

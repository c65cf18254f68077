//! Releases that a process of its own finishes: `--background`, and a cleaning that takes longer than
//! `cleanup_timeout`.
//!
//! The command does what its caller must be told of: whether it may, whether somebody is inside. The
//! intent is recorded, and its slot's lock passes to the other process without ever being free. If
//! that process dies, the lock is free, and the next command goes on from where it was.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::journal::SlotWork;
use super::park::Place;
use super::release::{self, Returned};
use super::{Pool, leaving, occupants, on_release, park, settle};
use crate::config::parse::format_duration;
use crate::domain::event::{Event, EventKind};
use crate::domain::names::PoolName;
use crate::domain::slot::{Operation, OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::store::PoolPaths;
use crate::sys::detached::{self, Environment};
use crate::sys::lock::FileLock;
use crate::sys::{clock, liveness, signals};

/// The first word of the command line of such a process. It is no verb: nobody is meant to type it.
pub const FINISH: &str = "__finish-release";

/// Takes the slot out of everybody's reach, and leaves the rest to a process of its own; where that
/// can't be started, it is done here.
pub fn begin(pool: &Pool<'_>, work: &SlotWork, operation: &Operation) -> Result<Returned> {
    // What runs before the cleaning runs where the slot's users work.
    let parked = match operation.in_place || on_release::is_asked_for(pool) {
        true => Ok(Place::InPlace),
        false => park::park(pool, work.number),
    };
    if let Ok(Place::Occupied(process)) = &parked {
        if operation.lasting {
            return leaving::wait(pool, work, process);
        }
        release::go_back(pool, work)?;
        return Err(occupants::occupied(pool, work.number, process, false));
    }
    match leave(pool, work) {
        Ok(returned) => Ok(returned),
        Err(_) => release::carry_out(pool, work, operation),
    }
}

/// Leaves the recorded intent to a process of its own.
pub fn leave(pool: &Pool<'_>, work: &SlotWork) -> Result<Returned> {
    let record = pool.read()?;
    let slot = record.slot(work.number).cloned();
    let slot = slot.ok_or_else(|| Error::SlotNotFound(pool.slot_id(work.number).to_string()))?;
    let whole = |path: &Path| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
    let mut args: Vec<OsString> = vec![
        FINISH.into(),
        whole(pool.workspace.root())?.into(),
        pool.name.as_str().into(),
        work.number.to_string().into(),
        work.operation.clone().into(),
    ];
    if let Some(file) = pool.context.config.existing_file() {
        args.push(whole(file)?.into());
    }
    detached::start(args, Environment::Kept, &work.lock)?;
    Ok(Returned {
        slot,
        was_allocated: true,
        cleanup: None,
        rescue: None,
    })
}

/// The same for a cleaning that has run out of time, which is said.
pub fn go_on(pool: &Pool<'_>, work: &SlotWork) -> Result<Returned> {
    let returned = leave(pool, work)?;
    pool.context.observer.warn(&format!(
        "cleaning {} takes longer than cleanup_timeout ({}) and goes on in the background",
        pool.slot_id(work.number),
        format_duration(pool.settings.cleanup_timeout)
    ));
    Ok(returned)
}

/// Waits for the release that began first, if one is under way: its slot will be free. True if it has
/// ended.
pub fn await_release(pool: &Pool<'_>) -> Result<bool> {
    let record = pool.read()?;
    let begun = |slot: &SlotRecord| {
        let operation = slot.operation.as_ref()?;
        let under_way = operation.kind == OperationKind::Release && slot.waits_for().is_none();
        under_way.then_some((operation.started_at, slot.number))
    };
    let Some((_, number)) = record.slots.iter().filter_map(begun).min() else {
        return Ok(false);
    };
    let what = format!("slot {}, which is being given back", pool.slot_id(number));
    let lock = pool.paths.slot_lock(number);
    match pool.acquire(pool.workspace.locks(), &lock, &what) {
        Ok(lock) => drop(lock),
        Err(Error::LockTimeout { .. }) => return Ok(false),
        Err(other) => return Err(other),
    }
    // Whoever was at it may have died.
    settle::leftovers(pool)?;
    Ok(true)
}

/// What such a process was started for.
pub struct Rest {
    /// The workspace.
    pub workspace: PathBuf,
    /// The configuration, if there is any.
    pub config: Option<PathBuf>,
    /// The pool.
    pub pool: PoolName,
    number: u32,
    operation: String,
    lock: FileLock,
}

impl Rest {
    /// Reads the words after [`FINISH`], and takes the lock. None if another command has it: then that
    /// one finishes the release.
    pub fn from_args(args: &[OsString]) -> Result<Option<Self>> {
        let wrong = || Error::usage("this is started by repo-pool itself");
        let words: Vec<&str> = args
            .iter()
            .skip(1)
            .take(3)
            .filter_map(|word| word.to_str())
            .collect();
        let (Some(workspace), [pool, number, operation]) = (args.first(), words.as_slice()) else {
            return Err(wrong());
        };
        let workspace = PathBuf::from(workspace);
        let pool = PoolName::new(pool)?;
        let number = number.parse().map_err(|_| wrong())?;
        let lock = PoolPaths::new(&workspace, &pool).slot_lock(number);
        let Some(lock) = detached::lock_given(&lock)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            config: args.get(4).map(PathBuf::from),
            operation: (*operation).to_owned(),
            workspace,
            pool,
            number,
            lock,
        }))
    }

    /// Finishes the release, if it is still to be finished. Nobody waits for it, so it has as much time
    /// as any command on a repository.
    pub fn carry_out(self, pool: &mut Pool<'_>) -> Result<()> {
        let slow = pool.settings.git_timeout;
        pool.settings.cleanup_timeout = pool.settings.cleanup_timeout.max(slow);
        let Some(operation) = take_over(pool, self.number, &self.operation)? else {
            return Ok(());
        };
        let work = SlotWork {
            number: self.number,
            operation: self.operation,
            lock: self.lock,
        };
        match release::carry_out(pool, &work, &operation) {
            Ok(_) => Ok(()),
            Err(error) => {
                let _shield = signals::shield();
                explain(pool, work.number, &error)?;
                Err(error)
            }
        }
    }
}

/// Records who works on the slot now.
fn take_over(pool: &Pool<'_>, number: u32, id: &str) -> Result<Option<Operation>> {
    let mut locked = pool.lock()?;
    let operation = locked
        .record
        .slot_mut(number)
        .and_then(|slot| slot.operation.as_mut())
        .filter(|operation| operation.id == id && operation.kind == OperationKind::Release);
    let Some(operation) = operation else {
        return Ok(None);
    };
    operation.process = liveness::stamp(std::process::id());
    let operation = operation.clone();
    locked.save()?;
    Ok(Some(operation))
}

/// A slot that its holder has again is shown with the reason: nobody was there to be told.
fn explain(pool: &Pool<'_>, number: u32, error: &Error) -> Result<()> {
    let mut locked = pool.lock()?;
    let held = |slot: &&mut SlotRecord| slot.state == SlotState::Allocated;
    let Some(slot) = locked.record.slot_mut(number).filter(held) else {
        return Ok(());
    };
    let reason = format!("not given back: {}", error.reason());
    slot.error = Some(reason.clone());
    let now = clock::now();
    locked.note(Event {
        errors: vec![reason],
        ..Event::new(EventKind::ReleaseFailed, &pool.name, now).slot(pool.slot_id(number))
    });
    locked.save().map(drop)
}

/// Whether these are the words of such a process.
pub fn is_finishing(word: Option<&OsStr>) -> bool {
    word.is_some_and(|word| word == FINISH)
}

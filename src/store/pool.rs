//! A pool's record under its lock: the only way to change it.

use super::{PoolPaths, Workspace, document, events};
use crate::domain::event::Event;
use crate::domain::metrics::Metrics;
use crate::domain::names::PoolName;
use crate::domain::pool::PoolRecord;
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::fs::Durability;
use crate::sys::lock::FileLock;

/// A pool whose lock is held. Dropping it without [`LockedPool::save`] changes nothing.
#[must_use = "changes are lost unless they are saved"]
pub struct LockedPool {
    /// The record, to be changed freely.
    pub record: PoolRecord,
    paths: PoolPaths,
    events: Vec<Event>,
    measured: bool,
    _lock: FileLock,
}

impl LockedPool {
    /// Locks pool `name` and reads its record.
    pub fn lock(workspace: &Workspace, name: &PoolName) -> Result<Self> {
        let paths = Self::paths_of(workspace, name)?;
        let waited = workspace
            .locks()
            .acquire(&paths.pool_lock(), &format!("pool {name}"));
        match waited {
            // The pool was removed while this waited.
            Err(Error::Io { .. }) if !paths.record().exists() => {
                Err(Error::PoolNotFound(name.to_string()))
            }
            lock => Self::read(paths, lock?),
        }
    }

    /// The same if nobody holds the lock.
    pub fn try_lock(workspace: &Workspace, name: &PoolName) -> Result<Option<Self>> {
        let paths = Self::paths_of(workspace, name)?;
        match workspace.locks().try_acquire(&paths.pool_lock())? {
            Some(lock) => Self::read(paths, lock).map(Some),
            None => Ok(None),
        }
    }

    /// Without this, asking for a pool that is not there would make a file for its lock.
    fn paths_of(workspace: &Workspace, name: &PoolName) -> Result<PoolPaths> {
        let paths = workspace.pool(name);
        match paths.record().exists() {
            true => Ok(paths),
            false => Err(Error::PoolNotFound(name.to_string())),
        }
    }

    fn read(paths: PoolPaths, lock: FileLock) -> Result<Self> {
        let record: PoolRecord = document::read(&paths.record())?
            .ok_or_else(|| Error::PoolNotFound(paths.name.to_string()))?;
        document::check_writable(&paths.record(), record.schema)?;
        Ok(Self {
            record,
            paths,
            events: Vec::new(),
            measured: true,
            _lock: lock,
        })
    }

    /// The same pool, whose metrics are kept only if so wanted.
    pub fn measured(mut self, wanted: bool) -> Self {
        self.measured = wanted;
        self
    }

    /// Changes the metrics, if they are kept.
    pub fn measure(&mut self, change: impl FnOnce(&mut Metrics)) {
        if self.measured {
            change(&mut self.record.metrics);
        }
    }

    /// Adds to the history; written by [`LockedPool::save`].
    pub fn note(&mut self, event: Event) {
        self.measure(|metrics| metrics.observe(&event));
        self.events.push(event);
    }

    /// Writes the record, then the history, unlocks, and gives the record back. The record is the
    /// truth: a history that can't be written is no reason to fail what has happened.
    pub fn save(self) -> Result<PoolRecord> {
        self.save_as(Durability::Durable)
    }

    /// The same, and frees the lock of a slot before the pool's: who sees the slot as it was saved can
    /// have it.
    pub fn save_and_free(mut self, slot: FileLock) -> Result<()> {
        let written = self.write();
        drop(slot);
        written
    }

    /// The same as [`LockedPool::save`] for what may be lost in a power failure, as a heartbeat may, or an intent: the record
    /// is then the one from before.
    pub fn save_lightly(self) -> Result<PoolRecord> {
        self.save_as(Durability::Whole)
    }

    /// Writes what was changed so far, and keeps the lock.
    pub fn write(&mut self) -> Result<()> {
        self.write_as(Durability::Durable)
    }

    fn save_as(mut self, durability: Durability) -> Result<PoolRecord> {
        self.write_as(durability)?;
        Ok(self.record)
    }

    fn write_as(&mut self, durability: Durability) -> Result<()> {
        self.record.updated_at = clock::now();
        document::write_as(&self.paths.record(), &self.record, durability)?;
        let _ = events::append(&self.paths, &std::mem::take(&mut self.events));
        Ok(())
    }

    /// Writes the history alone.
    pub fn save_history(self) -> Result<()> {
        events::append(&self.paths, &self.events)
    }
}

/// Reads a pool's record without a lock, as it was at some moment just now.
pub fn read(workspace: &Workspace, name: &PoolName) -> Result<PoolRecord> {
    document::read(&workspace.pool(name).record())?
        .ok_or_else(|| Error::PoolNotFound(name.to_string()))
}

/// Writes the first record of a pool that is being made. The caller holds the workspace's lock and
/// has made sure that there is none.
pub fn write_first(paths: &PoolPaths, record: &PoolRecord) -> Result<()> {
    document::write(&paths.record(), record)
}

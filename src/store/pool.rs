//! A pool's record under its lock: the only way to change it.

use super::{PoolPaths, Workspace, document, events};
use crate::domain::event::Event;
use crate::domain::names::PoolName;
use crate::domain::pool::PoolRecord;
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::lock::FileLock;

/// A pool whose lock is held. Dropping it without [`LockedPool::save`] changes nothing.
#[must_use = "changes are lost unless they are saved"]
pub struct LockedPool {
    /// The record, to be changed freely.
    pub record: PoolRecord,
    paths: PoolPaths,
    events: Vec<Event>,
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
            _lock: lock,
        })
    }

    /// Adds to the history; written by [`LockedPool::save`].
    pub fn note(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Writes the record, then the history, and unlocks. The record is the truth: a history that
    /// can't be written is no reason to fail what has happened.
    pub fn save(mut self) -> Result<()> {
        self.record.updated_at = clock::now();
        document::write(&self.paths.record(), &self.record)?;
        let _ = events::append(&self.paths, &self.events);
        Ok(())
    }

    /// Writes the record for what may be lost in a power failure, as a heartbeat may, and unlocks.
    pub fn save_lightly(mut self) -> Result<()> {
        self.record.updated_at = clock::now();
        document::write_lightly(&self.paths.record(), &self.record)
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

//! A lock that a test holds.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::ops::Deref;

/// A locked file, which is free as soon as this is dropped: also where a process that another test is just
/// starting has a copy of its descriptor.
pub struct HeldLock(File);

impl HeldLock {
    /// Locks it if nobody else has.
    pub fn of(file: File) -> Option<Self> {
        let free = flock(&file, FlockOperation::NonBlockingLockExclusive);
        free.is_ok().then_some(Self(file))
    }
}

impl Deref for HeldLock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

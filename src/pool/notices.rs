//! What can free a slot, and how somebody who waits for one is told of it. Nobody asks again and
//! again: the record is put in place by a rename, locks and processes end, leases run out, and each
//! of these wakes who waits.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Pool, holder};
use crate::domain::Result;
use crate::domain::lease::{self, Allocation, Doubt, GRACE, Verdict};
use crate::domain::process::ProcessStamp;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::sys::liveness;
use crate::sys::lock::LockNotice;
use crate::sys::notice::{self, DirNotice, ProcessNotice};

/// After how long one looks again in any case: not all that frees a slot can be noticed, such as the
/// end of a process in another pid namespace.
const AT_THE_LATEST: Duration = Duration::from_secs(5);

/// The same where the system gives no notice of what could be noticed.
const UNNOTICED: Duration = Duration::from_millis(50);

/// What one look has found to be waited for.
pub struct Notices {
    changes: Option<DirNotice>,
    /// Each has a thread that waits, so they are kept from look to look.
    locks: BTreeMap<PathBuf, LockNotice>,
    watches_changes: bool,
    watched_locks: Vec<PathBuf>,
    processes: Vec<ProcessNotice>,
    within: Duration,
}

impl Default for Notices {
    /// Nothing is waited for yet.
    fn default() -> Self {
        Self {
            changes: None,
            locks: BTreeMap::new(),
            watches_changes: false,
            watched_locks: Vec::new(),
            processes: Vec::new(),
            within: AT_THE_LATEST,
        }
    }
}

impl Notices {
    /// A new look: what the last one has found is not waited for any more.
    pub fn look_again(&mut self) {
        self.watches_changes = false;
        self.watched_locks.clear();
        self.processes.clear();
        self.within = AT_THE_LATEST;
    }

    /// Every change of the pool's record. To be asked for before the record is read.
    pub fn changes(&mut self, pool: &Pool<'_>) {
        if self.changes.is_none() {
            self.changes = DirNotice::of(&pool.paths.root).ok();
        }
        match &self.changes {
            Some(changes) => changes.forget(),
            None => self.within(UNNOTICED),
        }
        self.watches_changes = true;
    }

    /// The moment at which the lock at `path` is free.
    pub fn lock(&mut self, path: &Path) {
        if !self.locks.contains_key(path) {
            match LockNotice::of(path) {
                Ok(Some(notice)) => drop(self.locks.insert(path.to_owned(), notice)),
                // It is gone already.
                Ok(None) => return self.within(Duration::ZERO),
                Err(_) => return self.within(UNNOTICED),
            }
        }
        self.watched_locks.push(path.to_owned());
    }

    /// The end of a process, if it lives.
    pub fn process(&mut self, process: Option<&ProcessStamp>) {
        self.processes.extend(process.and_then(ProcessNotice::of));
    }

    /// This much time.
    pub fn within(&mut self, time: Duration) {
        self.within = self.within.min(time);
    }

    /// Everything that can happen to a slot without a change of the record.
    pub fn slot(&mut self, pool: &Pool<'_>, slot: &SlotRecord) {
        let operation = slot.operation.as_ref();
        self.process(operation.and_then(|operation| operation.process.as_ref()));
        if let (SlotState::Allocated, Some(allocation)) = (slot.state, &slot.allocation) {
            self.holder(pool, slot.number, allocation);
        }
    }

    fn holder(&mut self, pool: &Pool<'_>, number: u32, allocation: &Allocation) {
        let facts = holder::facts(pool, number, allocation);
        match holder::verdict_by(pool, number, allocation, &facts) {
            Verdict::Held => {
                self.process(allocation.owner.process.as_ref());
                // Whoever holds that lock is who called.
                let caller = allocation.caller.as_ref();
                self.process(caller.filter(|_| allocation.holder_lock));
                if let Some(left) = lease::lease_left(allocation, &facts.now) {
                    self.within(left.saturating_add(GRACE));
                }
            }
            Verdict::NotYet(_, left) => self.within(left),
            Verdict::Doubtful(_, Doubt::Inside(pid)) => {
                self.process(liveness::stamp(pid).as_ref());
            }
            Verdict::Reclaimable(_) | Verdict::Doubtful(..) => {}
        }
    }

    /// Waits until something of it happens, at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        let locks = self
            .watched_locks
            .iter()
            .filter_map(|path| self.locks.get(path));
        let locks: Vec<BorrowedFd<'_>> = locks.map(AsFd::as_fd).collect();
        let changes = self.changes.as_ref().filter(|_| self.watches_changes);
        let mut fds = locks;
        fds.extend(self.processes.iter().map(AsFd::as_fd));
        fds.extend(changes.map(AsFd::as_fd));
        let happened = notice::wait_for_any(&fds, limit.min(self.within))?;
        // A lock that was free may be held again: that is another wait.
        for (path, _) in self
            .watched_locks
            .iter()
            .zip(happened)
            .filter(|(_, told)| *told)
        {
            self.locks.remove(path);
        }
        Ok(())
    }
}

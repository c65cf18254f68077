//! Waiting for a slot in line (`--wait`).
//!
//! Only the first in line looks at the pool; everybody else waits for the ticket before the own one.
//! It finishes what killed commands left, takes back what holders that are gone have left, and claims
//! the first slot that is free: from then on the next one is first. A claim comes before the remote
//! is asked and the slot prepared, so that nobody waits for that in somebody else's place.

use std::collections::BTreeSet;
use std::time::Duration;

use super::acquire::Request;
use super::claim::{self, Claim};
use super::notices::Notices;
use super::queue::{self, Place, Ticket};
use super::{Pool, exhaustion, holder, journal, ready, release, settle, slots};
use crate::config::parse::format_duration;
use crate::domain::lease::Verdict;
use crate::domain::pool::PoolRecord;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::store::LockedPool;
use crate::sys::clock::Deadline;
use crate::sys::{inside, liveness};

/// What waiting came to.
pub enum Turn {
    /// This slot is the caller's to prepare.
    Claimed(Box<Claim>),
    /// A slot is held, or being prepared, under the caller's key.
    Keyed,
}

/// After how long a slot is tried again if nothing tells whether what was in the way is gone.
const IN_THE_WAY: Duration = Duration::from_secs(1);

/// A slot that something was in the way of.
struct PassedOver {
    number: u32,
    /// Whether it was a process that was seen there.
    seen_inside: bool,
    again: Deadline,
}

/// A caller that waits, all its waits together: who has to wait again is where it was in line.
pub struct Waiting<'a, 'c> {
    pool: &'a Pool<'c>,
    request: &'a Request,
    deadline: Deadline,
    place: Option<Place>,
    /// Slots that are free and not to be had, for what is in the way.
    passed_over: Vec<PassedOver>,
    /// Allocations that could not be taken back.
    left_alone: BTreeSet<String>,
    told: bool,
}

impl<'a, 'c> Waiting<'a, 'c> {
    /// The time begins to run.
    pub fn new(pool: &'a Pool<'c>, request: &'a Request) -> Self {
        Self {
            pool,
            request,
            deadline: Deadline::after(request.wait.unwrap_or_default()),
            place: None,
            passed_over: Vec::new(),
            left_alone: BTreeSet::new(),
            told: false,
        }
    }

    /// This slot is free, but something is in the way: a process inside, for one.
    pub fn pass_over(&mut self, number: u32) {
        self.passed_over.push(PassedOver {
            number,
            seen_inside: false,
            again: Deadline::after(IN_THE_WAY),
        });
    }

    /// Waits in line until it is the caller's turn and a slot is free.
    ///
    /// # Errors
    /// [`Error::NoAvailableSlot`] when the time has run out, or if none was given.
    pub fn turn(&mut self) -> Result<Turn> {
        if self.deadline.passed() {
            return Err(self.in_vain()?);
        }
        let Some(ticket) = self.join()? else {
            return Ok(Turn::Keyed);
        };
        let mut notices = Notices::default();
        loop {
            notices.look_again();
            if let Some(turn) = self.look(&ticket, &mut notices)? {
                return Ok(turn);
            }
            self.tell(&ticket)?;
            let Some(left) = self.deadline.remaining() else {
                return Err(self.in_vain()?);
            };
            notices.wait(left)?;
        }
    }

    /// A place in line; none if a slot is held under the caller's key by now.
    fn join(&mut self) -> Result<Option<Ticket>> {
        let locked = self.pool.lock()?;
        if claim::is_keyed(&locked.record, self.request) {
            return Ok(None);
        }
        // That a branch is elsewhere is no matter of free slots.
        if let Some(branch) = &self.request.branch {
            claim::branch_is_free(self.pool, &locked.record, branch, None)?;
        }
        let ticket = queue::join(self.pool, &locked, self.place)?;
        self.place = Some(ticket.place);
        Ok(Some(ticket))
    }

    fn look(&mut self, ticket: &Ticket, notices: &mut Notices) -> Result<Option<Turn>> {
        if let Some(before) = queue::next_before(self.pool, ticket.place)? {
            notices.lock(&before.path(self.pool));
            if self.request.key.is_none() {
                return Ok(None);
            }
            notices.changes(self.pool);
            let keyed = claim::is_keyed(&self.pool.read()?, self.request);
            return Ok(keyed.then_some(Turn::Keyed));
        }
        let record = settle::leftovers(self.pool)?;
        self.take_back(&record)?;
        self.try_again(notices);
        // What was changed here is no news.
        notices.changes(self.pool);
        let locked = self.pool.lock()?;
        if claim::is_keyed(&locked.record, self.request) {
            return Ok(Some(Turn::Keyed));
        }
        if queue::next_before(self.pool, ticket.place)?.is_some() {
            notices.within(Duration::ZERO);
            return Ok(None);
        }
        self.claim(locked, notices)
    }

    /// The first slot that is free. If there is none: what may free one.
    fn claim(&self, locked: LockedPool, notices: &mut Notices) -> Result<Option<Turn>> {
        let base = locked.record.remote.base_commit.clone();
        let wanted = base.filter(|_| self.request.reference.is_none());
        let wanted = wanted.unwrap_or_default();
        let mut skip: Vec<u32> = self.passed_over.iter().map(|slot| slot.number).collect();
        loop {
            let grow_to = self.request.grow_to;
            let choice = selection::choose(
                &locked.record,
                &wanted,
                &skip,
                grow_to,
                0,
                self.request.prefer,
            );
            let (Choice::Idle(number) | Choice::New(number)) = choice else {
                break;
            };
            if matches!(choice, Choice::New(_)) && !slots::is_vacant(self.pool, number)? {
                skip.push(number);
                continue;
            }
            if let Some(lock) = journal::try_slot(self.pool, number)? {
                let claim = claim::intend(self.pool, self.request, locked, choice, lock)?;
                return Ok(Some(Turn::Claimed(Box::new(claim))));
            }
            // Who gave it back, or looked at it, is about to be done.
            notices.lock(&self.pool.paths.slot_lock(number));
            match choice {
                Choice::Idle(number) => skip.push(number),
                _ => break,
            }
        }
        for slot in &locked.record.slots {
            notices.slot(self.pool, slot);
        }
        Ok(None)
    }

    /// Gives back one slot whose holder is gone or has let its lease run out, if there is one. What
    /// fails is said once, and left alone.
    fn take_back(&mut self, record: &PoolRecord) -> Result<()> {
        let held = |slot: &&SlotRecord| slot.state == SlotState::Allocated;
        for slot in record.slots.iter().filter(held) {
            let Some(allocation) = &slot.allocation else {
                continue;
            };
            let verdict = || holder::verdict(self.pool, slot.number, allocation);
            if self.left_alone.contains(&allocation.id)
                || !matches!(verdict(), Verdict::Reclaimable(_))
            {
                continue;
            }
            match release::reclaim(self.pool, slot.number) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) | Err(Error::LockTimeout { .. }) => {}
                // What the machine lacks no slot can do without.
                Err(error) if ready::lacks(&error) => return Err(error),
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => {
                    self.pool.context.observer.warn(&error.to_string());
                    self.left_alone.insert(allocation.id.clone());
                }
            }
        }
        Ok(())
    }

    /// A slot that a process was in is tried again when that is gone, any other after a while.
    fn try_again(&mut self, notices: &mut Notices) {
        self.passed_over.retain_mut(|slot| {
            let path = self.pool.worktree(slot.number).path;
            let inside = inside::processes_inside(&path, &[]).inside;
            if let Some(process) = inside.first() {
                slot.seen_inside = true;
                notices.process(liveness::stamp(process.pid).as_ref());
                return true;
            }
            match slot.again.remaining().filter(|_| !slot.seen_inside) {
                Some(left) => notices.within(left),
                None => return false,
            }
            true
        });
    }

    /// Says once what is waited for.
    fn tell(&mut self, ticket: &Ticket) -> Result<()> {
        if std::mem::replace(&mut self.told, true) {
            return Ok(());
        }
        let line = match queue::ahead(self.pool, Some(ticket.place))? {
            0 => String::new(),
            1 => ", behind one other".to_owned(),
            many => format!(", behind {many} others"),
        };
        self.pool.context.observer.note(&format!(
            "waiting up to {} for a slot of pool {}{line}: {}",
            format_duration(self.deadline.limit()),
            self.pool.name,
            exhaustion::in_short(self.pool)?
        ));
        Ok(())
    }

    fn in_vain(&self) -> Result<Error> {
        let waited = Some(self.deadline.limit()).filter(|time| !time.is_zero());
        exhaustion::error(self.pool, waited)
    }
}

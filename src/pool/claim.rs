//! Choosing a slot for a request, under the pool's lock.

use std::time::Duration;

use super::acquire::Request;
use super::hand_out::{self, Allocated, Ready};
use super::journal::{self, SlotWork};
use super::target::{Branch, Target};
use super::{Pool, queue, slots, warm};
use crate::domain::pool::PoolRecord;
use crate::domain::selection::{self, Choice, Keyed};
use crate::domain::slot::{OperationKind, SlotRecord};
use crate::domain::{Error, Result, names};
use crate::git::refs;
use crate::store::LockedPool;
use crate::sys::clock::{self, Stopwatch};
use crate::sys::lock::FileLock;

/// A slot that was chosen for a request, with the intent recorded.
pub struct Claim {
    /// The intent.
    pub work: SlotWork,
    /// The slot's record, as it was before.
    pub slot: SlotRecord,
    /// The lock that shows that the holder lives, if this process will be it.
    pub holder: Option<FileLock>,
}

impl Claim {
    /// Whether the slot is one that this very request adds.
    pub fn is_new(&self) -> bool {
        let operation = self.slot.operation.as_ref();
        operation.is_some_and(|operation| operation.kind == OperationKind::Add)
    }

    /// Whether it was verified and at `commit` already.
    pub fn is_hit(&self, commit: &str) -> bool {
        self.slot.is_verified() && self.slot.commit.as_deref() == Some(commit)
    }
}

/// What choosing came to.
pub enum Claimed {
    /// The slot needed no preparation and is handed out.
    Done(Box<Allocated>),
    /// It is to be prepared.
    ToPrepare(Box<Claim>),
    /// Another command has got a slot for the same key.
    Keyed,
    /// There is none.
    Nothing,
}

/// Chooses a slot. One that lies ready is handed out there and then; for any other the intent is
/// recorded. Nobody gets one that others have waited for.
pub fn slot(
    pool: &Pool<'_>,
    request: &Request,
    target: &Target,
    skip: &mut Vec<u32>,
    watch: &Stopwatch,
) -> Result<Claimed> {
    let mut busy = Busy::default();
    loop {
        let locked = pool.lock()?;
        // Before the branch: who got a slot for the same key has the same branch in it.
        if is_keyed(&locked.record, request) {
            return Ok(Claimed::Keyed);
        }
        if let Branch::Named { name, .. } = &target.branch {
            branch_is_free(pool, &locked.record, name, None)?;
        }
        let ahead = queue::ahead(pool, None)?;
        let wanted = &target.commit;
        let (grow_to, prefer) = (request.grow_to, request.prefer);
        let choice = selection::choose(&locked.record, wanted, skip, grow_to, ahead, prefer);
        let number = match choice {
            Choice::Exhausted => {
                drop(locked);
                match busy.give_way(pool, skip)? || !request.waits() && warm::await_one(pool)? {
                    true => continue,
                    false => return Ok(Claimed::Nothing),
                }
            }
            Choice::New(number) if !slots::is_vacant(pool, number)? => {
                skip.push(number);
                continue;
            }
            Choice::Idle(number) | Choice::New(number) => number,
        };
        let Some(lock) = journal::try_slot(pool, number)? else {
            drop(locked);
            match choice {
                // The last of a slot of that number that was removed.
                Choice::New(_) => drop(wait_for(pool, number)?),
                _ => {
                    busy.slots.push(number);
                    skip.push(number);
                }
            }
            continue;
        };
        let slot = locked.record.slot(number);
        let at_hand = slot
            .is_some_and(|slot| slot.is_verified() && slot.commit.as_ref() == Some(&target.commit));
        if at_hand && hand_out::lies_ready(pool, &locked.record, number, target)? {
            let holder = holder_lock(pool, request, number)?;
            let ready = Ready {
                number,
                lock,
                holder,
            };
            let allocated = hand_out::at_once(pool, request, target, locked, ready, watch)?;
            return Ok(Claimed::Done(Box::new(allocated)));
        }
        let claim = intend(pool, request, locked, choice, lock)?;
        return Ok(Claimed::ToPrepare(Box::new(claim)));
    }
}

/// How long the end of what works on an idle slot is waited for.
const NEARLY_FREE: Duration = Duration::from_secs(1);

/// Idle slots that somebody works on at this moment: what has just ended there is on record before its
/// lock is free.
#[derive(Default)]
struct Busy {
    slots: Vec<u32>,
    waited: bool,
}

impl Busy {
    /// Waits for one of them, once, and has all of them looked at again. False if there was none.
    fn give_way(&mut self, pool: &Pool<'_>, skip: &mut Vec<u32>) -> Result<bool> {
        let Some(first) = self.slots.first().filter(|_| !self.waited) else {
            return Ok(false);
        };
        self.waited = true;
        let path = pool.paths.slot_lock(*first);
        drop(FileLock::acquire(&path, NEARLY_FREE, &mut || {})?);
        skip.retain(|number| !self.slots.contains(number));
        self.slots.clear();
        Ok(true)
    }
}

fn wait_for(pool: &Pool<'_>, number: u32) -> Result<FileLock> {
    let what = format!("slot {}", pool.slot_id(number));
    pool.acquire(pool.workspace.locks(), &pool.paths.slot_lock(number), &what)
}

/// Whether a slot is held, or being prepared, under the key of the request.
pub fn is_keyed(record: &PoolRecord, request: &Request) -> bool {
    let key = request.key.as_deref();
    key.is_some_and(|key| selection::keyed(record, key) != Keyed::Free)
}

/// Records the intent to hand the slot out.
pub fn intend(
    pool: &Pool<'_>,
    request: &Request,
    mut locked: LockedPool,
    choice: Choice,
    lock: FileLock,
) -> Result<Claim> {
    let gone = || Error::failed("the chosen slot is not in the record");
    let now = clock::now();
    let mut operation = journal::operation(OperationKind::Allocate, now);
    operation.branch.clone_from(&request.branch);
    operation.key.clone_from(&request.key);
    let number = match choice {
        Choice::Idle(number) => number,
        Choice::New(number) => {
            operation.kind = OperationKind::Add;
            let slot = SlotRecord::reserved(number, operation.clone(), now);
            locked.record.insert(slot);
            number
        }
        Choice::Exhausted => return Err(gone()),
    };
    let holder = holder_lock(pool, request, number)?;
    let slot = locked.record.slot(number).cloned().ok_or_else(gone)?;
    Ok(Claim {
        work: journal::begin(locked, number, lock, operation)?,
        slot,
        holder,
    })
}

/// The lock that shows that the holder lives, if this process will be it.
fn holder_lock(pool: &Pool<'_>, request: &Request, number: u32) -> Result<Option<FileLock>> {
    match request.hold {
        true => FileLock::acquire_unless_kept(&pool.paths.holder_lock(number)),
        false => Ok(None),
    }
}

/// A branch can be checked out in one slot only, also when two ask for it at the same moment. `own`
/// is the slot that it is wanted in, if that is known.
pub fn branch_is_free(
    pool: &Pool<'_>,
    record: &PoolRecord,
    name: &str,
    own: Option<u32>,
) -> Result<()> {
    let wanted_by = record.slots.iter().find(|slot| {
        let operation = slot.operation.as_ref();
        let wanted = operation.and_then(|operation| operation.branch.as_deref());
        wanted == Some(name) && Some(slot.number) != own
    });
    let holder = match wanted_by {
        Some(slot) => Some(pool.slot_id(slot.number).to_string()),
        None => refs::holder_of(&pool.paths.repository(), name, &|_| false)?.map(|dir| {
            names::slot_number(&dir).map_or(dir, |number| pool.slot_id(number).to_string())
        }),
    };
    match holder {
        None => Ok(()),
        Some(slot) => Err(Error::BranchTaken {
            branch: name.to_owned(),
            slot,
        }),
    }
}

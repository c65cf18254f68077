//! Removing slots and pools (7.3 to 7.5).

use std::collections::BTreeMap;

use super::journal::{self, SlotWork};
use super::{Pool, holder, mend, release, saving, settle};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::{self, Permission};
use crate::domain::outcome::RescueView;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::status::Status;
use crate::git::worktree::Fault;
use crate::git::{refs, snapshot};
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, inside, liveness, remove, user};

/// How long a git that nobody waits for any more may take to end.
const END_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// Removes a slot with its directory and its registration. An allocated one only by force, which
/// saves its work; a live holder protects it from everybody but an operator.
pub fn remove_slot(pool: &Pool<'_>, number: u32, force: bool) -> Result<Option<RescueView>> {
    settle::leftovers(pool)?;
    let (lock, mut locked) = journal::wait_for_slot(pool, number)?;
    let id = pool.slot_id(number);
    let slot = locked
        .record
        .slot(number)
        .cloned()
        .ok_or_else(|| Error::SlotNotFound(id.to_string()))?;
    if let Some(allocation) = slot
        .allocation
        .as_ref()
        .filter(|_| slot.state == SlotState::Allocated)
    {
        if !force {
            return Err(Error::Refused {
                message: format!("slot {id} is allocated to {}", holder::name(allocation)),
                hint: Some(format!(
                    "`repo-pool release {id}` first; --force removes it, its work is saved"
                )),
            });
        }
        let facts = holder::facts(pool, number, allocation);
        if let Permission::Forced(who) = lease::may_release(allocation, None, &facts, true) {
            locked.note(
                Event::new(EventKind::Forced, &pool.name, clock::now())
                    .slot(&id)
                    .detail(format!("removed although held by {who}")),
            );
        }
    }
    release::empty_of_processes(pool, number, false)?;
    let work = journal::begin(
        locked,
        number,
        lock,
        journal::operation(OperationKind::Remove, clock::now()),
    )?;
    carry_out(pool, &work)
}

/// Removes what the recorded intent says, from wherever it stands.
pub fn carry_out(pool: &Pool<'_>, work: &SlotWork) -> Result<Option<RescueView>> {
    let rescue = match saving::dismantle(pool, work) {
        Ok(rescue) => rescue,
        Err(error @ Error::Refused { .. }) => {
            journal::finish(pool, work, |locked, now| {
                journal::slot_of(locked, work).go_back(now)
            })?;
            return Err(error);
        }
        // The intent stands; the next command goes on from here.
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => {
            let reason = error.reason();
            journal::finish(pool, work, |locked, now| {
                journal::slot_of(locked, work).put_out_of_use(&reason, now);
            })?;
            return Err(error);
        }
    };
    drop_own_branch(pool, work.number)?;
    let mut locked = journal::reload(pool, work)?;
    locked.record.remove(work.number);
    let mut event = Event::new(EventKind::SlotRemoved, &pool.name, clock::now())
        .slot(pool.slot_id(work.number));
    event.reference = rescue.as_ref().map(|rescue| rescue.reference.clone());
    locked.note(event);
    // Who waits for one of these sees that the file is gone, and looks again.
    fs::remove_file_if_there(&pool.paths.holder_lock(work.number))?;
    fs::remove_file_if_there(&pool.paths.slot_lock(work.number))?;
    locked.save()?;
    Ok(rescue)
}

/// The slot's own branch goes with it, but not what only it holds.
fn drop_own_branch(pool: &Pool<'_>, number: u32) -> Result<()> {
    let worktree = pool.worktree(number);
    let name = format!("refs/heads/{}", pool.own_branch(number));
    let Some(tip) = refs::commit_of(&pool.git, &worktree.common, &name)? else {
        return Ok(());
    };
    snapshot::keep_commit(
        &pool.git,
        &worktree,
        &tip,
        &crate::domain::names::dir_name(number),
    )?;
    refs::delete(&pool.git, &worktree.common, &name)
}

/// Removes the pool with all its slots. Refuses while a slot is allocated or work is left that is
/// nowhere else, unless forced.
pub fn remove_pool(pool: &Pool<'_>, force: bool) -> Result<()> {
    settle::leftovers(pool)?;
    let _workspace = pool.workspace.lock()?;
    let locks = pool.workspace.locks();
    let _fetch = locks.acquire(
        &pool.paths.fetch_lock(),
        &format!("fetching pool {}", pool.name),
    )?;
    let mut slot_locks = BTreeMap::new();
    for slot in &pool.read()?.slots {
        let what = format!("slot {}", pool.slot_id(slot.number));
        slot_locks.insert(
            slot.number,
            locks.acquire(&pool.paths.slot_lock(slot.number), &what)?,
        );
    }
    let locked = pool.lock()?;
    for slot in &locked.record.slots {
        // One that was added while this waited for the others.
        if let std::collections::btree_map::Entry::Vacant(place) = slot_locks.entry(slot.number) {
            place.insert(
                journal::try_slot(pool, slot.number)?.ok_or_else(|| busy(pool, slot.number))?,
            );
        }
        if slot.state == SlotState::Allocated && !force {
            return Err(Error::Refused {
                message: format!("slot {} is allocated", pool.slot_id(slot.number)),
                hint: Some("release it first; --force removes the pool with what is in it".into()),
            });
        }
        release::empty_of_processes(pool, slot.number, false)?;
        if !force {
            refuse_with_work_in(pool, slot, &slot_locks[&slot.number])?;
        }
    }
    if !force {
        refuse_with_unsaved_work(pool)?;
    }
    let gone = set_aside(pool)?;
    drop(locked);
    drop(slot_locks);
    remove::remove_tree(&gone)
}

fn busy(pool: &Pool<'_>, number: u32) -> Error {
    Error::Refused {
        message: format!("a command works on slot {}", pool.slot_id(number)),
        hint: Some("try again when it has ended".into()),
    }
}

/// Also an idle slot may hold work by now, and one that is out of use most of all.
fn refuse_with_work_in(pool: &Pool<'_>, slot: &SlotRecord, lock: &FileLock) -> Result<()> {
    let worktree = pool.worktree(slot.number);
    let seen = match worktree.fault()? {
        None => mend::look(pool, &worktree, lock)?,
        Some(Fault::MissingDirectory) => Status {
            commit: worktree.head_commit(&pool.git)?,
            ..Status::default()
        },
        Some(fault) => {
            return Err(Error::Refused {
                message: format!("slot {} may hold work: {fault}", pool.slot_id(slot.number)),
                hint: Some("`repo-pool recover` it first; --force removes the pool with it".into()),
            });
        }
    };
    snapshot::check_capturable(&seen)?;
    if snapshot::unlanded(&pool.git, &worktree, &seen)?.is_empty() {
        return Ok(());
    }
    Err(Error::Refused {
        message: format!(
            "slot {} holds work that is nowhere else",
            pool.slot_id(slot.number)
        ),
        hint: Some(format!(
            "`repo-pool recover {}` saves it; --force removes the pool with it",
            pool.slot_id(slot.number)
        )),
    })
}

/// Rescues, and branches of which the remote does not know, are in the pool's repository only.
fn refuse_with_unsaved_work(pool: &Pool<'_>) -> Result<()> {
    let repository = pool.paths.repository();
    let rescues = refs::list(&pool.git, &repository, &[snapshot::RESCUES])?;
    if let Some(first) = rescues.first() {
        return Err(Error::Refused {
            message: format!(
                "pool {} holds {} saved pieces of work that would be lost, {} for one",
                pool.name,
                rescues.len(),
                first.name
            ),
            hint: Some(format!(
                "fetch them from {} where they are wanted; --force removes the pool with them",
                repository.display()
            )),
        });
    }
    let unlanded = snapshot::unlanded_branches(&pool.git, &repository)?;
    match unlanded.first() {
        None if snapshot::holds_unlanded(&pool.git, &repository)? => Err(Error::Refused {
            message: format!(
                "pool {} holds commits that the remote does not have, in its stash, a tag or another ref",
                pool.name
            ),
            hint: Some(format!(
                "`git -C {} log --all --not --remotes` shows them; --force removes the pool with them",
                repository.display()
            )),
        }),
        None => Ok(()),
        Some(branch) => Err(Error::Refused {
            message: format!(
                "branch {branch:?} of pool {} has commits that the remote does not have",
                pool.name
            ),
            hint: Some(
                "push it, or `repo-pool collect` it; --force removes the pool with it".into(),
            ),
        }),
    }
}

/// The pool vanishes by one rename.
fn set_aside(pool: &Pool<'_>) -> Result<std::path::PathBuf> {
    let trash = pool.workspace.trash();
    fs::create_private_dir_all(&trash)?;
    let gone = trash.join(format!("{}-{}", pool.name, user::random_hex(4)));
    fs::rename(&pool.paths.root, &gone)?;
    Ok(gone)
}

/// Takes back a pool whose making failed or was killed. A git that outlived its killed maker would
/// make the directories anew that it writes to, so it is ended first.
pub fn discard_unfinished(pool: &Pool<'_>) -> Result<()> {
    let inside = inside::processes_inside(&pool.paths.root, &liveness::ancestors()).inside;
    let gits = inside
        .iter()
        .filter(|process| process.command.contains("git"));
    let pids: Vec<u32> = gits.map(|process| process.pid).collect();
    inside::end(&pids, END_GRACE);
    let gone = set_aside(pool)?;
    remove::remove_tree(&gone)
}

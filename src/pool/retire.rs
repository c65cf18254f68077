//! Removing slots and pools (7.3 to 7.5).

use std::collections::BTreeMap;

use super::holder::{self, Wish};
use super::journal::{self, SlotWork};
use super::{Pool, clones, mend, occupants, ready, saving, script, settle, trash};
use crate::domain::event::{Event, EventKind};
use crate::domain::lease::Allocation;
use crate::domain::outcome::RescueView;
use crate::domain::pool::PoolRecord;
use crate::domain::rescue::Reason;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::status::Status;
use crate::git::worktree::Fault;
use crate::git::{refs, rescue, snapshot};
use crate::store::LockedPool;
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, inside, liveness, user};

/// How long a git that nobody waits for any more may take to end.
const END_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// How a slot is to be removed.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The allocation id that was presented for an allocated slot: its holder wants it removed.
    pub named: Option<String>,
    /// The allocation id that the environment presents; it gives the right, and does not ask for it.
    pub own: Option<String>,
    /// Also an allocated one, and past a live holder.
    pub force: bool,
    /// Only while it is idle and the pool has more slots than this.
    pub spare_of: Option<u32>,
}

/// Removes a slot with its directory and its registration. An allocated one only if its holder or
/// an operator wants it so; its work is saved.
pub fn remove_slot(pool: &Pool<'_>, number: u32, request: &Request) -> Result<Option<RescueView>> {
    settle::leftovers(pool)?;
    let (lock, mut locked) = journal::wait_for_slot(pool, number)?;
    if let Some(least) = request.spare_of
        && !is_spare(pool, &locked.record, number, least)?
    {
        return Ok(None);
    }
    let slot = locked.record.slot(number);
    let allocation = slot
        .filter(|slot| slot.state == SlotState::Allocated)
        .and_then(|slot| slot.allocation.clone());
    if let Some(allocation) = allocation
        && let Some(event) = permitted(pool, number, &allocation, request)?
    {
        locked.note(event);
    }
    occupants::none_but_callers(pool, number, false)?;
    let work = journal::begin(
        locked,
        number,
        lock,
        journal::operation(OperationKind::Remove, clock::now()),
    )?;
    carry_out(pool, &work)
}

/// Whether the pool has more than `least` slots. An error if this one is not idle any more.
fn is_spare(pool: &Pool<'_>, record: &PoolRecord, number: u32, least: u32) -> Result<bool> {
    let slot = record.slot(number);
    match slot.filter(|slot| slot.state != SlotState::Available) {
        _ if record.lasting_slots() <= least => Ok(false),
        None => Ok(true),
        Some(slot) => Err(Error::Refused {
            message: format!("slot {} is {} by now", pool.slot_id(number), slot.state),
            hint: None,
        }),
    }
}

/// Whether an allocated slot may be removed; by force past a holder with an event that says so.
fn permitted(
    pool: &Pool<'_>,
    number: u32,
    allocation: &Allocation,
    request: &Request,
) -> Result<Option<Event>> {
    let presented = request.named.as_deref().or(request.own.as_deref());
    let wish = Wish::Remove;
    let forced = holder::permit(pool, number, allocation, wish, presented, request.force)?;
    if request.force || request.named.is_some() {
        return Ok(forced);
    }
    let id = pool.slot_id(number);
    Err(Error::Refused {
        message: format!("slot {id} is allocated to {}", holder::name(allocation)),
        hint: Some(format!(
            "`repo-pool release {id}` first; --force removes it, its work is saved"
        )),
    })
}

/// Removes what the recorded intent says, from wherever it stands.
pub fn carry_out(pool: &Pool<'_>, work: &SlotWork) -> Result<Option<RescueView>> {
    let rescue = match saving::dismantle(pool, work) {
        Ok(rescue) => rescue,
        // The intent stands; the next command goes on from here.
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) if ready::lacks(&error) => return Err(error),
        Err(error) if matches!(error, Error::Refused { .. }) || ready::is_shared(&error) => {
            clones::put_back(pool, work.number)?;
            journal::finish(pool, work, |locked, now| {
                locked.record.go_back(work.number, now);
            })?;
            return Err(error);
        }
        Err(error) if ready::was_ended(&error) && journal::put_off(pool, work)? => {
            return Err(error);
        }
        Err(error) => {
            let reason = error.reason();
            journal::finish(pool, work, |locked, now| {
                journal::slot_of(locked, work).put_out_of_use(&reason, now);
            })?;
            return Err(error);
        }
    };
    drop_own_branch(pool, work.number, &work.lock)?;
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
fn drop_own_branch(pool: &Pool<'_>, number: u32, lock: &FileLock) -> Result<()> {
    let worktree = pool.worktree(number);
    let branch = pool.own_branch(number);
    let name = format!("refs/heads/{branch}");
    let Some(tip) = refs::commit_of(&pool.git, &worktree.common, &name)? else {
        return Ok(());
    };
    saving::keep_commit(pool, number, &tip, Reason::Removal)?;
    refs::delete_branch(&pool.git, &worktree.common, lock, &branch)
}

/// Removes the pool with all its slots; what its user has put into `files/` stays. Refuses while a slot is allocated or work is left that is
/// nowhere else, unless forced.
pub fn remove_pool(pool: &Pool<'_>, force: bool) -> Result<()> {
    settle::leftovers(pool)?;
    let _workspace = pool.workspace.lock()?;
    let locks = pool.workspace.locks();
    let what = format!("fetching pool {}", pool.name);
    let _fetch = pool.acquire(locks, &pool.paths.fetch_lock(), &what)?;
    let mut slot_locks = BTreeMap::new();
    for slot in &pool.read()?.slots {
        let what = format!("slot {}", pool.slot_id(slot.number));
        slot_locks.insert(
            slot.number,
            pool.acquire(locks, &pool.paths.slot_lock(slot.number), &what)?,
        );
    }
    let mut locked = pool.lock()?;
    for slot in &locked.record.slots {
        // One that was added while this waited for the others.
        if let std::collections::btree_map::Entry::Vacant(place) = slot_locks.entry(slot.number) {
            place.insert(
                journal::try_slot(pool, slot.number)?.ok_or_else(|| busy(pool, slot.number))?,
            );
        }
        if let Some(allocation) = slot.allocation.as_ref().filter(|_| !force)
            && slot.state == SlotState::Allocated
        {
            return Err(Error::Refused {
                message: format!(
                    "slot {} is allocated to {}",
                    pool.slot_id(slot.number),
                    holder::name(allocation)
                ),
                hint: Some("release it first; --force removes the pool with what is in it".into()),
            });
        }
        occupants::none_but_callers(pool, slot.number, false)?;
        if !force {
            refuse_with_work_in(pool, slot, &slot_locks[&slot.number])?;
        }
    }
    if !force {
        refuse_with_unsaved_work(pool)?;
    }
    let forced_past = held_by_others(pool, &locked.record);
    take_away(pool, &mut locked)?;
    drop(locked);
    drop(slot_locks);
    // The history is gone with the pool: this is the one place left to say it.
    for text in forced_past {
        pool.context.observer.warn(&text);
    }
    trash::see_to_workspace(pool.context)
}

/// Past which holders a removal by force goes.
fn held_by_others(pool: &Pool<'_>, record: &PoolRecord) -> Vec<String> {
    let held = record.slots.iter().filter_map(|slot| {
        let allocation = slot.allocation.as_ref()?;
        let forced = holder::permit(pool, slot.number, allocation, Wish::Remove, None, true);
        let detail = forced.ok()??.detail?;
        Some(format!("slot {} was {detail}", pool.slot_id(slot.number)))
    });
    held.collect()
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
    clones::bring_home(pool, slot.number)?;
    let seen = match worktree.fault()? {
        None => mend::look(pool, slot.number, lock)?,
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
    if snapshot::unlanded(&pool.git, &worktree, &seen, None)?.is_empty() {
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
pub fn refuse_with_unsaved_work(pool: &Pool<'_>) -> Result<()> {
    let place = pool.paths.set_aside();
    if fs::list_dir_if_there(&place)?.is_some_and(|names| !names.is_empty()) {
        return Err(Error::Refused {
            message: format!(
                "pool {} keeps what was set aside in {}",
                pool.name,
                place.display()
            ),
            hint: Some("move what is wanted out of there; --force removes the pool with it".into()),
        });
    }
    let repository = pool.paths.repository();
    let rescues = refs::list(&pool.git, &repository, &[rescue::RESCUES])?;
    if let Some(first) = rescues.first() {
        return Err(Error::Refused {
            message: format!(
                "pool {} holds saved work that would be lost, {} of it: {} for one",
                pool.name,
                match rescues.len() {
                    1 => "1 piece".to_owned(),
                    n => format!("{n} pieces"),
                },
                first.name.trim_start_matches(rescue::RESCUES)
            ),
            hint: Some(format!(
                "`repo-pool rescue list {0}` shows it, `rescue restore` brings it back, `rescue drop` \
                 gives it up; --force removes the pool with it",
                pool.name
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

/// A pool with files of its user's goes piece by piece around them: once its record says so, whoever
/// finds it half gone takes it away to the end.
fn take_away(pool: &Pool<'_>, locked: &mut LockedPool) -> Result<()> {
    let files = pool.paths.files();
    if fs::list_dir_if_there(&files)?.is_none_or(|names| names.is_empty()) {
        return set_aside(pool).map(drop);
    }
    let operation = journal::operation(OperationKind::Remove, clock::now());
    locked.record.operation = Some(operation);
    locked.write()?;
    set_aside_but_files(pool)?;
    pool.context.observer.note(&format!(
        "what was put into {} is left there; a pool of that name can be made around it",
        files.display()
    ));
    Ok(())
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
    script::end_all(pool);
    let gone = match fs::metadata_if_there(&pool.paths.files())? {
        None => set_aside(pool)?,
        Some(_) => set_aside_but_files(pool)?,
    };
    trash::delete_pool(pool.context, &gone)
}

/// What a user has put there for `copy` is theirs, and stays. The record goes when there is
/// nothing else left that it tells of.
fn set_aside_but_files(pool: &Pool<'_>) -> Result<std::path::PathBuf> {
    let gone = pool
        .workspace
        .trash()
        .join(format!("{}-{}", pool.name, user::random_hex(4)));
    fs::create_private_dir_all(&gone)?;
    let stays = [pool.paths.files(), pool.paths.record(), pool.paths.locks()];
    let names = fs::list_dir_if_there(&pool.paths.root)?.unwrap_or_default();
    let places = names.iter().map(|name| pool.paths.root.join(name));
    let goes = places.filter(|place| !stays.contains(place));
    for place in goes.chain([pool.paths.record(), pool.paths.locks()]) {
        fs::rename_noreplace(&place, &gone.join(place.file_name().unwrap_or_default()))?;
    }
    Ok(gone)
}

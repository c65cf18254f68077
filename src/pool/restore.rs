//! Bringing saved work back: into a slot as it was, or as a branch. It stays saved.

use super::holder::{self, Wish};
use super::rescues::{self, Found};
use super::{Pool, clones, contents, journal, mend};
use crate::domain::event::EventKind;
use crate::domain::outcome::{BranchView, Restored};
use crate::domain::rescue::{HeadMove, Place, head_move};
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::git::status::Status;
use crate::git::{Oid, refs, rescue, restore, snapshot};
use crate::sys::lock::FileLock;

/// Brings saved work into a slot that the caller holds and that has no changes: HEAD, index and files
/// are as they were.
pub fn into_slot(
    pool: &Pool<'_>,
    number: u32,
    found: &Found<'_>,
    allocation: Option<&str>,
) -> Result<Restored> {
    let id = pool.slot_id(number);
    if pool.name != found.pool.name {
        return Err(Error::usage(format!(
            "{} was saved in pool {}, and slot {id} belongs to another",
            found.kept.id, found.pool.name
        ))
        .with_hint(format!(
            "`repo-pool allocate {}` hands out a slot",
            found.pool.name
        )));
    }
    let lock = held_by_caller(pool, number, allocation)?;
    let worktree = pool.worktree(number);
    if let Some(fault) = worktree.fault()? {
        return Err(Error::failed(format!("slot {id} can't be used: {fault}"))
            .with_hint(format!("`repo-pool recover {id}` repairs it")));
    }
    let under_way = worktree.under_way()?;
    clones::bring_home(pool, number)?;
    let brought = bring(pool, number, &lock, found, under_way);
    let Brought { moved, submodules } = match brought {
        Ok(brought) => {
            clones::put_back_moved(pool, number)?;
            brought
        }
        Err(error) => {
            clones::put_back(pool, number)?;
            return Err(error);
        }
    };
    let record = &found.kept.record;
    let mut locked = pool.lock()?;
    let event = rescues::event(pool, &found.kept, EventKind::RescueRestored);
    locked.note(event.slot(&id));
    locked.save_history()?;
    Ok(Restored {
        rescue_id: found.kept.id.clone(),
        slot_id: Some(id.to_string()),
        slot_path: Some(pool.paths.slot(number).display().to_string()),
        branches: Vec::new(),
        head: worktree.head_commit(&pool.git)?,
        head_moved: moved,
        left_behind: record.left_behind.clone(),
        submodules: submodules
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
    })
}

/// What bringing the work into the slot did.
struct Brought {
    moved: bool,
    submodules: Vec<std::path::PathBuf>,
}

/// Brings the work into the slot. `under_way` is what its holder is in the middle of.
fn bring(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    found: &Found<'_>,
    under_way: Option<&str>,
) -> Result<Brought> {
    let worktree = pool.worktree(number);
    let seen = clean_to_restore(pool, number, lock, under_way)?;
    let moved = move_head(pool, number, lock, &seen, found)?;
    let trees = rescues::trees(pool, &found.kept)?;
    for tree in [&trees.head, &trees.files] {
        contents::bring(pool, &pool.read()?, tree)?;
    }
    let submodules = restore::files(&pool.git, &worktree, lock, &trees)?;
    let index = found.kept.record.index.as_ref();
    let raw = index.and_then(|index| index.raw.as_ref());
    restore::index(&pool.git, &worktree, lock, &trees.index, raw)?;
    Ok(Brought { moved, submodules })
}

/// The slot's lock, if the caller may act on its allocation: by the rules of release.
fn held_by_caller(pool: &Pool<'_>, number: u32, presented: Option<&str>) -> Result<FileLock> {
    let (lock, locked) = journal::wait_for_slot(pool, number)?;
    let id = pool.slot_id(number);
    let slot = locked.record.slot(number);
    let allocation = slot
        .filter(|slot| slot.state == SlotState::Allocated)
        .and_then(|slot| slot.allocation.as_ref())
        .ok_or_else(|| Error::Refused {
            message: format!("slot {id} is not allocated"),
            hint: Some(format!(
                "work is brought back into a slot that you hold: `repo-pool allocate {}`",
                pool.name
            )),
        })?;
    holder::permit(pool, number, allocation, Wish::Restore, presented, false)?;
    Ok(lock)
}

/// A look at the slot, in which nothing may be under way.
fn clean_to_restore(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    under_way: Option<&str>,
) -> Result<Status> {
    let refused = |what: &str| Error::Refused {
        message: format!("slot {} {what}", pool.slot_id(number)),
        hint: Some("commit that, or restore into another slot, or with --branch NAME".into()),
    };
    let seen = mend::look(pool, number, lock)?;
    if seen.has_changes() {
        return Err(refused("has changes, which restoring would overwrite"));
    }
    match under_way {
        Some(what) => Err(refused(&format!("is in the middle of {what}"))),
        None => Ok(seen),
    }
}

/// Moves HEAD to where the work was done. Tells whether it had to be moved.
fn move_head(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    seen: &Status,
    found: &Found<'_>,
) -> Result<bool> {
    let worktree = pool.worktree(number);
    let saved = found.kept.record.head.as_ref();
    let follows = match (&seen.commit, saved) {
        (Some(old), Some(new)) => refs::leads_to(&pool.git, &worktree.common, old, new)?,
        _ => false,
    };
    let own = pool.own_branch(number);
    let place = Place {
        head: seen.commit.as_deref(),
        named_branch: seen.branch.as_deref().filter(|branch| *branch != own),
        follows,
        own_commits: snapshot::unlanded(&pool.git, &worktree, seen, None)?.commits,
    };
    match (head_move(saved.map(String::as_str), &place), saved) {
        (HeadMove::Move, Some(saved)) => {
            refs::move_head(&pool.git, &worktree, lock, seen.commit.as_ref(), saved)?;
            Ok(true)
        }
        (HeadMove::Refuse(why), _) => Err(Error::Refused {
            message: format!(
                "{} can't be brought into slot {}: {why}",
                found.kept.id,
                pool.slot_id(number)
            ),
            hint: Some(
                "restore into a slot that was just allocated without --branch, or with --branch NAME"
                    .into(),
            ),
        }),
        _ => Ok(false),
    }
}

/// Makes a branch of saved work in the pool's repository; commits that were left behind get branches
/// of their own, `NAME-2` and so on.
pub fn as_branch(found: &Found<'_>, name: &str) -> Result<Restored> {
    let pool = &found.pool;
    let repository = pool.paths.repository();
    refs::check_branch(&pool.git, name)?;
    let mut branches: Vec<(String, Oid)> = Vec::new();
    for (n, commit) in tips(found)?.into_iter().enumerate() {
        let name = match n {
            0 => name.to_owned(),
            n => format!("{name}-{}", n + 1),
        };
        if refs::commit_of(&pool.git, &repository, &format!("refs/heads/{name}"))?.is_some() {
            return Err(
                Error::failed(format!("pool {} has a branch {name} already", pool.name))
                    .with_hint("choose another name: --branch NAME"),
            );
        }
        branches.push((name, commit));
    }
    rescue::make_branches(&pool.git, &repository, &branches)?;
    let mut locked = pool.lock()?;
    locked.note(rescues::event(pool, &found.kept, EventKind::RescueRestored));
    locked.save_history()?;
    Ok(Restored {
        rescue_id: found.kept.id.clone(),
        slot_id: None,
        slot_path: None,
        branches: branches
            .into_iter()
            .map(|(name, commit)| BranchView { name, commit })
            .collect(),
        head: None,
        head_moved: false,
        left_behind: Vec::new(),
        submodules: Vec::new(),
    })
}

/// The commits that together hold the work: the files on top of HEAD if they differ, or HEAD, if it
/// has commits of its own; then what was left behind.
fn tips(found: &Found<'_>) -> Result<Vec<Oid>> {
    let pool = &found.pool;
    let repository = pool.paths.repository();
    let record = &found.kept.record;
    let trees = rescues::trees(pool, &found.kept)?;
    let mut tips = Vec::new();
    if trees.files != trees.head {
        let message = format!("{}\n\nSaved work {}\n", record.subject, found.kept.id);
        let parent = record.head.as_ref();
        tips.push(rescue::commit_on(
            &pool.git,
            &repository,
            &trees.files,
            parent,
            &message,
        )?);
    } else if let Some(head) = &record.head
        && (record.left_behind.is_empty() || record.amounts.commits > 0)
    {
        tips.push(head.clone());
    }
    tips.extend(record.left_behind.iter().cloned());
    Ok(tips)
}

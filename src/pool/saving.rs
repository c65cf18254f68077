//! Saving a slot's work before anything is done to it, as far as the settings say so.

use super::journal::SlotWork;
use super::mend::{self, Repairs};
use super::{Pool, slots};
use crate::config::Rescue;
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::RescueView;
use crate::domain::{Error, Result};
use crate::git::refs;
use crate::git::snapshot::{self, Unlanded};
use crate::git::status::Status;
use crate::git::worktree::Fault;
use crate::sys::clock;
use crate::sys::lock::FileLock;

/// Saves what cleaning would destroy, as far as the settings say so.
///
/// # Errors
/// Refused, if there is work that can't be captured.
pub fn save_work(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    seen: &Status,
) -> Result<(Option<RescueView>, Vec<Event>)> {
    if pool.settings.rescue == Rescue::Off {
        return Ok((None, Vec::new()));
    }
    let worktree = pool.worktree(number);
    let mut found = snapshot::unlanded(&pool.git, &worktree, seen)?;
    if pool.settings.rescue == Rescue::Commits {
        found.changes = false;
    }
    if pool.settings.rescue == Rescue::All {
        snapshot::check_capturable(seen)?;
    }
    if found.is_empty() {
        return Ok((None, Vec::new()));
    }
    let label = crate::domain::names::dir_name(number);
    let rescue = snapshot::save(&pool.git, &worktree, lock, seen, found, &label)?;
    let view = RescueView {
        reference: format!("{}{}", snapshot::RESCUES, rescue.id),
        rescue_id: rescue.id,
        commit: rescue.commit,
        unlanded_commits: rescue.unlanded.commits + rescue.unlanded.left_behind.len() as u64,
        uncommitted_changes: rescue.unlanded.changes,
    };
    let event = Event {
        commit: Some(view.commit.clone()),
        reference: Some(view.reference.clone()),
        ..Event::new(EventKind::Rescued, &pool.name, clock::now()).slot(pool.slot_id(number))
    };
    Ok((Some(view), vec![event]))
}

/// What `--discard` gives up, for the history.
pub fn given_up(pool: &Pool<'_>, number: u32, seen: &Status) -> Result<Vec<Event>> {
    let Unlanded {
        commits,
        left_behind,
        changes,
    } = snapshot::unlanded(&pool.git, &pool.worktree(number), seen)?;
    if commits == 0 && left_behind.is_empty() && !changes {
        return Ok(Vec::new());
    }
    let paths = seen.changed.len() + seen.untracked.len();
    let event = Event::new(EventKind::Discarded, &pool.name, clock::now())
        .slot(pool.slot_id(number))
        .detail(format!(
            "{} unlanded commits and changes to {paths} paths, last at {}",
            commits + left_behind.len() as u64,
            seen.commit.as_deref().unwrap_or("no commit")
        ));
    Ok(vec![event])
}

/// Saves the commits of a slot whose files are gone, before its registration is made anew.
pub fn save_commits(pool: &Pool<'_>, number: u32) -> Result<Option<String>> {
    let worktree = pool.worktree(number);
    let Some(head) = worktree.head_commit(&pool.git)? else {
        return Ok(None);
    };
    let seen = Status {
        commit: Some(head.clone()),
        ..Status::default()
    };
    let found = snapshot::unlanded(&pool.git, &worktree, &seen)?;
    if found.is_empty() {
        return Ok(None);
    }
    let label = crate::domain::names::dir_name(number);
    let mut saved = None;
    for (n, commit) in std::iter::once(&head)
        .filter(|_| found.commits > 0)
        .chain(&found.left_behind)
        .enumerate()
    {
        let name = format!(
            "{}{label}/{}-{n}",
            snapshot::RESCUES,
            crate::sys::user::random_hex(4)
        );
        refs::set(&pool.git, &worktree.common, &name, commit)?;
        saved = Some(name);
    }
    Ok(saved)
}

/// Removes a slot's directory and registration for good, after saving its work. The intent to
/// remove stands in the journal.
pub fn dismantle(pool: &Pool<'_>, work: &SlotWork) -> Result<Option<RescueView>> {
    let worktree = pool.worktree(work.number);
    let rescue = match worktree.fault()? {
        // There is nothing but commits to save, so it is not made whole first.
        Some(Fault::MissingDirectory) => {
            save_commits(pool, work.number)?;
            None
        }
        _ => {
            let record = pool.read()?;
            let slot = record.slot(work.number);
            let idle = slot.is_none_or(|slot| slot.allocation.is_none());
            let known = slot
                .and_then(|slot| slot.commit.clone())
                .or(record.remote.base_commit.clone());
            let known = known.ok_or_else(|| Error::failed("no commit of the slot is known"))?;
            let seen = mend::whole(
                pool,
                work.number,
                &work.lock,
                &known,
                idle,
                &mut Repairs::default(),
            )?;
            save_work(pool, work.number, &work.lock, &seen)?.0
        }
    };
    slots::clear(pool, work.number)?;
    Ok(rescue)
}

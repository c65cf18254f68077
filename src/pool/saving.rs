//! Saving a slot's work before anything is done to it, as far as the settings say so.

use super::journal::SlotWork;
use super::mend::{self, Repairs};
use super::{Pool, holder, rescues, slots};
use crate::config::Rescue;
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::RescueView;
use crate::domain::rescue::{Amounts, Name, Reason, Record, after};
use crate::domain::{Error, Result, names, pool};
use crate::git::capture::{self, Saved};
use crate::git::snapshot::{self, Unlanded};
use crate::git::status::Status;
use crate::git::unseen;
use crate::git::worktree::Fault;
use crate::git::{Oid, broken_index, rescue};
use crate::sys::clock;

/// Saves what cleaning would destroy, as far as the settings say so. `landed` is a commit that needs
/// no saving.
///
/// # Errors
/// Refused, if there is work that can't be captured.
pub fn save_work(
    pool: &Pool<'_>,
    number: u32,
    seen: &Status,
    landed: Option<&Oid>,
    reason: Reason,
) -> Result<(Option<RescueView>, Vec<Event>)> {
    if pool.settings.rescue == Rescue::Off {
        return Ok((None, Vec::new()));
    }
    let worktree = pool.worktree(number);
    let look = || -> Result<Unlanded> {
        let mut found = snapshot::unlanded(&pool.git, &worktree, seen, landed)?;
        found.changes &= pool.settings.rescue == Rescue::All;
        Ok(found)
    };
    let mut found = look()?;
    if pool.settings.rescue == Rescue::All {
        snapshot::check_capturable(seen)?;
    }
    if found.is_empty() {
        return Ok((None, Vec::new()));
    }
    // What only expired work held has to be saved anew.
    if rescues::expire_on_the_way(pool)? > 0 {
        found = look()?;
    }
    let view = save(pool, number, seen, &found, reason)?;
    let event = Event {
        commit: Some(view.commit.clone()),
        reference: Some(view.reference.clone()),
        owner: view.owner.clone(),
        allocation_id: view.allocation_id.clone(),
        ..Event::new(EventKind::Rescued, &pool.name, view.created_at).slot(pool.slot_id(number))
    };
    Ok((Some(view), vec![event]))
}

/// Makes the rescue.
fn save(
    pool: &Pool<'_>,
    number: u32,
    seen: &Status,
    found: &Unlanded,
    reason: Reason,
) -> Result<RescueView> {
    let worktree = pool.worktree(number);
    let record = record(pool, number, seen, found, reason)?;
    let label = names::dir_name(number);
    let saved = capture::save(&pool.git, &worktree, seen, found, &label, record)?;
    Ok(shown(pool, saved))
}

fn shown(pool: &Pool<'_>, saved: Saved) -> RescueView {
    let name = Name {
        pool: pool.name.to_string(),
        id: saved.id,
    };
    let reference = rescue::reference(&name.id);
    RescueView::new(name, reference, saved.commit, &saved.record)
}

/// What is known of the work before it is saved.
fn record(
    pool: &Pool<'_>,
    number: u32,
    seen: &Status,
    found: &Unlanded,
    reason: Reason,
) -> Result<Record> {
    let now = clock::now();
    // A record that can't be read is no reason to lose work.
    let allocation = pool.read().ok().and_then(|record| {
        let slot = record.slot(number)?;
        slot.allocation.clone()
    });
    let mut amounts = Amounts {
        commits: found.commits,
        ..Amounts::default()
    };
    if found.changes {
        amounts = Amounts {
            commits: found.commits,
            staged: seen.staged,
            unstaged: seen.unstaged,
            untracked: seen.untracked.len() as u64,
            conflicts: seen.unmerged.len() as u64,
        };
    }
    Ok(Record {
        schema: pool::SCHEMA,
        slot_id: pool.slot_id(number).to_string(),
        created_at: now,
        expires_at: pool.settings.rescue_expire.map(|time| after(now, time)),
        reason: Some(reason),
        owner: allocation.as_ref().map(holder::name),
        allocation_id: allocation.map(|allocation| allocation.id),
        branch: seen.branch.clone(),
        head: seen.commit.clone(),
        subject: subject(pool, seen, found)?,
        amounts,
        left_behind: found.left_behind.clone(),
        index: None,
    })
}

/// The subject of the newest commit in it, or how many paths were changed.
fn subject(pool: &Pool<'_>, seen: &Status, found: &Unlanded) -> Result<String> {
    let own = seen.commit.as_ref().filter(|_| found.commits > 0);
    let paths = seen.work().count();
    match own.or(found.left_behind.first().filter(|_| !found.changes)) {
        Some(commit) => rescue::subject(&pool.git, &pool.paths.repository(), commit),
        None => Ok(format!(
            "changes to {paths} path{}",
            if paths == 1 { "" } else { "s" }
        )),
    }
}

/// What `--discard` gives up, for the history.
pub fn given_up(pool: &Pool<'_>, number: u32, seen: &Status) -> Result<Vec<Event>> {
    let Unlanded {
        commits,
        left_behind,
        changes,
    } = snapshot::unlanded(&pool.git, &pool.worktree(number), seen, None)?;
    if commits == 0 && left_behind.is_empty() && !changes {
        return Ok(Vec::new());
    }
    let paths = seen.work().count();
    let event = Event::new(EventKind::Discarded, &pool.name, clock::now())
        .slot(pool.slot_id(number))
        .detail(format!(
            "{} unlanded commits and changes to {paths} paths, last at {}",
            commits + left_behind.len() as u64,
            seen.commit.as_deref().unwrap_or("no commit")
        ));
    Ok(vec![event])
}

/// Saves what only an index that git can't read knows. `known` is the commit that the slot was last
/// brought to.
pub fn keep_index(pool: &Pool<'_>, number: u32, known: &Oid) -> Result<Option<RescueView>> {
    let worktree = pool.worktree(number);
    let head = worktree.head_commit(&pool.git)?;
    let seen = Status {
        commit: Some(head.unwrap_or_else(|| known.clone())),
        ..Status::default()
    };
    let nothing = Unlanded::default();
    let mut record = record(pool, number, &seen, &nothing, Reason::Repair)?;
    record.subject = "what was staged in an index that git can't read".into();
    let commit = seen.commit.as_ref().unwrap_or(known);
    let label = names::dir_name(number);
    let saved = broken_index::save(&pool.git, &worktree, commit, &label, record)?;
    Ok(saved.map(|saved| shown(pool, saved)))
}

/// Saves the commits of a slot whose files are gone, before its registration is made anew.
pub fn save_commits(pool: &Pool<'_>, number: u32, reason: Reason) -> Result<Option<RescueView>> {
    let worktree = pool.worktree(number);
    let seen = Status {
        commit: worktree.head_commit(&pool.git)?,
        ..Status::default()
    };
    let found = snapshot::unlanded(&pool.git, &worktree, &seen, None)?;
    match found.is_empty() {
        true => Ok(None),
        false => save(pool, number, &seen, &found, reason).map(Some),
    }
}

/// Saves `commit` if nothing else holds it.
pub fn keep_commit(
    pool: &Pool<'_>,
    number: u32,
    commit: &Oid,
    reason: Reason,
) -> Result<Option<RescueView>> {
    let worktree = pool.worktree(number);
    let off = pool.settings.rescue == Rescue::Off;
    if off || !snapshot::is_alone(&pool.git, &worktree, commit)? {
        return Ok(None);
    }
    let seen = Status {
        commit: Some(commit.clone()),
        ..Status::default()
    };
    let found = Unlanded {
        commits: snapshot::count(&pool.git, &worktree, commit)?,
        ..Unlanded::default()
    };
    save(pool, number, &seen, &found, reason).map(Some)
}

/// Removes a slot's directory and registration for good, after saving its work. The intent to
/// remove stands in the journal.
pub fn dismantle(pool: &Pool<'_>, work: &SlotWork) -> Result<Option<RescueView>> {
    let worktree = pool.worktree(work.number);
    let rescue = match worktree.fault()? {
        // There is nothing but commits to save, so it is not made whole first.
        Some(Fault::MissingDirectory) => save_commits(pool, work.number, Reason::Removal)?,
        _ => {
            let record = pool.read()?;
            let slot = record.slot(work.number);
            let idle = slot.is_none_or(|slot| slot.allocation.is_none());
            let known = slot
                .and_then(|slot| slot.commit.clone())
                .or(record.remote.base_commit.clone());
            let known = known.ok_or_else(|| Error::failed("no commit of the slot is known"))?;
            unseen::before_git(&worktree)?;
            let seen = mend::whole(
                pool,
                work.number,
                &work.lock,
                &known,
                idle,
                &mut Repairs::default(),
            )?;
            save_work(pool, work.number, &seen, None, Reason::Removal)?.0
        }
    };
    slots::clear(pool, work.number)?;
    Ok(rescue)
}

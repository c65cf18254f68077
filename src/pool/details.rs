//! Everything about one slot: what is in it, who is in it, what was saved from it. Takes no lock and
//! changes nothing; what can't be found out is left open.

use std::time::Duration;

use super::{Pool, rescues, view};
use crate::domain::event::EventKind;
use crate::domain::outcome::{
    ChangeCounts, PastCleanup, ProcessView, RescueView, SlotContent, SlotDetails, SlotView,
};
use crate::domain::pool::PoolRecord;
use crate::domain::process::{Liveness, ProcessStamp};
use crate::domain::slot::{SlotRecord, SlotState};
use crate::git::status::{self, Status};
use crate::git::{Git, hidden, lfs, refs, rescue, snapshot, submodules, unseen};
use crate::store::events;
use crate::sys::{inside, liveness, threads};

/// Who looks at a slot waits no longer than this for one answer of git's.
const PATIENCE: Duration = Duration::from_secs(20);

/// A slot as it is now: HEAD as git has it, its lock, its holder, its disk use, and what is in it.
pub fn slot(pool: &Pool<'_>, record: &PoolRecord, slot: &SlotRecord) -> SlotView {
    let (processes, mut view) = threads::both(
        || processes(pool, slot.number),
        || view::holder_of(pool, record, slot),
    );
    let (details, ()) = threads::both(
        || details(pool, record, slot, processes),
        || view::look_into(pool, slot, &mut view),
    );
    if let (Some(owner), Some(allocation)) = (&mut view.owner, &slot.allocation) {
        owner.command = allocation.owner.process.as_ref().and_then(command);
        owner.caller_command = allocation.caller.as_ref().and_then(command);
    }
    view.details = Some(Box::new(details));
    view
}

fn details(
    pool: &Pool<'_>,
    record: &PoolRecord,
    slot: &SlotRecord,
    processes: Vec<ProcessView>,
) -> SlotDetails {
    let settled = is_settled(slot);
    let work = settled.then(|| content(pool, record, slot));
    let fault = settled.then(|| fault(pool, slot.number)).flatten();
    // What is seen while a command goes to work on it would be half of each.
    let stayed = settled && has_stayed(pool, slot);
    let at_work = settled && !stayed;
    SlotDetails {
        work: work.filter(|_| !at_work),
        fault: fault.filter(|_| !at_work),
        processes: match at_work {
            true => Vec::new(),
            false => processes,
        },
        rescues: saved(pool, slot.number),
        last_cleanup: last_cleanup(pool, slot.number),
    }
}

/// What a command does to it at this moment is no work of anybody's.
fn is_settled(slot: &SlotRecord) -> bool {
    slot.operation.is_none() && slot.state != SlotState::Cleaning
}

/// Whether the slot is still in the same hands, with no command at work on it.
fn has_stayed(pool: &Pool<'_>, slot: &SlotRecord) -> bool {
    let hands = |slot: &SlotRecord| (slot.allocation_count, slot.allocation.is_some());
    let record = pool.read().ok();
    let now = record.as_ref().and_then(|record| record.slot(slot.number));
    now.is_some_and(|now| is_settled(now) && hands(now) == hands(slot))
}

/// What keeps git from working on the slot.
fn fault(pool: &Pool<'_>, number: u32) -> Option<String> {
    match pool.worktree(number).fault() {
        Ok(fault) => fault.map(|fault| fault.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// The command line of a process, if it is still that process.
fn command(process: &ProcessStamp) -> Option<String> {
    let lives = liveness::liveness(process) == Liveness::Alive;
    lives.then(|| liveness::command_of(process.pid))?
}

/// What is in the slot; `None` if not even its commit is known.
fn content(pool: &Pool<'_>, record: &PoolRecord, slot: &SlotRecord) -> Option<SlotContent> {
    let git = pool.git.limited(PATIENCE, PATIENCE);
    let worktree = pool.worktree(slot.number);
    let repository = pool.paths.repository();
    let commit = worktree.head_commit(&git).ok().flatten()?;
    let base = &record.remote;
    let distance = base
        .base_commit
        .as_ref()
        .and_then(|base| refs::distance(&git, &repository, base, &commit).ok());
    let mut content = SlotContent {
        commit_subject: rescue::subject(&git, &repository, &commit).ok(),
        base_branch: base.base_branch.clone(),
        ahead: distance.map(|(_, ahead)| ahead),
        behind: distance.map(|(behind, _)| behind),
        under_way: worktree.under_way().ok().flatten(),
        ..SlotContent::default()
    };
    let clean = Status {
        commit: Some(commit.clone()),
        ..Status::default()
    };
    // One that was seen clean, where nobody can get at it, needs no look.
    let seen = match slot.is_verified() {
        true => Some(clean.clone()),
        false => look(pool, slot.number, &git),
    };
    content.changes = seen.as_ref().map(counts);
    let landed = slot.is_verified().then_some(&commit);
    if let Ok(found) = snapshot::unlanded(&git, &worktree, &seen.unwrap_or(clean), landed) {
        content.unpushed_commits = Some(found.commits);
        content.left_behind_commits = Some(found.left_behind.len() as u64);
    }
    Some(content)
}

/// What differs from the commit; none if git can't tell, or would wait for ever for a file.
fn look(pool: &Pool<'_>, number: u32, git: &Git) -> Option<Status> {
    let worktree = pool.worktree(number);
    let may_ask = unseen::may_be_read(&worktree).unwrap_or(false);
    let mut seen = may_ask.then(|| status::look(git, &worktree, None).ok())??;
    lfs::set_apart(git, &worktree, &mut seen).ok()?;
    // git itself is not let into submodules, whose work a release would refuse.
    let places = hidden::entries(git, &worktree, None).ok()?.submodules;
    if submodules::any(&worktree, &places).ok()? {
        seen.dirty_submodules = submodules::holding_work(git, &worktree, &places).ok()?;
    }
    Some(seen)
}

fn counts(seen: &Status) -> ChangeCounts {
    ChangeCounts {
        staged: seen.staged,
        unstaged: seen.unstaged + seen.dirty_submodules.len() as u64,
        untracked: seen.untracked.len() as u64,
        conflicts: seen.unmerged.len() as u64,
    }
}

/// Who is inside, but for this process.
fn processes(pool: &Pool<'_>, number: u32) -> Vec<ProcessView> {
    let ours = liveness::ancestors();
    let found = inside::processes_inside(&pool.worktree(number).path, &[std::process::id()]);
    let shown = found.inside.into_iter().map(|process| ProcessView {
        pid: process.pid,
        command: process.command,
        is_caller: ours.contains(&process.pid),
    });
    let mut all: Vec<ProcessView> = shown.collect();
    all.sort_by_key(|process| process.pid);
    all
}

/// The work that was saved from the slot, oldest first; none if git can't tell.
fn saved(pool: &Pool<'_>, number: u32) -> Option<Vec<RescueView>> {
    let id = pool.slot_id(number).to_string();
    let kept = rescues::of(pool).ok()?;
    let views = kept.iter().map(|kept| rescues::view(pool, kept));
    Some(views.filter(|view| view.slot_id == id).collect())
}

/// How the slot was last cleaned, as far as the history goes back.
fn last_cleanup(pool: &Pool<'_>, number: u32) -> Option<PastCleanup> {
    let id = pool.slot_id(number).to_string();
    let found = events::newest(&pool.paths, &id, |event| {
        event.kind == EventKind::Cleaned && event.slot_id.as_ref() == Some(&id)
    });
    let event = found.ok()??;
    Some(PastCleanup {
        time: event.time,
        duration_seconds: event.duration_seconds,
        operations: event.operations,
        errors: event.errors,
    })
}

//! From facts to a plan. Pure: the same facts give the same plan.

use std::path::PathBuf;

use super::observe::{Facts, SlotFacts};
use super::strays::Strays;
use super::{Request, config};
use crate::config::parse::format_duration;
use crate::domain::damage;
use crate::domain::error::is_of_set_up;
use crate::domain::gist;
use crate::domain::lease::{self, Reason, Verdict};
use crate::domain::names::{self, PoolName, SlotId};
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::domain::slot::{OperationKind, SlotState};
use crate::git::worktree::Fault;

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is wrong.
    pub kind: FindingKind,
    /// What to do about it.
    pub action: FindingAction,
    /// The slot it is about.
    pub slot: Option<u32>,
    /// The file or directory it is about.
    pub path: Option<PathBuf>,
    /// The particulars, for people.
    pub detail: String,
}

/// The plan for these facts, in the order in which it is to be carried out.
pub fn reconcile(facts: &Facts, request: &Request) -> Vec<Step> {
    let mut plan = of_the_pool(facts, request);
    let slots: Vec<SlotFacts> = facts
        .slots
        .iter()
        .map(|slot| as_far_as_it_counts(slot, facts, request))
        .collect();
    plan.extend(slots.iter().filter_map(|slot| slot_step(slot, request)));
    plan.extend(slots.iter().flat_map(lock_steps));
    plan.extend(stray_steps(&facts.strays));
    // After the locks, one of which may be the config's.
    plan.extend(config::steps(&facts.shared, request));
    plan.retain(|step| request.wants(step.kind));
    plan
}

/// What concerns all slots comes first.
fn of_the_pool(facts: &Facts, request: &Request) -> Vec<Step> {
    let by_force = request.force && request.slot.is_none();
    let corrupt = facts.corrupt.iter().map(|words| {
        let first = damage::first_line(words).or(words.lines().next());
        Step {
            kind: FindingKind::CorruptObjects,
            action: match by_force {
                true => FindingAction::Rebuild,
                false => FindingAction::Report,
            },
            slot: None,
            path: None,
            detail: format!(
                "objects of the pool's repository are missing or damaged ({}); {}",
                first.unwrap_or("git does not say which").trim(),
                damage::remedy(&request.pool)
            ),
        }
    });
    // By force, the slots are made anew one by one.
    let unmounted = facts.unmounted.iter().filter(|_| !by_force).map(|path| Step {
        kind: FindingKind::Unmounted,
        action: FindingAction::Report,
        slot: None,
        path: Some(path.clone()),
        detail: format!(
            "all slots are gone from {}: is its disk mounted? If they were deleted, `repo-pool recover {} --force` makes them anew",
            path.display(),
            request.pool
        ),
    });
    corrupt.chain(unmounted).collect()
}

/// The facts about a slot without those that are everybody's: a directory that is gone with its disk
/// is not missing.
fn as_far_as_it_counts(slot: &SlotFacts, facts: &Facts, request: &Request) -> SlotFacts {
    let by_force = request.force && request.slot.is_none();
    let with_its_disk = slot.fault == Some(Fault::MissingDirectory)
        && facts.unmounted.contains(&slot.place)
        && !by_force;
    SlotFacts {
        fault: slot.fault.clone().filter(|_| !with_its_disk),
        ..slot.clone()
    }
}

fn stray_steps(strays: &Strays) -> Vec<Step> {
    use FindingAction::{Isolate, Remove, Repair, Report};
    let each = |kind, action, paths: &[PathBuf], what: &str| -> Vec<Step> {
        let step = |path: &PathBuf| Step {
            kind,
            action,
            slot: None,
            path: Some(path.clone()),
            detail: format!("{what}: {}", path.display()),
        };
        paths.iter().map(step).collect()
    };
    let unrecorded = strays.unrecorded.iter().map(|number| Step {
        kind: FindingKind::ForeignDirectory,
        action: Isolate,
        slot: Some(*number),
        path: None,
        detail: "a slot that the pool's record does not know; it joins the pool, out of use".into(),
    });
    let mut plan: Vec<Step> = unrecorded.collect();
    plan.extend(each(
        FindingKind::ForeignDirectory,
        Report,
        &strays.foreign_directories,
        "no slot of the pool",
    ));
    plan.extend(each(
        FindingKind::ForeignRegistration,
        Repair,
        &strays.broken_registrations,
        "left half made by a killed git, so that git fails on all others too",
    ));
    plan.extend(each(
        FindingKind::ForeignRegistration,
        Remove,
        &strays.old_registrations,
        "of a slot that is no more; its commits are kept",
    ));
    plan.extend(each(
        FindingKind::ForeignRegistration,
        Report,
        &strays.foreign_registrations,
        "a worktree that the pool did not make",
    ));
    plan.extend(each(
        FindingKind::StaleGitLock,
        Remove,
        &strays.shared_git_locks,
        "left by a killed git",
    ));
    plan.extend(each(
        FindingKind::Leftover,
        Remove,
        &strays.leftovers,
        "left by a killed command",
    ));
    plan.extend(each(
        FindingKind::OrphanedLock,
        Remove,
        &strays.orphaned_locks,
        "of a slot that is no more",
    ));
    plan.extend(each(
        FindingKind::OrphanedLock,
        Remove,
        &strays.dead_tickets,
        "of a waiter that is gone",
    ));
    plan
}

/// What is to be done about one slot: the first thing that applies, since it settles the rest.
fn slot_step(slot: &SlotFacts, request: &Request) -> Option<Step> {
    let step = |kind, action, detail: String| {
        Some(Step {
            kind,
            action,
            slot: Some(slot.number),
            path: None,
            detail,
        })
    };
    if slot.locked {
        return None;
    }
    if let Some(process) = &slot.waits_for {
        return step(
            FindingKind::UnfinishedOperation,
            FindingAction::Report,
            format!("given back, but {process} is inside; `repo-pool release --kill` ends that"),
        );
    }
    if let Some(operation) = slot.operation {
        let action = match operation {
            OperationKind::Add
            | OperationKind::Allocate
            | OperationKind::Create
            | OperationKind::Warm => FindingAction::Undo,
            _ => FindingAction::Complete,
        };
        return step(
            FindingKind::UnfinishedOperation,
            action,
            format!("{operation} was interrupted"),
        );
    }
    match slot.state {
        SlotState::Error => isolated(slot, request, step),
        SlotState::Allocated => held(slot, request, step),
        SlotState::Available | SlotState::Cleaning => damaged(slot, step),
    }
}

/// An isolated slot waits for a person, who names it; one whose set-up failed, for the set-up, which is
/// run once more.
fn isolated(
    slot: &SlotFacts,
    request: &Request,
    step: impl Fn(FindingKind, FindingAction, String) -> Option<Step>,
) -> Option<Step> {
    let reason = slot
        .error
        .clone()
        .unwrap_or_else(|| "no reason recorded".into());
    let action = match (request.slot.is_some(), request.force) {
        (true, true) => FindingAction::Rebuild,
        (true, false) => FindingAction::Restore,
        (false, _) if is_of_set_up(&reason) => FindingAction::Restore,
        (false, _) => FindingAction::Report,
    };
    step(
        FindingKind::IsolatedSlot,
        action,
        format!("out of use: {}", gist(&reason)),
    )
}

fn held(
    slot: &SlotFacts,
    request: &Request,
    step: impl Fn(FindingKind, FindingAction, String) -> Option<Step>,
) -> Option<Step> {
    let kind = |reason| match reason {
        Reason::HolderGone => FindingKind::DeadOwner,
        Reason::LeaseRanOut => FindingKind::ExpiredLease,
    };
    match slot.verdict {
        Some(Verdict::Reclaimable(reason)) => {
            return step(kind(reason), FindingAction::Release, reason.to_string());
        }
        Some(Verdict::Doubtful(reason, doubt)) => {
            let detail = format!("{reason}, but {doubt}");
            return step(kind(reason), FindingAction::Report, detail);
        }
        // A lease that is renewed a little late is nothing to speak of.
        Some(Verdict::NotYet(reason @ Reason::HolderGone, _)) => {
            let grace = lease::GRACE.as_secs();
            let detail = format!("{reason}; its slot is kept for {grace} s after it was heard of");
            return step(kind(reason), FindingAction::Report, detail);
        }
        Some(Verdict::NotYet(Reason::LeaseRanOut, _) | Verdict::Held) | None => {}
    }
    if let Some(fault) = &slot.fault {
        let made_anew = *fault == Fault::MissingDirectory && request.force;
        return match made_anew {
            true => step(kind_of(fault), FindingAction::Release, fault.to_string()),
            false => step(
                kind_of(fault),
                FindingAction::Report,
                format!("{fault}; it is allocated, so release repairs it"),
            ),
        };
    }
    let held = slot.held.unwrap_or_default();
    if held > request.stale_after {
        let action = match request.release_stale && slot.may_go_stale {
            true => FindingAction::Release,
            false => FindingAction::Report,
        };
        return step(
            FindingKind::StaleAllocation,
            action,
            format!(
                "allocated for longer than {}",
                format_duration(request.stale_after)
            ),
        );
    }
    None
}

fn damaged(
    slot: &SlotFacts,
    step: impl Fn(FindingKind, FindingAction, String) -> Option<Step>,
) -> Option<Step> {
    if let Some(fault) = &slot.fault {
        let action = match fault {
            Fault::MissingDirectory | Fault::Replaced(_) => FindingAction::Rebuild,
            Fault::Mounted => FindingAction::Isolate,
            _ => FindingAction::Repair,
        };
        return step(kind_of(fault), action, fault.to_string());
    }
    let what = slot.unreadable.clone()?;
    step(FindingKind::DamagedSlot, FindingAction::Repair, what)
}

fn kind_of(fault: &Fault) -> FindingKind {
    match fault {
        Fault::MissingDirectory => FindingKind::MissingDirectory,
        Fault::Unregistered => FindingKind::LostRegistration,
        _ => FindingKind::DamagedSlot,
    }
}

/// git's lock files in a slot in which nobody works. An allocated slot's are its holder's, and go when
/// it is given back; where nobody can do that yet, they are told of.
fn lock_steps(slot: &SlotFacts) -> Vec<Step> {
    if slot.locked || slot.operation.is_some() {
        return Vec::new();
    }
    let action = match slot.state {
        SlotState::Available => FindingAction::Remove,
        SlotState::Allocated if matches!(slot.verdict, Some(Verdict::Doubtful(..))) => {
            FindingAction::Report
        }
        _ => return Vec::new(),
    };
    slot.git_locks
        .iter()
        .map(|(path, age)| Step {
            kind: FindingKind::StaleGitLock,
            action,
            slot: Some(slot.number),
            path: Some(path.clone()),
            detail: format!(
                "left by a killed git {} s ago: {}",
                age.as_secs(),
                path.display()
            ),
        })
        .collect()
}

/// Whether `known` is what became of this very step in an earlier round, or has said as much of the
/// same thing.
pub fn is_about(step: &Step, known: &Finding, pool: &PoolName) -> bool {
    let slot_id = step
        .slot
        .map(|number| SlotId::new(pool, number).to_string());
    if known.kind != step.kind || known.slot_id != slot_id {
        return false;
    }
    let of_the_same = match (&step.path, step.slot) {
        (Some(path), _) => known.detail.contains(&*path.to_string_lossy()),
        (None, Some(_)) => known.action == step.action,
        (None, None) => false,
    };
    // What became of bringing a slot back is the reason that it has now.
    let is_told = matches!(step.action, FindingAction::Report | FindingAction::Restore);
    known.detail.starts_with(&step.detail) || is_told && of_the_same
}

/// The finding that a step is shown as, before it is carried out.
pub fn finding(pool: &str, step: &Step) -> Finding {
    let slot_id = step.slot.map(|number| match PoolName::new(pool) {
        Ok(name) => SlotId::new(&name, number).to_string(),
        Err(_) => format!("{pool}/{}", names::dir_name(number)),
    });
    Finding {
        kind: step.kind,
        slot_id,
        repo_name: pool.to_owned(),
        action: step.action,
        result: match step.action {
            FindingAction::Report => FindingResult::Reported,
            _ => FindingResult::Planned,
        },
        detail: step.detail.clone(),
    }
}

#[cfg(test)]
mod tests;

//! From facts to a plan. Pure: the same facts give the same plan.

use std::path::PathBuf;

use super::Request;
use super::observe::{Facts, SlotFacts};
use crate::domain::lease::HolderState;
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
    let mut plan: Vec<Step> = facts
        .slots
        .iter()
        .filter_map(|slot| slot_step(slot, request))
        .collect();
    for slot in &facts.slots {
        plan.extend(lock_steps(slot));
    }
    let stray = |kind, action, paths: &[PathBuf], what: &str| -> Vec<Step> {
        paths
            .iter()
            .map(|path| Step {
                kind,
                action,
                slot: None,
                path: Some(path.clone()),
                detail: format!("{what}: {}", path.display()),
            })
            .collect()
    };
    use FindingAction::{Remove, Report};
    plan.extend(stray(
        FindingKind::ForeignDirectory,
        Report,
        &facts.foreign_directories,
        "no slot of the pool",
    ));
    plan.extend(stray(
        FindingKind::ForeignRegistration,
        Report,
        &facts.foreign_registrations,
        "a worktree that the pool did not make",
    ));
    plan.extend(stray(
        FindingKind::StaleGitLock,
        Remove,
        &facts.shared_git_locks,
        "left by a killed git",
    ));
    plan.extend(stray(
        FindingKind::Leftover,
        Remove,
        &facts.leftovers,
        "left by a killed command",
    ));
    plan.extend(stray(
        FindingKind::OrphanedLock,
        Remove,
        &facts.orphaned_locks,
        "of a slot that is no more",
    ));
    plan.retain(|step| request.only.is_empty() || request.only.contains(&step.kind));
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
    if let Some(operation) = slot.operation {
        let action = match operation {
            OperationKind::Add | OperationKind::Allocate | OperationKind::Create => {
                FindingAction::Undo
            }
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

/// An isolated slot waits for a person, who names it.
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
        (false, _) => FindingAction::Report,
    };
    step(
        FindingKind::IsolatedSlot,
        action,
        format!("out of use: {reason}"),
    )
}

fn held(
    slot: &SlotFacts,
    request: &Request,
    step: impl Fn(FindingKind, FindingAction, String) -> Option<Step>,
) -> Option<Step> {
    if slot.holder == Some(HolderState::Dead) {
        return match slot.inside {
            Some(pid) => step(
                FindingKind::DeadOwner,
                FindingAction::Report,
                format!("its holder is gone, but pid {pid} is inside"),
            ),
            None => step(
                FindingKind::DeadOwner,
                FindingAction::Release,
                "its holder is gone".into(),
            ),
        };
    }
    if let Some(fault) = &slot.fault {
        return step(
            kind_of(fault),
            FindingAction::Report,
            format!("{fault}; it is allocated, so release repairs it"),
        );
    }
    let held = slot.held.unwrap_or_default();
    if held > request.stale_after {
        let may_release = request.release_stale
            && slot.holder != Some(HolderState::Alive)
            && slot.inside.is_none();
        let action = if may_release {
            FindingAction::Release
        } else {
            FindingAction::Report
        };
        return step(
            FindingKind::StaleAllocation,
            action,
            format!("allocated for {} s", held.as_secs()),
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

/// git's lock files in a slot in which nobody works. An allocated slot's are its holder's.
fn lock_steps(slot: &SlotFacts) -> Vec<Step> {
    if slot.locked || slot.operation.is_some() || slot.state != SlotState::Available {
        return Vec::new();
    }
    slot.git_locks
        .iter()
        .map(|path| Step {
            kind: FindingKind::StaleGitLock,
            action: FindingAction::Remove,
            slot: Some(slot.number),
            path: Some(path.clone()),
            detail: format!("left by a killed git: {}", path.display()),
        })
        .collect()
}

/// Whether `known` is what became of this very step in an earlier round.
pub fn is_about(step: &Step, known: &Finding, pool: &PoolName) -> bool {
    let slot_id = step
        .slot
        .map(|number| SlotId::new(pool, number).to_string());
    known.kind == step.kind && known.slot_id == slot_id && known.detail.starts_with(&step.detail)
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
mod tests {
    use std::time::Duration;

    use super::*;

    fn slot(state: SlotState) -> SlotFacts {
        SlotFacts {
            number: 1,
            state,
            error: None,
            operation: None,
            locked: false,
            fault: None,
            unreadable: None,
            holder: None,
            held: None,
            git_locks: Vec::new(),
            inside: None,
        }
    }

    fn plan(slot: SlotFacts, request: &Request) -> Vec<(FindingKind, FindingAction)> {
        let facts = Facts {
            slots: vec![slot],
            ..Facts::default()
        };
        reconcile(&facts, request)
            .into_iter()
            .map(|step| (step.kind, step.action))
            .collect()
    }

    fn request() -> Request {
        Request {
            stale_after: Duration::from_secs(3600),
            ..Request::default()
        }
    }

    #[test]
    fn a_healthy_slot_and_one_that_is_worked_on_are_left_alone() {
        assert_eq!(plan(slot(SlotState::Available), &request()), []);
        let busy = SlotFacts {
            locked: true,
            operation: Some(OperationKind::Release),
            ..slot(SlotState::Cleaning)
        };
        assert_eq!(plan(busy, &request()), []);
    }

    #[test]
    fn a_live_holder_is_reported_and_never_robbed() {
        let held = SlotFacts {
            holder: Some(HolderState::Alive),
            held: Some(Duration::from_secs(90_000)),
            ..slot(SlotState::Allocated)
        };
        let forced = Request {
            release_stale: true,
            force: true,
            ..request()
        };
        assert_eq!(
            plan(held, &forced),
            [(FindingKind::StaleAllocation, FindingAction::Report)]
        );
    }

    #[test]
    fn a_dead_holders_slot_comes_back_unless_somebody_is_inside() {
        let dead = SlotFacts {
            holder: Some(HolderState::Dead),
            ..slot(SlotState::Allocated)
        };
        assert_eq!(
            plan(dead.clone(), &request()),
            [(FindingKind::DeadOwner, FindingAction::Release)]
        );
        let inside = SlotFacts {
            inside: Some(7),
            ..dead
        };
        assert_eq!(
            plan(inside, &request()),
            [(FindingKind::DeadOwner, FindingAction::Report)]
        );
    }

    #[test]
    fn an_isolated_slot_waits_until_it_is_named() {
        let out = slot(SlotState::Error);
        assert_eq!(
            plan(out.clone(), &request()),
            [(FindingKind::IsolatedSlot, FindingAction::Report)]
        );
        let named = Request {
            slot: Some(1),
            ..request()
        };
        assert_eq!(
            plan(out, &named),
            [(FindingKind::IsolatedSlot, FindingAction::Restore)]
        );
    }

    #[test]
    fn only_the_kinds_that_were_asked_for_are_planned() {
        let gone = SlotFacts {
            fault: Some(Fault::MissingDirectory),
            ..slot(SlotState::Available)
        };
        let other = Request {
            only: vec![FindingKind::Leftover],
            ..request()
        };
        assert_eq!(plan(gone.clone(), &other), []);
        assert_eq!(
            plan(gone, &request()),
            [(FindingKind::MissingDirectory, FindingAction::Rebuild)]
        );
    }
}

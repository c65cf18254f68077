use std::time::Duration;

use super::*;
use crate::domain::lease::Doubt;

fn slot(state: SlotState) -> SlotFacts {
    SlotFacts {
        number: 1,
        place: "/p/worktrees".into(),
        state,
        error: None,
        operation: None,
        waits_for: None,
        locked: false,
        fault: None,
        unreadable: None,
        verdict: None,
        held: None,
        may_go_stale: false,
        git_locks: Vec::new(),
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
fn a_release_that_waits_for_a_process_is_reported() {
    let waiting = SlotFacts {
        operation: Some(OperationKind::Release),
        waits_for: Some("pid 7 (vim)".into()),
        ..slot(SlotState::Cleaning)
    };
    let kind = FindingKind::UnfinishedOperation;
    assert_eq!(
        plan(waiting.clone(), &request()),
        [(kind, FindingAction::Report)]
    );
    let left = SlotFacts {
        waits_for: None,
        ..waiting
    };
    assert_eq!(plan(left, &request()), [(kind, FindingAction::Complete)]);
}

#[test]
fn what_is_old_is_reported_and_goes_only_where_it_may() {
    let mut held = SlotFacts {
        verdict: Some(Verdict::Held),
        held: Some(Duration::from_secs(90_000)),
        ..slot(SlotState::Allocated)
    };
    let forced = Request {
        release_stale: true,
        force: true,
        ..request()
    };
    let stale = |action| [(FindingKind::StaleAllocation, action)];
    assert_eq!(plan(held.clone(), &forced), stale(FindingAction::Report));
    held.may_go_stale = true;
    assert_eq!(plan(held.clone(), &request()), stale(FindingAction::Report));
    assert_eq!(plan(held, &forced), stale(FindingAction::Release));
}

#[test]
fn a_slot_comes_back_from_a_holder_only_by_the_verdict() {
    use Reason::{HolderGone, LeaseRanOut};
    let of = |verdict| SlotFacts {
        verdict: Some(verdict),
        ..slot(SlotState::Allocated)
    };
    let soon = Duration::from_secs(3);
    let inside = Doubt::Inside(7);
    let gone = |action| vec![(FindingKind::DeadOwner, action)];
    let ran_out = |action| vec![(FindingKind::ExpiredLease, action)];
    let (release, report) = (FindingAction::Release, FindingAction::Report);
    for (verdict, expected) in [
        (Verdict::Held, vec![]),
        (Verdict::Reclaimable(HolderGone), gone(release)),
        (Verdict::Reclaimable(LeaseRanOut), ran_out(release)),
        (Verdict::Doubtful(HolderGone, inside), gone(report)),
        (
            Verdict::Doubtful(LeaseRanOut, Doubt::Unseen),
            ran_out(report),
        ),
        (Verdict::NotYet(HolderGone, soon), gone(report)),
        (Verdict::NotYet(LeaseRanOut, soon), vec![]),
    ] {
        assert_eq!(plan(of(verdict), &request()), expected, "{verdict:?}");
    }
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

#[test]
fn damaged_objects_come_first_and_are_made_anew_by_force_only() {
    let facts = Facts {
        corrupt: Some("\nfatal: missing blob object\nmore".into()),
        slots: vec![SlotFacts {
            fault: Some(Fault::MissingDirectory),
            ..slot(SlotState::Available)
        }],
        ..Facts::default()
    };
    let plan = reconcile(&facts, &request());
    assert_eq!(plan[0].kind, FindingKind::CorruptObjects);
    assert_eq!(plan[0].action, FindingAction::Report);
    assert!(plan[0].detail.contains("(fatal: missing blob object)"));
    let forced = Request {
        force: true,
        ..request()
    };
    assert_eq!(reconcile(&facts, &forced)[0].action, FindingAction::Rebuild);
}

#[test]
fn slots_that_went_with_their_disk_are_not_missing_unless_forced() {
    let facts = Facts {
        unmounted: vec!["/p/worktrees".into()],
        slots: vec![SlotFacts {
            fault: Some(Fault::MissingDirectory),
            ..slot(SlotState::Available)
        }],
        ..Facts::default()
    };
    let kinds = |request: &Request| -> Vec<_> {
        let plan = reconcile(&facts, request);
        plan.into_iter()
            .map(|step| (step.kind, step.action))
            .collect()
    };
    assert_eq!(
        kinds(&request()),
        [(FindingKind::Unmounted, FindingAction::Report)]
    );
    let forced = Request {
        force: true,
        ..request()
    };
    assert_eq!(
        kinds(&forced),
        [(FindingKind::MissingDirectory, FindingAction::Rebuild)]
    );
}

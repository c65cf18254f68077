use jiff::Timestamp;
use proptest::prelude::*;

use super::super::tests::{allocation, nobody};
use super::super::{Lease, Owner};
use super::*;
use crate::domain::pool::BootInstant;
use crate::domain::process::ProcessStamp;

/// So many seconds of wall time, and of this boot.
fn moment(at: i64, boot: &str, seconds: u64) -> Moment {
    Moment {
        at: Timestamp::from_second(at).unwrap(),
        boot: BootInstant {
            boot_id: boot.into(),
            nanoseconds: seconds * 1_000_000_000,
        },
    }
}

fn stamp() -> ProcessStamp {
    ProcessStamp {
        host: "host".into(),
        boot_id: "boot".into(),
        pid_namespace: 1,
        pid: 7,
        start_time: 1,
    }
}

/// Held since 100 s after boot, at 1000 s of wall time.
fn held(ttl: Option<u64>) -> Allocation {
    let since = moment(1000, "boot", 100);
    Allocation {
        allocated_at: since.at,
        began: since.boot,
        lease: ttl.map(|seconds| Lease::new(Duration::from_secs(seconds))),
        ..allocation(false)
    }
}

/// The same with a named process.
fn owned(ttl: Option<u64>) -> Allocation {
    Allocation {
        owner: Owner {
            label: None,
            process: Some(stamp()),
        },
        ..held(ttl)
    }
}

fn at(now: Moment) -> HolderFacts {
    HolderFacts { now, ..nobody() }
}

fn with_owner(liveness: Liveness, now: Moment) -> HolderFacts {
    HolderFacts {
        owner: Some(liveness),
        ..at(now)
    }
}

const GONE: Verdict = Verdict::Reclaimable(Reason::HolderGone);
const RAN_OUT: Verdict = Verdict::Reclaimable(Reason::LeaseRanOut);

fn not_yet(reason: Reason, seconds: u64) -> Verdict {
    Verdict::NotYet(reason, Duration::from_secs(seconds))
}

#[test]
fn only_what_the_holder_named_can_prove_its_death() {
    let gone = HolderFacts {
        caller: Some(Liveness::Dead),
        ..nobody()
    };
    assert_eq!(holder_state(&held(None), &gone), HolderState::Unknown);
    assert_eq!(verdict(&held(None), &gone), Verdict::Held);
    let owner_gone = with_owner(Liveness::Dead, moment(9000, "boot", 900));
    assert_eq!(holder_state(&owned(None), &owner_gone), HolderState::Dead);
    assert_eq!(verdict(&owned(None), &owner_gone), GONE);
}

#[test]
fn one_sign_of_life_is_enough() {
    let exec = Allocation {
        holder_lock: true,
        ..owned(None)
    };
    for (lock, owner, state) in [
        (Some(true), Liveness::Dead, HolderState::Alive),
        (Some(false), Liveness::Alive, HolderState::Alive),
        (Some(false), Liveness::Dead, HolderState::Dead),
        (Some(false), Liveness::Unknown, HolderState::Unknown),
        (None, Liveness::Dead, HolderState::Unknown),
        (None, Liveness::Alive, HolderState::Alive),
    ] {
        let facts = HolderFacts {
            holder_lock: lock,
            ..with_owner(owner, moment(1000, "boot", 100))
        };
        assert_eq!(holder_state(&exec, &facts), state, "{lock:?} {owner:?}");
    }
}

#[test]
fn a_free_holder_lock_needs_no_grace() {
    let exec = Allocation {
        holder_lock: true,
        ..held(None)
    };
    let free = HolderFacts {
        holder_lock: Some(false),
        ..at(moment(1000, "boot", 100))
    };
    assert_eq!(verdict(&exec, &free), GONE);
}

#[test]
fn a_dead_owner_has_a_grace_period_from_when_it_was_last_heard_of() {
    let dead = |seconds| with_owner(Liveness::Dead, moment(1000, "boot", seconds));
    assert_eq!(
        verdict(&owned(None), &dead(100)),
        not_yet(Reason::HolderGone, 10)
    );
    assert_eq!(
        verdict(&owned(None), &dead(109)),
        not_yet(Reason::HolderGone, 1)
    );
    assert_eq!(verdict(&owned(None), &dead(110)), GONE);
    let mut renewed = owned(Some(3600));
    renewed.renew(Duration::from_secs(3600), moment(1500, "boot", 600));
    assert_eq!(
        verdict(&renewed, &dead(605)),
        not_yet(Reason::HolderGone, 5)
    );
    assert_eq!(
        verdict(&renewed, &dead(610)),
        GONE,
        "death ends a lease early"
    );
}

#[test]
fn after_another_boot_the_grace_period_begins_with_it() {
    for wall in [0, 1000, 1_000_000] {
        let dead = |up| with_owner(Liveness::Dead, moment(wall, "next boot", up));
        assert_eq!(
            verdict(&owned(None), &dead(4)),
            not_yet(Reason::HolderGone, 6)
        );
        assert_eq!(verdict(&owned(None), &dead(10)), GONE);
    }
}

#[test]
fn a_lease_runs_by_the_clock_of_the_boot_whatever_the_wall_clock_says() {
    for wall in [0, 1000, 1_000_000] {
        let now = |seconds| at(moment(wall, "boot", seconds));
        assert_eq!(verdict(&held(Some(60)), &now(159)), Verdict::Held);
        assert_eq!(
            verdict(&held(Some(60)), &now(160)),
            not_yet(Reason::LeaseRanOut, 10)
        );
        assert_eq!(
            verdict(&held(Some(60)), &now(169)),
            not_yet(Reason::LeaseRanOut, 1)
        );
        assert_eq!(verdict(&held(Some(60)), &now(170)), RAN_OUT);
    }
}

#[test]
fn across_boots_a_lease_runs_by_the_wall_clock_and_its_holder_may_renew_after_the_start() {
    let now = |wall, up| at(moment(wall, "next boot", up));
    assert_eq!(verdict(&held(Some(60)), &now(1059, 500)), Verdict::Held);
    assert_eq!(
        verdict(&held(Some(60)), &now(1065, 500)),
        not_yet(Reason::LeaseRanOut, 5)
    );
    assert_eq!(verdict(&held(Some(60)), &now(1070, 500)), RAN_OUT);
    assert_eq!(
        verdict(&held(Some(60)), &now(9000, 3)),
        not_yet(Reason::LeaseRanOut, 7)
    );
}

#[test]
fn a_clock_that_was_set_back_is_for_a_person() {
    let doubt = Verdict::Doubtful(Reason::LeaseRanOut, Doubt::Clock);
    assert_eq!(
        verdict(&held(Some(60)), &at(moment(999, "next boot", 500))),
        doubt
    );
    assert_eq!(verdict(&held(Some(60)), &at(moment(9000, "", 500))), doubt);
}

#[test]
fn a_lease_ends_nothing_while_what_was_named_may_live() {
    let late = moment(9000, "boot", 9000);
    let alive = with_owner(Liveness::Alive, late.clone());
    assert_eq!(verdict(&owned(Some(60)), &alive), Verdict::Held);
    let unseen = with_owner(Liveness::Unknown, late.clone());
    let doubt = Verdict::Doubtful(Reason::LeaseRanOut, Doubt::Unseen);
    assert_eq!(verdict(&owned(Some(60)), &unseen), doubt);
    let exec = Allocation {
        holder_lock: true,
        ..held(Some(60))
    };
    assert_eq!(verdict(&exec, &at(late)), doubt);
}

#[test]
fn a_renewal_begins_the_lease_anew() {
    let mut leased = held(Some(60));
    leased.renew(Duration::from_secs(30), moment(1055, "boot", 155));
    let now = |seconds| at(moment(1000, "boot", seconds));
    assert_eq!(verdict(&leased, &now(184)), Verdict::Held);
    assert_eq!(verdict(&leased, &now(195)), RAN_OUT);
}

#[test]
fn a_process_inside_is_for_a_person() {
    let facts = HolderFacts {
        inside: Some(9),
        ..with_owner(Liveness::Dead, moment(9000, "boot", 900))
    };
    let doubt = Verdict::Doubtful(Reason::HolderGone, Doubt::Inside(9));
    assert_eq!(verdict(&owned(None), &facts), doubt);
}

#[test]
fn what_is_old_goes_only_if_nothing_stands_against_it() {
    let hour = Duration::from_secs(3600);
    let facts = at(moment(1000, "boot", 5000));
    assert!(may_take_stale(&held(None), &facts, hour));
    assert!(!may_take_stale(&held(None), &facts, 2 * hour));
    let inside = HolderFacts {
        inside: Some(9),
        ..facts.clone()
    };
    assert!(!may_take_stale(&held(None), &inside, hour));
    assert!(
        !may_take_stale(&held(Some(9000)), &facts, hour),
        "its lease runs"
    );
    assert!(may_take_stale(&held(Some(60)), &facts, hour));
    for life in [Liveness::Alive, Liveness::Unknown] {
        let owner = with_owner(life, facts.now.clone());
        assert!(!may_take_stale(&owned(None), &owner, hour), "{life:?}");
    }
    let caller = HolderFacts {
        caller: Some(Liveness::Alive),
        ..facts
    };
    assert!(!may_take_stale(&held(None), &caller, hour));
}

#[test]
fn a_wall_clock_that_jumps_makes_nothing_old() {
    let jumped = moment(1_000_000, "boot", 200);
    assert_eq!(age(&held(None), &jumped), Duration::from_secs(100));
    let back = moment(0, "next boot", 200);
    assert_eq!(age(&held(None), &back), Duration::ZERO);
}

fn liveness() -> impl Strategy<Value = Liveness> {
    prop_oneof![
        Just(Liveness::Alive),
        Just(Liveness::Dead),
        Just(Liveness::Unknown)
    ]
}

fn any_moment() -> impl Strategy<Value = Moment> {
    let boot = prop_oneof![Just("boot"), Just("next boot"), Just("")];
    (-10_000_000i64..10_000_000, boot, 0u64..10_000_000)
        .prop_map(|(at, boot, seconds)| moment(at, boot, seconds))
}

prop_compose! {
    /// Any allocation with any facts about it that can be seen together.
    fn any_case()(
        lock: bool,
        seen_lock: Option<bool>,
        owner in proptest::option::of(liveness()),
        caller in proptest::option::of(liveness()),
        ttl in proptest::option::of(0u64..10_000_000),
        inside in proptest::option::of(1u32..9),
        began in any_moment(),
        renewed in proptest::option::of(any_moment()),
        now in any_moment(),
    ) -> (Allocation, HolderFacts) {
        let mut held = Allocation {
            allocated_at: began.at,
            began: began.boot,
            lease: ttl.map(|seconds| Lease::new(Duration::from_secs(seconds))),
            owner: Owner { label: None, process: owner.map(|_| stamp()) },
            ..allocation(lock)
        };
        if let Some(lease) = &mut held.lease {
            lease.renewed = renewed;
        }
        let facts = HolderFacts {
            owner,
            caller,
            holder_lock: seen_lock.filter(|_| lock),
            inside,
            ..at(now)
        };
        (held, facts)
    }
}

proptest! {
    #[test]
    fn a_live_owner_is_never_robbed((held, facts) in any_case(), stale in 0u64..10_000_000) {
        let alive = facts.owner == Some(Liveness::Alive) || facts.holder_lock == Some(true);
        if alive {
            prop_assert_eq!(verdict(&held, &facts), Verdict::Held);
            prop_assert!(!may_take_stale(&held, &facts, Duration::from_secs(stale)));
        }
    }

    #[test]
    fn nothing_is_taken_without_proof((held, facts) in any_case()) {
        match verdict(&held, &facts) {
            Verdict::Reclaimable(Reason::HolderGone) => {
                prop_assert_eq!(holder_state(&held, &facts), HolderState::Dead);
                prop_assert_eq!(facts.inside, None);
            }
            Verdict::Reclaimable(Reason::LeaseRanOut) => {
                prop_assert!(held.lease.is_some() && facts.owner.is_none() && !held.holder_lock);
                prop_assert_eq!(facts.inside, None);
            }
            _ => {}
        }
    }

    #[test]
    fn within_a_boot_the_wall_clock_has_no_say(
        (held, facts) in any_case(),
        seconds in 0u64..10_000_000,
        wall in any_moment(),
    ) {
        let mut facts = facts;
        facts.now.boot = held.last_sign().boot;
        facts.now.boot.nanoseconds += seconds * 1_000_000_000;
        let mut jumped = facts.clone();
        jumped.now.at = wall.at;
        prop_assert_eq!(verdict(&held, &facts), verdict(&held, &jumped));
    }

    #[test]
    fn what_is_not_yet_reclaimable_is_when_the_time_has_passed((held, facts) in any_case()) {
        let sign = held.last_sign().boot;
        let in_order = sign.boot_id != facts.now.boot.boot_id
            || facts.now.boot.since(&sign).is_some();
        if let (true, Verdict::NotYet(reason, left)) = (in_order, verdict(&held, &facts)) {
            let mut later = HolderFacts { inside: None, ..facts };
            later.now.boot.nanoseconds += left.as_nanos() as u64;
            later.now.at = later.now.at.checked_add(left).unwrap();
            prop_assert_eq!(verdict(&held, &later), Verdict::Reclaimable(reason));
        }
    }
}

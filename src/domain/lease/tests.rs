use super::*;

pub(super) fn allocation(holder_lock: bool) -> Allocation {
    Allocation {
        id: "a".repeat(32),
        generation: 1,
        allocated_at: Timestamp::UNIX_EPOCH,
        began: BootInstant::default(),
        lease: None,
        owner: Owner::default(),
        caller: None,
        holder_lock,
        commit: String::new(),
        branch: String::new(),
        named_branch: false,
        for_commit: false,
        key: None,
        metadata: Map::new(),
        measured: None,
    }
}

pub(super) fn nobody() -> HolderFacts {
    HolderFacts {
        owner: None,
        caller: None,
        holder_lock: None,
        owner_is_ours: false,
        caller_is_ours: false,
        inside: None,
        now: Moment {
            at: Timestamp::UNIX_EPOCH,
            boot: BootInstant::default(),
        },
    }
}

/// Whether it is refused for a holder's sake without force, and logged with it.
fn protected(held: &Allocation, facts: &HolderFacts) -> bool {
    let without = may_release(held, None, facts, false);
    let with = may_release(held, None, facts, true);
    match (without, with) {
        (Permission::HeldBy(one), Permission::Forced(other)) => one == other,
        (Permission::Granted, Permission::Granted) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_right_id_always_releases_and_a_wrong_one_never() {
    let held = allocation(false);
    let alive = HolderFacts {
        owner: Some(Liveness::Alive),
        ..nobody()
    };
    let right = may_release(&held, Some(&held.id), &alive, false);
    assert_eq!(right, Permission::Granted);
    for force in [false, true] {
        let wrong = may_release(&held, Some("b"), &nobody(), force);
        assert_eq!(wrong, Permission::WrongId);
    }
}

#[test]
fn a_live_stranger_is_protected_but_not_from_an_operator() {
    let alive = HolderFacts {
        caller: Some(Liveness::Alive),
        ..nobody()
    };
    assert!(protected(&allocation(false), &alive));
    let ours = HolderFacts {
        caller_is_ours: true,
        ..alive
    };
    assert!(!protected(&allocation(false), &ours));
}

#[test]
fn a_live_exec_is_protected_where_only_its_lock_is_seen() {
    let elsewhere = HolderFacts {
        caller: Some(Liveness::Unknown),
        holder_lock: Some(true),
        ..nobody()
    };
    assert!(protected(&allocation(true), &elsewhere));
    let ended = HolderFacts {
        holder_lock: Some(false),
        ..elsewhere
    };
    assert!(!protected(&allocation(true), &ended));
}

#[test]
fn what_was_named_protects_also_unseen_and_the_caller_only_seen() {
    let unseen = HolderFacts {
        owner: Some(Liveness::Unknown),
        ..nobody()
    };
    assert!(protected(&allocation(false), &unseen));
    let caller = HolderFacts {
        caller: Some(Liveness::Unknown),
        ..nobody()
    };
    assert!(!protected(&allocation(false), &caller));
}

#[test]
fn a_dead_owner_and_a_dead_caller_protect_nothing() {
    let gone = HolderFacts {
        owner: Some(Liveness::Dead),
        caller: Some(Liveness::Dead),
        ..nobody()
    };
    assert!(!protected(&allocation(false), &gone));
}

#[test]
fn a_lease_ends_its_time_after_the_last_renewal() {
    let mut held = allocation(false);
    assert_eq!(held.expires_at(), None);
    held.lease = Some(Lease::new(Duration::from_secs(60)));
    assert_eq!(held.expires_at(), Timestamp::from_second(60).ok());
    let later = Moment {
        at: Timestamp::from_second(50).unwrap(),
        ..nobody().now
    };
    held.renew(Duration::from_secs(30), later);
    assert_eq!(held.expires_at(), Timestamp::from_second(80).ok());
}

#[test]
fn an_allocation_of_an_older_version_is_read() {
    let old = r#"{"id":"x","generation":3,"allocated_at":"2026-01-01T00:00:00Z","commit":"c","branch":"b"}"#;
    let read: Allocation = serde_json::from_str(old).unwrap();
    assert_eq!(read.lease, None);
    let text = serde_json::to_string(&read).unwrap();
    assert_eq!(read, serde_json::from_str(&text).unwrap());
}

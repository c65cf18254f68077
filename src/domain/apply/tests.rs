use proptest::prelude::*;
use proptest::strategy::Strategy as Given;

use super::*;
use crate::domain::pool::Strategy;

fn name(text: &str) -> PoolName {
    PoolName::new(text).unwrap()
}

fn declared(text: &str, slots: u32) -> Declared {
    Declared {
        name: name(text),
        url: RemoteUrl::new(&format!("https://example.com/{text}.git")).unwrap(),
        slots,
        most: slots,
        strategy: Strategy::Worktree,
        base: None,
        made_with: Vec::new(),
    }
}

/// A pool with slots 1, 2, …; those that are `true` are held.
fn made(text: &str, held: &[bool]) -> Made {
    let slots = held.iter().enumerate().map(|(at, held)| KnownSlot {
        number: at as u32 + 1,
        kept: held.then(|| "is allocated to agent-7".to_owned()),
    });
    Made {
        url: format!("https://example.com/{text}.git"),
        strategy: Strategy::Worktree,
        made_with: vec![("filter", None), ("depth", Some("5".into()))],
        declared: true,
        base: Some("main".into()),
        slots: slots.collect(),
        kept: None,
    }
}

fn known(text: &str, made: Made) -> Known {
    Known {
        name: name(text),
        state: State::Made(made),
    }
}

fn steps_of(planned: &[Planned]) -> Vec<String> {
    let shown = planned
        .iter()
        .map(|planned| format!("{} {:?}", planned.name, planned.step));
    shown.collect()
}

#[test]
fn what_is_declared_is_made_grown_or_left() {
    let wanted = [declared("new", 3), declared("more", 4), declared("same", 1)];
    let there = [
        known("more", made("more", &[true, false])),
        known("same", made("same", &[false])),
    ];
    let planned = plan(&wanted, &there, false);
    assert_eq!(
        steps_of(&planned),
        [
            "new CreatePool { repo_url: \"https://example.com/new.git\", num_slots: 3 }",
            "more AddSlots { from: 2, to: 4 }",
            "same Unchanged { num_slots: 1 }",
        ]
    );
}

#[test]
fn nothing_goes_unless_it_is_asked_for() {
    let wanted = [declared("less", 1)];
    let there = [
        known("less", made("less", &[false; 3])),
        known("gone", made("gone", &[false])),
    ];
    let planned = plan(&wanted, &there, false);
    assert!(planned.iter().all(|planned| !planned.step.changes()));
    assert_eq!(
        steps_of(&planned),
        [
            "less SpareSlots { num_slots: 3, declared: 1 }",
            "gone SparePool",
        ]
    );
}

#[test]
fn what_a_pool_grew_by_on_demand_is_no_surplus() {
    let mut wanted = declared("p", 1);
    wanted.most = 3;
    let grown = [known("p", made("p", &[false; 3]))];
    let wanted = [wanted];
    assert_eq!(
        steps_of(&plan(&wanted, &grown, false)),
        ["p Unchanged { num_slots: 3 }"]
    );
    let pruned = plan(&wanted, &grown, true);
    assert_eq!(
        pruned
            .iter()
            .filter(|planned| planned.step.changes())
            .count(),
        2
    );
    let beyond = [known("p", made("p", &[false; 4]))];
    assert_eq!(
        steps_of(&plan(&wanted, &beyond, false)),
        ["p SpareSlots { num_slots: 4, declared: 1 }"]
    );
}

#[test]
fn the_highest_idle_slots_go_and_held_ones_are_named() {
    let wanted = [declared("p", 1)];
    let there = [known("p", made("p", &[false, true, false, true, false]))];
    let numbers: Vec<(bool, Option<u32>)> = plan(&wanted, &there, true)
        .iter()
        .map(|planned| (planned.step.changes(), planned.step.slot()))
        .collect();
    assert_eq!(
        numbers,
        [
            (true, Some(5)),
            (true, Some(3)),
            (true, Some(1)),
            (false, Some(4))
        ]
    );
}

#[test]
fn a_pool_that_was_declared_goes_unless_it_holds_something() {
    let mut held = made("held", &[true]);
    held.kept = Some("slot1 is allocated".into());
    let mut foreign = made("foreign", &[false]);
    foreign.declared = false;
    let there = [
        known("old", made("old", &[false, false])),
        known("held", held),
        known("foreign", foreign),
    ];
    assert_eq!(
        steps_of(&plan(&[], &there, true)),
        [
            "old RemovePool { num_slots: 2 }",
            "held KeepPool { reason: \"slot1 is allocated\" }",
        ]
    );
}

#[test]
fn a_pool_made_by_hand_is_adopted_and_a_new_base_is_taken() {
    let mut there = made("p", &[false]);
    there.declared = false;
    let mut wanted = declared("p", 1);
    wanted.base = Some("dev".into());
    let planned = plan(&[wanted], &[known("p", there)], true);
    assert_eq!(
        steps_of(&planned),
        [
            "p AdoptPool",
            "p ChangeBase { from: Some(\"main\"), to: \"dev\" }"
        ]
    );
}

#[test]
fn another_url_and_another_spelling_are_conflicts() {
    let mut moved = made("moved", &[false]);
    moved.url = "https://example.com/elsewhere.git".into();
    let there = [known("moved", moved), known("Case", made("Case", &[]))];
    let wanted = [declared("moved", 1), declared("case", 1)];
    let found = conflicts(&wanted, &there);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].key, Some("repo_url"));
    assert!(found[0].wrong.contains("remove-pool moved"), "{found:?}");
    assert_eq!(found[1].key, None);
    assert!(found[1].wrong.contains("Case"), "{found:?}");
    assert_eq!(
        conflicts(&[declared("same", 9)], &[known("same", made("same", &[]))]),
        []
    );
}

#[test]
fn what_a_pool_was_made_with_is_not_changed() {
    let wrong = |key, value: Option<&str>| {
        let mut wanted = declared("p", 1);
        wanted.made_with = vec![(key, value.map(str::to_owned))];
        let found = conflicts(&[wanted], &[known("p", made("p", &[]))]);
        found
            .into_iter()
            .map(|found| (found.key, found.wrong))
            .next()
    };
    assert_eq!(wrong("filter", None), None);
    assert_eq!(wrong("depth", Some("5")), None);
    let (key, text) = wrong("depth", None).expect("a conflict");
    assert!(key == Some("depth") && text.contains("with 5"), "{text}");
    let (key, text) = wrong("filter", Some("blob:none")).expect("a conflict");
    assert!(
        key == Some("filter") && text.contains("without it"),
        "{text}"
    );
}

#[test]
fn a_pool_that_cannot_be_read_is_named_only_where_it_is_declared() {
    let broken = |text: &str| Known {
        name: name(text),
        state: State::Unusable("torn".into()),
    };
    let planned = plan(&[declared("p", 1)], &[broken("p"), broken("q")], true);
    assert_eq!(steps_of(&planned), ["p Unusable { reason: \"torn\" }"]);
}

/// Carries a plan out on what is known, as if nothing went wrong.
fn carried_out(known: &[Known], wanted: &[Declared], planned: &[Planned]) -> Vec<Known> {
    let mut after: Vec<Known> = known.to_vec();
    for Planned { name, step } in planned {
        let wanted = wanted.iter().find(|pool| pool.name == *name);
        if let (Step::CreatePool { num_slots, .. }, Some(wanted)) = (step, wanted) {
            let mut new = made(name.as_str(), &vec![false; *num_slots as usize]);
            new.base = wanted.base.clone().or(new.base);
            after.retain(|known| known.name != *name);
            after.push(Known {
                name: name.clone(),
                state: State::Made(new),
            });
            continue;
        }
        if matches!(step, Step::RemovePool { .. }) {
            after.retain(|known| known.name != *name);
        }
        let pool = after.iter_mut().find(|known| known.name == *name);
        let Some(State::Made(pool)) = pool.map(|known| &mut known.state) else {
            continue;
        };
        match step {
            Step::AdoptPool => pool.declared = true,
            Step::ChangeBase { to, .. } => pool.base = Some(to.clone()),
            Step::AddSlots { to, .. } => {
                let free = (1..).filter(|n| pool.slots.iter().all(|slot| slot.number != *n));
                let count = *to as usize - pool.slots.len();
                let new: Vec<u32> = free.take(count).collect();
                let new = new
                    .into_iter()
                    .map(|number| KnownSlot { number, kept: None });
                pool.slots.extend(new);
            }
            Step::RemoveSlot { number, .. } => pool.slots.retain(|slot| slot.number != *number),
            _ => {}
        }
    }
    after
}

fn any_known() -> impl Given<Value = Known> {
    let slots = proptest::collection::btree_map(1u32..9, any::<bool>(), 0..7);
    let parts = (0usize..5, slots, any::<bool>(), any::<bool>(), 0u8..8);
    parts.prop_map(|(at, slots, declared, kept, odd)| {
        let text = POOLS[at];
        let state = match odd {
            0 => State::Unmade,
            1 => State::Unusable("torn".into()),
            _ => State::Made(Made {
                declared,
                kept: kept.then(|| "holds work".to_owned()),
                slots: slots
                    .into_iter()
                    .map(|(number, held)| KnownSlot {
                        number,
                        kept: held.then(|| "is held".to_owned()),
                    })
                    .collect(),
                ..made(text, &[])
            }),
        };
        Known {
            name: name(text),
            state,
        }
    })
}

fn any_declared() -> impl Given<Value = Declared> {
    (0usize..5, 1u32..8, any::<bool>()).prop_map(|(at, slots, dev)| Declared {
        base: dev.then(|| "dev".to_owned()),
        ..declared(POOLS[at], slots)
    })
}

const POOLS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn unique<T>(mut items: Vec<T>, name: impl Fn(&T) -> PoolName) -> Vec<T> {
    let mut seen = std::collections::BTreeSet::new();
    items.retain(|item| seen.insert(name(item)));
    items
}

proptest! {
    /// What was carried out leaves nothing to change, and what must stay stays.
    #[test]
    fn a_second_plan_changes_nothing(
        wanted in proptest::collection::vec(any_declared(), 0..5),
        there in proptest::collection::vec(any_known(), 0..5),
        prune in any::<bool>(),
    ) {
        let wanted = unique(wanted, |pool| pool.name.clone());
        let there = unique(there, |pool| pool.name.clone());
        let planned = plan(&wanted, &there, prune);
        let after = carried_out(&there, &wanted, &planned);
        let again = plan(&wanted, &after, prune);
        prop_assert!(again.iter().all(|planned| !planned.step.changes()), "{:?}", again);
        for Planned { name, step } in &planned {
            let removes = matches!(step, Step::RemoveSlot { .. } | Step::RemovePool { .. });
            prop_assert!(prune || !removes);
            let before = there.iter().find(|known| known.name == *name);
            if let Some(State::Made(before)) = before.map(|known| &known.state) {
                let is_declared = wanted.iter().any(|pool| pool.name == *name);
                prop_assert!(is_declared || before.declared, "{} was never declared", name);
                if let Step::RemoveSlot { number, .. } = step {
                    let slot = before.slots.iter().find(|slot| slot.number == *number);
                    prop_assert!(slot.is_some_and(|slot| slot.kept.is_none()));
                }
                let pool_goes = matches!(step, Step::RemovePool { .. });
                prop_assert!(!pool_goes || before.kept.is_none());
            }
        }
        for pool in &wanted {
            let Some(State::Made(now)) = after.iter().find(|known| known.name == pool.name).map(|known| &known.state) else {
                continue;
            };
            let held = now.slots.iter().filter(|slot| slot.kept.is_some()).count();
            prop_assert!(now.slots.len() as u32 >= pool.slots);
            if prune {
                prop_assert_eq!(now.slots.len(), held.max(pool.slots as usize));
            }
        }
    }
}

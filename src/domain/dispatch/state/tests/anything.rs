//! Anything that can happen.

use super::*;

/// Anything that can happen, to a task of a small run.
#[derive(Debug, Clone, Copy)]
enum Thing {
    Assign,
    Complete,
    Fail,
    FailForNow,
    NoSlot,
    Cancel,
    Retry,
    Ask,
    Drop,
    Add,
    Due,
}

fn things() -> impl Strategy<Value = Vec<(usize, Thing)>> {
    use Thing::*;
    let thing = prop::sample::select(vec![
        Assign, Assign, Assign, Complete, Complete, Fail, FailForNow, NoSlot, Cancel, Retry, Ask,
        Drop, Add, Due,
    ]);
    prop::collection::vec((0_usize..8, thing), 0..60)
}

fn happens(told: &mut Told, id: &str, thing: Thing) -> Changes {
    let progress = told.progress(id).clone();
    let open = progress.open.as_ref().map(|open| open.id.clone());
    let no_more = Changes::default();
    match (thing, open) {
        (Thing::Assign, None) if progress.state == TaskState::Ready => {
            told.assign(id);
            no_more
        }
        (Thing::Complete, Some(open)) => told.done(&open),
        (Thing::Fail, Some(open)) => told.fails(&open, None),
        (Thing::FailForNow, Some(open)) => told.fails(&open, Some(3.0)),
        (Thing::NoSlot, Some(attempt)) => told.tell(Event::SlotUnavailable {
            attempt,
            branch: None,
            pool: "app".into(),
            reason: "all in use".into(),
        }),
        (Thing::Cancel, _) => told.tell(cancel(id)),
        (Thing::Retry, _) => told.tell(retry(id)),
        (Thing::Ask, Some(_)) => told.tell(Event::NeedsAttention {
            task: Some(id.into()),
            question: "?".into(),
            command: "!".into(),
        }),
        (Thing::Drop, None) => told.tell(Event::TaskDropped { task: id.into() }),
        (Thing::Add, _) => told.tell(Event::TaskAdded { task: id.into() }),
        (Thing::Due, _) => Changes {
            ready: told.state.due(at(told.n as i64)),
            ..no_more
        },
        _ => no_more,
    }
}

proptest! {
    #[test]
    fn after_anything_every_task_stands_where_its_dependencies_put_it(
        depends in prop::collection::vec(prop::collection::vec(0_usize..8, 0..3), 8),
        always in prop::collection::vec(any::<bool>(), 8),
        things in things(),
    ) {
        let tasks: Vec<Task> = depends.iter().enumerate().map(|(id, on)| Task {
            depends: on.iter().filter(|on| **on < id).map(|on| on.to_string().into()).collect(),
            when: if always[id] { When::Always } else { When::Success },
            ..task(&id.to_string())
        }).collect();
        let mut told = Told::of(tasks);
        let mut ready: BTreeSet<Index> = told.state.ready().collect();
        for (task, thing) in things {
            let changes = happens(&mut told, &task.to_string(), thing);
            let state = &told.state;
            for task in &changes.withdrawn {
                prop_assert!(ready.remove(task));
            }
            ready.extend(&changes.ready);
            ready.retain(|task| state.progress(*task).state != TaskState::Running);
            prop_assert_eq!(&ready, &state.ready().collect());
            for task in 0..8 {
                let found = state.progress(task).state;
                let of = |wanted: ForDependents| state.graph.depends(task)
                    .filter(|d| state.progress(*d).state.for_dependents() == wanted).count() as u32;
                let (open, bad) = (of(ForDependents::Open), of(ForDependents::Bad));
                prop_assert_eq!((open, bad), (state.open[task], state.bad[task]));
                if found.follows_dependencies() {
                    prop_assert_eq!(found, by_dependencies(state.tasks[task].when, open, bad));
                }
                prop_assert_eq!(found == TaskState::Running, state.progress(task).open.is_some());
                prop_assert_eq!(found == TaskState::Retrying, state.progress(task).retry_at.is_some());
                prop_assert!(found != TaskState::Blocked || state.blocker(task).is_some());
            }
            for wanted in TaskState::ALL {
                prop_assert_eq!(state.count(wanted), state.in_state(wanted).count());
            }
        }
    }
}

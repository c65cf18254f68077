use super::super::course::Scope;
use super::*;
use crate::domain::dispatch::testing::{after, agent_pool, rules, task};
use crate::domain::dispatch::{Event, Initial, Task};

fn found(tasks: Vec<Task>, enabled: bool) -> (RunState, Vec<Standstill>) {
    let state = RunState::new(tasks.into());
    let mut pool = agent_pool("local", 1);
    pool.enabled = enabled;
    let mut scheduler = Scheduler::resume(&state, &[pool], &rules());
    let found = standstill(
        &state,
        &Scope::default(),
        &mut scheduler,
        &[],
        Timestamp::UNIX_EPOCH,
    );
    (state, found)
}

fn questions(tasks: Vec<Task>, enabled: bool) -> Vec<(String, String)> {
    let (state, found) = found(tasks, enabled);
    found
        .iter()
        .map(|found| found.question(&state, "r"))
        .collect()
}

fn failed(id: &str) -> Task {
    Task {
        initial: Initial::Failed,
        ..task(id)
    }
}

#[test]
fn a_run_that_can_go_on_does_not_stand_still() {
    let (state, found) = found(vec![failed("1"), task("2"), after("3", &["1"])], true);
    assert_eq!(found, []);
    assert_eq!(state.count(TaskState::Failed), 1);
}

#[test]
fn each_obstacle_is_told_with_the_command_that_helps() {
    assert_eq!(
        questions(vec![after("a b", &["2"]), after("2", &["a b"])], true),
        [(
            "tasks wait for each other: a b -> 2 -> a b".to_owned(),
            "repo-pool dispatch cancel 'a b' --run r".to_owned()
        )]
    );
    assert_eq!(
        questions(vec![task("1"), task("2")], false),
        [(
            "tasks 1, 2 can't run: agent pool local is disabled".to_owned(),
            "repo-pool dispatch pool enable local --run r".to_owned()
        )]
    );
    let blocked = (2..7).map(|id| after(&id.to_string(), &["1"]));
    assert_eq!(
        questions([failed("1")].into_iter().chain(blocked).collect(), true),
        [(
            "tasks 2, 3, 4 and 2 more are blocked: task 1 failed".to_owned(),
            "repo-pool dispatch retry 1 --run r".to_owned()
        )]
    );
}

#[test]
fn only_what_somebody_disabled_while_it_went_on_is_a_pause() {
    let (state, found) = found(vec![task("1")], false);
    assert!(!found[0].is_pause(&state), "its settings say so");
    let mut state = RunState::new(vec![task("1")].into());
    let disabled = Event::AgentPoolChanged {
        agent_pool: "local".into(),
        enabled: Some(false),
        max_concurrency: None,
    };
    state.happened(disabled, Timestamp::UNIX_EPOCH);
    let mut scheduler = Scheduler::resume(&state, &[agent_pool("local", 1)], &rules());
    let (scope, now) = (Scope::default(), Timestamp::UNIX_EPOCH);
    let found = standstill(&state, &scope, &mut scheduler, &[], now);
    assert!(found[0].is_pause(&state), "{found:?}");
}

#[test]
fn a_repository_that_gets_no_slot_back_is_not_waited_for() {
    let tasks = vec![Task {
        repo: Some("app".into()),
        ..task("1")
    }];
    let state = RunState::new(tasks.into());
    let mut scheduler = Scheduler::resume(&state, &[agent_pool("local", 1)], &rules());
    assert!(scheduler.next(0).is_some());
    scheduler.without_slot(0, 0, 5000);
    let mut found = |lost: &[Lost]| {
        let now = Timestamp::UNIX_EPOCH;
        standstill(&state, &Scope::default(), &mut scheduler, lost, now)
    };
    assert_eq!(found(&[]), []);
    let held = |n: u32| held::Held {
        slot: format!("workspace-app-slot{n}"),
        task: "0".into(),
    };
    let lost = Lost::of("app".into(), &[held(1), held(2)]).expect("slots");
    let found = found(&[lost]);
    let questions: Vec<_> = found
        .iter()
        .map(|found| found.question(&state, "run"))
        .collect();
    assert_eq!(
        questions,
        [(
            "task 1 can't run: no slot of app comes back by itself: slot workspace-app-slot1 holds \
             what task 0 left there, and could not be given back; so it is with 1 more"
                .to_owned(),
            "repo-pool release workspace-app-slot1".to_owned()
        )]
    );
}

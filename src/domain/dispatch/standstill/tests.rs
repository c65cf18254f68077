use super::super::course::Scope;
use super::*;
use crate::domain::dispatch::testing::{after, agent_pool, rules, task};
use crate::domain::dispatch::{Initial, Task};

fn found(tasks: Vec<Task>, enabled: bool) -> (RunState, Vec<Standstill>) {
    let state = RunState::new(tasks.into());
    let mut pool = agent_pool("local", 1);
    pool.enabled = enabled;
    let mut scheduler = Scheduler::resume(&state, &[pool], &rules());
    let found = standstill(
        &state,
        &Scope::default(),
        &mut scheduler,
        Timestamp::UNIX_EPOCH,
    );
    (state, found)
}

fn questions(tasks: Vec<Task>, enabled: bool) -> Vec<(String, String)> {
    let (state, found) = found(tasks, enabled);
    found.iter().map(|found| found.question(&state)).collect()
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
    assert_eq!(verdict(&state, &found), Verdict::Failed);
}

#[test]
fn each_obstacle_is_told_with_the_command_that_helps() {
    assert_eq!(
        questions(vec![after("a b", &["2"]), after("2", &["a b"])], true),
        [(
            "tasks wait for each other: a b -> 2 -> a b".to_owned(),
            "repo-pool dispatch cancel 'a b'".to_owned()
        )]
    );
    assert_eq!(
        questions(vec![task("1"), task("2")], false),
        [(
            "tasks 1, 2 can't run: agent pool local is disabled".to_owned(),
            "repo-pool dispatch pool enable local".to_owned()
        )]
    );
    let blocked = (2..7).map(|id| after(&id.to_string(), &["1"]));
    assert_eq!(
        questions([failed("1")].into_iter().chain(blocked).collect(), true),
        [(
            "tasks 2, 3, 4 and 2 more are blocked: task 1 failed".to_owned(),
            "repo-pool dispatch retry 1".to_owned()
        )]
    );
}

#[test]
fn a_verdict_asks_for_a_person_only_where_one_has_to_decide() {
    let of = |tasks, enabled| {
        let (state, found) = found(tasks, enabled);
        verdict(&state, &found)
    };
    assert_eq!(
        of(vec![failed("1"), after("2", &["1"])], true),
        Verdict::Failed
    );
    assert_eq!(of(vec![task("1")], false), Verdict::NeedsPerson);
    let done = Task {
        initial: Initial::Done,
        ..task("1")
    };
    assert_eq!(of(vec![done], true), Verdict::Done);
}

//! What is said to who asks why a task waits.

use super::*;

fn said(scheduler: &mut Scheduler, task: Index, now: i64) -> String {
    let reasons = scheduler.why(task, now);
    let words: Vec<String> = reasons.iter().map(Reason::to_string).collect();
    words.join("; ")
}

#[test]
fn limits_are_told_with_their_numbers() {
    let mut pools = vec![agent_pool("a", 1), agent_pool("b", 3)];
    pools[1].cpu_quota = Some(1500);
    pools[1].memory_quota = Some(1 << 30);
    let tasks = vec![task("1"), task("2"), task("3"), task("4")];
    let mut one = scheduler(tasks, &pools, &rules());
    assert_eq!(said(&mut one, 0, 0), "nothing: it is next");
    assert_eq!(said(&mut one, 3, 0), "3 tasks go first");
    placed(&mut one, 0);
    assert_eq!(
        said(&mut one, 2, 0),
        "agent pool a has 1 of 1 runners at work; \
         it asks for 1 CPU, and agent pool b has given 1 of 1.5"
    );
    assert_eq!(said(&mut one, 0, 0), "", "it runs");
    one.pool_changed("a", Some(false), None);
    one.cool("b", 1500);
    assert_eq!(
        said(&mut one, 3, 0),
        "agent pool a is disabled; \
         agent pool b rests for 2s more, since a task said \"try later\"; 1 task goes first"
    );
}

#[test]
fn files_slots_and_the_maximum_are_told() {
    let mut rules = rules();
    let tasks = vec![
        with_files("1", &["x"]),
        with_files("2", &["x"]),
        with_files("3", &["x"]),
        in_repo("4", "app"),
    ];
    let mut one = scheduler(tasks.clone(), &[agent_pool("a", 9)], &rules);
    assert_eq!(
        said(&mut one, 2, 0),
        "task 1 goes first and has declared x too; 1 task goes first"
    );
    placed(&mut one, 0);
    assert_eq!(said(&mut one, 2, 0), "task 1 runs and has declared x too");
    one.without_slot(3, 1000, 6000);
    assert_eq!(
        said(&mut one, 3, 4000),
        "no slot of app has been free for 3s; it is asked again in 2s"
    );
    rules.max_global_concurrency = 1;
    let mut one = scheduler(tasks, &[agent_pool("a", 9)], &rules);
    placed(&mut one, 0);
    assert_eq!(
        said(&mut one, 3, 0),
        "1 runners are at work, max_global_concurrency is 1"
    );
}

#[test]
fn what_is_kept_for_a_larger_task_or_can_never_run_is_told() {
    let mut pool = agent_pool("a", 9);
    pool.cpu_quota = Some(2000);
    let mut large = with_cpu("large", 2000);
    large.priority = 1;
    let tasks = vec![task("1"), large, task("3"), with_cpu("huge", 3000)];
    let mut one = Scheduler::new(tasks.into(), &[pool], &rules());
    one.ready(0, 0);
    placed(&mut one, 0);
    one.ready(1, 0);
    placed(&mut one, 0);
    one.ready(2, 60_000);
    assert_eq!(placed(&mut one, 60_000), "");
    assert_eq!(
        said(&mut one, 2, 60_000),
        "agent pool a is kept free for task large, which is larger and has waited too long; 1 task goes first"
    );
    one.ready(3, 60_000);
    assert_eq!(
        said(&mut one, 3, 60_000),
        "it can never run: it asks for 3 CPU, and agent pool a has 2 in all"
    );
}

#[test]
fn every_state_of_a_task_has_its_answer() {
    use crate::domain::dispatch::testing::after;
    use crate::domain::dispatch::{Event, Initial, Record};
    let failed = Task {
        initial: Initial::Failed,
        ..task("3")
    };
    let tasks = vec![
        task("1"),
        after("2", &["1"]),
        failed,
        after("4", &["3"]),
        after("5", &["4"]),
    ];
    let mut state = RunState::new(tasks.into());
    let mut scheduler = Scheduler::resume(&state, &[agent_pool("a", 1)], &rules());
    let now = Timestamp::from_second(0).unwrap();
    let mut said = |state: &RunState, task| {
        let reasons = why(state, &mut scheduler, task, now);
        let words: Vec<String> = reasons.iter().map(Reason::to_string).collect();
        words.join("; ")
    };
    assert_eq!(said(&state, 0), "nothing: it is next");
    assert_eq!(
        said(&state, 1),
        "it waits for task 1, which is ready, and has not begun"
    );
    assert_eq!(said(&state, 2), "");
    assert_eq!(said(&state, 4), "task 3 failed");
    state.apply(&Record {
        n: 1,
        time: now,
        event: Event::NeedsAttention {
            task: Some("1".into()),
            question: "which?".into(),
            command: "retry 1".into(),
        },
    });
    assert_eq!(said(&state, 0), "a person has to decide: which? (retry 1)");
    assert_eq!(said(&state, 1), "it waits for task 1, which needs a person");
}

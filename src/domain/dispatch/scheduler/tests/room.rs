//! Tasks that have no room: who passes them, and for how long.

use super::*;

#[test]
fn quotas_are_sums_and_smaller_tasks_pass_a_larger_one_for_a_minute() {
    let mut pool = agent_pool("a", 9);
    pool.cpu_quota = Some(4000);
    let mut tasks = vec![with_cpu("large", 4000)];
    tasks[0].priority = 1;
    tasks.extend((0..9).map(|id| task(&id.to_string())));
    let mut one = Scheduler::new(tasks.into(), &[pool], &rules());
    one.ready(1, 0);
    assert_eq!(placed(&mut one, 0), "0@a");
    for task in [0, 2, 3, 4, 5, 6, 7, 8, 9] {
        one.ready(task, 0);
    }
    assert_eq!(placed(&mut one, 0), "1@a 2@a 3@a");
    one.finished(1, 59_999);
    assert_eq!(placed(&mut one, 59_999), "4@a");
    one.finished(2, 60_000);
    assert_eq!(
        placed(&mut one, 60_000),
        "",
        "now it is kept for the large one"
    );
    for task in [3, 4, 5] {
        one.finished(task, 61_000);
    }
    assert_eq!(placed(&mut one, 61_000), "large@a");
    one.finished(0, 62_000);
    assert_eq!(placed(&mut one, 62_000), "5@a 6@a 7@a 8@a");
}

/// Memory is all that `a` asks for, so it never gets the half that it is due: that is no reason for `b`
/// to get none.
#[test]
fn a_group_that_is_always_owed_does_not_keep_a_larger_task_of_another_waiting_for_ever() {
    let of = |id: &str, share: &str, gigabytes: u64| Task {
        share: share.into(),
        memory: gigabytes << 30,
        ..task(id)
    };
    let mut pool = agent_pool("p", 3);
    pool.memory_quota = Some(2 << 30);
    let small = (0..4).map(|n| of(&n.to_string(), "b", 0));
    let owed = ["4", "5"].map(|id| of(id, "a", 1));
    let tasks = small.chain(owed).chain([of("large", "b", 2)]).collect();
    let mut one = scheduler(tasks, &[pool], &with_policy(Policy::FairShare));
    let mut running = Vec::new();
    let placed_at = (0..200).find(|second| {
        let now = second * 1000;
        while let Some(placement) = one.next(now) {
            running.push(placement.task);
        }
        let is_placed = running.contains(&6);
        let ended = running.remove(0);
        one.finished(ended, now + 1000);
        one.ready(ended, now + 1000);
        is_placed
    });
    assert!(
        placed_at.is_some_and(|second| second >= 60),
        "{placed_at:?}: {:?}",
        one.why(6, 200_000)
    );
}

/// Within a group its own order holds: a task that is behind there does not go before all groups.
#[test]
fn in_a_group_smaller_tasks_of_higher_priority_go_first_for_ever() {
    let mut pool = agent_pool("p", 9);
    pool.cpu_quota = Some(2000);
    let small = (0..3).map(|n| with_priority(&n.to_string(), 1));
    let tasks = small.chain([with_cpu("large", 2000)]).collect();
    let mut one = scheduler(tasks, &[pool], &with_policy(Policy::FairShare));
    let mut running = Vec::new();
    for now in (0..300_000).step_by(1000) {
        while let Some(placement) = one.next(now) {
            running.push(placement.task);
        }
        assert!(!running.contains(&3));
        let ended = running.remove(0);
        one.finished(ended, now);
        one.ready(ended, now);
    }
}

/// A minute that a task has waited for room is not begun anew because tasks were read again.
#[test]
fn what_was_passed_for_long_stays_so_when_tasks_are_read_again() {
    let mut pool = agent_pool("a", 9);
    pool.cpu_quota = Some(2000);
    let mut large = with_cpu("large", 2000);
    large.priority = 1;
    let mut tasks = vec![task("1"), large, task("3")];
    let again = |tasks: &[Task]| {
        Scheduler::new(tasks.to_vec().into(), std::slice::from_ref(&pool), &rules())
    };
    let mut one = again(&tasks);
    one.ready(0, 0);
    assert_eq!(placed(&mut one, 0), "1@a");
    one.ready(1, 0);
    assert_eq!(placed(&mut one, 0), "");
    tasks.push(task("4"));
    let mut other = again(&tasks);
    other.restore(0, "a", 0);
    other.ready(1, 0);
    other.ready(2, 60_000);
    other.go_on_from(&one);
    assert_eq!(
        placed(&mut other, 60_000),
        "",
        "it is kept for the large one"
    );
}

/// For whoever waits for a file nothing is kept free.
#[test]
fn a_task_whose_file_was_taken_meanwhile_is_in_nobodys_way() {
    let (mut one_cpu, other) = (agent_pool("a", 9), agent_pool("b", 9));
    one_cpu.cpu_quota = Some(2000);
    let mut large = with_cpu("large", 2000);
    (large.files, large.priority) = (vec!["x".into()], 1);
    let mut with_file = with_files("file", &["x"]);
    (large.skill, with_file.skill) = (Some("p".into()), Some("q".into()));
    let of_p = |id: &str| with_skill(id, "p");
    let tasks = vec![of_p("1"), large, with_file, of_p("2")];
    let pools = [
        AgentPool {
            skills: vec!["p".into()],
            ..one_cpu
        },
        AgentPool {
            skills: vec!["q".into()],
            ..other
        },
    ];
    let mut one = Scheduler::new(tasks.into(), &pools, &rules());
    one.ready(0, 0);
    one.ready(1, 0);
    assert_eq!(placed(&mut one, 0), "large@a");
    one.finished(1, 1);
    assert_eq!(placed(&mut one, 1), "1@a");
    one.ready(1, 1);
    assert_eq!(placed(&mut one, 1), "");
    one.ready(2, 2);
    assert_eq!(placed(&mut one, 2), "file@b");
    one.ready(3, 60_001);
    assert_eq!(placed(&mut one, 60_001), "2@a");
}

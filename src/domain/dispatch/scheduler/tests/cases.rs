//! One decision at a time.

use std::time::Duration;

use super::*;

#[test]
fn fifo_goes_by_the_time_of_becoming_ready_then_by_what_waits_then_by_the_files() {
    let tasks = ["1", "2", "3", "4"].map(task);
    let mut chain = tasks.to_vec();
    chain.push(Task {
        depends: vec!["3".into()],
        ..task("5")
    });
    let mut scheduler = Scheduler::new(
        chain.into(),
        &[agent_pool("a", 9)],
        &with_policy(Policy::Fifo),
    );
    for (task, at) in [(0, 10), (1, 10), (2, 10), (3, 5)] {
        scheduler.ready(task, at);
    }
    assert_eq!(placed(&mut scheduler, 10), "4@a 3@a 1@a 2@a");
}

#[test]
fn priority_goes_high_first_and_can_change_while_tasks_wait() {
    let tasks = vec![
        task("1"),
        with_priority("2", 5),
        with_priority("3", 5),
        task("4"),
    ];
    let mut one = scheduler(tasks, &[agent_pool("a", 9)], &rules());
    one.set_priority(3, 9);
    one.set_priority(1, -1);
    assert_eq!(placed(&mut one, 0), "4@a 3@a 1@a 2@a");
}

#[test]
fn aging_is_worth_priority_but_only_where_it_is_on() {
    for (aging, order) in [
        (None, "2@a 1@a"),
        (Some(Duration::from_secs(60)), "1@a 2@a"),
    ] {
        let rules = Rules {
            aging_interval: aging,
            ..rules()
        };
        let tasks = vec![task("1"), with_priority("2", 5)];
        let mut one = Scheduler::new(tasks.into(), &[agent_pool("a", 9)], &rules);
        one.ready(0, 0);
        one.ready(1, 300_001);
        assert_eq!(placed(&mut one, 300_001), order);
    }
}

#[test]
fn the_load_is_shared_among_agent_pools_that_fit() {
    let pools = [agent_pool("a", 2), agent_pool("b", 4), agent_pool("c", 4)];
    let tasks = (0..9).map(|id| task(&id.to_string())).collect();
    let mut one = scheduler(tasks, &pools, &rules());
    assert_eq!(placed(&mut one, 0), "0@a 1@b 2@c 3@b 4@c 5@a 6@b 7@c 8@b");
}

#[test]
fn never_more_than_the_maximum_and_an_end_makes_room_at_once() {
    let rules = Rules {
        max_global_concurrency: 3,
        ..rules()
    };
    let tasks = (0..9).map(|id| task(&id.to_string())).collect();
    let mut one = scheduler(tasks, &[agent_pool("a", 2), agent_pool("b", 2)], &rules);
    assert_eq!(placed(&mut one, 0), "0@a 1@b 2@a");
    one.finished(1, 5);
    assert_eq!(placed(&mut one, 5), "3@b");
    assert_eq!((one.running(), one.waiting()), (3, 5));
    assert_eq!(one.utilization()[0].utilization(), 1.0);
}

#[test]
fn skills_choose_among_agent_pools_and_the_default_takes_the_rest() {
    let pools = [
        agent_pool("docker", 4),
        agent_pool("gpu", 4),
        agent_pool("local", 4),
    ];
    let mut rules = rules();
    rules
        .skill_mapping
        .insert("backend".into(), vec!["docker".into()]);
    rules
        .skill_mapping
        .insert("default".into(), vec!["local".into()]);
    let mut pools = pools.to_vec();
    pools[1].skills = vec!["train".into()];
    let tasks = vec![
        with_skill("1", "backend"),
        with_skill("2", "train"),
        with_skill("3", "unheard of"),
        task("4"),
    ];
    assert!(by_default(&tasks[2], &pools, &rules).is_some());
    for task in [&tasks[0], &tasks[1], &tasks[3]] {
        assert_eq!(by_default(task, &pools, &rules), None);
    }
    let mut one = scheduler(tasks, &pools, &rules);
    assert_eq!(placed(&mut one, 0), "1@docker 2@gpu 3@local 4@local");
}

#[test]
fn where_nobody_speaks_of_skills_any_agent_pool_serves_any() {
    let tasks = vec![with_skill("1", "backend"), task("2")];
    let mut one = scheduler(tasks.clone(), &[agent_pool("a", 4)], &rules());
    assert_eq!(placed(&mut one, 0), "1@a 2@a");
    assert_eq!(by_default(&tasks[0], &[agent_pool("a", 4)], &rules()), None);
}

#[test]
fn skill_based_takes_mapped_skills_first_and_the_mappings_order_then_the_best_fit() {
    let mut rules = with_policy(Policy::SkillBased);
    let order = vec!["b".into(), "a".into()];
    rules.skill_mapping.insert("backend".into(), order);
    let mut pools = vec![
        agent_pool("a", 2),
        agent_pool("b", 1),
        agent_pool("c", 3),
        agent_pool("d", 3),
    ];
    pools[2].cpu_quota = Some(8000);
    pools[3].cpu_quota = Some(2000);
    let tasks = vec![
        task("1"),
        task("2"),
        task("3"),
        with_skill("4", "backend"),
        with_skill("5", "backend"),
    ];
    let mut one = scheduler(tasks, &pools, &rules);
    assert_eq!(placed(&mut one, 0), "4@b 5@a 1@d 2@d 3@c");
}

#[test]
fn what_can_never_run_is_said_and_nothing_else() {
    let mut pools = vec![agent_pool("small", 1), agent_pool("gpu", 1)];
    pools[0].cpu_quota = Some(2000);
    pools[0].memory_quota = Some(1 << 30);
    pools[1].skills = vec!["train".into()];
    let says = |task: &Task| impossible(task, &pools, &rules()).unwrap_or_default();
    assert_eq!(says(&task("1")), "");
    assert_eq!(says(&with_skill("1", "train")), "");
    assert_eq!(
        says(&with_cpu("1", 2500)),
        "it asks for 2.5 CPU, and agent pool small has 2 in all"
    );
    let large = Task {
        memory: 3 << 29,
        ..task("1")
    };
    assert_eq!(
        says(&large),
        "it asks for 1.5G of memory, and agent pool small has 1G in all"
    );
    assert_eq!(
        says(&with_skill("1", "sing")),
        "no agent pool serves the skill \"sing\", and skill_mapping names no default"
    );
    let disabled = AgentPool {
        enabled: false,
        ..agent_pool("a", 1)
    };
    assert_eq!(impossible(&task("1"), &[disabled], &rules()), None);
    let none = agent_pool("a", 0);
    assert!(impossible(&task("1"), &[none], &rules()).is_some());
}

#[test]
fn who_asks_for_a_slot_may_wait_where_nothing_else_could_go() {
    let tasks = vec![in_repo("1", "app"), in_repo("2", "web")];
    let mut one = Scheduler::new(tasks.into(), &[agent_pool("a", 9)], &rules());
    let placed = |one: &mut Scheduler, now| one.next(now).map(|it| (it.task, it.may_wait));
    one.ready(0, 0);
    assert_eq!(placed(&mut one, 0), Some((0, false)), "there may be one");
    one.without_slot(0, 0, 5000);
    assert_eq!(placed(&mut one, 4999), None);
    assert_eq!(placed(&mut one, 5000), Some((0, true)));
    one.without_slot(0, 5000, 10_000);
    one.ready(1, 6000);
    assert_eq!(placed(&mut one, 10_000), Some((0, false)), "web could go");
}

#[test]
fn tasks_with_the_same_file_take_turns_and_let_others_pass() {
    let tasks = vec![
        with_files("1", &["x", "y"]),
        with_files("2", &["y"]),
        with_files("3", &["x"]),
        task("4"),
        Task {
            repo: Some("other".into()),
            ..with_files("5", &["x"])
        },
    ];
    let mut one = scheduler(tasks, &[agent_pool("a", 9)], &rules());
    assert_eq!(placed(&mut one, 0), "1@a 4@a 5@a");
    one.finished(0, 1);
    assert_eq!(placed(&mut one, 1), "2@a 3@a");
}

#[test]
fn a_task_of_many_files_is_not_passed_for_ever() {
    let both = with_files("both", &["x", "y"]);
    let mut tasks = vec![both];
    for id in 0..40 {
        tasks.push(with_files(&format!("x{id}"), &["x"]));
        tasks.push(with_files(&format!("y{id}"), &["y"]));
    }
    let mut one = Scheduler::new(tasks.into(), &[agent_pool("a", 9)], &rules());
    one.ready(1, 0);
    one.ready(2, 0);
    assert_eq!(placed(&mut one, 0), "x0@a y0@a");
    for task in [0].into_iter().chain(3..81) {
        one.ready(task, 1);
    }
    // An x and a y end by turns, so that never both are free.
    let (mut now, mut next, mut order) = (1, 1, String::new());
    while !order.contains("both") && next < 80 {
        now += 10_000;
        one.finished(next, now);
        order = placed(&mut one, now);
        next += 1;
    }
    assert_eq!(order, "both@a");
    assert!((60_000..100_000).contains(&now), "{now}");
}

#[test]
fn a_rest_ends_by_itself_and_a_disabled_agent_pool_does_not() {
    let mut one = scheduler(vec![task("1"), task("2")], &[agent_pool("a", 2)], &rules());
    one.cool("a", 5000);
    assert_eq!(placed(&mut one, 4999), "");
    assert_eq!(one.wakes_at(4999), Some(5000));
    assert_eq!(one.wakes_at(5000), None);
    assert!(one.pool_changed("a", Some(false), None));
    assert_eq!(placed(&mut one, 5000), "");
    one.pool_changed("a", Some(true), Some(1));
    assert_eq!(placed(&mut one, 5000), "1@a");
    assert!(!one.pool_changed("b", None, None));
}

#[test]
fn who_cannot_have_its_branch_stands_aside() {
    let tasks = vec![in_repo("1", "app"), in_repo("2", "app")];
    let mut one = scheduler(tasks, &[agent_pool("a", 1)], &rules());
    assert_eq!(placed(&mut one, 0), "1@a");
    one.without_branch(0, "x has it", 0, 5000);
    assert_eq!(placed(&mut one, 0), "2@a");
    let why = one.why(0, 1000);
    assert_eq!(why[0].to_string(), "x has it; it is asked for again in 4s");
    one.without_slot(1, 1000, 2000);
    assert_eq!(placed(&mut one, 1000), "");
    assert_eq!(one.wakes_at(1000), Some(2000));
    assert_eq!(placed(&mut one, 2000), "2@a");
    one.finished(1, 2000);
    assert_eq!(placed(&mut one, 4999), "");
    assert_eq!(one.wakes_at(4999), Some(5000));
    one.repo_free(&"app".into());
    assert_eq!(placed(&mut one, 5000), "1@a");
    // What it has not had is there for another one; who is withdrawn comes back no more.
    one.ready(1, 5000);
    one.without_branch(0, "x has it", 5000, 9000);
    one.withdraw(0);
    assert_eq!(placed(&mut one, 5000), "2@a");
    one.finished(1, 5000);
    assert_eq!(placed(&mut one, 9000), "");
    assert_eq!(one.wakes_at(9000), None);
}

#[test]
fn a_repository_without_slots_is_left_alone_and_blocks_nobody() {
    let tasks = vec![
        in_repo("1", "app"),
        in_repo("2", "app"),
        in_repo("3", "app"),
        task("4"),
        in_repo("5", "app"),
    ];
    let mut one = scheduler(tasks, &[agent_pool("a", 9)], &rules());
    one.set_priority(3, -1);
    assert_eq!(placed(&mut one, 0), "1@a 2@a 3@a 5@a 4@a");
    one.with_slot(0);
    for task in [1, 2, 4] {
        one.without_slot(task, 0, 5000);
    }
    assert_eq!(placed(&mut one, 4999), "");
    assert_eq!(one.wakes_at(4999), Some(5000));
    // One asks, in vain.
    assert_eq!(placed(&mut one, 5000), "2@a");
    one.without_slot(1, 5000, 10_000);
    assert_eq!(placed(&mut one, 5000), "");
    // One of ours comes back: one goes.
    one.finished(0, 6000);
    assert_eq!(placed(&mut one, 6000), "");
    one.repo_free(&"app".into());
    assert_eq!(placed(&mut one, 6000), "2@a");
    one.with_slot(1);
    assert_eq!(placed(&mut one, 6000), "");
    // Somebody else has freed two: who asks and gets one makes way for the next.
    assert_eq!(one.wakes_at(6000), Some(11_000));
    assert_eq!(placed(&mut one, 11_000), "3@a");
    one.with_slot(2);
    assert_eq!(placed(&mut one, 11_000), "5@a");
}

#[test]
fn fair_share_begins_with_all_groups_and_goes_on_by_use_over_weight() {
    let mut rules = with_policy(Policy::FairShare);
    rules.share_weights.insert("b".into(), 2.0);
    let of = |id: usize| Task {
        share: if id < 8 { "a".into() } else { "b".into() },
        ..task(&id.to_string())
    };
    let mut one = scheduler((0..16).map(of).collect(), &[agent_pool("p", 3)], &rules);
    assert_eq!(placed(&mut one, 0), "0@p 8@p 9@p");
    one.finished(0, 1000);
    one.finished(8, 1000);
    one.finished(9, 1000);
    // Both are due the same again.
    assert_eq!(placed(&mut one, 1000), "1@p 10@p 11@p");
    one.finished(10, 1100);
    // b has had 2100 ms, half of which are 1050; a has 1100.
    assert_eq!(placed(&mut one, 1100), "12@p");
}

#[test]
fn what_runs_for_an_earlier_dispatcher_counts_even_above_the_maximum() {
    let tasks = ["1", "2", "3"].map(|id| with_files(id, &["x"])).to_vec();
    let mut one = Scheduler::new(tasks.into(), &[agent_pool("a", 1)], &rules());
    one.restore(0, "a", 0);
    one.restore(1, "gone", 0);
    assert_eq!(one.utilization()[0].excess(), None);
    one.pool_changed("a", None, Some(0));
    assert!(one.utilization()[0].excess().is_some());
    one.pool_changed("a", None, Some(3));
    one.ready(2, 0);
    assert_eq!(placed(&mut one, 0), "");
    one.finished(0, 1);
    assert_eq!(placed(&mut one, 1), "");
    one.finished(1, 2);
    assert_eq!(placed(&mut one, 2), "3@a");
}

#[test]
fn a_task_that_is_ready_again_before_all_of_it_has_ended_is_not_forgotten() {
    let mut one = scheduler(vec![task("1")], &[agent_pool("a", 2)], &rules());
    assert_eq!(placed(&mut one, 0), "1@a");
    one.ready(0, 1);
    assert_eq!(placed(&mut one, 1), "");
    one.finished(0, 2);
    assert_eq!(placed(&mut one, 2), "1@a");
    one.ready(0, 3);
    one.withdraw(0);
    one.finished(0, 4);
    assert_eq!(placed(&mut one, 4), "");
}

//! What groups of `fair-share` get of the time in the long run.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn fair_share_comes_within_a_twentieth_of_the_weights_and_a_task(
        weights in prop::collection::vec(1_u32..6, 2..5),
        max in 2_u32..9,
        by_quota in any::<bool>(),
        lasts in prop::collection::vec(10_000_i64..200_000, 64),
    ) {
        let (mut rules, mut pool) = (with_policy(Policy::FairShare), agent_pool("a", 99));
        match by_quota {
            true => pool.cpu_quota = Some(max * 1000),
            false => rules.max_global_concurrency = max,
        }
        for (group, weight) in weights.iter().enumerate() {
            rules.share_weights.insert(group.to_string(), f64::from(*weight));
        }
        // As many of each group as there is ever room for, which come again as soon as they end.
        let of = |n: usize| Task { share: (n % weights.len()).to_string().into(), ..task(&n.to_string()) };
        let tasks: Vec<Task> = (0..weights.len() * max as usize).map(of).collect();
        let mut one = scheduler(tasks, &[pool], &rules);
        let mut ends: BTreeSet<(i64, Index, i64)> = BTreeSet::new();
        let mut used = vec![0_i64; weights.len()];
        let (mut now, mut nth) = (0, 0);
        while now < 20_000_000 {
            while let Some(placement) = one.next(now) {
                nth += 1;
                ends.insert((now + lasts[nth % lasts.len()], placement.task, now));
            }
            let (end, task, began) = ends.pop_first().unwrap();
            now = end;
            used[task % weights.len()] += end - began;
            one.finished(task, now);
            one.ready(task, now);
        }
        // What has begun is not taken back: a group is ahead, or behind, by what one task lasts.
        let longest = 200_000.0;
        let (all, sum) = (used.iter().sum::<i64>() as f64, f64::from(weights.iter().sum::<u32>()));
        for (used, weight) in used.iter().zip(&weights) {
            let (used, due) = (*used as f64, all * f64::from(*weight) / sum);
            prop_assert!((used - due).abs() <= due / 20.0 + longest, "{used} of {due}: {weights:?}");
        }
    }
}

/// Also where the tasks of one ask for more: to wait for room is no way around the weights.
#[test]
fn a_group_of_larger_tasks_gets_about_its_share() {
    let mut rules = with_policy(Policy::FairShare);
    rules.share_weights.insert("small".to_owned(), 9.0);
    let mut pool = agent_pool("p", 99);
    pool.cpu_quota = Some(4000);
    let of = |share: &str, cpu| Task {
        share: share.into(),
        ..with_cpu(share, cpu)
    };
    let small = (0..8).map(|_| of("small", 1000));
    let tasks = small
        .chain([of("large", 2000), of("large", 2000)])
        .collect();
    let mut one = scheduler(tasks, &[pool], &rules);
    let mut ends = BTreeSet::new();
    let (mut now, mut nth, mut used) = (0, 0_i64, [0, 0]);
    while now < 2_000_000_000 {
        while let Some(placement) = one.next(now) {
            nth += 1;
            // From 20 to 40 minutes.
            let lasts = 1_200_000 + nth * 7_919_001 % 1_200_000;
            used[usize::from(placement.task >= 8)] += lasts;
            ends.insert((now + lasts, placement.task));
        }
        let (end, task) = ends.pop_first().expect("something runs");
        now = end;
        one.finished(task, now);
        one.ready(task, now);
    }
    let share = used[1] as f64 / used.iter().sum::<i64>() as f64;
    assert!((0.08..0.15).contains(&share), "{share} for a tenth");
}

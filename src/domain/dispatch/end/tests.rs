use super::*;
use crate::domain::dispatch::testing::{rules, task};
use crate::domain::dispatch::{RunState, Task};

fn after(class: EndClass, counted: u32, change: impl FnOnce(&mut Task)) -> Option<Next> {
    let mut task = task("3");
    task.max_attempts = 3;
    change(&mut task);
    let state = RunState::new([task.clone()].into());
    let mut progress = state.progress(0).clone();
    (progress.counted, progress.attempt) = (counted, counted + 1);
    Next::after(class, &task, &progress, &rules())
}

#[test]
fn attempts_that_count_are_bounded_and_others_are_not() {
    use EndClass as C;
    for class in [
        C::Failure,
        C::Oom,
        C::Timeout,
        C::Stalled,
        C::Silent,
        C::Output,
        C::Infra,
        C::Lost,
    ] {
        for counted in [0, 1] {
            assert!(
                matches!(
                    after(class, counted, |_| {}),
                    Some(Next::Retry { counted: true, .. })
                ),
                "{class:?}"
            );
        }
        assert_eq!(after(class, 2, |_| {}), Some(Next::Failed), "{class:?}");
        assert_eq!(after(class, 0, |t| t.max_attempts = 1), Some(Next::Failed));
    }
    for class in [C::TryLater, C::Evicted, C::Stopped] {
        assert!(
            matches!(
                after(class, 7, |_| {}),
                Some(Next::Retry { counted: false, .. })
            ),
            "{class:?}"
        );
    }
    for class in [C::Permanent, C::Configuration] {
        assert_eq!(after(class, 0, |_| {}), Some(Next::Failed), "{class:?}");
    }
    assert_eq!(after(C::Cancelled, 0, |_| {}), Some(Next::Cancelled));
    assert_eq!(after(C::Done, 0, |_| {}), None);
}

#[test]
fn waits_double_up_to_five_minutes_and_differ_from_task_to_task() {
    let rules = rules();
    for (nth, seconds) in [
        (1, 1.0),
        (2, 2.0),
        (4, 8.0),
        (8, 128.0),
        (9, 250.0),
        (2000, 250.0),
    ] {
        for id in ["1", "2", "a long one"] {
            let wait = wait(id, nth, &rules).as_secs_f64();
            assert!(
                (0.8..=1.2).contains(&(wait / seconds)),
                "{id} {nth}: {wait}"
            );
            assert!(wait <= 300.0);
        }
    }
    let waits: std::collections::BTreeSet<Duration> =
        (0..100).map(|n| wait(&n.to_string(), 9, &rules)).collect();
    assert_eq!(waits.len(), 100);
    assert!(waits.last().unwrap().as_secs() - waits.first().unwrap().as_secs() > 80);
    assert_eq!(wait("1", 3, &rules), wait("1", 3, &rules));
}

#[test]
fn a_base_of_zero_means_no_wait() {
    let mut rules = rules();
    rules.retry_backoff_base = 0.0;
    assert_eq!(wait("1", 5, &rules), Duration::ZERO);
}

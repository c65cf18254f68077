//! How attempts end.

use std::time::Duration;

use super::super::course::{Cause, Step};
use super::super::seen::{Container, Ended, Job, Phase, Pod, Seen};
use super::{course, ended};
use crate::domain::dispatch::EndClass;

fn over(job: Option<Job>, pods: Vec<Pod>) -> (EndClass, String) {
    let step = course().look(&Seen { job, pods }, true, Duration::from_secs(5));
    match step {
        Step::Over(end) => (end.class, end.reason.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn failed_for(reason: &str) -> Option<Job> {
    Some(Job {
        failed: Some((reason.into(), String::new())),
        ..Job::default()
    })
}

fn pod(phase: Phase, container: Container) -> Pod {
    Pod {
        name: "p".into(),
        phase,
        container,
        ..Pod::default()
    }
}

#[test]
fn every_end_has_its_class() {
    let there = || Some(Job::default());
    let done = pod(Phase::Succeeded, ended(0, "nothing\n"));
    assert_eq!(over(there(), vec![done]).0, EndClass::Done);
    for (code, class) in [
        (1, EndClass::Failure),
        (75, EndClass::TryLater),
        (78, EndClass::Permanent),
        (127, EndClass::Configuration),
        (125, EndClass::Infra),
    ] {
        let failed = pod(Phase::Failed, ended(code, ""));
        assert_eq!(over(there(), vec![failed]).0, class, "{code}");
    }
    let unpushed = pod(
        Phase::Failed,
        ended(125, "infra its branch can't be pushed"),
    );
    let expected = (EndClass::Infra, "its branch can't be pushed".to_owned());
    assert_eq!(over(there(), vec![unpushed]), expected);
    let killed = |reason: &str, code| {
        let ended = Ended {
            exit_code: code,
            reason: reason.into(),
            ..Ended::default()
        };
        vec![pod(Phase::Failed, Container::Ended(ended))]
    };
    let (class, reason) = over(failed_for("BackoffLimitExceeded"), killed("OOMKilled", 137));
    assert_eq!((class, reason.contains("512 MiB")), (EndClass::Oom, true));
    let (class, _) = over(there(), killed("StartError", 128));
    assert_eq!(class, EndClass::Configuration);
}

#[test]
fn who_was_ended_from_outside_did_not_fail() {
    let late = failed_for("DeadlineExceeded");
    assert_eq!(
        over(late.clone(), vec![pod(Phase::Failed, ended(143, ""))]).0,
        EndClass::Timeout
    );
    assert_eq!(over(late, vec![]).0, EndClass::Timeout);
    let broken = || failed_for("BackoffLimitExceeded");
    let disrupted = Pod {
        disrupted: Some("EvictionByEvictionAPI: gone".into()),
        ..pod(Phase::Failed, ended(143, ""))
    };
    assert_eq!(over(broken(), vec![disrupted]).0, EndClass::Evicted);
    let evicted = Pod {
        reason: Some((
            "Evicted".into(),
            "The node was low on resource: memory.".into(),
        )),
        ..pod(Phase::Failed, Container::Unseen)
    };
    let (class, reason) = over(broken(), vec![evicted]);
    assert_eq!(
        (class, reason.contains("low on resource")),
        (EndClass::Evicted, true)
    );
    assert_eq!(
        over(failed_for("PodFailurePolicy"), vec![]).0,
        EndClass::Evicted
    );
    assert_eq!(over(broken(), vec![]).0, EndClass::Lost);
    assert_eq!(over(None, vec![]).0, EndClass::Lost);
}

#[test]
fn what_is_gone_is_asked_for_by_name_before_it_is_lost() {
    let mut course = course();
    let step = course.look(&Seen::default(), false, Duration::from_secs(5));
    assert_eq!(step, Step::Confirm);
}

#[test]
fn who_does_not_begin_in_time_is_deleted_for_the_reason_that_its_pod_gives() {
    let mut course = course();
    let waits = Container::Waiting("ImagePullBackOff".into(), "Back-off pulling image".into());
    let seen = Seen {
        job: Some(Job::default()),
        pods: vec![pod(Phase::Pending, waits)],
    };
    let note = "ImagePullBackOff: Back-off pulling image";
    let at = Duration::from_secs;
    assert_eq!(
        course.look(&seen, false, at(60)),
        Step::Wait(Some(note.into()))
    );
    assert_eq!(
        course.look(&seen, false, at(300)),
        Step::Delete { now: false }
    );
    assert!(matches!(course.look(&seen, false, at(303)), Step::Wait(_)));
    match course.look(&Seen::default(), true, at(306)) {
        Step::Over(end) => {
            assert_eq!(end.class, EndClass::Infra);
            let reason = end.reason.unwrap();
            assert!(reason.contains("5m") && reason.contains(note), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stop_that_becomes_urgent_is_asked_for_again() {
    let mut course = course();
    let seen = Seen {
        job: Some(Job::default()),
        pods: vec![pod(Phase::Running, Container::Running)],
    };
    let at = Duration::from_secs;
    course.end_for(Cause::Stop, false);
    assert_eq!(
        course.look(&seen, false, at(1)),
        Step::Delete { now: false }
    );
    assert_eq!(course.look(&seen, false, at(2)), Step::Wait(None));
    course.end_for(Cause::Stop, true);
    assert_eq!(course.look(&seen, false, at(3)), Step::Delete { now: true });
    let gone = Seen {
        job: None,
        pods: vec![pod(Phase::Failed, ended(143, ""))],
    };
    match course.look(&gone, false, at(4)) {
        Step::Over(end) => assert_eq!(end.class, EndClass::Stopped),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_whose_other_containers_go_on_is_deleted_when_the_runner_has_ended() {
    let mut course = course();
    let seen = Seen {
        job: Some(Job::default()),
        pods: vec![pod(Phase::Running, ended(0, "nothing"))],
    };
    let at = Duration::from_secs;
    assert_eq!(course.look(&seen, false, at(1)), Step::Wait(None));
    assert_eq!(
        course.look(&seen, false, at(11)),
        Step::Delete { now: false }
    );
    match course.look(&Seen::default(), false, at(14)) {
        Step::Over(end) => assert_eq!(end.class, EndClass::Done),
        other => panic!("{other:?}"),
    }
}

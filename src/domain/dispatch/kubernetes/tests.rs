mod ends;

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::course::{Cause, Course, Step, Terms};
use super::log::Lines;
use super::manifest::{self, Order};
use super::merge::merged;
use super::names::label;
use super::script::{self, LastWords};
use super::seen::{self, Container, Ended, Job, Phase, Pod, Seen};
use crate::domain::dispatch::agents::Kubernetes;
use crate::domain::dispatch::event::AttemptId;

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("spec"),
        Just("template"),
        Just("metadata"),
        Just("containers"),
        Just("name"),
        Just("env"),
        Just("volumes"),
        Just("backoffLimit"),
        Just("restartPolicy"),
        Just("labels"),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn attempt() -> AttemptId {
    AttemptId {
        task: "über/1".into(),
        attempt: 2,
        token: 7,
    }
}

fn job(template: Value) -> Value {
    let attempt = attempt();
    let order = Order {
        runner: "rp-tasks-1-a2",
        run: "tasks-12345678",
        attempt: Some(&attempt),
        id: "0123abcd",
        program: vec!["sh".into(), "-c".into(), "echo $HOME $(date)".into()],
        args: vec!["$1".into()],
        env: [("A".to_owned(), "$(B)".to_owned())].into(),
        timeout: Some(Duration::from_millis(1500)),
        cpu: 1500,
        memory: 1 << 30,
        ..Order::default()
    };
    let settings = Kubernetes {
        image: Some("team/runner:1".into()),
        namespace: Some("agents".into()),
        secrets: vec!["git-token".into(), "env:api".into()],
        ..Kubernetes::default()
    };
    manifest::job(&order, &settings, template)
}

#[test]
fn what_is_set_for_an_attempt_is_in_its_job() {
    let job = job(Value::Null);
    assert_eq!(job["metadata"]["namespace"], "agents");
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 2);
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 3600);
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["command"][2], "echo $$HOME $$(date)");
    assert_eq!(container["env"][0]["value"], "$$(B)");
    assert_eq!(container["resources"]["limits"]["cpu"], "1500m");
    assert_eq!(container["resources"]["requests"]["memory"], "1073741824");
    assert_eq!(container["envFrom"][0]["secretRef"]["name"], "api");
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "git-token");
    assert_eq!(
        container["volumeMounts"][0]["mountPath"],
        "/run/repo-pool/secrets/git-token"
    );
}

#[test]
fn a_template_keeps_what_is_not_set_for_each_attempt() {
    let job = job(json!({
        "metadata": { "labels": { "team": "a", "repo-pool.run": "mine" } },
        "spec": {
            "backoffLimit": 5,
            "ttlSecondsAfterFinished": 7200,
            "template": { "spec": {
                "serviceAccountName": "runner",
                "restartPolicy": "OnFailure",
                "imagePullSecrets": [{ "name": "registry" }],
                "volumes": [{ "name": "cache", "emptyDir": {} }],
                "containers": [
                    { "name": "sidecar", "image": "x" },
                    {
                        "name": "runner",
                        "image": "mine",
                        "env": [{ "name": "LANG", "value": "C" }, { "name": "A", "value": "mine" }],
                        "envFrom": [{ "configMapRef": { "name": "settings" } }],
                        "volumeMounts": [{ "name": "cache", "mountPath": "/cache" }],
                        "resources": { "limits": { "nvidia.com/gpu": 1 } },
                    },
                ],
            } },
        },
    }));
    let spec = &job["spec"];
    let labels = &job["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels["repo-pool.run"]),
        (&json!("a"), &json!("tasks-12345678"))
    );
    assert_eq!(
        (&spec["backoffLimit"], &spec["ttlSecondsAfterFinished"]),
        (&json!(0), &json!(7200))
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "runner");
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["imagePullSecrets"][0]["name"], "registry");
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 2);
    assert_eq!(pod["containers"].as_array().unwrap().len(), 2);
    let runner = &pod["containers"][1];
    assert_eq!(runner["image"], "team/runner:1");
    assert_eq!(
        runner["env"],
        json!([{ "name": "LANG", "value": "C" }, { "name": "A", "value": "$$(B)" }])
    );
    assert_eq!(runner["envFrom"].as_array().unwrap().len(), 2);
    assert_eq!(runner["volumeMounts"].as_array().unwrap().len(), 2);
    assert_eq!(runner["resources"]["limits"]["nvidia.com/gpu"], 1);
    assert_eq!(runner["resources"]["limits"]["cpu"], "1500m");
}

#[test]
fn a_job_stays_until_its_end_can_be_seen() {
    let job = job(json!({ "spec": { "ttlSecondsAfterFinished": 0 } }));
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 600);
}

/// Everything in `ours` is in `whole`.
fn holds(whole: &Value, ours: &Value) -> bool {
    match (whole, ours) {
        (Value::Object(whole), Value::Object(ours)) => ours
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|there| holds(there, value))),
        (Value::Array(whole), Value::Array(ours)) => ours
            .iter()
            .all(|value| whole.iter().any(|there| holds(there, value))),
        (whole, ours) => whole == ours,
    }
}

proptest! {
    #[test]
    fn whatever_a_template_holds_what_is_set_for_the_attempt_is_there(template in anything()) {
        let ours = job(Value::Null);
        let mut whole = job(template);
        // What is below a template is a default only.
        whole["spec"]["ttlSecondsAfterFinished"] = json!(3600);
        whole["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(10);
        prop_assert!(holds(&whole, &ours), "{whole}");
    }

    #[test]
    fn merging_the_same_again_changes_nothing(template in anything(), ours in anything()) {
        let once = merged(template, ours.clone());
        prop_assert_eq!(merged(once.clone(), ours), once);
    }

    #[test]
    fn a_label_is_one_that_kubernetes_takes(text in any::<String>()) {
        let label = label(&text);
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        prop_assert!(!label.is_empty() && label.len() <= 63);
        prop_assert!(label.chars().all(inner), "{label}");
        prop_assert!(label.starts_with(|c: char| c.is_ascii_alphanumeric()));
        prop_assert!(label.ends_with(|c: char| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn every_line_of_a_pod_is_had_once_however_often_it_is_asked_for(
        // Each a while after the one before, and stamped a little early.
        times in prop::collection::vec((0_i64..3000, 0_i64..900), 1..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut now = 1_700_000_000_000;
        let lines: Vec<(i64, String)> = times.iter().enumerate().map(|(n, (gap, early))| {
            now += gap;
            let time = Timestamp::from_millisecond(now - early).unwrap();
            (time.as_second(), format!("{time} line {n}\n"))
        }).collect();
        let from = |since: Option<Timestamp>| -> String {
            let since = since.map_or(0, Timestamp::as_second);
            lines.iter().filter(|(time, _)| *time >= since).map(|(_, line)| line.as_str()).collect()
        };
        let mut had = Lines::default();
        let mut log = Vec::new();
        for cut in cuts {
            had.begin();
            let text = from(had.since());
            log.extend(had.take(&text.as_bytes()[..cut.index(text.len() + 1)]));
            had = Lines::at(had.position().clone());
        }
        had.begin();
        log.extend(had.take(from(had.since()).as_bytes()));
        log.extend(had.finish());
        let expected: String = (0..times.len()).map(|n| format!("line {n}\n")).collect();
        prop_assert_eq!(String::from_utf8(log).unwrap(), expected);
    }

    #[test]
    fn an_attempt_never_ends_while_a_pod_of_it_may_run(
        phases in prop::collection::vec(0_usize..5, 0..3),
        code in prop::option::of(0_i32..256),
        there in any::<bool>(),
        failed in prop::option::of("[A-Z][a-z]{3,6}"),
        stop in any::<bool>(),
        at in 0_u64..1000,
    ) {
        let all = [Phase::Pending, Phase::Running, Phase::Succeeded, Phase::Failed, Phase::Unknown];
        let pods: Vec<Pod> = phases.iter().map(|n| Pod {
            phase: all[*n],
            container: code.map_or(Container::Running, |code| ended(code, "")),
            ..Pod::default()
        }).collect();
        let job = there.then(|| Job { failed: failed.map(|why| (why, String::new())), ..Job::default() });
        let mut course = course();
        if stop {
            course.end_for(Cause::Stop, false);
        }
        let may_run = pods.iter().any(Pod::may_run);
        let step = course.look(&Seen { job, pods }, true, Duration::from_secs(at));
        prop_assert!(!may_run || !matches!(step, Step::Over(_)), "{step:?}");
    }
}

#[test]
fn a_line_whose_end_has_not_come_is_had_when_it_has() {
    let mut lines = Lines::default();
    lines.begin();
    assert_eq!(lines.take(b"2026-01-01T00:00:00.5Z on"), b"");
    assert_eq!(lines.take(b"e\nno time\n"), b"one\nno time\n");
    assert_eq!(lines.take(b"2026-01-01T00:00:00.5Z tw"), b"");
    lines.begin();
    let again = b"2026-01-01T00:00:00.5Z one\nno time\n2026-01-01T00:00:00.5Z two";
    assert_eq!(lines.take(again), b"");
    assert_eq!(lines.finish(), b"two");
}

#[test]
fn a_clock_that_is_put_back_costs_no_line() {
    let at = |second: i64, text: &str| {
        let time = Timestamp::from_second(1_700_000_000 + second).unwrap();
        (time, format!("{time} {text}\n"))
    };
    let written = [at(0, "a"), at(900, "b"), at(0, "c"), at(1, "d"), at(2, "e")];
    let from = |since: Option<Timestamp>, lines: &[(Timestamp, String)]| -> String {
        let lines = lines.iter();
        let wanted = lines.filter(|(time, _)| since.is_none_or(|since| *time >= since));
        wanted.map(|(_, line)| line.as_str()).collect()
    };
    let mut lines = Lines::default();
    lines.begin();
    let new = lines.take(from(None, &written[..4]).as_bytes());
    assert_eq!(new, b"a\nb\nc\nd\n");
    let mut lines = Lines::at(lines.position().clone());
    lines.begin();
    let new = lines.take(from(lines.since(), &written).as_bytes());
    assert_eq!(new, b"e\n");
    // What comes first now is new, as the node has begun another file.
    lines.begin();
    assert_eq!(lines.take(at(901, "f").1.as_bytes()), b"f\n");
}

fn course() -> Course {
    Course::new(Terms {
        pending: Duration::from_secs(300),
        timeout: Some(Duration::from_secs(90)),
        memory: 512 << 20,
        scripted: true,
    })
}

fn ended(exit_code: i32, message: &str) -> Container {
    Container::Ended(Ended {
        exit_code,
        message: message.into(),
        ..Ended::default()
    })
}

#[test]
fn a_clusters_answer_is_read() {
    let answer = json!({ "kind": "List", "items": [
        {
            "kind": "Job",
            "metadata": { "name": "j", "labels": { "repo-pool.id": "1" } },
            "status": { "conditions": [
                { "type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "m" },
            ] },
        },
        {
            "kind": "Pod",
            "metadata": {
                "name": "j-x", "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{ "kind": "Job", "name": "j" }],
            },
            "spec": { "nodeName": "n" },
            "status": {
                "phase": "Failed",
                "containerStatuses": [{ "name": "runner", "state": { "terminated": {
                    "exitCode": 3, "reason": "Error",
                    "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z",
                } } }],
            },
        },
    ] });
    let answer = seen::read(answer.to_string().as_bytes()).unwrap();
    let seen = &answer["j"];
    assert_eq!(
        seen.job.as_ref().unwrap().failed.as_ref().unwrap().0,
        "DeadlineExceeded"
    );
    assert!(seen.pods[0].deleting && !seen.pods[0].may_run());
    assert!(matches!(&seen.pods[0].container, Container::Ended(ended) if ended.exit_code == 3));
    assert!(seen::read(b"{}").is_err());
}

#[test]
fn last_words_are_understood() {
    let commit = "0123456789012345678901234567890123456789";
    let said = LastWords::of(&format!("commit {commit}\n"));
    assert_eq!(said, Some(LastWords::Commit(commit.into())));
    assert_eq!(LastWords::of("nothing\n"), Some(LastWords::Nothing));
    assert_eq!(
        LastWords::of("infra no way"),
        Some(LastWords::Infra("no way".into()))
    );
    assert_eq!(LastWords::of("commit abc"), None);
    assert_eq!(LastWords::of(""), None);
    // Kubernetes would fill in what looks like this.
    for script in [script::clone(), script::node("/w"), script::bare()] {
        assert!(!script.contains("$("), "{script}");
    }
}

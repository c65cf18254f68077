//! The controller of Jobs: from a Job and its pods to its status and to further pods, as in
//! Kubernetes 1.31 and later: a Job is said to have failed when nothing of it runs any more.

use super::container::{list, text};
use super::store::{Key, Kind, State, has, is_over, now, set_condition};
use serde_json::{Value, json};

/// Brings all Jobs in line with their pods.
pub fn settle(state: &mut State) {
    let jobs: Vec<Key> = state
        .of(Kind::Job, "")
        .map(|(key, _)| key.clone())
        .collect();
    for key in jobs {
        let job = state.objects[&key].clone();
        if !has(&job, "Complete") && !has(&job, "Failed") {
            settle_one(state, &key, &job);
        }
        let uid = &job["metadata"]["uid"];
        if !job["metadata"]["deletionTimestamp"].is_null() && state.pods_of(uid).is_empty() {
            state.remove(&key);
        }
    }
}

/// How many pods of a Job are in which state.
#[derive(Default)]
struct Counts {
    active: u64,
    terminating: u64,
    succeeded: u64,
    failed: u64,
}

fn settle_one(state: &mut State, key: &Key, job: &Value) {
    let counts = count(state, job);
    let wanted = job["spec"]["completions"].as_u64().unwrap_or(1);
    let limit = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
    let succeeds = counts.succeeded >= wanted;
    let policy = fails_by_policy(state, key, job);
    let too_often = counts.failed > limit || policy.is_some();
    let fails = has(job, "FailureTarget") || (!succeeds && too_often);
    let quiet = counts.active == 0 && counts.terminating == 0;
    let deleted = !job["metadata"]["deletionTimestamp"].is_null();
    state.change(key, |job| {
        let status = &mut job["status"];
        status["active"] = json!(counts.active);
        status["terminating"] = json!(counts.terminating);
        status["succeeded"] = json!(counts.succeeded);
        status["failed"] = json!(counts.failed);
        status["ready"] = json!(counts.active);
        if status["startTime"].is_null() {
            status["startTime"] = json!(now());
        }
        if succeeds && quiet {
            status["completionTime"] = json!(now());
            for kind in ["SuccessCriteriaMet", "Complete"] {
                let message = "Reached expected number of succeeded pods";
                set_condition(job, kind, "True", "CompletionsReached", message);
            }
        } else if fails {
            match &policy {
                Some(message) => fail(job, "PodFailurePolicy", message),
                None => {
                    let message = "Job has reached the specified backoff limit";
                    fail(job, "BackoffLimitExceeded", message);
                }
            }
            if quiet {
                failed(job);
            }
        }
    });
    let waits = job["spec"]["podReplacementPolicy"] == "Failed" && counts.terminating > 0;
    if !succeeds && !fails && !deleted && !waits && counts.active == 0 {
        add_pod(state, key, job);
    }
}

/// What is said if the Job's own rules have it fail for the conditions of a pod.
fn fails_by_policy(state: &State, key: &Key, job: &Value) -> Option<String> {
    let rules = list(&job["spec"]["podFailurePolicy"]["rules"]).enumerate();
    let rules: Vec<_> = rules
        .filter(|(_, rule)| rule["action"] == "FailJob")
        .collect();
    let pods = state.pods_of(&job["metadata"]["uid"]).into_iter();
    pods.filter(|pod| state.objects[pod]["status"]["phase"] == "Failed")
        .find_map(|pod| {
            let found = rules.iter().find_map(|(index, rule)| {
                let mut conditions = list(&rule["onPodConditions"]);
                let condition =
                    conditions.find(|one| has(&state.objects[&pod], &text(&one["type"])))?;
                Some((index, text(&condition["type"])))
            });
            let (index, condition) = found?;
            Some(format!(
                "Pod {}/{} has condition {condition} matching FailJob rule at index {index}",
                key.1, pod.2
            ))
        })
}

fn count(state: &mut State, job: &Value) -> Counts {
    let uid = job["metadata"]["uid"].clone();
    let mut counts = Counts::default();
    let failed = state.failed.entry(text(&uid)).or_default().len();
    for key in state.pods_of(&uid) {
        let pod = &state.objects[&key];
        let ended = is_over(pod);
        match pod["metadata"]["deletionTimestamp"].is_null() {
            false if !ended => counts.terminating += 1,
            true if !ended => counts.active += 1,
            _ if pod["status"]["phase"] == "Succeeded" => counts.succeeded += 1,
            _ => {}
        }
    }
    counts.failed = failed as u64;
    counts
}

/// A pod counts as failed when it has; or, if its Job says so, when it is to go before it has ended. Once.
pub fn note_failures(state: &mut State) {
    let failed: Vec<Key> = state
        .of(Kind::Pod, "")
        .filter(|(_, pod)| {
            let goes = !pod["metadata"]["deletionTimestamp"].is_null() && !is_over(pod);
            pod["status"]["phase"] == "Failed" || (goes && counts_when_it_goes(state, pod))
        })
        .map(|(key, _)| key.clone())
        .collect();
    for key in failed {
        note_failure(state, &key);
    }
}

fn note_failure(state: &mut State, pod: &Key) {
    let meta = &state.objects[pod]["metadata"];
    let (owner, uid) = (text(&meta["ownerReferences"][0]["uid"]), text(&meta["uid"]));
    state.failed.entry(owner).or_default().insert(uid);
}

fn counts_when_it_goes(state: &State, pod: &Value) -> bool {
    let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
    let mut jobs = state.of(Kind::Job, "");
    let job = jobs.find(|(_, job)| job["metadata"]["uid"] == *owner);
    job.is_some_and(|(_, job)| job["spec"]["podReplacementPolicy"] != "Failed")
}

/// The Job is to fail, for this reason unless it has one.
fn fail(job: &mut Value, reason: &str, message: &str) {
    if !has(job, "FailureTarget") {
        set_condition(job, "FailureTarget", "True", reason, message);
    }
}

/// It has failed, for the reason it was to.
fn failed(job: &mut Value) {
    let all = job["status"]["conditions"].as_array();
    let target = all.and_then(|all| all.iter().find(|one| one["type"] == "FailureTarget"));
    let target = target.cloned().unwrap_or_default();
    let (reason, message) = (text(&target["reason"]), text(&target["message"]));
    set_condition(job, "Failed", "True", &reason, &message);
}

/// Its time is over: its pods are deleted.
pub fn time_is_over(state: &mut State, key: &Key) {
    let Some(job) = state.objects.get(key) else {
        return;
    };
    let uid = job["metadata"]["uid"].clone();
    state.change(key, |job| {
        let message = "Job was active longer than specified deadline";
        fail(job, "DeadlineExceeded", message);
    });
    for pod in state.pods_of(&uid) {
        if !is_over(&state.objects[&pod]) {
            delete_pod(state, &pod, None);
        }
    }
}

/// A pod is to go, after its grace; one that has ended goes at once.
pub fn delete_pod(state: &mut State, key: &Key, grace: Option<u64>) {
    let Some(pod) = state.objects.get(key) else {
        return;
    };
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_u64();
    let grace = grace.or(own).unwrap_or(30);
    let before = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
    let ends = !is_over(pod);
    if ends && grace == 0 {
        note_failure(state, key);
    }
    if !ends || grace == 0 {
        state.remove(key);
        return;
    }
    state.change(key, |pod| {
        let meta = &mut pod["metadata"];
        if meta["deletionTimestamp"].is_null() {
            meta["deletionTimestamp"] = json!(now());
        }
        let grace = before.map_or(grace, |before| before.min(grace));
        meta["deletionGracePeriodSeconds"] = json!(grace);
    });
}

/// A Job is to go: with its pods first, with its pods afterwards, or without them.
pub fn delete_job(state: &mut State, key: &Key, propagation: &str) -> Option<Value> {
    let uid = state.objects.get(key)?["metadata"]["uid"].clone();
    let pods = state.pods_of(&uid);
    let answer = match propagation {
        "Foreground" => {
            state.change(key, |job| {
                job["metadata"]["deletionTimestamp"] = json!(now());
                job["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
            });
            state.objects.get(key).cloned()
        }
        _ => state.remove(key),
    };
    for pod in pods {
        match propagation {
            "Orphan" => state.change(&pod, |pod| {
                pod["metadata"]["ownerReferences"] = json!([]);
            }),
            _ => delete_pod(state, &pod, None),
        }
    }
    answer
}

fn add_pod(state: &mut State, key: &Key, job: &Value) {
    let number = state.number();
    let name = format!("{}-{:05x}", &key.2[..key.2.len().min(57)], number);
    let mut pod = json!({
        "metadata": job["spec"]["template"]["metadata"],
        "spec": job["spec"]["template"]["spec"],
        "status": {"phase": "Pending"},
    });
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": key.2, "uid": job["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let pod_key = (Kind::Pod, key.1.clone(), name);
    state.add(&pod_key, pod);
    state.new_pods.push(pod_key);
}

/// What the server fills in when a Job is made.
pub fn complete(job: &mut Value, uid: &str) {
    let name = job["metadata"]["name"].clone();
    let spec = &mut job["spec"];
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        if spec[field].is_null() {
            spec[field] = value;
        }
    }
    spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let labels = &mut spec["template"]["metadata"]["labels"];
    for prefix in ["", "batch.kubernetes.io/"] {
        labels[format!("{prefix}controller-uid")] = json!(uid);
        labels[format!("{prefix}job-name")] = name.clone();
    }
    for (field, value) in [
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        let spec = &mut spec["template"]["spec"];
        if spec[field].is_null() {
            spec[field] = value;
        }
    }
    job["status"] = json!({});
}

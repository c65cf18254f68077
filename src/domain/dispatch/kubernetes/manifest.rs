//! The Job of an attempt.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::merge::merged;
use super::names::{ATTEMPT, ID, RUN, RUNNER, TASK, TOKEN, label};
use super::seen::CONTAINER;
use crate::domain::dispatch::agents::Kubernetes;
use crate::domain::dispatch::event::AttemptId;

/// Where secrets are mounted.
const SECRETS: &str = "/run/repo-pool/secrets";
/// What says that a secret's keys are to be variables.
const AS_VARIABLES: &str = "env:";
/// How long a Job stays when it has ended, in seconds, should nobody delete it.
const TTL: u32 = 3600;
/// The least of that: how it has ended is known only while it is there.
const LEAST_TTL: u32 = 600;
/// The time between being asked to end and being killed, in seconds.
const GRACE: u32 = 10;

/// What is set for each attempt.
#[derive(Debug, Clone, Default)]
pub struct Order<'a> {
    /// The runner's id.
    pub runner: &'a str,
    /// The run's name.
    pub run: &'a str,
    /// Which attempt.
    pub attempt: Option<&'a AttemptId>,
    /// What tells this one Job from any other.
    pub id: &'a str,
    /// The container's program and its first arguments.
    pub program: Vec<String>,
    /// The rest of its arguments.
    pub args: Vec<String>,
    /// Where it begins; empty: where the image says.
    pub workdir: &'a str,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// Directories of the node that it has at the same paths.
    pub mounts: Vec<String>,
    /// The user and group that it is, if they matter.
    pub user: Option<(u32, u32)>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// What it may use, in thousandths of a processor.
    pub cpu: u32,
    /// What it may use, in bytes; 0: as much as there is.
    pub memory: u64,
    /// Where its last words are; empty: where they are by default.
    pub last_words: &'a str,
}

/// The Job: the template, with what is set for this attempt on top and what a person may want otherwise
/// below. Only how long it stays has a least.
pub fn job(order: &Order<'_>, settings: &Kubernetes, template: Value) -> Value {
    let mut job = merged(merged(defaults(order), template), ours(order, settings));
    let ttl = &mut job["spec"]["ttlSecondsAfterFinished"];
    if ttl.as_i64().is_some_and(|ttl| ttl < LEAST_TTL.into()) {
        *ttl = LEAST_TTL.into();
    }
    job
}

/// What holds unless the template says otherwise.
pub fn defaults(order: &Order<'_>) -> Value {
    let mut pod = json!({ "terminationGracePeriodSeconds": GRACE });
    if let Some((user, group)) = order.user {
        pod["securityContext"] = json!({ "runAsUser": user, "runAsGroup": group });
    }
    json!({
        "spec": {
            "ttlSecondsAfterFinished": TTL,
            "template": { "spec": pod },
        },
    })
}

fn ours(order: &Order<'_>, settings: &Kubernetes) -> Value {
    let (labels, annotations) = (labels(order), annotations(order));
    let mut metadata = json!({
        "name": order.runner,
        "labels": labels,
        "annotations": annotations,
    });
    if let Some(namespace) = &settings.namespace {
        metadata["namespace"] = json!(namespace);
    }
    let mut spec = json!({
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        // A pod that is going is replaced when it is gone: never two of them in one slot.
        "podReplacementPolicy": "Failed",
        // A pod that is taken away may be gone before anybody has looked: its Job says why.
        "podFailurePolicy": { "rules": [{
            "action": "FailJob",
            "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }],
        }] },
        "template": {
            "metadata": { "labels": labels, "annotations": annotations },
            "spec": pod(order, settings),
        },
    });
    if let Some(timeout) = order.timeout {
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        spec["activeDeadlineSeconds"] = json!(seconds.max(1));
    }
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec })
}

fn labels(order: &Order<'_>) -> Value {
    let task = order.attempt.map_or("", |attempt| &attempt.task);
    json!({
        "app.kubernetes.io/managed-by": "repo-pool",
        RUN: label(order.run),
        TASK: label(task),
        RUNNER: label(order.runner),
        ID: order.id,
    })
}

fn annotations(order: &Order<'_>) -> Value {
    let attempt = order.attempt;
    json!({
        RUN: order.run,
        TASK: attempt.map_or("", |attempt| &attempt.task),
        ATTEMPT: attempt.map_or(0, |attempt| attempt.attempt).to_string(),
        TOKEN: attempt.map_or(0, |attempt| attempt.token).to_string(),
    })
}

fn pod(order: &Order<'_>, settings: &Kubernetes) -> Value {
    let mut pod = json!({
        "restartPolicy": "Never",
        "containers": [container(order, settings)],
    });
    let mut volumes = Vec::new();
    for (n, path) in order.mounts.iter().enumerate() {
        let from = json!({ "path": path, "type": "Directory" });
        volumes.push(json!({ "name": format!("repo-pool-{n}"), "hostPath": from }));
    }
    for name in mounted(settings) {
        let from = json!({ "secretName": name });
        volumes.push(json!({ "name": volume(name), "secret": from }));
    }
    if let Some(workspace) = node_workspace(settings) {
        let from = json!({ "path": workspace, "type": "DirectoryOrCreate" });
        volumes.push(json!({ "name": "repo-pool-workspace", "hostPath": from }));
    }
    if !volumes.is_empty() {
        pod["volumes"] = volumes.into();
    }
    if let Some(node) = &settings.node {
        pod["nodeSelector"] = json!({ "kubernetes.io/hostname": node });
    }
    pod
}

fn container(order: &Order<'_>, settings: &Kubernetes) -> Value {
    let mut container = Map::new();
    let mut put = |key: &str, value: Value| drop(container.insert(key.to_owned(), value));
    let texts =
        |words: &[String]| json!(words.iter().map(|word| escaped(word)).collect::<Vec<_>>());
    put("name", CONTAINER.into());
    if let Some(image) = &settings.image {
        put("image", json!(image));
    }
    put("command", texts(&order.program));
    put("args", texts(&order.args));
    if !order.workdir.is_empty() {
        put("workingDir", order.workdir.into());
    }
    let env = order.env.iter();
    let env = env.map(|(name, value)| json!({ "name": name, "value": escaped(value) }));
    put("env", env.collect::<Vec<_>>().into());
    let from: Vec<Value> = settings
        .secrets
        .iter()
        .filter_map(|secret| secret.strip_prefix(AS_VARIABLES))
        .map(|name| json!({ "secretRef": { "name": name } }))
        .collect();
    if !from.is_empty() {
        put("envFrom", from.into());
    }
    let resources = resources(order);
    put(
        "resources",
        json!({ "requests": resources, "limits": resources }),
    );
    let mounts = mounts(order, settings);
    if !mounts.is_empty() {
        put("volumeMounts", mounts.into());
    }
    if !order.last_words.is_empty() {
        put("terminationMessagePath", order.last_words.into());
        put("terminationMessagePolicy", "File".into());
    }
    Value::Object(container)
}

fn resources(order: &Order<'_>) -> Value {
    let mut resources = Map::new();
    if order.cpu > 0 {
        resources.insert("cpu".to_owned(), format!("{}m", order.cpu).into());
    }
    if order.memory > 0 {
        resources.insert("memory".to_owned(), order.memory.to_string().into());
    }
    Value::Object(resources)
}

fn mounts(order: &Order<'_>, settings: &Kubernetes) -> Vec<Value> {
    let node = order.mounts.iter().enumerate();
    let node = node.map(|(n, path)| json!({ "name": format!("repo-pool-{n}"), "mountPath": path }));
    let secrets = mounted(settings).map(|name| {
        let path = format!("{SECRETS}/{name}");
        json!({ "name": volume(name), "mountPath": path, "readOnly": true })
    });
    let workspace = node_workspace(settings);
    let workspace =
        workspace.map(|path| json!({ "name": "repo-pool-workspace", "mountPath": path }));
    node.chain(secrets).chain(workspace).collect()
}

fn mounted(settings: &Kubernetes) -> impl Iterator<Item = &str> {
    let secrets = settings.secrets.iter().map(String::as_str);
    secrets.filter(|secret| !secret.starts_with(AS_VARIABLES))
}

/// The names of secrets may be longer than those of volumes, and have dots.
fn volume(secret: &str) -> String {
    let digest = crate::domain::dispatch::ids::digest(secret.as_bytes()) as u32;
    format!("repo-pool-secret-{digest:08x}")
}

fn node_workspace(settings: &Kubernetes) -> Option<String> {
    use crate::domain::dispatch::agents::Transport;
    let workspace = settings.workspace.as_ref();
    let workspace = workspace.filter(|_| settings.transport == Transport::Node);
    workspace.map(|path| path.to_string_lossy().into_owned())
}

/// Kubernetes fills in `$(NAME)`, and takes `$$` for `$`.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

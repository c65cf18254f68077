//! What a cluster says of Jobs and pods (`kubectl get jobs,pods -o json`), as far as it counts.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The container that a runner is.
pub const CONTAINER: &str = "runner";

/// The answer, by Job: what there is of each.
pub type Answer = BTreeMap<String, Seen>;

/// What there is of one attempt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Its Job.
    pub job: Option<Job>,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// A Job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Job {
    /// The value of `repo-pool.id`.
    pub id: Option<String>,
    /// It is being deleted.
    pub deleting: bool,
    /// It has failed: the reason, and that in words.
    pub failed: Option<(String, String)>,
    /// It is complete.
    pub complete: bool,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The value of `repo-pool.id`.
    pub id: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Where it stands.
    pub phase: Phase,
    /// It is being deleted.
    pub deleting: bool,
    /// Why it stands there, as the kubelet has it ("Evicted"), and that in words.
    pub reason: Option<(String, String)>,
    /// Why it is being taken away, if it is (the condition `DisruptionTarget`).
    pub disrupted: Option<String>,
    /// Why it has no node.
    pub unscheduled: Option<String>,
    /// The runner's container.
    pub container: Container,
    /// What other containers wait for, by name.
    pub others: Vec<(String, String)>,
}

/// The phases of a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// It has not begun.
    Pending,
    /// A container of it runs.
    Running,
    /// All of it ended well.
    Succeeded,
    /// All of it ended, not all well.
    Failed,
    /// Its node can't be reached.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How it is with a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Container {
    /// Nothing is said of it.
    #[default]
    Unseen,
    /// It waits: the reason, and that in words.
    Waiting(String, String),
    /// It runs.
    Running,
    /// It has ended.
    Ended(Ended),
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ended {
    /// The exit code.
    pub exit_code: i32,
    /// The signal, if the runtime names one.
    pub signal: Option<i32>,
    /// "Completed", "Error", "OOMKilled" …
    pub reason: String,
    /// Its last words.
    pub message: String,
    /// When it began.
    pub started_at: Option<jiff::Timestamp>,
    /// When it ended.
    pub finished_at: Option<jiff::Timestamp>,
}

impl Seen {
    /// What of it has this id: the rest is somebody else's of the same name.
    #[must_use]
    pub fn of(mut self, id: &str) -> Self {
        self.job = self.job.filter(|job| job.id.as_deref() == Some(id));
        self.pods.retain(|pod| pod.id.as_deref() == Some(id));
        self
    }
}

impl Pod {
    /// Whether something of it may run.
    pub fn may_run(&self) -> bool {
        !matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

/// Reads the answer.
///
/// # Errors
/// If it is no list of objects.
pub fn read(json: &[u8]) -> serde_json::Result<Answer> {
    let list: List = serde_json::from_slice(json)?;
    let mut answer = Answer::new();
    for object in list.items {
        match object.kind.as_str() {
            "Job" => {
                let seen = answer.entry(object.metadata.name.clone()).or_default();
                seen.job = Some(object.job());
            }
            "Pod" => {
                if let Some(job) = object.metadata.job() {
                    answer.entry(job).or_default().pods.push(object.pod());
                }
            }
            _ => {}
        }
    }
    Ok(answer)
}

/// Reads one Job.
///
/// # Errors
/// If it is none.
pub fn read_job(json: &[u8]) -> serde_json::Result<Job> {
    serde_json::from_slice(json).map(|object: Object| object.job())
}

#[derive(Deserialize)]
struct List {
    items: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
    deletion_timestamp: Option<String>,
}

impl Metadata {
    /// The Job that a pod is of. One that has been let go by its Job is still told by its labels.
    fn job(&self) -> Option<String> {
        let mut owners = self.owner_references.iter();
        let owner = owners.find(|owner| owner.kind == "Job");
        let labels = [
            "batch.kubernetes.io/job-name",
            "job-name",
            super::names::RUNNER,
        ];
        let mut labels = labels.iter().filter_map(|label| self.labels.get(*label));
        let owner = owner.map(|owner| &owner.name);
        owner.or_else(|| labels.next()).cloned()
    }
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Phase,
    reason: String,
    message: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Ended>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

impl State {
    fn container(self) -> Container {
        match self {
            Self {
                terminated: Some(ended),
                ..
            } => Container::Ended(ended),
            Self {
                running: Some(_), ..
            } => Container::Running,
            Self {
                waiting: Some(waiting),
                ..
            } => Container::Waiting(waiting.reason, waiting.message),
            _ => Container::Unseen,
        }
    }
}

impl Object {
    fn job(self) -> Job {
        let mut labels = self.metadata.labels;
        let conditions = self.status.conditions;
        let holds = |kind: &str| {
            let mut conditions = conditions.iter();
            conditions.find(|condition| condition.kind == kind && condition.status == "True")
        };
        let failed = holds("Failed").or_else(|| holds("FailureTarget"));
        Job {
            id: labels.remove(super::names::ID),
            deleting: self.metadata.deletion_timestamp.is_some(),
            failed: failed.map(|failed| (failed.reason.clone(), failed.message.clone())),
            complete: holds("Complete")
                .or_else(|| holds("SuccessCriteriaMet"))
                .is_some(),
        }
    }

    fn pod(self) -> Pod {
        let status = self.status;
        let condition = |kind: &str, is: &str| {
            let mut conditions = status.conditions.iter();
            let found = conditions.find(|c| c.kind == kind && c.status == is)?;
            Some(words(&found.reason, &found.message))
        };
        let (disrupted, unscheduled) = (
            condition("DisruptionTarget", "True"),
            condition("PodScheduled", "False"),
        );
        let mut container = Container::Unseen;
        let mut others = Vec::new();
        let all = status.init_container_statuses.into_iter();
        for found in all.chain(status.container_statuses) {
            match (found.name.as_str(), found.state.container()) {
                (CONTAINER, state) => container = state,
                (_, Container::Waiting(reason, message)) => {
                    others.push((found.name, words(&reason, &message)));
                }
                _ => {}
            }
        }
        Pod {
            id: self.metadata.labels.get(super::names::ID).cloned(),
            name: self.metadata.name,
            node: self.spec.node_name,
            phase: status.phase,
            deleting: self.metadata.deletion_timestamp.is_some(),
            reason: (!status.reason.is_empty()).then_some((status.reason, status.message)),
            disrupted,
            unscheduled,
            container,
            others,
        }
    }
}

/// `Unschedulable: 0/3 nodes are available`.
pub fn words(reason: &str, message: &str) -> String {
    match (reason, message.trim()) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

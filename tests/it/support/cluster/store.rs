//! The objects of a cluster, with a version for each change, and waiting for changes.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// The kinds that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Job,
    Pod,
    Event,
}

impl Kind {
    /// That of a resource in a request's path.
    pub fn of(resource: &str) -> Option<Self> {
        match resource {
            "jobs" => Some(Self::Job),
            "pods" => Some(Self::Pod),
            "events" => Some(Self::Event),
            _ => None,
        }
    }

    /// Its name and its API version.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Job => ("Job", "batch/v1"),
            Self::Pod => ("Pod", "v1"),
            Self::Event => ("Event", "v1"),
        }
    }

    /// As error messages name it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Job => "jobs.batch",
            Self::Pod => "pods",
            Self::Event => "events",
        }
    }
}

/// An object's kind, namespace and name.
pub type Key = (Kind, String, String);

/// One change.
#[derive(Clone)]
pub struct Change {
    pub version: u64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub what: &'static str,
    pub key: Key,
    pub object: Value,
}

/// What keeps pods from starting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// No node has room.
    Unschedulable,
    /// The image can't be pulled.
    NoImage,
}

/// Everything there is.
#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<Key, Value>,
    pub history: Vec<Change>,
    pub namespaces: BTreeSet<String>,
    /// Namespaces in which nothing is allowed.
    pub forbidden: BTreeSet<String>,
    /// By namespace and name.
    pub secrets: BTreeMap<(String, String), BTreeMap<String, String>>,
    pub trouble: Trouble,
    /// What the containers have printed, by the pod's uid and the container's name.
    pub logs: BTreeMap<(String, String), Log>,
    /// Exit codes of processes, by pid, until they are taken.
    pub exits: BTreeMap<u32, i32>,
    /// What the next end of a pod's container is put down to, by the pod's uid.
    pub blamed: BTreeMap<String, &'static str>,
    /// The pods of a Job that count as failed, by the Job's uid.
    pub failed: BTreeMap<String, BTreeSet<String>>,
    /// Pods that nobody looks after yet.
    pub new_pods: Vec<Key>,
    /// The cluster ends.
    pub over: bool,
    last: u64,
}

/// What a container has printed.
#[derive(Default)]
pub struct Log {
    /// Pieces that begin where lines do, each with the time.
    pub lines: Vec<(jiff::Timestamp, Vec<u8>)>,
    /// Nothing more will come.
    pub ended: bool,
}

impl Log {
    /// Adds what came.
    pub fn add(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match self.lines.last_mut() {
                Some((_, last)) if !last.ends_with(b"\n") => last.extend(piece),
                _ => self.lines.push((jiff::Timestamp::now(), piece.to_vec())),
            }
        }
    }
}

impl State {
    /// The newest version.
    pub fn version(&self) -> u64 {
        self.last
    }

    /// A number that no other call has had.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds an object: version, uid and time are set.
    pub fn add(&mut self, key: &Key, mut object: Value) -> Value {
        let (kind, api) = key.0.names();
        let number = self.number();
        object["apiVersion"] = json!(api);
        object["kind"] = json!(kind);
        let meta = &mut object["metadata"];
        meta["namespace"] = json!(key.1);
        meta["name"] = json!(key.2);
        meta["uid"] = json!(format!("00000000-0000-4000-8000-{number:012x}"));
        meta["creationTimestamp"] = json!(now());
        self.put("ADDED", key, object)
    }

    /// Changes an object that is there.
    pub fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(before) = self.objects.get(key) else {
            return;
        };
        let mut object = before.clone();
        change(&mut object);
        if object != *before {
            self.put("MODIFIED", key, object);
        }
    }

    /// Takes an object away.
    pub fn remove(&mut self, key: &Key) -> Option<Value> {
        let object = self.objects.get(key)?.clone();
        let object = self.put("DELETED", key, object);
        self.objects.remove(key);
        Some(object)
    }

    fn put(&mut self, what: &'static str, key: &Key, mut object: Value) -> Value {
        let version = self.number();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.objects.insert(key.clone(), object.clone());
        self.history.push(Change {
            version,
            what,
            key: key.clone(),
            object: object.clone(),
        });
        object
    }

    /// Objects of a kind, in one namespace or (empty) in all.
    pub fn of(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = (&Key, &Value)> {
        let all = self.objects.iter();
        all.filter(move |(key, _)| key.0 == kind && (namespace.is_empty() || key.1 == namespace))
    }

    /// The pods that belong to the object of this uid.
    pub fn pods_of(&self, uid: &Value) -> Vec<Key> {
        let pods = self.of(Kind::Pod, "");
        let own = pods.filter(|(_, pod)| pod["metadata"]["ownerReferences"][0]["uid"] == *uid);
        own.map(|(key, _)| key.clone()).collect()
    }

    /// Says something about a pod, as schedulers and nodes do.
    pub fn tell(&mut self, about: &Key, reason: &str, message: &str) {
        let name = format!("{}.{:x}", about.2, self.number());
        let uid = self
            .objects
            .get(about)
            .map(|pod| pod["metadata"]["uid"].clone());
        let event = json!({
            "involvedObject": {
                "kind": "Pod", "apiVersion": "v1", "namespace": about.1, "name": about.2, "uid": uid,
            },
            "reason": reason, "message": message, "type": "Warning", "count": 1,
            "firstTimestamp": now(), "lastTimestamp": now(), "source": {"component": "kubelet"},
        });
        self.add(&(Kind::Event, about.1.clone(), name), event);
    }
}

/// The state behind its lock.
#[derive(Default)]
pub struct Store {
    state: Mutex<State>,
    changed: Condvar,
}

impl Store {
    /// The state, as it is.
    pub fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    /// Changes it; whoever waits looks again.
    pub fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.look());
        self.changed.notify_all();
        answer
    }

    /// Waits until there is an answer; none if the time comes first. When the cluster ends there must
    /// be one.
    pub fn wait<T>(
        &self,
        until: Option<Instant>,
        mut ask: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.look();
        loop {
            if let Some(answer) = ask(&mut state) {
                return Some(answer);
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).expect("the state"),
                Some(left) if left.is_zero() => return None,
                Some(left) => self.changed.wait_timeout(state, left).expect("the state").0,
            };
        }
    }
}

/// The time, to the second, as objects have it.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Sets a condition of a status.
pub fn set_condition(object: &mut Value, kind: &str, value: &str, reason: &str, message: &str) {
    let condition = json!({
        "type": kind, "status": value, "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": now(),
    });
    if !object["status"]["conditions"].is_array() {
        object["status"]["conditions"] = json!([]);
    }
    let all = object["status"]["conditions"]
        .as_array_mut()
        .expect("conditions");
    let same = all.iter_mut().find(|one| one["type"] == kind);
    match same {
        Some(one) if one["status"] == value && one["reason"] == reason => {}
        Some(one) => *one = condition,
        None => all.push(condition),
    }
}

/// Whether a condition holds.
pub fn has(object: &Value, kind: &str) -> bool {
    let all = object["status"]["conditions"].as_array();
    let mut all = all.into_iter().flatten();
    all.any(|one| one["type"] == kind && one["status"] == "True")
}

/// Whether a pod has ended.
pub fn is_over(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

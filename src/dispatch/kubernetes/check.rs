//! Whether a cluster takes what an agent pool would ask of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Kubernetes;
use super::kubectl::{Cluster, Done};
use super::order;
use super::trouble::Trouble;
use crate::dispatch::launcher::Checked;
use crate::dispatch::launcher::{Away, Job};
use crate::domain::dispatch::agents::{self, Transport};
use crate::domain::dispatch::event::AttemptId;
use crate::sys::user;

/// What is asked of a cluster.
const RIGHTS: &[(&str, &str)] = &[
    ("create", "jobs.batch"),
    ("get", "jobs.batch"),
    ("list", "jobs.batch"),
    ("delete", "jobs.batch"),
    ("list", "pods"),
    // Who wants a log asks for its pod first.
    ("get", "pods"),
    ("delete", "pods"),
    ("get", "pods/log"),
];

impl Kubernetes {
    /// Asks the cluster of the agent pool of this name.
    pub(super) fn asked(&self, name: &str) -> Checked {
        let mut checked = Checked::default();
        let mut say = |trouble: Trouble, what: &str| {
            let text = format!("agent pool {name}: {what}: {trouble}");
            match trouble {
                Trouble::Away(_) | Trouble::Unclear(_) => checked.warnings.push(text),
                Trouble::Exists | Trouble::Refused(_) => checked.problems.push(text),
            }
        };
        let cluster = match self.configured().pinned() {
            Ok(cluster) => cluster,
            Err(trouble) => {
                say(trouble, "its cluster can't be found");
                return checked;
            }
        };
        if let Err(trouble) = reachable(&cluster) {
            let refused = matches!(trouble, Trouble::Refused(_));
            say(trouble, "its cluster could not be asked");
            if !refused {
                return checked;
            }
        }
        let place = cluster.namespace.as_deref().unwrap_or("default").to_owned();
        for (verb, kind) in RIGHTS {
            match cluster.can(verb, kind) {
                Ok(true) => {}
                Ok(false) => say(
                    Trouble::Refused(format!(
                        "`kubectl auth can-i {verb} {kind} -n {place}` says no"
                    )),
                    "it is not allowed what it needs",
                ),
                Err(trouble) => {
                    return {
                        say(trouble, "its rights could not be asked for");
                        checked
                    };
                }
            }
        }
        if let Err(trouble) = self.dry_run(&cluster) {
            say(trouble, "its cluster does not take its Jobs");
        }
        checked
    }

    /// Has a Job checked as if it were to be made.
    fn dry_run(&self, cluster: &Cluster) -> Done<()> {
        let settings = agents::Kubernetes {
            namespace: cluster.namespace.clone(),
            ..self.settings.clone()
        };
        let job = sample(&settings);
        let manifest = order::manifest(
            &job,
            &settings,
            self.template.clone(),
            &user::random_hex(16),
        );
        let text = manifest
            .map_err(|error| error.reason())
            .and_then(|manifest| serde_json::to_vec(&manifest).map_err(|error| error.to_string()));
        let text = text.map_err(Trouble::Refused)?;
        let words = [
            "create",
            "--dry-run=server",
            "--validate=strict",
            "-o",
            "name",
            "-f",
            "-",
        ];
        cluster.run(&words, Some(&text)).map(drop)
    }
}

/// Whether the namespace is there. Many may not ask for that, who may all the rest.
fn reachable(cluster: &Cluster) -> Done<()> {
    let Some(namespace) = &cluster.namespace else {
        return Ok(());
    };
    match cluster.run(&["get", "namespace", namespace, "-o", "name"], None) {
        Err(Trouble::Refused(why)) if why.contains("(Forbidden)") => Ok(()),
        other => other.map(drop),
    }
}

/// A task like any other.
fn sample(settings: &agents::Kubernetes) -> Job {
    let runner = format!("rp-check-{}", user::random_hex(4));
    let away = Away {
        pool: "sample".to_owned(),
        remote: "https://example.com/sample.git".to_owned(),
        branch: "rp/sample".to_owned(),
        keep: "rp/sample.a0".to_owned(),
        base_commit: "0".repeat(40),
        base_branch: None,
    };
    let context = ("TASK_CONTEXT".to_owned(), "{}".to_owned());
    Job {
        dir: PathBuf::from("/tmp").join(&runner),
        runner,
        attempt: AttemptId {
            task: "sample".to_owned(),
            attempt: 1,
            token: 0,
        },
        command: vec!["true".to_owned()],
        workdir: PathBuf::from("/tmp"),
        slot: None,
        shared: Vec::new(),
        away: (settings.transport != Transport::HostPath).then_some(away),
        env: BTreeMap::from([context]),
        timeout: Some(Duration::from_secs(60)),
        stall: None,
        heartbeat_timeout: Duration::from_secs(60),
        log_limit: 0,
        cpu: 1000,
        memory: 0,
        holder: None,
    }
}

//! What an agent pool of type "kubernetes" has of its own.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How Jobs are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    /// The image that runners start from; none if the template names it.
    pub image: Option<String>,
    /// Where Jobs are made; none: kubectl's current one.
    pub namespace: Option<String>,
    /// The context of kubectl's configuration; none: the current one.
    pub context: Option<String>,
    /// kubectl's configuration; none: where kubectl looks for it.
    pub kubeconfig: Option<PathBuf>,
    /// A file with what Jobs have beside what is set for each of them.
    pub job_template: Option<PathBuf>,
    /// Secrets that runners can read: a name (mounted), or `env:` and a name (as variables).
    pub secrets: Vec<String>,
    /// Where a task's files are.
    pub transport: Transport,
    /// The one node that Jobs run on (its label `kubernetes.io/hostname`).
    pub node: Option<String>,
    /// The workspace on each node, for [`Transport::Node`].
    pub workspace: Option<PathBuf>,
    /// How long a Job may take to begin.
    pub pending_timeout: Duration,
    /// How often the cluster is asked how its Jobs are.
    pub watch_interval: Duration,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            image: None,
            namespace: None,
            context: None,
            kubeconfig: None,
            job_template: None,
            secrets: Vec::new(),
            transport: Transport::default(),
            node: None,
            workspace: None,
            pending_timeout: Duration::from_secs(5 * 60),
            watch_interval: Duration::from_secs(3),
        }
    }
}

/// Where the files of a Job's task are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// In a clone of its own, made in the container; the branch is pushed.
    #[default]
    #[serde(rename = "clone")]
    Clone,
    /// In a slot of this machine, which is the node.
    #[serde(rename = "hostPath")]
    HostPath,
    /// In a slot of the workspace of the node that it is on; the branch is pushed.
    #[serde(rename = "node")]
    Node,
}

impl Transport {
    /// Of the word in the settings.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "clone" => Some(Self::Clone),
            "hostPath" => Some(Self::HostPath),
            "node" => Some(Self::Node),
            _ => None,
        }
    }
}

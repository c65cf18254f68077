//! What an agent pool of type "docker" has of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When an image is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pull {
    /// Before each start.
    Always,
    /// If it is not there.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

/// How containers are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Docker {
    /// The image that runners start from.
    pub image: String,
    /// Who they are in the container; none: who the dispatcher is.
    pub user: Option<String>,
    /// The network they are in; none: docker's own.
    pub network: Option<String>,
    /// When the image is fetched.
    pub pull: Pull,
    /// How many processes each may have.
    pub pids_limit: u32,
    /// The daemon; none: where docker's own variables and contexts say.
    pub host: Option<String>,
    /// Further arguments of `docker run`.
    pub arguments: Vec<String>,
    /// How long the daemon may take to answer.
    pub answer_timeout: Duration,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            image: String::new(),
            user: None,
            network: None,
            pull: Pull::default(),
            pids_limit: 512,
            host: None,
            arguments: Vec::new(),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

//! The settings of an agent pool of type "docker".

use super::Values;
use crate::domain::dispatch::agents::{Docker, Pull};

impl Values<'_> {
    pub(super) fn docker(&self) -> Docker {
        let usual = Docker::default();
        Docker {
            image: self.text("image").unwrap_or_default(),
            user: self.text("user"),
            network: self.text("network"),
            pull: match self.text("pull").as_deref() {
                Some("always") => Pull::Always,
                Some("never") => Pull::Never,
                _ => Pull::Missing,
            },
            pids_limit: self.count("pids_limit").unwrap_or(usual.pids_limit),
            host: self.text("host"),
            arguments: self.list("arguments").unwrap_or_default(),
            answer_timeout: self
                .duration("answer_timeout")
                .unwrap_or(usual.answer_timeout),
        }
    }
}

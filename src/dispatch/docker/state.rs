//! What docker knows of a container.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::outcome::Outcome;

/// The exit codes from here on stand for a signal.
const SIGNALLED: i32 = 128;

/// The part of `docker container inspect` that counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Its id.
    pub id: String,
    /// How it is with it.
    pub state: State,
    /// How it was made.
    pub config: Config,
}

/// How it is with a container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `exited` …
    pub status: String,
    /// Whether the kernel has killed one of its processes for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// How it ended.
    pub exit_code: i32,
    /// Why it could not be started.
    #[serde(default)]
    pub error: String,
    /// Since when it runs.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
}

/// How a container was made.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// Its labels.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

impl Container {
    /// Its label of that name.
    pub fn label(&self, name: &str) -> Option<&str> {
        let labels = self.config.labels.as_ref()?;
        labels.get(name).map(String::as_str)
    }
}

impl State {
    /// Whether it was made and never started.
    pub fn is_new(&self) -> bool {
        self.status == "created"
    }

    /// Whether nothing of it runs any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "exited" | "dead")
    }

    /// Whether a signal may have ended it.
    pub fn is_signalled(&self) -> bool {
        self.exit_code > SIGNALLED && !self.oom_killed
    }

    /// How a container that has ended did so, in which a runner could have so much memory.
    pub fn outcome(&self, memory: u64) -> Outcome {
        let seconds = self.seconds();
        let outcome = match (self.oom_killed, memory) {
            (true, 0) if self.exit_code != 0 => Outcome {
                code: Some(self.exit_code),
                ..Outcome::of(EndClass::Oom, "the machine had no memory left for it")
            },
            (oom, memory) => Outcome {
                out_of_memory: (oom && memory > 0).then_some(memory),
                ..Outcome::exited(self.exit_code)
            },
        };
        let signal = self.exit_code - SIGNALLED;
        let said = self
            .is_signalled()
            .then(|| format!("signal {signal} ended it"));
        let said = said.or_else(|| (!self.error.is_empty()).then(|| self.error.clone()));
        Outcome {
            seconds,
            reason: outcome.reason.clone().or(said),
            ..outcome
        }
    }

    fn seconds(&self) -> Option<f64> {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let (from, to) = (time(&self.started_at)?, time(&self.finished_at)?);
        let seconds = to.duration_since(from).as_secs_f64();
        (seconds >= 0.0).then_some(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXITED: &str = r#"[{"Id": "abc", "Name": "/rp-run-a-a1", "State": {"Status": "exited",
        "Running": false, "OOMKilled": false, "ExitCode": 7, "Error": "",
        "StartedAt": "2026-11-21T23:09:27.557265773Z", "FinishedAt": "2026-11-21T23:09:29.557265773Z"},
        "Config": {"Labels": {"repo-pool.run": "run"}}}]"#;

    fn exited() -> Container {
        let mut read: Vec<Container> = serde_json::from_str(EXITED).unwrap();
        read.remove(0)
    }

    #[test]
    fn what_docker_tells_of_an_end_is_understood() {
        let container = exited();
        assert_eq!(container.label("repo-pool.run"), Some("run"));
        let state = container.state;
        assert!(state.has_ended() && !state.is_new());
        let end = state.outcome(0).end(9.0);
        assert_eq!((end.class, end.exit_code), (EndClass::Failure, Some(7)));
        assert!((end.seconds - 2.0).abs() < 1e-6, "{end:?}");
    }

    #[test]
    fn signals_and_want_of_memory_are_told_apart() {
        let state = |exit_code, oom_killed| State {
            exit_code,
            oom_killed,
            ..exited().state
        };
        let signalled = state(137, false).outcome(64 << 20).end(0.0);
        assert_eq!(signalled.class, EndClass::Failure);
        assert_eq!(signalled.reason.as_deref(), Some("signal 9 ended it"));
        for memory in [0, 64 << 20] {
            let short = state(137, true).outcome(memory).end(0.0);
            assert_eq!(short.class, EndClass::Oom, "{memory}");
        }
        assert_eq!(state(0, true).outcome(1).end(0.0).class, EndClass::Done);
    }
}

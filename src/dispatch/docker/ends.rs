//! How a container has ended, where docker's own record of it does not say it all.

use std::time::Duration;

use super::Containers;
use super::state::Container;
use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::outcome::Outcome;
use crate::sys::clock;

/// The signal by which want of memory ends a process.
const KILLED: i32 = 9;

/// How long is waited for the word of that.
const LATE_WORD: Duration = Duration::from_secs(1);

impl Containers<'_> {
    /// Whether it was started, and docker does not know that: a daemon that is killed in the moment of a
    /// start has not written it down.
    pub(super) fn is_forgotten(&self, container: &Container) -> bool {
        let was_started = self.started.get() && self.was_away.get();
        container.state.is_new() && (was_started || self.stuck.get())
    }

    /// What docker has heard of a container that a signal has ended, until so long from now.
    fn heard(&self, container: &Container, until: Duration) -> String {
        let from = &container.state.started_at;
        let until = (clock::now() + until).to_string();
        let container = format!("container={}", container.id);
        let words = [
            "events", "--since", from, "--until", &until, "--filter", &container,
        ];
        let filter = ["--filter", "event=kill", "--filter", "event=oom"];
        let format = ["--format", "{{.Action}}"];
        self.ask(&[&words[..], &filter[..], &format[..]].concat())
            .unwrap_or_default()
    }

    /// How a container has ended.
    pub(super) fn outcome(&self, container: &Container) -> Outcome {
        let memory = self.order.memory;
        let outcome = container.state.outcome(memory);
        if !container.state.is_signalled() {
            return outcome;
        }
        let signal = container.state.exit_code - 128;
        let infra = |reason: String| Outcome {
            class: Some(EndClass::Infra),
            reason: Some(reason),
            ..outcome.clone()
        };
        if self.was_away.get() {
            return infra(format!(
                "docker's daemon went away, and signal {signal} ended its container"
            ));
        }
        let mut heard = self.heard(container, Duration::ZERO);
        if heard.is_empty() && signal == KILLED && memory > 0 {
            // Want of memory can be told later than the end that it brought about.
            heard = self.heard(container, LATE_WORD);
        }
        let has = |event: &str| heard.lines().any(|line| line.trim() == event);
        if has("oom") && signal == KILLED {
            let mut state = container.state.clone();
            state.oom_killed = true;
            return state.outcome(memory);
        }
        match has("kill") {
            true => infra(format!(
                "somebody had docker end its container, or docker's daemon began anew (signal \
                 {signal})"
            )),
            false => outcome,
        }
    }
}

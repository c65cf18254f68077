//! The settings of an agent pool of type "exec".

use std::time::Duration;

use super::Values;
use crate::config::file::Table;
use crate::config::keys::Place;
use crate::config::value::Value;
use crate::domain::dispatch::agents::exec::Exec;
use crate::domain::dispatch::agents::exec::answer::State;

/// What counts where nothing is said.
const POLL_EVERY: Duration = Duration::from_secs(5);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const EXIT_WAIT: Duration = Duration::from_secs(30);

impl Values<'_> {
    pub(super) fn exec(&self) -> Exec {
        let words = |name| self.list(name).unwrap_or_default();
        let time = |name, else_| self.duration(name).unwrap_or(else_);
        Exec {
            submit: words("submit"),
            poll: words("poll"),
            cancel: words("cancel"),
            log: words("log"),
            find: words("find"),
            job_after: self.text("job_after"),
            state_after: self.text("state_after"),
            exit_code_after: self.text("exit_code_after"),
            states: self.table("states", |value| match value {
                Value::Text(word) => State::from_word(&word),
                _ => None,
            }),
            gone: words("gone"),
            poll_every: time("poll_every", POLL_EVERY),
            command_timeout: time("command_timeout", COMMAND_TIMEOUT),
            exit_wait: time("exit_wait", EXIT_WAIT),
        }
    }
}

/// What is wrong with such an agent pool, by key.
pub(in crate::config) fn problems(table: &Table) -> Vec<(&'static str, String)> {
    let table = Some(table);
    let place = Place::AgentPool;
    Values { table, place }.exec().problems()
}

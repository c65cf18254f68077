//! What an agent pool of type "exec" has of its own: commands that drive another engine.
//!
//! | command | when | its answer |
//! |---|---|---|
//! | `submit` | once per attempt | the job's id |
//! | `poll` | now and then | a word for its state |
//! | `cancel` | to end it | nothing |
//! | `find` | if nobody knows whether it was submitted | the job's id, or nothing |
//! | `log` | with each `poll` | what it has written so far |

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub mod answer;
pub mod script;
pub mod template;

use template::Template;

/// The commands that drive another engine, and how their answers are understood.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Hands a runner over.
    pub submit: Vec<String>,
    /// Says how it is with it.
    pub poll: Vec<String>,
    /// Ends it.
    pub cancel: Vec<String>,
    /// Prints its output; none: the script writes it where it belongs.
    pub log: Vec<String>,
    /// Says which job has the runner's name; none: nobody can.
    pub find: Vec<String>,
    /// What the job's id follows in the answer of `submit` and `find`; none: it is the last word.
    pub job_after: Option<String>,
    /// What the state follows in the answer of `poll`; none: it is the first word.
    pub state_after: Option<String>,
    /// What the exit code follows there; none: only the script can tell it.
    pub exit_code_after: Option<String>,
    /// The engine's words for states, beside the usual ones.
    pub states: BTreeMap<String, answer::State>,
    /// What the engine says of a job that it does not know.
    pub gone: Vec<String>,
    /// How often is asked.
    pub poll_every: Duration,
    /// How long each command may take.
    pub command_timeout: Duration,
    /// How long after the job's end the exit code may come that its script writes down.
    pub exit_wait: Duration,
}

impl Exec {
    /// Its commands by their keys, those that there are.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let commands = [
            ("submit", &*self.submit),
            ("poll", &*self.poll),
            ("cancel", &*self.cancel),
            ("find", &*self.find),
            ("log", &*self.log),
        ];
        commands.into_iter().filter(|(_, words)| !words.is_empty())
    }

    /// Whether jobs run the script of their attempt: it begins once at most, and writes down its end.
    pub fn has_script(&self) -> bool {
        Template(&self.submit).has("script")
    }

    /// Whether nothing can be asked about a job whose id is not known.
    pub fn needs_id(&self) -> bool {
        Template(&self.poll).has("job") || Template(&self.cancel).has("job")
    }

    /// What is wrong, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        for (key, words) in [
            ("submit", &self.submit),
            ("poll", &self.poll),
            ("cancel", &self.cancel),
        ] {
            if words.is_empty() {
                let wrong = "is not there: agent pools of type \"exec\" need it";
                problems.push((key, wrong.to_owned()));
            }
        }
        for (key, words) in self.commands() {
            let with_job = !matches!(key, "submit" | "find");
            let wrong = Template(words).problems(with_job);
            problems.extend(wrong.into_iter().map(|wrong| (key, wrong)));
        }
        let submit = Template(&self.submit);
        let (script, command) = (submit.has("script"), submit.has("command"));
        if !self.submit.is_empty() && script == command {
            let wrong = match script {
                true => "holds both {script} and {command}",
                false => "holds neither {script} nor {command}: what is to be run?",
            };
            problems.push(("submit", wrong.to_owned()));
        }
        if command && !script && self.needs_id() && self.find.is_empty() {
            let wrong = "is not there: with {command}, only it can tell after a kill whether a job was \
                         submitted ({script} does without)";
            problems.push(("find", wrong.to_owned()));
        }
        for (key, words) in self.commands() {
            let about = matches!(key, "poll" | "cancel" | "log" | "find");
            if about && !["job", "name"].iter().any(|name| Template(words).has(name)) {
                let names = if key == "find" {
                    "{name}"
                } else {
                    "{job} or {name}"
                };
                problems.push((
                    key,
                    format!("does not say of which job: {names} is missing"),
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests;

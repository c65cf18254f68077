//! What an engine's commands answer.

use serde::{Deserialize, Serialize};

use super::Exec;
use crate::domain::dispatch::EndClass;

/// No engine has a longer id.
const LONGEST_ID: usize = 200;

/// What a state means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has not begun.
    Waiting,
    /// It runs.
    Running,
    /// It has ended well.
    Done,
    /// It has ended, not well.
    Failed,
    /// It needed more memory than it may have.
    Oom,
    /// It took longer than the engine lets it.
    Timeout,
    /// The engine has taken it away.
    Evicted,
    /// The engine does not know it.
    Gone,
}

/// Their words, as settings have them.
pub const STATES: &[&str] = &[
    "waiting", "running", "done", "failed", "oom", "timeout", "evicted", "gone",
];

/// What engines usually call them, in small letters.
const USUAL: &[(State, &[&str])] = &[
    (
        State::Waiting,
        &[
            "waiting",
            "pending",
            "queued",
            "configuring",
            "requeued",
            "held",
            "opened",
            "submitted",
        ],
    ),
    (
        State::Running,
        &[
            "running",
            "active",
            "completing",
            "suspended",
            "stopped",
            "signaling",
            "staging",
            "stage_out",
        ],
    ),
    (
        State::Done,
        &[
            "done",
            "completed",
            "complete",
            "finished",
            "success",
            "successful",
            "succeeded",
        ],
    ),
    (
        State::Failed,
        &[
            "failed",
            "failure",
            "error",
            "cancelled",
            "canceled",
            "killed",
            "dead",
        ],
    ),
    (State::Oom, &["oom", "out_of_memory"]),
    (State::Timeout, &["timeout", "deadline"]),
    (
        State::Evicted,
        &["evicted", "preempted", "node_fail", "boot_fail", "revoked"],
    ),
    (State::Gone, &["gone", "lost", "unknown"]),
];

impl State {
    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        let states = USUAL.iter().map(|(state, _)| *state);
        let mut named = STATES.iter().zip(states);
        named
            .find(|(name, _)| **name == word)
            .map(|(_, state)| state)
    }

    /// Whether the job is over.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// What such an end means by itself; none if the exit code tells.
    pub fn class(self) -> Option<EndClass> {
        match self {
            Self::Waiting | Self::Running | Self::Done | Self::Failed => None,
            Self::Oom => Some(EndClass::Oom),
            Self::Timeout => Some(EndClass::Timeout),
            Self::Evicted => Some(EndClass::Evicted),
            Self::Gone => Some(EndClass::Lost),
        }
    }
}

/// What a command has printed, and how it ended.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Whether its exit code is 0.
    pub well: bool,
    /// What it printed.
    pub stdout: &'a str,
    /// What it complained of.
    pub stderr: &'a str,
}

impl Said<'_> {
    /// In a line, for people.
    pub fn in_short(self) -> String {
        let last = |text: &str| {
            let mut lines = text.lines().rev().map(str::trim);
            lines.find(|line| !line.is_empty()).map(shortened)
        };
        last(self.stderr)
            .or_else(|| last(self.stdout))
            .unwrap_or_else(|| "it printed nothing".to_owned())
    }
}

fn shortened(line: &str) -> String {
    const LONGEST: usize = 200;
    let mut text: String = line.chars().filter(|c| !c.is_control()).collect();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// How it is with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the engine's word means.
    pub state: State,
    /// The word.
    pub word: String,
    /// The exit code, where the engine tells it.
    pub code: Option<i32>,
}

impl Exec {
    /// The id that `submit` has answered; the error is what is wrong with the answer.
    pub fn job_id(&self, said: Said<'_>) -> Result<String, String> {
        let word = match &self.job_after {
            Some(text) => said
                .stdout
                .split_once(text.as_str())
                .and_then(|(_, rest)| rest.split_whitespace().next()),
            None => said.stdout.split_whitespace().next_back(),
        };
        let Some(word) = word else {
            return Err(format!("it names no job: {}", said.in_short()));
        };
        // "17;cluster" is how Slurm names the jobs of a federation.
        let id = word.split(';').next().unwrap_or_default();
        match is_id(id) {
            true => Ok(id.to_owned()),
            false => Err(format!("{:?} is no job's id", shortened(word))),
        }
    }

    /// The id of the job that `find` has found; none if there is none.
    pub fn found(&self, said: Said<'_>) -> Result<Option<String>, String> {
        if self.is_gone(said) {
            return Ok(None);
        }
        match (said.well, said.stdout.trim().is_empty()) {
            (false, _) => Err(said.in_short()),
            (true, true) => Ok(None),
            (true, false) => self.job_id(said).map(Some),
        }
    }

    /// What `poll` has answered; the error is why that says nothing.
    pub fn state(&self, said: Said<'_>) -> Result<Seen, String> {
        if self.is_gone(said) {
            return Ok(Seen {
                state: State::Gone,
                word: said.in_short(),
                code: None,
            });
        }
        if !said.well {
            return Err(said.in_short());
        }
        let text = match &self.state_after {
            None => said.stdout,
            Some(text) => match said.stdout.split_once(text.as_str()) {
                Some((_, rest)) => rest,
                None => {
                    return Err(format!(
                        "{text:?} is not in its answer: {}",
                        said.in_short()
                    ));
                }
            },
        };
        let word = first_word(text);
        let Some(state) = self.meaning(word) else {
            return Err(match word {
                "" => "its answer holds no word".to_owned(),
                word => format!("{:?} is not known as a state", shortened(word)),
            });
        };
        let code = self.exit_code_after.as_deref();
        let code = code.and_then(|text| said.stdout.split_once(text));
        Ok(Seen {
            state,
            word: shortened(word),
            code: code.and_then(|(_, rest)| number(rest)),
        })
    }

    fn is_gone(&self, said: Said<'_>) -> bool {
        let mut texts = self.gone.iter().filter(|text| !text.is_empty());
        texts.any(|text| said.stdout.contains(text) || said.stderr.contains(text))
    }

    fn meaning(&self, word: &str) -> Option<State> {
        let own = self.states.iter();
        let mut own = own.filter(|(name, _)| name.eq_ignore_ascii_case(word));
        if let Some((_, state)) = own.next() {
            return Some(*state);
        }
        let word = word.to_ascii_lowercase();
        let usual = USUAL.iter().find(|(_, words)| words.contains(&&*word));
        usual.map(|(state, _)| *state)
    }
}

/// Whether it may be put into a command: no option, nothing that a shell would make something of, and
/// not one of the words of a message.
fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
    text.len() <= LONGEST_ID
        && text.bytes().all(allowed)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && !text.starts_with('-')
}

/// The first run of letters, digits, `_` and `-`, whatever frames it.
fn first_word(text: &str) -> &str {
    let of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = text.find(|c: char| !of_word(c)).unwrap_or(text.len());
    &text[..end]
}

/// The number that a text begins with, whatever stands before it.
fn number(text: &str) -> Option<i32> {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '\n');
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

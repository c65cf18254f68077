//! The docker client: started for one question each time, which has a limit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Seek};
use std::time::Duration;

use crate::domain::dispatch::agents::Docker;
use crate::domain::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::process::{Command, Ended, Finished, Limits};

/// The program.
const PROGRAM: &str = "docker";
/// What the daemon says is kept to so many characters.
const WORDS: usize = 500;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// There is no such program here.
    Missing(String),
    /// This user may not talk to the daemon.
    Denied(String),
    /// There is no daemon: nothing was asked.
    Unreachable(String),
    /// The daemon went away before it had answered.
    Broken(String),
    /// It takes too long.
    Late(Duration),
    /// This process is to end.
    Interrupted,
    /// The daemon says no: the client's exit code, and its words.
    Refused(i32, String),
}

impl Fault {
    /// In words.
    pub fn reason(&self) -> String {
        match self {
            Self::Missing(why) => format!("docker can't be run: {why}"),
            Self::Denied(words) => format!("docker's daemon can't be talked to: {words}"),
            Self::Unreachable(words) => format!("docker's daemon can't be reached: {words}"),
            Self::Broken(words) => format!("docker's daemon went away: {words}"),
            Self::Late(limit) => format!(
                "docker's daemon has not answered for {}",
                humantime::format_duration(*limit)
            ),
            Self::Interrupted => "it was to end before docker had answered".to_owned(),
            Self::Refused(_, words) => format!("docker: {words}"),
        }
    }

    /// Whether nobody was asked anything.
    pub fn is_unasked(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::Denied(_) | Self::Unreachable(_)
        )
    }

    /// Whether what it says is that there is nothing of that name. That a file is missing, for one, says
    /// nothing of a container.
    pub fn is_absence(&self) -> bool {
        let Self::Refused(_, words) = self else {
            return false;
        };
        let words = words.to_lowercase();
        let nothing = ["no such container", "no such object", "no such image"];
        nothing.iter().any(|text| words.contains(text))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::failed(fault.reason())
    }
}

/// The client for one daemon.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    settings: &'a Docker,
    surroundings: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Client<'a> {
    /// For the daemon that these settings mean; with the `surroundings` of former times, or the present
    /// ones.
    pub fn new(settings: &'a Docker, surroundings: Option<&'a BTreeMap<String, String>>) -> Self {
        Self {
            settings,
            surroundings,
        }
    }

    /// How long the daemon may take.
    pub fn patience(&self) -> Duration {
        self.settings.answer_timeout
    }

    fn command(&self, words: &[String]) -> Command<'_> {
        let mut command = Command::new(PROGRAM);
        if let Some(surroundings) = self.surroundings {
            for name in SURROUNDINGS {
                command.env_remove(name);
            }
            command.envs(surroundings);
        }
        if let Some(host) = &self.settings.host {
            command.env_remove("DOCKER_CONTEXT");
            command.env("DOCKER_HOST", host);
        }
        command.args(words);
        command
    }

    /// Asks, and gives what the client prints.
    pub fn ask(&self, words: &[String], limit: Duration) -> std::result::Result<String, Fault> {
        self.ask_with(words, &[], limit)
    }

    /// The same, with these variables for the client to hand on.
    pub fn ask_with(
        &self,
        words: &[String],
        env: &[(&str, &str)],
        limit: Duration,
    ) -> std::result::Result<String, Fault> {
        let mut command = self.command(words);
        command.envs(env.iter().copied()).limits(Limits {
            deadline: Some(Deadline::after(limit)),
            ..Limits::default()
        });
        let finished = command.run().map_err(|e| cannot_run(&e))?;
        match finished.ended {
            Some(Ended::Signal(_)) => Err(Fault::Interrupted),
            Some(_) => Err(Fault::Late(limit)),
            None if finished.status.success() => {
                Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
            }
            None => Err(said(&finished)),
        }
    }

    /// Copies what a command of the client prints into a file, from its beginning, for so long at most;
    /// true if it has ended well by itself: then nothing else is in there.
    pub fn copy(&self, words: &[String], limit: Option<Duration>, mut into: &File) -> Result<bool> {
        let failed = |e| Error::io("copy", "a log", e);
        into.rewind().map_err(failed)?;
        let [one, other] = [into.try_clone(), into.try_clone()];
        let mut command = self.command(words);
        command.output_files(one.map_err(failed)?.into(), other.map_err(failed)?.into());
        command.limits(Limits {
            deadline: limit.map(Deadline::after),
            ..Limits::default()
        });
        let finished = command.run().map_err(failed)?;
        let whole = finished.ended.is_none() && finished.status.success();
        if whole {
            // What the client complained of the time before is no output. The place is the client's, too.
            let end = into.stream_position().map_err(failed)?;
            into.set_len(end).map_err(failed)?;
        }
        Ok(whole)
    }
}

/// The variables that say where the daemon is.
pub const SURROUNDINGS: &[&str] = &[
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
];

fn cannot_run(error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => Fault::Missing("there is no such program".to_owned()),
        _ => Fault::Missing(error.to_string()),
    }
}

fn said(finished: &Finished) -> Fault {
    let text = String::from_utf8_lossy(&finished.stderr);
    fault(finished.status.code(), &text)
}

/// What it means that the client has ended with this code and these words.
fn fault(code: Option<i32>, text: &str) -> Fault {
    let words = words(text);
    let lower = words.to_lowercase();
    let has = |beginnings: &[&str]| beginnings.iter().any(|text| lower.contains(text));
    if has(&[
        "permission denied while trying to connect",
        "permission denied: unix",
    ]) {
        return Fault::Denied(words);
    }
    // Whoever answers is reached, whatever it could not reach itself.
    if text.contains("Error response from daemon: ") {
        return Fault::Refused(code.unwrap_or(-1), words);
    }
    let nowhere = [
        "cannot connect to the docker daemon",
        "failed to connect to the docker",
        "connection refused",
        // The client does not even know which daemon is meant.
        "failed to initialize",
        "unable to resolve docker endpoint",
        "context not found",
        "is not found on the file system",
    ];
    let gone = ["error during connect", "unexpected eof", "connection reset"];
    match code {
        _ if has(&nowhere) => Fault::Unreachable(words),
        _ if has(&gone) => Fault::Broken(words),
        code => Fault::Refused(code.unwrap_or(-1), words),
    }
}

/// What was said, without what the client puts around it.
fn words(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| {
        let around = line.is_empty()
            || line.starts_with("Run 'docker ")
            || line.starts_with("See 'docker ")
            || line.starts_with("WARNING:")
            || line.starts_with("Unable to find image ");
        !around
    });
    let plain = lines.map(|line| {
        let line = line.strip_prefix("docker: ").unwrap_or(line);
        line.strip_prefix("Error response from daemon: ")
            .unwrap_or(line)
    });
    let all = plain.collect::<Vec<_>>().join("; ");
    match all.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &all[..end]),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_says_is_kept_and_what_it_puts_around_it_is_not() {
        let text = "Unable to find image 'x:1' locally\ndocker: Error response from daemon: No such \
                    image: x:1\n\nRun 'docker run --help' for more information\n";
        assert_eq!(words(text), "No such image: x:1");
        assert_eq!(words(&"x".repeat(600)).chars().count(), WORDS + 1);
    }

    #[test]
    fn a_daemon_that_answers_is_not_away() {
        let registry = "Error response from daemon: Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: \
                        connect: connection refused";
        let refused = fault(Some(1), registry);
        assert!(matches!(refused, Fault::Refused(1, _)), "{refused:?}");
        let reset = registry.replace("connection refused", "unexpected EOF");
        assert!(matches!(fault(Some(1), &reset), Fault::Refused(1, _)));
        for gone in ["error during connect: Post: EOF", "unexpected EOF"] {
            assert!(matches!(fault(Some(1), gone), Fault::Broken(_)), "{gone}");
        }
    }

    #[test]
    fn only_what_the_daemon_does_not_have_is_absent() {
        for absent in [
            "Error response from daemon: No such container: rp-run-a-a1",
            "Error: No such object: rp-run-a-a1",
            "docker: Error response from daemon: No such image: x:1",
        ] {
            assert!(fault(Some(1), absent).is_absence(), "{absent}");
        }
        for nowhere in [
            "Failed to initialize: unable to resolve docker endpoint: open /certs/ca.pem: no such file or \
             directory",
            "Failed to initialize: unable to resolve docker endpoint: context \"x\": context not found: \
             open /meta.json: no such file or directory",
            "Current context \"x\" is not found on the file system, please check your config file",
            "Cannot connect to the Docker daemon at unix:///nope. Is the docker daemon running?",
        ] {
            let fault = fault(Some(1), nowhere);
            assert!(matches!(fault, Fault::Unreachable(_)), "{fault:?}");
            assert!(!fault.is_absence(), "{nowhere}");
        }
        let refused = fault(
            Some(127),
            "docker: Error response from daemon: no such file or directory",
        );
        assert!(!refused.is_absence(), "{refused:?}");
    }
}

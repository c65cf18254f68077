//! The commands that drive an engine, as a person has written them.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use crate::domain::Error;
use crate::domain::dispatch::agents::exec::answer::Said;
use crate::domain::dispatch::agents::exec::template::{Template, Values};
use crate::sys::clock::Deadline;
use crate::sys::process::{Command, Ended, Limits};

/// No answer is longer; what is more is not looked at.
const LONGEST: usize = 1 << 20;

/// A command, with what it needs.
pub struct Call<'a> {
    /// Its key, for people.
    pub key: &'static str,
    /// Its words.
    pub words: &'a [String],
    /// What its placeholders stand for.
    pub values: Values,
    /// Where it runs.
    pub dir: &'a Path,
    /// How long it may take.
    pub limit: Duration,
    /// Whether it is kept from its variables that it belongs to an attempt: an engine may hand them on
    /// to the job, which would be taken for a process of the attempt's keeper.
    pub is_sealed: bool,
}

/// What it has answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Why it has not.
#[derive(Debug)]
pub enum Unanswered {
    /// It was not even started.
    NotStarted(Error),
    /// It was ended before it had answered.
    CutOff(Error),
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotStarted(error) | Unanswered::CutOff(error) => error,
        }
    }
}

impl Answer {
    /// For who understands it.
    pub fn said(&self) -> Said<'_> {
        Said {
            well: self.code == Some(0),
            stdout: &self.stdout,
            stderr: &self.stderr,
        }
    }

    /// What it has complained of.
    pub fn complaint(&self) -> String {
        let how = match self.code {
            Some(code) => format!("exit {code}"),
            None => "a signal".to_owned(),
        };
        format!("{how}: {}", self.said().in_short())
    }
}

impl Call<'_> {
    /// Runs it and keeps what it prints.
    pub fn ask(&self) -> Result<Answer, Unanswered> {
        let mut stdout = Vec::new();
        let mut keep = |bytes: &[u8]| {
            let room = LONGEST - stdout.len();
            stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        let mut answer = self.run(&mut keep)?;
        answer.stdout = String::from_utf8_lossy(&stdout).into_owned();
        Ok(answer)
    }

    /// Runs it; `on_stdout` is given what it prints.
    pub fn run(&self, on_stdout: &mut dyn FnMut(&[u8])) -> Result<Answer, Unanswered> {
        let words = Template(self.words).filled(&self.values);
        let program = words.first().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(words.iter().skip(1))
            .current_dir(self.dir)
            .on_stdout(on_stdout)
            .sweeping(true)
            .limits(Limits {
                deadline: Some(Deadline::after(self.limit)),
                ..Limits::default()
            });
        if self.is_sealed {
            command.without_variables("REPO_POOL_");
        }
        let key = self.key;
        let finished = command.run().map_err(|error| {
            let why = match error.kind() {
                ErrorKind::NotFound => "there is no such program".to_owned(),
                _ => error.to_string(),
            };
            Unanswered::NotStarted(Error::failed(format!("{key}: cannot run {program}: {why}")))
        })?;
        let cut_off = |why: String| Err(Unanswered::CutOff(Error::failed(why)));
        match finished.ended {
            Some(Ended::Signal(_)) => cut_off(format!("{key}: {program} was called off")),
            Some(_) => cut_off(format!(
                "{key}: {program} took longer than {}",
                humantime::format_duration(self.limit)
            )),
            None => Ok(Answer {
                code: finished
                    .status
                    .code()
                    .filter(|_| finished.status.signal().is_none()),
                stdout: String::new(),
                stderr: String::from_utf8_lossy(&finished.stderr).into_owned(),
            }),
        }
    }
}

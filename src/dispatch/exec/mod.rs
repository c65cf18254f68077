//! Runners that another engine runs, driven by the commands of a person.
//!
//! | who | says what |
//! |---|---|
//! | `job.json` | that it was to be submitted, and as which job |
//! | `job.begun` | that the command has begun, or that it was called off: only one of them can be |
//! | `job.exit` | the command's exit code, written down by its script |
//! | the engine | that it waits, runs, is over |
//!
//! A job is submitted once. Whether it was, if this process is killed meanwhile, is told by `find`, or
//! does not matter: a script that was called off does nothing. The time that it waits in the engine's
//! queue is not the command's: both limits to its time count from its beginning.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::driven::driver::{Begun, Driver, Presence};
use super::driven::order::Order;
use crate::domain::dispatch::EndClass;
use crate::domain::dispatch::agents::exec::Exec;
use crate::domain::dispatch::agents::exec::answer::{Seen, State};
use crate::domain::dispatch::agents::exec::template::{Template, Values};
use crate::domain::dispatch::outcome::Outcome;
use crate::domain::{Error, Result};
use crate::sys::clock::{self, Deadline};
use client::{Answer, Call, Unanswered};
use files::{Files, Known};

mod client;
mod ends;
mod files;
mod follow;

/// The exit code of a `submit` that says "not now".
const TRY_LATER: i32 = 75;
/// How soon the engine is asked first, and once a job is over or is to be.
const SOON: Duration = Duration::from_millis(250);
/// How often is looked whether the script has written its end down.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a job has to end once it was cancelled, before that is done again.
const CANCELLING: Duration = Duration::from_secs(10);

/// Drives one job.
pub struct Jobs<'a> {
    order: &'a Order,
    exec: &'a Exec,
    files: Files,
    known: RefCell<Known>,
    /// How much of the output that `log` prints has been copied.
    copied: Cell<u64>,
    /// Why its end could not be brought about the last time.
    trouble: Cell<Option<Error>>,
}

/// What the engine says.
enum Asked {
    Seen(Seen),
    /// It has no job of this name.
    None,
    /// There is no way to ask it, without an id.
    NoId,
}

impl<'a> Jobs<'a> {
    /// For that order.
    pub fn of(order: &'a Order, exec: &'a Exec) -> Self {
        Self {
            order,
            exec,
            files: Files::in_(&order.dir),
            known: RefCell::default(),
            copied: Cell::default(),
            trouble: Cell::default(),
        }
    }

    fn values(&self) -> Values {
        let order = self.order;
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let known = self.known.borrow();
        let mut values = Values {
            command: order.command.clone(),
            ..Values::default()
        };
        let mut put = |name, value| drop(values.texts.insert(name, value));
        put("name", order.runner.clone());
        put("job", known.job.clone().unwrap_or_default());
        put("script", path(&self.files.script()));
        put("workdir", path(&order.workdir));
        put("dir", path(&order.dir));
        put("log", path(&self.files.log()));
        put("env_file", path(&self.files.env_file()));
        put("cpu", order.cpu.div_ceil(1000).max(1).to_string());
        if order.memory > 0 {
            put("memory_mb", order.memory.div_ceil(1 << 20).to_string());
        }
        if let Some(timeout) = order.timeout {
            let seconds = timeout.as_secs().max(1);
            put("timeout_seconds", seconds.to_string());
            put("timeout_minutes", seconds.div_ceil(60).to_string());
        }
        let run = order.env.get("REPO_POOL_RUN_ID");
        put("run", run.cloned().unwrap_or_default());
        put("task", order.attempt.task.clone());
        put("attempt", order.attempt.attempt.to_string());
        values
    }

    fn call<'c>(&'c self, key: &'static str, words: &'c [String]) -> Call<'c> {
        Call {
            key,
            words,
            values: self.values(),
            dir: &self.order.dir,
            limit: self.exec.command_timeout,
            // Without a script nothing else tells of one that goes on submitting.
            is_sealed: key == "submit" && self.exec.has_script(),
        }
    }

    fn ask(&self, key: &'static str, words: &[String]) -> std::result::Result<Answer, Unanswered> {
        self.call(key, words).ask()
    }

    /// Notes something down. What can't be written is known here at least.
    fn note(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.borrow_mut();
        let before = known.clone();
        change(&mut known);
        if *known != before {
            let _ = self.files.write(&known);
        }
    }

    /// Takes up what was noted down; false if the job was never to be submitted.
    fn recall(&self) -> Result<bool> {
        let mut known = self.known.borrow_mut();
        if *known == Known::default() {
            match self.files.read()? {
                Some(read) => *known = read,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn submit(&self) -> Begun {
        let infra = |error: Error| Outcome::of(EndClass::Infra, error.reason());
        let has_log = !self.exec.log.is_empty();
        let prepared = self
            .files
            .prepare(self.order, Template(&self.exec.submit), has_log)
            .and_then(|()| self.files.write(&Known::default()));
        if let Err(error) = prepared {
            return Begun::No(infra(error));
        }
        let answer = match self.ask("submit", &self.exec.submit) {
            Ok(answer) => answer,
            Err(Unanswered::NotStarted(error)) => return Begun::No(infra(error)),
            Err(Unanswered::CutOff(error)) => return self.in_doubt(infra(error)),
        };
        match (answer.code, self.exec.job_id(answer.said())) {
            (Some(0), Ok(job)) => {
                self.note(|known| known.job = Some(job));
                Begun::Yes
            }
            (Some(0), Err(_)) if !self.exec.needs_id() => Begun::Yes,
            (Some(0), Err(wrong)) => {
                self.in_doubt(Outcome::of(EndClass::Infra, format!("submit: {wrong}")))
            }
            (code, _) => {
                let later = code == Some(TRY_LATER);
                let class = if later {
                    EndClass::TryLater
                } else {
                    EndClass::Infra
                };
                let reason = format!("submit: {}", answer.complaint());
                self.in_doubt(Outcome::of(class, reason))
            }
        }
    }

    /// Nobody knows whether it was submitted.
    fn in_doubt(&self, outcome: Outcome) -> Begun {
        match self.exec.has_script() && self.files.call_off().unwrap_or(false) {
            true => Begun::No(outcome),
            false => Begun::InDoubt(outcome),
        }
    }

    /// Makes the id known, if it can be.
    fn identify(&self) -> Result<Asked> {
        if self.known.borrow().job.is_some() || !self.exec.needs_id() {
            return Ok(Asked::Seen(Seen {
                state: State::Waiting,
                word: String::new(),
                code: None,
            }));
        }
        if self.exec.find.is_empty() {
            return Ok(Asked::NoId);
        }
        let answer = self.ask("find", &self.exec.find)?;
        let found = self.exec.found(answer.said());
        match found.map_err(|wrong| Error::failed(format!("find: {wrong}")))? {
            Some(job) => {
                self.note(|known| known.job = Some(job));
                self.identify()
            }
            None => Ok(Asked::None),
        }
    }

    /// What the engine says of it.
    fn poll(&self) -> Result<Asked> {
        match self.identify()? {
            Asked::Seen(_) => {}
            other => return Ok(other),
        }
        let answer = self.ask("poll", &self.exec.poll)?;
        let seen = self.exec.state(answer.said());
        seen.map(Asked::Seen)
            .map_err(|wrong| Error::failed(format!("poll: {wrong}")))
    }
}

/// Why an agent pool can run nothing: programs that its commands begin with are not here.
pub fn why_not(exec: &Exec) -> Option<String> {
    let programs = exec.commands().filter_map(|(key, words)| {
        let program = words.first()?;
        let missing = which::which(program).is_err();
        missing.then(|| format!("{key}: there is no program {program}"))
    });
    let missing: Vec<String> = programs.collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

impl Driver for Jobs<'_> {
    fn begin(&self) -> Begun {
        match self.recall() {
            Ok(false) => self.submit(),
            Ok(true) => Begun::InDoubt(Outcome::of(EndClass::Lost, "it was never submitted")),
            Err(error) => Begun::InDoubt(Outcome::of(EndClass::Infra, error.reason())),
        }
    }

    fn look(&self) -> Result<Presence> {
        let stopped = |reason: &str| Presence::Ended(Outcome::of(EndClass::Stopped, reason));
        if !self.recall()? {
            return Ok(stopped("what drives it was gone before it was submitted"));
        }
        if let Some(outcome) = self.known.borrow().outcome.clone() {
            return Ok(Presence::Ended(outcome));
        }
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        if let Some(code) = self.files.code() {
            return Ok(self.written_down(code));
        }
        let script = self.exec.has_script();
        if script && self.files.is_off()? {
            return Ok(stopped("it was called off before its command had begun"));
        }
        match self.poll()? {
            Asked::Seen(seen) if seen.state.is_end() => self.over(&seen),
            Asked::Seen(seen) => {
                self.mark_beginning(Some(&seen))?;
                Ok(Presence::Running)
            }
            Asked::None | Asked::NoId if script && self.files.call_off()? => Ok(stopped(
                "nobody knows whether it was submitted, so it was called off",
            )),
            // It has begun, and has ended if no job of its name is left.
            Asked::None if script => self.over(&Seen {
                state: State::Gone,
                word: "find has found no job of its name".to_owned(),
                code: None,
            }),
            Asked::None => Ok(Presence::Absent),
            Asked::NoId => Err(Error::failed(
                "its command runs as a job whose id is not known: without `find`, only its end can be \
                 waited for",
            )),
        }
    }

    fn follow(&self, log: &File) -> bool {
        self.see_to(log).unwrap_or(false)
    }

    fn end(&self, _now: bool) -> Result<()> {
        if self.exec.has_script() && self.files.call_off()? {
            // Whatever becomes of the job, it does nothing.
            let _ = self.ask("cancel", &self.exec.cancel);
            return Ok(());
        }
        match self.identify()? {
            Asked::Seen(_) => {}
            Asked::None => return Ok(()),
            Asked::NoId => {
                return Err(Error::failed(
                    "its job can't be cancelled: its id is not known, and there is no `find`",
                ));
            }
        }
        let answer = self.ask("cancel", &self.exec.cancel)?;
        let patience = Deadline::after(CANCELLING);
        while !patience.passed() {
            if self.look()? != Presence::Running || clock::pause(SOON).is_err() {
                return Ok(());
            }
        }
        match answer.said().well {
            true => Ok(()),
            false => Err(Error::failed(format!("cancel: {}", answer.complaint()))),
        }
    }

    fn remove(&self) -> Result<()> {
        self.files.clear()
    }
}

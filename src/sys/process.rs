//! Child processes whose output is captured: the one place that starts them.
//!
//! A child gets a process group of its own and is always reaped. What counts as its end is its
//! exit, not the end of its pipes, which something it left in the background may hold open.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where captured processes are started"
)]

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::clock::{Deadline, Stopwatch};
use super::{crash, signals, starting};
use running::Running;

pub use super::foreground::{ForegroundEnd, run_foreground};

mod running;

/// Is told of bytes as they come.
type Observer<'a> = &'a mut dyn FnMut(&[u8]);

/// How long a child may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// It is ended at this moment.
    pub deadline: Option<Deadline>,
    /// It is ended after this long without any output.
    pub silence: Option<Duration>,
    /// The time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: None,
            silence: None,
            grace: Duration::from_secs(1),
        }
    }
}

/// Why a child was ended from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its deadline came, which had been set this long before.
    Deadline(Duration),
    /// It was silent for this long.
    Silence(Duration),
    /// This process received a termination signal.
    Signal(i32),
}

/// A child that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it exited. A child that was never started because its limit had passed or a signal had
    /// come looks as if ended by SIGTERM.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub duration: Duration,
    /// Set if it was ended from here.
    pub ended: Option<Ended>,
}

/// A child process to be run with its output captured. Its stdin is empty unless set.
pub struct Command<'a> {
    inner: std::process::Command,
    input: Option<Vec<u8>>,
    limits: Limits,
    on_stdout: Option<Observer<'a>>,
    on_stderr: Option<Observer<'a>>,
    sweeps: Sweeps,
}

/// When what a command has started and left running is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweeps {
    Never,
    AfterFailure,
    Always,
}

/// The value of a variable that children find in their environment unless something else is said.
pub fn inherited(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl<'a> Command<'a> {
    /// A command that runs `program`, looked for in `PATH`, with this process's environment.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut inner = std::process::Command::new(program);
        inner
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Self {
            inner,
            input: None,
            limits: Limits::default(),
            on_stdout: None,
            on_stderr: None,
            sweeps: Sweeps::Never,
        }
    }

    /// Ends also what the command has started and left, if it fails. After a success that may be of
    /// use to the user: a daemon that keeps passwords, a connection that is shared.
    pub fn sweeping(&mut self, sweeps: bool) -> &mut Self {
        self.sweeps = match sweeps {
            true => Sweeps::AfterFailure,
            false => Sweeps::Never,
        };
        self
    }

    /// Ends what the command has started and left in its group, whatever it came to.
    pub fn leaving_nothing(&mut self) -> &mut Self {
        self.sweeps = Sweeps::Always;
        self
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.inner.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env(key, value);
        self
    }

    /// Sets variables of its environment.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        self.inner.envs(variables);
        self
    }

    /// Takes every variable of this process away whose name begins like this.
    pub fn without_variables(&mut self, beginning: &str) -> &mut Self {
        let all = std::env::vars_os().map(|(name, _)| name);
        all.filter(|name| name.as_encoded_bytes().starts_with(beginning.as_bytes()))
            .for_each(|name| {
                self.inner.env_remove(name);
            });
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env_remove(key);
        self
    }

    /// Empties its environment; what is set afterwards stays.
    pub fn env_clear(&mut self) -> &mut Self {
        self.inner.env_clear();
        self
    }

    /// The directory it starts in.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.inner.current_dir(dir);
        self
    }

    /// Gives it these bytes to read.
    pub fn stdin_bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.inner.stdin(Stdio::piped());
        self.input = Some(bytes);
        self
    }

    /// Gives it a file as stdout; nothing that it prints is seen.
    pub fn stdout_file(&mut self, file: OwnedFd) -> &mut Self {
        self.inner.stdout(Stdio::from(file));
        self
    }

    /// Gives it a file as stdout and another as stderr; nothing that it prints is seen.
    pub fn output_files(&mut self, stdout: OwnedFd, stderr: OwnedFd) -> &mut Self {
        self.inner.stderr(Stdio::from(stderr));
        self.stdout_file(stdout)
    }

    /// Gives it a file as stdin. The descriptor is closed here once the child runs.
    pub fn stdin_file(&mut self, file: OwnedFd) -> &mut Self {
        self.inner.stdin(Stdio::from(file));
        self.input = None;
        self
    }

    /// How long it may take; without limits by default.
    pub fn limits(&mut self, limits: Limits) -> &mut Self {
        self.limits = limits;
        self
    }

    /// Is given stdout's bytes as they come, in the place of their capture: there may be any number.
    pub fn on_stdout(&mut self, observer: &'a mut dyn FnMut(&[u8])) -> &mut Self {
        self.on_stdout = Some(observer);
        self
    }

    /// Is told of stderr's bytes as they come, besides their capture.
    pub fn on_stderr(&mut self, observer: &'a mut dyn FnMut(&[u8])) -> &mut Self {
        self.on_stderr = Some(observer);
        self
    }

    /// Runs it to its end. Fails only if it can't be started or watched; in the latter case it has
    /// been ended.
    pub fn run(&mut self) -> io::Result<Finished> {
        let watch = Stopwatch::start();
        if let Some(ended) = self.must_end(&watch) {
            self.inner.stdin(Stdio::null());
            return Ok(Finished {
                status: ExitStatus::from_raw(Signal::TERM.as_raw()),
                stdout: Vec::new(),
                stderr: Vec::new(),
                duration: watch.elapsed(),
                ended: Some(ended),
            });
        }
        crash::point("start", self.inner.get_program());
        let spawned = starting::start(&mut self.inner);
        crash::point("wait for", self.inner.get_program());
        // The builder would otherwise hold the descriptor of `stdin_file` open.
        self.inner.stdin(Stdio::null());
        let mut running = Running::new(
            spawned?,
            self.input.take(),
            self.on_stdout.take(),
            self.on_stderr.take(),
        )?;
        let outcome = loop {
            if let Some(ended) = self.must_end(&running.last_output) {
                break Ok(Some(ended));
            }
            match running.step(self.patience(&running.last_output), signals::wake_fd()) {
                Ok(false) => {}
                Ok(true) => break Ok(None),
                Err(e) => break Err(e),
            }
        };
        let left_alone = match self.sweeps {
            Sweeps::Never => true,
            Sweeps::AfterFailure => running.has_succeeded(),
            Sweeps::Always => false,
        };
        if !matches!(outcome, Ok(None)) || !left_alone {
            running.end(self.limits.grace)?;
        }
        let (status, stdout, stderr) = running.reap()?;
        Ok(Finished {
            status,
            stdout,
            stderr,
            duration: watch.elapsed(),
            ended: outcome?,
        })
    }

    /// The reason to end the child now, if there is one.
    fn must_end(&self, last_output: &Stopwatch) -> Option<Ended> {
        let signal = signals::received();
        if let Some(signal) = signal {
            return Some(Ended::Signal(signal));
        }
        if let Some(deadline) = self.limits.deadline.filter(Deadline::passed) {
            return Some(Ended::Deadline(deadline.limit()));
        }
        let silence = self.limits.silence?;
        (last_output.elapsed() >= silence).then_some(Ended::Silence(silence))
    }

    /// How long may be waited before [`Self::must_end`] is asked again.
    fn patience(&self, last_output: &Stopwatch) -> Option<Duration> {
        let deadline = self.limits.deadline;
        let until_deadline = deadline.map(|d| d.remaining().unwrap_or_default());
        let silence = self.limits.silence;
        let until_silence = silence.map(|s| s.saturating_sub(last_output.elapsed()));
        until_deadline.into_iter().chain(until_silence).min()
    }
}

#[cfg(test)]
mod tests;

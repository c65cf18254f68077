//! A command that has the terminal and the standard streams, as a shell would run it.
//!
//! It shares this process's group, so that a terminal's keys, a pipe to a pager and whoever signals
//! the whole group reach it as if it had been started directly. What is sent to this process alone is
//! passed on; when the command stops, this process stops too, so that the shell above gets its
//! terminal back, and when it is continued, so is the command.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where foreground commands are started"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitStatus, getpgid, getpgrp, getpid, getppid, kill_process,
    kill_process_group, pidfd_open, set_parent_process_death_signal,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::clock::Deadline;
use super::signals::{self, Came, Relay};
use super::{crash, descendants, starting, wait};

/// So long after it was told to, a command stops because of that.
const STOPPING: Duration = Duration::from_secs(5);

/// How a foreground command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForegroundEnd {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

/// Runs `program` with `args` in `dir` and waits for its exit, whatever signals come. `env` changes
/// this process's environment for it: a value sets a variable, none removes it.
///
/// Signals that reach this process go on to it and to what it has started in its process group; those
/// of the keyboard do not if it got them itself. They have been answered then, so none of them is seen
/// by [`signals::received`] afterwards. If this process is killed, the command is asked to end.
///
/// Fails with `NotFound` or `PermissionDenied` if the program can't be started, with
/// `Interrupted` if a termination signal came before.
pub fn run_foreground(
    program: &OsStr,
    args: &[OsString],
    dir: &Path,
    env: &[(OsString, Option<OsString>)],
) -> io::Result<ForegroundEnd> {
    let relay = Relay::start()?;
    if signals::received().is_some() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let mut command = Command::new(program);
    command.args(args).current_dir(dir);
    for (key, value) in env {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    end_with_us(&mut command);
    crash::point("start", program);
    let child = starting::start(&mut command)?;
    crash::point("wait for", program);
    let command = Pid::from_child(&child);
    let job = Job {
        command,
        ended: pidfd_open(command, PidfdFlags::empty()).ok(),
        relay,
        told_to_stop: None,
        stopped: false,
        handed_back: false,
    };
    let end = job.wait();
    signals::acknowledge();
    end
}

/// Without anybody who waits for it, the command has no business in its directory any more.
fn end_with_us(command: &mut Command) {
    let ourselves = getpid();
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        match getppid() == Some(ourselves) {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    #[expect(
        unsafe_code,
        reason = "between fork and exec only two system calls are made"
    )]
    unsafe {
        command.pre_exec(ask);
    }
}

/// A command under way.
struct Job {
    command: Pid,
    /// Becomes readable when the command ends, for where SIGCHLD is blocked.
    ended: Option<OwnedFd>,
    relay: Relay,
    /// Since this, the command may stop because it was told to.
    told_to_stop: Option<Deadline>,
    /// Whether it has stopped.
    stopped: bool,
    /// Whether this process has stopped while the command had the terminal.
    handed_back: bool,
}

impl Job {
    fn wait(mut self) -> io::Result<ForegroundEnd> {
        loop {
            for came in self.relay.take() {
                self.heed(came);
            }
            while let Some(status) = descendants::change(self.command)? {
                if let Some(end) = end_of(status) {
                    return Ok(end);
                }
                self.stopped = status.stopped();
            }
            self.stop_with_it();
            let mut fds = vec![(self.relay.fd(), PollFlags::IN)];
            fds.extend(self.ended.iter().map(|fd| (fd.as_fd(), PollFlags::IN)));
            wait::ready(&fds, None)?;
        }
    }

    /// Passes a signal on.
    fn heed(&mut self, came: Came) {
        let Some(signal) = by_number(came.number) else {
            return;
        };
        if signal == Signal::TSTP {
            self.told_to_stop = Some(Deadline::after(STOPPING));
        }
        if signal == Signal::CONT {
            self.take_up();
        }
        let has_it_already = came.by_kernel && !self.leads_a_group() && in_foreground();
        if !has_it_already {
            self.send(signal);
        }
    }

    /// The shell above is told of a stop by its own child's, which is this process. A command that was
    /// stopped by somebody else will be continued by them; one that has stopped itself while it had
    /// the terminal to itself would keep it.
    fn stop_with_it(&mut self) {
        if !self.stopped {
            return;
        }
        let has_terminal = self.leads_a_group() && foreground_group() == self.group();
        let was_told = self.told_to_stop.is_some_and(|deadline| !deadline.passed());
        if was_told || has_terminal {
            self.told_to_stop = None;
            self.stopped = false;
            self.handed_back = has_terminal;
            // What follows a stop is told by SIGCONT.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// This process goes on, and so may the command.
    fn take_up(&mut self) {
        self.stopped = false;
        self.told_to_stop = None;
        let had_terminal = std::mem::take(&mut self.handed_back);
        if let Some(group) = self.group().filter(|_| had_terminal && in_foreground())
            && let Some(terminal) = terminal()
        {
            let _ = tcsetpgrp(terminal, group);
        }
    }

    fn group(&self) -> Option<Pid> {
        getpgid(Some(self.command)).ok()
    }

    /// Whether the command has made a group of its own, as interactive shells do.
    fn leads_a_group(&self) -> bool {
        self.group() == Some(self.command) && self.command != getpgrp()
    }

    /// Sends a signal to the command's group, but for those in it that are not below this process.
    fn send(&self, signal: Signal) {
        // Whoever has just ended needs it no more.
        if self.leads_a_group() {
            let _ = kill_process_group(self.command, signal);
            return;
        }
        let _ = kill_process(self.command, signal);
        let group = self.group().map(Pid::as_raw_pid);
        let others = descendants::all().into_iter().filter(|other| {
            Some(other.group) == group && other.pid != self.command.as_raw_pid() as u32
        });
        others.for_each(|other| descendants::send(other.pid, signal));
    }
}

pub(super) fn end_of(status: WaitStatus) -> Option<ForegroundEnd> {
    let exited = status.exit_status().map(ForegroundEnd::Exited);
    exited.or_else(|| status.terminating_signal().map(ForegroundEnd::Signaled))
}

/// The signal of that number, also one without a name.
fn by_number(number: i32) -> Option<Signal> {
    if signals::REALTIME.contains(&number) {
        #[expect(
            unsafe_code,
            reason = "none of these numbers is one that the C library keeps"
        )]
        return Some(unsafe { Signal::from_raw_unchecked(number) });
    }
    Signal::from_named_raw(number)
}

fn terminal() -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()
}

/// The foreground group of the controlling terminal.
fn foreground_group() -> Option<Pid> {
    tcgetpgrp(terminal()?).ok()
}

/// Whether this process's group is that one.
fn in_foreground() -> bool {
    foreground_group() == Some(getpgrp())
}

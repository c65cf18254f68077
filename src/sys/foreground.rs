//! A command that has the terminal and the standard streams, as a shell would run it.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where foreground commands are started"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, pidfd_open, pidfd_send_signal};
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::signals::{self, Relay};
use super::{crash, wait};

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
/// The command shares stdin, stdout, stderr and the process group of this process. Signals that
/// reach this process go on to it; those of the keyboard do not if it got them itself. They have
/// been answered then, so none of them is seen by [`signals::received`] afterwards.
///
/// Fails with `NotFound` or `PermissionDenied` if the program can't be started, with
/// `Interrupted` if a termination signal came before.
pub fn run_foreground(
    program: &OsStr,
    args: &[OsString],
    dir: &Path,
    env: &[(OsString, Option<OsString>)],
) -> io::Result<ForegroundEnd> {
    let mut relay = Relay::start()?;
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
    crash::point("start", program);
    let mut child = command.spawn()?;
    crash::point("wait for", program);
    // Without a pidfd there is no forwarding, but the wait for its exit still holds.
    if let Ok(pidfd) = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        loop {
            let fds = [(pidfd.as_fd(), PollFlags::IN), (relay.fd(), PollFlags::IN)];
            let Ok(ready) = wait::ready(&fds, None) else {
                break;
            };
            if ready[0] {
                break;
            }
            for number in relay.take() {
                if let Some(signal) = Signal::from_named_raw(number).filter(|_| forwards(number)) {
                    // It may just have exited.
                    let _ = pidfd_send_signal(&pidfd, signal);
                }
            }
        }
    }
    let status = child.wait()?;
    signals::acknowledge();
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => ForegroundEnd::Exited(code),
        (None, signal) => ForegroundEnd::Signaled(signal.unwrap_or(0)),
    })
}

/// Whether the command needs to be told of `signal`: the terminal gives its own to the whole
/// foreground group, so the command has them already if this is that group.
fn forwards(signal: i32) -> bool {
    let from_keyboard = signal == SIGINT || signal == SIGQUIT;
    !(from_keyboard && in_foreground())
}

/// Whether this process's group is the foreground group of its controlling terminal.
fn in_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open("/dev/tty", flags, Mode::empty())
        .and_then(tcgetpgrp)
        .is_ok_and(|group| group == getpgrp())
}

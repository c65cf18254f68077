//! This program once more, as a child that goes on if this process ends.
//!
//! Like what is left to itself ([`super::detached`]) it has none of this process's standard streams;
//! it keeps two locks, as its stdin and its stdout.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where companions are started"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use super::foreground::ForegroundEnd;
use super::{crash, starting, wait};
use crate::domain::{Error, Result};

/// This very program, even if another version has taken its place.
pub const OURSELVES: &str = "/proc/self/exe";
/// How it is called.
const NAME: &str = "repo-pool";

/// A child that was started by [`start`]. It is not ended when this is dropped.
#[derive(Debug)]
pub struct Companion {
    pid: u32,
    process: OwnedFd,
}

/// Starts `program` with `args`; `env` changes this process's environment for it: a value sets a
/// variable, none removes it. Nothing but its standard streams is handed over: the locks, and nowhere
/// to complain to.
pub fn start(
    program: &Path,
    args: &[OsString],
    env: &[(&OsStr, Option<&OsStr>)],
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
) -> io::Result<Companion> {
    let mut command = Command::new(program);
    command.arg0(NAME).args(args);
    for (name, value) in env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    for (name, value) in crash::for_detached() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::null());
    crash::point("start", program);
    let mut child = starting::start(&mut command)?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(process) => Ok(Companion {
            pid: child.id(),
            process,
        }),
        Err(e) => {
            // What can't be waited for must not run.
            child.kill()?;
            child.wait()?;
            Err(e.into())
        }
    }
}

/// Of a companion: writes into the lock that it was given as its stdout, in the place of what is
/// there.
pub fn write_into_lock(bytes: &[u8]) -> io::Result<()> {
    let lock = rustix::stdio::stdout();
    rustix::fs::ftruncate(lock, 0)?;
    rustix::io::pwrite(lock, bytes, 0)?;
    Ok(())
}

/// Of a companion: gives the lock's file the present as its time.
pub fn touch_lock() -> io::Result<()> {
    super::fs::touch(rustix::stdio::stdout())
}

/// Of a companion: goes into a directory.
pub fn work_in(dir: &Path) -> Result<()> {
    rustix::process::chdir(dir).map_err(|e| Error::io("go to", dir, e.into()))
}

/// Of a companion: whether it is still a child of the process that has started it. Nobody else can be
/// told anything by an exit code.
pub fn is_child_of(starter: u32) -> bool {
    let parent = rustix::process::getppid().map(Pid::as_raw_pid);
    parent.and_then(|parent| u32::try_from(parent).ok()) == Some(starter)
}

impl Companion {
    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end, at most so long; whether it has come.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        wait::readable(self.process.as_fd(), timeout)
    }

    /// Sends it a signal, which it heeds even if it is stopped. One that has ended needs none.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.process, signal);
        let _ = pidfd_send_signal(&self.process, Signal::CONT);
    }

    /// Takes leave of it, once it has ended; none if that was done before.
    pub fn reap(&self) -> Option<ForegroundEnd> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.process.as_fd()), options).ok()??;
        let exited = status.exit_status().map(ForegroundEnd::Exited);
        exited.or_else(|| status.terminating_signal().map(ForegroundEnd::Signaled))
    }
}

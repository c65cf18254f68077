//! Processes of this program that outlive the command that starts them.
//!
//! Such a process is in a session of its own, in the root directory, and holds nothing that its
//! starter was given: neither its standard streams, so that `$(…)` does not wait for it, nor a
//! descriptor that a caller left open (`flock FILE repo-pool …`). The one thing that it is given is a
//! lock, which so passes from one process to the other without ever being free.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where processes are left to themselves"
)]

use std::ffi::OsStr;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::stdio;

use super::lock::FileLock;
use super::{crash, procfs, starting};
use crate::domain::{Error, Result};

/// This very program, even if another version has taken its place.
const OURSELVES: &str = "/proc/self/exe";
/// How it is called.
const NAME: &str = "repo-pool";

/// Those that were started here and may live.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// What a process takes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// The variables of this process.
    Kept,
    /// None.
    Empty,
}

/// Starts this program with `args`, and leaves it to itself with a copy of `lock`.
pub fn start<A: AsRef<OsStr>>(
    args: impl IntoIterator<Item = A>,
    environment: Environment,
    lock: &FileLock,
) -> Result<()> {
    let failed = |e| Error::io("start", OURSELVES, e);
    let mut command = Command::new(OURSELVES);
    command.arg0(NAME).args(args).current_dir("/");
    if environment == Environment::Empty {
        command.env_clear();
    }
    for (name, value) in crash::for_detached() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .stdin(Stdio::from(lock.inheritable().map_err(failed)?))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    crash::point("leave to itself", OURSELVES);
    let mut child = starting::start(&mut command).map_err(failed)?;
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.push(child.id());
    // Where this process lives longer, nothing is left of the other's end; without a thread for that,
    // a zombie.
    let reaper = std::thread::Builder::new();
    let _ = reaper.spawn(move || child.wait());
    Ok(())
}

/// Whether a process was started to be left to itself, by this one or by another of this program.
pub fn is_one(pid: u32) -> bool {
    let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.contains(&pid) || is_anothers(pid)
}

/// Its first word is one that only such processes have.
fn is_anothers(pid: u32) -> bool {
    let words = procfs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let word = words.split(|byte| *byte == 0).nth(1);
    let program = |of: &str| std::fs::read_link(format!("/proc/{of}/exe")).ok();
    word.is_some_and(|word| word.starts_with(b"__")) && program(&pid.to_string()) == program("self")
}

/// What such a process begins with, before anything else. Stdin stays: it may be the lock.
pub fn begin() {
    close_inherited();
    // It leads no group yet, since it was started into that of its starter.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"repo-pool");
}

/// Lets everything else on the machine go first.
pub fn stand_back() {
    let _ = rustix::process::nice(10);
}

/// The lock that this process was given, or the same if nobody has it.
pub fn lock_given(path: &std::path::Path) -> Result<Option<FileLock>> {
    let given = FileLock::from_stdin(path)?;
    if let Ok(null) = std::fs::File::open("/dev/null") {
        let _ = stdio::dup2_stdin(null);
    }
    match given {
        Some(lock) => Ok(Some(lock)),
        None => FileLock::try_acquire(path),
    }
}

/// Closes what was open when this process began, but for the standard streams.
fn close_inherited() {
    let names: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    // The listing's own is closed by now.
    let is_open = |number: &RawFd| {
        let link = format!("/proc/self/fd/{number}");
        std::fs::symlink_metadata(link).is_ok()
    };
    for number in names.into_iter().filter(is_open) {
        #[expect(
            unsafe_code,
            reason = "the process has just begun, with one thread: nothing in it owns these"
        )]
        unsafe {
            rustix::io::close(number);
        }
    }
}

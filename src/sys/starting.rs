//! Starting processes so that a lock that is let go of is free at that moment.
//!
//! A child has every descriptor of its parent until it has become the program that it is to be. What
//! another thread closes meanwhile stays open in it, and a lock stays held, for as long as a busy machine
//! keeps the child waiting: whoever tries the lock then finds it taken, and by a process that knows
//! nothing of it. So a file that is locked is closed while no child is on its way, and the others wait
//! with their children until it is closed. What is left of the moment is the kernel's, which closes the
//! descriptors just after it has told the parent: who must be sure tries more than once, or keeps the lock.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::process::{Child, Command};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer than a child is on its way, but for one whose directory does not answer: that is to hold up
/// nobody else. Tests hold one up on purpose.
const AT_MOST: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });

struct Traffic {
    /// Children that are not yet their programs.
    on_the_way: usize,
    /// Threads that are about to close a file.
    closing: usize,
}

static TRAFFIC: Mutex<Traffic> = Mutex::new(Traffic {
    on_the_way: 0,
    closing: 0,
});
static CHANGED: Condvar = Condvar::new();

fn traffic() -> MutexGuard<'static, Traffic> {
    TRAFFIC.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while it is so, but not for ever.
fn wait_while(is_so: impl Fn(&Traffic) -> bool) -> MutexGuard<'static, Traffic> {
    let waited = CHANGED.wait_timeout_while(traffic(), AT_MOST, |traffic| is_so(traffic));
    waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Starts the process. It has become its program when this returns.
///
/// # Errors
/// As [`Command::spawn`] has them.
pub fn start(command: &mut Command) -> io::Result<Child> {
    wait_while(|traffic| traffic.closing > 0).on_the_way += 1;
    let child = command.spawn();
    traffic().on_the_way -= 1;
    CHANGED.notify_all();
    child
}

/// An open file that no child has by chance once this is dropped: only those have it that it was given to.
#[derive(Debug)]
pub struct Kept(Option<File>);

impl Kept {
    /// Takes charge of the file.
    pub fn new(file: File) -> Self {
        Self(Some(file))
    }
}

impl Deref for Kept {
    type Target = File;

    fn deref(&self) -> &File {
        self.0
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is closed by its end alone"))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        traffic().closing += 1;
        let mut traffic = wait_while(|traffic| traffic.on_the_way > 0);
        self.0 = None;
        traffic.closing -= 1;
        drop(traffic);
        CHANGED.notify_all();
    }
}

#[cfg(test)]
mod tests;

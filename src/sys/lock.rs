//! Locks between processes: `flock` on lock files that stay for ever.
//!
//! A lock ends when the last descriptor of its open file is closed, and in no other way: a child
//! that has inherited it keeps it. So nothing here unlocks explicitly. What is locked is [`Kept`] from
//! other children.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::clock::{Deadline, Interrupted, Stopwatch};
use super::starting::Kept;
use super::{fs, inside, liveness, proc_locks, signals, wait};
use crate::domain::{Error, Result};

pub use super::proc_locks::HeldLocks;

/// A wait shorter than this is nobody's concern.
const NOTICEABLE: Duration = Duration::from_millis(300);

/// Who is only looked at is not kept waiting for longer.
const A_MOMENT: Duration = Duration::from_millis(500);

/// When to say that there is a wait, and to whom; none once it was said.
type Notice<'a> = Option<(Deadline, &'a mut dyn FnMut())>;

/// The waiting thread makes two system calls and needs little.
const WAITER_STACK: usize = 64 * 1024;

/// An exclusive lock that is held until this and every copy given to a child are closed.
#[derive(Debug)]
#[must_use = "the lock ends when this is dropped"]
pub struct FileLock {
    file: Kept,
}

/// The lock was not free within the time-out.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// How long was waited.
    pub waited: Duration,
    /// Who holds it, where the system tells.
    pub holder: Option<u32>,
}

impl FileLock {
    /// Takes the lock if it is free; none if somebody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>> {
        loop {
            let file = fs::open_lock_file(path)?;
            let Some(file) = locked(file, path)? else {
                return Ok(None);
            };
            if is_still_at(&file, path)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Takes the lock, and waits for it for up to `timeout`. `on_wait` is called once if the wait
    /// is one that a person would notice. Who waited longest gets it first. A termination signal ends the wait with
    /// [`Error::Interrupted`].
    pub fn acquire(
        path: &Path,
        timeout: Duration,
        on_wait: &mut dyn FnMut(),
    ) -> Result<std::result::Result<Self, Busy>> {
        let watch = Stopwatch::start();
        let deadline = Deadline::after(timeout);
        if let Some(lock) = Self::try_acquire(path)? {
            return Ok(Ok(lock));
        }
        let mut notice = Some((Deadline::after(NOTICEABLE), on_wait));
        loop {
            let file = fs::open_lock_file(path)?;
            let waited =
                wait_for(file, &deadline, &mut notice).map_err(|e| Error::io("lock", path, e))?;
            match waited {
                Waited::Locked(file) if is_still_at(&file, path)? => {
                    return Ok(Ok(Self { file }));
                }
                // The file was replaced while this waited for the old one.
                Waited::Locked(_) => {}
                Waited::TimedOut => {
                    return Ok(Err(Busy {
                        waited: watch.elapsed(),
                        holder: holder(path),
                    }));
                }
                Waited::Interrupted(interrupted) => return Err(interrupted.into()),
            }
        }
    }

    /// Takes the lock unless somebody keeps it. Whoever only asks whether it is held ([`is_held`]) has
    /// it for a moment, and is waited for.
    pub fn acquire_unless_kept(path: &Path) -> Result<Option<Self>> {
        Ok(Self::acquire(path, A_MOMENT, &mut || {})?.ok())
    }

    /// The lock at `path` if this process was given it as its stdin, by [`Self::inheritable`].
    pub fn from_stdin(path: &Path) -> Result<Option<Self>> {
        let Ok(copy) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
            return Ok(None);
        };
        let file = File::from(copy);
        let ours = is_still_at(&file, path)? && try_lock(&file).unwrap_or(false);
        let file = Kept::new(file);
        Ok(ours.then_some(Self { file }))
    }

    /// A copy of the descriptor, for a child's stdin or stdout: the lock lives as long as the child.
    /// Lock files are empty, so the child reads nothing.
    pub fn inheritable(&self) -> io::Result<OwnedFd> {
        // Above the standard streams, whatever of those is closed here.
        Ok(rustix::io::fcntl_dupfd_cloexec(&*self.file, 3)?)
    }
}

/// Deletes the file at `path` if it is still the one that `seen` describes. Of several processes
/// that do this at once, each by this function, one deletes it, and none a successor of it.
pub fn remove_if_still(path: &Path, seen: &Metadata) -> Result<bool> {
    let Some(file) = fs::open_if_there(path)? else {
        return Ok(false);
    };
    let open = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    let same = (open.dev(), open.ino(), open.mtime(), open.mtime_nsec())
        == (seen.dev(), seen.ino(), seen.mtime(), seen.mtime_nsec());
    if !same {
        return Ok(false);
    }
    let Some(file) = locked(file, path)? else {
        return Ok(false);
    };
    // Whoever deletes it has it locked, so from here on the name can't pass to another file.
    match is_still_at(&file, path)? {
        true => fs::remove_file_if_there(path),
        false => Ok(false),
    }
}

/// The pid of the process that took the lock at `path`, or if that is gone, of a child that keeps
/// it; one outside this pid namespace is not seen.
pub fn holder(path: &Path) -> Option<u32> {
    let pid = proc_locks::holder(path).flatten().filter(|&pid| pid != 0)?;
    if liveness::stamp(pid).is_some() {
        return Some(pid);
    }
    let open = inside::processes_inside(path, &[std::process::id()]).inside;
    Some(open.first().map_or(pid, |process| process.pid))
}

/// Whether somebody holds the lock at `path`, without touching it; none if the system does not
/// tell.
pub fn is_locked(path: &Path) -> Option<bool> {
    proc_locks::holder(path).map(|holder| holder.is_some())
}

/// The same, and sure also of holders that the kernel does not list here: in another pid namespace,
/// or a child that keeps the lock of a parent that is gone. Unless a holder is listed, it shares the
/// lock for a moment, in which nobody else gets it. None if there is no lock file, or if it can't be
/// tried.
pub fn is_held(path: &Path) -> Option<bool> {
    if is_locked(path) == Some(true) {
        return Some(true);
    }
    let file = Kept::new(fs::open_existing_lock_file(path).ok()?);
    let free = try_flock(&file, FlockOperation::NonBlockingLockShared).ok()?;
    Some(!free)
}

/// The file with its lock; none if somebody has that.
fn locked(file: File, path: &Path) -> Result<Option<Kept>> {
    let locked = try_lock(&file).map_err(|e| Error::io("lock", path, e))?;
    Ok(locked.then(|| Kept::new(file)))
}

fn try_lock(file: &File) -> io::Result<bool> {
    try_flock(file, FlockOperation::NonBlockingLockExclusive)
}

fn try_flock(file: &File, how: FlockOperation) -> io::Result<bool> {
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether the open file is what `path` names: otherwise its lock guards nothing any more.
fn is_still_at(file: &File, path: &Path) -> Result<bool> {
    let open = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    Ok(fs::metadata_if_there(path)?
        .is_some_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

/// Deletes the lock file at `path` if nobody holds it. True if nobody does, or if there is none.
pub fn remove_if_free(path: &Path) -> Result<bool> {
    let Some(file) = fs::open_if_there(path)? else {
        return Ok(true);
    };
    let Some(file) = locked(file, path)? else {
        return Ok(false);
    };
    // Whoever deletes it has it locked, so from here on the name can't pass to another file.
    if is_still_at(&file, path)? {
        fs::remove_file_if_there(path)?;
    }
    Ok(true)
}

/// Tells when a lock that somebody holds becomes free. It is not kept then.
#[derive(Debug)]
pub struct LockNotice(OwnedFd);

impl LockNotice {
    /// None if there is no lock file at `path`.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let Some(file) = fs::open_if_there(path)? else {
            return Ok(None);
        };
        let file = Kept::new(file);
        let freed = in_background(move || {
            // The wait for it was all that it was wanted for.
            let _ = flock_patiently(&file);
        });
        freed
            .map(|fd| Some(Self(fd)))
            .map_err(|e| Error::io("wait for the lock", path, e))
    }
}

impl LockNotice {
    /// Waits until the lock was free, at most so long; whether it was.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        wait::readable(self.as_fd(), timeout)
    }
}

impl AsFd for LockNotice {
    /// Is readable once the lock was free.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How a wait for a lock ended.
enum Waited {
    Locked(Kept),
    TimedOut,
    Interrupted(Interrupted),
}

/// Waits in a thread of its own, since a blocking `flock` has no time-out, and trying again and
/// again would be unfair. A thread that gets the lock when nobody waits for it any more closes it.
fn wait_for(file: File, deadline: &Deadline, notice: &mut Notice<'_>) -> io::Result<Waited> {
    let (result, locked) = mpsc::sync_channel(1);
    let file = Kept::new(file);
    let finished = in_background(move || {
        let outcome = flock_patiently(&file);
        // If nobody listens, the file comes back and is closed, which ends the lock.
        let _ = result.send(outcome.map(|()| file));
    })?;
    loop {
        if let Ok(outcome) = locked.try_recv() {
            return Ok(Waited::Locked(outcome?));
        }
        if let Some(signal) = signals::received() {
            return Ok(Waited::Interrupted(Interrupted(signal)));
        }
        let Some(left) = deadline.remaining() else {
            return Ok(Waited::TimedOut);
        };
        let until_notice = match notice {
            Some((due, on_wait)) if due.passed() => {
                on_wait();
                *notice = None;
                left
            }
            Some((due, _)) => due.remaining().unwrap_or_default(),
            None => left,
        };
        let mut fds = vec![(finished.as_fd(), PollFlags::IN)];
        fds.extend(signals::wake_fd().map(|fd| (fd, PollFlags::IN)));
        wait::ready(&fds, Some(left.min(until_notice)))?;
    }
}

/// Waits for the lock, however many signals come.
fn flock_patiently(file: &File) -> io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Does `wait` in a thread of its own. The descriptor is readable once that is over and everything
/// that belonged to it is gone.
fn in_background(wait: impl FnOnce() + Send + 'static) -> io::Result<OwnedFd> {
    // The thread's end of this pipe is closed then.
    let (finished, running) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    std::thread::Builder::new()
        .name("lock".to_owned())
        .stack_size(WAITER_STACK)
        .spawn(move || {
            wait();
            drop(running);
        })?;
    Ok(finished)
}

#[cfg(test)]
mod tests;

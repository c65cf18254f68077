//! Waiting for what makes a display out of date: a change in a directory, the terminal's new size,
//! the end of the wait.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use signal_hook::consts::{SIGTSTP, SIGWINCH};

use super::clock::{self, Deadline};
use super::signals::{self, Relay};
use super::wait;

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something in a directory is not as it was.
    Changed,
    /// The time is over.
    TimeUp,
    /// The terminal has another size.
    Resized,
    /// The user wants the process to stop for now (Ctrl-Z): see [`stop`].
    Stop,
    /// A signal asks the process to end, or nobody reads its output any more.
    End,
}

/// What is waited for.
#[derive(Debug)]
pub struct Watch {
    /// None if the system has no more of them: then only time tells.
    changes: Option<OwnedFd>,
    terminal: Option<Relay>,
}

impl Watch {
    /// Waits for no change yet; for the terminal's signals if there is one to be drawn on.
    pub fn new(with_terminal: bool) -> Self {
        let relay = || Relay::of(&[SIGWINCH, SIGTSTP]).ok();
        Self {
            changes: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok(),
            terminal: with_terminal.then(relay).flatten(),
        }
    }

    /// Waits from now on for changes in this directory, too: of names, and of files' contents. Has no
    /// effect on one that is waited for already, or is not there.
    pub fn add(&self, dir: &Path) {
        let what = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MODIFY
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        if let Some(changes) = &self.changes {
            // Without it a change shows when the time is over.
            let _ = inotify::add_watch(changes, dir, what);
        }
    }

    /// Waits, at most for `limit`.
    pub fn wait(&mut self, limit: Duration) -> Woken {
        let deadline = Deadline::after(limit);
        loop {
            if signals::received().is_some() {
                return Woken::End;
            }
            let Some(left) = deadline.remaining() else {
                return Woken::TimeUp;
            };
            match self.look(left) {
                Ok(Some(woken)) => return woken,
                Ok(None) => {}
                // Only a lack of kernel memory lets poll fail here.
                Err(_) => drop(clock::pause(left.min(Duration::from_millis(50)))),
            }
        }
    }

    /// One look at all there is; none for a signal that is dealt with elsewhere, or if the time is over.
    fn look(&mut self, left: Duration) -> io::Result<Option<Woken>> {
        let stdout = rustix::stdio::stdout();
        // Asked for nothing, it still tells when the other end is gone.
        let mut fds = vec![(stdout, PollFlags::empty())];
        let places = [
            self.changes.as_ref().map(AsFd::as_fd),
            self.terminal.as_ref().map(Relay::fd),
            signals::wake_fd(),
        ];
        fds.extend(places.iter().flatten().map(|fd| (*fd, PollFlags::IN)));
        let ready = wait::ready(&fds, Some(left))?;
        if ready[0] {
            return Ok(Some(Woken::End));
        }
        // Signals first: who resizes a terminal while a pool is busy sees it at once.
        let seen = self.terminal.as_mut().map(Relay::take).unwrap_or_default();
        let seen: Vec<i32> = seen.iter().map(|came| came.number).collect();
        if seen.contains(&SIGTSTP) {
            return Ok(Some(Woken::Stop));
        }
        if seen.contains(&SIGWINCH) {
            return Ok(Some(Woken::Resized));
        }
        Ok((self.changes.is_some() && ready[1] && self.drain()).then_some(Woken::Changed))
    }

    /// Forgets the changes that were seen; false if there were none.
    fn drain(&self) -> bool {
        let mut any = false;
        let mut buffer = [0; 4096];
        while let Some(changes) = &self.changes
            && rustix::io::read(changes, &mut buffer).is_ok_and(|n| n > 0)
        {
            any = true;
        }
        any
    }
}

/// Stops this process as Ctrl-Z does where nobody cares; returns when it goes on.
pub fn stop() {
    // A process that can't be stopped goes on.
    let _ = signal_hook::low_level::emulate_default_handler(SIGTSTP);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_files_and_names_end_the_wait_and_looking_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        let mut watch = Watch::new(false);
        watch.add(dir.path());
        watch.add(&dir.path().join("missing"));
        let long = Duration::from_secs(60);
        let write = |bytes: &[u8]| crate::sys::fs::append_line(&file, bytes).expect("writing");
        write(b"one\n");
        assert_eq!(watch.wait(long), Woken::Changed);
        let _ = crate::sys::fs::read_if_there(&file);
        assert_eq!(watch.wait(Duration::from_millis(1)), Woken::TimeUp);
        write(b"two\n");
        assert_eq!(watch.wait(long), Woken::Changed);
        crate::sys::fs::rename(&file, &dir.path().join("other")).expect("renaming");
        assert_eq!(watch.wait(long), Woken::Changed);
    }
}

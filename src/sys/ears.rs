//! Waiting, in a thread of its own, for what others do: changes of certain files, and the signals that
//! ask this process to end.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use super::signals::{self, Relay};
use super::{clock, wait};
use crate::domain::{Error, Result};

/// Longer than a signal takes from one of its hearers to the next.
const A_MOMENT: Duration = Duration::from_millis(50);

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A file that is watched has changed, or may have.
    Changed,
    /// Signals ask the process to end.
    Signals(Vec<i32>),
    /// So long was to be waited at most.
    TimeUp,
    /// Nobody listens any more.
    Over,
}

/// One who listens.
#[derive(Debug)]
pub struct Ears {
    changes: Option<OwnedFd>,
    /// Directories and the names in them that count.
    names: Vec<(i32, OsString)>,
    /// Files that only grow.
    files: Vec<i32>,
    signals: Relay,
    quiet: OwnedFd,
}

/// Dropped, it ends the listening.
#[derive(Debug)]
pub struct Listener {
    _open: OwnedFd,
}

impl Ears {
    /// Listens to signals only, until the other half is dropped.
    pub fn new() -> Result<(Self, Listener)> {
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (quiet, open) = pipe.map_err(|e| Error::io("make", "a pipe", e.into()))?;
        let signals = Relay::of(&signals::usual());
        let ears = Self {
            changes: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok(),
            names: Vec::new(),
            files: Vec::new(),
            signals: signals.map_err(|e| Error::io("watch", "signals", e))?,
            quiet,
        };
        Ok((ears, Listener { _open: open }))
    }

    /// The signal that came before this listened, if one did: it is not heard.
    pub fn missed(&self) -> Option<i32> {
        let signal = signals::received()?;
        // One that comes at this moment is noted before it can be heard.
        let fds = [(self.signals.fd(), PollFlags::IN)];
        let heard = wait::ready(&fds, Some(A_MOMENT)).is_ok_and(|ready| ready[0]);
        (!heard).then_some(signal)
    }

    /// Listens to a file that is only ever appended to. False if the system can't tell of it.
    pub fn growing(&mut self, path: &Path) -> bool {
        let watch = self.watch(path, WatchFlags::MODIFY);
        self.files.extend(watch);
        watch.is_some()
    }

    /// Listens to a file that may be replaced, deleted, and come back. False if the system can't tell.
    pub fn replaced(&mut self, path: &Path) -> bool {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        let what = WatchFlags::CLOSE_WRITE | WatchFlags::MOVE | WatchFlags::DELETE;
        let watch = self.watch(dir, what | WatchFlags::ONLYDIR);
        self.names
            .extend(watch.map(|watch| (watch, name.to_owned())));
        watch.is_some()
    }

    fn watch(&self, path: &Path, what: WatchFlags) -> Option<i32> {
        inotify::add_watch(self.changes.as_ref()?, path, what).ok()
    }

    /// Waits for the next thing, at most for `limit`. Each signal is heard once; to who asks for it
    /// elsewhere, it is there as before.
    pub fn wait(&mut self, limit: Option<Duration>) -> Heard {
        loop {
            let came = self.signals.take();
            if !came.is_empty() {
                return Heard::Signals(came.iter().map(|came| came.number).collect());
            }
            let changes = self.changes.as_ref().map(AsFd::as_fd);
            let places = [Some(self.quiet.as_fd()), Some(self.signals.fd()), changes];
            let fds: Vec<_> = places
                .iter()
                .flatten()
                .map(|fd| (*fd, PollFlags::IN))
                .collect();
            match wait::ready(&fds, limit) {
                Ok(ready) if ready[0] => return Heard::Over,
                Ok(ready) if !ready.contains(&true) && limit.is_some() => return Heard::TimeUp,
                Ok(_) if self.changed() => return Heard::Changed,
                Ok(_) => {}
                // Only a lack of kernel memory lets poll fail here.
                Err(_) => _ = clock::pause(Duration::from_millis(50)),
            }
        }
    }

    /// Takes what the system has told, and whether any of it counts.
    fn changed(&self) -> bool {
        let Some(changes) = &self.changes else {
            return false;
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(changes, &mut buffer);
        let mut any = false;
        while let Ok(event) = reader.next() {
            let watch = event.wd();
            let name = event.file_name().map(|name| name.to_bytes().to_owned());
            let lost = event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW);
            any |= lost
                || self.files.contains(&watch)
                || self
                    .names
                    .iter()
                    .any(|(dir, of)| *dir == watch && name.as_deref() == Some(of.as_bytes()));
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    #[test]
    fn what_counts_is_heard_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, tasks) = (dir.path().join("log"), dir.path().join("tasks"));
        fs::append_line(&log, b"a\n").expect("writing");
        let (mut ears, listener) = Ears::new().expect("ears");
        assert!(ears.growing(&log) && ears.replaced(&tasks));
        assert!(!ears.growing(&dir.path().join("missing")));
        fs::write_public(&dir.path().join("other"), b"x").expect("writing");
        assert_eq!(ears.wait(Some(Duration::ZERO)), Heard::TimeUp);
        fs::append_line(&log, b"b\n").expect("writing");
        assert_eq!(ears.wait(LONG), Heard::Changed);
        fs::write_public(&tasks, b"x").expect("writing");
        assert_eq!(ears.wait(LONG), Heard::Changed);
        fs::write_atomic(&tasks, b"y", fs::Durability::RenameOnly).expect("writing");
        assert_eq!(ears.wait(LONG), Heard::Changed);
        drop(listener);
        assert_eq!(ears.wait(LONG), Heard::Over);
    }
}

//! Emptying a directory with several threads.
//!
//! What is in it is one piece of work each. Where there are fewer pieces than threads, a piece is
//! broken up: the directories in it are moved up, beside it, by their names alone, so that nothing is
//! followed on the way there either.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, openat, renameat_with};
use rustix::io::{Errno, retry_on_intr};

use super::{DIRECTORY, list, make_accessible, make_writable, remove_in};
use crate::domain::{Error, Result};
use crate::sys::{crash, mounts, threads, user};

/// Deletes everything in the directory at `path` with up to `jobs` threads, what is added meanwhile
/// too, as [`remove_tree`](super::remove_tree) would delete it. The directory stays; a missing one is empty.
pub fn empty(path: &Path, jobs: usize) -> Result<()> {
    let dir = match retry_on_intr(|| openat(CWD, path, DIRECTORY, Mode::empty())) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(Error::io("open", path, e.into())),
    };
    let work = Work {
        path,
        dir,
        jobs: jobs.max(1),
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    while work.take_stock()? {
        threads::share(work.jobs, || work.share());
    }
    match work.lock().failure.take() {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

struct Work<'a> {
    path: &'a Path,
    dir: OwnedFd,
    jobs: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is to be deleted.
    pieces: Vec<CString>,
    /// How many threads are at work.
    busy: usize,
    /// What can't be deleted.
    stuck: HashSet<CString>,
    /// Why, of the first.
    failure: Option<Error>,
}

impl Work<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is there; false if there is nothing that has not been tried.
    fn take_stock(&self) -> Result<bool> {
        let names = list(&self.dir).map_err(|e| Error::io("list", self.path, e.into()))?;
        let mut state = self.lock();
        let new = names
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !state.stuck.contains(name))
            .collect();
        state.pieces = new;
        Ok(!state.pieces.is_empty())
    }

    /// Takes piece after piece until there are none and nobody can make more.
    fn share(&self) {
        let mut state = self.lock();
        loop {
            let Some(piece) = state.pieces.pop() else {
                if state.busy == 0 {
                    return;
                }
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy += 1;
            let few = state.pieces.len() + state.busy <= self.jobs;
            drop(state);
            let parts = if few && self.jobs > 1 {
                self.break_up(&piece)
            } else {
                Vec::new()
            };
            if !parts.is_empty() {
                self.lock().pieces.extend(parts);
                self.changed.notify_all();
            }
            let deleted = self.delete(piece.clone());
            state = self.lock();
            if let Err(error) = deleted {
                state.stuck.insert(piece);
                state.failure.get_or_insert(error);
            }
            state.busy -= 1;
            self.changed.notify_all();
        }
    }

    /// By the open directory, which may be moved away meanwhile.
    fn delete(&self, piece: CString) -> Result<()> {
        let dir = self.dir.try_clone();
        let dir = dir.map_err(|e| Error::io("open", self.path, e))?;
        remove_in(dir, self.path, piece)
    }

    /// Moves the directories in a piece up, and gives their new names. What can't be moved stays.
    fn break_up(&self, piece: &CString) -> Vec<CString> {
        let Ok(inner) = self.open(piece) else {
            return Vec::new();
        };
        let entries = list(&inner).unwrap_or_default();
        let directories = entries
            .into_iter()
            .filter(|(_, kind)| *kind == FileType::Directory);
        directories
            .filter_map(|(name, _)| self.move_up(&inner, &name).ok())
            .collect()
    }

    fn open(&self, piece: &CString) -> rustix::io::Result<OwnedFd> {
        let open = || retry_on_intr(|| openat(&self.dir, piece, DIRECTORY, Mode::empty()));
        let inner = match open() {
            Err(Errno::ACCESS) => {
                make_accessible(&self.dir, piece)?;
                open()?
            }
            other => other?,
        };
        if mounts::mount_of(&inner)? != mounts::mount_of(&self.dir)? {
            return Err(Errno::XDEV);
        }
        make_writable(&inner)?;
        Ok(inner)
    }

    fn move_up(&self, inner: &OwnedFd, name: &CString) -> rustix::io::Result<CString> {
        let new = CString::new(format!("part-{}", user::random_hex(8)))
            .unwrap_or_else(|_| unreachable!("digits and letters"));
        let rename = || renameat_with(inner, name, &self.dir, &new, RenameFlags::NOREPLACE);
        crash::point("move up", OsStr::from_bytes(name.to_bytes()));
        match rename() {
            // It names the one above, so who moves it must be able to write it.
            Err(Errno::ACCESS) => {
                make_accessible(inner, name)?;
                rename()?;
            }
            other => other?,
        }
        Ok(new)
    }
}

//! Deleting trees: never through a symbolic link, never across a mount.
//!
//! The walk holds a descriptor of one directory at a time and goes up by `..`, so that neither
//! the stack nor the table of descriptors grows with the depth. Whoever changes the tree meanwhile
//! can make it fail, but not make it delete anything outside.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, chmodat, fchmod, fstat, open, openat, statat,
    unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::crash;
use super::fs::parent_of;
use super::mounts::{Mount, mount_of};
use super::user;
use crate::domain::{Error, Result};

mod together;

pub use together::empty;

/// So many paths are named when some could not be deleted.
const NAMED: usize = 20;

pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Deletes what is at `path`: a directory with everything in it, a file, or a symbolic link (not
/// what it leads to). A missing path is fine.
///
/// Directories of this user that are not writable are made so. What can't be deleted does not stop
/// the rest; the error names up to 20 such paths. What is a mount point stays.
pub fn remove_tree(path: &Path) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(Error::io("delete", path, Errno::INVAL.into()));
    };
    let name = CString::new(name.as_bytes())
        .map_err(|_| Error::io("delete", path, Errno::INVAL.into()))?;
    let above = parent_of(path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match retry_on_intr(|| open(above, flags, Mode::empty())) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(Error::io("open", above, e.into())),
    };
    remove_in(parent, above, name)
}

/// The same for `name` in an open directory, which is called `above`.
fn remove_in(parent: OwnedFd, above: &Path, name: CString) -> Result<()> {
    let path = above.join(OsStr::from_bytes(name.to_bytes()));
    let mount = mount_of(&parent).map_err(|e| Error::io("look at", above, e.into()))?;
    let mut walk = Walk {
        base: above,
        mount,
        frames: Vec::new(),
        failures: Vec::new(),
        failed: 0,
    };
    walk.run(parent, name)
        .map_err(|e| Error::io("delete", &path, e.into()))?;
    walk.verdict(&path)
}

/// A directory that is being emptied.
struct Frame {
    /// Its name in the one above.
    name: CString,
    /// Device and inode of the one above, to recognise it on the way back.
    above: (u64, u64),
    /// What could not be deleted by name alone.
    subdirs: Vec<CString>,
    /// Whether something in it can't be deleted.
    blocked: bool,
}

struct Walk<'a> {
    base: &'a Path,
    mount: Mount,
    frames: Vec<Frame>,
    failures: Vec<(PathBuf, Errno)>,
    failed: usize,
}

impl Walk<'_> {
    /// Deletes `name` in `parent`. Fails only if it has lost its way.
    fn run(&mut self, parent: OwnedFd, name: CString) -> rustix::io::Result<()> {
        if !self.delete_entry(&parent, &name) {
            return Ok(());
        }
        let mut current = parent;
        let mut next = Some(name);
        loop {
            if let Some(entered) = next.take().and_then(|name| self.enter(&current, name)) {
                current = entered;
            }
            let Some(frame) = self.frames.last_mut() else {
                return Ok(());
            };
            if let Some(name) = frame.subdirs.pop() {
                next = Some(name);
                continue;
            }
            current = self.leave(&current)?;
        }
    }

    /// Deletes an entry that is not a directory; true if it is one, and has to be entered.
    fn delete_entry(&mut self, dir: &OwnedFd, name: &CStr) -> bool {
        match self.unlink(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => false,
            Err(Errno::ISDIR) => true,
            // Some file systems, and a directory that is not writable, say this of one.
            Err(Errno::PERM | Errno::ACCESS) if is_directory(dir, name) => true,
            Err(e) => {
                self.fail(Some(name), e);
                false
            }
        }
    }

    /// Goes down into `name`, deletes what it can at once there, and notes the rest.
    fn enter(&mut self, dir: &OwnedFd, name: CString) -> Option<OwnedFd> {
        match self.open_below(dir, &name) {
            Ok((entered, above)) => {
                self.frames.push(Frame {
                    name,
                    above,
                    subdirs: Vec::new(),
                    blocked: false,
                });
                if let Err(e) = self.empty(&entered) {
                    self.fail(None, e);
                }
                Some(entered)
            }
            Err(Errno::NOENT) => None,
            // It has been replaced since by something else, which may be deleted by its name.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                if self.delete_entry(dir, &name) {
                    self.fail(Some(&name), Errno::BUSY);
                }
                None
            }
            Err(e) => {
                self.fail(Some(&name), e);
                None
            }
        }
    }

    fn open_below(&self, dir: &OwnedFd, name: &CStr) -> rustix::io::Result<(OwnedFd, (u64, u64))> {
        let entered = match retry_on_intr(|| openat(dir, name, DIRECTORY, Mode::empty())) {
            Err(Errno::ACCESS) => {
                make_accessible(dir, name)?;
                retry_on_intr(|| openat(dir, name, DIRECTORY, Mode::empty()))?
            }
            other => other?,
        };
        if mount_of(&entered)? != self.mount {
            return Err(Errno::XDEV);
        }
        make_writable(&entered)?;
        Ok((entered, identity(&fstat(dir)?)))
    }

    /// Deletes the files in a directory and notes its subdirectories in its frame.
    fn empty(&mut self, dir: &OwnedFd) -> rustix::io::Result<()> {
        // The names first: what a listing shows while its entries go differs between file systems.
        for (name, kind) in list(dir)? {
            if kind == FileType::Directory || self.delete_entry(dir, &name) {
                let frame = self.frames.last_mut().expect("inside a directory");
                frame.subdirs.push(name);
            }
        }
        Ok(())
    }

    /// Goes up again and deletes the directory that was left. Fails if what is above is another
    /// directory than the one it came from: somebody has moved the tree.
    fn leave(&mut self, dir: &OwnedFd) -> rustix::io::Result<OwnedFd> {
        let frame = self.frames.pop().expect("inside a directory");
        let above = retry_on_intr(|| openat(dir, c"..", DIRECTORY, Mode::empty()))?;
        if identity(&fstat(&above)?) != frame.above {
            return Err(Errno::STALE);
        }
        if frame.blocked {
            // What is in it has been named already.
            if let Some(outer) = self.frames.last_mut() {
                outer.blocked = true;
            }
            return Ok(above);
        }
        match self.unlink(&above, &frame.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => self.fail(Some(&frame.name), e),
        }
        Ok(above)
    }

    /// Deletes a name; makes its directory writable if that stands in the way. The directory that
    /// holds the tree is not part of it and stays as it is.
    fn unlink(&self, dir: &OwnedFd, name: &CStr, flags: AtFlags) -> rustix::io::Result<()> {
        crash::point("delete", OsStr::from_bytes(name.to_bytes()));
        match unlinkat(dir, name, flags) {
            Err(Errno::ACCESS) if !self.frames.is_empty() => {
                make_writable(dir)?;
                unlinkat(dir, name, flags)
            }
            other => other,
        }
    }

    /// Notes that `name` in the current directory, or that itself, can't be deleted.
    fn fail(&mut self, name: Option<&CStr>, e: Errno) {
        self.failed += 1;
        if self.failures.len() < NAMED {
            let inner = self.frames.iter().map(|frame| frame.name.as_c_str());
            let mut path = self.base.to_owned();
            path.extend(
                inner
                    .chain(name)
                    .map(|part| OsStr::from_bytes(part.to_bytes())),
            );
            self.failures.push((path, e));
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.blocked = true;
        }
    }

    fn verdict(self, path: &Path) -> Result<()> {
        if self.failed == 0 {
            return Ok(());
        }
        let mut message = format!("cannot delete {}:", path.display());
        for (failed, e) in &self.failures {
            let reason = match *e {
                Errno::XDEV | Errno::BUSY => "something is mounted there".to_owned(),
                other => std::io::Error::from(other).to_string(),
            };
            // Control characters in names must not reach a terminal.
            message.push_str(&format!("\n  {failed:?}: {reason}"));
        }
        if self.failed > self.failures.len() {
            let more = self.failed - self.failures.len();
            message.push_str(&format!("\n  and {more} more"));
        }
        Err(Error::failed(message))
    }
}

/// The names in an open directory, and what they are as far as the listing tells.
fn list(dir: &OwnedFd) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut names = Vec::new();
    for entry in retry_on_intr(|| Dir::read_from(dir))? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

fn is_directory(dir: &OwnedFd, name: &CStr) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Gives the owner of an open directory every right to it, if that is this user.
pub(super) fn make_writable(dir: impl AsFd) -> rustix::io::Result<()> {
    let stat = fstat(&dir)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid == user::effective_uid() && !mode.contains(Mode::RWXU) {
        fchmod(dir, mode | Mode::RWXU)?;
    }
    Ok(())
}

/// The same for a directory that can't be opened for reading. By a descriptor, so that a symbolic
/// link put in its place is not followed.
pub(super) fn make_accessible(dir: &OwnedFd, name: &CStr) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let found = retry_on_intr(|| openat(dir, name, flags, Mode::empty()))?;
    let stat = fstat(&found)?;
    if stat.st_uid != user::effective_uid() {
        return Err(Errno::ACCESS);
    }
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let mode = Mode::from_raw_mode(stat.st_mode) | Mode::RWXU;
    chmodat(CWD, path, mode, AtFlags::empty())
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests;

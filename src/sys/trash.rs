//! Throwing away by rename: whatever it is and however much is in it, it is out of the way at once,
//! and deleted later.
//!
//! The way from the top of a tree to what goes is taken directory by directory, by descriptors, so
//! that no symbolic link is followed and no mount entered. Every thing gets a name of its own in the
//! trash: nothing there has to be kept from being deleted while it is being filled.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, RenameFlags, openat, renameat_with};
use rustix::io::{Errno, retry_on_intr};

use super::mounts::{Mount, mount_of};
use super::remove::{DIRECTORY, make_accessible, make_writable};
use super::{crash, fs, user};
use crate::domain::{Error, Result};

/// In the name of everything that this process throws away.
static OURS: LazyLock<String> = LazyLock::new(|| user::random_hex(6));
static THROWN: AtomicU64 = AtomicU64::new(0);

/// A directory for what is to be deleted.
#[derive(Debug, Clone)]
pub struct Bin {
    dir: PathBuf,
    what: String,
}

impl Bin {
    /// The trash in `dir`; `what` stands at the beginning of the names of what is thrown into it.
    pub fn new(dir: PathBuf, what: impl Into<String>) -> Self {
        Self {
            dir,
            what: what.into(),
        }
    }

    /// Whether what is in the trash under that name was thrown there by this process.
    pub fn is_ours(name: &OsStr) -> bool {
        name.to_string_lossy().contains(OURS.as_str())
    }

    /// Throws away what is at `path`, wherever that is on the same file system.
    pub fn throw(&self, path: &Path) -> Result<()> {
        fs::create_private_dir_all(&self.dir)?;
        fs::rename_noreplace(path, &self.dir.join(self.next_name()))
    }

    /// Throws away what is at `paths` below `top`. Gives back those that can't be moved: a mount
    /// point, a directory of somebody else's.
    pub fn throw_all<'p>(
        &self,
        top: &Path,
        paths: impl IntoIterator<Item = &'p Path>,
    ) -> Result<Vec<&'p Path>> {
        let mut paths = paths.into_iter().peekable();
        if paths.peek().is_none() {
            return Ok(Vec::new());
        }
        fs::create_private_dir_all(&self.dir)?;
        let open = |path: &Path| {
            retry_on_intr(|| openat(CWD, path, DIRECTORY, Mode::empty()))
                .map_err(|e| Error::io("open", path, e.into()))
        };
        let top_dir = open(top)?;
        let mut arm = Arm {
            mount: mount_of(&top_dir).map_err(|e| Error::io("look at", top, e.into()))?,
            top: top_dir,
            trash: open(&self.dir)?,
            reached: None,
        };
        let mut stay = Vec::new();
        for path in paths {
            match arm.throw(path, &self.next_name()) {
                // Gone already, with a directory that it was in.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => stay.push(path),
            }
        }
        Ok(stay)
    }

    fn next_name(&self) -> String {
        let number = THROWN.fetch_add(1, Ordering::Relaxed);
        format!("{}-{}-{number}", self.what, *OURS)
    }
}

/// Reaches into a tree.
struct Arm {
    top: OwnedFd,
    mount: Mount,
    trash: OwnedFd,
    /// The directory that was reached last, and how it is called from the top.
    reached: Option<(PathBuf, OwnedFd)>,
}

impl Arm {
    fn throw(&mut self, path: &Path, name: &str) -> rustix::io::Result<()> {
        let from = path.file_name().ok_or(Errno::INVAL)?;
        let from = CString::new(from.as_bytes()).map_err(|_| Errno::INVAL)?;
        self.reach(path.parent().unwrap_or(Path::new("")))?;
        let dir = match &self.reached {
            Some((_, dir)) => dir,
            None => &self.top,
        };
        let rename = || renameat_with(dir, &from, &self.trash, name, RenameFlags::NOREPLACE);
        crash::point("throw away", path);
        match rename() {
            Err(Errno::ACCESS | Errno::PERM) => {
                make_writable(dir)?;
                // A directory names the one above, so who moves it must be able to write it.
                let _ = make_accessible(dir, &from);
                rename()
            }
            other => other,
        }
    }

    /// Goes to a directory, through directories of the same mount only.
    fn reach(&mut self, path: &Path) -> rustix::io::Result<()> {
        if self.reached.as_ref().is_some_and(|(at, _)| at == path) {
            return Ok(());
        }
        self.reached = None;
        let mut at: Option<OwnedFd> = None;
        for part in path.components() {
            let name = CString::new(part.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)?;
            at = Some(self.enter(at.as_ref().unwrap_or(&self.top), &name)?);
        }
        self.reached = at.map(|dir| (path.to_owned(), dir));
        Ok(())
    }

    fn enter(&self, dir: &OwnedFd, name: &CString) -> rustix::io::Result<OwnedFd> {
        let open = || retry_on_intr(|| openat(dir, name, DIRECTORY, Mode::empty()));
        let entered = match open() {
            Err(Errno::ACCESS) => {
                make_accessible(dir, name)?;
                open()?
            }
            other => other?,
        };
        match mount_of(&entered)? == self.mount {
            true => Ok(entered),
            false => Err(Errno::XDEV),
        }
    }
}

#[cfg(test)]
mod tests;

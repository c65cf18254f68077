//! Whether a slot's links are right, and what is wrong with them.

use super::Worktree;
use crate::domain::Result;
use crate::sys::{fs, mounts};

/// What is wrong with a slot's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The directory is not there.
    MissingDirectory,
    /// The directory was replaced by something else, which is nobody's to delete.
    Replaced(String),
    /// Something is mounted there: nothing is done.
    Mounted,
    /// The directory's `.git` file is missing or names another place.
    Link(String),
    /// The administrative directory is missing.
    Unregistered,
    /// A file in the administrative directory is damaged.
    Admin(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingDirectory => f.write_str("its directory is missing"),
            Self::Mounted => {
                f.write_str("something is mounted on its directory or inside; unmount it")
            }
            Self::Replaced(what) | Self::Link(what) | Self::Admin(what) => f.write_str(what),
            Self::Unregistered => f.write_str("its registration in git is missing"),
        }
    }
}

impl Worktree {
    /// Checks the links both ways; `None` if the slot is sound enough for git to work on it.
    pub fn fault(&self) -> Result<Option<Fault>> {
        if let Some(fault) = self.directory_fault()? {
            return Ok(Some(fault));
        }
        if !self.admin.is_dir() {
            return Ok(Some(Fault::Unregistered));
        }
        if self.own_repository()?.is_none() && !self.names_its_registration()? {
            return Ok(Some(Fault::Link(
                "its .git file does not name its registration".into(),
            )));
        }
        self.admin_fault()
    }

    /// Whether the directory's `.git` file leads where it should.
    pub fn names_its_registration(&self) -> Result<bool> {
        let link = self.read(&self.path.join(".git"))?;
        Ok(link.as_deref() == Some(self.link().as_bytes()))
    }

    pub(super) fn directory_fault(&self) -> Result<Option<Fault>> {
        if fs::is_symlink(&self.path)? {
            return Ok(Some(Fault::Replaced(
                "its directory was replaced by a symbolic link".into(),
            )));
        }
        if !self.path.exists() {
            return Ok(Some(Fault::MissingDirectory));
        }
        if !self.path.is_dir() {
            return Ok(Some(Fault::Replaced(
                "its directory was replaced by a file".into(),
            )));
        }
        if mounts::is_mount_point(&self.path)? || !mounts::mounts_below(&self.path).is_empty() {
            return Ok(Some(Fault::Mounted));
        }
        Ok(None)
    }

    fn admin_fault(&self) -> Result<Option<Fault>> {
        let is = |name: &str, wanted: &str| -> Result<bool> {
            Ok(self.read(&self.admin.join(name))?.as_deref() == Some(wanted.as_bytes()))
        };
        if !is("gitdir", &self.back_link())? {
            return Ok(Some(Fault::Admin(
                "its registration does not name its directory".into(),
            )));
        }
        if !is("commondir", "../..\n")? {
            return Ok(Some(Fault::Admin(
                "its registration does not name the repository".into(),
            )));
        }
        if self.head()?.is_none() {
            return Ok(Some(Fault::Admin("its HEAD is damaged".into())));
        }
        Ok(None)
    }
}

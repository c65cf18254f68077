//! A registration of a worktree, whoever made it.

use std::path::{Path, PathBuf};

use super::worktree::LOCK_REASON;
use crate::domain::Result;
use crate::sys::fs;

/// What a directory below `<repository>/worktrees` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The directory.
    pub path: PathBuf,
    /// The tree that it names.
    pub directory: Option<PathBuf>,
    /// Whether it is locked as slots are.
    pub is_a_slots: bool,
    /// Whether it names the shared repository.
    pub is_whole: bool,
}

/// Reads the registration at `path`.
pub fn read(path: &Path) -> Result<Registration> {
    let text = |name: &str| -> Result<String> {
        let file = path.join(name);
        let is_file = fs::metadata_if_there(&file)?.is_some_and(|file| file.is_file());
        let bytes = match is_file {
            true => fs::read_if_there(&file)?.unwrap_or_default(),
            false => Vec::new(),
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let gitdir = text("gitdir")?;
    let directory = gitdir.trim_end_matches('\n').strip_suffix("/.git");
    Ok(Registration {
        path: path.to_owned(),
        directory: directory.map(PathBuf::from),
        is_a_slots: text("locked")? == LOCK_REASON,
        is_whole: !text("commondir")?.trim().is_empty(),
    })
}

/// Lets a half-made registration name the repository, so that git can read all the others again.
/// Nothing else about it is touched.
pub fn complete(path: &Path) -> Result<()> {
    fs::write_atomic(
        &path.join("commondir"),
        b"../..\n",
        fs::Durability::RenameOnly,
    )
}

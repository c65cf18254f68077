//! Submodules that a user has filled in a slot.
//!
//! Their repositories lie in the slot's registration (`modules/`), so they go with it: what only they
//! hold has to be found before, and the directories emptied together with them. A directory whose
//! `.git` file leads nowhere makes git fail on the whole slot.

use std::path::{Path, PathBuf};

use super::{Git, Worktree};
use crate::domain::Result;
use crate::sys::{fs, remove};

/// Whether any of the submodules at `places` is filled, or was.
pub fn any(slot: &Worktree, places: &[PathBuf]) -> Result<bool> {
    if slot.admin.join("modules").is_dir() {
        return Ok(true);
    }
    for place in places {
        if is_filled(&slot.path, place)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there is a directory with something in it, in the slot itself: a link on the way would
/// lead elsewhere.
fn is_filled(top: &Path, place: &Path) -> Result<bool> {
    let mut dir = top.to_owned();
    for part in place.components() {
        dir.push(part);
        if !fs::metadata_if_there(&dir)?.is_some_and(|metadata| metadata.is_dir()) {
            return Ok(false);
        }
    }
    Ok(fs::list_dir_if_there(&dir)?.is_some_and(|names| !names.is_empty()))
}

/// The places that hold a repository of their own instead of one in the registration: nothing is
/// known of what is in there.
pub fn embedded(slot: &Worktree, places: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for place in places {
        if is_filled(&slot.path, place)? && slot.path.join(place).join(".git").is_dir() {
            found.push(place.clone());
        }
    }
    Ok(found)
}

/// The submodules with commits that their own remotes do not have.
pub fn unlanded(git: &Git, slot: &Worktree) -> Result<Vec<PathBuf>> {
    let modules = slot.admin.join("modules");
    let mut found = Vec::new();
    for repository in repositories(&modules)? {
        let output = git
            .repository(&repository)
            .env("GIT_WORK_TREE", &repository)
            .args(["rev-list", "--max-count=1", "--ignore-missing"])
            .args(["HEAD", "--branches", "--glob=refs/stash"])
            .args(has_been_at(&repository)?)
            .args(["--not", "--remotes"])
            .run_allowing(&[128], "look into a submodule", &mut |_| ())?;
        // One that git can't read is not known to hold nothing.
        if output.code != 0 || !output.text().is_empty() {
            found.push(
                repository
                    .strip_prefix(&modules)
                    .unwrap_or(&repository)
                    .to_owned(),
            );
        }
    }
    Ok(found)
}

/// The commits that a submodule's HEAD has had: one may have been made there and left behind.
fn has_been_at(repository: &Path) -> Result<Vec<super::Oid>> {
    let log = repository.join("logs/HEAD");
    match fs::metadata_if_there(&log)?.is_some_and(|metadata| metadata.is_file()) {
        true => Ok(super::parse::reflog(
            &fs::read_if_there(&log)?.unwrap_or_default(),
        )),
        false => Ok(Vec::new()),
    }
}

/// The repositories below `modules/`; a submodule's name may have slashes, and it may have
/// submodules of its own.
fn repositories(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        let is_repository = dir.join("HEAD").is_file() && dir.join("objects").is_dir();
        let below = if is_repository {
            dir.join("modules")
        } else {
            dir.clone()
        };
        for name in fs::list_dir_if_there(&below)?.unwrap_or_default() {
            let path = below.join(name);
            if path.is_dir() && !fs::is_symlink(&path)? {
                left.push(path);
            }
        }
        if is_repository {
            found.push(dir);
        }
    }
    Ok(found)
}

/// Empties the submodules' directories and removes their repositories. `paths` are their places.
pub fn empty(slot: &Worktree, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        if is_filled(&slot.path, path)? {
            let dir = slot.path.join(path);
            remove::remove_tree(&dir)?;
            fs::create_dir_all(&dir)?;
        }
    }
    remove::remove_tree(&slot.admin.join("modules"))
}

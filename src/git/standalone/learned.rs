//! What a set-up command writes into the repository of a slot that stands alone: settings, hooks, what
//! git is to ignore there. It is kept apart when the slot comes home, and stands in every repository
//! that the slot is handed out with afterwards.

use std::path::Path;

use super::{FOUND, GIVEN, KEPT, is_real_dir, read_file, write};
use crate::domain::Result;
use crate::git::repository::{self, Setting};
use crate::git::{Git, Worktree, submodules};
use crate::sys::{fs, remove};

/// The directories of a repository whose files are kept.
const DIRECTORIES: [&str; 2] = ["hooks", "info"];

/// The settings of a slot's own repository, to be told later from what was added; none of one that
/// has no repository of its own.
pub fn settings(git: &Git, slot: &Worktree) -> Result<Option<Vec<Setting>>> {
    let own = slot.own_repository()?;
    own.map(|own| repository::all_settings_in(git, &own.join("config")))
        .transpose()
}

/// Keeps in the directory `place` what was written into the repository that the slot has just come
/// home from, beyond the settings `before`, and takes that repository away: nobody's work is in it.
pub fn keep(git: &Git, slot: &Worktree, before: &[Setting], place: &Path) -> Result<()> {
    let came = slot.admin.join(KEPT);
    remove::remove_tree(place)?;
    fs::create_private_dir_all(place)?;
    let mut added = repository::all_settings_in(git, &came.join("config"))?;
    added.retain(|setting| !before.contains(setting));
    write(place, "config", repository::as_sections(&added).as_bytes())?;
    for name in DIRECTORIES {
        copy_files(&came.join(name), &place.join(name))?;
    }
    clear(git, slot)
}

/// Takes away the repository that the slot has just come home from. Submodules that were filled in it
/// stay.
pub fn clear(git: &Git, slot: &Worktree) -> Result<()> {
    let came = slot.admin.join(KEPT);
    let modules = [&came, &slot.admin].map(|of| of.join("modules"));
    if is_real_dir(&modules[0])? && !is_real_dir(&modules[1])? {
        fs::rename(&modules[0], &modules[1])?;
        submodules::follow(git, slot, &modules[1])?;
    }
    for name in [KEPT, GIVEN, FOUND] {
        remove::remove_tree(&slot.admin.join(name))?;
    }
    slot.forget_history()
}

/// Gives the repository at `to`, which is being made, what was kept in `place`. `config` is what it is
/// to have anyway; the whole of it is given back.
pub(super) fn hand_on(place: &Path, to: &Path, config: String) -> Result<String> {
    for name in DIRECTORIES {
        copy_files(&place.join(name), &to.join(name))?;
    }
    let added = read_file(&place.join("config"))?;
    Ok(config + &String::from_utf8_lossy(&added))
}

/// The files in a directory take the place of those in another. They are copies: who has one repository
/// writes into no other.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    if !is_real_dir(from)? {
        return Ok(());
    }
    fs::create_private_dir_all(to)?;
    for name in fs::list_dir_if_there(from)?.unwrap_or_default() {
        let (file, copy) = (from.join(&name), to.join(&name));
        if fs::metadata_if_there(&file)?.is_some_and(|file| file.is_file()) {
            fs::remove_file_if_there(&copy)?;
            fs::copy_with_mode(&file, &copy)?;
        }
    }
    Ok(())
}

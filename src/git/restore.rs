//! Bringing saved work back into a clean slot: files, then index, as they were.
//!
//! What differed from HEAD was saved byte for byte and is written so; everything else is checked out
//! as always.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::rescue::{self, Change};
use super::scratch::Scratch;
use super::{Git, Oid, Worktree, hidden};
use crate::domain::Result;
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// How the mode of a submodule begins.
const SUBMODULE: &str = "160000";

/// What saved work consists of, as trees.
#[derive(Debug, Clone)]
pub struct Trees {
    /// HEAD's.
    pub head: Oid,
    /// The index, without conflicts.
    pub index: Oid,
    /// The files.
    pub files: Oid,
}

/// Puts saved files into the slot: those of HEAD are checked out, those that differed from it or from
/// the index are written as they were. Tells the submodules that were at another commit: they are the
/// user's to fill.
pub fn files(git: &Git, slot: &Worktree, lock: &FileLock, trees: &Trees) -> Result<Vec<PathBuf>> {
    slot.command(git)
        .holding(Some(lock))
        .while_progressing()
        .env("GIT_ATTR_SOURCE", &trees.head)
        .args(["read-tree", "--reset", "-u", &trees.head])
        .run(&format!("check out {}", slot.path.display()))?;
    let mut changes: BTreeMap<Vec<u8>, Change> = BTreeMap::new();
    for (from, to) in [(&trees.head, &trees.index), (&trees.index, &trees.files)] {
        for change in rescue::changes(git.repository(&slot.common), from, to)? {
            changes.insert(change.path.clone(), change);
        }
    }
    for change in changes.values().filter(|change| change.kind == 'D') {
        remove(slot, &to_path(&change.path))?;
    }
    let (submodules, there): (Vec<&Change>, Vec<&Change>) = changes
        .values()
        .filter(|change| change.kind != 'D')
        .partition(|change| change.entry.starts_with(SUBMODULE));
    write(git, slot, lock, &there)?;
    Ok(submodules
        .iter()
        .map(|change| to_path(&change.path))
        .collect())
}

/// Writes files as they are, and makes sure that they are then.
fn write(git: &Git, slot: &Worktree, lock: &FileLock, changes: &[&Change]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let scratch = Scratch::new(git, slot)?;
    let mut lines = Vec::new();
    for change in changes {
        lines.extend_from_slice(change.entry.as_bytes());
        lines.push(b'\t');
        lines.extend_from_slice(&change.path);
        lines.push(0);
    }
    scratch
        .command()
        .stdin(lines)
        .args(["update-index", "-z", "--index-info"])
        .run("read saved files")?;
    scratch
        .command()
        .cwd(&slot.path)
        .holding(Some(lock))
        .args(["checkout-index", "--all", "--force", "--quiet"])
        .run("write saved files")?;
    scratch
        .command()
        .cwd(&slot.path)
        .args(["update-index", "--refresh"])
        .run("check the saved files")?;
    Ok(())
}

/// Removes a file or a submodule's place, and the directories that it leaves empty.
fn remove(slot: &Worktree, path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new(""));
    if fs::is_directory_below(&slot.path, parent)? {
        let whole = slot.path.join(path);
        match fs::metadata_if_there(&whole)?.is_some_and(|metadata| metadata.is_dir()) {
            true => fs::remove_empty_parents(&slot.path, &whole.join("inside")),
            false => {
                fs::remove_file_if_there(&whole)?;
                fs::remove_empty_parents(&slot.path, &whole);
            }
        }
    }
    Ok(())
}

/// Puts the saved index in the place of the slot's: the tree `index`, or the file `raw`, whose
/// entries that are left out of the checkout have no file.
pub fn index(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    index: &Oid,
    raw: Option<&Oid>,
) -> Result<()> {
    if let Some(raw) = raw {
        let saved = git
            .repository(&slot.common)
            .args(["cat-file", "blob", raw])
            .run("read the saved index")?;
        let file = slot.admin.join("index");
        fs::write_atomic(&file, &saved.stdout, fs::Durability::RenameOnly)?;
        for path in hidden::entries(git, slot, Some(lock))?.hidden {
            remove(slot, &path)?;
        }
    } else {
        // What is the same keeps what is known of its file.
        slot.command(git)
            .holding(Some(lock))
            .args(["read-tree", "--reset", index])
            .run("bring the index back")?;
    }
    slot.command(git)
        .holding(Some(lock))
        .args(["update-index", "-q", "--refresh"])
        .run_allowing(&[1], "look at the files", &mut |_| ())?;
    Ok(())
}

fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

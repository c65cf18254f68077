//! What the pool writes into a slot's own config: which of the files it has and in which form, and
//! that it takes part in submodules. Whatever else stands there was written by who worked in the slot,
//! and goes.

use std::path::Path;

use super::{Worktree, lfs, sparse};
use crate::domain::Result;
use crate::sys::fs;

/// The slot's own config.
const FILE: &str = "config.worktree";

/// What stands in it where a slot has some directories only.
const SPARSE: &str = "[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = true\n";

/// What stands in it where submodules are filled.
const ACTIVE: &str = "[submodule]\n\tactive = .\n";

impl Worktree {
    /// Has git in the slot take part in the submodules that are filled.
    pub fn make_submodules_active(&self) -> Result<()> {
        write(self, &format!("{}{ACTIVE}", about_files(self)))
    }

    /// Has git in the slot know which of the files it has, and in which form.
    pub fn write_own_config(&self) -> Result<()> {
        sparse::write(self)?;
        let own = about_files(self);
        let config = self.read(&self.admin.join(FILE))?.unwrap_or_default();
        match !own.is_empty() && !config.starts_with(own.as_bytes()) {
            true => write(self, &own),
            false => Ok(()),
        }
    }
}

fn about_files(slot: &Worktree) -> String {
    let sparse = slot.sparse.is_on().then_some(SPARSE);
    let lfs = slot.lfs.then_some(lfs::CONFIG);
    sparse.into_iter().chain(lfs).collect()
}

fn write(slot: &Worktree, text: &str) -> Result<()> {
    let file = slot.admin.join(FILE);
    fs::write_atomic(&file, text.as_bytes(), fs::Durability::RenameOnly)
}

/// What it says, if that is as the pool wrote it.
fn as_written(slot: &Worktree) -> Result<Option<String>> {
    let config = slot.read(&slot.admin.join(FILE))?.unwrap_or_default();
    let files = about_files(slot);
    let own = [files.clone(), format!("{files}{ACTIVE}")];
    Ok(own.into_iter().find(|own| config == own.as_bytes()))
}

/// The same for a repository of the slot's own, which is being made at `to`: what its config says.
pub(super) fn hand_on(slot: &Worktree, to: &Path) -> Result<String> {
    sparse::hand_on(slot, to)?;
    let written = as_written(slot)?;
    Ok(written.unwrap_or_else(|| about_files(slot)))
}

/// What of it stands in the registration as the pool wrote it.
pub(super) fn expected(slot: &Worktree) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    if as_written(slot)?.is_some() {
        found.push(FILE);
    }
    if sparse::is_written(slot)? {
        found.push(sparse::INFO);
    }
    Ok(found)
}

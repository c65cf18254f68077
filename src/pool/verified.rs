//! The mark of a verified slot: made when a parked slot was seen clean, checked when it is to be
//! handed out.
//!
//! It digests what any change by git or by hand would alter: the slot's directory, the files of its
//! registration, the settings by which it was cleaned and furnished with the files that are copied into
//! it, the user's own git configuration, and the boot
//! and pid namespace in which processes were looked for. Some fifteen `lstat`s, whatever the size of the tree. A difference
//! proves nothing: the slot is then looked at like any other.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::Pool;
use super::{copies, park};
use crate::domain::slot::{Mark, SlotRecord};
use crate::git::{Oid, submodules};
use crate::sys::liveness;
use crate::sys::seen::Seen;

/// The files of a registration that git writes when anything changes in a slot.
const FILES: [&str; 6] = ["HEAD", "index", "gitdir", "commondir", "logs", "logs/HEAD"];

/// The mark of a slot that was seen clean at `commit`; `None` if it is not parked.
pub fn mark(pool: &Pool<'_>, number: u32, commit: &Oid) -> Option<Mark> {
    if !park::is_parked(pool, number) {
        return None;
    }
    let worktree = pool.worktree(number);
    let machine = liveness::machine();
    let mut digest = DefaultHasher::new();
    (machine.boot_id, machine.pid_namespace).hash(&mut digest);
    pool.keep().hash(&mut digest);
    pool.settings.submodules.hash(&mut digest);
    pool.settings.sparse.hash(&mut digest);
    pool.settings.lfs.hash(&mut digest);
    (&pool.settings.setup, &pool.settings.setup_inputs).hash(&mut digest);
    copies::digest(pool, &mut digest);
    commit.hash(&mut digest);
    // Another user's way of checking out files (line ends, filters) makes another tree.
    for file in pool.git.config_files() {
        (seen(&file), file).hash(&mut digest);
    }
    seen(&worktree.path)?.hash(&mut digest);
    seen(&worktree.path.join(".git"))?.hash(&mut digest);
    seen(&worktree.admin)?.hash(&mut digest);
    for name in FILES {
        seen(&worktree.admin.join(name)).hash(&mut digest);
    }
    if worktree.sparse.is_on() || worktree.lfs {
        for name in ["config.worktree", "info", "info/sparse-checkout"] {
            seen(&worktree.admin.join(name)).hash(&mut digest);
        }
    }
    if worktree.has_submodules() {
        for file in submodules::files(&worktree).ok()? {
            seen(&file).hash(&mut digest);
        }
    }
    Some(Mark(format!("{:016x}", digest.finish())))
}

fn seen(path: &Path) -> Option<Seen> {
    Seen::of(path).ok().flatten()
}

/// Whether the slot still is as it was when it was marked.
pub fn holds(pool: &Pool<'_>, slot: &SlotRecord) -> bool {
    match (&slot.mark, &slot.commit) {
        (Some(recorded), Some(commit)) => {
            mark(pool, slot.number, commit).as_ref() == Some(recorded)
        }
        _ => false,
    }
}

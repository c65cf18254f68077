//! Where everything lies.

use std::path::{Path, PathBuf};

use crate::domain::names::{self, PoolName};

/// The directory that makes a directory a workspace.
pub const MARKER: &str = ".repo-pool";

/// The paths of one pool.
#[derive(Debug, Clone)]
pub struct PoolPaths {
    /// The pool's name.
    pub name: PoolName,
    /// Its directory.
    pub root: PathBuf,
}

impl PoolPaths {
    /// The paths of pool `name` in the workspace at `workspace`.
    pub fn new(workspace: &Path, name: &PoolName) -> Self {
        Self {
            name: name.clone(),
            root: workspace.join(name.as_str()),
        }
    }

    /// The pool's record.
    pub fn record(&self) -> PathBuf {
        self.root.join("pool.json")
    }

    /// The pool's history.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// The history before the last rotation.
    pub fn old_events(&self) -> PathBuf {
        self.root.join("events.1.jsonl")
    }

    /// The bare repository that all slots share.
    pub fn repository(&self) -> PathBuf {
        self.root.join("repo.git")
    }

    /// The directory of all slots.
    pub fn worktrees(&self) -> PathBuf {
        self.root.join("worktrees")
    }

    /// A slot's directory.
    pub fn slot(&self, number: u32) -> PathBuf {
        self.worktrees().join(names::dir_name(number))
    }

    /// A slot's registration in the repository.
    pub fn admin(&self, number: u32) -> PathBuf {
        self.repository()
            .join("worktrees")
            .join(names::dir_name(number))
    }

    /// What was renamed away, to be deleted.
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// What stood in the place of a slot and was moved out of the way, kept for its owner.
    pub fn set_aside(&self) -> PathBuf {
        self.root.join("set-aside")
    }

    /// The directory of all locks.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// Guards the record.
    pub fn pool_lock(&self) -> PathBuf {
        self.locks().join("pool.lock")
    }

    /// Guards looking at the remote; held while the pool is made.
    pub fn fetch_lock(&self) -> PathBuf {
        self.locks().join("fetch.lock")
    }

    /// Held for as long as a command works on the slot.
    pub fn slot_lock(&self, number: u32) -> PathBuf {
        self.locks()
            .join(format!("{}.lock", names::dir_name(number)))
    }

    /// Held by a holder that lives as long as its allocation (`exec`).
    pub fn holder_lock(&self, number: u32) -> PathBuf {
        self.locks()
            .join(format!("{}.holder", names::dir_name(number)))
    }
}

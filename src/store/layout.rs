//! Where everything lies.

use std::path::{Path, PathBuf};

use crate::domain::Result;
use crate::domain::names::{self, PoolName};
use crate::sys::fs;

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

    /// The first of the pool's directories that is a symbolic link: what it leads to is not the
    /// pool's to change.
    pub fn led_astray(&self) -> Result<Option<PathBuf>> {
        let repository = self.repository();
        let admins = repository.join("worktrees");
        let (slots, locks, trash) = (self.worktrees(), self.locks(), self.trash());
        let parts = [
            self.root.clone(),
            repository,
            admins,
            slots,
            self.parked(),
            locks,
            trash,
            self.set_aside(),
            self.queue(),
            self.furnishings(),
            self.modules(),
        ];
        for part in parts {
            if fs::is_symlink(&part)? {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// The pool's record.
    pub fn record(&self) -> PathBuf {
        self.root.join("pool.json")
    }

    /// The patterns that the pool was made with, a second time.
    pub fn keep(&self) -> PathBuf {
        self.root.join("keep")
    }

    /// Whether the pool is there, but for its record.
    pub fn has_lost_its_record(&self) -> bool {
        !self.record().exists() && self.repository().join("HEAD").is_file()
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

    /// The directory of the slots in use.
    pub fn worktrees(&self) -> PathBuf {
        self.root.join("worktrees")
    }

    /// A slot's directory.
    pub fn slot(&self, number: u32) -> PathBuf {
        self.worktrees().join(names::dir_name(number))
    }

    /// The directory of the idle slots that were seen clean: out of everybody's reach.
    pub fn parked(&self) -> PathBuf {
        self.root.join("parked")
    }

    /// A slot's directory while it is parked.
    pub fn parked_slot(&self, number: u32) -> PathBuf {
        self.parked().join(names::dir_name(number))
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

    /// Where those who wait for a slot have their tickets; it is made when somebody first waits.
    pub fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// What submodules share: a repository for each of their remotes.
    pub fn modules(&self) -> PathBuf {
        self.root.join("modules")
    }

    /// Where the pool's repository is made anew; it is there only while that is under way.
    pub fn anew(&self) -> PathBuf {
        self.root.join("anew")
    }

    /// The directory of all locks.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// What the user has put there for `copy`.
    pub fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// What is known of how slots were furnished, and what commands have printed that were run there.
    pub fn furnishings(&self) -> PathBuf {
        self.root.join("furnishings")
    }

    /// What a slot was furnished with.
    pub fn furnished(&self, number: u32) -> PathBuf {
        let name = format!("{}.json", names::dir_name(number));
        self.furnishings().join(name)
    }

    /// What the set-up has written into a slot's own repository.
    pub fn learned(&self, number: u32) -> PathBuf {
        let name = format!("{}.repository", names::dir_name(number));
        self.furnishings().join(name)
    }

    /// What a command has printed that was run in a slot; `what` says which.
    pub fn output(&self, number: u32, what: &str) -> PathBuf {
        let name = format!("{}.{what}.log", names::dir_name(number));
        self.furnishings().join(name)
    }

    /// Where a file is made that is to appear in a slot.
    pub fn furnishing(&self, number: u32) -> PathBuf {
        let name = format!("{}.new", names::dir_name(number));
        self.furnishings().join(name)
    }

    /// Guards the record.
    pub fn pool_lock(&self) -> PathBuf {
        self.locks().join("pool.lock")
    }

    /// Guards looking at the remote; held while the pool is made.
    pub fn fetch_lock(&self) -> PathBuf {
        self.locks().join("fetch.lock")
    }

    /// Guards fetching submodules.
    pub fn modules_lock(&self) -> PathBuf {
        self.locks().join("modules.lock")
    }

    /// Held by who deletes what is in the trash.
    pub fn trash_lock(&self) -> PathBuf {
        self.locks().join("trash.lock")
    }

    /// Held by the git of a fetch, whether its command lives or not.
    pub fn fetching_lock(&self) -> PathBuf {
        self.locks().join("fetching.lock")
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

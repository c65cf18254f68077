//! Programs that nobody may start: each leaves a mark when it is run.

use super::World;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The traps of one world.
pub struct Traps {
    dir: PathBuf,
    mark: PathBuf,
}

impl Traps {
    /// No traps yet.
    pub fn new(world: &World) -> Self {
        let dir = world.path("traps");
        fs::create_dir_all(&dir).expect("a directory");
        Self {
            dir,
            mark: world.path("sprung"),
        }
    }

    /// A trap of this name in a directory of its own kind; its path.
    pub fn set(&self, name: &str) -> String {
        let path = self.dir.join(name);
        self.set_at(&path);
        path.display().to_string()
    }

    /// A trap at this very place.
    pub fn set_at(&self, path: &Path) {
        let parent = path.parent().expect("a parent");
        fs::create_dir_all(parent).expect("a directory");
        let mark = self.mark.display();
        let script = format!("#!/bin/sh\necho \"$0 $*\" >> '{mark}'\nexit 1\n");
        fs::write(path, script).expect("writing");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    /// Traps in the place of every hook that git knows.
    pub fn set_hooks(&self, dir: &Path) {
        for name in HOOKS {
            self.set_at(&dir.join(name));
        }
    }

    /// No trap may have been run.
    #[track_caller]
    pub fn assert_not_sprung(&self, when: &str) {
        let mark = fs::read_to_string(&self.mark).unwrap_or_default();
        assert_eq!(mark, "", "a trap was run by {when}");
    }

    /// Some trap must have been run; the marks are wiped.
    #[track_caller]
    pub fn assert_sprung(&self) {
        let mark = fs::read_to_string(&self.mark).unwrap_or_default();
        assert_ne!(mark, "", "no trap was run");
        fs::remove_file(&self.mark).expect("deleting");
    }
}

const HOOKS: [&str; 14] = [
    "post-checkout",
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "reference-transaction",
    "post-index-change",
    "pre-auto-gc",
    "post-merge",
    "post-rewrite",
    "pre-push",
    "pre-receive",
    "update",
    "fsmonitor-watchman",
];

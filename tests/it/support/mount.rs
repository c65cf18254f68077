//! Mounts, which end with the test.

use super::World;
use std::path::{Path, PathBuf};

/// A directory that is shown at another place as well, until this is dropped.
pub struct Mount<'w> {
    world: &'w World,
    at: PathBuf,
}

impl<'w> Mount<'w> {
    /// Shows `from` at `at`; none where that is not allowed.
    pub fn bind(world: &'w World, from: &Path, at: &Path) -> Option<Self> {
        let mut mount = world.command("mount");
        let output = mount.arg("--bind").args([from, at]).output();
        output
            .is_ok_and(|output| output.status.success())
            .then(|| Self {
                world,
                at: at.to_owned(),
            })
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let mut unmount = self.world.command("umount");
        let _ = unmount.arg("-l").arg(&self.at).output();
    }
}

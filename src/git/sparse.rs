//! Sparse checkouts: a slot has the files of some directories only.
//!
//! In git's cone mode: those directories with everything below, and the files beside the way to them.
//! git is told by the slot's own config and patterns, which the pool writes whenever it cleans the slot:
//! what somebody else has set there goes with the rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Worktree;
use crate::domain::Result;
use crate::sys::fs;

/// What git has to be told on the command line, since the tool's own does not read a slot's config.
const SETTINGS: [&str; 4] = [
    "-c",
    "core.sparseCheckout=true",
    "-c",
    "core.sparseCheckoutCone=true",
];

/// The directories that slots have; none means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparse(Arc<[PathBuf]>);

impl Sparse {
    /// From the directories' paths.
    pub fn new(directories: &[String]) -> Self {
        let clean = |text: &String| PathBuf::from(text.trim_matches('/'));
        let mut all: Vec<PathBuf> = directories.iter().map(clean).collect();
        all.sort();
        all.dedup();
        Self(all.into())
    }

    /// Whether anything is left out.
    pub fn is_on(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether the slot has the file at `path`.
    pub fn has(&self, path: &Path) -> bool {
        let dir = path.parent().unwrap_or(Path::new(""));
        let is_there = |wanted: &PathBuf| dir.starts_with(wanted) || wanted.starts_with(dir);
        !self.is_on() || self.0.iter().any(is_there)
    }

    /// What git on the slot has to be told before its command.
    pub(super) fn settings(&self) -> &'static [&'static str] {
        match self.is_on() {
            true => &SETTINGS,
            false => &[],
        }
    }

    /// The patterns as git writes them: for each directory on the way its files and not its
    /// directories, for each wanted one everything.
    fn patterns(&self) -> String {
        let mut above: Vec<&Path> = self
            .0
            .iter()
            .flat_map(|dir| dir.ancestors().skip(1))
            .filter(|dir| !dir.as_os_str().is_empty())
            .filter(|dir| !self.0.iter().any(|wanted| dir.starts_with(wanted)))
            .collect();
        above.sort();
        above.dedup();
        let mut text = String::from("/*\n!/*/\n");
        for dir in above {
            let dir = dir.display();
            text.push_str(&format!("/{dir}/\n!/{dir}/*/\n"));
        }
        let covered = |dir: &Path| {
            dir.ancestors()
                .skip(1)
                .any(|above| self.0.iter().any(|wanted| wanted == above))
        };
        for dir in self.0.iter().filter(|dir| !covered(dir)) {
            text.push_str(&format!("/{}/\n", dir.display()));
        }
        text
    }
}

/// The directory of the patterns in the registration, and their file.
pub(super) const INFO: &str = "info";
const FILE: &str = "sparse-checkout";

/// Writes the slot's patterns, if they are not as they should be.
pub(super) fn write(slot: &Worktree) -> Result<()> {
    match is_written(slot)? {
        true => Ok(()),
        false => hand_on(slot, &slot.admin),
    }
}

/// Writes the slot's patterns for git in the repository `to`.
pub(super) fn hand_on(slot: &Worktree, to: &Path) -> Result<()> {
    if !slot.sparse.is_on() {
        return Ok(());
    }
    let dir = to.join(INFO);
    fs::create_private_dir_all(&dir)?;
    let text = slot.sparse.patterns();
    fs::write_atomic(&dir.join(FILE), text.as_bytes(), fs::Durability::RenameOnly)
}

/// Whether the patterns are as they should be, with nothing beside them.
pub(super) fn is_written(slot: &Worktree) -> Result<bool> {
    let dir = slot.admin.join(INFO);
    if !slot.sparse.is_on() || !fs::metadata_if_there(&dir)?.is_some_and(|info| info.is_dir()) {
        return Ok(false);
    }
    let alone = fs::list_dir_if_there(&dir)?.is_some_and(|names| names == [FILE]);
    let written = alone && dir.join(FILE).is_file();
    let text = match written {
        true => fs::read_if_there(&dir.join(FILE))?,
        false => None,
    };
    Ok(text.is_some_and(|text| text == slot.sparse.patterns().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse(dirs: &[&str]) -> Sparse {
        let dirs: Vec<String> = dirs.iter().map(|dir| (*dir).to_owned()).collect();
        Sparse::new(&dirs)
    }

    #[test]
    fn directories_come_with_the_files_on_the_way() {
        let some = sparse(&["src/deep/", "docs"]);
        for path in [
            "README",
            "src/x",
            "src/deep/x",
            "src/deep/a/b",
            "docs/x",
            "docs/a/x",
        ] {
            assert!(some.has(Path::new(path)), "{path}");
        }
        for path in ["tools/x", "src/other/x", "docs2/x", "src/deeper/x"] {
            assert!(!some.has(Path::new(path)), "{path}");
        }
        assert!(sparse(&[]).has(Path::new("any/where")) && !sparse(&[]).is_on());
    }

    #[test]
    fn patterns_are_those_of_git() {
        assert_eq!(
            sparse(&["src/deep", "docs", "docs/inner"]).patterns(),
            "/*\n!/*/\n/src/\n!/src/*/\n/docs/\n/src/deep/\n"
        );
    }
}

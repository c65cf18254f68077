//! A slot's work, seen byte for byte: what saving and bringing back must not change.

use super::World;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What git and the file system say of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// HEAD's commit; empty on a branch without one.
    pub head: String,
    /// `git status`, each path with modes and objects.
    pub status: Vec<String>,
    /// The index, with stages and flags.
    pub index: Vec<String>,
    /// Every file that is not ignored: kind, executable bit, content.
    pub files: BTreeMap<PathBuf, (String, Vec<u8>)>,
}

impl World {
    /// Looks at the work in a slot without changing anything.
    #[track_caller]
    pub fn work(&self, dir: &Path) -> Work {
        let ask = |args: &str| {
            let args = format!("--no-optional-locks -c core.quotePath=true {args}");
            let out = self.try_git(dir, args);
            out.ok();
            out.raw
        };
        let records = |bytes: &[u8]| -> Vec<String> {
            let all = bytes.split(|byte| *byte == 0);
            all.filter(|record| !record.is_empty())
                .map(|record| record.escape_ascii().to_string())
                .collect()
        };
        let names = ask("ls-files -z --cached --others --exclude-standard --deduplicate");
        let files = names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .filter_map(|name| {
                let path = PathBuf::from(OsStr::from_bytes(name));
                let found = content(&dir.join(&path))?;
                Some((path, found))
            })
            .collect();
        Work {
            head: self
                .try_git(dir, "rev-parse -q --verify HEAD")
                .stdout
                .trim()
                .to_owned(),
            status: records(&ask(
                "status --porcelain=v2 -z --untracked-files=all --no-renames",
            )),
            index: records(&ask("ls-files -s -v -z")),
            files,
        }
    }
}

/// Kind, executable bit and content; `None` where there is nothing or a directory.
fn content(path: &Path) -> Option<(String, Vec<u8>)> {
    let meta = path.symlink_metadata().ok()?;
    if meta.is_symlink() {
        let target = std::fs::read_link(path).expect("a link");
        return Some(("link".into(), target.as_os_str().as_bytes().to_vec()));
    }
    if !meta.is_file() {
        return None;
    }
    let kind = if meta.mode() & 0o100 == 0 {
        "file"
    } else {
        "program"
    };
    Some((kind.into(), std::fs::read(path).expect("a file")))
}

//! What an index tells that `status` does not: paths under assume-unchanged or skip-worktree bits,
//! whose edits it hides and a reset leaves, and the places of submodules.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Git, Worktree};
use crate::domain::Result;
use crate::sys::lock::FileLock;

/// What stands in an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The paths whose changes it hides.
    pub hidden: Vec<PathBuf>,
    /// The paths of submodules.
    pub submodules: Vec<PathBuf>,
}

/// Reads the slot's index.
pub fn entries(git: &Git, slot: &Worktree, lock: Option<&FileLock>) -> Result<Entries> {
    let listed = slot
        .command(git)
        .holding(lock)
        .args(["ls-files", "-v", "-s", "-z"])
        .run("read the index")?;
    Ok(parse(&listed.stdout))
}

/// Takes the bits off those of `paths` that have a file, so that their edits show. The others are
/// what a sparse checkout leaves out, and no work.
pub fn reveal(git: &Git, slot: &Worktree, paths: &[PathBuf]) -> Result<()> {
    let mut present = Vec::new();
    for path in paths {
        if slot.path.join(path).symlink_metadata().is_ok() {
            present.extend_from_slice(path.as_os_str().as_bytes());
            present.push(0);
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    for switch in ["--no-assume-unchanged", "--no-skip-worktree"] {
        slot.command(git)
            .stdin(present.clone())
            .args(["update-index", switch, "-z", "--stdin"])
            .run("show hidden changes")?;
    }
    Ok(())
}

/// Reads `ls-files -v -s -z`: `<tag> <mode> <object> <stage>\t<path>`. A lower-case tag is
/// assume-unchanged, `S` is skip-worktree, mode 160000 is a submodule.
fn parse(bytes: &[u8]) -> Entries {
    let mut found = Entries::default();
    for entry in bytes.split(|byte| *byte == 0) {
        let Some(at) = entry.iter().position(|byte| *byte == b'\t') else {
            continue;
        };
        let path = || PathBuf::from(OsStr::from_bytes(&entry[at + 1..]));
        let Some(tag) = entry.first().filter(|_| at > 0) else {
            continue;
        };
        if tag.is_ascii_lowercase() || *tag == b'S' {
            found.hidden.push(path());
        }
        if entry.get(2..8) == Some(b"160000") {
            found.submodules.push(path());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flagged_paths_and_submodules_are_named() {
        let oid = "1".repeat(40);
        let text = format!(
            "H 100644 {oid} 0\ta\0h 100644 {oid} 0\tb c\0S 100644 {oid} 0\td\0H 160000 {oid} 0\tsub\0"
        );
        let found = parse(text.as_bytes());
        assert_eq!(found.hidden, ["b c", "d"].map(PathBuf::from));
        assert_eq!(found.submodules, [PathBuf::from("sub")]);
        assert_eq!(parse(b"\0H\0\t\0").hidden.len(), 0);
    }
}

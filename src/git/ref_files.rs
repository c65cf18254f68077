//! The refs of a repository as its files say: no git is asked, whatever state its objects and its
//! config are in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::{Oid, is_oid};
use crate::domain::Result;
use crate::sys::fs;

/// What was read. Symbolic refs are not among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refs {
    /// What each names.
    pub found: BTreeMap<String, Oid>,
    /// Whether there are traces of others that are lost.
    pub damaged: bool,
}

/// Reads all refs: those in files of their own first, as git does, so that one that is packed meanwhile is
/// in one of the two.
pub fn read(repository: &Path) -> Result<Refs> {
    let mut refs = loose(repository)?;
    let packed = packed(&read_file(&repository.join("packed-refs"))?);
    refs.damaged |= packed.damaged;
    for (name, oid) in packed.found {
        refs.found.entry(name).or_insert(oid);
    }
    Ok(refs)
}

fn loose(repository: &Path) -> Result<Refs> {
    let mut refs = Refs {
        damaged: !is_real_dir(&repository.join("refs"))?,
        ..Refs::default()
    };
    let mut dirs = vec![PathBuf::from("refs")];
    while let Some(dir) = dirs.pop() {
        if !is_real_dir(&repository.join(&dir))? {
            continue;
        }
        for name in fs::list_dir_if_there(&repository.join(&dir))?.unwrap_or_default() {
            let path = dir.join(name);
            let full = repository.join(&path);
            // What is being written is no ref yet.
            if path.extension() == Some(OsStr::new("lock")) {
                continue;
            }
            let text = String::from_utf8_lossy(&read_file(&full)?)
                .trim()
                .to_owned();
            match (is_real_dir(&full)?, path.to_str()) {
                (true, _) => dirs.push(path),
                (false, Some(name)) if is_oid(&text) => {
                    refs.found.insert(name.to_owned(), text);
                }
                // One that is gone meanwhile is not damaged.
                _ => refs.damaged |= !text.starts_with("ref: ") && is_there(&full)?,
            }
        }
    }
    Ok(refs)
}

/// Reads a `packed-refs` file.
pub fn packed(bytes: &[u8]) -> Refs {
    let mut refs = Refs::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        match line.split_once(' ') {
            Some((oid, name)) if is_oid(oid) && name.starts_with("refs/") => {
                refs.found.insert(name.to_owned(), oid.to_owned());
            }
            _ => refs.damaged |= !line.starts_with(['#', '^']),
        }
    }
    refs
}

/// Writes what [`packed`] reads, and git.
pub fn to_packed<'r>(refs: impl Iterator<Item = (&'r String, &'r Oid)>) -> Vec<u8> {
    // git looks for a name by halving: they have to be in order, as those of a map are.
    let mut text = String::from("# pack-refs with: sorted \n");
    for (name, oid) in refs {
        text.push_str(&format!("{oid} {name}\n"));
    }
    text.into_bytes()
}

fn is_there(path: &Path) -> Result<bool> {
    Ok(fs::metadata_if_there(path)?.is_some())
}

pub(super) fn is_real_dir(path: &Path) -> Result<bool> {
    Ok(fs::metadata_if_there(path)?.is_some_and(|metadata| metadata.is_dir()))
}

/// What stands in a regular file; nothing, if there is none.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    match fs::metadata_if_there(path)?.is_some_and(|metadata| metadata.is_file()) {
        true => Ok(fs::read_if_there(path)?.unwrap_or_default()),
        false => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_again() {
        let refs: BTreeMap<String, Oid> = ["refs/tags/v1", "refs/remotes/origin/main"]
            .map(|name| (name.to_owned(), "1".repeat(40)))
            .into();
        let read = packed(&to_packed(refs.iter()));
        assert_eq!((read.found, read.damaged), (refs, false));
        assert!(packed(b"garbage\n").damaged);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            packed(&bytes);
        }
    }
}

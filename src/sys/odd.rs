//! What a look at the files alone does not show in a tree: directories with nothing in them, special
//! files, directories that their owner has no rights to.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fs;
use crate::domain::{Error, Result};

/// The odd things in a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Odd {
    /// Directories with nothing in them but such directories; only the topmost is named.
    pub empty: Vec<PathBuf>,
    /// FIFOs, sockets and devices.
    pub special: Vec<PathBuf>,
    /// Directories that their owner can't list, enter or write.
    pub closed: Vec<PathBuf>,
}

impl Odd {
    /// Whether there is nothing odd.
    pub fn is_nothing(&self) -> bool {
        self.empty.is_empty() && self.special.is_empty() && self.closed.is_empty()
    }
}

/// A directory on the way through the tree.
struct Dir {
    path: PathBuf,
    /// The place of the one above in the list.
    above: usize,
    /// Whether anything in it is worth keeping it.
    filled: bool,
}

/// Looks through the tree at `top`, without following links. The top's `.git` and the directories
/// in `except` (relative) are left out.
pub fn look(top: &Path, except: &[PathBuf]) -> Result<Odd> {
    let mut found = Odd::default();
    let mut dirs = vec![Dir {
        path: top.to_owned(),
        above: 0,
        filled: true,
    }];
    let mut index = 0;
    while index < dirs.len() {
        let dir = dirs[index].path.clone();
        let mode = std::fs::symlink_metadata(&dir).map(|metadata| metadata.mode());
        let closed = mode.is_ok_and(|mode| mode & 0o700 != 0o700);
        if closed {
            found.closed.push(dir.clone());
        }
        match fs::entries(&dir) {
            Ok(entries) => entries
                .flatten()
                .for_each(|entry| sort(&entry, top, except, &mut dirs, index, &mut found)),
            // What is in there is not known, so it stays; a path can be too long for the system.
            Err(e) if closed || e.kind() == ErrorKind::InvalidFilename => fill(&mut dirs, index),
            Err(e) => return Err(Error::io("read", &dir, e)),
        }
        index += 1;
    }
    // A directory below one that goes goes with it.
    let empty = dirs.iter().skip(1);
    let empty = empty.filter(|dir| !dir.filled && dirs[dir.above].filled);
    found.empty = empty.map(|dir| dir.path.clone()).collect();
    Ok(found)
}

/// Puts one entry of the directory at `index` where it belongs.
fn sort(
    entry: &std::fs::DirEntry,
    top: &Path,
    except: &[PathBuf],
    dirs: &mut Vec<Dir>,
    index: usize,
    found: &mut Odd,
) {
    let path = entry.path();
    let Ok(kind) = entry.file_type() else { return };
    if kind.is_dir() && !(index == 0 && entry.file_name() == ".git") {
        let relative = path.strip_prefix(top).unwrap_or(&path);
        if except.iter().any(|other| other == relative) {
            fill(dirs, index);
        } else {
            dirs.push(Dir {
                path,
                above: index,
                filled: false,
            });
        }
    } else if kind.is_file() || kind.is_symlink() {
        fill(dirs, index);
    } else if !kind.is_dir() {
        found.special.push(path);
    }
}

/// Notes that a directory and all above it have something in them.
fn fill(dirs: &mut [Dir], mut index: usize) {
    while !dirs[index].filled {
        dirs[index].filled = true;
        index = dirs[index].above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;
    use std::path::Path;

    fn make(top: &Path, dirs: &[&str], files: &[&str]) {
        for dir in dirs {
            fs::create_private_dir_all(&top.join(dir)).unwrap();
        }
        for file in files {
            fs::write_public(&top.join(file), b"x").unwrap();
        }
    }

    #[test]
    fn empty_directories_are_named_by_their_topmost() {
        let top = tempfile::tempdir().unwrap();
        let dirs = [".git/x", "a/b/c", "d/e", "d/f", "kept/k", "sub/s"];
        make(top.path(), &dirs, &["d/e/file"]);
        let found = look(top.path(), &["kept".into(), "sub/s".into()]).unwrap();
        let mut empty = found.empty.clone();
        empty.sort();
        assert_eq!(empty, [top.path().join("a"), top.path().join("d/f")]);
        assert!(found.special.is_empty() && found.closed.is_empty());
    }

    #[test]
    fn fifos_and_closed_directories_are_named() {
        use rustix::fs::{CWD, Mode, chmod, mkfifoat};
        let top = tempfile::tempdir().unwrap();
        make(top.path(), &["ro", "rw"], &["ro/file", "rw/file"]);
        mkfifoat(CWD, top.path().join("rw/pipe"), Mode::RWXU).unwrap();
        chmod(top.path().join("ro"), Mode::RUSR | Mode::XUSR).unwrap();
        let found = look(top.path(), &[]).unwrap();
        assert_eq!(found.special, [top.path().join("rw/pipe")]);
        assert_eq!(found.closed, [top.path().join("ro")]);
        assert!(found.empty.is_empty() && !found.is_nothing());
    }
}

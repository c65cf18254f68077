//! What a look at the files alone does not show in a tree: directories with nothing in them, special
//! files, directories that their owner has no rights to.

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{fs, threads};
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

    /// The empty directories and special files that still are what they were: a repair may have put
    /// something else in their place.
    pub fn unchanged(&self) -> impl Iterator<Item = &Path> {
        let empty = self.empty.iter().filter(|path| is_empty(path));
        let special = self.special.iter().filter(|path| is_special(path));
        empty.chain(special).map(PathBuf::as_path)
    }
}

/// So many directories are worth a thread of their own.
const WORTH_A_THREAD: usize = 64;

/// A directory on the way through the tree.
struct Dir {
    path: PathBuf,
    /// The place of the one above in the list.
    above: usize,
    /// Whether anything in it is worth keeping it.
    filled: bool,
}

/// What is in one directory.
#[derive(Default)]
struct Listing {
    closed: bool,
    filled: bool,
    below: Vec<PathBuf>,
    special: Vec<PathBuf>,
}

/// Looks through the tree at `top`, without following links. The top's `.git` and the directories
/// in `except` (relative) are left out. Directories of one depth are listed by several threads.
pub fn look(top: &Path, except: &[PathBuf]) -> Result<Odd> {
    let mut found = Odd::default();
    let mut dirs = vec![Dir {
        path: top.to_owned(),
        above: 0,
        filled: true,
    }];
    let mut from = 0;
    while from < dirs.len() {
        let depth = from..dirs.len();
        from = dirs.len();
        for (index, listing) in depth.clone().zip(list_all(&dirs[depth])) {
            let listing = listing?;
            if listing.closed {
                found.closed.push(dirs[index].path.clone());
            }
            let mut filled = listing.filled;
            found.special.extend(listing.special);
            for path in listing.below {
                let relative = path.strip_prefix(top).unwrap_or(&path);
                if relative == Path::new(".git") {
                    continue;
                }
                if except.iter().any(|other| other == relative) {
                    filled = true;
                    continue;
                }
                dirs.push(Dir {
                    path,
                    above: index,
                    filled: false,
                });
            }
            if filled {
                fill(&mut dirs, index);
            }
        }
    }
    // A directory below one that goes goes with it.
    let empty = dirs.iter().skip(1);
    let empty = empty.filter(|dir| !dir.filled && dirs[dir.above].filled);
    found.empty = empty.map(|dir| dir.path.clone()).collect();
    Ok(found)
}

/// What is in each of these, in their order.
fn list_all(dirs: &[Dir]) -> Vec<Result<Listing>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let list_some = || {
        let mut lists = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(dir) = dirs.get(index)
        {
            lists.push((index, list(&dir.path)));
        }
        lists
    };
    let threads = (dirs.len() / WORTH_A_THREAD).clamp(1, cores);
    let mut lists: Vec<_> = threads::share(threads, list_some)
        .into_iter()
        .flatten()
        .collect();
    lists.sort_unstable_by_key(|(index, _)| *index);
    lists.into_iter().map(|(_, listing)| listing).collect()
}

fn list(dir: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let mode = std::fs::symlink_metadata(dir).map(|metadata| metadata.mode());
    listing.closed = mode.is_ok_and(|mode| mode & 0o700 != 0o700);
    let entries = match fs::entries(dir) {
        Ok(entries) => entries,
        // What is in there is not known, so it stays; a path can be too long for the system.
        Err(e) if listing.closed || e.kind() == ErrorKind::InvalidFilename => {
            listing.filled = true;
            return Ok(listing);
        }
        Err(e) => return Err(Error::io("read", dir, e)),
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_file() || kind.is_symlink() {
            listing.filled = true;
        } else if kind.is_dir() {
            listing.below.push(entry.path());
        } else {
            listing.special.push(entry.path());
        }
    }
    Ok(listing)
}

/// Whether there is nothing at `path` but directories and special files.
fn is_empty(path: &Path) -> bool {
    let mut left = vec![path.to_owned()];
    while let Some(dir) = left.pop() {
        let Ok(entries) = fs::entries(&dir) else {
            return false;
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => left.push(entry.path()),
                Ok(kind) if kind.is_file() || kind.is_symlink() => return false,
                _ => {}
            }
        }
    }
    true
}

fn is_special(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        !(kind.is_dir() || kind.is_file() || kind.is_symlink())
    })
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
        make(top.path(), &[], &["a/b/late"]);
        let unchanged: Vec<&Path> = found.unchanged().collect();
        assert_eq!(unchanged, [top.path().join("d/f")]);
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

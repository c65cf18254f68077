//! Files and directories: private modes, atomic and durable writes, reading with bounds.
//!
//! What is written here belongs to its user alone: directories 0700, files 0600. A missing file is
//! a value, not an error, where the name says `if_there`.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where files are written"
)]

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};

use super::{mounts, user};
use crate::domain::{Error, Result};

pub use super::mounts::{disk_usage, filesystem_kind, is_mount_point};

/// What must survive a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The new content, once the call has returned.
    Durable,
    /// Nothing: after a crash of the machine the old or the new content is there, or an empty file.
    RenameOnly,
}

/// Makes a directory and what is missing above it, all 0700. What is there already stays as it is.
pub fn create_private_dir_all(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Error::io("create", path, e))
}

/// Replaces the file at `path` as a whole: readers see the old or the new content, never a part.
pub fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, bytes, durability)
        .map_err(|e| Error::io("write", &temporary, e))
        .and_then(|()| rename(&temporary, path));
    if let Err(e) = written {
        // The first failure is what counts.
        let _ = std::fs::remove_file(&temporary);
        return Err(e);
    }
    if durability == Durability::Durable {
        sync_dir(parent_of(path))?;
    }
    Ok(())
}

/// Writes what was renamed, created or removed in a directory to the disk.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::io("sync", path, e))
}

/// A new name in the directory of `path` that tells what it is for.
fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp-");
    name.push(user::random_hex(8));
    path.with_file_name(name)
}

/// Whether `name` is of the form of those that [`write_atomic`] uses before its rename.
pub fn is_temporary_name(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    text.strip_prefix('.')
        .and_then(|rest| rest.rsplit_once(".tmp-"))
        .is_some_and(|(_, random)| {
            random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// Gives this user all rights to its directories in the tree at `path`, without following links or
/// crossing mounts. Tells whether any lacked them. What can't be changed stays as it is.
pub fn make_directories_usable(path: &Path) -> Result<bool> {
    let top = mounts::mount_of_path(path).map_err(|e| Error::io("look at", path, e.into()))?;
    let mut changed = false;
    let mut left = vec![path.to_owned()];
    while let Some(dir) = left.pop() {
        let Ok(metadata) = std::fs::symlink_metadata(&dir) else {
            continue;
        };
        if !metadata.is_dir() || mounts::mount_of_path(&dir).ok() != Some(top) {
            continue;
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o700 != 0o700 {
            let usable = std::fs::Permissions::from_mode(mode | 0o700);
            changed |= std::fs::set_permissions(&dir, usable).is_ok();
        }
        if let Ok(entries) = std::fs::read_dir(&dir) {
            let directories = entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            left.extend(directories.map(|entry| entry.path()));
        }
    }
    Ok(changed)
}

/// What git does not see in a work tree: directories with nothing in them, FIFOs, sockets, devices.
/// The top's `.git` and the directories in `except` (relative) are left out.
pub fn odd_entries(top: &Path, except: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    // Each directory with whether anything in it is worth keeping it.
    let mut order: Vec<(PathBuf, bool)> = vec![(top.to_owned(), true)];
    let mut index = 0;
    let mut parents: Vec<usize> = vec![0];
    while index < order.len() {
        let dir = order[index].0.clone();
        let listed = std::fs::read_dir(&dir).map_err(|e| Error::io("read", &dir, e))?;
        for entry in listed.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() && !(index == 0 && entry.file_name() == ".git") {
                let kept = path
                    .strip_prefix(top)
                    .is_ok_and(|path| except.iter().any(|other| other == path));
                match kept {
                    true => keep_up(&mut order, &parents, index),
                    false => {
                        order.push((path, false));
                        parents.push(index);
                    }
                }
            } else if kind.is_file() || kind.is_symlink() {
                keep_up(&mut order, &parents, index);
            } else if !kind.is_dir() {
                found.push(path);
            }
        }
        index += 1;
    }
    // A directory below one that goes goes with it.
    let empty = order
        .iter()
        .zip(&parents)
        .skip(1)
        .filter(|((_, keep), parent)| !keep && order[**parent].1);
    found.extend(empty.map(|((path, _), _)| path.clone()));
    Ok(found)
}

/// Notes that a directory and all above it have something in them.
fn keep_up(order: &mut [(PathBuf, bool)], parents: &[usize], mut index: usize) {
    while !order[index].1 {
        order[index].1 = true;
        index = parents[index];
    }
}

/// Makes a directory that others may read, and its parents: for what is published.
pub fn create_dir_all(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| Error::io("make", path, e))
}

/// Writes a file that others may read: for what is published.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    match durability {
        Durability::Durable => file.sync_all(),
        Durability::RenameOnly => Ok(()),
    }
}

/// Appends `bytes`, which should end with a line end, in one write; makes the file when it is
/// missing.
pub fn append_line(path: &Path, bytes: &[u8]) -> Result<()> {
    let append = || {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        match file.write(bytes)? {
            n if n == bytes.len() => Ok(()),
            // The rest would be a line of its own beside other writers: readers skip the torn one.
            _ => Err(io::Error::new(
                ErrorKind::StorageFull,
                "only a part was written",
            )),
        }
    };
    append().map_err(|e| Error::io("append to", path, e))
}

/// The last byte of the file at `path`; none if it is empty or not there.
pub fn last_byte(path: &Path) -> Result<Option<u8>> {
    let read = || -> io::Result<Option<u8>> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(None);
        }
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(Some(byte[0]))
    };
    match read() {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map_err(|e| Error::io("read", path, e)),
    }
}

/// Copies a file with its modification time; the target must not exist. The copy is 0600.
pub fn copy_with_time(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(|e| Error::io("open", from, e))?;
    let mut copy = || {
        let time = source.metadata()?.modified()?;
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)?;
        io::copy(&mut source, &mut target)?;
        target.set_modified(time)
    };
    copy().map_err(|e| Error::io("copy to", to, e))
}

/// Renames, replacing a file (or an empty directory, by a directory) at the target.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|e| Error::io("rename to", to, e))
}

/// Renames; fails with `AlreadyExists` if anything has the target's name.
pub fn rename_noreplace(from: &Path, to: &Path) -> Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|e| Error::io("rename to", to, e.into()))
}

/// Removes a file or a symbolic link; false if it is not there.
pub fn remove_file_if_there(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("remove", path, e)),
    }
}

/// The content of a file; none if it is not there.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// The content of a regular file of at most `max` bytes; a larger one is an error, as is anything
/// that is not a regular file.
pub fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>> {
    let read = || {
        // A FIFO must not make the open wait.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            let message = format!("it is larger than {max} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        Ok(bytes)
    };
    read().map_err(|e| Error::io("read", path, e))
}

/// Opens the lock file at `path`, and makes it when it is missing. Refuses a symbolic link and
/// anything else that is not a regular file.
pub fn open_lock_file(path: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || {
        let fd = rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(fd);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    };
    open().map_err(|e| Error::io("open the lock file", path, e))
}

/// The names in a directory, sorted; none if there is no directory.
pub fn list_dir_if_there(path: &Path) -> Result<Option<Vec<OsString>>> {
    let list = || -> io::Result<Vec<OsString>> {
        let mut names = std::fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    };
    match list() {
        Ok(names) => Ok(Some(names)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("list", path, e)),
    }
}

/// What `path` itself is, symbolic links not followed; none if it is not there.
pub fn metadata_if_there(path: &Path) -> Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::io("look at", path, e)),
    }
}

/// The owner's user id and the permission bits of what `path` leads to; none if there is nothing.
pub fn owner_and_mode(path: &Path) -> Result<Option<(u32, u32)>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.uid(), metadata.mode() & 0o7777))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("look at", path, e)),
    }
}

/// Whether `path` itself is a symbolic link.
pub fn is_symlink(path: &Path) -> Result<bool> {
    Ok(metadata_if_there(path)?.is_some_and(|m| m.is_symlink()))
}

/// The directory that holds `path`.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;

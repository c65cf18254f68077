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
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use super::{crash, mounts, user};
use crate::domain::{Error, Result};

mod append;
mod copy;
mod lock_file;
mod log_file;
mod times;

pub use super::mounts::{filesystem_kind, is_mount_point};
pub use append::{append_line, cut, sync_file};
pub use copy::{Appending, are_equal, copy_with_mode, have_same_content};
pub use lock_file::{open_existing_lock_file, open_if_there, open_lock_file};
pub use log_file::{open_log, open_output, touch};
pub use times::{copy_later, copy_with_time, set_modified};

/// What must survive a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The new content, once the call has returned.
    Durable,
    /// The old or the new content, whole.
    Whole,
    /// Nothing: after a crash of the machine the old or the new content is there, or an empty file.
    RenameOnly,
}

/// Makes a directory and what is missing above it, all 0700. What is there already stays as it is.
pub fn create_private_dir_all(path: &Path) -> Result<()> {
    crash::point("make directory", path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Error::io("create", path, e))
}

/// Replaces the file at `path` as a whole: readers see the old or the new content, never a part.
pub fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    replace(path, bytes, durability, 0o600)
}

fn replace(path: &Path, bytes: &[u8], durability: Durability, mode: u32) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, bytes, durability, mode)
        .map_err(|e| Error::io("write", path, e))
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
    crash::point("sync directory", path);
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::io("sync", path, e))
}

/// A new name in the directory of `path` that tells what it is for.
pub fn temporary_beside(path: &Path) -> PathBuf {
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
            crash::point("make usable", &dir);
            changed |= std::fs::set_permissions(&dir, usable).is_ok();
        }
        if let Ok(entries) = entries(&dir) {
            let directories = entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            left.extend(directories.map(|entry| entry.path()));
        }
    }
    Ok(changed)
}

/// Gives this user all rights to one directory of its own; false if that can't be done.
pub fn make_directory_usable(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| {
        let usable = std::fs::Permissions::from_mode(metadata.mode() & 0o7777 | 0o700);
        metadata.is_dir() && std::fs::set_permissions(path, usable).is_ok()
    })
}

/// Removes a directory with nothing in it; false if it is none, or can't be removed.
pub fn remove_dir_if_empty(path: &Path) -> bool {
    std::fs::remove_dir(path).is_ok()
}

/// Begins to list a directory. Opening one can be interrupted, which the standard library does not
/// hide here.
pub fn entries(dir: &Path) -> io::Result<std::fs::ReadDir> {
    loop {
        match std::fs::read_dir(dir) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Makes a directory that others may read, and its parents: for what is published.
pub fn create_dir_all(path: &Path) -> Result<()> {
    crash::point("make directory", path);
    std::fs::create_dir_all(path).map_err(|e| Error::io("make", path, e))
}

/// The same as [`write_atomic`] for a file that others may read: for what is published. One that is
/// there already keeps its rights. What is no
/// file, such as a device or a link, is not replaced.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_public(path, bytes, Durability::Whole)
}

/// The same for what is written anew all the time: a crash of the machine may leave it empty.
pub fn write_passing(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_public(path, bytes, Durability::RenameOnly)
}

fn replace_public(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let there = metadata_if_there(path)?;
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        let reason = io::Error::other("it is no file, and would be replaced");
        return Err(Error::io("write", path, reason));
    }
    let mode = there.map_or(0o666, |there| there.mode() & 0o777);
    replace(path, bytes, durability, mode)
}

/// The same for what is to be run.
pub fn write_program(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes, Durability::RenameOnly, 0o700)
}

fn write_new(path: &Path, bytes: &[u8], durability: Durability, mode: u32) -> io::Result<()> {
    crash::point("make", path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    crash::point("write", path);
    file.write_all(bytes)?;
    match durability {
        Durability::Durable | Durability::Whole => {
            crash::point("sync", path);
            file.sync_all()
        }
        Durability::RenameOnly => Ok(()),
    }
}

/// Renames, replacing a file (or an empty directory, by a directory) at the target.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    crash::point("rename to", to);
    std::fs::rename(from, to).map_err(|e| Error::io("rename to", to, e))
}

/// Renames; fails with `AlreadyExists` if anything has the target's name.
pub fn rename_noreplace(from: &Path, to: &Path) -> Result<()> {
    crash::point("rename to", to);
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|e| Error::io("rename to", to, e.into()))
}

/// Where a symbolic link leads to, as it says.
pub fn link_target(path: &Path) -> Result<PathBuf> {
    std::fs::read_link(path).map_err(|e| Error::io("read", path, e))
}

/// Makes a symbolic link to `target` at `path`, where nothing may be.
pub fn symlink(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).map_err(|e| Error::io("link", path, e))
}

/// Gives a file another name, where nothing may be.
pub fn hard_link(file: &Path, path: &Path) -> Result<()> {
    std::fs::hard_link(file, path).map_err(|e| Error::io("link", path, e))
}

/// Lets two directories or files change places, in one step.
pub fn exchange(one: &Path, other: &Path) -> Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|e| Error::io("exchange with", other, e.into()))
}

/// Removes a file or a symbolic link; false if it is not there.
pub fn remove_file_if_there(path: &Path) -> Result<bool> {
    crash::point("remove", path);
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("remove", path, e)),
    }
}

/// Removes the directories above `path` that are empty, up to `top`, which stays.
pub fn remove_empty_parents(top: &Path, path: &Path) {
    let above = path.ancestors().skip(1);
    for dir in above.take_while(|dir| *dir != top && dir.starts_with(top)) {
        if std::fs::remove_dir(dir).is_err() {
            break;
        }
    }
}

/// A regular file, and how long it was when it was opened.
struct Opened {
    file: File,
    length: u64,
}

/// Opens a regular file and nothing else: the open of a FIFO would wait for a writer.
fn open_to_read(path: &Path) -> io::Result<Opened> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NONBLOCK))
        .open(path)?;
    let length = regular(&file)?;
    Ok(Opened { file, length })
}

/// Up to `max` bytes. Room for all of them spares the reads that find out how many there are.
fn read_whole(opened: Opened, max: u64) -> io::Result<Vec<u8>> {
    let room = usize::try_from(opened.length.min(max)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    opened.file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How long a file is that is a regular one.
fn regular(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// The content of a regular file; none if it is not there.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match open_to_read(path).and_then(|file| read_whole(file, u64::MAX)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// A regular file to be read as it grows; none if it is not there.
pub fn open_growing(path: &Path) -> Result<Option<File>> {
    match open_to_read(path) {
        Ok(opened) => Ok(Some(opened.file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// The content of a regular file of at most `max` bytes; a larger one is an error, as is anything
/// that is not a regular file.
pub fn read_limited(path: &Path, max: u64) -> Result<Vec<u8>> {
    let read = || {
        let bytes = read_whole(open_to_read(path)?, max.saturating_add(1))?;
        if bytes.len() as u64 > max {
            let message = format!("it is larger than {max} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        Ok(bytes)
    };
    read().map_err(|e| Error::io("read", path, e))
}

/// The names in a directory, sorted; none if there is no directory.
pub fn list_dir_if_there(path: &Path) -> Result<Option<Vec<OsString>>> {
    let list = || -> io::Result<Vec<OsString>> {
        let mut names = entries(path)?
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

/// Whether `path`, relative to `top`, is a directory and leads through directories only: a link on
/// the way would lead elsewhere.
pub fn is_directory_below(top: &Path, path: &Path) -> Result<bool> {
    let mut dir = top.to_owned();
    for part in path.components() {
        dir.push(part);
        if !metadata_if_there(&dir)?.is_some_and(|metadata| metadata.is_dir()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What keeps the content of the file at `path` from being read; none if nothing does. A FIFO does
/// not make this wait.
pub fn unreadable(path: &Path) -> Option<io::Error> {
    let open = || {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed())
            .open(path)?;
        match file.metadata()?.is_file() {
            true => Ok(()),
            false => Err(io::Error::other("it is not a regular file")),
        }
    };
    open().err()
}

/// How long before `now` a file was last written to; nothing if it is not there.
pub fn age(path: &Path, now: jiff::Timestamp) -> std::time::Duration {
    let written = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    let written = written
        .ok()
        .and_then(|at| jiff::Timestamp::try_from(at).ok());
    let age = written.map(|at| now.duration_since(at));
    age.filter(|age| !age.is_negative())
        .map_or(std::time::Duration::ZERO, |age| age.unsigned_abs())
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

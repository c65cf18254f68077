//! The kernel's list of file locks, `/proc/locks`.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{major, minor};

use super::procfs;

/// A file as the list names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileKey {
    major: u32,
    minor: u32,
    inode: u64,
}

/// The list as it was at one moment, for the lock files of one directory.
///
/// A holder's pid is of the process that took the lock, which may be gone while a child of its
/// keeps it. A holder outside this pid namespace is not listed.
#[derive(Debug)]
pub struct HeldLocks {
    /// None if the list can't be read.
    held: Option<Vec<(u32, FileKey)>>,
    directory: PathBuf,
    /// The device that the directory's file system is mounted with.
    mounted: OnceLock<Option<(u32, u32)>>,
}

impl HeldLocks {
    /// What is held now, to be asked about files in `directory`.
    pub fn now(directory: &Path) -> Self {
        let list = procfs::read("/proc/locks").ok();
        Self {
            held: list.map(|list| {
                let list = String::from_utf8_lossy(&list);
                list.lines().filter_map(parse_line).collect()
            }),
            directory: directory.to_owned(),
            mounted: OnceLock::new(),
        }
    }

    /// Whether somebody holds the lock at `path`; none if the system does not tell.
    pub fn is_locked(&self, path: &Path) -> Option<bool> {
        self.holder(path).map(|holder| holder.is_some())
    }

    /// Who holds the lock of the file at `path`: the outer none if it can't be found out, the inner
    /// none if nobody does.
    pub(super) fn holder(&self, path: &Path) -> Option<Option<u32>> {
        let metadata = match std::fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(None),
            Err(_) => return None,
        };
        let mut held = self.held.as_ref()?.iter();
        let holder = held.find(|(_, key)| self.is_of(key, &metadata));
        Some(holder.map(|(pid, _)| *pid))
    }

    /// Some file systems (btrfs, overlayfs) show another device to `stat` than they are mounted
    /// with, which is the one that the list has.
    fn is_of(&self, key: &FileKey, metadata: &Metadata) -> bool {
        let device = (key.major, key.minor);
        let mounted = || {
            *self
                .mounted
                .get_or_init(|| mounted_device_of(&self.directory))
        };
        key.inode == metadata.ino()
            && (device == (major(metadata.dev()), minor(metadata.dev()))
                || Some(device) == mounted())
    }
}

/// Who holds the lock of the file at `path`, as [`HeldLocks`] has it.
pub(super) fn holder(path: &Path) -> Option<Option<u32>> {
    HeldLocks::now(super::fs::parent_of(path)).holder(path)
}

fn mounted_device_of(path: &Path) -> Option<(u32, u32)> {
    let id = super::mounts::mount_of_path(path).map_or(0, |mount| mount.id());
    let info = procfs::read("/proc/self/mountinfo").ok()?;
    let info = String::from_utf8_lossy(&info);
    info.lines().find_map(|line| mounted_device(line, id))
}

/// The device of a line of mountinfo, if the line is about mount `id`.
fn mounted_device(line: &str, id: u64) -> Option<(u32, u32)> {
    let mut fields = line.split(' ');
    let own: u64 = fields.next()?.parse().ok()?;
    let (major, minor) = fields.nth(1)?.split_once(':')?;
    (own == id && id != 0).then_some((major.parse().ok()?, minor.parse().ok()?))
}

/// Pid and file of one line; none for a line of another kind, of one who still waits, or of one who
/// only shares the lock for the moment it takes to see whether it is free.
fn parse_line(line: &str) -> Option<(u32, FileKey)> {
    let mut fields = line.split_whitespace().skip(1);
    if fields.next()? != "FLOCK" || fields.nth(1)? != "WRITE" {
        return None;
    }
    let pid = fields.next()?.parse().ok()?;
    let mut file = fields.next()?.split(':');
    Some((
        pid,
        FileKey {
            major: u32::from_str_radix(file.next()?, 16).ok()?,
            minor: u32::from_str_radix(file.next()?, 16).ok()?,
            inode: file.next()?.parse().ok()?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn holders_are_listed_and_waiters_are_not() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 fe:0a:123456 0 EOF";
        let key = FileKey {
            major: 0xfe,
            minor: 0x0a,
            inode: 123_456,
        };
        assert_eq!(parse_line(line), Some((4711, key)));
        let waiter = "1: -> FLOCK  ADVISORY  WRITE 4712 fe:0a:123456 0 EOF";
        assert_eq!(parse_line(waiter), None);
        let looks = "1: FLOCK  ADVISORY  READ 4713 fe:0a:123456 0 EOF";
        assert_eq!(parse_line(looks), None);
        let other = "2: POSIX  ADVISORY  WRITE 4711 fe:0a:123456 0 EOF";
        assert_eq!(parse_line(other), None);
    }

    #[test]
    fn the_device_of_a_mount_is_found_by_its_id() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mounted_device(line, 36), Some((98, 0)));
        assert_eq!(mounted_device(line, 35), None);
    }

    proptest! {
        #[test]
        fn arbitrary_lines_do_not_panic(line: String) {
            let _ = parse_line(&line);
            let _ = mounted_device(&line, 1);
        }
    }
}

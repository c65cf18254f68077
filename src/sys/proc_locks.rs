//! The kernel's list of file locks, `/proc/locks`.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

/// A file as the list names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileKey {
    major: u32,
    minor: u32,
    inode: u64,
}

/// Who holds the lock of the file at `path`: the outer none if it can't be found out, the inner
/// none if nobody does.
///
/// The pid is of the process that took the lock, which may be gone while a child of its keeps it.
/// A holder outside this pid namespace is not listed.
pub(super) fn holder(path: &Path) -> Option<Option<u32>> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(None),
        Err(_) => return None,
    };
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let keys = keys(path, &metadata);
    Some(locks.lines().find_map(|line| {
        let (pid, key) = parse_line(line)?;
        keys.contains(&key).then_some(pid)
    }))
}

/// The names the list may have for a file: some file systems (btrfs, overlayfs) show another
/// device to `stat` than they are mounted with.
fn keys(path: &Path, metadata: &Metadata) -> Vec<FileKey> {
    let inode = metadata.ino();
    let mut keys = vec![FileKey {
        major: major(metadata.dev()),
        minor: minor(metadata.dev()),
        inode,
    }];
    let id = super::mounts::mount_of_path(path).map_or(0, |mount| mount.id());
    let mounted = std::fs::read("/proc/self/mountinfo").ok().and_then(|info| {
        let info = String::from_utf8_lossy(&info);
        info.lines().find_map(|line| mounted_device(line, id))
    });
    keys.extend(mounted.map(|(major, minor)| FileKey {
        major,
        minor,
        inode,
    }));
    keys
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

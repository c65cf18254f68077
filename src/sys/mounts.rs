//! File systems: their kind and their borders.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Statx, StatxAttributes, StatxFlags, statfs, statx};

use super::fs::parent_of;
use super::procfs;
use crate::domain::{Error, Result};

/// The mount a file belongs to, as far as the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Major and minor number of the device.
    device: (u32, u32),
    /// The mount's id; 0 before Linux 5.8.
    id: u64,
}

impl Mount {
    /// The mount that the kernel told with a file's other facts.
    pub(super) fn in_statx(stat: &Statx) -> Self {
        let known = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            id: if known { stat.stx_mnt_id } else { 0 },
        }
    }

    /// The mount's id; 0 if unknown.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

/// The mount of an open file.
pub(super) fn mount_of(fd: impl AsFd) -> rustix::io::Result<Mount> {
    mount_at(fd, "", AtFlags::EMPTY_PATH)
}

/// The mount of `path`, symbolic links not followed.
pub(super) fn mount_of_path(path: &Path) -> rustix::io::Result<Mount> {
    mount_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
}

fn mount_at(
    fd: impl AsFd,
    path: impl rustix::path::Arg,
    flags: AtFlags,
) -> rustix::io::Result<Mount> {
    let stat = statx(
        fd,
        path,
        flags,
        StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
    )?;
    Ok(Mount::in_statx(&stat))
}

/// What is mounted below `dir`, as far as this mount namespace shows it.
pub fn mounts_below(dir: &Path) -> Vec<PathBuf> {
    let table = procfs::read("/proc/self/mountinfo").unwrap_or_default();
    let points = table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    points
        .map(unescaped)
        .filter(|point| point.starts_with(dir) && point != dir)
        .collect()
}

/// The kernel writes blanks, line ends and backslashes of a path as three octal digits.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = std::str::from_utf8(tail.get(..3).unwrap_or_default()).ok();
        match code
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            .filter(|_| byte == b'\\')
        {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Whether something is mounted at `path`; symbolic links are not followed, and a missing path is
/// no mount point.
pub fn is_mount_point(path: &Path) -> Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let stat = match statx(CWD, path, flags, StatxFlags::BASIC_STATS) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        Err(e) => return Err(Error::io("look at", path, e.into())),
    };
    if stat
        .stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let own = mount_of_path(path).map_err(|e| Error::io("look at", path, e.into()))?;
    let above = mount_of_path(parent_of(path)).map_err(|e| Error::io("look at", path, e.into()))?;
    Ok(own != above)
}

/// The kind of the file system that holds `path`, if it is one whose locks can't be trusted: a
/// network file system, or one served by another process or machine.
pub fn filesystem_kind(path: &Path) -> Option<&'static str> {
    // The kernel's magic numbers have 32 bits; the field's type differs between machines.
    network_kind(statfs(path).ok()?.f_type as u32)
}

/// From linux/magic.h and the sources of the file systems.
fn network_kind(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x517b => "smb",
        0x564c => "ncp",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x7375_7245 => "coda",
        0x00c3_6400 => "ceph",
        0x0bd0_0bd0 => "lustre",
        0x4750_4653 | 0x4749_4653 => "gpfs",
        0x0116_1970 => "gfs2",
        0x7461_636f => "ocfs2",
        0x786f_4256 => "vboxsf",
        0xaad7_aaea => "panfs",
        0x1983_0326 => "beegfs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_known() {
        let dir = tempfile::tempdir().expect("directory");
        assert!(is_mount_point(Path::new("/proc")).expect("looked at"));
        assert!(is_mount_point(Path::new("/")).expect("looked at"));
        assert!(!is_mount_point(dir.path()).expect("looked at"));
        assert!(!is_mount_point(&dir.path().join("missing")).expect("looked at"));
        assert_ne!(
            mount_of_path(Path::new("/proc")).expect("mount"),
            mount_of_path(dir.path()).expect("mount")
        );
    }

    #[test]
    fn network_file_systems_have_names() {
        assert_eq!(network_kind(0x6969), Some("nfs"));
        assert_eq!(network_kind(0xff53_4d42), Some("cifs"));
        assert_eq!(network_kind(0xef53), None);
        assert_eq!(filesystem_kind(Path::new("/proc")), None);
    }
}

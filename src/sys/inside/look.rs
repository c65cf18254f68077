//! What one process does with a directory, as cheaply as `/proc` tells it: by a descriptor of
//! its entry there, into one buffer. A machine has hundreds of processes, and each may have
//! hundreds of open files.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, readlinkat_raw, statat};
use rustix::io::{Errno, read};

use super::{How, How::*, Thoroughness};

/// Longer paths than the kernel gives are none.
const PATH_MAX: usize = 4096 + " (deleted)".len();

/// How much of a directory or a file is read at once.
const PART: usize = 64 * 1024;

/// What one process does with the directory.
pub(super) enum Look {
    /// It uses it.
    Uses(How),
    /// It does not.
    Elsewhere,
    /// It can't be told.
    Unreadable,
}

/// Looks at processes with one directory in mind.
pub(super) struct Looker<'a> {
    dir: &'a Path,
    /// The directory as `maps` has it.
    mapped: Vec<u8>,
    thoroughness: Thoroughness,
    buffer: Vec<u8>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(dir: &'a Path, thoroughness: Thoroughness) -> Self {
        Self {
            dir,
            mapped: as_mapped(dir),
            thoroughness,
            buffer: Vec::with_capacity(PART),
        }
    }

    /// Looks at one process.
    pub(super) fn look_at(&mut self, pid: u32) -> Look {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(process) = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()) else {
            return Look::Unreadable;
        };
        let look = self.look_by(&process, self.thoroughness);
        if self.thoroughness == Thoroughness::Open || matches!(look, Look::Uses(_)) {
            return look;
        }
        match self.other_threads(&process, pid, matches!(look, Look::Elsewhere)) {
            Some(how) => Look::Uses(how),
            None => look,
        }
    }

    /// Looks at what the entry of a process or of one of its threads tells.
    fn look_by(&mut self, entry: &OwnedFd, thoroughness: Thoroughness) -> Look {
        let mut unreadable = false;
        for (link, how) in [("cwd", Cwd), ("root", Root), ("exe", Exe)] {
            match self.leads_inside(entry, link) {
                Ok(true) => return Look::Uses(how),
                Ok(false) => {}
                Err(_) => unreadable = true,
            }
        }
        match self.has_open(entry) {
            Ok(true) => return Look::Uses(OpenFile),
            Ok(false) => {}
            Err(_) => unreadable = true,
        }
        if thoroughness == Thoroughness::Whole {
            match self.has_mapped(entry) {
                Ok(true) => return Look::Uses(Mapped),
                Ok(false) => {}
                Err(_) => unreadable = true,
            }
        }
        match unreadable {
            true => Look::Unreadable,
            false => Look::Elsewhere,
        }
    }

    /// What the threads do but the first, which stands for the process: each can have a working
    /// directory of its own. If `first` is not there to be looked at, since it has ended before the
    /// others, one of these tells the rest.
    fn other_threads(&mut self, process: &OwnedFd, pid: u32, first: bool) -> Option<How> {
        // The number of links tells that of the threads.
        let tasks = statat(process, "task", AtFlags::empty()).ok()?;
        if tasks.st_nlink <= 3 {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let tasks = openat(process, "task", flags, Mode::empty()).ok()?;
        let mut space = Vec::with_capacity(PART);
        let mut entries = RawDir::new(&tasks, space.spare_capacity_mut());
        let mut looked = first;
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".") || name == pid.to_string().as_bytes() {
                continue;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(thread) = openat(&tasks, entry.file_name(), flags, Mode::empty()) else {
                continue;
            };
            for (link, how) in [("cwd", Cwd), ("root", Root)] {
                if self.leads_inside(&thread, link) == Ok(true) {
                    return Some(how);
                }
            }
            if !looked {
                match self.look_by(&thread, Thoroughness::Whole) {
                    Look::Uses(how) => return Some(how),
                    Look::Elsewhere => looked = true,
                    Look::Unreadable => {}
                }
            }
        }
        None
    }

    fn leads_inside(
        &mut self,
        at: &OwnedFd,
        link: impl rustix::path::Arg,
    ) -> rustix::io::Result<bool> {
        let mut space = [MaybeUninit::<u8>::uninit(); PATH_MAX];
        let (target, _) = readlinkat_raw(at, link, &mut space)?;
        Ok(leads_into(Path::new(OsStr::from_bytes(target)), self.dir))
    }

    fn has_open(&mut self, process: &OwnedFd) -> rustix::io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let files = openat(process, "fd", flags, Mode::empty())?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(&files, buffer.spare_capacity_mut());
        let mut found = false;
        while let Some(entry) = entries.next() {
            // A file that was closed meanwhile is not open.
            found = found || self.leads_inside(&files, entry?.file_name()) == Ok(true);
        }
        self.buffer = buffer;
        Ok(found)
    }

    fn has_mapped(&mut self, process: &OwnedFd) -> rustix::io::Result<bool> {
        let maps = openat(
            process,
            "maps",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        self.buffer.clear();
        loop {
            self.buffer.reserve(PART);
            match read(&maps, spare_capacity(&mut self.buffer)) {
                // Or it is ending.
                Ok(0) | Err(Errno::SRCH) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(maps_into(&self.buffer, &self.mapped))
    }
}

/// Whether the target of one of the kernel's links is `dir` or below it. A file that has been
/// deleted since has ` (deleted)` after its name.
fn leads_into(target: &Path, dir: &Path) -> bool {
    let bytes = target.as_os_str().as_bytes();
    // Nearly all are elsewhere, which their first bytes tell.
    if !bytes.starts_with(dir.as_os_str().as_bytes()) {
        return false;
    }
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    target.starts_with(dir) || Path::new(OsStr::from_bytes(bytes)).starts_with(dir)
}

/// The kernel writes a line end within a path as `\012`.
fn as_mapped(dir: &Path) -> Vec<u8> {
    let bytes = dir.as_os_str().as_bytes();
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    parts.join(&b"\\012"[..])
}

/// Whether one of the lines of `/proc/PID/maps` is of a file below `dir`, written as there.
fn maps_into(maps: &[u8], dir: &[u8]) -> bool {
    maps.split(|byte| *byte == b'\n').any(|line| {
        // Five fields without slashes but for the path come before it.
        let Some(start) = line.iter().position(|byte| *byte == b'/') else {
            return false;
        };
        let rest = line[start..].strip_prefix(dir);
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || rest == b" (deleted)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_component() {
        let dir = Path::new("/w/slot1");
        assert!(leads_into(Path::new("/w/slot1"), dir));
        assert!(leads_into(Path::new("/w/slot1 (deleted)"), dir));
        assert!(leads_into(Path::new("/w/slot1/a (deleted)"), dir));
        assert!(!leads_into(Path::new("/w/slot10"), dir));
        assert!(!leads_into(Path::new("socket:[1]"), dir));
    }

    #[test]
    fn mapped_files_are_found() {
        let lines = b"7f00-7f01 r--p 00000000 fe:00 12   /w/slot1/lib a.so\n\
            7f02-7f03 rw-p 0 00:00 0 [heap]\n7f04-7f05 r--p 0 fe:00 13 /w\\012x/y\n";
        assert!(maps_into(lines, b"/w/slot1"));
        assert!(!maps_into(lines, b"/w/slot"));
        assert!(maps_into(lines, &as_mapped(Path::new("/w\nx"))));
        assert!(maps_into(
            b"1-2 r 0 fe:00 1 /w/slot1 (deleted)",
            b"/w/slot1"
        ));
    }
}

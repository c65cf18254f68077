//! Reading of `/proc`: what the kernel says of a process.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The parts of `/proc/PID/stat` that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The name of the program, at most 15 bytes.
    pub name: String,
    /// One letter: R, S, D, Z, X, …
    pub state: char,
    /// The parent's pid; 0 if it is outside this pid namespace.
    pub parent: u32,
    /// The process group.
    pub group: i32,
    /// The session; 0 if it was begun outside this pid namespace.
    pub session: u32,
    /// The kernel's flags.
    pub flags: u64,
    /// How many threads it has; one that has ended and was not noticed yet counts.
    pub threads: u64,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

/// The flag of a kernel thread.
const PF_KTHREAD: u64 = 0x0020_0000;

/// Room for most files of `/proc`, which tell no size.
const ROOM: usize = 8 * 1024;

/// The content of a file of `/proc`, in as few reads as can be: growing into it takes a dozen.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(ROOM);
    // Through `take`, no size is asked for.
    File::open(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Stat {
    /// What the kernel says of `pid`; none if there is no such process (or it is hidden).
    pub fn of(pid: u32) -> Option<Self> {
        parse_stat(&read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether it has ended and only waits for its parent to notice. The first of its threads can end
    /// long before the others.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x') && self.threads <= 1
    }

    /// Whether a signal has stopped it; not, whether a debugger has.
    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Whether it is a thread of the kernel.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Every pid in this pid namespace that is visible.
pub fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The effective user id of `pid`.
pub fn effective_uid(pid: u32) -> Option<u32> {
    let status = read(format!("/proc/{pid}/status")).ok()?;
    parse_effective_uid(&String::from_utf8_lossy(&status))
}

/// The inode of this process's pid namespace.
pub fn own_pid_namespace() -> Option<u64> {
    Some(std::fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

fn parse_effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|l| l.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The name may hold spaces, parentheses and line ends: only its last `)` ends it.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|&b| b == b'(')?;
    let close = bytes.iter().rposition(|&b| b == b')')?;
    let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // The first of these is field 3 of the manual page.
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        name,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        flags: fields.get(6)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = b"42 (a) Z (b c)\n) S 7 42 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1\n";
        let stat = parse_stat(line).expect("parsed");
        assert_eq!(stat.name, "a) Z (b c)\n");
        assert_eq!((stat.state, stat.parent, stat.group), ('S', 7, 42));
        assert_eq!(stat.session, 41);
        assert_eq!(stat.start_time, 98765);
        assert!(!stat.is_dead() && !stat.is_kernel_thread());
        assert_eq!(stat.threads, 1);
    }

    #[test]
    fn who_has_threads_left_is_not_dead() {
        let line =
            |threads| format!("1 (x) Z 1 1 1 0 -1 4 1 0 0 0 0 0 0 0 20 0 {threads} 0 9 1 1\n");
        let is_dead = |threads| {
            parse_stat(line(threads).as_bytes())
                .expect("parsed")
                .is_dead()
        };
        assert!(is_dead(1) && is_dead(0) && !is_dead(2));
    }

    #[test]
    fn this_process_is_found() {
        let own = Stat::of(std::process::id()).expect("own stat");
        assert!(own.start_time > 0);
        assert!(pids().contains(&std::process::id()));
        assert_eq!(
            effective_uid(std::process::id()),
            Some(crate::sys::user::effective_uid())
        );
        assert!(own_pid_namespace().is_some());
    }

    #[test]
    fn the_second_of_the_user_ids_is_the_effective_one() {
        assert_eq!(
            parse_effective_uid("Name:\tx\nUid:\t1000\t1001\t1002\t1003\n"),
            Some(1001)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = parse_stat(&bytes);
        }
    }
}

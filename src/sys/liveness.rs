//! Whether a process that was written down earlier is still the one that runs.

use std::sync::OnceLock;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, getppid, pidfd_send_signal, test_kill_process};

use super::procfs::{self, Stat};
use super::{clock, group, user};
use crate::domain::{Liveness, ProcessStamp};

/// The longest description of a command, in characters.
const COMMAND_LENGTH: usize = 80;

/// The machine and namespace in which pids have a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The host name.
    pub host: String,
    /// The id of the current boot; empty if the system does not tell.
    pub boot_id: String,
    /// The inode of this process's pid namespace; 0 if the system does not tell.
    pub pid_namespace: u64,
}

/// This machine.
pub fn machine() -> Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE
        .get_or_init(|| Machine {
            host: user::hostname(),
            boot_id: procfs::read("/proc/sys/kernel/random/boot_id")
                .map(|id| String::from_utf8_lossy(&id).trim().to_owned())
                .unwrap_or_default(),
            pid_namespace: procfs::own_pid_namespace().unwrap_or(0),
        })
        .clone()
}

/// Names the process that has `pid` now; none if there is none, or it has ended.
pub fn stamp(pid: u32) -> Option<ProcessStamp> {
    let stat = Stat::of(pid).filter(|stat| !stat.is_dead())?;
    let machine = machine();
    Some(ProcessStamp {
        host: machine.host,
        boot_id: machine.boot_id,
        pid_namespace: machine.pid_namespace,
        pid,
        start_time: stat.start_time,
    })
}

/// Whether that process still runs.
pub fn liveness(process: &ProcessStamp) -> Liveness {
    let here = machine();
    let unknown_here = here.boot_id.is_empty() || here.pid_namespace == 0;
    if unknown_here || process.pid_namespace != here.pid_namespace {
        return Liveness::Unknown;
    }
    if process.boot_id != here.boot_id {
        // Another boot of this machine, or another machine. Within a boot the name, which can be
        // changed at any time, tells nothing that the boot does not.
        return match process.host == here.host {
            true => Liveness::Dead,
            false => Liveness::Unknown,
        };
    }
    match Stat::of(process.pid) {
        Some(stat) if stat.is_dead() || stat.start_time != process.start_time => Liveness::Dead,
        Some(_) => Liveness::Alive,
        // `/proc` may hide other users' processes.
        None if exists(process.pid) => Liveness::Unknown,
        None => Liveness::Dead,
    }
}

/// Sends a signal to that process if it still runs, which it heeds even if it is stopped.
pub fn signal(process: &ProcessStamp, signal: Signal) {
    // The descriptor comes first: it stands for one process only, which then is looked at.
    let Some(open) = group::open(process.pid) else {
        return;
    };
    if liveness(process) == Liveness::Alive {
        let _ = pidfd_send_signal(&open, signal);
        let _ = pidfd_send_signal(&open, Signal::CONT);
    }
}

/// Whether the process that has `pid` now is stopped, as by a terminal's Ctrl-Z.
pub fn is_stopped(pid: u32) -> bool {
    Stat::of(pid).is_some_and(|stat| stat.is_stopped())
}

fn exists(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// For how long the process has run; none if there is none, or it has ended.
pub fn age(pid: u32) -> Option<Duration> {
    let stat = Stat::of(pid).filter(|stat| !stat.is_dead())?;
    let ticks = clock_ticks_per_second().max(1);
    let start = Duration::from_millis(stat.start_time.saturating_mul(1000) / ticks);
    Some(clock::boot_time().saturating_sub(start))
}

/// Names the parent of this process; none if it is outside this pid namespace.
pub fn parent() -> Option<ProcessStamp> {
    stamp(u32::try_from(getppid()?.as_raw_pid()).ok()?)
}

/// This process's pid, its parent's, and so on up to the first process.
pub fn ancestors() -> Vec<u32> {
    let mut pids = vec![std::process::id()];
    while let Some(parent) = pids.last().and_then(|&pid| Stat::of(pid)).map(|s| s.parent) {
        // Reparenting while this reads must not lead round in circles.
        if parent == 0 || pids.contains(&parent) {
            break;
        }
        pids.push(parent);
    }
    pids
}

/// The command line of `pid` for people: shortened, without control characters and without the
/// user part of URLs.
pub fn command_of(pid: u32) -> Option<String> {
    let bytes = procfs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = bytes
        .split(|&b| b == 0)
        .filter(|word| !word.is_empty())
        .map(|word| without_user(&String::from_utf8_lossy(word)))
        .collect();
    if words.is_empty() {
        return Some(printable(&format!("[{}]", Stat::of(pid)?.name)));
    }
    Some(printable(&words.join(" ")))
}

/// Takes what stands between `://` and `@` out of a URL.
fn without_user(word: &str) -> String {
    let Some((before, after)) = word.split_once("://") else {
        return word.to_owned();
    };
    let authority = after.find('/').unwrap_or(after.len());
    match after[..authority].rfind('@') {
        Some(at) => format!("{before}://{}", &after[at + 1..]),
        None => word.to_owned(),
    }
}

fn printable(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    if line.chars().count() > COMMAND_LENGTH {
        line = line.chars().take(COMMAND_LENGTH - 1).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ProcessStamp {
        stamp(std::process::id()).expect("own stamp")
    }

    #[test]
    fn this_process_is_alive_and_its_ancestors_start_with_it() {
        assert_eq!(liveness(&own()), Liveness::Alive);
        let ancestors = ancestors();
        assert_eq!(ancestors[0], std::process::id());
        if let Some(parent) = parent() {
            assert_eq!(ancestors[1], parent.pid);
        }
    }

    #[test]
    fn another_start_time_or_boot_is_dead() {
        let other = ProcessStamp {
            start_time: 1,
            ..own()
        };
        assert_eq!(liveness(&other), Liveness::Dead);
        let other = ProcessStamp {
            boot_id: "before".to_owned(),
            ..own()
        };
        assert_eq!(liveness(&other), Liveness::Dead);
        let other = ProcessStamp {
            pid: u32::MAX,
            ..own()
        };
        assert_eq!(liveness(&other), Liveness::Dead);
    }

    #[test]
    fn a_machine_that_was_renamed_is_the_same() {
        let before = ProcessStamp {
            host: "another name".to_owned(),
            ..own()
        };
        assert_eq!(liveness(&before), Liveness::Alive);
    }

    #[test]
    fn another_host_or_namespace_is_unknown() {
        let other = ProcessStamp {
            host: "elsewhere".to_owned(),
            boot_id: "elsewhere's".to_owned(),
            ..own()
        };
        assert_eq!(liveness(&other), Liveness::Unknown);
        let other = ProcessStamp {
            pid_namespace: 1,
            boot_id: "before".to_owned(),
            ..own()
        };
        assert_eq!(liveness(&other), Liveness::Unknown);
    }

    #[test]
    fn commands_are_shown_on_one_short_line_without_secrets() {
        assert!(command_of(std::process::id()).is_some());
        assert_eq!(printable("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(printable(&"x".repeat(200)).chars().count(), 80);
        assert_eq!(
            without_user("https://me:token@host/a@b"),
            "https://host/a@b"
        );
        assert_eq!(without_user("https://host/a@b"), "https://host/a@b");
    }
}

//! Processes by a variable of their environment: what a command has started has it too, whatever
//! group or session it went into and whoever has adopted it since.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::procfs::{self, Stat};
use super::{descendants, inside, liveness};

/// How often is looked again: who is being ended may have started another.
const ROUNDS: usize = 16;

/// The living processes whose variable `name` is a path at `place` or below it, with that path, but for
/// this one and its ancestors.
pub fn below(name: &str, place: &Path) -> Vec<(u32, PathBuf)> {
    let own = liveness::ancestors();
    let path_of = |pid: u32| {
        let environment = procfs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut values = environment.split(|byte| *byte == 0).filter_map(|variable| {
            let value = variable.strip_prefix(name.as_bytes())?;
            let value = Path::new(OsStr::from_bytes(value.strip_prefix(b"=")?));
            value.starts_with(place).then(|| value.to_owned())
        });
        values.next()
    };
    let pids = procfs::pids().into_iter();
    pids.filter(|pid| !own.contains(pid))
        .filter_map(|pid| Some((pid, path_of(pid)?)))
        .filter(|(pid, _)| Stat::of(*pid).is_some_and(|stat| !stat.is_dead()))
        .collect()
}

fn with_variable(name: &str, place: &Path) -> Vec<u32> {
    let found = below(name, place).into_iter();
    found.map(|(pid, _)| pid).collect()
}

/// Kills those processes and everything below them, at once: none of them can do anything more as soon
/// as the last has been stopped.
pub fn kill(name: &str, place: &Path) {
    for _ in 0..ROUNDS {
        let mut stopped = BTreeSet::new();
        // While one is stopped, another could start more.
        loop {
            let found = descendants::with_all_below(with_variable(name, place));
            let new: Vec<u32> = found
                .into_iter()
                .filter(|pid| stopped.insert(*pid))
                .collect();
            if new.is_empty() {
                break;
            }
            new.iter()
                .for_each(|pid| descendants::send(*pid, Signal::STOP));
        }
        if stopped.is_empty() {
            return;
        }
        descendants::kill_these(stopped);
    }
}

/// Ends what lives of the session that a process has begun, which has ended and was not taken leave of
/// yet: so long its number is nobody else's. Who has no variables any more is found so too.
pub fn end_session(leader: u32, grace: Duration) -> usize {
    let of_it = |stat: Stat| stat.session == leader && !stat.is_dead();
    in_rounds(grace, || {
        let mut pids = procfs::pids();
        pids.retain(|pid| *pid != leader && Stat::of(*pid).is_some_and(of_it));
        pids
    })
}

/// Ends those processes: SIGTERM, then SIGKILL to those that are still there after `grace`. Tells how
/// many there were.
pub fn end(name: &str, place: &Path, grace: Duration) -> usize {
    in_rounds(grace, || with_variable(name, place))
}

fn in_rounds(grace: Duration, find: impl Fn() -> Vec<u32>) -> usize {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let pids = find();
        if pids.is_empty() {
            break;
        }
        ended += pids.len();
        inside::end(&pids, grace);
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::Command;

    #[test]
    fn what_left_its_group_is_found_by_its_variable() {
        let place = tempfile::tempdir().unwrap();
        let below = place.path().join("slot");
        // Its end is not that of the group that it was started in.
        let script = "mkfifo pipe; setsid sh -c 'echo > pipe; exec sleep 600' & read left < pipe";
        let finished = Command::new("sh")
            .args(["-c", script])
            .current_dir(place.path())
            .env("REPO_POOL_TEST_HEIR", &below)
            .leaving_nothing()
            .run()
            .unwrap();
        assert!(finished.status.success());
        let elsewhere = place.path().join("slo");
        let grace = Duration::from_secs(20);
        assert_eq!(end("REPO_POOL_TEST_HEIR", &elsewhere, grace), 0);
        assert_eq!(end("REPO_POOL_TEST_HEI", place.path(), grace), 0);
        assert_eq!(end("REPO_POOL_TEST_HEIR", place.path(), grace), 1);
        assert_eq!(end("REPO_POOL_TEST_HEIR", place.path(), grace), 0);
    }
}

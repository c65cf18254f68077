//! Processes by a variable of their environment: what a command has started has it too, whatever
//! group or session it went into and whoever has adopted it since.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::procfs::{self, Stat};
use super::{descendants, inside, liveness};

/// How often is looked again: who is being ended may have started another.
const ROUNDS: usize = 16;

/// The living processes whose variable `name` is a path at `place` or below it, but for this one and
/// its ancestors.
fn with_variable(name: &str, place: &Path) -> Vec<u32> {
    let own = liveness::ancestors();
    let has_it = |pid: &u32| {
        let environment = procfs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| {
            let value = variable.strip_prefix(name.as_bytes());
            let value = value.and_then(|rest| rest.strip_prefix(b"="));
            value.is_some_and(|value| Path::new(OsStr::from_bytes(value)).starts_with(place))
        })
    };
    let mut pids = procfs::pids();
    pids.retain(|pid| {
        !own.contains(pid) && has_it(pid) && Stat::of(*pid).is_some_and(|stat| !stat.is_dead())
    });
    pids
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

/// Ends those processes: SIGTERM, then SIGKILL to those that are still there after `grace`. Tells how
/// many there were.
pub fn end(name: &str, place: &Path, grace: Duration) -> usize {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let pids = with_variable(name, place);
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

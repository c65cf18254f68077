//! Processes of the tool that go on after the command that started them.

use super::{World, alive, kill, until};
use rustix::process::Signal;

/// Has them stop before their first effect.
const STOPPED: (&str, &str) = ("REPO_POOL_CRASH_DETACHED_AT", "stop:1");

/// One such process, stopped before it did anything. It is killed when this goes.
pub struct Detached(u32);

impl Detached {
    /// What a call needs in its environment for the process that it leaves to be stopped.
    pub const STOPPED: (&'static str, &'static str) = STOPPED;

    /// Waits until the one with this word on its command line is stopped in `world`.
    #[track_caller]
    pub fn stopped(world: &World, word: &str) -> Self {
        let root = world.path("").display().to_string();
        let root = root.trim_end_matches('/');
        until(&format!("{word} is stopped"), || {
            let found = std::fs::read_dir("/proc").expect("/proc").flatten();
            let mut pids = found.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            pids.find(|pid: &u32| {
                let read = |name| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let words = String::from_utf8_lossy(&read("cmdline")).into_owned();
                let stat = String::from_utf8_lossy(&read("stat")).into_owned();
                let state = stat
                    .rsplit_once(") ")
                    .map(|(_, rest)| rest.starts_with('T'));
                words.contains(word) && words.contains(root) && state == Some(true)
            })
            .map(Self)
        })
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill(self.0, Signal::CONT);
    }

    /// Kills it, and waits until it is gone.
    #[track_caller]
    pub fn kill(self) {
        kill(self.0, Signal::KILL);
        until("it is gone", || (!alive(self.0)).then_some(()));
    }

    /// Whether it lives.
    pub fn lives(&self) -> bool {
        alive(self.0)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        kill(self.0, Signal::KILL);
    }
}

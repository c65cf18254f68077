//! The line of those who wait for a slot of pool `p`, as its directory shows it.

use super::{Args, HeldLock, Running, World, until};
use std::fs::File;

impl World {
    /// The processes that have a ticket, the first in line first; of the dead, only those that nobody
    /// has cleared away.
    pub fn line(&self) -> Vec<u32> {
        let names = std::fs::read_dir(self.pool_dir("p").join("queue"));
        let mut names: Vec<String> = names
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let pid = |name: &String| name.rsplit('-').next()?.parse().ok();
        names.iter().filter_map(pid).collect()
    }

    /// Starts a command that has to wait, and returns once it stands in line.
    #[track_caller]
    pub fn waiter(&self, args: impl Args) -> Running {
        let running = self.call(args).spawn();
        self.in_line(running.pid());
        running
    }

    /// Waits until this process stands in line.
    #[track_caller]
    pub fn in_line(&self, pid: u32) {
        until("it stands in line", || {
            self.line().contains(&pid).then_some(())
        });
    }

    /// Stands in line as another process would, behind all others; until this is dropped.
    #[track_caller]
    pub fn stand_in_line(&self) -> HeldLock {
        let queue = self.pool_dir("p").join("queue");
        std::fs::create_dir_all(&queue).expect("the queue");
        let pid = std::process::id();
        let file = queue.join(format!("{:020}-1-{pid}", u64::MAX / 2));
        let ticket = File::create(file).expect("a ticket");
        HeldLock::of(ticket).expect("its lock")
    }
}

//! Everything that was started below this process, and its end.
//!
//! With [`adopt`] nothing gets away: what outlives its parent, by a double fork or in a session of its
//! own, becomes a child of this process.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, pidfd_send_signal, wait, waitpid};

use super::clock::Deadline;
use super::group::{self, KILL_TAKES_AT_MOST};
use super::procfs::{self, Stat};
use super::{detached, liveness, signals, wait as poll};

/// A wait for others that is longer than this is told of.
const NOTICEABLE: Duration = Duration::from_secs(1);

/// How often processes are listed, as long as there are new ones each time.
const LOOKS: u32 = 10;

/// Whether this process takes in what loses its parent.
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// A process below this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descendant {
    /// Its pid.
    pub pid: u32,
    /// Its process group.
    pub group: i32,
}

/// From now on, processes that outlive their parent below this process become its children.
pub fn adopt() {
    // Without it (before Linux 3.4) only those with a living parent are found.
    let adopted = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    ADOPTS.store(adopted.is_ok(), Ordering::SeqCst);
}

/// The living processes below this one, parents first, but for those that were left to themselves on
/// purpose.
pub(super) fn all() -> Vec<Descendant> {
    let stats = living();
    let mut found: Vec<Descendant> = Vec::new();
    let mut parent = std::process::id();
    for next in 0.. {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        found.extend(
            children
                .filter(|(pid, _)| !detached::is_one(*pid))
                .map(|(pid, stat)| Descendant {
                    pid: *pid,
                    group: stat.group,
                }),
        );
        match found.get(next) {
            Some(descendant) => parent = descendant.pid,
            None => break,
        }
    }
    found
}

/// These and all living processes below them.
pub(super) fn with_all_below(mut pids: Vec<u32>) -> Vec<u32> {
    let stats = living();
    let mut next = 0;
    while let Some(&parent) = pids.get(next) {
        let children = stats.iter().filter(|(_, stat)| stat.parent == parent);
        let new = children
            .map(|(pid, _)| *pid)
            .filter(|pid| !pids.contains(pid));
        let new: Vec<u32> = new.collect();
        pids.extend(new);
        next += 1;
    }
    pids
}

/// Every process that lives, and what the kernel says of it. One that has ended while this looked may
/// have started another before, which was not listed yet.
fn living() -> Vec<(u32, Stat)> {
    let mut listed = BTreeSet::new();
    let mut living = Vec::new();
    for _ in 0..LOOKS {
        let mut new = procfs::pids();
        new.retain(|pid| listed.insert(*pid));
        if new.is_empty() {
            break;
        }
        let of = |pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead())?));
        living.extend(new.into_iter().filter_map(of));
    }
    living
}

/// What happened to `child`: its end or its stop. What was taken in and has ended is taken leave of on
/// the way.
pub(super) fn change(child: Pid) -> rustix::io::Result<Option<WaitStatus>> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
    loop {
        let changed = match ADOPTS.load(Ordering::SeqCst) {
            true => wait(options)?,
            false => waitpid(Some(child), options)?,
        };
        match changed {
            Some((pid, status)) if pid == child => return Ok(Some(status)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// Ends all processes below this one: SIGTERM, and SIGKILL to those that are still there after
/// `grace`, or after a termination signal. `on_wait` is told once of those that are waited for, if
/// that takes long enough to be noticed. What can't be ended is left.
pub fn end(grace: Duration, on_wait: &mut dyn FnMut(&[String])) {
    let grace = Deadline::after(grace);
    let notice = Deadline::after(NOTICEABLE);
    let mut asked = BTreeSet::new();
    let mut told = false;
    loop {
        reap();
        let left = all();
        if left.is_empty() {
            return;
        }
        if grace.passed() || signals::received().is_some() {
            return kill_all(&mut reap);
        }
        if notice.passed() && !told {
            told = true;
            on_wait(&described(&left));
        }
        for process in left.iter().filter(|process| asked.insert(process.pid)) {
            send(process.pid, Signal::TERM);
            // One that was stopped can't heed it otherwise.
            send(process.pid, Signal::CONT);
        }
        let patience = match told {
            true => grace.remaining(),
            false => notice.remaining(),
        };
        all_gone(&left, patience.unwrap_or_default());
    }
}

/// Kills until nothing is left, as long as that may take. `reap` takes leave of children that have
/// ended.
pub(super) fn kill_all(reap: &mut dyn FnMut()) {
    let limit = Deadline::after(KILL_TAKES_AT_MOST);
    loop {
        reap();
        let left = all();
        let Some(time) = limit.remaining().filter(|_| !left.is_empty()) else {
            return;
        };
        // While one is killed, another could start more.
        for signal in [Signal::STOP, Signal::KILL] {
            left.iter().for_each(|process| send(process.pid, signal));
        }
        all_gone(&left, time);
    }
}

/// Kills these, and waits until they are gone, as long as the kernel may need for that.
pub(super) fn kill_these(pids: impl IntoIterator<Item = u32>) {
    let processes: Vec<_> = pids.into_iter().filter_map(group::open).collect();
    for process in &processes {
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
    let limit = Deadline::after(KILL_TAKES_AT_MOST);
    for process in &processes {
        let left = limit.remaining().unwrap_or_default();
        let _ = poll::readable(std::os::fd::AsFd::as_fd(process), left);
    }
}

pub(super) fn described(processes: &[Descendant]) -> Vec<String> {
    let name = |process: &Descendant| {
        let command = liveness::command_of(process.pid)?;
        Some(format!("pid {} ({command})", process.pid))
    };
    processes.iter().filter_map(name).collect()
}

/// One that is gone needs no signal any more, and one of another user takes none.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(process) = group::open(pid) {
        let _ = pidfd_send_signal(&process, signal);
    }
}

/// Waits until these have ended, at most so long; a termination signal ends the wait.
fn all_gone(processes: &[Descendant], patience: Duration) {
    let limit = Deadline::after(patience);
    for running in processes
        .iter()
        .filter_map(|process| group::open(process.pid))
    {
        loop {
            let mut fds = vec![(std::os::fd::AsFd::as_fd(&running), PollFlags::IN)];
            fds.extend(signals::wake_fd().map(|fd| (fd, PollFlags::IN)));
            let left = limit.remaining();
            let ready = poll::ready(&fds, Some(left.unwrap_or_default()));
            if ready.is_ok_and(|ready| ready[0]) {
                break;
            }
            if left.is_none() || signals::received().is_some() {
                return;
            }
        }
    }
}

/// Takes leave of children that have ended.
fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

//! Processes beside the one under test, each ended by its id when the test is done with it, and
//! waiting for events with a deadline.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for an event that must come: only what hangs is ended by it, however busy the
/// machine is.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Asks again and again until there is an answer; panics when the deadline passes.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Plays a scene that has to be over within `limit` to mean anything, again if it took longer on a
/// busy machine.
#[track_caller]
pub fn in_time<T>(limit: Duration, mut scene: impl FnMut() -> T) -> T {
    for _ in 0..20 {
        let start = Instant::now();
        let seen = scene();
        if start.elapsed() < limit {
            return seen;
        }
    }
    panic!("this machine is too busy to do that within {limit:?}");
}

/// Sends a signal to one process; one that is gone already is no error.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process of that id exists and is no zombie.
pub fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().to_owned()))
        .is_some_and(|rest| !rest.starts_with(['Z', 'X']))
}

/// A process id that was told by the command under test; killed when this value goes.
pub struct KillOnDrop(u32);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        kill(self.0, Signal::KILL);
    }
}

/// Ends this process when the value returned goes, also on panic.
pub fn kill_on_drop(pid: u32) -> KillOnDrop {
    KillOnDrop(pid)
}

/// A shell in a process group of its own that says `ready` and then waits until it is dropped.
pub struct Helper {
    child: Child,
}

impl Helper {
    /// Starts a shell in `cwd` that runs `script` and then waits; returns when it waits.
    #[track_caller]
    pub fn start(mut command: Command, script: &str, cwd: &Path) -> Self {
        let script = format!("{script}\necho ready\nread -r forever\n");
        command
            .args(["-c", &script])
            .current_dir(cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut helper = Self {
            child: command.spawn().expect("starting a shell"),
        };
        let stdout = helper.child.stdout.take().expect("its stdout");
        let said = BufReader::new(stdout).lines().map_while(Result::ok);
        let ready = said.into_iter().any(|line| line == "ready");
        assert!(ready, "the helper's script failed: {script}");
        helper
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and what it has started, and waits until all are gone.
    pub fn end(mut self) {
        let group = self.pid();
        self.end_group();
        let _ = self.child.wait();
        until("its group is gone", || (!group_lives(group)).then_some(()));
    }

    /// Ends it without asking for its end, so that a zombie is left until this is dropped.
    #[track_caller]
    pub fn leave_a_zombie(&self) {
        self.end_group();
        until("the helper is a zombie", || {
            (!alive(self.pid())).then_some(())
        });
    }

    fn end_group(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Whether a process of the group lives.
fn group_lives(group: u32) -> bool {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats.any(|stat| {
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut fields = rest.split(' ');
        let (state, of) = (fields.next(), fields.nth(1));
        of == Some(&group.to_string()) && !matches!(state, Some("Z" | "X"))
    })
}

impl Drop for Helper {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end_group();
        }
        let _ = self.child.wait();
    }
}

//! A terminal: what a person's screen would be sent.

use super::helper::{DEADLINE, until};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Both ends of a new terminal: the person's and the program's.
#[track_caller]
pub(super) fn pair(columns: u16, rows: u16) -> (File, File) {
    // Nothing that runs at it may hold the other end, or it would never hang up.
    let master =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    tcsetwinsize(&master, winsize(columns, rows)).expect("its size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let slave = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits() as i32)
        .open(name.to_str().expect("a path"))
        .expect("opening it");
    (File::from(master), slave)
}

/// Runs a command whose output is a terminal of 120 columns; everything that reached it.
#[track_caller]
pub fn at_terminal(mut command: Command) -> String {
    let (mut screen, slave) = pair(120, 40);
    let mut child = command
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(slave.try_clone().expect("a descriptor"))
        .stderr(slave)
        .spawn()
        .expect("starting the command");
    // The command holds the other end, and its end would never show.
    drop(command);
    let (tell, said) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        // The end of a terminal is an error.
        while let Ok(n @ 1..) = screen.read(&mut chunk) {
            seen.extend(&chunk[..n]);
        }
        let _ = tell.send(seen);
    });
    let seen = said.recv_timeout(2 * DEADLINE).unwrap_or_else(|_| {
        let _ = child.kill();
        panic!("it did not end")
    });
    child.wait().expect("its end");
    String::from_utf8_lossy(&seen).into_owned()
}

/// A terminal that a command has for itself, as a person's: it is the command's controlling one, and
/// what is typed there are its keys.
pub struct Terminal {
    master: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Terminal {
    /// Starts a program of the `PATH` with these arguments.
    #[track_caller]
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let (master, slave) = pair(columns, rows);
        // What makes a terminal the controlling one is no part of the standard library.
        let program = command.get_program().to_owned();
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut started = Command::new("setsid");
        started.arg("--ctty").arg(program).args(args).env_clear();
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => started.env(key, value),
                None => started.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            started.current_dir(dir);
        }
        command = started;
        let child = command
            .env("TERM", "xterm")
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave.try_clone().expect("a descriptor"))
            .stderr(slave)
            .spawn()
            .expect("starting the command");
        drop(command);
        let (tell, ended) = mpsc::channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, all) = (master.try_clone().expect("it"), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut chunk) {
                all.lock().expect("the screen").extend(&chunk[..n]);
            }
            let _ = tell.send(());
        });
        Self {
            master,
            child,
            seen,
            ended,
        }
    }

    /// The command's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that reached the terminal so far.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("the screen")).into_owned()
    }

    /// Types.
    #[track_caller]
    pub fn keys(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).expect("typing");
    }

    /// Gives it another size.
    #[track_caller]
    pub fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.master, winsize(columns, rows)).expect("its size");
    }

    /// Waits until what reached the terminal after the first `from` bytes is as wanted; all of it.
    #[track_caller]
    pub fn until(&self, from: usize, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let seen = self.seen();
            // What was seen before may have ended within a character.
            let from = (from..).find(|at| *at >= seen.len() || seen.is_char_boundary(*at));
            let new = from.and_then(|from| seen.get(from..)).unwrap_or_default();
            if wanted(new) {
                return seen;
            }
            assert!(start.elapsed() < DEADLINE, "waited in vain, seen: {seen:?}");
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Waits for the command's end: its exit code, and everything that reached the terminal.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String) {
        let status = until("it ends", || self.child.try_wait().expect("waiting"));
        self.ended
            .recv_timeout(DEADLINE)
            .expect("the terminal's end");
        let signal = status.signal().unwrap_or_default();
        (status.code().unwrap_or(128 + signal), self.seen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

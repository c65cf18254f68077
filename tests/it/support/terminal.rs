//! A terminal: what a person's screen would be sent.

use super::World;
use super::helper::DEADLINE;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Runs a command whose output is a terminal of 120 columns; everything that reached it.
#[track_caller]
pub fn at_terminal(mut command: Command) -> String {
    let (master, slave) = open();
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
        let (mut screen, mut seen, mut chunk) = (File::from(master), Vec::new(), [0; 4096]);
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

/// Both ends of a terminal of 120 columns and 40 rows.
#[track_caller]
fn open() -> (OwnedFd, File) {
    // Nothing that runs at it may hold the other end, or it would never hang up.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let size = Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).expect("its size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let slave = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits() as i32)
        .open(name.to_str().expect("a path"))
        .expect("opening it");
    (master, slave)
}

/// A terminal at which somebody types: the controlling one of a session of its own. When it goes, the
/// session is hung up.
pub struct Terminal {
    child: Child,
    keys: Option<File>,
    screen: String,
}

impl Terminal {
    /// Runs a line of `sh` as the first process of the session.
    #[track_caller]
    pub fn start(world: &World, line: &str) -> Self {
        let (master, slave) = open();
        fcntl_setfl(&master, OFlags::NONBLOCK).expect("reading without waiting");
        let mut command = world.command("setsid");
        let child = command
            .args(["--ctty", "sh", "-c", line])
            .env("TERM", "dumb")
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(slave.try_clone().expect("a descriptor"))
            .stderr(slave)
            .spawn()
            .expect("starting setsid");
        Self {
            child,
            keys: Some(File::from(master)),
            screen: String::new(),
        }
    }

    /// Types this.
    #[track_caller]
    pub fn types(&mut self, text: &str) {
        let mut keys = self.keys.as_ref().expect("a terminal");
        keys.write_all(text.as_bytes()).expect("typing");
    }

    /// Waits until this is on the screen, after what was waited for before; everything up to it.
    #[track_caller]
    pub fn sees(&mut self, text: &str) -> String {
        let start = Instant::now();
        let mut chunk = [0; 4096];
        loop {
            if let Some(at) = self.screen.find(text) {
                let rest = self.screen.split_off(at + text.len());
                return std::mem::replace(&mut self.screen, rest);
            }
            let waited = start.elapsed();
            let screen = &mut self.screen;
            assert!(waited < DEADLINE, "{text:?} is not seen in {screen:?}");
            let mut keys = self.keys.as_ref().expect("a terminal");
            match keys.read(&mut chunk) {
                Ok(n) => screen.push_str(&String::from_utf8_lossy(&chunk[..n])),
                Err(_) => std::thread::sleep(Duration::from_millis(3)),
            }
        }
    }

    /// The next line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.sees("\n").trim().to_owned()
    }

    /// Takes the terminal away.
    pub fn hang_up(&mut self) {
        self.keys = None;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > DEADLINE {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

//! Somebody who types at a terminal.

use super::World;
use super::helper::DEADLINE;
use super::terminal::pair;
use rustix::fs::{OFlags, fcntl_setfl};
use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

/// A terminal at which somebody types: the controlling one of a session of its own. When it goes, the
/// session is hung up.
pub struct Typist {
    child: Child,
    keys: Option<File>,
    screen: String,
}

impl Typist {
    /// Runs a line of `sh` as the first process of the session.
    #[track_caller]
    pub fn start(world: &World, line: &str) -> Self {
        let (master, slave) = pair(120, 40);
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
            keys: Some(master),
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

    /// Takes the terminal away.
    pub fn hang_up(&mut self) {
        self.keys = None;
    }
}

impl Drop for Typist {
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

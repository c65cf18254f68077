//! A command that goes on printing, read line by line as it does.

use super::helper::{DEADLINE, until};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;
use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A command under way with its output in a pipe; dropped before its end, it is killed.
pub struct Piped {
    child: Child,
    out: Option<ChildStdout>,
    read: Vec<u8>,
}

impl Piped {
    /// Starts it.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the command");
        let out = child.stdout.take();
        Self {
            child,
            out,
            read: Vec::new(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its next line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            let out = self.out.as_mut().expect("its output is read");
            let limit = Timespec::try_from(DEADLINE).expect("a time");
            let ready = poll(&mut [PollFd::new(out, PollFlags::IN)], Some(&limit));
            assert_ne!(ready, Ok(0), "waited in vain for a line");
            let mut chunk = [0; 8192];
            let n = out.read(&mut chunk).expect("reading its output");
            assert_ne!(n, 0, "its output ended");
            self.read.extend(&chunk[..n]);
        }
    }

    /// Waits for its next document.
    #[track_caller]
    pub fn json(&mut self) -> Value {
        let line = self.line();
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(value["schema"], 1, "{line}");
        value
    }

    /// Reads no more.
    pub fn close(&mut self) {
        self.out = None;
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        until("it ends", || self.child.try_wait().expect("waiting")).code()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

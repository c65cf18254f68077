//! A command with everything that it starts, whatever that does to get away: all of it becomes this
//! process's to end and to take leave of.
//!
//! There is one family in a process, whose only business it is: every child of the process belongs to
//! it.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is where a family's first member is started"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use super::clock::Deadline;
use super::foreground::{ForegroundEnd, end_of};
use super::signals::Relay;
use super::{crash, descendants, starting, wait as poll};

/// By this signal, this process is asked to have the family ended.
pub const ASK: Signal = Signal::TERM;
/// By this one, at once.
pub const AT_ONCE: Signal = Signal::QUIT;

/// A command and what it has started.
#[derive(Debug)]
pub struct Family {
    relay: Relay,
    command: Option<Pid>,
    end: Option<ForegroundEnd>,
    /// Nobody is left, not even to take leave of.
    extinct: bool,
    /// A signal has come by which all is to end.
    told_to_end: bool,
}

/// What has ended a wait, but for the end of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// A signal: the family is to end.
    pub ask: bool,
    /// A signal: it is to end at once.
    pub at_once: bool,
    /// There is something to read where it was waited for too.
    pub other: bool,
}

impl Family {
    /// Before anybody is in it. From here on the signals are heeded: none ends this process between
    /// two steps.
    pub fn expected() -> io::Result<Self> {
        let signals = [ASK, AT_ONCE, Signal::CHILD].map(Signal::as_raw);
        let relay = Relay::of_all(&signals)?;
        descendants::adopt();
        Ok(Self {
            relay,
            command: None,
            end: None,
            extinct: false,
            told_to_end: false,
        })
    }

    /// Starts the command in a process group of its own, with nothing to read and both outputs going
    /// to `output`. With `door`, it goes into that control group before it becomes the command.
    pub fn start(
        &mut self,
        command: &[String],
        output: &File,
        door: Option<OwnedFd>,
    ) -> io::Result<()> {
        let (program, args) = command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is empty"))?;
        let mut first = Command::new(program);
        first
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?);
        if let Some(door) = door {
            go_through(&mut first, door);
        }
        crash::point("start", program);
        let child = starting::start(&mut first)?;
        crash::point("wait for", program);
        self.command = Some(Pid::from_child(&child));
        Ok(())
    }

    /// Waits until something happens, at most so long: an end, a signal, or something to read at
    /// `other`. Tells what it was.
    pub fn wait(&mut self, timeout: Duration, other: Option<BorrowedFd<'_>>) -> io::Result<Told> {
        let mut fds = vec![(self.relay.fd(), PollFlags::IN)];
        fds.extend(other.map(|fd| (fd, PollFlags::IN)));
        let ready = poll::ready(&fds, Some(timeout))?;
        let came = self.relay.take();
        let has = |signal: Signal| came.iter().any(|came| came.number == signal.as_raw());
        let told = Told {
            ask: has(ASK),
            at_once: has(AT_ONCE),
            other: ready.get(1).is_some_and(|ready| *ready),
        };
        self.told_to_end |= told.ask || told.at_once;
        self.take_leave()?;
        Ok(told)
    }

    /// Waits so long, when nobody is left, or until this process is told to end. False if it was, now
    /// or before.
    pub fn is_wanted(&mut self, time: Duration) -> bool {
        let deadline = Deadline::after(time);
        while let Some(left) = deadline.remaining() {
            match self.wait(left, None) {
                Ok(told) if !told.ask && !told.at_once => {}
                _ => break,
            }
        }
        !self.told_to_end
    }

    /// Takes leave of all that have ended.
    fn take_leave(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == self.command => self.end = end_of(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(()),
                Err(Errno::CHILD) => {
                    self.extinct = true;
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// How the command itself has ended, if it has.
    pub fn end(&self) -> Option<ForegroundEnd> {
        self.end
    }

    /// Whether nobody lives any more, but for those that are left to themselves on purpose.
    pub fn is_gone(&self) -> bool {
        self.extinct || (self.end.is_some() && descendants::all().is_empty())
    }

    /// Asks all to end.
    pub fn ask(&self) {
        // As long as the command has not been taken leave of, its group's number is its own.
        let group = self.command.filter(|_| self.end.is_none());
        if let Some(group) = group {
            // All of it in one step; what is in no group of the command's comes one by one.
            let _ = kill_process_group(group, ASK);
        }
        for other in descendants::all() {
            if group.map(Pid::as_raw_pid) != Some(other.group) {
                descendants::send(other.pid, ASK);
            }
            // One that is stopped can't heed it otherwise.
            descendants::send(other.pid, Signal::CONT);
        }
    }

    /// Kills all, and waits until they are gone as long as the kernel may need for that.
    pub fn kill(&mut self) -> io::Result<()> {
        let mut failed = Ok(());
        descendants::kill_all(&mut || {
            if let Err(e) = self.take_leave() {
                failed = Err(e);
            }
        });
        failed
    }

    /// Those that live, for people.
    pub fn members(&self) -> Vec<String> {
        match self.extinct {
            true => Vec::new(),
            false => descendants::described(&descendants::all()),
        }
    }
}

/// Has the command go into a control group on its way, so that nothing it does is outside.
fn go_through(command: &mut Command, door: OwnedFd) {
    let enter = move || {
        // 0 stands for the process that writes.
        rustix::io::write(door.as_fd(), b"0")?;
        Ok(())
    };
    #[expect(
        unsafe_code,
        reason = "between fork and exec only one system call is made"
    )]
    unsafe {
        command.pre_exec(enter);
    }
}

//! A child between its start and its reaping.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};

use super::super::clock::{Deadline, Stopwatch};
use super::super::{group, wait};
use super::Observer;

/// At most this much is taken out of a pipe after the child's exit: more than a pipe holds, so
/// that a writer in the background can't keep the reader busy for ever.
const DRAIN_LIMIT: usize = 1 << 20;

/// A child that has been started and not been reaped.
pub(super) struct Running<'a> {
    child: Child,
    pid: Pid,
    pidfd: OwnedFd,
    input: Option<Input>,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    stdout: Vec<u8>,
    /// How much of stdout was read.
    taken: usize,
    stderr: Vec<u8>,
    on_stdout: Option<Observer<'a>>,
    on_stderr: Option<Observer<'a>>,
    pub(super) last_output: Stopwatch,
}

/// What is still to be written to a child's stdin.
struct Input {
    pipe: ChildStdin,
    bytes: Vec<u8>,
    written: usize,
}

impl<'a> Running<'a> {
    pub(super) fn new(
        mut child: Child,
        input: Option<Vec<u8>>,
        on_stdout: Option<Observer<'a>>,
        on_stderr: Option<Observer<'a>>,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        let prepared = (|| {
            for fd in [
                child.stdin.as_ref().map(AsFd::as_fd),
                child.stdout.as_ref().map(AsFd::as_fd),
                child.stderr.as_ref().map(AsFd::as_fd),
            ]
            .into_iter()
            .flatten()
            {
                rustix::io::ioctl_fionbio(fd, true)?;
            }
            pidfd_open(pid, PidfdFlags::empty())
        })();
        let pidfd = match prepared {
            Ok(pidfd) => pidfd,
            Err(e) => {
                group::signal(pid, Signal::KILL);
                child.wait()?;
                return Err(e.into());
            }
        };
        let input = child.stdin.take().zip(input).map(|(pipe, bytes)| Input {
            pipe,
            bytes,
            written: 0,
        });
        Ok(Self {
            input,
            out: child.stdout.take(),
            err: child.stderr.take(),
            child,
            pid,
            pidfd,
            stdout: Vec::new(),
            taken: 0,
            stderr: Vec::new(),
            on_stdout,
            on_stderr,
            last_output: Stopwatch::start(),
        })
    }

    /// Waits for something to happen, at most `timeout`, and moves bytes; true once the child has
    /// exited.
    pub(super) fn step(
        &mut self,
        timeout: Option<Duration>,
        wake: Option<BorrowedFd<'_>>,
    ) -> io::Result<bool> {
        let mut fds = vec![(self.pidfd.as_fd(), PollFlags::IN)];
        let mut who = vec![Source::Exit];
        let candidates = [
            (self.out.as_ref().map(AsFd::as_fd), Source::Out),
            (self.err.as_ref().map(AsFd::as_fd), Source::Err),
            (self.input.as_ref().map(|i| i.pipe.as_fd()), Source::Input),
            (wake, Source::Wake),
        ];
        for (fd, source) in candidates {
            if let Some(fd) = fd {
                let input = matches!(source, Source::Input);
                fds.push((fd, if input { PollFlags::OUT } else { PollFlags::IN }));
                who.push(source);
            }
        }
        let ready = wait::ready(&fds, timeout)?;
        let mut exited = false;
        for (source, _) in who.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            match source {
                Source::Exit => exited = true,
                Source::Out => self.read_out()?,
                Source::Err => self.read_err(),
                Source::Input => self.write_input()?,
                Source::Wake => {}
            }
        }
        Ok(exited)
    }

    /// What a child printed must be known whole: half of it could mean something else.
    fn read_out(&mut self) -> io::Result<()> {
        if let Some(bytes) = read_some(&mut self.out)? {
            self.last_output = Stopwatch::start();
            self.taken += bytes.len();
            match &mut self.on_stdout {
                Some(observer) => observer(&bytes),
                None => self.stdout.extend(bytes),
            }
        }
        Ok(())
    }

    fn read_err(&mut self) {
        if let Some(bytes) = read_some(&mut self.err).ok().flatten() {
            self.last_output = Stopwatch::start();
            if let Some(observer) = &mut self.on_stderr {
                observer(&bytes);
            }
            self.stderr.extend(bytes);
        }
    }

    /// A child that was given only a part must not pass for one that was given all.
    fn write_input(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        match input.pipe.write(&input.bytes[input.written..]) {
            Ok(n) if n > 0 => input.written += n,
            Err(e) if would_wait(&e) => return Ok(()),
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(e),
            // The child does not want the rest.
            _ => input.written = input.bytes.len(),
        }
        if input.written == input.bytes.len() {
            self.input = None;
        }
        Ok(())
    }

    /// Whether the child has exited with code 0. It stays to be reaped.
    pub(super) fn has_succeeded(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options);
        status.is_ok_and(|status| status.is_some_and(|status| status.exit_status() == Some(0)))
    }

    /// Ends the whole group: SIGTERM, up to `grace`, then SIGKILL. Afterwards the child can be
    /// reaped and nobody of its group runs.
    pub(super) fn end(&mut self, grace: Duration) -> io::Result<()> {
        let grace = Deadline::after(grace);
        group::signal(self.pid, Signal::TERM);
        // A stopped process acts on SIGTERM only when it goes on.
        group::signal(self.pid, Signal::CONT);
        self.input = None;
        // Its output is read meanwhile: it might wait for that before it can end.
        let mut exited = false;
        while let (false, Some(left)) = (exited, grace.remaining()) {
            match self.step(Some(left), None) {
                Ok(now) => exited = now,
                Err(_) => break,
            }
        }
        // What it still printed does not count any more.
        let _ = self.drain();
        (self.out, self.err) = (None, None);
        if exited && group::gone(self.pid, &grace) {
            return Ok(());
        }
        group::signal(self.pid, Signal::KILL);
        let limit = Deadline::after(group::KILL_TAKES_AT_MOST);
        if wait::readable(self.pidfd.as_fd(), group::KILL_TAKES_AT_MOST)? {
            group::gone(self.pid, &limit);
            return Ok(());
        }
        let stuck = format!("process {} can't be ended", self.pid.as_raw_pid());
        Err(io::Error::new(io::ErrorKind::TimedOut, stuck))
    }

    /// Reaps the child, which has exited, and hands over what it wrote.
    pub(super) fn reap(mut self) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let drained = self.drain();
        let status = self.child.wait()?;
        drained?;
        Ok((status, self.stdout, self.stderr))
    }

    /// Takes what the pipes hold, without waiting.
    fn drain(&mut self) -> io::Result<()> {
        let (out, err) = (self.taken, self.stderr.len());
        while self.out.is_some() && self.taken - out < DRAIN_LIMIT {
            let before = self.taken;
            self.read_out()?;
            if self.taken == before {
                break;
            }
        }
        while self.err.is_some() && self.stderr.len() - err < DRAIN_LIMIT {
            let before = self.stderr.len();
            self.read_err();
            if self.stderr.len() == before {
                break;
            }
        }
        Ok(())
    }
}

/// Whose descriptor is ready.
enum Source {
    Exit,
    Out,
    Err,
    Input,
    Wake,
}

/// Reads what is there, and closes the pipe at its end. None if there was nothing.
fn read_some<R: Read>(pipe: &mut Option<R>) -> io::Result<Option<Vec<u8>>> {
    let Some(open) = pipe.as_mut() else {
        return Ok(None);
    };
    let mut buffer = vec![0; 64 * 1024];
    match open.read(&mut buffer) {
        Ok(n) if n > 0 => {
            buffer.truncate(n);
            Ok(Some(buffer))
        }
        Err(e) if would_wait(&e) => Ok(None),
        other => {
            *pipe = None;
            other.map(|_| None)
        }
    }
}

fn would_wait(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

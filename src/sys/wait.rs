//! Waiting for descriptors: the one use of `poll`.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until one of `fds` is ready for its flags (or has hung up), or `timeout` has passed; none
/// means for ever. Tells for each whether it is ready. A signal handler's run ends the wait early
/// with nothing ready.
pub fn ready(
    fds: &[(BorrowedFd<'_>, PollFlags)],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
        .collect();
    // Durations beyond what the system takes are as good as for ever.
    let limit = timeout.and_then(|t| Timespec::try_from(t).ok());
    match poll(&mut polled, limit.as_ref()) {
        Ok(_) => Ok(polled.iter().map(|p| !p.revents().is_empty()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(vec![false; fds.len()]),
        Err(e) => Err(e.into()),
    }
}

/// Waits until `fd` is readable or has hung up, at most `timeout`, however many signals come.
pub fn readable(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let deadline = super::clock::Deadline::after(timeout);
    loop {
        let left = deadline.remaining();
        if ready(&[(fd, PollFlags::IN)], Some(left.unwrap_or_default()))?[0] {
            return Ok(true);
        }
        if left.is_none() {
            return Ok(false);
        }
    }
}

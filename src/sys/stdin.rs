//! Standard input, where a command reads it itself.

use std::io;

use rustix::event::PollFlags;
use rustix::stdio;

use super::clock::Interrupted;
use super::{signals, wait};
use crate::domain::{Error, Result};

/// Reads from stdin until `enough` says so or it ends. `enough` is asked after each piece with all
/// that was read so far: whoever writes need not close its end.
///
/// # Errors
/// [`Error::Interrupted`] once a termination signal came; a failure of the system's; more than
/// `limit` bytes.
pub fn read_until(limit: usize, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let failed = |error: io::Error| Error::failed(format!("cannot read stdin: {error}"));
    let mut bytes = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    while !enough(&bytes) {
        if let Some(signal) = signals::received() {
            return Err(Interrupted(signal).into());
        }
        let mut fds = vec![(stdio::stdin(), PollFlags::IN)];
        fds.extend(signals::wake_fd().map(|fd| (fd, PollFlags::IN)));
        if !wait::ready(&fds, None).map_err(failed)?[0] {
            continue;
        }
        match rustix::io::read(stdio::stdin(), &mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(failed(error.into())),
        }
        if bytes.len() > limit {
            return Err(failed(io::Error::other(format!(
                "more than {limit} bytes came"
            ))));
        }
    }
    Ok(bytes)
}

//! How much a runner has written, without looking all the time and without being late.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files;
use crate::domain::Result;
use crate::sys::clock::Deadline;
use crate::sys::fs;
use crate::sys::growth::Growth;

/// Nothing writes so many bytes in a second.
const FASTEST: u64 = 4 << 30;
/// How soon, and how late at most, is looked again while something is written.
const SOONEST: Duration = Duration::from_millis(10);
const LATEST: Duration = Duration::from_secs(1);

/// A runner's log, and the limit to it.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
    limit: u64,
    /// Before this, nothing can have gone over the limit: writes in the meantime wake nobody.
    rest: Deadline,
    growth: Option<Growth>,
}

impl Output {
    /// Opens the log in an attempt's directory.
    pub fn open(dir: &Path, limit: u64) -> Result<Self> {
        let path = files::log(dir);
        let file = fs::open_log(&path)?;
        let rest = Deadline::after(pause(limit));
        Ok(Self {
            path,
            file,
            limit,
            rest,
            growth: None,
        })
    }

    /// The file, for the command.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes it may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Looks, if it is time to. True if there is more than there may be. `noticed`: whether
    /// [`Self::notice`] was readable.
    pub fn is_too_much(&mut self, noticed: bool) -> bool {
        if !self.rest.passed() {
            return false;
        }
        match &self.growth {
            Some(growth) if noticed => growth.forget(),
            Some(_) => return false,
            // Only for who runs so long: a short command is not to pay for it.
            None => self.growth = Growth::of(&self.path).ok(),
        }
        let size = self.size();
        self.rest = Deadline::after(pause(self.limit.saturating_sub(size)));
        size > self.limit
    }

    /// How long to wait at most until the next look.
    pub fn patience(&self) -> Option<Duration> {
        match (self.rest.remaining(), &self.growth) {
            (None, Some(_)) => None,
            (rest, _) => Some(rest.unwrap_or_default()),
        }
    }

    /// Is readable when it is time to look, once [`Self::patience`] has no limit.
    pub fn notice(&self) -> Option<BorrowedFd<'_>> {
        let growth = self.growth.as_ref().filter(|_| self.rest.passed());
        growth.map(AsFd::as_fd)
    }

    /// Cuts off what is over the limit; whether there was anything.
    pub fn cut(&self) -> bool {
        let over = self.size() > self.limit;
        if over {
            // What can't be cut stays.
            let _ = self.file.set_len(self.limit);
        }
        over
    }
}

/// For how long there is room for whatever may be written.
fn pause(room: u64) -> Duration {
    Duration::from_secs_f64(room as f64 / FASTEST as f64).clamp(SOONEST, LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_room_there_is_the_sooner_is_looked() {
        assert_eq!(pause(0), SOONEST);
        assert_eq!(pause(1 << 30), Duration::from_millis(250));
        assert_eq!(pause(u64::MAX), LATEST);
    }
}

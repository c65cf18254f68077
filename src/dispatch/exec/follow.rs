//! A job that runs: its output, and the limits to its time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::{GLANCE, Jobs, SOON};
use crate::dispatch::driven::driver::{Driver, Presence};
use crate::domain::Result;
use crate::domain::dispatch::agents::exec::answer::{Seen, State};
use crate::domain::dispatch::exit::Cause;
use crate::domain::dispatch::pulse::Pulse;
use crate::sys::clock::{self, Deadline, Stopwatch};
use crate::sys::signals;

impl Jobs<'_> {
    /// Notes since when the command runs; `seen`: what the engine says, if it was asked.
    pub(super) fn mark_beginning(&self, seen: Option<&Seen>) -> Result<()> {
        if seen.is_none() && self.known.borrow().since.is_some() {
            return Ok(());
        }
        let begun = match self.exec.has_script() {
            true => self.files.has_begun()?,
            false => seen.is_some_and(|seen| seen.state == State::Running),
        };
        self.note(|known| {
            if seen.is_some() {
                known.over = None;
            }
            if begun {
                known.since.get_or_insert_with(clock::now);
            }
        });
        Ok(())
    }

    /// Why it has to be ended, if it has to.
    pub(super) fn limit(&self, silence: &mut Option<(Pulse<u64>, Stopwatch)>) -> Option<Cause> {
        let known = self.known.borrow();
        if known.cause.is_some() || known.over.is_some() {
            return None;
        }
        // A clock that was set back has no time run out.
        let age = clock::now().duration_since(known.since?);
        if let Some(timeout) = self.order.timeout
            && Duration::try_from(age).unwrap_or_default() >= timeout
        {
            return Some(Cause::Deadline(timeout.as_secs_f64()));
        }
        let limit = self.order.stall?;
        let written = || self.files.written();
        let (pulse, watch) =
            silence.get_or_insert_with(|| (Pulse::new(written(), limit), Stopwatch::start()));
        let elapsed = watch.elapsed();
        if elapsed < pulse.interval() {
            return None;
        }
        *watch = Stopwatch::start();
        let stalled = pulse.look(written(), elapsed);
        stalled.then_some(Cause::Stall(limit.as_secs_f64()))
    }

    /// Copies what `log` prints beyond what is there; whether that could be done.
    pub(super) fn copy_log(&self, log: &File) -> bool {
        if self.exec.log.is_empty() {
            return true;
        }
        let mut at = 0_u64;
        let mut written = Ok(());
        let copied = self.copied.get();
        let mut copy = |bytes: &[u8]| {
            let skip = usize::try_from(copied.saturating_sub(at)).unwrap_or(usize::MAX);
            let new = bytes.get(skip..).unwrap_or_default();
            let place = at + (bytes.len() - new.len()) as u64;
            if written.is_ok() && !new.is_empty() {
                written = log.write_all_at(new, place);
            }
            at += bytes.len() as u64;
        };
        let answer = self.call("log", &self.exec.log).run(&mut copy);
        let whole = answer.is_ok_and(|answer| answer.said().well) && written.is_ok();
        if whole {
            self.copied.set(at.max(self.copied.get()));
        }
        whole
    }

    /// Sees to it until it is over; whether it is, with all of its output.
    pub(super) fn see_to(&self, log: &File) -> Result<bool> {
        let mut silence = None;
        let every = self.exec.poll_every;
        let mut next = Deadline::after(SOON.min(every));
        let mut has_ended = false;
        while signals::received().is_none() {
            let written_down = !has_ended && self.files.code().is_some();
            if written_down || next.passed() {
                has_ended |= written_down;
                let over = self.look()? != Presence::Running;
                let whole = self.copy_log(log);
                if over {
                    return Ok(whole);
                }
                if self.known.borrow().cause.is_some()
                    && let Err(error) = self.end(false)
                {
                    self.trouble.replace(Some(error));
                    return Ok(false);
                }
                let known = self.known.borrow();
                let soon = known.over.is_some() || known.cause.is_some();
                next = Deadline::after(if soon { SOON.min(every) } else { every });
            }
            self.mark_beginning(None)?;
            if let Some(cause) = self.limit(&mut silence) {
                self.note(|known| known.cause = Some(cause));
                next = Deadline::after(Duration::ZERO);
            }
            if clock::pause(GLANCE).is_err() {
                break;
            }
        }
        Ok(false)
    }
}

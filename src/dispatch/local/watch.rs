//! Waiting for the end of a shim, which may be no child of this process, and bringing it about if the
//! shim gives no sign of life any more.

use std::io;
use std::time::Duration;

use super::{Traces, beat, files, holder, order, record};
use crate::dispatch::launcher::Job;
use crate::domain::dispatch::exit::end_told;
use crate::domain::dispatch::pulse::Pulse;
use crate::domain::dispatch::{End, EndClass};
use crate::sys::clock::Stopwatch;
use crate::sys::companion::Companion;
use crate::sys::family;
use crate::sys::heirs;
use crate::sys::lock::LockNotice;
use crate::sys::process::ForegroundEnd;

/// What is said of an end that only the shim's exit code tells.
const NOT_WRITTEN: &str = "how it ended could not be written down; is the disk full?";
/// How long the kernel may take to end what was killed.
const KILLING: Duration = Duration::from_secs(10);

/// What tells of a shim's end.
enum Shim<'a> {
    /// A child.
    Own(&'a Companion),
    /// One that an earlier dispatcher has started: its lock becomes free.
    Adopted(Option<LockNotice>),
}

impl Shim<'_> {
    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        match self {
            Self::Own(shim) => shim.wait(timeout),
            Self::Adopted(Some(lock)) => lock.wait(timeout),
            Self::Adopted(None) => Ok(true),
        }
    }
}

/// Waits for the end of an attempt's shim, and says how its runner ended.
///
/// `now_and_then` is called meanwhile, at least `every` so long.
pub fn to_the_end(
    job: &Job,
    own: Option<&Companion>,
    traces: Traces,
    every: Duration,
    now_and_then: &mut dyn FnMut(),
) -> End {
    let watch = Stopwatch::start();
    // What can't be watched must not run on.
    let ended = wait(job, own, traces, every, now_and_then);
    let ended = ended.inspect_err(|_| holder::kill_all(&job.dir, traces));
    let exit = record::read(&job.dir);
    if let (Some(shim), None, Some(grace)) = (own, &exit, traces.grace) {
        // Before its number can be another's.
        heirs::end_session(shim.pid(), grace);
    }
    let left = own.and_then(Companion::reap);
    let seconds = watch.elapsed().as_secs_f64();
    let lost = |class, reason: String| End {
        class,
        exit_code: None,
        signal: None,
        reason: Some(reason),
        seconds,
    };
    match (ended, exit) {
        (_, Some(exit)) => exit.end(),
        (Ok(true), None) => match left.and_then(told) {
            // Whoever could not write it down has ended everything before.
            Some(code) => end_told(code, seconds, NOT_WRITTEN),
            None => {
                holder::end_leftovers(&job.dir, traces);
                let (class, reason) = vanished(left);
                lost(class, reason)
            }
        },
        (Ok(false), None) => lost(
            EndClass::Silent,
            format!(
                "its heartbeat stopped for {}, so everything of it was killed",
                humantime::format_duration(job.heartbeat_timeout)
            ),
        ),
        (Err(error), None) => lost(EndClass::Infra, format!("it can't be watched: {error}")),
    }
}

/// True once the shim has ended, false if it was ended for its silence.
fn wait(
    job: &Job,
    own: Option<&Companion>,
    traces: Traces,
    every: Duration,
    now_and_then: &mut dyn FnMut(),
) -> io::Result<bool> {
    let lock = || LockNotice::of(&files::lock(&job.dir)).map_err(io::Error::other);
    let shim = match own {
        Some(own) => Shim::Own(own),
        None => Shim::Adopted(lock()?),
    };
    let theirs = || holder::Holder::of(&job.dir).and_then(|holder| holder.beat);
    let silence = match own {
        Some(_) => job.heartbeat_timeout,
        None => order::silence(job.heartbeat_timeout, theirs()),
    };
    let mut pulse = Pulse::new(beat::last(&job.dir), silence);
    let mut watch = Stopwatch::start();
    while !shim.wait(pulse.interval().min(every))? {
        let since = watch.elapsed();
        watch = Stopwatch::start();
        now_and_then();
        if pulse.look(beat::last(&job.dir), since) {
            holder::kill_all(&job.dir, traces);
            shim.wait(KILLING)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// What has become of a shim that could tell nothing.
fn vanished(left: Option<ForegroundEnd>) -> (EndClass, String) {
    let Some(ForegroundEnd::Signaled(signal)) = left else {
        let reason = "the process that watched it has vanished";
        return (EndClass::Lost, reason.to_owned());
    };
    match [family::ASK, family::AT_ONCE].map(|told| told.as_raw()) {
        // It came before it could be heeded: nothing was started.
        told if told.contains(&signal) => (EndClass::Stopped, "it was told to end".to_owned()),
        _ => (
            EndClass::Lost,
            format!("signal {signal} ended the process that watched it"),
        ),
    }
}

fn told(end: ForegroundEnd) -> Option<u8> {
    match end {
        ForegroundEnd::Exited(code) => u8::try_from(code).ok(),
        ForegroundEnd::Signaled(_) => None,
    }
}

//! The shim: one process between the dispatcher and a runner, for the runner's life and with or
//! without the dispatcher.
//!
//! It starts the command, gives signs of life, ends it with everything it has started when it is told
//! to or when a limit is reached, and writes down how it ended. It holds two locks, which it was given
//! by its starter and hands to nobody: the slot's as its stdin, the attempt's own as its stdout.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::beat::Beat;
use super::files;
use super::memory::Memory;
use super::order::Order;
use super::output::Output;
use super::record;
use crate::domain::Error;
use crate::domain::dispatch::exit::{Cause, Exit, shim_code};
use crate::domain::dispatch::pulse::Pulse;
use crate::sys::clock::{Deadline, Stopwatch};
use crate::sys::companion;
use crate::sys::family::{Family, Told};
use crate::sys::fs;
use crate::sys::process::ForegroundEnd;

/// How often is looked whether the time of a command has begun that is being prepared.
const GLANCE: Duration = Duration::from_millis(250);

/// The life of a shim, from its command line to its exit code.
pub fn run(words: &[OsString]) -> u8 {
    let watch = Stopwatch::start();
    let prepared = Order::from_words(words).and_then(|order| {
        let family = Family::expected().map_err(|e| Error::io("listen in", &order.dir, e))?;
        Ok((order, family))
    });
    let (order, mut family) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return shim_code(&not_started(&error).end()),
    };
    let mut exit = carry_out(&order, &mut family);
    exit.seconds = watch.elapsed().as_secs_f64();
    let mut beat = Beat::new(&order);
    let mut go_on = |pause| {
        beat.give();
        family.is_wanted(pause)
    };
    match record::write(&order, &exit, &mut go_on) {
        Ok(()) => 0,
        Err(_) => shim_code(&exit.end()),
    }
}

fn not_started(error: &Error) -> Exit {
    Exit {
        cause: Some(Cause::NotStarted(error.to_string())),
        ..Exit::default()
    }
}

fn carry_out(order: &Order, family: &mut Family) -> Exit {
    let mut memory = Memory::of(order);
    let mut exit = match begin(order, &mut memory, family) {
        Ok(mut watched) => {
            let watching = watched.watch();
            watched.exit(watching)
        }
        Err(exit) => exit,
    };
    memory.leave(&mut exit);
    exit
}

/// Everything up to the command's start.
fn begin<'f>(
    order: &Order,
    memory: &mut Memory,
    family: &'f mut Family,
) -> Result<Watched<'f>, Exit> {
    let failed = |error: Error| not_started(&error);
    let output = Output::open(&order.dir, order.terms.output).map_err(failed)?;
    companion::work_in(&order.workdir).map_err(failed)?;
    let mut start = |door| family.start(&order.command, output.file(), door);
    let started = match (start(memory.door()), memory.is_limited()) {
        // The reason may be the group's, which it can do without.
        (Err(error), true) => start(None).inspect(|()| memory.give_up(&error)),
        (started, _) => started,
    };
    started.map_err(|e| record::not_run(&order.command, &e))?;
    Ok(Watched::new(order, family, output))
}

fn is_there(path: &Path) -> bool {
    fs::metadata_if_there(path).is_ok_and(|found| found.is_some())
}

/// How far it has come.
#[derive(Debug)]
enum Phase {
    /// The command runs.
    Running,
    /// All have been asked to end, and have until then.
    Asked(Deadline),
    /// All have been killed.
    Killed,
}

/// A runner that is watched.
struct Watched<'f> {
    family: &'f mut Family,
    beat: Beat,
    grace: Duration,
    output: Output,
    timeout: Option<Deadline>,
    stall: Option<(Pulse<u64>, Stopwatch)>,
    /// The file that is there as long as its time has not begun, if it was seen there last.
    preparing: Option<PathBuf>,
    phase: Phase,
    cause: Option<Cause>,
}

impl<'f> Watched<'f> {
    fn new(order: &Order, family: &'f mut Family, output: Output) -> Self {
        let terms = &order.terms;
        let pulse = |limit| (Pulse::new(output.size(), limit), Stopwatch::start());
        Self {
            family,
            beat: Beat::new(order),
            grace: terms.grace,
            timeout: terms.timeout.map(Deadline::after),
            stall: terms.stall.map(pulse),
            output,
            preparing: Some(files::preparing(&order.dir)).filter(|path| is_there(path)),
            phase: Phase::Running,
            cause: None,
        }
    }

    /// Watches until nobody is left.
    fn watch(&mut self) -> std::io::Result<()> {
        loop {
            let told = self.family.wait(self.patience(), self.output.notice())?;
            self.beat.give();
            if self.family.is_gone() {
                return Ok(());
            }
            match &self.phase {
                Phase::Running => self.look(told),
                Phase::Asked(grace) if told.at_once || grace.passed() => self.kill()?,
                Phase::Asked(_) if self.output.is_too_much(told.other) => self.kill()?,
                Phase::Asked(_) => {}
                // The kernel does not end them: nobody can.
                Phase::Killed => return Ok(()),
            }
        }
    }

    /// How long nothing has to be done unless something happens.
    fn patience(&self) -> Duration {
        let left = |deadline: &Deadline| deadline.remaining().unwrap_or_default();
        let phase = match &self.phase {
            Phase::Running => self.timeout.as_ref().map(left),
            Phase::Asked(grace) => Some(left(grace)),
            Phase::Killed => Some(Duration::ZERO),
        };
        let running = matches!(self.phase, Phase::Running);
        let stall = self.stall.as_ref().filter(|_| running);
        let stall = stall.map(|(pulse, watch)| pulse.interval().saturating_sub(watch.elapsed()));
        let glance = self.preparing.as_ref().map(|_| GLANCE);
        let others = [phase, stall, glance, self.output.patience()];
        let others = others.into_iter().flatten();
        others.fold(self.beat.patience(), Duration::min)
    }

    /// Finds out whether it is to be ended.
    fn look(&mut self, told: Told) {
        if self.family.end().is_some() {
            // What it has left running ends with it.
            return self.ask();
        }
        let cause = self.reason(told);
        let Some(cause) = cause else { return };
        let at_once = told.at_once || matches!(cause, Cause::Output(_));
        self.cause = Some(cause);
        match at_once {
            true => self.phase = Phase::Asked(Deadline::after(Duration::ZERO)),
            false => self.ask(),
        }
    }

    fn reason(&mut self, told: Told) -> Option<Cause> {
        if told.ask || told.at_once {
            return Some(Cause::Stop);
        }
        if self.has_no_time() {
            return None;
        }
        if let Some(timeout) = self.timeout.filter(Deadline::passed) {
            return Some(Cause::Deadline(timeout.limit().as_secs_f64()));
        }
        if self.output.is_too_much(told.other) {
            return Some(Cause::Output(self.output.limit()));
        }
        let (pulse, watch) = self.stall.as_mut()?;
        let since = watch.elapsed();
        if since < pulse.interval() {
            return None;
        }
        *watch = Stopwatch::start();
        let stalled = pulse.look(self.output.size(), since);
        stalled.then(|| Cause::Stall(pulse.limit().as_secs_f64()))
    }

    /// Whether its time has not begun; as long as that is so it begins anew.
    fn has_no_time(&mut self) -> bool {
        if self.preparing.is_none() {
            return false;
        }
        self.preparing.take_if(|path| !is_there(path));
        self.timeout = self.timeout.map(|limit| Deadline::after(limit.limit()));
        if let Some((_, watch)) = &mut self.stall {
            *watch = Stopwatch::start();
        }
        true
    }

    fn ask(&mut self) {
        self.family.ask();
        self.phase = Phase::Asked(Deadline::after(self.grace));
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.phase = Phase::Killed;
        self.family.kill()
    }

    /// What is to be told of it.
    fn exit(self, watching: std::io::Result<()>) -> Exit {
        let mut notes = Vec::new();
        if let Err(error) = watching {
            // What can't be watched must not run on.
            let _ = self.family.kill();
            notes.push(format!("it could not be watched to its end: {error}"));
        }
        if self.output.cut() && self.cause.is_none() {
            notes.push("the end of its output was cut off: it wrote more than is kept".into());
        }
        let left = self.family.members();
        if !left.is_empty() {
            notes.push(format!("could not be ended: {}", left.join(", ")));
        }
        let (code, signal) = match self.family.end() {
            Some(ForegroundEnd::Exited(code)) => (Some(code), None),
            Some(ForegroundEnd::Signaled(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        Exit {
            code,
            signal,
            cause: self.cause,
            notes,
            ..Exit::default()
        }
    }
}

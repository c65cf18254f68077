//! `dispatch log`: the output of a task's attempts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::super::session::Session;
use super::shown;
use crate::cli::DispatchLogArgs;
use crate::dispatch::run::{Follower, RunDir, Seen};
use crate::domain::dispatch::TaskState;
use crate::domain::dispatch::advice::of_run;
use crate::domain::dispatch::state::Index;
use crate::domain::outcome::{AttemptLogView, TaskLogView};
use crate::domain::{Error, Result};
use crate::report::human::count;
use crate::report::output::{read_by_somebody, unless_closed};
use crate::sys::fs;
use crate::sys::watch::{Watch, Woken};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What no change tells of is seen after this time.
const PAUSE: Duration = Duration::from_millis(500);

/// Prints the last attempt's output, that of the one that is named, or all; with `--follow` what comes,
/// through all attempts to the task's end.
pub fn run(session: &Session, args: &DispatchLogArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let mut follower = Follower::new(run.clone());
    follower.read(|_, _| {})?;
    let task = shown::task(&run, &follower.seen, &args.task)?;
    let last = follower.seen.state.progress(task).attempt;
    let first = match args.attempt {
        Some(attempt) if attempt > last => {
            return Err(Error::not_found(format!(
                "task {} has had {}, not {attempt}",
                args.task,
                count(last.into(), "attempt")
            )));
        }
        Some(attempt) => attempt,
        None if args.all => 1,
        None => last.max(1),
    };
    let last = args.attempt.unwrap_or(last);
    if session.output.is_json() {
        return print_json(session, args, &run, first..=last);
    }
    if args.follow {
        return follow(session, &mut follower, task, first);
    }
    if last == 0 {
        session.output.note(&format!(
            "task {} has not run yet; `{}` says why",
            args.task,
            of_run(run.name(), "why", &[&args.task])
        ));
    }
    for attempt in first..=last {
        let mut copy = Copy::new(session, &run, &args.task, attempt);
        if args.all {
            copy.announce();
        }
        if !copy.on()? || !copy.finish()? {
            break;
        }
    }
    Ok(0)
}

fn print_json(
    session: &Session,
    args: &DispatchLogArgs,
    run: &RunDir,
    attempts: std::ops::RangeInclusive<u32>,
) -> Result<u8> {
    if args.follow {
        return Err(Error::usage("--follow and --json can't be had at once")
            .with_hint("--json names the files with the output; they can be followed"));
    }
    let mut shown = Vec::new();
    for attempt in attempts.filter(|attempt| *attempt > 0) {
        let log = log_of(run, &args.task, attempt);
        let bytes = fs::metadata_if_there(&log)?.map_or(0, |file| file.len());
        let artifacts = run.attempt(&args.task, attempt).join("artifacts");
        shown.push(AttemptLogView {
            attempt,
            log: log.display().to_string(),
            bytes,
            artifacts: artifacts.display().to_string(),
        });
    }
    let result = TaskLogView {
        run: run.name().to_owned(),
        task: args.task.clone(),
        attempts: shown,
    };
    unless_closed(session.output.json("result", &result))?;
    Ok(0)
}

/// Prints what comes, from the attempt `first` on, until the task has come to an end, a signal ends it
/// or nobody reads it any more.
fn follow(session: &Session, follower: &mut Follower, task: Index, first: u32) -> Result<u8> {
    let run = follower.run().clone();
    let id = follower.seen.state.tasks()[task].id.to_string();
    let mut watch = Watch::new(false);
    let mut copy = Copy::new(session, &run, &id, first);
    let mut announced = false;
    loop {
        watch.add(run.path());
        watch.add(&run.attempt(&id, copy.attempt));
        // Where it stands is read before what it said: what is over by then has said all.
        follower.read(|_, _| {})?;
        let last = follower.seen.state.progress(task).attempt;
        if !copy.on()? {
            return Ok(0);
        }
        if copy.attempt < last {
            if !copy.finish()? {
                return Ok(0);
            }
            let next = copy.attempt + 1;
            copy = Copy::new(session, &run, &id, next);
            copy.announce();
            announced = true;
            continue;
        }
        if let Some(end) = end(&follower.seen, task) {
            copy.finish()?;
            if announced || end != TaskState::Done.word() {
                session.output.note(&format!("task {id}: {end}"));
            }
            return Ok(0);
        }
        if watch.wait(PAUSE) == Woken::End {
            return Ok(0);
        }
    }
}

/// How it ended, if nothing more can come without somebody's doing.
fn end(seen: &Seen, task: Index) -> Option<&'static str> {
    use TaskState::{Ready, Retrying, Running, Waiting};
    let progress = seen.state.progress(task);
    match progress.state {
        Running => None,
        Waiting | Ready | Retrying if seen.dispatcher.is_some() => None,
        Waiting | Ready | Retrying => Some("no dispatcher works on the run"),
        over => Some(over.word()),
    }
}

fn log_of(run: &RunDir, task: &str, attempt: u32) -> PathBuf {
    run.attempt(task, attempt).join("log")
}

/// One attempt's output on its way to stdout.
struct Copy<'s> {
    session: &'s Session,
    task: String,
    attempt: u32,
    path: PathBuf,
    file: Option<File>,
    at: u64,
    /// What was read and not written: the beginning of a line.
    rest: Vec<u8>,
    /// Whether what was written last ended a line.
    ended: bool,
}

impl<'s> Copy<'s> {
    fn new(session: &'s Session, run: &RunDir, task: &str, attempt: u32) -> Self {
        Self {
            session,
            path: log_of(run, task, attempt),
            task: task.to_owned(),
            attempt,
            file: None,
            at: 0,
            rest: Vec::new(),
            ended: true,
        }
    }

    /// Says which attempt's output comes now.
    fn announce(&self) {
        let text = format!("==> task {}, attempt {} <==", self.task, self.attempt);
        self.session.output.note(&text);
    }

    /// Writes what there is. False if nobody reads it any more.
    fn on(&mut self) -> Result<bool> {
        let Some(file) = (match self.file.take() {
            None => fs::open_growing(&self.path)?,
            opened => opened,
        }) else {
            return Ok(true);
        };
        let goes_on = self.copy(&file);
        self.file = Some(file);
        goes_on
    }

    fn copy(&mut self, file: &File) -> Result<bool> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read_at(&mut chunk, self.at);
            let read = read.map_err(|error| Error::io("read", &self.path, error))?;
            if read == 0 {
                return Ok(true);
            }
            self.at += read as u64;
            self.rest.extend_from_slice(&chunk[..read]);
            // Characters are not to be torn; a line that has no end is written all the same.
            let whole = self.rest.iter().rposition(|byte| *byte == b'\n');
            let whole = match whole {
                Some(end) => end + 1,
                None if self.rest.len() >= CHUNK => self.rest.len(),
                None => continue,
            };
            let rest = self.rest.split_off(whole);
            let piece = std::mem::replace(&mut self.rest, rest);
            if !read_by_somebody(self.write(&piece))? {
                return Ok(false);
            }
        }
    }

    /// Writes a last line that has no end. On a terminal it gets one. False if nobody reads it any
    /// more.
    fn finish(&mut self) -> Result<bool> {
        let rest = std::mem::take(&mut self.rest);
        let mut written = self.write(&rest);
        if !self.ended && self.session.output.is_at_terminal() {
            written = written.and_then(|()| self.session.output.piece(b"\n"));
        }
        read_by_somebody(written)
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let Some(last) = piece.last() else {
            return Ok(());
        };
        self.ended = *last == b'\n';
        self.session.output.piece(piece)
    }
}

//! `dispatch events`: what happened in a run.

use std::time::Duration;

use super::super::session::Session;
use super::shown;
use crate::cli::DispatchEventsArgs;
use crate::dispatch::run::Follower;
use crate::domain::Result;
use crate::domain::dispatch::{Event, Record};
use crate::report::advice::here;
use crate::report::output::read_by_somebody;
use crate::report::tables::EventLines;
use crate::sys::watch::{Watch, Woken};

/// How many events are shown of what was before, where more are to come.
const LINES_BEFORE: usize = 10;

/// What no change tells of is seen after this time.
const PAUSE: Duration = Duration::from_millis(500);

/// Prints it, oldest first; with `--follow` goes on until a signal ends it or nobody reads it any more.
pub fn run(session: &Session, args: &DispatchEventsArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let mut watch = Watch::new(false);
    watch.add(run.path());
    let mut follower = Follower::new(run);
    let mut lines = EventLines::default();
    let mut most = args.lines.or(args.follow.then_some(LINES_BEFORE));
    loop {
        let mut records = Vec::new();
        follower.read(|record, _| {
            if is_wanted(args, record) {
                records.push(record.clone());
            }
        })?;
        if let Some(most) = most.take() {
            records.drain(..records.len().saturating_sub(most));
        }
        if !print(session, &mut lines, &records)? || !args.follow {
            return Ok(0);
        }
        if watch.wait(PAUSE) == Woken::End {
            return Ok(0);
        }
    }
}

fn is_wanted(args: &DispatchEventsArgs, record: &Record) -> bool {
    let task = args.task.as_deref();
    task.is_none_or(|task| record.event.task() == Some(task))
}

/// Prints them. False if nobody reads them any more.
fn print(session: &Session, lines: &mut EventLines, records: &[Record]) -> Result<bool> {
    let output = &session.output;
    if !output.is_json() {
        return read_by_somebody(output.text(&lines.lines(records, &output.layout())));
    }
    for record in records {
        let mut record = record.clone();
        if let Event::NeedsAttention { command, .. } = &mut record.event {
            *command = here(command);
        }
        if !read_by_somebody(output.json_object(&record))? {
            return Ok(false);
        }
    }
    Ok(true)
}

//! `dispatch status`: where a run stands.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::super::session::Session;
use super::shown;
use crate::cli::DispatchStatusArgs;
use crate::commands::watching::{Display, Picture};
use crate::dispatch::run::{Follower, RunDir};
use crate::domain::Result;
use crate::domain::dispatch::view;
use crate::domain::outcome::RunView;
use crate::report::output::unless_closed;
use crate::report::{Layout, tables};
use crate::sys::clock::{self, Stopwatch};

/// Shows it. Takes no lock.
pub fn run(session: &Session, args: &DispatchStatusArgs) -> Result<u8> {
    let run = shown::find(session, &args.run)?;
    let mut follower = Follower::new(run.clone());
    if let Some(interval) = args.watch {
        watch(session, args, run, interval, &mut follower)?;
        return Ok(0);
    }
    let seen = look(session, args, &run, &mut follower)?;
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => seen.print_json(session),
        false => output.text(&seen.text(clock::now(), &output.layout())),
    })?;
    Ok(0)
}

/// The run as it stands. A document has all tasks; a table those that run, or with which something is
/// wrong, unless all are wanted.
fn look(
    session: &Session,
    args: &DispatchStatusArgs,
    run: &RunDir,
    follower: &mut Follower,
) -> Result<RunView> {
    follower.read(|_, _| {})?;
    let seen = &mut follower.seen;
    seen.state.due(clock::now());
    let all = args.all || session.output.is_json();
    let wanted = |task| all || view::is_of_interest(seen.state.progress(task).state);
    let terms = shown::terms(session, run)?;
    Ok(shown::run_view(run, seen, &terms, wanted))
}

/// Shows it at every change and after every `interval`, until a signal ends it or nobody reads it any
/// more.
fn watch(
    session: &Session,
    args: &DispatchStatusArgs,
    mut run: RunDir,
    interval: Duration,
    follower: &mut Follower,
) -> Result<()> {
    let mut display = Display::new(session, "dispatch", interval)?;
    let mut watch = display.watch();
    loop {
        let took = Stopwatch::start();
        // Without a name, a run that begins meanwhile is the one that is meant.
        let now = shown::find(session, &args.run)?;
        if now != run {
            *follower = Follower::new(now.clone());
            run = now;
        }
        watch.add(run.path());
        let seen = look(session, args, &run, follower)?;
        if !display.show(&seen)? || !display.pause(&mut watch, &seen, took.elapsed())? {
            return Ok(());
        }
    }
}

impl Picture for RunView {
    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        tables::run(self, now, layout)
    }

    fn print_json(&self, session: &Session) -> io::Result<()> {
        session.output.json("run", self)
    }
}

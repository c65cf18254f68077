//! `status --watch`: the same again and again.

use std::time::Duration;

use super::Seen;
use crate::cli::StatusArgs;
use crate::commands::session::Session;
use crate::domain::names::PoolName;
use crate::domain::{Error, Result};
use crate::report::output::read_by_somebody;
use crate::report::screen::Screen;
use crate::report::tables;
use crate::sys::clock::{self, Deadline, Stopwatch};
use crate::sys::watch::{self, Watch, Woken};

/// A change shows at once, and many of them not more often than this.
const BREATH: Duration = Duration::from_millis(100);

/// Looking takes at most one part of so many of the time.
const SHARE: u32 = 5;

/// Shows the state at every change and after every `interval`, until a signal ends it or nobody reads
/// it any more.
pub(super) fn run(session: &Session, args: &StatusArgs, interval: Duration) -> Result<()> {
    let mut shown = Display::new(session, args, interval)?;
    let mut watch = Watch::new(shown.screen.is_some());
    loop {
        let took = Stopwatch::start();
        let context = session.context(session.flags())?;
        let seen = Seen::now(context.as_ref(), args)?;
        if let Some(context) = &context {
            watch.add(context.workspace.root());
            let names = seen
                .pools()
                .into_iter()
                .filter_map(|name| PoolName::new(name).ok());
            names.for_each(|name| watch.add(&context.workspace.pool(&name).root));
        }
        if !shown.show(&seen)? || !pause(&mut watch, &mut shown, &seen, took.elapsed())? {
            return Ok(());
        }
    }
}

/// Waits until it is time to look again. False if it never will be.
fn pause(
    watch: &mut Watch,
    shown: &mut Display<'_>,
    seen: &Seen,
    looking: Duration,
) -> Result<bool> {
    let rest = Deadline::after(BREATH.max(looking * (SHARE - 1)));
    let mut until = Deadline::after(shown.interval.max(rest.limit()));
    while let Some(left) = until.remaining() {
        match watch.wait(left) {
            Woken::End => return Ok(false),
            Woken::TimeUp => break,
            Woken::Changed => until = rest,
            Woken::Resized => drop(shown.show(seen)?),
            Woken::Stop => {
                shown.stop()?;
                shown.show(seen)?;
            }
        }
    }
    Ok(true)
}

/// Where it is shown.
struct Display<'a> {
    session: &'a Session,
    screen: Option<Screen<'a>>,
    title: String,
    interval: Duration,
    first: bool,
}

impl<'a> Display<'a> {
    /// On a terminal that can be drawn on its screen, else one picture after the other.
    fn new(session: &'a Session, args: &StatusArgs, interval: Duration) -> Result<Self> {
        let output = &*session.output;
        let draws =
            output.is_at_terminal() && !output.is_json() && !session.environment.is_terminal_dumb();
        let screen = draws.then(|| Screen::take(output)).transpose();
        Ok(Self {
            session,
            screen: screen.map_err(unwritable)?,
            title: args.target.clone().unwrap_or_else(|| "all pools".into()),
            interval,
            first: true,
        })
    }

    /// Shows it. False if nobody reads it any more.
    fn show(&mut self, seen: &Seen) -> Result<bool> {
        let output = &*self.session.output;
        let first = std::mem::replace(&mut self.first, false);
        if output.is_json() {
            return read_by_somebody(seen.print_json(self.session));
        }
        let (now, layout) = (clock::now(), output.layout());
        let title = tables::watched(&self.title, self.interval, now, &layout);
        let body = match seen.is_nothing() {
            true => "there is no pool yet\n".to_owned(),
            false => seen.text(now, &layout),
        };
        let text = format!("{title}\n{body}");
        read_by_somebody(match &self.screen {
            Some(screen) => screen.draw(&text),
            None if first => output.text(&text),
            None => output.text(&format!("\n{text}")),
        })
    }

    /// Stops, as the user wants, with the terminal as it was before.
    fn stop(&self) -> Result<()> {
        match &self.screen {
            Some(screen) => screen.lend(watch::stop).map_err(unwritable),
            None => {
                watch::stop();
                Ok(())
            }
        }
    }
}

fn unwritable(error: std::io::Error) -> Error {
    Error::io("write to", "standard output", error)
}

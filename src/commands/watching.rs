//! Showing the same again and again: redrawn in place on a terminal, one after the other elsewhere.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::session::Session;
use crate::domain::{Error, Result};
use crate::report::output::read_by_somebody;
use crate::report::screen::Screen;
use crate::report::{Layout, tables};
use crate::sys::clock::{self, Deadline};
use crate::sys::watch::{self, Watch, Woken};

/// A change shows at once, and many of them not more often than this.
const BREATH: Duration = Duration::from_millis(100);

/// Looking takes at most one part of so many of the time.
const SHARE: u32 = 5;

/// What can be shown.
pub trait Picture {
    /// As text.
    fn text(&self, now: Timestamp, layout: &Layout) -> String;

    /// As a document on stdout.
    fn print_json(&self, session: &Session) -> io::Result<()>;
}

/// Where it is shown.
pub struct Display<'a> {
    session: &'a Session,
    screen: Option<Screen<'a>>,
    title: String,
    interval: Duration,
    first: bool,
}

impl<'a> Display<'a> {
    /// On a terminal that can be drawn on its screen, else one picture after the other; at least
    /// every `interval`.
    pub fn new(session: &'a Session, title: &str, interval: Duration) -> Result<Self> {
        let output = &*session.output;
        let draws =
            output.is_at_terminal() && !output.is_json() && !session.environment.is_terminal_dumb();
        let screen = draws.then(|| Screen::take(output)).transpose();
        Ok(Self {
            session,
            screen: screen.map_err(unwritable)?,
            title: title.to_owned(),
            interval,
            first: true,
        })
    }

    /// What a display like this has to heed.
    pub fn watch(&self) -> Watch {
        Watch::new(self.screen.is_some())
    }

    /// Shows it. False if nobody reads it any more.
    pub fn show(&mut self, picture: &dyn Picture) -> Result<bool> {
        let output = &*self.session.output;
        let first = std::mem::replace(&mut self.first, false);
        if output.is_json() {
            return read_by_somebody(picture.print_json(self.session));
        }
        let (now, layout) = (clock::now(), output.layout());
        let title = tables::watched(&self.title, self.interval, now, &layout);
        let text = format!("{title}\n{}", picture.text(now, &layout));
        read_by_somebody(match &self.screen {
            Some(screen) => screen.draw(&text),
            None if first => output.text(&text),
            None => output.text(&format!("\n{text}")),
        })
    }

    /// Waits until it is time to look again, when looking took so long. False if it never will be.
    pub fn pause(
        &mut self,
        watch: &mut Watch,
        picture: &dyn Picture,
        looking: Duration,
    ) -> Result<bool> {
        let rest = Deadline::after(BREATH.max(looking * (SHARE - 1)));
        let mut until = Deadline::after(self.interval.max(rest.limit()));
        while let Some(left) = until.remaining() {
            match watch.wait(left) {
                Woken::End => return Ok(false),
                Woken::TimeUp => break,
                Woken::Changed => until = rest,
                Woken::Resized => drop(self.show(picture)?),
                Woken::Stop => {
                    self.stop()?;
                    self.show(picture)?;
                }
            }
        }
        Ok(true)
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

fn unwritable(error: io::Error) -> Error {
    Error::io("write to", "standard output", error)
}

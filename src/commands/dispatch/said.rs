//! What `dispatch run` says: how the run goes, and what became of it.

use super::super::session::Session;
use super::shown;
use crate::dispatch::engine::Teller;
use crate::dispatch::run::{RunDir, Terms};
use crate::domain::Result;
use crate::domain::dispatch::{Record, RunState, view};
use crate::report::live::Live;
use crate::report::output::unless_closed;
use crate::report::{Output, tables};
use crate::sys::clock;

/// Says on stderr what happens.
pub struct Said<'o> {
    output: &'o Output,
    live: Live<'o>,
}

impl<'o> Said<'o> {
    /// Nothing yet.
    pub fn new(output: &'o Output) -> Self {
        Self {
            output,
            live: Live::new(output),
        }
    }

    /// Nothing happens any more.
    pub fn over(&self) {
        self.live.over();
    }
}

impl Teller for Said<'_> {
    fn event(&self, record: &Record, state: &RunState) {
        self.live.event(record, state);
    }

    fn warn(&self, text: &str) {
        self.output.warn(text);
    }
}

/// Says what became of the run: on stderr, or as a document.
pub fn tell(session: &Session, run: &RunDir, terms: &Terms) -> Result<()> {
    let output = &session.output;
    let mut seen = run.read()?;
    seen.state.due(clock::now());
    let wanted = |task| output.is_json() || view::is_of_interest(seen.state.progress(task).state);
    let shown = shown::run_view(run, &seen, terms, wanted);
    if output.is_json() {
        return unless_closed(output.json("run", &shown));
    }
    let resume = shown::resume(run, &seen);
    output.note_text(|layout| tables::summary(&shown, &resume, clock::now(), layout));
    Ok(())
}

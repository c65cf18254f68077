//! Whether nothing is left to do, and the last words of a run.

use super::{Course, Engine};
use crate::domain::dispatch::Event;
use crate::domain::dispatch::standstill::{Standstill, standstill};
use crate::domain::{Error, Result};
use crate::sys::clock;
use crate::sys::lock::FileLock;

/// Nothing is left to do.
pub(super) struct Over {
    /// The exit code.
    code: u8,
    /// What a person is asked at the end.
    question: Option<Event>,
}

/// How a run has ended.
pub struct Ended {
    /// Its exit code.
    pub code: u8,
    /// Nobody says anything that the run would not hear before this is dropped, after the run's lock.
    /// None if somebody who was saying something did not come to an end.
    pub silence: Option<FileLock>,
}

impl Over {
    /// With this exit code.
    pub(super) fn with(code: u8) -> Self {
        let question = None;
        Self { code, question }
    }

    /// A person is needed, and asked.
    pub(super) fn asking(question: Event) -> Self {
        Self {
            code: 4,
            question: Some(question),
        }
    }
}

impl Engine<'_, '_> {
    /// How it ends, if nothing is left to do.
    pub(super) fn over(&mut self) -> Option<Over> {
        if !self.crew.is_idle() {
            return None;
        }
        let state = self.ledger.state();
        let watch = self.setting.options.watch;
        match &self.course {
            // Nothing is left that could be gone on with.
            Course::Draining { .. } if !watch && self.scope.is_over(state) => Some(self.ended_so()),
            Course::Draining { signal, .. } => {
                let signal = u8::try_from(*signal).unwrap_or_default();
                Some(Over::with(128u8.saturating_add(signal)))
            }
            Course::Failing => Some(self.ended_so()),
            Course::On if !watch && self.scope.is_over(state) => Some(self.ended_so()),
            Course::On => self.stuck(),
        }
    }

    /// Nothing runs. If nothing ever will without a person, that is said, once; how the run ends then,
    /// if that is not what it waits for.
    fn stuck(&mut self) -> Option<Over> {
        if !self.may_start() || self.ledger.state().run().question.is_some() {
            return None;
        }
        let watch = self.setting.options.watch;
        let lost = self.lost();
        let state = self.ledger.state();
        let now = clock::now();
        let found = standstill(state, &self.scope, &mut self.scheduler, &lost, now);
        // What tasks ask, and which slots could not go back, is said already.
        let said = |standstill: &&Standstill| {
            watch && matches!(standstill, Standstill::Questions(_) | Standstill::Held(..))
        };
        let standstill = found.iter().find(|standstill| !said(standstill))?;
        let waits = watch || standstill.is_pause(state);
        let (question, command) = standstill.question(state, self.setting.workshop.run.name());
        let question = Event::NeedsAttention {
            task: None,
            question,
            command,
        };
        if waits {
            self.record(question);
            self.ledger.write();
            return None;
        }
        Some(Over::asking(question))
    }

    /// The last words.
    pub(super) fn end(&mut self, over: Over, silence: Option<FileLock>) -> Result<Ended> {
        let Over { code, question } = over;
        if let Some(question) = question {
            self.record(question);
        }
        self.ledger
            .close(Event::RunEnded { code })
            .map_err(|error| {
                Error::failed(format!("the end of the run could not be recorded: {error}"))
                    .with_hint("started again with the same files, the run goes on")
            })?;
        self.ledger.write_figures(true);
        Ok(Ended { code, silence })
    }
}

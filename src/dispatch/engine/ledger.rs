//! What happened, once: recorded, counted, said.

use std::time::Duration;

use super::Setting;
use crate::dispatch::metrics::{self, Metrics};
use crate::dispatch::registry::Registry;
use crate::dispatch::run::Replayed;
use crate::domain::Result;
use crate::domain::dispatch::state::Changes;
use crate::domain::dispatch::{Event, Record, RunState};
use crate::sys::clock::{self, Deadline, Stopwatch};

/// After how long a log that can't be written is tried again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is on the disk for good is at most so old.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Who is told of what happens.
pub trait Teller {
    /// An event that is recorded, or could not be recorded for now.
    fn event(&self, record: &Record, state: &RunState);
    /// Something that is not as it should be.
    fn warn(&self, text: &str);
}

/// The books of a run.
pub struct Ledger<'e> {
    run: Replayed,
    metrics: Metrics,
    figures: metrics::Files,
    teller: &'e dyn Teller,
    registry: Option<&'e Registry>,
    /// What is not written yet.
    unwritten: Vec<Record>,
    trouble: Option<Trouble>,
    told_of_figures: bool,
    synced: Stopwatch,
}

/// The log can't be written.
struct Trouble {
    pause: Duration,
    until: Deadline,
}

impl<'e> Ledger<'e> {
    /// The books of a run that was taken up.
    pub fn new(
        run: Replayed,
        metrics: Metrics,
        figures: metrics::Files,
        setting: &Setting<'e>,
    ) -> Self {
        Self {
            run,
            metrics,
            figures,
            teller: setting.teller,
            registry: setting.registry,
            unwritten: Vec::new(),
            trouble: None,
            told_of_figures: false,
            synced: Stopwatch::start(),
        }
    }

    /// Where everything stands.
    pub fn state(&self) -> &RunState {
        &self.run.state
    }

    /// The same, to be changed by more than events.
    pub fn state_mut(&mut self) -> &mut RunState {
        &mut self.run.state
    }

    /// Writes the figures if it is time, or `at_once`. That they can't be written stops nothing.
    pub fn write_figures(&mut self, at_once: bool) {
        let (metrics, state) = (&self.metrics, &self.run.state);
        if let Err(error) = self.figures.write(at_once, || metrics.text(state))
            && !std::mem::replace(&mut self.told_of_figures, true)
        {
            self.teller.warn(&error.to_string());
        }
    }

    /// After how long the figures are to be written; none as long as the events themselves can't be.
    pub fn figures_due(&self) -> Option<Duration> {
        self.figures.due().filter(|_| self.trouble.is_none())
    }

    /// Records an event. It counts from now on; nothing may be done because of it before it is written.
    pub fn add(&mut self, event: Event) -> (Record, Changes) {
        let (record, changes) = self.run.add(event, clock::now());
        self.metrics.observe(&record, &changes, &self.run.state);
        self.figures.out_of_date();
        if self.trouble.is_some() {
            self.teller.event(&record, &self.run.state);
        }
        self.unwritten.push(record.clone());
        (record, changes)
    }

    /// Writes what is not written. False if that can't be done now: it is tried again when
    /// [`Ledger::again`] says so.
    pub fn write(&mut self) -> bool {
        if self.run.log.is_written() {
            return true;
        }
        if self
            .trouble
            .as_ref()
            .is_some_and(|trouble| !trouble.until.passed())
        {
            return false;
        }
        let written = self.run.log.write();
        match written {
            Ok(()) => {
                let said = self.trouble.take().is_some();
                self.tell(!said);
                if said {
                    self.teller
                        .warn("events can be written again: the queue goes on");
                }
                self.sync();
                true
            }
            Err(error) => {
                let pause = match &self.trouble {
                    None => {
                        // What can't be read anywhere else is said.
                        for record in &self.unwritten {
                            self.teller.event(record, &self.run.state);
                        }
                        let text =
                            format!("{error}; nothing new is started until that works again");
                        self.teller.warn(&text);
                        AGAIN.0
                    }
                    Some(trouble) => (trouble.pause * 2).min(AGAIN.1),
                };
                let until = Deadline::after(pause);
                self.trouble = Some(Trouble { pause, until });
                false
            }
        }
    }

    /// What a failure of the machine's power takes is done again: that is no reason to wait for the
    /// disk at every event.
    fn sync(&mut self) {
        if self.synced.elapsed() >= SYNC_EVERY {
            self.synced = Stopwatch::start();
            let _ = self.run.log.sync();
        }
    }

    /// The last words: they are on the disk when this returns.
    pub fn close(&mut self, event: Event) -> Result<()> {
        self.add(event);
        self.run.log.write()?;
        let said = self.trouble.take().is_some();
        self.tell(!said);
        self.run.log.sync()
    }

    /// What is recorded is told to whoever is to know it, aloud too if it was not.
    fn tell(&mut self, aloud: bool) {
        for record in self.unwritten.drain(..) {
            if aloud {
                self.teller.event(&record, &self.run.state);
            }
            if let Some(registry) = self.registry {
                registry.note(&record, &self.run.state);
            }
        }
    }

    /// When a log that can't be written is tried again.
    pub fn again(&self) -> Option<Duration> {
        let trouble = self.trouble.as_ref()?;
        Some(trouble.until.remaining().unwrap_or_default())
    }
}

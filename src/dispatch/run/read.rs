//! A run as it stands, from its files.

use std::sync::Arc;

use jiff::Timestamp;

use super::events::{self, Log};
use super::{Document, RunDir};
use crate::domain::Result;
use crate::domain::dispatch::state::Changes;
use crate::domain::dispatch::{Event, Record, RunState, Task};

/// A run as anybody sees it.
#[derive(Debug)]
pub struct Seen {
    /// The tasks, and their files.
    pub document: Document,
    /// Where each task and the run stand.
    pub state: RunState,
    /// The process that works on it; none if none does, or if it can't be seen from here.
    pub dispatcher: Option<u32>,
}

impl RunDir {
    /// The run as it stands. Takes no lock and changes nothing.
    pub fn read(&self) -> Result<Seen> {
        // First: what it records before its end is read then.
        let dispatcher = self.dispatcher();
        let document = self.document()?;
        let mut state = RunState::new(Arc::clone(&document.tasks));
        events::replay(&self.events(), |record| {
            state.apply(&record);
        })?;
        Ok(Seen {
            document,
            state,
            dispatcher,
        })
    }

    /// Its tasks; none before it has begun.
    pub(super) fn document(&self) -> Result<Document> {
        let none = || Document::new(Vec::new(), Vec::<Task>::new().into());
        Ok(Document::read(self)?.unwrap_or_else(none))
    }
}

/// Who hears of each event that is replayed.
pub type Each<'a> = &'a mut dyn FnMut(&Record, &Changes, &RunState);

/// A run taken up: by who has its lock.
#[derive(Debug)]
pub struct Replayed {
    /// Where each task and the run stand.
    pub state: RunState,
    /// Where more of them go.
    pub log: Log,
}

impl Replayed {
    /// Takes it up with the tasks of its document, each event to `each`. The caller has the run's lock.
    pub fn load(run: &RunDir, each: Each<'_>) -> Result<Self> {
        let mut state = RunState::new(run.document()?.tasks);
        let log = Log::open(run, |record| {
            let changes = state.apply(&record);
            each(&record, &changes, &state);
        })?;
        Ok(Self { state, log })
    }

    /// Nothing of it but these tasks, as if it had just begun: what happens is written beside the events
    /// that can't be read. The caller has the run's lock.
    pub fn aside(run: &RunDir, tasks: Arc<[Task]>) -> Result<Self> {
        Ok(Self {
            state: RunState::new(tasks),
            log: Log::anew(run.closing())?,
        })
    }

    /// One more event: it counts from now on, and is written with the next [`Log::write`].
    pub fn add(&mut self, event: Event, now: Timestamp) -> (Record, Changes) {
        let record = self.log.add(event, now);
        let changes = self.state.apply(&record);
        (record, changes)
    }
}

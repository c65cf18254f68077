//! A run as it goes on, for who watches it: each event is read once.

use std::sync::Arc;

use super::events::parsed;
use super::{Document, RunDir, Seen};
use crate::domain::Result;
use crate::domain::dispatch::{Record, RunState};
use crate::store::growing::Growing;
use crate::sys::fs;

/// A reader of a run that remembers how far it came.
#[derive(Debug)]
pub struct Follower {
    run: RunDir,
    /// The run as far as it was read.
    pub seen: Seen,
    log: Option<Growing>,
    last: u64,
    tasks: Option<Growing>,
}

impl Follower {
    /// A reader that has read nothing yet.
    pub fn new(run: RunDir) -> Self {
        Self {
            seen: Seen {
                document: Document::new(Vec::new(), Arc::new([])),
                state: RunState::new(Arc::new([])),
                dispatcher: None,
            },
            run,
            log: None,
            last: 0,
            tasks: None,
        }
    }

    /// The run that is read.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// Reads on. Every event goes to `each`, with what it made of the run; those too that were read
    /// before, if the tasks have changed or the run began anew.
    pub fn read(&mut self, mut each: impl FnMut(&Record, &RunState)) -> Result<()> {
        self.seen.dispatcher = self.run.dispatcher();
        if !self.is_the_same()? {
            self.begin()?;
        }
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        for line in log.read_on()?.split_inclusive(|byte| *byte == b'\n') {
            let record = parsed(&self.run.events(), self.last + 1, line)?;
            self.last = record.n;
            self.seen.state.apply(&record);
            each(&record, &self.seen.state);
        }
        Ok(())
    }

    /// Whether tasks and events are still in the files that were opened.
    fn is_the_same(&self) -> Result<bool> {
        let files = [
            (&self.tasks, self.run.tasks()),
            (&self.log, self.run.events()),
        ];
        for (opened, path) in files {
            let there = fs::metadata_if_there(&path)?;
            let same = match (opened, there) {
                (Some(opened), Some(there)) => {
                    opened.is(&there) && there.len() >= opened.position()
                }
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<()> {
        // Opened before it is read: one that is replaced meanwhile is so read again.
        self.tasks = Growing::open(&self.run.tasks())?;
        self.seen.document = self.run.document()?;
        self.seen.state = RunState::new(Arc::clone(&self.seen.document.tasks));
        self.log = Growing::open(&self.run.events())?;
        self.last = 0;
        Ok(())
    }
}

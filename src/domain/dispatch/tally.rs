//! What the dispatcher itself has to remember of a run beyond where its tasks stand: also what its
//! events add up to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::event::{AttemptId, Event, Record, SlotRef};

/// What somebody made of an agent pool while the run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolChange {
    /// Whether it takes tasks.
    pub enabled: Option<bool>,
    /// How many runners it has at most.
    pub max_concurrency: Option<u32>,
}

/// The dispatcher's own books.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// The number of the last event.
    pub last: u64,
    /// When that was.
    pub time: Option<Timestamp>,
    /// The highest fencing token that was given out.
    pub token: u64,
    /// How many lines of what people want were taken up.
    pub controls: u64,
    /// Slots that have not been given back, by their attempt.
    pub slots: BTreeMap<AttemptId, SlotRef>,
    /// Agent pools as changed.
    pub pools: BTreeMap<String, PoolChange>,
    /// How the run ended, if nothing has happened since.
    pub ended: Option<u8>,
}

impl Tally {
    /// What follows from one more event.
    pub fn apply(&mut self, record: &Record) {
        self.last = record.n;
        self.time = Some(record.time);
        match &record.event {
            Event::RunStarted { .. } => self.ended = None,
            Event::RunEnded { code } => {
                self.ended = Some(*code);
                // Who was interrupted goes on with them.
                if *code < 128 {
                    self.pools.clear();
                }
            }
            Event::TaskAssigned { attempt, .. } => self.token = self.token.max(attempt.token),
            Event::SlotAllocated { attempt, slot } => {
                self.slots.insert(attempt.clone(), slot.clone());
            }
            Event::SlotReleased { attempt, .. } => {
                self.slots.remove(attempt);
            }
            Event::AgentPoolChanged {
                agent_pool,
                enabled,
                max_concurrency,
            } => {
                let change = self.pools.entry(agent_pool.clone()).or_default();
                change.enabled = enabled.or(change.enabled);
                change.max_concurrency = max_concurrency.or(change.max_concurrency);
            }
            Event::ControlTaken { lines } => self.controls = *lines,
            _ => {}
        }
    }
}

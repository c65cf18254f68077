//! A pool's record: one document with everything about the pool and its slots.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::metrics::Metrics;
use super::names::{PoolName, SlotId};
use super::selection::{self, Keyed};
use super::slot::{Operation, OperationKind, SlotRecord, SlotState};

/// The number of the format that this version writes.
pub const SCHEMA: u32 = 1;

/// How a pool's slots are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// git worktrees of one bare repository.
    #[default]
    Worktree,
    /// Full clones while they are in use.
    Clone,
}

impl Strategy {
    /// Its words, as they are typed.
    pub const WORDS: &'static [&'static str] = &["worktree", "clone"];

    /// The one of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "worktree" => Some(Self::Worktree),
            "clone" => Some(Self::Clone),
            _ => None,
        }
    }
}

/// What the pool knows of its remote, from its own last look at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteState {
    /// The branch that new slots start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// That branch's commit (an object id).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_commit: Option<String>,
    /// When the last successful look ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// When it began, as time since boot, to tell whether it began after somebody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<BootInstant>,
    /// What the remote's branches were last found equal to those in the pool by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
}

/// The remote's branches and those in the pool, in short, when they were the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// A digest of what the remote answered.
    pub answer: String,
    /// A digest of how the files of the pool's refs looked.
    pub refs: String,
}

/// A moment of one boot: comparable within that boot whatever the wall clock does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootInstant {
    /// The boot it belongs to; empty if the system did not tell.
    pub boot_id: String,
    /// Nanoseconds since then.
    pub nanoseconds: u64,
}

impl BootInstant {
    /// Whether `self` is not earlier than `other`; moments of two boots can't be compared.
    pub fn not_before(&self, other: &Self) -> bool {
        self.boot_id == other.boot_id && self.nanoseconds >= other.nanoseconds
    }

    /// The time from `earlier` to this; `None` unless both are known to be of one boot. A clock
    /// that shows less than before is another one, that of a container with an offset.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        let one_boot = self.boot_id == earlier.boot_id && !self.boot_id.is_empty();
        let nanoseconds = self.nanoseconds.checked_sub(earlier.nanoseconds)?;
        one_boot.then(|| Duration::from_nanos(nanoseconds))
    }
}

/// Everything recorded about a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The format's number.
    pub schema: u32,
    /// Its name.
    pub repo_name: PoolName,
    /// The remote's address, without secrets.
    pub repo_url: String,
    /// How its slots are made.
    #[serde(default)]
    pub strategy: Strategy,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this document last changed.
    pub updated_at: Timestamp,
    /// The base branch that was chosen at creation; absent: the remote's HEAD is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Which contents of files its repository was made without, as git writes a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// How many commits of each branch its repository was made with; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Patterns of ignored paths that cleaning leaves, beside those that are configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// How far the pool may grow on demand by itself; absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grows_to: Option<u32>,
    /// Whether it was declared in the settings when it was made, or at some time since: what is
    /// declared no more may be removed, what never was may not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
    /// The repository on this machine that it was made from, if it was named by a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
    /// The remote as last seen.
    #[serde(default)]
    pub remote: RemoteState,
    /// The generation of the last allocation; only ever rises.
    pub generation: u64,
    /// What is being done to the pool as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Whether it was said once that cleaning deletes ignored files, and how to keep them.
    #[serde(default)]
    pub told_of_ignored: bool,
    /// Whether it was said once that cleaning deletes what the set-up makes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told_of_setup: bool,
    /// How allocations went, over the pool's life.
    #[serde(default)]
    pub metrics: Metrics,
    /// The slots, by number.
    pub slots: Vec<SlotRecord>,
}

impl PoolRecord {
    /// The slot with that number.
    pub fn slot(&self, number: u32) -> Option<&SlotRecord> {
        self.slots.iter().find(|slot| slot.number == number)
    }

    /// The same, to be changed.
    pub fn slot_mut(&mut self, number: u32) -> Option<&mut SlotRecord> {
        self.slots.iter_mut().find(|slot| slot.number == number)
    }

    /// A slot's full id.
    pub fn slot_id(&self, number: u32) -> SlotId {
        SlotId::new(&self.repo_name, number)
    }

    /// The `count` lowest numbers that no slot has.
    pub fn free_numbers(&self, count: u32) -> Vec<u32> {
        (1..)
            .filter(|number| self.slot(*number).is_none())
            .take(count as usize)
            .collect()
    }

    /// Adds a slot, keeping the order by number.
    pub fn insert(&mut self, slot: SlotRecord) {
        let at = self
            .slots
            .partition_point(|other| other.number < slot.number);
        self.slots.insert(at, slot);
    }

    /// Takes a slot out of the record.
    pub fn remove(&mut self, number: u32) {
        self.slots.retain(|slot| slot.number != number);
    }

    /// How many slots there are but for those that are being removed.
    pub fn lasting_slots(&self) -> u32 {
        let removed = |slot: &&SlotRecord| {
            let operation = slot.operation.as_ref();
            operation.is_some_and(|operation| operation.kind == OperationKind::Remove)
        };
        self.slots.iter().filter(|slot| !removed(slot)).count() as u32
    }

    /// An operation refused to do its work: its slot is as it was before. While it was given back, its
    /// key may have got another slot; a key leads to one only.
    pub fn go_back(&mut self, number: u32, now: Timestamp) {
        let key = self.slot(number).and_then(|slot| slot.key());
        let passed_on = key.is_some_and(|key| match selection::keyed(self, key) {
            Keyed::Held(other) | Keyed::Coming(other) => other != number,
            Keyed::Free => false,
        });
        let Some(slot) = self.slot_mut(number) else {
            return;
        };
        slot.go_back(now);
        if passed_on && let Some(allocation) = &mut slot.allocation {
            allocation.key = None;
        }
    }

    /// How many slots are in `state`.
    pub fn count(&self, state: SlotState) -> u64 {
        self.slots.iter().filter(|slot| slot.state == state).count() as u64
    }

    /// The next allocation's generation.
    pub fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }
}

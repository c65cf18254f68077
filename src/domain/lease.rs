//! Who holds a slot, for how long, and who may release it: pure rules over observed facts.
//!
//! [`verdict`] has the other half: when a slot may be taken back without being asked for.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::metrics::Measured;
use super::pool::BootInstant;
use super::process::{Liveness, ProcessStamp};

mod verdict;

pub use verdict::{
    Doubt, GRACE, Reason, Verdict, age, holder_state, lease_left, may_take_stale, verdict,
};

/// The most that an allocation's metadata may take, as JSON text, in bytes.
pub const METADATA_MAX: usize = 16 * 1024;

/// The longest label of an owner, key, or reason for an isolation, in bytes: the history repeats
/// them.
pub const LABEL_MAX: usize = 1024;

/// One period in which somebody holds a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// 128 random bits in hex; with `generation`, the fencing token.
    pub id: String,
    /// A counter of the pool that only ever rises.
    pub generation: u64,
    /// When it began.
    pub allocated_at: Timestamp,
    /// The same moment by the clock that nobody can set.
    #[serde(default)]
    pub began: BootInstant,
    /// For how long it was asked for; absent: until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Who holds it, as said by the caller.
    #[serde(default)]
    pub owner: Owner,
    /// The process that called `allocate`: only for the question who may release without an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<ProcessStamp>,
    /// Whether the holder keeps `locks/slot<N>.holder` locked for its life (`exec` does).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holder_lock: bool,
    /// The commit it began at.
    pub commit: String,
    /// The branch it began on.
    pub branch: String,
    /// Whether the branch was asked for by name, and so survives release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_branch: bool,
    /// Whether it was asked for that commit (`--ref`) and not for the base.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_commit: bool,
    /// The caller's own name for what it is for: who asks with it again gets the same slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The caller's own notes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// What it added to the metrics; absent if they are not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

impl Allocation {
    /// When its holder was last heard of: at the last renewal, else when it began.
    pub fn last_sign(&self) -> Moment {
        match self.lease.as_ref().and_then(|lease| lease.renewed.as_ref()) {
            Some(renewed) => renewed.clone(),
            None => Moment {
                at: self.allocated_at,
                boot: self.began.clone(),
            },
        }
    }

    /// When its lease ends, by the wall clock.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let lease = self.lease.as_ref()?;
        self.last_sign().at.checked_add(lease.ttl()).ok()
    }

    /// Extends the lease: it runs for `ttl` from `now` on.
    pub fn renew(&mut self, ttl: Duration, now: Moment) {
        self.lease = Some(Lease {
            renewed: Some(now),
            ..Lease::new(ttl)
        });
    }
}

/// A promise to be heard of again within a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// How long it runs from when it was given or last renewed.
    pub ttl_seconds: f64,
    /// When it was last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Moment>,
}

impl Lease {
    /// A lease that was not renewed yet.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl_seconds: ttl.as_secs_f64(),
            renewed: None,
        }
    }

    /// How long it runs; for ever if what was recorded is no time.
    pub fn ttl(&self) -> Duration {
        Duration::try_from_secs_f64(self.ttl_seconds).unwrap_or(Duration::MAX)
    }
}

/// A moment by both clocks: the one that people read, and the one that nobody can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock's time.
    pub at: Timestamp,
    /// The time since boot.
    pub boot: BootInstant,
}

/// The holder, as recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Owner {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The process that the caller named as owner.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub process: Option<ProcessStamp>,
}

/// The facts about a holder at the moment of asking.
#[derive(Debug, Clone)]
pub struct HolderFacts {
    /// The owner process, if one was named.
    pub owner: Option<Liveness>,
    /// The process that called `allocate`.
    pub caller: Option<Liveness>,
    /// The holder lock, if one was taken: held or not (`None`: can't be told).
    pub holder_lock: Option<bool>,
    /// Whether the owner process is the asking process or one of its ancestors.
    pub owner_is_ours: bool,
    /// The same for the process that called `allocate`.
    pub caller_is_ours: bool,
    /// A process inside the slot, if there is one and somebody looked.
    pub inside: Option<u32>,
    /// The moment of asking.
    pub now: Moment,
}

/// Whether a holder is known to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderState {
    /// Its process or its lock is there.
    Alive,
    /// Provably gone.
    Dead,
    /// Nothing is known that could prove either; such a holder is never robbed.
    Unknown,
}

/// Whether a release may go ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// It may, by an operator's force past this holder: to be logged.
    Forced(String),
    /// It may not: the id that was presented is not the current one.
    WrongId,
    /// It may not: this holder stands against it.
    HeldBy(String),
}

/// Decides who may release, renew or remove, in the order of the specification: the current
/// allocation id always; a wrong one never; without one, unless a holder stands against it.
pub fn may_release(
    allocation: &Allocation,
    presented: Option<&str>,
    facts: &HolderFacts,
    force: bool,
) -> Permission {
    match presented {
        Some(id) if id == allocation.id => return Permission::Granted,
        Some(_) => return Permission::WrongId,
        None => {}
    }
    match stranger(allocation, facts) {
        None => Permission::Granted,
        Some(who) if force => Permission::Forced(who),
        Some(who) => Permission::HeldBy(who),
    }
}

/// The holder that stands against everybody who presents no id: a live one that is neither the
/// asking process nor one of its ancestors. What was *named* as holder protects its slot also
/// where it can't be seen from here; the process that called `allocate` only while it is seen.
fn stranger(allocation: &Allocation, facts: &HolderFacts) -> Option<String> {
    let name = |process: &Option<ProcessStamp>, what: &str| match process {
        Some(stamp) => format!("{what} (pid {})", stamp.pid),
        None => what.to_owned(),
    };
    let alive = |who: String| Some(format!("{who}, which is alive"));
    let unseen = |who: String| {
        Some(format!(
            "{who}; whether it is alive can't be told from here"
        ))
    };
    match facts.owner {
        Some(Liveness::Alive) if !facts.owner_is_ours => {
            return alive(name(&allocation.owner.process, "its owner"));
        }
        Some(Liveness::Unknown) => return unseen(name(&allocation.owner.process, "its owner")),
        _ => {}
    }
    if facts.caller_is_ours {
        return None;
    }
    if facts.caller == Some(Liveness::Alive) {
        return alive(name(&allocation.caller, "the process that allocated it"));
    }
    match (allocation.holder_lock, facts.holder_lock) {
        (true, Some(true)) => alive(name(&allocation.caller, "a running exec")),
        (true, None) => unseen(name(&allocation.caller, "an exec")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

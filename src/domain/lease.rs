//! Who holds a slot, and who may take it from them: pure rules over observed facts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::process::{Liveness, ProcessStamp};

/// The most that an allocation's metadata may take, as JSON text, in bytes.
pub const METADATA_MAX: usize = 16 * 1024;

/// One period in which somebody holds a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// 128 random bits in hex; with `generation`, the fencing token.
    pub id: String,
    /// A counter of the pool that only ever rises.
    pub generation: u64,
    /// When it began.
    pub allocated_at: Timestamp,
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
    /// The caller's own notes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// The holder, as recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The process that the caller named as owner.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub process: Option<ProcessStamp>,
}

/// The facts about a holder at the moment of asking.
#[derive(Debug, Clone, Copy)]
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

/// The state of an allocation's holder. Only what the holder itself named counts: the process that
/// called `allocate` is usually gone at once, and its end means nothing.
pub fn holder_state(allocation: &Allocation, facts: &HolderFacts) -> HolderState {
    if allocation.holder_lock {
        return match facts.holder_lock {
            Some(true) => HolderState::Alive,
            Some(false) => HolderState::Dead,
            None => HolderState::Unknown,
        };
    }
    match facts.owner {
        Some(Liveness::Alive) => HolderState::Alive,
        Some(Liveness::Dead) => HolderState::Dead,
        Some(Liveness::Unknown) | None => HolderState::Unknown,
    }
}

/// Whether a release may go ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// It may, by an operator's force past a live holder: to be logged.
    Forced(String),
    /// It may not; the text names the reason.
    Denied(String),
}

/// Decides who may release, in the order of the specification: the current allocation id always;
/// a wrong one never; without one, unless a live holder stands against it.
pub fn may_release(
    allocation: &Allocation,
    presented: Option<&str>,
    facts: &HolderFacts,
    force: bool,
) -> Permission {
    match presented {
        Some(id) if id == allocation.id => return Permission::Granted,
        Some(id) => {
            return Permission::Denied(format!(
                "allocation {} is not the current one of this slot",
                id.escape_debug()
            ));
        }
        None => {}
    }
    match live_stranger(allocation, facts) {
        None => Permission::Granted,
        Some(who) if force => Permission::Forced(who),
        Some(who) => Permission::Denied(format!(
            "it is held by {who}, which is alive; an operator gets past that with --force"
        )),
    }
}

/// The live holder that is neither the asking process nor one of its ancestors.
fn live_stranger(allocation: &Allocation, facts: &HolderFacts) -> Option<String> {
    let name = |process: &Option<ProcessStamp>, what: &str| match process {
        Some(stamp) => format!("{what} (pid {})", stamp.pid),
        None => what.to_owned(),
    };
    if facts.owner == Some(Liveness::Alive) && !facts.owner_is_ours {
        return Some(name(&allocation.owner.process, "its owner"));
    }
    if facts.caller == Some(Liveness::Alive) && !facts.caller_is_ours {
        return Some(name(&allocation.caller, "the process that allocated it"));
    }
    if facts.holder_lock == Some(true) && !facts.caller_is_ours {
        return Some(name(&allocation.owner.process, "a running exec"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(holder_lock: bool) -> Allocation {
        Allocation {
            id: "a".repeat(32),
            generation: 1,
            allocated_at: Timestamp::UNIX_EPOCH,
            owner: Owner::default(),
            caller: None,
            holder_lock,
            commit: String::new(),
            branch: String::new(),
            named_branch: false,
            metadata: Map::new(),
        }
    }

    const NOBODY: HolderFacts = HolderFacts {
        owner: None,
        caller: None,
        holder_lock: None,
        owner_is_ours: false,
        caller_is_ours: false,
    };

    #[test]
    fn the_right_id_always_releases_and_a_wrong_one_never() {
        let held = allocation(false);
        let alive = HolderFacts {
            owner: Some(Liveness::Alive),
            ..NOBODY
        };
        assert_eq!(
            may_release(&held, Some(&held.id), &alive, false),
            Permission::Granted
        );
        assert!(matches!(
            may_release(&held, Some("b"), &NOBODY, false),
            Permission::Denied(_)
        ));
    }

    #[test]
    fn a_live_stranger_is_protected_but_not_from_an_operator() {
        let held = allocation(false);
        let alive = HolderFacts {
            caller: Some(Liveness::Alive),
            ..NOBODY
        };
        assert!(matches!(
            may_release(&held, None, &alive, false),
            Permission::Denied(_)
        ));
        assert!(matches!(
            may_release(&held, None, &alive, true),
            Permission::Forced(_)
        ));
        let ours = HolderFacts {
            caller_is_ours: true,
            ..alive
        };
        assert_eq!(may_release(&held, None, &ours, false), Permission::Granted);
    }

    #[test]
    fn only_what_the_holder_named_can_prove_its_death() {
        let gone = HolderFacts {
            caller: Some(Liveness::Dead),
            ..NOBODY
        };
        assert_eq!(
            holder_state(&allocation(false), &gone),
            HolderState::Unknown
        );
        let owner_gone = HolderFacts {
            owner: Some(Liveness::Dead),
            ..NOBODY
        };
        assert_eq!(
            holder_state(&allocation(false), &owner_gone),
            HolderState::Dead
        );
        let unlocked = HolderFacts {
            holder_lock: Some(false),
            ..NOBODY
        };
        assert_eq!(
            holder_state(&allocation(true), &unlocked),
            HolderState::Dead
        );
        assert_eq!(
            holder_state(&allocation(true), &NOBODY),
            HolderState::Unknown
        );
    }
}

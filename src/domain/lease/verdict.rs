//! When a slot may be taken back although nobody released it. The one decision behind `allocate`,
//! `recover`, `status` and the explanation of exhaustion.
//!
//! A holder is dead when everything it named proves it: its lock is free, its process is gone. A
//! slot may be taken back when its holder is dead, or when its lease ran out and no process was
//! named that could tell more; and not before a grace period has passed since the holder was last
//! heard of; and never while a process is inside. What nothing proves is for a person to judge.
//!
//! The grace period has different work to do:
//! - a lease is kept by renewals, which come late at times: it gets the period on top;
//! - a named process may be one that ends at once by mistake (a shell that only ran one command):
//!   its slot stays for the period after the allocation or renewal, and `status` says why;
//! - a holder lock needs none: it is taken before the allocation is recorded and is held until the
//!   holder has ended, so a free one can be nothing else, and nobody can have named it by mistake.
//!
//! Within a boot everything is measured by the clock that nobody can set. Across boots the wall
//! clock has to do for leases, and then the period also counts from the start of the machine, so
//! that holders elsewhere get the time to renew.

use std::fmt;
use std::time::Duration;

use super::{Allocation, HolderFacts, HolderState, Moment, Permission, may_release};
use crate::domain::process::Liveness;

/// How long a slot stays after its holder was last heard of, or after the end of its lease.
pub const GRACE: Duration = Duration::from_secs(10);

/// What speaks against a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is provably gone.
    HolderGone,
    /// Its lease ran out.
    LeaseRanOut,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HolderGone => "its holder is gone",
            Self::LeaseRanOut => "its lease ran out",
        })
    }
}

/// What speaks against taking a slot back all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// This process is inside.
    Inside(u32),
    /// The process or lock that was named can't be seen from here.
    Unseen,
    /// The clocks do not tell how much time has passed.
    Clock,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside(pid) => write!(f, "pid {pid} is inside"),
            Self::Unseen => f.write_str("whether its holder is alive can't be told from here"),
            Self::Clock => f.write_str("the clock was set back, so nobody can tell for how long"),
        }
    }
}

/// What may be done about an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: nothing speaks against its holder.
    Held,
    /// It may be taken back, but only after this much more time.
    NotYet(Reason, Duration),
    /// It may be taken back.
    Reclaimable(Reason),
    /// A person has to judge.
    Doubtful(Reason, Doubt),
}

/// The state of an allocation's holder. Only what the holder itself named counts, and all of it:
/// one sign of life is enough. The process that called `allocate` is usually gone at once, and its
/// end means nothing.
pub fn holder_state(allocation: &Allocation, facts: &HolderFacts) -> HolderState {
    let lock = allocation.holder_lock.then_some(match facts.holder_lock {
        Some(true) => Liveness::Alive,
        Some(false) => Liveness::Dead,
        None => Liveness::Unknown,
    });
    match (lock, facts.owner) {
        (Some(Liveness::Alive), _) | (_, Some(Liveness::Alive)) => HolderState::Alive,
        (Some(Liveness::Unknown), _) | (_, Some(Liveness::Unknown)) | (None, None) => {
            HolderState::Unknown
        }
        (Some(Liveness::Dead) | None, Some(Liveness::Dead) | None) => HolderState::Dead,
    }
}

/// Whether the slot may be taken back.
pub fn verdict(allocation: &Allocation, facts: &HolderFacts) -> Verdict {
    let verdict = match holder_state(allocation, facts) {
        HolderState::Alive => Verdict::Held,
        HolderState::Dead => dead(allocation, facts),
        HolderState::Unknown => leased(allocation, facts),
    };
    match (verdict, facts.inside) {
        (Verdict::Reclaimable(reason), Some(pid)) => Verdict::Doubtful(reason, Doubt::Inside(pid)),
        (verdict, _) => verdict,
    }
}

fn dead(allocation: &Allocation, facts: &HolderFacts) -> Verdict {
    let grace = match facts.owner {
        Some(_) => GRACE,
        None => Duration::ZERO,
    };
    // Since another boot, at least this machine's time up has passed, whatever the wall clock says.
    let boot = &facts.now.boot;
    let passed = boot
        .since(&allocation.last_sign().boot)
        .unwrap_or(Duration::from_nanos(boot.nanoseconds));
    after(Reason::HolderGone, grace.saturating_sub(passed))
}

fn leased(allocation: &Allocation, facts: &HolderFacts) -> Verdict {
    let Some(lease) = &allocation.lease else {
        return Verdict::Held;
    };
    let reason = Reason::LeaseRanOut;
    let Some(passed) = silence(allocation, &facts.now) else {
        return Verdict::Doubtful(reason, Doubt::Clock);
    };
    if passed < lease.ttl() {
        return Verdict::Held;
    }
    // A named process or lock that can't be seen may well be alive.
    if facts.owner.is_some() || allocation.holder_lock {
        return Verdict::Doubtful(reason, Doubt::Unseen);
    }
    let late = lease.ttl().saturating_add(GRACE).saturating_sub(passed);
    let boot = &facts.now.boot;
    let started = match boot.since(&allocation.last_sign().boot) {
        Some(_) => Duration::ZERO,
        None => GRACE.saturating_sub(Duration::from_nanos(boot.nanoseconds)),
    };
    after(reason, late.max(started))
}

/// How long the lease runs on; zero if it ran out, `None` if there is none.
pub fn lease_left(allocation: &Allocation, now: &Moment) -> Option<Duration> {
    let lease = allocation.lease.as_ref()?;
    let passed = silence(allocation, now).unwrap_or(Duration::MAX);
    Some(lease.ttl().saturating_sub(passed))
}

/// The time since the holder was last heard of. Across boots by the wall clock; `None` if that was
/// set back, or if a machine does not even say which boot it is in: it can't be trusted with more.
fn silence(allocation: &Allocation, now: &Moment) -> Option<Duration> {
    let sign = allocation.last_sign();
    let known = !sign.boot.boot_id.is_empty() && !now.boot.boot_id.is_empty();
    let by_wall = || Duration::try_from(now.at.duration_since(sign.at)).ok();
    now.boot
        .since(&sign.boot)
        .or_else(|| known.then(by_wall).flatten())
}

fn after(reason: Reason, left: Duration) -> Verdict {
    match left.is_zero() {
        true => Verdict::Reclaimable(reason),
        false => Verdict::NotYet(reason, left),
    }
}

/// For how long the slot has been held, by the clock that nobody can set as far as it reaches.
pub fn age(allocation: &Allocation, now: &Moment) -> Duration {
    now.boot.since(&allocation.began).unwrap_or_else(|| {
        Duration::try_from(now.at.duration_since(allocation.allocated_at)).unwrap_or_default()
    })
}

/// Whether an operator who releases what was held for longer than `stale_after` may have this one:
/// it takes what anybody may release without an id, that nobody is inside, and that no lease runs.
pub fn may_take_stale(allocation: &Allocation, facts: &HolderFacts, stale_after: Duration) -> bool {
    let leased = allocation.lease.is_some() && verdict(allocation, facts) == Verdict::Held;
    age(allocation, &facts.now) > stale_after
        && facts.inside.is_none()
        && !leased
        && may_release(allocation, None, facts, false) == Permission::Granted
}

#[cfg(test)]
mod tests;

//! What agents have left in what all slots share. What no slot works with is put right at once;
//! the rest only while no slot is allocated, since a holder may count on it.

use super::Request;
use super::reconcile::Step;
use crate::domain::Result;
use crate::domain::outcome::{FindingAction, FindingKind};
use crate::domain::pool::PoolRecord;
use crate::domain::slot::SlotState;
use crate::git::shared::{self, Fault};
use crate::pool::Pool;
use crate::pool::shared::put_right;

/// What was seen of it.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// What is not as the pool made it.
    pub faults: Vec<Fault>,
    /// Whether a slot is allocated.
    pub held: bool,
}

/// Looks at it.
pub fn observe(pool: &Pool<'_>, record: &PoolRecord) -> Result<Shared> {
    Ok(Shared {
        faults: shared::look(&pool.git, &pool.paths.repository())?,
        held: is_held(record),
    })
}

fn is_held(record: &PoolRecord) -> bool {
    let mut slots = record.slots.iter();
    slots.any(|slot| !matches!(slot.state, SlotState::Available | SlotState::Error))
}

/// What to do about it.
pub fn steps(shared: &Shared, request: &Request) -> Vec<Step> {
    let step = |fault: &Fault| {
        let now = may_repair(fault, shared.held, request);
        let until = if now {
            ""
        } else {
            "; put right once no slot is allocated, or by --force"
        };
        Step {
            kind: FindingKind::ChangedConfig,
            action: if now {
                FindingAction::Repair
            } else {
                FindingAction::Report
            },
            slot: None,
            path: None,
            detail: format!("{fault}{until}"),
        }
    };
    shared.faults.iter().map(step).collect()
}

fn may_repair(fault: &Fault, held: bool, request: &Request) -> bool {
    fault.is_vital() || !held || request.force
}

/// Puts right what may be, as it is now.
pub fn repair(pool: &Pool<'_>, request: &Request) -> Result<()> {
    put_right(pool, |fault, record| {
        may_repair(fault, is_held(record), request)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_holder_may_count_on_waits_for_its_end() {
        let planted = Fault::Obeyed("/p/hooks".into());
        let actions = |held, force| -> Vec<FindingAction> {
            let shared = Shared {
                faults: vec![Fault::Broken, planted.clone()],
                held,
            };
            let request = Request {
                force,
                ..Request::default()
            };
            steps(&shared, &request)
                .iter()
                .map(|step| step.action)
                .collect()
        };
        use FindingAction::{Repair, Report};
        assert_eq!(actions(false, false), [Repair, Repair]);
        assert_eq!(actions(true, false), [Repair, Report]);
        assert_eq!(actions(true, true), [Repair, Repair]);
    }
}

//! Finding what is wrong and putting it right: [`observe`] looks, [`reconcile`] decides (pure),
//! [`repair`] acts.
//!
//! `--dry-run` stops after the second step, so it prints the very plan that the real run carries
//! out. Everything that is repaired is checked again under the slot's lock, since the look took
//! none.

pub mod config;
pub mod observe;
pub mod reconcile;
pub mod record;
pub mod repair;
pub mod strays;

use std::collections::BTreeSet;
use std::time::Duration;

use self::reconcile::Step;
use crate::domain::Result;
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::domain::slot::OperationKind;
use crate::pool::{Context, Pool, anew, create, parallel, rescues};
use crate::sys::remove;

/// How often is looked again, since a repair can bring something else to light: what was under way
/// hides what it left behind.
const ROUNDS: usize = 4;

/// What `recover` is to do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The pool's name, as it is typed.
    pub pool: String,
    /// Only this slot.
    pub slot: Option<u32>,
    /// Only say it.
    pub dry_run: bool,
    /// Only these kinds; empty for all.
    pub only: Vec<FindingKind>,
    /// Allocations older than this are stale.
    pub stale_after: Duration,
    /// Give stale allocations back.
    pub release_stale: bool,
    /// Rebuild what does not verify.
    pub force: bool,
}

impl Request {
    /// Whether findings of that kind are asked for.
    pub fn wants(&self, kind: FindingKind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }
}

/// Looks at one pool, and repairs it unless only a look was asked for.
pub fn recover(pool: &Pool<'_>, request: &Request) -> Result<Vec<Finding>> {
    pool.workspace.locks().check()?;
    let mut findings = Vec::new();
    if record::is_unreadable(pool) {
        findings.push(record::rebuild(pool, request.dry_run)?);
        if request.dry_run {
            return Ok(findings);
        }
    }
    crate::store::document::check_writable(&pool.paths.record(), pool.read()?.schema)?;
    if pool.read()?.operation.is_some() {
        return unfinished_pool(pool, request);
    }
    if let Some(renewal) = unfinished_renewal(pool, request)? {
        findings.push(renewal);
        if request.dry_run {
            return Ok(findings);
        }
    }
    for _ in 0..ROUNDS {
        let facts = observe::observe(pool, &pool.read()?, request)?;
        let mut plan = reconcile::reconcile(&facts, request);
        plan.retain(|step| {
            !findings
                .iter()
                .any(|known| reconcile::is_about(step, known, &pool.name))
        });
        if plan.is_empty() {
            break;
        }
        findings.extend(match request.dry_run {
            true => plan.iter().map(|step| told(pool, step)).collect(),
            false => carry_out(pool, &plan, request),
        });
        if request.dry_run {
            break;
        }
    }
    if !request.dry_run && request.only.is_empty() {
        rescues::expire_on_the_way(pool)?;
    }
    Ok(findings)
}

fn told(pool: &Pool<'_>, step: &Step) -> Finding {
    reconcile::finding(pool.name.as_str(), step)
}

/// Carries a plan out in its order, but for steps that are about a slot each: those that stand
/// together are taken several at a time.
fn carry_out(pool: &Pool<'_>, plan: &[Step], request: &Request) -> Vec<Finding> {
    let jobs = parallel::jobs(pool.settings.jobs);
    let mut findings = Vec::new();
    for steps in independent(plan) {
        findings.extend(parallel::each(steps, jobs, |step| {
            repair::carry_out(pool, step, told(pool, step), request)
        }));
    }
    findings
}

/// The plan in parts, each of which is either one step or steps about slots of which none is named
/// twice.
fn independent(mut plan: &[Step]) -> Vec<&[Step]> {
    let mut parts = Vec::new();
    while !plan.is_empty() {
        let mut seen = BTreeSet::new();
        let alone = |step: &&Step| step.slot.is_some_and(|number| seen.insert(number));
        let length = plan.iter().take_while(alone).count().max(1);
        let (part, rest) = plan.split_at(length);
        parts.push(part);
        plan = rest;
    }
    parts
}

/// What killed commands left in the workspace itself: pools that were never made, or are half
/// deleted.
pub fn workspace_leftovers(
    context: &Context<'_>,
    dry_run: bool,
    only: &[FindingKind],
) -> Result<Vec<Finding>> {
    if !only.is_empty() && !only.contains(&FindingKind::Leftover) {
        return Ok(Vec::new());
    }
    // Makers work on what they have under this lock; what they do after it has a pool's name.
    let _lock = context.workspace.lock()?;
    let mut findings = Vec::new();
    for path in context.workspace.leftovers()? {
        let mut finding = Finding {
            kind: FindingKind::Leftover,
            slot_id: None,
            repo_name: String::new(),
            action: FindingAction::Remove,
            result: FindingResult::Planned,
            detail: format!("left by a killed command: {}", path.display()),
        };
        if !dry_run {
            finding.result = match remove::remove_tree(&path) {
                Ok(()) => FindingResult::Done,
                Err(_) => FindingResult::Failed,
            };
        }
        findings.push(finding);
    }
    Ok(findings)
}

/// A repository that was being made anew by a command that was killed.
fn unfinished_renewal(pool: &Pool<'_>, request: &Request) -> Result<Option<Finding>> {
    let under_way = crate::sys::lock::is_locked(&pool.paths.fetch_lock()) == Some(true);
    if under_way || !pool.paths.anew().exists() {
        return Ok(None);
    }
    let mut finding = Finding {
        kind: FindingKind::UnfinishedOperation,
        slot_id: None,
        repo_name: pool.name.to_string(),
        action: match anew::is_exchanged(pool)? {
            true => FindingAction::Complete,
            false => FindingAction::Undo,
        },
        result: FindingResult::Planned,
        detail: "making the pool's repository anew was interrupted".into(),
    };
    if !request.dry_run {
        anew::settle(pool)?;
        finding.result = FindingResult::Done;
    }
    Ok(Some(finding))
}

/// A pool whose making was killed is taken away; one that is still being made is waited for.
fn unfinished_pool(pool: &Pool<'_>, request: &Request) -> Result<Vec<Finding>> {
    let making = crate::sys::lock::is_locked(&pool.paths.fetch_lock());
    if making == Some(true) {
        return Ok(Vec::new());
    }
    let operation = pool.read()?.operation;
    let (action, verb) = match operation.map(|operation| operation.kind) {
        Some(OperationKind::Remove) => (FindingAction::Complete, "removing"),
        _ => (FindingAction::Undo, "making"),
    };
    let mut finding = Finding {
        kind: FindingKind::UnfinishedOperation,
        slot_id: None,
        repo_name: pool.name.to_string(),
        action,
        result: FindingResult::Planned,
        detail: format!("{verb} the pool was interrupted"),
    };
    if !request.dry_run {
        // Waiting for a maker that is gone takes the pool away.
        finding.result = match create::await_made(pool) {
            Ok(_) | Err(crate::domain::Error::PoolNotFound(_)) => FindingResult::Done,
            Err(other) => return Err(other),
        };
    }
    Ok(vec![finding])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_about_different_slots_may_be_taken_together() {
        let step = |slot| Step {
            kind: FindingKind::DamagedSlot,
            action: FindingAction::Repair,
            slot,
            path: None,
            detail: String::new(),
        };
        let plan = [None, Some(1), Some(2), Some(1), None, None].map(step);
        let lengths: Vec<usize> = independent(&plan).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [1, 2, 1, 1, 1]);
        assert!(independent(&[]).is_empty());
    }
}

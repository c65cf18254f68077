//! What is shown of pools and slots. Takes no lock.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::SignedDuration;

use super::{Context, Pool, holder, parallel, ports, queue};
use crate::domain::lease::{self, Allocation, HolderState, Verdict};
use crate::domain::metrics::Metrics;
use crate::domain::names::PoolName;
use crate::domain::outcome::{
    Determined, OperationView, OwnerView, PoolSummary, PoolView, ReclaimView, SlotView, Summary,
    WaitingView,
};
use crate::domain::pool::PoolRecord;
use crate::domain::slot::{Operation, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::parse::Head;
use crate::git::refs;
use crate::store;
use crate::sys::lock::HeldLocks;
use crate::sys::{clock, disk};

/// The commits of the branches that slots are on. git is asked only for those that no file of their
/// own holds, and once.
struct Branches<'a> {
    pool: &'a Pool<'a>,
    packed: OnceLock<BTreeMap<String, String>>,
}

impl<'a> Branches<'a> {
    fn of(pool: &'a Pool<'a>) -> Self {
        Self {
            pool,
            packed: OnceLock::new(),
        }
    }

    fn commit(&self, name: &str) -> Option<String> {
        let loose = refs::loose(&self.pool.paths.repository(), name);
        loose.ok().flatten().or_else(|| {
            let all = self.packed.get_or_init(|| self.all());
            all.get(name).cloned()
        })
    }

    fn all(&self) -> BTreeMap<String, String> {
        let found = refs::list(
            &self.pool.git,
            &self.pool.paths.repository(),
            &["refs/heads"],
        );
        let found = found.unwrap_or_default().into_iter();
        found
            .map(|reference| (reference.name, reference.oid))
            .collect()
    }
}

/// A slot as recorded, without asking git or the disk.
pub fn recorded(pool: &Pool<'_>, record: &PoolRecord, slot: &SlotRecord) -> SlotView {
    let allocation = slot.allocation.as_ref();
    let lease = allocation.and_then(|allocation| allocation.lease.as_ref());
    SlotView {
        slot_id: pool.slot_id(slot.number).to_string(),
        repo_name: record.repo_name.to_string(),
        repo_url: record.repo_url.clone(),
        slot_path: pool.paths.slot(slot.number).display().to_string(),
        state: slot.state,
        verified: slot.is_verified(),
        parked: slot.is_verified(),
        created_at: slot.created_at,
        updated_at: slot.updated_at,
        last_allocated_at: slot.last_allocated_at,
        last_released_at: slot.last_released_at,
        allocation_count: slot.allocation_count,
        total_usage_seconds: slot.total_usage_seconds,
        current_branch: allocation.map(|allocation| Some(allocation.branch.clone())),
        current_commit: slot.commit.clone().map(Some),
        metadata: allocation
            .map(|allocation| allocation.metadata.clone())
            .unwrap_or_default(),
        allocation_id: allocation.map(|allocation| allocation.id.clone()),
        key: allocation.and_then(|allocation| allocation.key.clone()),
        generation: allocation.map(|allocation| allocation.generation),
        allocated_at: allocation.map(|allocation| allocation.allocated_at),
        ttl_seconds: lease.map(|lease| lease.ttl_seconds),
        renewed_at: lease.and_then(|lease| Some(lease.renewed.as_ref()?.at)),
        expires_at: allocation.and_then(Allocation::expires_at),
        owner: allocation.map(|allocation| OwnerView {
            owner: allocation.owner.clone(),
            liveness: None,
            caller_pid: allocation.caller.as_ref().map(|process| process.pid),
            ..OwnerView::default()
        }),
        reclaim: None,
        error: slot.error.clone(),
        operation: slot.operation.as_ref().map(operation),
        is_locked: None,
        disk_usage_bytes: None,
        numbers: None,
        environment: None,
        details: None,
    }
}

/// One slot's lock and its holder as they are now. No process is started for that.
pub fn holder_of(pool: &Pool<'_>, record: &PoolRecord, slot: &SlotRecord) -> SlotView {
    let locks = HeldLocks::now(&pool.paths.locks());
    current(pool, record, slot, &locks)
}

/// Adds to the view of one slot what takes longer: HEAD as git has it, its disk use.
pub fn look_into(pool: &Pool<'_>, slot: &SlotRecord, view: &mut SlotView) {
    (view.current_branch, view.current_commit) = head(pool, slot.number, &Branches::of(pool));
    let jobs = parallel::jobs(pool.settings.jobs);
    view.disk_usage_bytes = Some(disk::of_tree(&pool.worktree(slot.number).path, jobs));
    // Numbers that can't be read are told of by who needs them.
    view.numbers = ports::known(pool, slot.number).ok().flatten();
}

/// A slot's lock and its holder as they are now.
fn current(pool: &Pool<'_>, record: &PoolRecord, slot: &SlotRecord, locks: &HeldLocks) -> SlotView {
    let mut view = recorded(pool, record, slot);
    view.is_locked = Some(locks.is_locked(&pool.paths.slot_lock(slot.number)));
    if let (Some(owner), Some(allocation)) = (&mut view.owner, &slot.allocation) {
        let facts = holder::facts(pool, slot.number, allocation);
        owner.liveness = Some(match lease::holder_state(allocation, &facts) {
            HolderState::Alive => "alive",
            HolderState::Dead => "dead",
            HolderState::Unknown => "unknown",
        });
        if slot.state == SlotState::Allocated {
            view.reclaim = reclaim(holder::verdict_by(pool, slot.number, allocation, &facts));
        }
    }
    view
}

fn reclaim(verdict: Verdict) -> Option<ReclaimView> {
    let (verdict, reason, left) = match verdict {
        Verdict::Held => return None,
        Verdict::NotYet(reason, left) => ("not_yet", reason.to_string(), Some(left)),
        Verdict::Reclaimable(reason) => ("reclaimable", reason.to_string(), None),
        Verdict::Doubtful(reason, doubt) => ("doubtful", format!("{reason}, but {doubt}"), None),
    };
    Some(ReclaimView {
        verdict,
        reason,
        after_seconds: left.map(|left| left.as_secs_f64()),
    })
}

/// Branch and commit, read from the registration: no git process per slot.
fn head(
    pool: &Pool<'_>,
    number: u32,
    branches: &Branches<'_>,
) -> (Determined<String>, Determined<String>) {
    let worktree = pool.worktree(number);
    match worktree.head() {
        Ok(Some(Head::Detached(oid))) => (None, Some(Some(oid))),
        Ok(Some(Head::Symbolic(name))) => {
            let own = worktree.own_repository().ok().flatten();
            let commit = match own {
                Some(_) => worktree.own_ref(&name).ok().flatten(),
                None => branches.commit(&name),
            };
            let short = name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned();
            (Some(Some(short)), Some(commit))
        }
        Ok(None) | Err(_) => (Some(None), Some(None)),
    }
}

fn operation(operation: &Operation) -> OperationView {
    OperationView {
        kind: operation.kind.to_string(),
        started_at: operation.started_at,
        pid: operation.process.as_ref().map(|process| process.pid),
    }
}

/// A pool with its slots. A verified slot is shown as recorded: nobody can have moved its HEAD unseen,
/// which is looked at before it is handed out.
pub fn pool(pool: &Pool<'_>, record: &PoolRecord, with_disk: bool) -> PoolView {
    let locks = HeldLocks::now(&pool.paths.locks());
    let branches = Branches::of(pool);
    let mut view = PoolView {
        repo_name: record.repo_name.to_string(),
        repo_url: record.repo_url.clone(),
        strategy: record.strategy,
        filter: record.filter.clone(),
        depth: record.depth,
        keep: pool.keep().to_vec(),
        num_slots: record.slots.len() as u64,
        created_at: record.created_at,
        updated_at: record.updated_at,
        base_branch: record.remote.base_branch.clone(),
        base_commit: record.remote.base_commit.clone(),
        fetched_at: record.remote.fetched_at,
        is_locked: Some(locks.is_locked(&pool.paths.pool_lock())),
        disk_usage_bytes: None,
        repository_bytes: None,
        waiting: waiting(pool),
        summary: summary(record),
        slots: record
            .slots
            .iter()
            .map(|slot| {
                let mut view = current(pool, record, slot, &locks);
                if !slot.is_verified() {
                    (view.current_branch, view.current_commit) = head(pool, slot.number, &branches);
                }
                view
            })
            .collect(),
    };
    if with_disk {
        measure(pool, record, &mut view);
    }
    view
}

/// A line that can't be read is not shown.
fn waiting(pool: &Pool<'_>) -> Option<WaitingView> {
    let (count, waited) = queue::waiting(pool).ok().flatten()?;
    let waited = SignedDuration::try_from(waited).ok()?;
    Some(WaitingView {
        count,
        since: clock::now().checked_sub(waited).ok()?,
    })
}

/// What the pool takes on disk as a whole, and of that its repository and each slot.
fn measure(pool: &Pool<'_>, record: &PoolRecord, view: &mut PoolView) {
    let mut trees = vec![pool.paths.root.clone(), pool.paths.repository()];
    let slots = record.slots.iter();
    trees.extend(slots.map(|slot| pool.worktree(slot.number).path));
    let usage = disk::usage(&trees, parallel::jobs(pool.settings.jobs));
    view.disk_usage_bytes = Some(usage.total);
    view.repository_bytes = usage.trees.get(1).copied();
    for (slot, bytes) in view.slots.iter_mut().zip(&usage.trees[2..]) {
        slot.disk_usage_bytes = Some(*bytes);
    }
}

/// All pools, with their counts. One that can't be read is shown with the reason.
pub fn pools(context: &Context<'_>, with_disk: bool) -> Result<Vec<PoolSummary>> {
    let names = context.workspace.pool_names()?;
    let summaries = names
        .iter()
        .map(|name| match summarised(context, name, with_disk) {
            // It was removed meanwhile.
            Err(Error::PoolNotFound(_)) => Ok(None),
            other => other.map(Some),
        });
    summaries.filter_map(Result::transpose).collect()
}

fn summarised(context: &Context<'_>, name: &PoolName, with_disk: bool) -> Result<PoolSummary> {
    let (record, error) = match store::pool::read(&context.workspace, name) {
        Ok(record) => (Some(record), None),
        Err(error @ Error::Failed { .. }) => (None, Some(error.to_string())),
        Err(other) => return Err(other),
    };
    Ok(PoolSummary {
        repo_name: name.to_string(),
        repo_url: record
            .as_ref()
            .map(|record| record.repo_url.clone())
            .unwrap_or_default(),
        summary: record.as_ref().map(summary).unwrap_or_default(),
        operation: record
            .as_ref()
            .and_then(|record| record.operation.as_ref())
            .map(operation),
        disk_usage_bytes: with_disk.then(|| {
            let settings = context.config.settings(Some(name.as_str()), &context.flags);
            let root = context.workspace.pool(name).root;
            disk::of_tree(&root, parallel::jobs(settings.jobs))
        }),
        error,
    })
}

/// The counts of a pool (5.4, 5.5).
pub fn summary(record: &PoolRecord) -> Summary {
    counts(
        &record.metrics,
        |state| record.count(state),
        record.slots.len() as u64,
    )
}

fn counts(metrics: &Metrics, count: impl Fn(SlotState) -> u64, total: u64) -> Summary {
    Summary {
        total_slots: total,
        available_slots: count(SlotState::Available),
        allocated_slots: count(SlotState::Allocated),
        cleaning_slots: count(SlotState::Cleaning),
        error_slots: count(SlotState::Error),
        total_allocations: metrics.allocations,
        average_allocation_time_seconds: metrics.average_seconds(),
        p50_allocation_time_seconds: metrics.percentile_seconds(0.50),
        p95_allocation_time_seconds: metrics.percentile_seconds(0.95),
        p99_allocation_time_seconds: metrics.percentile_seconds(0.99),
        cache_hit_rate: metrics.hit_rate(),
        failed_allocations: metrics.failed,
    }
}

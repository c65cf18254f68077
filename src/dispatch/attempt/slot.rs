//! The slot of an attempt: had from the pool for it, and given back to it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Left, Plan, Returned, Workshop, base, branch, ends, taken};
use crate::dispatch::launcher::Ground;
use crate::domain::dispatch::advice::of_run;
use crate::domain::dispatch::event::SlotRef;
use crate::domain::dispatch::standstill::quoted;
use crate::domain::dispatch::{Base, End, EndClass};
use crate::domain::lease::Owner;
use crate::domain::names::PoolName;
use crate::domain::selection::{self, Choice};
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::pool::acquire::{self, Request};
use crate::pool::fetch::Freshness;
use crate::pool::find::{self, FoundPool};
use crate::pool::first_use::GROWS_TO;
use crate::pool::{Pool, claim, release};
use crate::store::pool as store;
use crate::sys::liveness;
use crate::sys::lock::FileLock;

/// How long a slot that is on its way back is waited for without a place in the pool's line.
const NEARLY_BACK: Duration = Duration::from_secs(1);

/// How long an attempt stands in the pool's line that only asks whether there is a slot.
const IN_LINE: Duration = Duration::from_secs(1);

/// Why there is no slot.
pub enum NoSlot {
    /// None is free: later there may be.
    None {
        /// The repository.
        pool: String,
        /// The task's branch, if that is what it can't have for now.
        branch: Option<String>,
        /// In the pool's words.
        reason: String,
    },
    /// A person has to decide something first.
    Question {
        /// What.
        question: String,
        /// The command that answers it.
        command: String,
    },
    /// The attempt is over before it has begun.
    Failed(End),
}

impl NoSlot {
    /// For this reason.
    pub fn of(repo: &str, error: Error) -> Self {
        let reason = error.reason();
        match error {
            Error::Interrupted(_) => Self::Failed(ends::not_started(ends::CALLED_OFF)),
            Error::NoAvailableSlot { .. } | Error::LockTimeout { .. } => Self::None {
                pool: repo.to_owned(),
                branch: None,
                reason,
            },
            Error::PoolNotFound(_)
            | Error::NoSuchRevision { .. }
            | Error::Usage { .. }
            | Error::Config { .. } => Self::Failed(ends::failed(EndClass::Configuration, &error)),
            _ => Self::Failed(ends::failed(ends::broken(&error), &error)),
        }
    }
}

/// A slot that an attempt has.
pub struct Held<'a> {
    pool: Pool<'a>,
    /// What events say of it.
    pub slot: SlotRef,
    /// Its directory.
    pub path: PathBuf,
    /// Held for as long as the slot is; none if a runner that was adopted holds it.
    pub holder: Option<FileLock>,
}

/// Has a slot handed out for an attempt.
pub fn allocate<'a>(
    workshop: &Workshop<'a>,
    plan: &Plan,
    repo: &str,
    ground: Ground,
) -> std::result::Result<Held<'a>, NoSlot> {
    let of = |error| NoSlot::of(repo, error);
    let found = find::pool_or_create(workshop.context, repo).map_err(of)?;
    let branch = plan.task.branch_name().into_owned();
    let start = start(workshop, &found.pool, plan, repo)?;
    let repository = found.pool.paths.repository();
    let before = plan.id.attempt.saturating_sub(1);
    // Nothing is moved or kept of a branch that somebody works on.
    if let Err(error) = claim::branch_is_free(&found.pool, &found.record, &branch, None)
        && let waits @ NoSlot::None { .. } =
            taken::refused(workshop, &found.pool, plan, repo, error)
    {
        return Err(waits);
    }
    let commit = start
        .as_ref()
        .filter(|_| !matches!(plan.task.base, Base::Ref(_)));
    let begin = commit.or(found.record.remote.base_commit.as_ref());
    let cleared =
        branch::clear(&found.pool.git, &repository, &branch, before, begin).map_err(of)?;
    // Who asks for a branch that the remote has gets that one; a task begins at its base.
    let start = start.or_else(|| {
        let base = found.record.remote.base_branch.clone();
        base.filter(|_| cleared.is_remote)
    });
    let grow_to = grow_to(&found);
    if selection::choose(&found.record, "", &[], grow_to, 0, None) == Choice::Exhausted {
        workshop.returns.wait(found.pool.name.as_str(), NEARLY_BACK);
    }
    let mut request = request(workshop, plan, &found, ground);
    request.reference = start;
    request.branch = Some(branch);
    request.spent = cleared.spent;
    let allocated = acquire::allocate(&found.pool, &request)
        .map_err(|error| taken::refused(workshop, &found.pool, plan, repo, error))?;
    let allocation = allocated.slot.allocation.as_ref();
    let slot = SlotRef {
        pool: found.pool.name.to_string(),
        number: allocated.slot.number,
        path: allocated.path.to_string_lossy().into_owned(),
        allocation: allocation.map(|a| a.id.clone()).unwrap_or_default(),
        branch: allocation.map(|a| a.branch.clone()).unwrap_or_default(),
        base_commit: allocation.map(|a| a.commit.clone()).unwrap_or_default(),
    };
    Ok(Held {
        pool: found.pool,
        slot,
        path: allocated.path,
        holder: allocated.holder,
    })
}

/// What the task is to start from; none: the pool's base.
pub fn start(
    workshop: &Workshop<'_>,
    pool: &Pool<'_>,
    plan: &Plan,
    repo: &str,
) -> std::result::Result<Option<String>, NoSlot> {
    Ok(match plan.task.base {
        Base::Deps => {
            let start = base::of(pool, &plan.deps);
            match start.map_err(|error| NoSlot::of(repo, error))? {
                base::Start::Commit(commit) => commit,
                base::Start::Conflict {
                    ours,
                    theirs,
                    paths,
                } => return Err(conflict(workshop, plan, repo, &ours, &theirs, &paths)),
            }
        }
        Base::Ref(ref name) => Some(name.to_string()),
        Base::Pool => plan.onto.clone(),
    })
}

/// How new the remote's state must be.
pub fn freshness(pool: &Pool<'_>) -> Freshness {
    match pool.settings.fetch_on_allocate {
        true => Freshness::Within(pool.settings.fetch_max_age),
        false => Freshness::Known,
    }
}

/// How many slots the pool may grow to, if it may.
fn grow_to(found: &FoundPool<'_>) -> Option<u32> {
    let most = found.pool.settings.max_slots.or(found.record.grows_to);
    let grows = found.record.grows_to.is_some();
    grows.then_some(most.unwrap_or(GROWS_TO))
}

fn request(workshop: &Workshop<'_>, plan: &Plan, found: &FoundPool<'_>, ground: Ground) -> Request {
    let prefer = plan.prefer.as_ref();
    let name = found.pool.name.as_str();
    // One that is about to come back is worth a wait. Where another run has them all, only who stands in
    // the pool's line gets one; meanwhile its room is nobody else's.
    let poll = workshop.rules.poll_interval;
    let wait = match workshop.returns.any(name) {
        true => Some(poll),
        false => plan.may_wait.then_some(poll.min(IN_LINE)),
    };
    Request {
        reference: None,
        branch: None,
        spent: None,
        source: found.source.clone(),
        metadata: metadata(workshop, plan),
        owner: Owner {
            label: Some(label(workshop, plan)),
            process: None,
        },
        ttl: None,
        caller: liveness::stamp(std::process::id()),
        hold: ground == Ground::Held,
        freshness: freshness(&found.pool),
        grow_to: grow_to(found),
        wait,
        key: None,
        prefer: prefer
            .filter(|(pool, _)| **pool == *name)
            .map(|(_, number)| *number),
    }
}

/// What work is saved under, if there is any to be saved.
fn label(workshop: &Workshop<'_>, plan: &Plan) -> String {
    let mut id = plan.id.task.clone();
    if let Some((end, _)) = id.char_indices().nth(100) {
        id.truncate(end);
    }
    format!("task {id} of {}", workshop.run.name())
}

fn metadata(workshop: &Workshop<'_>, plan: &Plan) -> Map<String, Value> {
    let mut notes = Map::new();
    notes.insert("run".to_owned(), workshop.run.name().into());
    // A longer one would not be taken.
    if plan.id.task.len() <= 4096 {
        notes.insert("task_id".to_owned(), plan.id.task.as_str().into());
    }
    notes.insert("attempt".to_owned(), plan.id.attempt.into());
    notes.insert("token".to_owned(), plan.id.token.into());
    notes
}

/// What to do is to merge all of `ours` into the branch of `theirs`: which of them it is that conflicts
/// need not be known, and the next attempt finds nothing left to merge. What conflicts is met in a
/// shell, for the slot is given back when the command ends.
fn conflict(
    workshop: &Workshop<'_>,
    plan: &Plan,
    repo: &str,
    ours: &[Left],
    theirs: &Left,
    paths: &[String],
) -> NoSlot {
    let tasks: Vec<&str> = ours.iter().map(|left| left.task.as_str()).collect();
    let branches: Vec<String> = ours.iter().map(|left| quoted(&left.branch)).collect();
    NoSlot::Question {
        question: format!(
            "task {} is to start from what {} and {} left, and git can't merge {} into that: both \
             change {}",
            plan.id.task,
            tasks.join(", "),
            theirs.task,
            theirs.branch,
            paths.join(", ")
        ),
        command: format!(
            "repo-pool exec {} --branch {} -- sh -c 'for other; do git merge --no-edit \"$other\" || \
             exec \"${{SHELL:-sh}}\"; done' sh {} && {}",
            quoted(repo),
            quoted(&theirs.branch),
            branches.join(" "),
            of_run(workshop.run.name(), "retry", &[&plan.id.task])
        ),
    }
}

impl<'a> Held<'a> {
    /// A slot that an earlier dispatcher had handed out.
    pub fn again(workshop: &Workshop<'a>, slot: &SlotRef) -> Result<Self> {
        let pool = workshop.context.pool(&PoolName::new(&slot.pool)?);
        Ok(Self {
            path: slot.path.clone().into(),
            holder: FileLock::acquire_unless_kept(&pool.paths.holder_lock(slot.number))?,
            pool,
            slot: slot.clone(),
        })
    }

    /// The pool it is from.
    pub fn pool(&self) -> &Pool<'a> {
        &self.pool
    }

    /// Whether nobody has given it back so far.
    pub fn is_out(&self) -> bool {
        let record = store::read(&self.pool.context.workspace, &self.pool.name);
        let slot = record
            .ok()
            .and_then(|record| record.slot(self.slot.number).cloned());
        let allocation = slot.and_then(|slot| slot.allocation);
        allocation.is_some_and(|allocation| allocation.id == self.slot.allocation)
    }

    /// Gives it back. What is not committed is saved; nothing that the runner has started lives on in
    /// it.
    pub fn give_back(self) -> Returned {
        let settings = &self.pool.settings;
        let request = release::Request {
            allocation: Some(self.slot.allocation.clone()),
            no_cleanup: !settings.clean_on_release,
            background: settings.background_cleanup,
            kill: true,
            lasting: true,
            ..release::Request::default()
        };
        let returned = match release::release(&self.pool, self.slot.number, &request) {
            // Whoever took it back from a dispatcher that was killed has saved what there was.
            Err(Error::StaleAllocation(_)) => Ok(None),
            Ok(returned) => Ok(returned.rescue),
            Err(error) => Err(error),
        };
        let slot_id = self.slot.id();
        match returned {
            Ok(rescue) => Returned {
                slot_id,
                rescue: rescue.map(|rescue| rescue.rescue_id),
                error: None,
                is_kept: false,
            },
            Err(error) => Returned {
                slot_id,
                rescue: None,
                error: Some(error.reason()),
                is_kept: self.is_kept(),
            },
        }
    }

    /// Whether the slot is the task's as before. One that is out of use, or that the next command goes
    /// on with, is not.
    fn is_kept(&self) -> bool {
        let Ok(record) = self.pool.read() else {
            return true;
        };
        let slot = record.slot(self.slot.number);
        let allocated = slot.filter(|slot| slot.state == SlotState::Allocated);
        let allocation = allocated.and_then(|slot| slot.allocation.as_ref());
        allocation.is_some_and(|allocation| allocation.id == self.slot.allocation)
    }
}

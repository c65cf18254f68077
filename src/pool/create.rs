//! Making a pool (1.1, 1.2).
//!
//! The pool appears by one rename, with the intent to make it already in its record. The fetch lock
//! is held until it is made: who wants the pool meanwhile waits for that, and who gets the lock and
//! still finds the intent knows that the maker was killed, and takes the pool away.

use std::ffi::OsString;
use std::path::PathBuf;

use super::journal;
use super::retire;
use super::slots;
use super::{Context, Pool, clones, fetch, keep};
use crate::domain::event::{Event, EventKind};
use crate::domain::metrics::Metrics;
use crate::domain::names::PoolName;
use crate::domain::pool::{PoolRecord, RemoteState, SCHEMA, Strategy};
use crate::domain::progress::Step;
use crate::domain::remote::RemoteUrl;
use crate::domain::slot::{OperationKind, SlotRecord};
use crate::domain::{Error, Result};
use crate::git::repository::{self, Setting};
use crate::git::{promised, remote};
use crate::store::{PoolPaths, pool as store};
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, remove, signals, user};

/// What a new pool is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its remote.
    pub url: RemoteUrl,
    /// How many slots it begins with.
    pub slots: u32,
    /// The base branch; `None` follows the remote's HEAD.
    pub base: Option<String>,
    /// Patterns of ignored paths that cleaning leaves, beside those that are configured.
    pub keep: Vec<String>,
    /// How far it may grow by itself.
    pub grows_to: Option<u32>,
    /// What its slots are.
    pub strategy: Strategy,
    /// The user's repository that it was named by.
    pub made_from: Option<PathBuf>,
    /// Settings of that repository that the slots should have too.
    pub settings: Vec<Setting>,
}

/// Makes pool `name`.
///
/// # Errors
/// Usage, if there is one of that name (in any spelling of upper and lower case). Whatever fails
/// later leaves nothing behind.
pub fn create<'c>(context: &'c Context<'_>, name: &PoolName, plan: &Plan) -> Result<Pool<'c>> {
    slots::check_count(plan.slots)?;
    let lock = context.workspace.lock()?;
    if let Some(other) = context
        .workspace
        .pool_names()?
        .into_iter()
        .find(|other| other.same_but_for_case(name))
    {
        return Err(
            Error::usage(format!("there is a pool {other} already")).with_hint(format!(
                "`repo-pool status {other}` shows it; choose another name, or remove it first"
            )),
        );
    }
    let (pool, making) = reserve(context, name, plan)?;
    drop(lock);
    build_or_undo(&pool, plan, making)?;
    Ok(pool)
}

/// Builds a reserved pool; takes it back if that fails.
pub fn build_or_undo(pool: &Pool<'_>, plan: &Plan, making: FileLock) -> Result<()> {
    let built = build(pool, plan);
    if built.is_err() {
        let _shield = signals::shield();
        // What can't be taken away now is taken away by the next command that meets it.
        let _ = retire::discard_unfinished(pool);
    }
    drop(making);
    built
}

/// Makes the pool's directory appear, with the intent in its record. The caller holds the
/// workspace's lock and has made sure that the name is free. Returns the lock that shows that the
/// maker lives.
pub fn reserve<'c>(
    context: &'c Context<'_>,
    name: &PoolName,
    plan: &Plan,
) -> Result<(Pool<'c>, FileLock)> {
    let mut pool = context.pool(name);
    pool.given_url = Some(plan.url.clone());
    let root = context.workspace.root();
    let there = fs::list_dir_if_there(&pool.paths.root)?;
    if there.as_ref().is_some_and(|names| !is_place_for(names)) {
        return Err(
            Error::failed(format!("{} is in the way", pool.paths.root.display()))
                .with_hint("it is no pool; move it away (only files/ may be there)"),
        );
    }
    let marker = root.join(crate::store::layout::MARKER);
    let aside = marker.join(format!("new-{}", user::random_hex(8)));
    let aside = PoolPaths {
        name: name.clone(),
        root: aside,
    };
    fs::create_private_dir_all(&aside.locks())?;
    let making = FileLock::try_acquire(&aside.fetch_lock())?
        .ok_or_else(|| Error::failed("a lock of the new pool was taken by somebody else"))?;
    let record = first_record(context, &pool, plan);
    store::write_first(&aside, &record)?;
    match there {
        None => fs::rename_noreplace(&aside.root, &pool.paths.root)?,
        Some(_) => join(&aside, &pool.paths)?,
    }
    fs::sync_dir(root)?;
    Ok((pool, making))
}

/// Whether a pool may be made in a directory with this in it: the files that are to be copied into its
/// slots, and what a maker that was killed has left.
fn is_place_for(names: &[OsString]) -> bool {
    names.iter().all(|name| name == "files" || name == "locks")
}

/// Makes the pool appear in a directory that is there: with the last of these renames.
fn join(aside: &PoolPaths, place: &PoolPaths) -> Result<()> {
    remove::remove_tree(&place.locks())?;
    fs::rename_noreplace(&aside.locks(), &place.locks())?;
    fs::rename_noreplace(&aside.record(), &place.record())?;
    fs::sync_dir(&place.root)?;
    remove::remove_tree(&aside.root)
}

fn first_record(context: &Context<'_>, pool: &Pool<'_>, plan: &Plan) -> PoolRecord {
    let now = clock::now();
    PoolRecord {
        schema: SCHEMA,
        repo_name: pool.name.clone(),
        repo_url: plan.url.stored().to_owned(),
        strategy: plan.strategy,
        created_at: now,
        updated_at: now,
        base: plan.base.clone(),
        filter: pool.settings.filter.clone(),
        depth: pool.settings.depth,
        keep: plan.keep.clone(),
        grows_to: plan.grows_to,
        declared: context.config.declared_pool(pool.name.as_str()).is_some(),
        made_from: plan
            .made_from
            .as_ref()
            .map(|path| path.display().to_string()),
        remote: RemoteState::default(),
        generation: 0,
        operation: Some(journal::operation(OperationKind::Create, now)),
        told_of_ignored: false,
        told_of_setup: false,
        metrics: Metrics::default(),
        slots: Vec::new(),
    }
}

fn build(pool: &Pool<'_>, plan: &Plan) -> Result<()> {
    keep::note(&pool.paths, &plan.keep)?;
    let state = clone(pool, plan)?;
    let commit = state
        .base_commit
        .clone()
        .ok_or_else(|| Error::failed("the remote has no commit"))?;
    let numbers: Vec<u32> = (1..=plan.slots).collect();
    let taken = || Error::failed("a lock of the new pool was taken by somebody else");
    let lock = |number: &u32| journal::try_slot(pool, *number)?.ok_or_else(taken);
    let locks = numbers.iter().map(lock).collect::<Result<Vec<_>>>()?;
    let reserved: Vec<_> = numbers.iter().copied().zip(&locks).collect();
    slots::make_all(pool, &reserved, &commit)?;
    let furnished = slots::furnish_all(pool, &reserved, &commit)?;
    keep::warn_of_tracked(pool, 1)?;
    let mut locked = pool.lock()?;
    let now = clock::now();
    for (number, furnished) in numbers.into_iter().zip(furnished) {
        let operation = journal::operation(OperationKind::Add, now);
        let mut slot = SlotRecord::reserved(number, operation, now);
        slots::record_made(pool, &mut slot, &commit, furnished, now);
        locked.record.insert(slot);
    }
    locked.record.remote = state;
    locked.record.operation = None;
    locked.note(
        Event::new(EventKind::Created, &pool.name, now).detail(pool.url(&locked.record)?.stored()),
    );
    locked.save().map(drop)
}

/// The bare repository with everything that the remote has.
fn clone(pool: &Pool<'_>, plan: &Plan) -> Result<RemoteState> {
    let record = pool.read()?;
    let mut progress = pool.context.observer.begin(Step::Clone(pool.name.as_str()));
    let repository = pool.paths.repository();
    let began = fetch::moment();
    let there = remote::look(&pool.git, &plan.url, &["refs/heads/*"])?;
    let mut settings = plan.settings.clone();
    settings.extend(promised::settings(record.filter.as_deref()));
    repository::init(
        &pool.git,
        &repository,
        plan.url.stored(),
        there.head.as_ref(),
        &settings,
    )?;
    clones::note(&repository, plan.strategy)?;
    let filtered = remote::fetch_all(
        &pool.git,
        &repository,
        &plan.url,
        None,
        record.depth,
        &mut |bytes| progress.git_progress(bytes),
    )?;
    if !filtered {
        pool.context.observer.warn(&format!(
            "{} does not filter (uploadpack.allowFilter is not set there): it has sent everything",
            plan.url.stored()
        ));
    }
    fs::create_private_dir_all(&pool.paths.worktrees())?;
    let (state, _) = fetch::look(pool, &record, &repository, None, began)?;
    progress.done();
    Ok(state)
}

/// Waits for a pool that another command is making. If that was killed, the pool is taken away:
/// then there is none.
pub fn await_made(pool: &Pool<'_>) -> Result<PoolRecord> {
    let record = pool.read()?;
    if record.operation.is_none() {
        return Ok(record);
    }
    let locks = pool
        .workspace
        .locks()
        .with_timeout(pool.settings.git_timeout.max(pool.settings.lock_timeout));
    let gone = || Error::PoolNotFound(pool.name.to_string());
    let making = match locks.acquire(
        &pool.paths.fetch_lock(),
        &format!("making pool {}", pool.name),
    ) {
        Err(Error::Io { .. }) if !pool.paths.record().exists() => return Err(gone()),
        other => other?,
    };
    let record = pool.read()?;
    if record.operation.is_none() {
        return Ok(record);
    }
    // Its maker is gone. The order of locks is workspace, then fetch.
    drop(making);
    let _workspace = pool.workspace.lock()?;
    let _making = match FileLock::try_acquire(&pool.paths.fetch_lock()) {
        Ok(Some(lock)) => lock,
        Ok(None) => return await_made(pool),
        Err(_) => return Err(gone()),
    };
    if pool.read().map_err(|_| gone())?.operation.is_none() {
        return pool.read();
    }
    retire::discard_unfinished(pool)?;
    Err(gone())
}

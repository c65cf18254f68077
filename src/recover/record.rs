//! A record that can't be read, or is gone, is made anew from git and the directories; what there was
//! of it is kept.
//!
//! What the directories say is seldom enough to hand anything out: only a parked slot that is seen to
//! be whole, clean and at a commit of the remote's is available again. Every other goes out of use until
//! `recover SLOT --force` has saved its work and rebuilt it.

use std::collections::BTreeSet;

use crate::domain::metrics::Metrics;
use crate::domain::names;
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::domain::pool::{PoolRecord, RemoteState, SCHEMA};
use crate::domain::remote::RemoteUrl;
use crate::domain::slot::{OperationKind, SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::{Oid, Worktree, cuts, hidden, promised, registration, snapshot, status};
use crate::pool::{Pool, clones, fetch, journal, keep, verified as mark};
use crate::store::{document, pool as store};
use crate::sys::{clock, fs, inside, mounts, odd, user};

/// Why a slot of a lost record is out of use.
const REASON: &str =
    "the pool's record was unreadable; recover SLOT --force saves its work and rebuilds it";

/// Whether the pool's record can't be read for another reason than its version, or is gone although
/// the pool is there.
pub fn is_unreadable(pool: &Pool<'_>) -> bool {
    match document::read::<PoolRecord>(&pool.paths.record()) {
        Err(Error::Failed { .. }) => !document::is_newer(&pool.paths.record()),
        Ok(None) => pool.paths.has_lost_its_record(),
        _ => false,
    }
}

/// Sets the record aside, if there is anything of it, and writes a new one.
pub fn rebuild(pool: &Pool<'_>, dry_run: bool) -> Result<Finding> {
    let path = pool.paths.record();
    let lost = fs::metadata_if_there(&path)?.is_none();
    let what = if lost { "is gone" } else { "can't be read" };
    let mut finding = Finding {
        kind: FindingKind::UnreadableRecord,
        slot_id: None,
        repo_name: pool.name.to_string(),
        action: FindingAction::Rebuild,
        result: FindingResult::Planned,
        detail: format!("{} {what}", path.display()),
    };
    if dry_run {
        return Ok(finding);
    }
    fs::create_private_dir_all(&pool.paths.locks())?;
    let _pool = pool
        .workspace
        .locks()
        .acquire(&pool.paths.pool_lock(), &format!("pool {}", pool.name))?;
    if !is_unreadable(pool) {
        return Ok(finding);
    }
    let record = from_directories(pool)?;
    if fs::metadata_if_there(&path)?.is_some() {
        let name = format!("pool.json.unreadable-{}", user::random_hex(4));
        let kept = pool.paths.root.join(name);
        fs::rename_noreplace(&path, &kept)?;
        finding
            .detail
            .push_str(&format!("; it was kept as {}", kept.display()));
    }
    store::write_first(&pool.paths, &record)?;
    finding.detail.push_str(&format!(
        "; {} of {} slots are available again, and what only it knew is forgotten: owners, a base or a growth that was chosen when the pool was made",
        record.count(SlotState::Available),
        record.slots.len()
    ));
    finding.result = FindingResult::Done;
    Ok(finding)
}

fn from_directories(pool: &Pool<'_>) -> Result<PoolRecord> {
    let now = clock::now();
    let mut record = PoolRecord {
        schema: SCHEMA,
        repo_name: pool.name.clone(),
        repo_url: url(pool)?,
        strategy: clones::noted(&pool.paths.repository())?,
        created_at: now,
        updated_at: now,
        base: None,
        keep: keep::noted(&pool.paths)?,
        filter: promised::filter(&pool.paths.repository())?,
        depth: depth(pool)?,
        grows_to: None,
        declared: pool
            .context
            .config
            .declared_pool(pool.name.as_str())
            .is_some(),
        made_from: None,
        remote: RemoteState::default(),
        // Above every generation that the lost record can have given out.
        generation: now.as_second().max(0) as u64,
        operation: None,
        told_of_ignored: false,
        told_of_setup: false,
        metrics: Metrics::default(),
        slots: Vec::new(),
    };
    pool.learn(&record);
    for number in numbers(pool)? {
        let operation = journal::operation(OperationKind::Repair, now);
        let mut slot = SlotRecord::reserved(number, operation, now);
        match verified(pool, number) {
            Some(commit) => {
                let mark = mark::mark(pool, number, &commit);
                slot.make_available(mark, Some(commit), now);
            }
            None => {
                slot.commit = pool.worktree(number).head_commit(&pool.git)?;
                slot.put_out_of_use(REASON, now);
            }
        }
        record.insert(slot);
    }
    match fetch::look(
        pool,
        &record,
        &pool.paths.repository(),
        None,
        fetch::moment(),
    ) {
        Ok((state, _)) => record.remote = state,
        Err(error) => pool
            .context
            .observer
            .warn(&format!("{error}; the base is looked up at the next fetch")),
    }
    Ok(record)
}

/// That the repository is shallow shows, and not how many commits were asked for; of a short history
/// not even that.
fn depth(pool: &Pool<'_>) -> Result<Option<u32>> {
    let is_shallow = !cuts::all(&pool.paths.repository())?.is_empty();
    let declared = pool.context.config.declared_pool(pool.name.as_str());
    let was_asked_for = is_shallow || declared.is_some_and(|pool| pool.has_own("depth"));
    let depth = pool.settings.depth.or(is_shallow.then_some(1));
    Ok(depth.filter(|_| was_asked_for))
}

/// What the pool wrote into its repository's config when it was made.
fn url(pool: &Pool<'_>) -> Result<String> {
    let configured = pool
        .git
        .repository(&pool.paths.repository())
        .args(["config", "--local", "--get", "remote.origin.url"])
        .run("read the remote's URL")?;
    Ok(RemoteUrl::new(&configured.text())?.stored().to_owned())
}

/// The commit of a parked slot that can be handed out: its links are right, nothing is under way in
/// it, it is at a commit that the remote has and is as clean as it was left, and nobody is inside.
/// Whatever can't be told counts against it.
fn verified(pool: &Pool<'_>, number: u32) -> Option<Oid> {
    let slot = Worktree {
        path: pool.paths.parked_slot(number),
        ..pool.worktree(number)
    };
    let in_use = fs::metadata_if_there(&pool.paths.slot(number)).ok()?;
    let parked = fs::metadata_if_there(&slot.path).ok()?;
    if in_use.is_some() || !parked.is_some_and(|parked| parked.is_dir()) {
        return None;
    }
    let _lock = journal::try_slot(pool, number).ok()??;
    let commit = clean_commit(pool, number, &slot).ok()??;
    inside::processes_inside(&slot.path, &[])
        .inside
        .is_empty()
        .then_some(commit)
}

fn clean_commit(pool: &Pool<'_>, number: u32, slot: &Worktree) -> Result<Option<Oid>> {
    let registration = registration::read(&slot.admin)?;
    let linked = registration.is_whole
        && registration.is_a_slots
        && registration.directory.as_deref() == Some(pool.paths.slot(number).as_path())
        && slot.names_its_registration()?;
    if !linked
        || mounts::is_mount_point(&slot.path)?
        || !mounts::mounts_below(&slot.path).is_empty()
        || !slot.unexpected()?.is_empty()
    {
        return Ok(None);
    }
    let entries = hidden::entries(&pool.git, slot, None)?;
    let seen = status::look(&pool.git, slot, None)?;
    let clean = entries.hidden.is_empty()
        && !slot.is_filled_otherwise()?
        && entries.outside.is_empty()
        && seen.branch.is_none()
        && !seen.has_changes()
        && seen.unreadable.is_empty()
        && (seen.ignored.is_empty() || !pool.keep().is_empty())
        && odd::look(&slot.path, &entries.submodules)?.is_nothing();
    match seen.commit.filter(|_| clean) {
        Some(commit) if snapshot::is_landed(&pool.git, &slot.common, &commit)? => Ok(Some(commit)),
        _ => Ok(None),
    }
}

/// The slots that have a directory or a registration.
fn numbers(pool: &Pool<'_>) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for dir in [
        pool.paths.worktrees(),
        pool.paths.parked(),
        pool.paths.repository().join("worktrees"),
    ] {
        let names = fs::list_dir_if_there(&dir)?.unwrap_or_default();
        found.extend(
            names
                .iter()
                .filter_map(|name| names::slot_number(name.to_str()?)),
        );
    }
    Ok(found)
}

//! A record that can't be read is set aside and made anew from git and the directories.
//!
//! What the directories say is not enough to hand anything out: every slot goes out of use until
//! `recover SLOT --force` has saved its work and rebuilt it.

use std::collections::BTreeSet;

use crate::domain::metrics::Metrics;
use crate::domain::names;
use crate::domain::outcome::{Finding, FindingAction, FindingKind, FindingResult};
use crate::domain::pool::{PoolRecord, RemoteState, SCHEMA, Strategy};
use crate::domain::remote::RemoteUrl;
use crate::domain::slot::{OperationKind, SlotRecord};
use crate::domain::{Error, Result};
use crate::pool::{Pool, fetch, journal};
use crate::store::{document, pool as store};
use crate::sys::{clock, fs, user};

/// Why a slot of a lost record is out of use.
const REASON: &str =
    "the pool's record was unreadable; recover SLOT --force saves its work and rebuilds it";

/// Whether the pool's record is there and can't be read for another reason than its version.
pub fn is_unreadable(pool: &Pool<'_>) -> bool {
    matches!(
        document::read::<PoolRecord>(&pool.paths.record()),
        Err(Error::Failed { .. })
    ) && !document::is_newer(&pool.paths.record())
}

/// Sets the record aside and writes a new one.
pub fn rebuild(pool: &Pool<'_>, dry_run: bool) -> Result<Finding> {
    let mut finding = Finding {
        kind: FindingKind::UnreadableRecord,
        slot_id: None,
        repo_name: pool.name.to_string(),
        action: FindingAction::Rebuild,
        result: FindingResult::Planned,
        detail: format!("{} can't be read", pool.paths.record().display()),
    };
    if dry_run {
        return Ok(finding);
    }
    let _pool = pool
        .workspace
        .locks()
        .acquire(&pool.paths.pool_lock(), &format!("pool {}", pool.name))?;
    if !is_unreadable(pool) {
        return Ok(finding);
    }
    let record = from_directories(pool)?;
    let kept = pool
        .paths
        .root
        .join(format!("pool.json.unreadable-{}", user::random_hex(4)));
    fs::rename_noreplace(&pool.paths.record(), &kept)?;
    store::write_first(&pool.paths, &record)?;
    finding.result = FindingResult::Done;
    finding.detail = format!("{}; it was kept as {}", finding.detail, kept.display());
    Ok(finding)
}

fn from_directories(pool: &Pool<'_>) -> Result<PoolRecord> {
    let now = clock::now();
    let mut record = PoolRecord {
        schema: SCHEMA,
        repo_name: pool.name.clone(),
        repo_url: url(pool)?,
        strategy: Strategy::Worktree,
        created_at: now,
        updated_at: now,
        base: None,
        grows_to: None,
        made_from: None,
        remote: RemoteState::default(),
        // Above every generation that the lost record can have given out.
        generation: now.as_second().max(0) as u64,
        operation: None,
        told_of_ignored: false,
        metrics: Metrics::default(),
        slots: Vec::new(),
    };
    for number in numbers(pool)? {
        let mut slot =
            SlotRecord::reserved(number, journal::operation(OperationKind::Repair, now), now);
        slot.commit = pool.worktree(number).head_commit(&pool.git)?;
        slot.put_out_of_use(REASON, now);
        record.insert(slot);
    }
    match fetch::look(pool, &record, fetch::moment()) {
        Ok((state, _)) => record.remote = state,
        Err(error) => pool
            .context
            .observer
            .warn(&format!("{error}; the base is looked up at the next fetch")),
    }
    Ok(record)
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

/// The slots that have a directory or a registration.
fn numbers(pool: &Pool<'_>) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for dir in [
        pool.paths.worktrees(),
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

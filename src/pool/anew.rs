//! Making the pool's repository anew from the remote when its objects are damaged.
//!
//! The new one is built aside with everything that can be read of the old one, and takes its place by
//! one rename; the registrations of the slots move over by another, so what holders have under way
//! goes with them. The slots' directories are not touched. The old repository is kept.
//!
//! The directory [`anew`](crate::store::PoolPaths::anew) is the journal: while it is there, the work
//! is unfinished. If the pool's repository bears the mark of a new one, the exchange has happened, and
//! what follows it is done, again if need be; otherwise everything is undone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Pool, clones, fetch, journal, presence, saving, trash};
use crate::domain::event::{Event, EventKind};
use crate::domain::pool::{PoolRecord, RemoteState};
use crate::domain::progress::Step;
use crate::domain::slot::{SlotRecord, SlotState};
use crate::domain::{Error, Result};
use crate::git::parse::Head;
use crate::git::salvage::{self, Fallen};
use crate::git::{Oid, Worktree, cuts, partial, promised, refs, remote, repository, standalone};
use crate::store::{LockedPool, document};
use crate::sys::lock::FileLock;
use crate::sys::trash::Bin;
use crate::sys::{clock, fs, inside, remove, signals, user};

/// The mark of a repository that is being made.
const MARK: &str = "repo-pool-new";

/// What moves over as it is: the slots' registrations, and what tools keep beside the objects.
const MOVED: [&str; 5] = ["worktrees", "modules", "lfs", "annex", "rr-cache"];

/// How long a git that nobody waits for any more may take to end.
const END_GRACE: std::time::Duration = std::time::Duration::from_secs(2);

/// What became of the old repository.
#[derive(Debug)]
pub struct Renewed {
    /// Where it is kept.
    pub kept: PathBuf,
    /// What could not be brought over whole, one line each.
    pub losses: Vec<String>,
}

/// Nobody else works on the pool while these are held.
struct Alone {
    slots: BTreeMap<u32, FileLock>,
    _fetch: FileLock,
}

/// Makes the pool's repository anew.
///
/// # Errors
/// Refused, while a command or a git works on the pool. If the remote can't be reached, nothing has
/// been changed.
pub fn renew(pool: &Pool<'_>) -> Result<Renewed> {
    settle(pool)?;
    let alone = alone(pool)?;
    let record = pool.read()?;
    presence::check(pool, &record)?;
    let old = pool.paths.repository();
    let new = pool.paths.anew().join("repo.git");
    let built = build(pool, &record, &old, &new);
    let refs = match built {
        Ok(refs) => refs,
        Err(error) => {
            let _shield = signals::shield();
            // What can't be taken away now, the next command takes away.
            let _ = undo(pool);
            return Err(error);
        }
    };
    let _shield = signals::shield();
    let locked = match nobody_came(pool, &alone).and_then(|locked| {
        fs::exchange(&new, &old)?;
        Ok(locked)
    }) {
        Ok(locked) => locked,
        Err(error) => {
            undo(pool)?;
            return Err(error);
        }
    };
    complete(pool, &alone, locked, Some(&refs))
}

/// Completes or undoes what a killed command left. Costs one look if nothing is left.
///
/// # Errors
/// If a command works on the pool at this moment, so that it can't be told.
pub fn settle(pool: &Pool<'_>) -> Result<()> {
    let place = pool.paths.anew();
    if fs::metadata_if_there(&place)?.is_none() {
        return Ok(());
    }
    let alone = alone(pool)?;
    if fs::metadata_if_there(&place)?.is_none() {
        return Ok(());
    }
    let _shield = signals::shield();
    if is_exchanged(pool)? {
        let locked = nobody_came(pool, &alone)?;
        complete(pool, &alone, locked, None)?;
        return Ok(());
    }
    undo(pool)
}

/// Whether the new repository has taken the old one's place.
pub fn is_exchanged(pool: &Pool<'_>) -> Result<bool> {
    Ok(fs::metadata_if_there(&pool.paths.repository().join(MARK))?.is_some())
}

/// Refuses to work on a slot while the repository is between two states.
pub fn check(pool: &Pool<'_>) -> Result<()> {
    match fs::metadata_if_there(&pool.paths.anew())? {
        None => Ok(()),
        Some(_) => Err(Error::Pool {
            message: format!("the repository of pool {} is being made anew", pool.name),
            hint: Some("try again when that has ended".into()),
        }),
    }
}

fn undo(pool: &Pool<'_>) -> Result<()> {
    Bin::new(pool.paths.trash(), "anew").throw(&pool.paths.anew())?;
    trash::see_to(pool);
    Ok(())
}

/// Takes the locks of the pool, without waiting for the slots'.
fn alone(pool: &Pool<'_>) -> Result<Alone> {
    let what = format!("fetching pool {}", pool.name);
    let fetch = pool.acquire(pool.workspace.locks(), &pool.paths.fetch_lock(), &what)?;
    end_what_is_left(pool);
    let mut slots = BTreeMap::new();
    for slot in &pool.read()?.slots {
        slots.insert(slot.number, slot_lock(pool, slot.number)?);
    }
    no_git_works(pool)?;
    Ok(Alone {
        slots,
        _fetch: fetch,
    })
}

fn slot_lock(pool: &Pool<'_>, number: u32) -> Result<FileLock> {
    journal::try_slot(pool, number)?.ok_or_else(|| Error::Refused {
        message: format!("a command works on slot {}", pool.slot_id(number)),
        hint: Some("try again when it has ended".into()),
    })
}

/// A git that outlived a killed maker would go on writing to what is taken away.
fn end_what_is_left(pool: &Pool<'_>) {
    let found = inside::processes_inside(&pool.paths.anew(), &[std::process::id()]).inside;
    let pids: Vec<u32> = found
        .iter()
        .filter(|process| is_git(process))
        .map(|process| process.pid)
        .collect();
    inside::end(&pids, END_GRACE);
}

fn is_git(process: &inside::Inside) -> bool {
    let program = process.command.split(' ').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    name.starts_with("git")
}

/// A holder's shell may stand in its slot; a git that is at work would lose what it is writing.
fn no_git_works(pool: &Pool<'_>) -> Result<()> {
    let found = inside::processes_inside(&pool.paths.root, &[std::process::id()]).inside;
    match found.into_iter().find(is_git) {
        None => Ok(()),
        Some(process) => Err(Error::Refused {
            message: format!(
                "a git is at work in pool {}: pid {} ({})",
                pool.name, process.pid, process.command
            ),
            hint: Some("try again when it has ended".into()),
        }),
    }
}

/// Locks the pool for the exchange, and makes sure that it is still nobody else's: a slot may have
/// been added meanwhile.
fn nobody_came(pool: &Pool<'_>, alone: &Alone) -> Result<LockedPool> {
    let locked = pool.lock()?;
    for slot in &locked.record.slots {
        if !alone.slots.contains_key(&slot.number) {
            return Err(Error::Refused {
                message: format!("slot {} was added meanwhile", pool.slot_id(slot.number)),
                hint: Some("try again".into()),
            });
        }
    }
    no_git_works(pool)?;
    Ok(locked)
}

/// Builds the new repository; the refs of the old one as they were.
fn build(
    pool: &Pool<'_>,
    record: &PoolRecord,
    old: &Path,
    new: &Path,
) -> Result<BTreeMap<String, Oid>> {
    let url = pool.url(record)?;
    // A remote that can't be reached is found out before anything is written.
    let there = remote::look(&pool.git, &url, &["refs/heads/*"])?;
    fs::create_private_dir_all(&pool.paths.anew())?;
    let mut progress = pool.context.observer.begin(Step::Clone(pool.name.as_str()));
    fs::create_private_dir_all(new)?;
    fs::write_atomic(&new.join(MARK), b"", fs::Durability::Durable)?;
    let mut settings = salvage::settings(&pool.git, old)?;
    settings.extend(promised::settings(record.filter.as_deref()));
    repository::init(&pool.git, new, url.stored(), there.head.as_ref(), &settings)?;
    clones::note(new, record.strategy)?;
    remote::fetch_all(&pool.git, new, &url, None, record.depth, &mut |bytes| {
        progress.git_progress(bytes)
    })?;
    let (state, _) = fetch::look(pool, record, new, None, fetch::moment())?;
    document::write(&pool.paths.anew().join("remote.json"), &state)?;
    let found = salvage::refs(old)?.found;
    salvage::objects(&pool.git, old, new)?;
    cuts::bring(&pool.git, old, new)?;
    from_the_slots(pool, record, new)?;
    let fallen = salvage::bring_refs(&pool.git, old, new, &found)?;
    if !fallen.is_empty() {
        salvage::packs(&pool.git, old, new)?;
        salvage::bring_refs(&pool.git, old, new, &found)?;
    }
    progress.done();
    Ok(found)
}

/// What the damaged repository has lost may still stand in the slots: their files are the contents of
/// blobs, and their indexes know the trees.
fn from_the_slots(pool: &Pool<'_>, record: &PoolRecord, new: &Path) -> Result<()> {
    for slot in &record.slots {
        let worktree = pool.worktree(slot.number);
        standalone::lend(&pool.git, &worktree, new)?;
        if worktree.fault()?.is_none() && worktree.has_index()? {
            salvage::from_files(&pool.git, &worktree, new)?;
        }
    }
    Ok(())
}

/// What follows the exchange. `before` are the refs as they were when they were brought over; one
/// that a holder has moved since is brought once more.
fn complete(
    pool: &Pool<'_>,
    alone: &Alone,
    mut locked: LockedPool,
    before: Option<&BTreeMap<String, Oid>>,
) -> Result<Renewed> {
    let new = pool.paths.repository();
    let old = pool.paths.anew().join("repo.git");
    let place = pool.paths.set_aside();
    let kept = place.join(format!("repo-{}.git", user::random_hex(4)));
    let state: Option<RemoteState> = document::read(&pool.paths.anew().join("remote.json"))?;
    if let Some(state) = state {
        locked.record.remote = state;
    }
    let mut losses = Vec::new();
    if fs::metadata_if_there(&old)?.is_some() {
        losses = bring_the_rest(pool, alone, &locked.record, before)?;
        fs::create_private_dir_all(&place)?;
        let mut told = format!(
            "the repository was made anew; the old one is kept as {}",
            kept.display()
        );
        losses
            .iter()
            .for_each(|loss| told.push_str(&format!("; {loss}")));
        locked.note(Event::new(EventKind::Repaired, &pool.name, clock::now()).detail(told));
    }
    for slot in &mut locked.record.slots {
        distrust(pool, slot)?;
    }
    locked.save()?;
    if fs::metadata_if_there(&old)?.is_some() {
        fs::rename_noreplace(&old, &kept)?;
    }
    fs::remove_file_if_there(&new.join(MARK))?;
    remove::remove_tree(&pool.paths.anew())?;
    Ok(Renewed { kept, losses })
}

/// The registrations, what was written to the old repository while the new one was built, and HEADs
/// and indexes that name nothing any more. Tells what is lost.
fn bring_the_rest(
    pool: &Pool<'_>,
    alone: &Alone,
    record: &PoolRecord,
    before: Option<&BTreeMap<String, Oid>>,
) -> Result<Vec<String>> {
    let new = pool.paths.repository();
    let old = pool.paths.anew().join("repo.git");
    for name in MOVED {
        if fs::metadata_if_there(&old.join(name))?.is_some_and(|place| place.is_dir()) {
            // Some are made, empty, with every repository.
            fs::remove_dir_if_empty(&new.join(name));
            fs::rename_noreplace(&old.join(name), &new.join(name))?;
        }
    }
    salvage::objects(&pool.git, &old, &new)?;
    let now = salvage::refs(&old)?;
    if let Some(before) = before {
        let mut moved = now.found.clone();
        moved.retain(|name, oid| before.get(name) != Some(oid));
        salvage::bring_refs(&pool.git, &old, &new, &moved)?;
    }
    let mut losses = lost_refs(pool, &new, &now.found)?;
    losses.extend(stand_on_what_is_there(pool, alone, record, &now.found)?);
    if now.damaged {
        let mut heads = Vec::new();
        for slot in &record.slots {
            heads.extend(pool.worktree(slot.number).head_commit(&pool.git)?);
        }
        let kept = partial::keep_dangling(&pool.git, &new, &heads)?;
        losses.extend(
            kept.iter()
                .map(|name| format!("{name} may be what a lost ref named")),
        );
    }
    Ok(losses)
}

/// What was seen clean was seen with another repository.
fn distrust(pool: &Pool<'_>, slot: &mut SlotRecord) -> Result<()> {
    if slot.state == SlotState::Available {
        slot.mark = None;
    }
    if let Some(commit) = &slot.commit
        && refs::commit_of(&pool.git, &pool.paths.repository(), commit)?.is_none()
    {
        slot.commit = None;
    }
    Ok(())
}

/// The refs that do not stand where they stood, for people. What can be read of them is kept.
fn lost_refs(pool: &Pool<'_>, new: &Path, wanted: &BTreeMap<String, Oid>) -> Result<Vec<String>> {
    let here: BTreeMap<String, Oid> = refs::list(&pool.git, new, &["refs"])?
        .into_iter()
        .map(|reference| (reference.name, reference.oid))
        .collect();
    let fallen: Fallen = wanted
        .iter()
        .filter(|(name, oid)| here.get(*name) != Some(oid))
        .map(|(name, _)| (name.clone(), here.get(name).cloned()))
        .collect();
    let mut told = Vec::new();
    for (name, stands) in &fallen {
        told.push(match stands {
            Some(oid) => format!("{name} can't be read to its end and stands at {oid} now"),
            None => format!("{name} can't be read and is gone"),
        });
        let kept = partial::keep(&pool.git, new, name, &wanted[name], stands.as_ref())?;
        told.extend(
            kept.iter()
                .map(|kept| format!("what can be read of it is kept as {kept}")),
        );
    }
    Ok(told)
}

/// A slot whose HEAD can't be read stands on the newest earlier commit that can, else on the base; its
/// files stay, and show as changes. So it is with an index that names what is gone.
fn stand_on_what_is_there(
    pool: &Pool<'_>,
    alone: &Alone,
    record: &PoolRecord,
    old_refs: &BTreeMap<String, Oid>,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for slot in &record.slots {
        let worktree = pool.worktree(slot.number);
        if worktree.own_repository()?.is_some() {
            let (old, new) = (pool.paths.anew().join("repo.git"), pool.paths.repository());
            standalone::share_anew(&worktree, &old, &new)?;
            continue;
        }
        let Some(head) = worktree.head()? else {
            continue;
        };
        let wanted = match &head {
            Head::Detached(oid) => Some(oid),
            // One that was on no commit yet still is.
            Head::Symbolic(name) => old_refs.get(name),
        };
        if let Some(wanted) = wanted
            && !stands(pool, &worktree, &head)?
            && let Some(commit) = earlier(pool, record, &worktree, wanted)?
        {
            worktree.set_head(&Head::Detached(commit.clone()))?;
            told.push(format!(
                "HEAD of {} can't be read and stands at {commit} now",
                pool.slot_id(slot.number)
            ));
        }
        for lost in salvage::forget_lost(&pool.git, &worktree)? {
            let from = pool.slot_id(slot.number).to_string();
            let kept = partial::keep(&pool.git, &worktree.common, &from, &lost, None)?;
            told.push(format!("commit {lost} of {from} can't be read"));
            told.extend(
                kept.iter()
                    .map(|kept| format!("what can be read of it is kept as {kept}")),
            );
        }
        let index_is_whole = worktree.fault()?.is_some()
            || salvage::lacking_blobs(&pool.git, &worktree, &worktree.common)?.is_empty();
        if let Some(lock) = alone.slots.get(&slot.number).filter(|_| !index_is_whole) {
            let known = slot.commit.as_ref().or(record.remote.base_commit.as_ref());
            if let Some(known) = known {
                saving::keep_index(pool, slot.number, known)?;
            }
            worktree.forget_index()?;
            worktree.rebuild_index(&pool.git, lock)?;
        }
    }
    Ok(told)
}

fn stands(pool: &Pool<'_>, worktree: &Worktree, head: &Head) -> Result<bool> {
    let common = &worktree.common;
    match head {
        Head::Detached(oid) => salvage::is_complete(&pool.git, common, oid),
        // A branch stands where it stood, or at its newest commit that can be read.
        Head::Symbolic(name) => Ok(refs::commit_of(&pool.git, common, name)?.is_some()),
    }
}

fn earlier(
    pool: &Pool<'_>,
    record: &PoolRecord,
    worktree: &Worktree,
    wanted: &Oid,
) -> Result<Option<Oid>> {
    let log = worktree.history()?;
    let found = salvage::newest_complete(&pool.git, &worktree.common, wanted, &log)?;
    Ok(found.or_else(|| record.remote.base_commit.clone()))
}

//! Putting a damaged slot right (9.2), so that git can look at it again.
//!
//! Nothing is deleted here: files stay where they are, what stands in the place of a slot is moved
//! aside, and commits of a slot whose files are gone are saved. What differs from the slot's commit
//! afterwards shows in the look that ends the repair.

use std::path::PathBuf;

use super::{Pool, acquire, anew, clones, contents, copies, park, presence, saving, slots};
use crate::domain::event::{Event, EventKind};
use crate::domain::rescue::Reason;
use crate::domain::{Error, GitFailure, Result, damage, names};
use crate::git::parse::Head;
use crate::git::status::{self, Status};
use crate::git::worktree::Fault;
use crate::git::{Oid, Worktree, advance, clean, hidden, lfs, refs, submodules};
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, mounts, threads, user};

/// What was repaired.
#[derive(Debug, Default)]
pub struct Repairs {
    /// The steps, in order.
    pub operations: Vec<String>,
    /// The same for the history.
    pub events: Vec<Event>,
}

impl Repairs {
    fn note(&mut self, pool: &Pool<'_>, number: u32, what: &str) {
        self.operations.push(format!("repair: {what}"));
        let event = Event::new(EventKind::Repaired, &pool.name, clock::now());
        self.events
            .push(event.slot(pool.slot_id(number)).detail(what));
    }
}

/// Makes the slot whole enough for git, and looks at it. `known` is the commit that it was last
/// brought to. In an idle slot a HEAD without a commit is damage; in a held one it is a user's
/// `checkout --orphan`.
pub fn whole(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    known: &Oid,
    idle: bool,
    repairs: &mut Repairs,
) -> Result<Status> {
    anew::check(pool)?;
    clones::bring_home(pool, number)?;
    let mut worktree = pool.worktree(number);
    let fault = match worktree.fault() {
        Err(Error::Io { .. }) if fs::make_directories_usable(&worktree.path)? => {
            worktree.fault()?
        }
        other => other?,
    };
    if let Some(fault) = fault {
        links(pool, number, lock, &fault, known)?;
        repairs.note(pool, number, &fault.to_string());
        // One that was made anew is parked.
        worktree = pool.worktree(number);
    }
    advance::complete(&pool.git, &worktree, lock)?;
    submodules::discard_unfinished(&pool.git, &worktree, lock)?;
    if !worktree.has_index()? && worktree.head_commit(&pool.git)?.is_some() {
        worktree.rebuild_index(&pool.git, lock)?;
        repairs.note(pool, number, "its index was missing");
    }
    let words = match look(pool, number, lock).map_err(contents::blameless) {
        Err(Error::Git { failure, .. })
            if failure.ended.is_none() && !damage::is_told_by(&failure) =>
        {
            failure.stderr
        }
        Ok(seen) if seen.damaged_index => "its index is damaged".into(),
        Ok(seen) if idle && seen.commit.is_none() => "its HEAD names no commit".into(),
        other => return other,
    };
    // A fault of the shared repository is no damage of this slot.
    acquire::repository_answers(pool)?;
    is_there(pool, known)?;
    head_and_index(pool, number, &worktree, lock, known)?;
    repairs.note(pool, number, &words);
    look(pool, number, lock)
}

/// A commit that was in the repository and is no more was lost to all slots.
fn is_there(pool: &Pool<'_>, commit: &Oid) -> Result<()> {
    if refs::commit_of(&pool.git, &pool.paths.repository(), commit)?.is_some() {
        return Ok(());
    }
    Err(Error::Pool {
        message: format!(
            "the repository of pool {} has lost commit {commit}",
            pool.name
        ),
        hint: Some(damage::remedy(pool.name.as_str())),
    })
}

/// Looks at the tree with nothing hidden. The index and the tree are asked for at the same time;
/// nearly always the index hides nothing, and that was the whole look.
pub fn look(pool: &Pool<'_>, number: u32, lock: &FileLock) -> Result<Status> {
    let worktree = &pool.worktree(number);
    let (entries, plain) = threads::both(
        || hidden::entries(&pool.git, worktree, Some(lock)),
        || status::look(&pool.git, worktree, Some(lock)),
    );
    let entries = entries?;
    if entries.damaged {
        return Err(Error::Git {
            context: "read the index".into(),
            failure: Box::new(GitFailure {
                stderr: "its index is damaged".into(),
                ..GitFailure::default()
            }),
        });
    }
    let mut seen = match entries.hidden.as_slice() {
        [] => plain?,
        hidden => hidden::look_behind(&pool.git, worktree, lock, hidden)?,
    };
    seen.embedded = entries.embedded(worktree)?;
    seen.tracked = Some(entries.directories);
    seen.damaged_index = entries.damaged;
    if submodules::any(worktree, &entries.submodules)? {
        seen.dirty_submodules = submodules::holding_work(&pool.git, worktree, &entries.submodules)?;
    }
    seen.hidden = entries.hidden;
    seen.hidden.extend(entries.outside.iter().cloned());
    seen.outside = entries.outside;
    seen.submodules = entries.submodules;
    copies::set_apart(pool, number, &mut seen);
    lfs::set_apart(&pool.git, worktree, &mut seen)?;
    Ok(seen)
}

fn links(pool: &Pool<'_>, number: u32, lock: &FileLock, fault: &Fault, known: &Oid) -> Result<()> {
    let worktree = pool.worktree(number);
    match fault {
        Fault::Mounted => Err(mounted(pool, number)),
        Fault::Link(_) => {
            move_git_directory_aside(pool, number)?;
            worktree.write_link()
        }
        Fault::Admin(_) => {
            fs::make_directories_usable(&worktree.path)?;
            worktree.repair_admin(known)?;
            worktree.write_link()
        }
        Fault::Unregistered => {
            is_there(pool, known)?;
            if fs::metadata_if_there(&worktree.admin)?.is_some() {
                park::set_aside(pool, number, &worktree.admin, "was no registration")?;
            }
            worktree.register(known)?;
            worktree.rebuild_index(&pool.git, lock)
        }
        Fault::Replaced(_) => {
            is_there(pool, known)?;
            park::set_aside(pool, number, &worktree.path, "was no slot any more")?;
            saving::save_commits(pool, number, Reason::Repair)?;
            slots::make(pool, number, lock, known)
        }
        Fault::MissingDirectory => {
            presence::check(pool, &pool.read()?)?;
            make_missing(pool, number, lock, known)
        }
    }
}

fn mounted(pool: &Pool<'_>, number: u32) -> Error {
    Error::Refused {
        message: format!(
            "something is mounted on slot {} or inside{}",
            pool.slot_id(number),
            clean::listed(mounts::mounts_below(&pool.worktree(number).path).iter())
        ),
        hint: Some("unmount it; cleaning would delete what is mounted there".into()),
    }
}

/// Makes a slot's directory anew, the commits of its registration saved.
pub fn make_missing(pool: &Pool<'_>, number: u32, lock: &FileLock, known: &Oid) -> Result<()> {
    is_there(pool, known)?;
    saving::save_commits(pool, number, Reason::Repair)?;
    slots::make(pool, number, lock, known)
}

/// Moves a slot's directory and registration aside as they are, for a person to look at. Its commits
/// are saved. Tells where it all is.
pub fn set_aside_whole(pool: &Pool<'_>, number: u32) -> Result<PathBuf> {
    let worktree = pool.worktree(number);
    if matches!(worktree.fault(), Ok(Some(Fault::Mounted))) {
        return Err(mounted(pool, number));
    }
    match saving::save_commits(pool, number, Reason::Repair) {
        // What git can't follow goes aside with the registration.
        Err(Error::Git { .. }) => {}
        other => drop(other?),
    }
    let name = format!("{}-{}", names::dir_name(number), user::random_hex(4));
    let kept = pool.paths.set_aside().join(name);
    fs::create_private_dir_all(&kept)?;
    for (from, to) in [(&worktree.path, "tree"), (&worktree.admin, "registration")] {
        if fs::metadata_if_there(from)?.is_some() {
            fs::rename_noreplace(from, &kept.join(to))?;
        }
    }
    Ok(kept)
}

/// Somebody's `git init` in the slot: their repository is kept.
fn move_git_directory_aside(pool: &Pool<'_>, number: u32) -> Result<()> {
    let link = pool.worktree(number).path.join(".git");
    if !fs::metadata_if_there(&link)?.is_some_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    park::set_aside(
        pool,
        number,
        &link,
        "was a repository in the place of the slot's link",
    )
}

/// Makes the index anew, and HEAD if it names nothing. The files are not touched.
fn head_and_index(
    pool: &Pool<'_>,
    number: u32,
    worktree: &Worktree,
    lock: &FileLock,
    known: &Oid,
) -> Result<()> {
    for path in worktree.stale_locks()? {
        fs::remove_file_if_there(&path)?;
    }
    if let Some(rescue) = saving::keep_index(pool, number, known)? {
        pool.context.observer.warn(&format!(
            "the index of {} can't be read; what was staged is saved: `repo-pool rescue show {}`",
            pool.slot_id(number),
            rescue.rescue_id
        ));
    }
    worktree.forget_index()?;
    if worktree.head_commit(&pool.git)?.is_none() {
        worktree.set_head(&Head::Detached(known.clone()))?;
    }
    worktree.rebuild_index(&pool.git, lock)
}

//! Putting a damaged slot right (9.2), so that git can look at it again.
//!
//! Nothing is deleted here: files stay where they are, what stands in the place of a slot is moved
//! aside, and commits of a slot whose files are gone are saved. What differs from the slot's commit
//! afterwards shows in the look that ends the repair.

use super::{Pool, acquire, saving, slots};
use crate::domain::event::{Event, EventKind};
use crate::domain::{Error, Result, names};
use crate::git::status::{self, Status};
use crate::git::worktree::Fault;
use crate::git::{Oid, Worktree};
use crate::git::{clean, hidden, submodules};
use crate::sys::lock::FileLock;
use crate::sys::{clock, fs, mounts, user};

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
    let worktree = pool.worktree(number);
    let fault = match worktree.fault() {
        Err(Error::Io { .. }) if fs::make_directories_usable(&worktree.path)? => {
            worktree.fault()?
        }
        other => other?,
    };
    if let Some(fault) = fault {
        links(pool, number, lock, &fault, known)?;
        repairs.note(pool, number, &fault.to_string());
    }
    worktree.drop_own_config()?;
    if !worktree.has_index()? && worktree.head_commit(&pool.git)?.is_some() {
        worktree.rebuild_index(&pool.git, lock)?;
        repairs.note(pool, number, "its index was missing");
    }
    let words = match look(pool, &worktree, lock) {
        Err(Error::Git { failure, .. }) if failure.ended.is_none() => failure.stderr,
        Ok(seen) if idle && seen.commit.is_none() => "its HEAD names no commit".into(),
        other => return other,
    };
    // A fault of the shared repository is no damage of this slot.
    acquire::repository_answers(pool)?;
    head_and_index(pool, &worktree, lock, known)?;
    repairs.note(pool, number, &words);
    look(pool, &worktree, lock)
}

/// Looks at the tree with nothing hidden.
pub fn look(pool: &Pool<'_>, worktree: &Worktree, lock: &FileLock) -> Result<Status> {
    let entries = hidden::entries(&pool.git, worktree, Some(lock))?;
    hidden::reveal(&pool.git, worktree, &entries.hidden)?;
    let mut seen = status::look(&pool.git, worktree, Some(lock))?;
    seen.hidden = !entries.hidden.is_empty();
    if submodules::any(worktree, &entries.submodules)? {
        let unlanded = submodules::unlanded(&pool.git, worktree)?;
        let embedded = submodules::embedded(worktree, &entries.submodules)?;
        seen.dirty_submodules
            .extend(unlanded.into_iter().chain(embedded));
    }
    seen.submodules = entries.submodules;
    Ok(seen)
}

fn links(pool: &Pool<'_>, number: u32, lock: &FileLock, fault: &Fault, known: &Oid) -> Result<()> {
    let worktree = pool.worktree(number);
    match fault {
        Fault::Mounted => Err(Error::Refused {
            message: format!(
                "something is mounted on slot {} or inside{}",
                pool.slot_id(number),
                clean::listed(mounts::mounts_below(&worktree.path).iter())
            ),
            hint: Some("unmount it; cleaning would delete what is mounted there".into()),
        }),
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
            worktree.register(known)?;
            worktree.rebuild_index(&pool.git, lock)
        }
        Fault::Replaced(_) => {
            move_aside(pool, number)?;
            saving::save_commits(pool, number)?;
            slots::make(pool, number, lock, known)
        }
        Fault::MissingDirectory => {
            saving::save_commits(pool, number)?;
            slots::make(pool, number, lock, known)
        }
    }
}

/// Somebody's `git init` in the slot: their repository is kept.
fn move_git_directory_aside(pool: &Pool<'_>, number: u32) -> Result<()> {
    let link = pool.paths.slot(number).join(".git");
    if !fs::metadata_if_there(&link)?.is_some_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let place = pool.paths.set_aside();
    fs::create_private_dir_all(&place)?;
    let kept = place.join(format!(
        "{}-git-{}",
        names::dir_name(number),
        user::random_hex(4)
    ));
    fs::rename_noreplace(&link, &kept)?;
    pool.context.observer.warn(&format!(
        "{} had a repository of its own in the place of its link, which was moved to {}",
        pool.slot_id(number),
        kept.display()
    ));
    Ok(())
}

/// Whatever somebody put in the place of a slot's directory is theirs, and kept.
fn move_aside(pool: &Pool<'_>, number: u32) -> Result<()> {
    let place = pool.paths.set_aside();
    fs::create_private_dir_all(&place)?;
    let kept = place.join(format!(
        "{}-{}",
        names::dir_name(number),
        user::random_hex(4)
    ));
    fs::rename_noreplace(&pool.paths.slot(number), &kept)?;
    pool.context.observer.warn(&format!(
        "{} was replaced by something else, which was moved to {}",
        pool.slot_id(number),
        kept.display()
    ));
    Ok(())
}

/// What only the index knows (staged contents) is not lost with one that git can't read.
fn keep_index(pool: &Pool<'_>, worktree: &Worktree) -> Result<()> {
    let index = worktree.admin.join("index");
    if fs::metadata_if_there(&index)?.is_some_and(|metadata| metadata.is_file()) {
        let place = pool.paths.set_aside();
        fs::create_private_dir_all(&place)?;
        let name = worktree
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        fs::rename_noreplace(
            &index,
            &place.join(format!("{name}-index-{}", user::random_hex(4))),
        )?;
    }
    Ok(())
}

/// Makes the index anew, and HEAD if it names nothing. The files are not touched.
fn head_and_index(
    pool: &Pool<'_>,
    worktree: &Worktree,
    lock: &FileLock,
    known: &Oid,
) -> Result<()> {
    for path in worktree.stale_locks()? {
        fs::remove_file_if_there(&path)?;
    }
    keep_index(pool, worktree)?;
    worktree.forget_index()?;
    if worktree.head_commit(&pool.git)?.is_none() {
        worktree.reset_head(known)?;
    }
    worktree.rebuild_index(&pool.git, lock)
}

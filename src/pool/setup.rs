//! The set-up command: run in a slot that is made or warmed, and again when its inputs are others.
//!
//! What it makes stays only if git ignores it and `keep` names it. It runs where the slot's users work,
//! since what it makes may know the path. Before it is run, what is known of the last time is
//! forgotten: a slot in which it was killed is never taken for one that is set up.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use super::park::{self, Place};
use super::script::{self, Script};
use super::{Pool, clones, copies, furnish, mend, trash};
use crate::domain::furnished::{Name, SetUp};
use crate::domain::progress::Step;
use crate::domain::{Error, Result};
use crate::git::clean::{self, Goal};
use crate::git::status::Status;
use crate::git::{Oid, kept};
use crate::sys::clock::Deadline;
use crate::sys::lock::FileLock;

/// The key.
pub const NAME: &str = "setup";

/// So many paths are named.
const NAMED: usize = 5;

/// Whether the slot, at `commit`, is to be set up; if so, what for, in short.
pub fn due(pool: &Pool<'_>, number: u32, commit: &Oid) -> Result<Option<String>> {
    let Some(command) = &pool.settings.setup else {
        return Ok(None);
    };
    let digest = digest(pool, command, commit)?;
    let top = pool.worktree(number).path;
    let is_there = |name: &Name| top.join(name).symlink_metadata().is_ok();
    let done = furnish::read(pool, number).setup;
    let is_done = done.is_some_and(|done| done.digest == digest && done.made.iter().all(is_there));
    Ok((!is_done).then_some(digest))
}

fn digest(pool: &Pool<'_>, command: &str, commit: &Oid) -> Result<String> {
    let inputs = &pool.settings.setup_inputs;
    let contents = kept::entries(&pool.git, &pool.paths.repository(), commit, inputs)?;
    let copied = copies::stamps(pool, inputs)?;
    let mut digest = DefaultHasher::new();
    (command, inputs, contents, copied).hash(&mut digest);
    Ok(format!("{:016x}", digest.finish()))
}

/// Sets the slot up, which is clean at `commit`, if that is due. Returns what was done.
///
/// # Errors
/// [`Error::SetUp`], if the command failed: with its last words, and where the others are.
pub fn run_if_due(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    commit: &Oid,
) -> Result<Option<String>> {
    let Some(digest) = due(pool, number, commit)? else {
        return Ok(None);
    };
    let id = pool.slot_id(number).to_string();
    let mut progress = pool.context.observer.begin(Step::SetUp(&id));
    let before = mend::look(pool, number, lock)?.ignored;
    let mut known = furnish::read(pool, number);
    let old = known.setup.take();
    known.setup = old.clone().map(|old| SetUp {
        // That of no command.
        digest: String::new(),
        ..old
    });
    furnish::write(pool, number, &known)?;
    run(pool, number)?;
    let after = mend::look(pool, number, lock)?;
    warn_of_deleted(pool, number, lock, &after.ignored)?;
    // Of what was there before, some may be a holder's.
    let is_made = |path: &&PathBuf| {
        let by_it = |old: &SetUp| old.made.iter().any(|name| name.as_ref() == path.as_path());
        old.as_ref().is_none_or(by_it) || !before.contains(path)
    };
    let made = after.ignored.iter().filter(is_made);
    let made = made.map(|path| Name::from(path.as_path())).collect();
    put_back(pool, number, lock, commit, &after)?;
    let mut known = furnish::read(pool, number);
    known.setup = Some(SetUp { digest, made });
    furnish::write(pool, number, &known)?;
    progress.done();
    Ok(Some("set up".into()))
}

/// Runs the command where the slot's users find it; the slot is where it was again then, unless it
/// failed.
fn run(pool: &Pool<'_>, number: u32) -> Result<()> {
    let id = pool.slot_id(number);
    let failed = |reason: String| Error::SetUp {
        slot: id.to_string(),
        reason,
    };
    let was_parked = park::is_parked(pool, number);
    let script = Script {
        name: NAME,
        command: pool.settings.setup.as_deref().unwrap_or_default(),
        limit: pool.settings.setup_timeout,
        limited_by: "setup_timeout",
        allocation: None,
    };
    let in_place = || {
        park::bring_out(pool, number)?;
        script::run(pool, number, &script)
    };
    let why = match clones::while_out(pool, number, in_place, Option::is_none) {
        // It has made of the slot what can't be brought home.
        Err(error @ Error::Refused { .. }) => Some(error.reason()),
        other => other?,
    };
    if let Some(why) = why {
        return Err(failed(why));
    }
    match was_parked.then(|| park::park(pool, number)).transpose()? {
        Some(Place::Occupied(process)) => Err(failed(format!(
            "pid {} ({}) is inside the slot",
            process.pid, process.command
        ))),
        _ => Ok(()),
    }
}

/// A slot that is handed out has no changes. Those that the set-up makes are nobody's work: what is
/// tracked is put back, what git does not ignore goes.
fn put_back(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    commit: &Oid,
    seen: &Status,
) -> Result<()> {
    let moved = seen.commit.as_ref() != Some(commit) || seen.branch.is_some();
    if !moved && !seen.has_changes() {
        return Ok(());
    }
    let changed = named(seen.work());
    pool.context.observer.warn(&format!(
        "the set-up of {} has changed what git tracks or does not ignore ({changed}); that was \
         taken back: what it makes has to be ignored by git, and named by `keep` in pools.toml",
        pool.slot_id(number)
    ));
    let goal = Goal {
        commit,
        keep: &["*".into()],
        deadline: Deadline::after(pool.settings.cleanup_timeout),
        since: None,
        unseen: None,
        trash: trash::bin(pool, number),
    };
    clean::to_goal(&pool.git, &pool.worktree(number), lock, seen, &goal)?;
    trash::see_to(pool);
    copies::put_in(pool, number, commit).map(drop)
}

/// What is ignored and not kept goes when the slot is cleaned, and then all is to be done again.
fn warn_of_deleted(
    pool: &Pool<'_>,
    number: u32,
    lock: &FileLock,
    ignored: &[PathBuf],
) -> Result<()> {
    let worktree = pool.worktree(number);
    let kept = kept::paths(&pool.git, &worktree, lock, pool.keep())?;
    let is_kept = |path: &&PathBuf| kept.iter().any(|kept| path.starts_with(kept));
    let others: Vec<&PathBuf> = ignored.iter().filter(|path| !is_kept(path)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let mut locked = pool.lock()?;
    if locked.record.told_of_setup {
        return Ok(());
    }
    locked.record.told_of_setup = true;
    locked.save()?;
    let names = others.iter().take(NAMED).map(|path| {
        let text = path.to_string_lossy();
        format!("{text:?}")
    });
    pool.context.observer.warn(&format!(
        "what the set-up makes goes when the slot is given back, so that it runs each time; to leave \
         it, add to pool {} in pools.toml: keep = [{}]",
        pool.name,
        names.collect::<Vec<_>>().join(", ")
    ));
    Ok(())
}

fn named<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    let all: Vec<_> = paths.map(|path| path.to_string_lossy()).collect();
    let mut text = all
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    text
}

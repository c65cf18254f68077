//! A slot that stood alone comes home: what was made in it goes into the pool's repository, and it is a
//! worktree again. Nothing is lost on the way, and it can be begun again at any point: the slot's own
//! repository is put away last, and kept until the slot has been cleaned.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ASIDE, GIVEN, KEPT, check_format, check_linked, index_files, objects, resolve};
use crate::domain::{Error, Result};
use crate::git::objects::missing;
use crate::git::parse::{self, Head};
use crate::git::ref_files::{self, is_real_dir, read_file};
use crate::git::remote::TRACKING;
use crate::git::worktree::{FOUND, SET_ASIDE};
use crate::git::{Git, Oid, Worktree, refs, repository, salvage, submodules};
use crate::sys::{fs, remove};

/// HEAD's history on its way into the registration, where what is half written is looked for.
const LOG: &str = "repo-pool-log";

/// Tells whether another slot has a branch.
pub type IsHeld<'a> = &'a dyn Fn(&str) -> Result<bool>;

/// What becomes of a ref of the slot's own repository.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The pool has it already, or has a newer one.
    Leave,
    /// The pool's is set to it.
    Take,
    /// The same, if it follows the pool's.
    TakeIfAhead,
    /// What it leads to is saved if nothing else does.
    Save,
}

/// Decides about one ref: `ours` is the pool's of that name, `given` what the slot was handed out
/// with. `was_at` tells whether the slot has moved on from the pool's.
fn fate(
    name: &str,
    oid: &Oid,
    ours: Option<&Oid>,
    given: Option<&Oid>,
    was_at: impl Fn(&Oid) -> bool,
) -> Fate {
    let begins = |begin: &str| name.starts_with(begin);
    if ours == Some(oid) || given == Some(oid) {
        return Fate::Leave;
    }
    if begins(TRACKING) {
        // What was pushed is landed; what the pool has fetched since counts for more.
        return if ours == given {
            Fate::Take
        } else {
            Fate::Leave
        };
    }
    let branch = begins("refs/heads/");
    match ours {
        // Another remote has it.
        _ if begins("refs/remotes/") => Fate::Leave,
        _ if !branch && !begins("refs/tags/") && !begins("refs/notes/") => Fate::Save,
        None => Fate::Take,
        Some(ours) if branch && was_at(ours) => Fate::Take,
        Some(_) if branch || begins("refs/notes/") => Fate::TakeIfAhead,
        Some(_) => Fate::Save,
    }
}

/// What was found in the slot's own repository.
struct Gathered {
    /// The pool's refs, by now.
    ours: BTreeMap<String, Oid>,
    /// The slot's.
    theirs: BTreeMap<String, Oid>,
    /// Commits that no ref of the pool's was set to.
    left: Vec<Oid>,
}

/// Brings what was made in a slot that stands alone into the pool's repository, as far as it is known
/// by a name. The slot stays as it is; its holder may be at work.
pub fn gather(git: &Git, slot: &Worktree, is_held: IsHeld<'_>) -> Result<()> {
    match slot.own_repository()? {
        Some(repository) => gather_from(git, slot, &repository, is_held).map(drop),
        None => Ok(()),
    }
}

/// Makes a slot that stands alone a worktree of the pool's repository again. Nothing happens to any
/// other.
///
/// # Errors
/// Refused, or failed, with the slot as it was, if its repository can't be brought over whole.
pub fn bring_home(git: &Git, slot: &Worktree, is_held: IsHeld<'_>) -> Result<()> {
    let Some(repository) = slot.own_repository()? else {
        // One whose making was interrupted holds nothing.
        return remove::remove_tree(&slot.admin.join(ASIDE));
    };
    check_linked(slot, &repository)?;
    let gathered = gather_from(git, slot, &repository, is_held)?;
    if fs::metadata_if_there(&slot.admin)?.is_none() {
        let commit = resolve(&repository, "HEAD")?.or(gathered.theirs.values().next().cloned());
        let none = || Error::failed(format!("{} names no commit", repository.display()));
        slot.enrol(&commit.ok_or_else(none)?)?;
    }
    take_over(git, slot, &repository, &gathered)?;
    let kept = slot.admin.join(KEPT);
    remove::remove_tree(&kept)?;
    fs::rename_noreplace(&repository, &kept)?;
    slot.write_link()?;
    match slot.has_submodules() {
        true => submodules::follow(git, slot, &slot.modules()),
        false => Ok(()),
    }
}

fn gather_from(
    git: &Git,
    slot: &Worktree,
    repository: &Path,
    is_held: IsHeld<'_>,
) -> Result<Gathered> {
    check_format(repository)?;
    let logs = logs(repository)?;
    let theirs = ref_files::read(repository)?.found;
    let mut ours = ref_files::read(&slot.common)?.found;
    objects::bring(git, &repository.join("objects"), &slot.common)?;
    objects::share_lfs(repository, &slot.common)?;
    let given = ref_files::packed(&read_file(&slot.admin.join(GIVEN))?).found;
    let mut takes = Vec::new();
    let mut left: Vec<Oid> = logs.iter().cloned().collect();
    for (name, oid) in &theirs {
        let was_at = |ours: &Oid| logs.contains(ours);
        let current = ours.get(name);
        let take = match fate(name, oid, current, given.get(name), was_at) {
            Fate::Leave => continue,
            Fate::Save => false,
            Fate::Take => true,
            Fate::TakeIfAhead => match current {
                Some(current) => refs::leads_to(git, &slot.common, current, oid)?,
                None => true,
            },
        };
        let held = match name.strip_prefix("refs/heads/") {
            Some(branch) if take => is_held(branch)?,
            _ => false,
        };
        match take && !held {
            true => takes.push((name.clone(), current.cloned(), oid.clone())),
            false => left.extend(commit(git, &slot.common, oid)?),
        }
    }
    // A ref that names nothing holds nothing.
    let asked: String = takes.iter().map(|(.., new)| format!("{new}\n")).collect();
    let missing = match takes.is_empty() {
        true => Vec::new(),
        false => missing(git, &slot.common, asked.into_bytes())?,
    };
    takes.retain(|(.., new)| !missing.contains(new));
    check_whole(git, slot, repository, &takes)?;
    for (name, old, new) in takes {
        match refs::replace(git, &slot.common, &name, old.as_ref(), &new)? {
            true => drop(ours.insert(name, new)),
            // A ref of a name that can't stand beside the pool's, or one that was just moved.
            false => left.extend(commit(git, &slot.common, &new)?),
        }
    }
    Ok(Gathered { ours, theirs, left })
}

/// The commit that a ref's object leads to.
fn commit(git: &Git, common: &Path, oid: &Oid) -> Result<Option<Oid>> {
    refs::commit_of(git, common, oid)
}

/// A ref of the pool's must never lead to what is not there.
fn check_whole(
    git: &Git,
    slot: &Worktree,
    repository: &Path,
    takes: &[(String, Option<Oid>, Oid)],
) -> Result<()> {
    let mut tips: Vec<Oid> = takes.iter().map(|(.., new)| new.clone()).collect();
    if let Some(Head::Detached(oid)) = parse::head(&read_file(&repository.join("HEAD"))?) {
        tips.extend(commit(git, &slot.common, &oid)?);
    }
    if tips.is_empty() || salvage::are_complete(git, &slot.common, &tips)? {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} lacks objects of commits that were made in it",
        repository.display()
    ))
    .with_hint("`git fsck` in the slot tells which"))
}

/// Every commit that a log of the repository names: of its HEAD, its branches and its stash, and of
/// worktrees that were made from it.
fn logs(repository: &Path) -> Result<BTreeSet<Oid>> {
    let mut files = Vec::new();
    let mut dirs = vec![repository.join("logs")];
    let inner = repository.join("worktrees");
    if is_real_dir(&inner)? {
        for name in fs::list_dir_if_there(&inner)?.unwrap_or_default() {
            dirs.push(inner.join(&name).join("logs"));
            files.push(inner.join(name).join("HEAD"));
        }
    }
    while let Some(dir) = dirs.pop() {
        if !is_real_dir(&dir)? {
            continue;
        }
        for name in fs::list_dir_if_there(&dir)?.unwrap_or_default() {
            let path = dir.join(name);
            match is_real_dir(&path)? {
                true => dirs.push(path),
                false => files.push(path),
            }
        }
    }
    let mut found = BTreeSet::new();
    for file in files {
        let bytes = read_file(&file)?;
        found.extend(parse::reflog(&bytes));
    }
    Ok(found)
}

/// The registration becomes what the slot's own repository is: HEAD and its history, the index, what
/// is under way.
fn take_over(git: &Git, slot: &Worktree, repository: &Path, gathered: &Gathered) -> Result<()> {
    let write = |name: &str, bytes: &[u8]| {
        let path = slot.admin.join(name);
        if let Some(parent) = path.parent() {
            fs::create_private_dir_all(parent)?;
        }
        fs::write_atomic(&path, bytes, fs::Durability::RenameOnly)
    };
    for name in SET_ASIDE {
        let bytes = read_file(&repository.join(name))?;
        if !bytes.is_empty() {
            write(name, &bytes)?;
        }
    }
    let left: String = gathered.left.iter().map(|oid| format!("{oid}\n")).collect();
    write(FOUND, left.as_bytes())?;
    write(LOG, &read_file(&repository.join("logs/HEAD"))?)?;
    fs::create_private_dir_all(&slot.admin.join("logs"))?;
    fs::rename(&slot.admin.join(LOG), &slot.admin.join("logs/HEAD"))?;
    slot.forget_index()?;
    for name in index_files(repository)? {
        let file = repository.join(&name);
        if fs::metadata_if_there(&file)?.is_some_and(|file| file.is_file()) {
            fs::copy_with_time(&file, &slot.admin.join(&name))?;
        }
    }
    upstreams(git, slot, repository, gathered)?;
    match head(repository, gathered)? {
        Some(head) => slot.set_head(&head),
        None => Ok(()),
    }
}

/// Where HEAD stands: on its branch, if the pool's of that name is the same.
fn head(repository: &Path, gathered: &Gathered) -> Result<Option<Head>> {
    let Some(head) = parse::head(&read_file(&repository.join("HEAD"))?) else {
        return Ok(None);
    };
    let Head::Symbolic(name) = &head else {
        return Ok(Some(head));
    };
    let oid = resolve(repository, name)?;
    if oid.as_ref() == gathered.ours.get(name) {
        return Ok(Some(head));
    }
    Ok(Some(match oid {
        Some(oid) => Head::Detached(oid),
        // On no commit yet, under the name of a branch that the pool has.
        None => Head::Symbolic("refs/heads/repo-pool/unborn".into()),
    }))
}

/// What branches that the pool has now follow at the remote: `push -u` says it in the slot's config.
fn upstreams(git: &Git, slot: &Worktree, repository: &Path, gathered: &Gathered) -> Result<()> {
    let config = repository.join("config");
    let text = read_file(&config)?;
    if !String::from_utf8_lossy(&text).contains("[branch ") {
        return Ok(());
    }
    let settings = repository::settings_in(git, &config)?;
    for name in gathered.theirs.keys() {
        let Some(branch) = name.strip_prefix("refs/heads/") else {
            continue;
        };
        let key = format!("branch.{branch}.merge");
        let upstream = settings.iter().rev().find(|(name, _)| *name == key);
        let upstream = upstream.and_then(|(_, value)| value.strip_prefix("refs/heads/"));
        if let Some(upstream) = upstream
            && gathered.ours.contains_key(name)
            && refs::check_name(upstream).is_ok()
        {
            repository::track(git, &slot.common, branch, upstream)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(name: &str, ours: Option<&str>, given: Option<&str>, was_at: bool) -> Fate {
        let oid = |text: &str| text.to_owned();
        let (ours, given) = (ours.map(oid), given.map(oid));
        fate(name, &oid("new"), ours.as_ref(), given.as_ref(), |_| was_at)
    }

    #[test]
    fn what_the_pool_has_is_left() {
        for name in ["refs/heads/a", "refs/tags/v1", "refs/remotes/origin/main"] {
            assert_eq!(decided(name, Some("new"), None, false), Fate::Leave);
            assert_eq!(decided(name, Some("newer"), Some("new"), true), Fate::Leave);
        }
    }

    #[test]
    fn a_branch_is_taken_unless_the_pools_has_gone_another_way() {
        let name = "refs/heads/a";
        assert_eq!(decided(name, None, None, false), Fate::Take);
        assert_eq!(decided(name, Some("old"), None, true), Fate::Take);
        assert_eq!(decided(name, Some("other"), None, false), Fate::TakeIfAhead);
    }

    #[test]
    fn what_was_pushed_is_landed_unless_the_pool_has_fetched_since() {
        let name = "refs/remotes/origin/a";
        assert_eq!(decided(name, None, None, false), Fate::Take);
        assert_eq!(decided(name, Some("old"), Some("old"), false), Fate::Take);
        assert_eq!(
            decided(name, Some("fetched"), Some("old"), false),
            Fate::Leave
        );
    }

    #[test]
    fn a_moved_tag_a_stash_and_other_remotes_do_not_come_over_by_name() {
        assert_eq!(decided("refs/tags/v1", Some("old"), None, true), Fate::Save);
        assert_eq!(decided("refs/tags/v2", None, None, false), Fate::Take);
        assert_eq!(decided("refs/stash", None, None, false), Fate::Save);
        assert_eq!(
            decided("refs/remotes/fork/a", None, None, false),
            Fate::Leave
        );
    }
}

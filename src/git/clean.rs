//! Bringing a slot's tree to a commit, with nothing else in it.
//!
//! The caller has saved what is worth saving: everything here destroys.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::parse::Head;
use super::status::{self, Status};
use super::{Git, Oid, Worktree, advance, bring_back, distrust, litter, submodules, unseen};
use crate::domain::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::lock::FileLock;
use crate::sys::odd::Odd;
use crate::sys::trash::Bin;
use crate::sys::{fs, remove};

/// What is done to a slot that is on a branch and otherwise as it should be.
const DETACHED: &str = "detach HEAD";

/// How many paths a message names.
const PATHS_NAMED: usize = 20;

/// What a slot is to become.
pub struct Goal<'a> {
    /// The commit.
    pub commit: &'a Oid,
    /// Ignored paths that may stay (patterns as `git clean -e` takes them).
    pub keep: &'a [String],
    /// When it must be done.
    pub deadline: Deadline,
    /// Since when somebody else's git may have worked in the slot.
    pub since: Option<Timestamp>,
    /// What was found that git does not see, if that was looked for: it goes too.
    pub unseen: Option<Odd>,
    /// Where what goes is thrown.
    pub trash: Bin,
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The steps, in order.
    pub operations: Vec<String>,
    /// Ignored paths that were deleted.
    pub ignored: Vec<PathBuf>,
}

/// Brings the slot to `goal`, with HEAD detached there, given what a look at it has shown. A slot
/// that is there already costs nothing but that look.
pub fn to_goal(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    goal: &Goal<'_>,
) -> Result<Done> {
    let mut done = Done::default();
    for path in &seen.furnished {
        let whole = slot.path.join(path);
        fs::remove_file_if_there(&whole)?;
        fs::remove_empty_parents(&slot.path, &whole);
    }
    let filled = submodules::any(slot, &seen.submodules)?;
    take_apart(slot, seen, goal, filled, &mut done)?;
    if slot.join_index(git, lock)? {
        done.operations.push("make the split index one".into());
    }
    let mistrusted = distrust::mistrusted(git, slot, lock, seen, goal)?;
    let seen = mistrusted.as_ref().unwrap_or(seen);
    let thrown = litter::throw_away(slot, seen, goal)?;
    let odd = goal.unseen.as_ref();
    let odd = odd.map_or(0, |odd| odd.empty.len() + odd.special.len());
    if thrown && odd > 0 {
        done.operations.push(unseen::removed(odd));
    }
    if thrown
        && let Some(at) = bring_back::suffices(git, slot, seen, goal)?
        && only_what_changed(git, slot, lock, seen, at, goal, &mut done)?
    {
        return Ok(done);
    }
    let dirty = filled
        || !seen.changed.is_empty()
        || !seen.unreadable.is_empty()
        || !seen.hidden.is_empty();
    if dirty || seen.commit.as_ref() != Some(goal.commit) {
        if let Some(at) = seen.commit.as_ref().filter(|at| *at != goal.commit)
            && distrust::attributes_differ(git, slot, at, goal.commit)?
        {
            slot.forget_index()?;
        }
        checkout(git, slot, lock, goal.commit, goal.deadline)?;
        done.operations.push(reset_to(goal));
    } else if seen.branch.is_some() {
        slot.set_head(&Head::Detached(goal.commit.clone()))?;
        done.operations.push(DETACHED.into());
    }
    if !thrown && (dirty || is_littered(seen)) {
        sweep(git, slot, lock, seen, goal)?;
    }
    if dirty || is_littered(seen) {
        done.operations.push(swept(seen));
    }
    let touched = done
        .operations
        .iter()
        .any(|operation| operation != DETACHED);
    let left_in = match touched {
        true => make_sure(git, slot, lock, seen, goal, thrown, &mut done)?,
        false => Vec::new(),
    };
    if let Some(odd) = &goal.unseen {
        let known = Some(odd).filter(|_| !touched);
        done.operations
            .extend(unseen::remove(git, slot, lock, known, &left_in)?);
    }
    slot.note_filled()?;
    Ok(done)
}

/// Looks whether the slot is what it is to be, and puts right what comes to light only now; `thrown`:
/// untracked files were thrown away by what the first look has shown.
fn make_sure(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    goal: &Goal<'_>,
    thrown: bool,
    done: &mut Done,
) -> Result<Vec<PathBuf>> {
    match verify(git, slot, lock, goal, seen, done) {
        Err(_) if thrown => sweep(git, slot, lock, seen, goal)?,
        // What was kept while it was ignored, and is ignored no more.
        Err(_) if !goal.keep.is_empty() => {
            let untracked = status::look(git, slot, Some(lock))?.untracked;
            litter::throw(slot, goal, &untracked.iter().cloned().collect())?;
            let dirs = untracked.iter().flat_map(|path| path.ancestors().skip(1));
            for dir in dirs.filter(|dir| !dir.as_os_str().is_empty()) {
                fs::remove_dir_if_empty(&slot.path.join(dir));
            }
        }
        other => return other,
    }
    verify(git, slot, lock, goal, seen, done)
}

/// The short way: what was changed comes back as it is in `at`, HEAD's commit, and then the tree moves
/// by what differs between that and the goal. Nothing is looked at but what the look has shown, and
/// what git writes. False if git does not want to move the tree.
fn only_what_changed(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    at: &Oid,
    goal: &Goal<'_>,
    done: &mut Done,
) -> Result<bool> {
    let detached = Head::Detached(at.clone());
    if seen.branch.is_some() {
        slot.set_head(&detached)?;
    }
    bring_back::bring_back(git, slot, lock, &seen.ordinary, at, goal)?;
    if at != goal.commit && !advance::move_tree(git, slot, lock, at, goal)? {
        return Ok(false);
    }
    if !seen.changed.is_empty() || at != goal.commit {
        done.operations.push(reset_to(goal));
    } else if seen.branch.is_some() {
        done.operations.push(DETACHED.into());
    }
    if is_littered(seen) || !seen.changed.is_empty() {
        done.operations.push(swept(seen));
    }
    done.ignored.clone_from(&seen.ignored);
    Ok(true)
}

fn is_littered(seen: &Status) -> bool {
    !seen.untracked.is_empty() || !seen.ignored.is_empty()
}

fn reset_to(goal: &Goal<'_>) -> String {
    format!("reset to {}", &goal.commit[..goal.commit.len().min(12)])
}

fn swept(seen: &Status) -> String {
    format!(
        "remove {} untracked and {} ignored paths",
        seen.untracked.len(),
        seen.ignored.len()
    )
}

/// Takes away what keeps git from seeing or doing its work: repositories in the tree, what is under
/// way, an index that hides changes, directories that can't be read.
fn take_apart(
    slot: &Worktree,
    seen: &Status,
    goal: &Goal<'_>,
    filled: bool,
    done: &mut Done,
) -> Result<()> {
    if filled {
        let nested = seen.nested().map(Path::to_owned);
        let places: Vec<PathBuf> = seen.submodules.iter().cloned().chain(nested).collect();
        // Half emptied by a command that was killed, they would look like somebody's work.
        submodules::begin(slot)?;
        submodules::empty(slot, &places)?;
        submodules::end(slot)?;
        done.operations.push("empty submodules".into());
    }
    let embedded = seen.embedded.iter().map(|dir| dir.join(".git")).collect();
    litter::throw(slot, goal, &embedded)?;
    for dir in &seen.embedded {
        done.operations
            .push(format!("remove the repository in {}", dir.display()));
    }
    // Every commit leaves its message behind, which is no news, and neither is what the tool has put
    // there itself.
    let is_news = |name: &&String| *name != "COMMIT_EDITMSG" && !name.starts_with("repo-pool-");
    for name in slot.scrub_admin()?.iter().filter(is_news) {
        done.operations
            .push(format!("remove {name} from the registration"));
    }
    if !seen.outside.is_empty() {
        litter::throw(slot, goal, &seen.outside.iter().cloned().collect())?;
        for path in &seen.outside {
            fs::remove_empty_parents(&slot.path, &slot.path.join(path));
        }
        done.operations.push(format!(
            "remove {} files that the sparse checkout leaves out",
            seen.outside.len()
        ));
    }
    if !seen.hidden.is_empty() {
        // Without the index, what it hides are ordinary differences.
        slot.forget_index()?;
        done.operations
            .push("drop an index that hides changes".into());
    }
    if !seen.unreadable.is_empty() {
        fs::make_directories_usable(&slot.path)?;
        done.operations.push("make directories readable".into());
    }
    Ok(())
}

/// `checkout --force --detach`: like `reset --hard`, it restores every tracked file and throws
/// unmerged entries away, and it moves no branch. Attributes are the commit's: a `.gitattributes` that
/// is only in the tree would decide about line ends and then go. Read-only directories are made writable if they
/// stand in its way.
pub(super) fn checkout(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    commit: &Oid,
    deadline: Deadline,
) -> Result<()> {
    let run = || {
        slot.command(git)
            .holding(Some(lock))
            .until(deadline)
            .env("GIT_ATTR_SOURCE", commit)
            .args(["checkout", "--quiet", "--force", "--detach", commit, "--"])
            .run(&format!("reset {}", slot.path.display()))
    };
    if let Err(error) = run() {
        if !fs::make_directories_usable(&slot.path)? {
            return Err(error);
        }
        run()?;
    }
    Ok(())
}

/// Removes what is untracked and ignored, nested repositories too (3.2). What git can't delete
/// because a directory is read-only is made
/// writable first.
fn sweep(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    goal: &Goal<'_>,
) -> Result<()> {
    let clean = || {
        let mut command = slot.command(git).holding(Some(lock)).until(goal.deadline);
        command = command.args(["clean", "-ffdxq"]);
        for pattern in goal.keep {
            command = command.args(["-e", pattern]);
        }
        command.run_allowing(&[1], &format!("clean {}", slot.path.display()), &mut |_| ())
    };
    if clean()?.code != 0 {
        fs::make_directories_usable(&slot.path)?;
        if clean()?.code != 0 {
            return name_stuck(slot, seen, goal);
        }
    }
    Ok(())
}

/// What git can't delete is deleted, or named path by path with the reason. Where some of it is to be
/// kept, the verification that follows tells.
fn name_stuck(slot: &Worktree, seen: &Status, goal: &Goal<'_>) -> Result<()> {
    let all = seen.untracked.iter().chain(&seen.ignored);
    all.filter(|_| goal.keep.is_empty())
        .try_for_each(|path| remove::remove_tree(&slot.path.join(path)))
}

fn kept_out<'a>(ignored: &'a [PathBuf], keep: &'a [String]) -> impl Iterator<Item = &'a PathBuf> {
    ignored.iter().filter(move |_| keep.is_empty())
}

/// Makes sure that the slot is where it was to be brought. Returns the ignored paths that are kept.
fn verify(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    goal: &Goal<'_>,
    before: &Status,
    done: &mut Done,
) -> Result<Vec<PathBuf>> {
    let after = status::look(git, slot, Some(lock))?;
    let left: Vec<&PathBuf> = after
        .changed
        .iter()
        .chain(&after.untracked)
        .chain(&after.unreadable)
        .chain(kept_out(&after.ignored, goal.keep))
        .collect();
    if after.commit.as_ref() != Some(goal.commit) || after.branch.is_some() {
        return Err(Error::failed("HEAD did not move to the base commit"));
    }
    if !left.is_empty() {
        return Err(Error::failed(format!(
            "these paths can't be brought back{}",
            listed(left.into_iter())
        )));
    }
    done.ignored = before
        .ignored
        .iter()
        .filter(|path| !after.ignored.contains(path))
        .cloned()
        .collect();
    Ok(after.ignored)
}

/// Up to twenty paths, each on a line of its own, and how many more there are.
pub fn listed<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> String {
    let all: Vec<&Path> = paths.map(PathBuf::as_path).collect();
    let mut text = String::from(":");
    for path in all.iter().take(PATHS_NAMED) {
        text.push_str(&format!("\n  {}", path.to_string_lossy().escape_debug()));
    }
    if all.len() > PATHS_NAMED {
        text.push_str(&format!("\n  and {} more", all.len() - PATHS_NAMED));
    }
    text
}

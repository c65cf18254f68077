//! Saving work: commits that no remote branch holds and changes that no commit holds become one
//! commit under `refs/repo-pool/rescue/`.
//!
//! The rescue's tree is the working tree (tracked and untracked files, not the ignored ones). Its
//! parents are HEAD, then a commit of the index where that differs from both, then commits that
//! were made in the slot and left behind. The slot's own index is only ever copied, with its
//! modification time: git's check for edits within the second of the index write depends on it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::status::Status;
use super::{Git, Oid, Worktree, clean, is_oid, parse, refs};
use crate::domain::{Error, Result};
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// Where rescues are kept.
pub const RESCUES: &str = "refs/repo-pool/rescue/";

/// What holds commits that need no saving: the remote's branches, and what was fetched from the
/// remote or from the user's own repository for a `--ref`. Tags do not count: anybody can set them.
const LANDED: [&str; 4] = [
    "--not",
    "--remotes=origin",
    "--glob=refs/repo-pool/ref/*",
    "--glob=refs/repo-pool/head",
];

/// What there is to save in a slot.
#[derive(Debug, Clone, Default)]
pub struct Unlanded {
    /// How many commits of HEAD no remote branch and no rescue holds.
    pub commits: u64,
    /// Commits that were made in the slot and that HEAD no longer reaches.
    pub left_behind: Vec<Oid>,
    /// Whether the tree or the index differs from HEAD.
    pub changes: bool,
}

impl Unlanded {
    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        self.commits == 0 && self.left_behind.is_empty() && !self.changes
    }
}

/// Work that was saved.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// The part of the ref after [`RESCUES`].
    pub id: String,
    /// The commit that holds it.
    pub commit: Oid,
    /// What it holds.
    pub unlanded: Unlanded,
}

/// Finds out what would be lost if the slot were cleaned now.
pub fn unlanded(git: &Git, slot: &Worktree, seen: &Status) -> Result<Unlanded> {
    let head = seen.commit.as_ref();
    let commits = head.map_or(Ok(0), |head| count(git, slot, head))?;
    let mut candidates = parse::reflog(&slot.history()?);
    candidates.extend(slot.commits_set_aside()?);
    candidates.retain(|oid| Some(oid) != head);
    Ok(Unlanded {
        commits,
        left_behind: left_behind(git, slot, &candidates, head)?,
        changes: seen.has_changes(),
    })
}

/// Those of `candidates` that nothing but the slot's own files leads to: of commits that follow each
/// other, the last. One question to git, however many there are.
fn left_behind(
    git: &Git,
    slot: &Worktree,
    candidates: &[Oid],
    head: Option<&Oid>,
) -> Result<Vec<Oid>> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    match unlanded_with_parents(git, slot, candidates, head)? {
        Some(commits) => Ok(tips(candidates, &commits)),
        // One that is damaged must not hide the others.
        None if candidates.len() > 1 => {
            let mut found = Vec::new();
            for one in candidates {
                if let Some(commits) =
                    unlanded_with_parents(git, slot, std::slice::from_ref(one), head)?
                {
                    found.extend(tips(std::slice::from_ref(one), &commits));
                }
            }
            Ok(found)
        }
        None => Ok(Vec::new()),
    }
}

/// The commits that `candidates` reach and nothing that stays does, each with its parents behind it;
/// `None` if git can't follow them.
fn unlanded_with_parents(
    git: &Git,
    slot: &Worktree,
    candidates: &[Oid],
    head: Option<&Oid>,
) -> Result<Option<Vec<Vec<Oid>>>> {
    let mut asked: String = candidates.iter().map(|oid| format!("{oid}\n")).collect();
    asked.extend(head.map(|head| format!("^{head}\n")));
    let output = git
        .repository(&slot.common)
        .stdin(asked.into_bytes())
        .args(["rev-list", "--ignore-missing", "--parents", "--stdin"])
        .args(LANDED)
        .args([format!("--glob={RESCUES}*")])
        .run_allowing(
            &[128],
            "look for commits that were left behind",
            &mut |_| (),
        )?;
    let line = |line: &str| line.split(' ').map(str::to_owned).collect();
    Ok((output.code == 0).then(|| {
        output
            .text()
            .lines()
            .filter(|text| !text.is_empty())
            .map(line)
            .collect()
    }))
}

/// Those of `candidates` among `commits` that are no other's parent.
fn tips(candidates: &[Oid], commits: &[Vec<Oid>]) -> Vec<Oid> {
    let all: BTreeSet<&Oid> = commits.iter().filter_map(|commit| commit.first()).collect();
    let parents: BTreeSet<&Oid> = commits
        .iter()
        .flat_map(|commit| commit.iter().skip(1))
        .collect();
    let mut found: Vec<Oid> = Vec::new();
    for oid in candidates.iter().rev() {
        if all.contains(oid) && !parents.contains(oid) && !found.contains(oid) {
            found.push(oid.clone());
        }
    }
    found
}

/// How many commits `oid` reaches that no remote branch, tag or rescue does.
fn count(git: &Git, slot: &Worktree, oid: &Oid) -> Result<u64> {
    let output = git
        .repository(&slot.common)
        .args(["rev-list", "--count", oid])
        .args(LANDED)
        .args([format!("--glob={RESCUES}*")])
        .run("count commits that no remote branch holds")?;
    Ok(output.text().parse().unwrap_or(0))
}

/// The branches of the shared repository with commits that no remote branch and no tag holds.
pub fn unlanded_branches(git: &Git, repository: &Path) -> Result<Vec<String>> {
    let output = git
        .repository(repository)
        .args([
            "for-each-ref",
            "--format=%(objectname) %(refname:lstrip=2)",
            "refs/heads",
        ])
        .run("list branches")?;
    let mut found = Vec::new();
    for line in output.text().lines() {
        let Some((oid, name)) = line.split_once(' ') else {
            continue;
        };
        let ahead = git
            .repository(repository)
            .args(["rev-list", "--max-count=1", oid])
            .args(LANDED)
            .run("look for commits that the remote does not have")?;
        if !ahead.text().is_empty() {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

/// Whether any ref holds commits that nothing else does: the stash, a tag, an agent's own.
pub fn holds_unlanded(git: &Git, repository: &Path) -> Result<bool> {
    let output = git
        .repository(repository)
        .args(["rev-list", "--max-count=1", "--all"])
        .args(LANDED)
        .run("look for commits that the remote does not have")?;
    Ok(!output.text().is_empty())
}

/// Whether the remote holds `commit`, or it was kept as the start of a slot.
pub fn is_landed(git: &Git, repository: &Path, commit: &Oid) -> Result<bool> {
    let output = git
        .repository(repository)
        .args(["rev-list", "--max-count=1", commit])
        .args(LANDED)
        .run("look for commits that the remote does not have")?;
    Ok(output.text().is_empty())
}

/// Keeps `commit` under a rescue's name if nothing else holds it. Tells the ref.
pub fn keep_commit(
    git: &Git,
    slot: &Worktree,
    commit: &Oid,
    label: &str,
) -> Result<Option<String>> {
    if left_behind(git, slot, std::slice::from_ref(commit), None)?.is_empty() {
        return Ok(None);
    }
    let name = format!("{RESCUES}{label}/{}", crate::sys::user::random_hex(4));
    refs::set(git, &slot.common, &name, commit)?;
    Ok(Some(name))
}

/// Refuses what can't be captured, naming it.
pub fn check_capturable(seen: &Status) -> Result<()> {
    let nested: Vec<PathBuf> = seen.nested().map(Path::to_owned).collect();
    let (what, paths) = if !nested.is_empty() {
        ("nested repositories", &nested)
    } else if !seen.dirty_submodules.is_empty() {
        ("changes inside submodules", &seen.dirty_submodules)
    } else if !seen.unreadable.is_empty() {
        ("directories that can't be read", &seen.unreadable)
    } else {
        return Ok(());
    };
    Err(Error::Refused {
        message: format!(
            "the slot holds {what}, which can't be saved from here{}",
            clean::listed(paths.iter())
        ),
        hint: Some(
            "push or move what is in there, then release again; --discard gives it up".into(),
        ),
    })
}

/// Saves what `unlanded` found under `refs/repo-pool/rescue/<slot>/<id>`.
///
/// # Errors
/// Refused, with git's own words, if a file can't be read.
pub fn save(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    seen: &Status,
    unlanded: Unlanded,
    label: &str,
) -> Result<Rescue> {
    let id = format!("{label}/{}", crate::sys::user::random_hex(4));
    let message = format!("repo-pool: work saved from {label}");
    let mut parents: Vec<Oid> = seen.commit.iter().cloned().collect();
    let commit = match (&seen.commit, unlanded.changes) {
        (Some(head), false) if unlanded.left_behind.is_empty() => head.clone(),
        (head, _) => {
            let (index, tree) = trees(git, slot, lock, seen)?;
            let head_tree = match head {
                Some(head) => Some(tree_of(git, slot, head)?),
                None => None,
            };
            if let Some(index) =
                index.filter(|index| Some(index) != head_tree.as_ref() && index != &tree)
            {
                parents.push(commit_tree(
                    git,
                    slot,
                    &index,
                    &parents,
                    "repo-pool: the index",
                )?);
            }
            parents.extend(unlanded.left_behind.iter().cloned());
            commit_tree(git, slot, &tree, &parents, &message)?
        }
    };
    refs::set(git, &slot.common, &format!("{RESCUES}{id}"), &commit)?;
    complete(git, slot, &commit)?;
    Ok(Rescue {
        id,
        commit,
        unlanded,
    })
}

/// A gc beside a snapshot can delete its objects before the ref holds them, so nothing is destroyed
/// before all of them are seen to be there.
fn complete(git: &Git, slot: &Worktree, commit: &Oid) -> Result<()> {
    git.repository(&slot.common)
        .while_progressing()
        .args([
            "rev-list",
            "--objects",
            "--quiet",
            commit,
            "--not",
            "--remotes=origin",
        ])
        .run("check that the saved work is complete")?;
    Ok(())
}

/// The trees of the index (`None` while it holds conflicts) and of the working tree.
fn trees(git: &Git, slot: &Worktree, lock: &FileLock, seen: &Status) -> Result<(Option<Oid>, Oid)> {
    let copy = slot
        .common
        .join("repo-pool-tmp")
        .join(crate::sys::user::random_hex(8));
    fs::create_private_dir_all(&copy)?;
    let index = copy.join("index");
    let result = (|| {
        let there = slot.has_index()?;
        if there {
            fs::copy_with_time(&slot.admin.join("index"), &index)?;
        }
        let staged = if there && seen.unmerged.is_empty() {
            Some(write_tree(git, slot, &index)?)
        } else {
            None
        };
        slot.command(git)
            .holding(Some(lock))
            .while_progressing()
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_ATTR_SOURCE", empty_tree(git, slot)?)
            .args([
                "-c",
                "core.autocrlf=false",
                "-c",
                "core.safecrlf=false",
                "-c",
                "core.fsyncMethod=batch",
            ])
            .args(["add", "--all", "--", "."])
            .run("save uncommitted changes")
            .map_err(unreadable)?;
        Ok((staged, write_tree(git, slot, &index)?))
    })();
    crate::sys::remove::remove_tree(&copy)?;
    result
}

/// A file that git can't read can't be saved: the slot is left as it is.
fn unreadable(error: Error) -> Error {
    match error {
        Error::Git { failure, .. } if failure.ended.is_none() => Error::Refused {
            message: format!("uncommitted changes can't be saved: {}", failure.stderr),
            hint: Some(
                "put right what git names, then release again; --discard gives the changes up"
                    .into(),
            ),
        },
        other => other,
    }
}

fn empty_tree(git: &Git, slot: &Worktree) -> Result<Oid> {
    let output = git
        .repository(&slot.common)
        .args(["hash-object", "-w", "-t", "tree", "/dev/null"])
        .run("name the empty tree")?;
    verified(output.text(), "hash-object")
}

fn write_tree(git: &Git, slot: &Worktree, index: &Path) -> Result<Oid> {
    let output = slot
        .command(git)
        .env("GIT_INDEX_FILE", index)
        .args(["write-tree"])
        .run("write a tree")?;
    verified(output.text(), "write-tree")
}

fn tree_of(git: &Git, slot: &Worktree, commit: &Oid) -> Result<Oid> {
    let output = git
        .repository(&slot.common)
        .args([
            "rev-parse",
            "--verify",
            "--end-of-options",
            &format!("{commit}^{{tree}}"),
        ])
        .run("look up a tree")?;
    verified(output.text(), "rev-parse")
}

/// Commits as repo-pool, so that it works where nobody has set a name.
fn commit_tree(
    git: &Git,
    slot: &Worktree,
    tree: &Oid,
    parents: &[Oid],
    message: &str,
) -> Result<Oid> {
    let mut command = git
        .repository(&slot.common)
        .env("GIT_AUTHOR_NAME", "repo-pool")
        .env("GIT_AUTHOR_EMAIL", "repo-pool@localhost")
        .env("GIT_COMMITTER_NAME", "repo-pool")
        .env("GIT_COMMITTER_EMAIL", "repo-pool@localhost")
        .args(["commit-tree", "--no-gpg-sign", "-m", message]);
    for parent in parents {
        command = command.args(["-p", parent]);
    }
    verified(
        command.args([tree]).run("commit saved work")?.text(),
        "commit-tree",
    )
}

fn verified(text: String, command: &str) -> Result<Oid> {
    if is_oid(&text) {
        Ok(text)
    } else {
        Err(Error::failed(format!("git {command} printed no object id")))
    }
}

//! Making a rescue: a slot's work as one commit.
//!
//! Its tree is that of the files (tracked and untracked, not the ignored ones), each as it is: what
//! `status` says differs is stored byte for byte, without filters or conversion of line ends. Its
//! parents are HEAD, then a commit of the index where that differs from both, then commits that
//! were made in the slot and left behind. The message holds the record of it.
//!
//! Nothing of the slot is touched, its index is only copied. Objects are written into a repository
//! of their own (`Scratch`) and appear in the shared one as one pack.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::scratch::{Scratch, verified};
use super::snapshot::{self, Unlanded};
use super::status::Status;
use super::{Git, Oid, Sparse, Worktree, clean, hidden, parse, promised, rescue};
use crate::domain::rescue::{Record, SavedIndex};
use crate::domain::{Error, GitFailure, Result};
use crate::sys::fs;

/// How often saving is tried: a gc of somebody else's may take an object that was there already.
const TRIES: u32 = 3;

/// A file's entry in the index: `<mode> <object> <stage>` and its path.
struct Entry {
    stage: u8,
    mode_and_object: String,
    path: Vec<u8>,
}

/// Work that was saved.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The part of the ref after the common beginning.
    pub id: String,
    /// The commit that holds it.
    pub commit: Oid,
    /// What is recorded in it.
    pub record: Record,
}

/// Saves the work that `seen` and `unlanded` tell of; `record` is completed by what the commit holds.
///
/// # Errors
/// Refused, naming the paths, if a file can't be read.
pub fn save(
    git: &Git,
    slot: &Worktree,
    seen: &Status,
    unlanded: &Unlanded,
    label: &str,
    record: Record,
) -> Result<Saved> {
    if unlanded.changes {
        check_readable(slot, seen)?;
    }
    let mut tries = 1;
    loop {
        match try_to_save(git, slot, seen, unlanded, label, record.clone()) {
            Err(Error::Git { failure, .. }) if failure.ended.is_none() && tries < TRIES => {
                tries += 1;
            }
            other => return other,
        }
    }
}

fn try_to_save(
    git: &Git,
    slot: &Worktree,
    seen: &Status,
    unlanded: &Unlanded,
    label: &str,
    mut record: Record,
) -> Result<Saved> {
    let scratch = Scratch::new(git, slot)?;
    let head: Vec<Oid> = seen.commit.iter().cloned().collect();
    let head_tree = match &seen.commit {
        Some(head) => snapshot::tree_of(git, &slot.common, head)?,
        None => scratch.empty_tree(),
    };
    let mut parents = head.clone();
    let tree = if unlanded.changes {
        let there = scratch.copy_index()?;
        if there {
            hidden::reveal(|| scratch.command(), slot, &seen.hidden)?;
        }
        let (mut index, kept) = match there && is_plain(seen) && seen.staged == 0 {
            // What status has seen equal need not be written to be compared.
            true => plain(head_tree.clone()),
            false => save_index(&scratch, there, seen)?,
        };
        let tree = files(&scratch, slot, seen)?;
        if kept != head_tree && kept != tree {
            let commit = scratch.commit(&kept, &head, "repo-pool: the index")?;
            parents.push(commit.clone());
            index.commit = Some(commit);
        }
        record.index = Some(index);
        tree
    } else {
        head_tree
    };
    parents.extend(unlanded.left_behind.iter().cloned());
    let commit = scratch.commit(&tree, &parents, &record.message()?)?;
    let id = rescue::new_id(label);
    scratch.publish(&commit, || rescue::set(git, &slot.common, &id, &commit))?;
    if let Err(error) = complete(git, slot, &commit) {
        rescue::delete(git, &slot.common, &id, &commit)?;
        return Err(error);
    }
    Ok(Saved { id, commit, record })
}

/// Nothing is destroyed before every object of the rescue is seen to be there: those by which its
/// commits differ from their parents, as far as the remote does not hold these.
fn complete(git: &Git, slot: &Worktree, commit: &Oid) -> Result<()> {
    let what = "check that the saved work is complete";
    let ask = || git.repository(&slot.common).while_progressing();
    let commits = ask()
        .args(["rev-list", commit, "--not", "--remotes=origin"])
        .run(what)?;
    let changes = ask()
        .stdin(commits.stdout)
        .args(["diff-tree", "--stdin", "--raw", "-z", "-r", "-t", "--root"])
        .args(["--no-abbrev", "--no-renames", "--no-commit-id"])
        .args(["--diff-merges=first-parent"])
        .run(what)?;
    let mut objects: Vec<&[u8]> = parse::new_objects(&changes.stdout).collect();
    objects.sort_unstable();
    objects.dedup();
    let mut asked = objects.join(&b'\n');
    asked.push(b'\n');
    match promised::lost(git, &slot.common, asked)?.first() {
        None => Ok(()),
        Some(oid) => Err(Error::Git {
            context: what.into(),
            failure: Box::new(GitFailure {
                stderr: format!("object {oid} missing"),
                ..GitFailure::default()
            }),
        }),
    }
}

/// Refuses files that can't be read, naming them.
fn check_readable(slot: &Worktree, seen: &Status) -> Result<()> {
    let mut bad: Vec<(PathBuf, String)> = Vec::new();
    for path in seen.work() {
        let whole = slot.path.join(path);
        let is_there = path.parent().map_or(Ok(true), |parent| {
            fs::is_directory_below(&slot.path, parent)
        })? && fs::metadata_if_there(&whole)?
            .is_some_and(|metadata| !metadata.is_dir() && !metadata.is_symlink());
        if is_there && let Some(why) = fs::unreadable(&whole) {
            bad.push((path.clone(), why.to_string()));
        }
    }
    let Some((_, why)) = bad.first() else {
        return Ok(());
    };
    Err(Error::Refused {
        message: format!(
            "uncommitted changes can't be saved ({why}){}",
            clean::listed(bad.iter().map(|(path, _)| path))
        ),
        hint: Some("put that right, then release again; --discard gives the changes up".into()),
    })
}

fn plain(tree: Oid) -> (SavedIndex, Oid) {
    let index = SavedIndex {
        tree: tree.clone(),
        raw: None,
        commit: None,
    };
    (index, tree)
}

/// Whether the index has nothing that a tree can't hold, as far as `status` tells: neither conflicts
/// nor flags, nor files that were only announced. One of those that is gone shows as deleted.
fn is_plain(seen: &Status) -> bool {
    seen.unmerged.is_empty() && seen.hidden.is_empty() && !seen.may_be_announced
}

/// Saves what stands in the copied index, and tells the tree that keeps it.
fn save_index(scratch: &Scratch<'_>, there: bool, seen: &Status) -> Result<(SavedIndex, Oid)> {
    if !there {
        return Ok(plain(scratch.empty_tree()));
    }
    if is_plain(seen) {
        return scratch.write_tree().map(plain);
    }
    let listed = scratch
        .command()
        .args(["ls-files", "-v", "-s", "-z"])
        .run("read the index")?;
    let unmerged = entries(&listed.stdout).any(|entry| entry.stage > 0);
    // What is still flagged has no file.
    let left_out = !hidden::parse(&listed.stdout, &Sparse::default())
        .hidden
        .is_empty();
    if !unmerged {
        let tree = scratch.write_tree()?;
        if !left_out && !announces(scratch, &tree)? {
            return Ok(plain(tree));
        }
    }
    raw_index(scratch, &listed.stdout)
}

/// Whether the index has entries that were announced by `add -N`. Mostly its tree has none of them; but
/// git takes an empty file's for the one of a commit that it moves to, and then the tree has it.
fn announces(scratch: &Scratch<'_>, tree: &Oid) -> Result<bool> {
    for announced in ["--ita-visible-in-index", "--ita-invisible-in-index"] {
        let output = scratch
            .command()
            .args(["diff-index", "--cached", announced, "--quiet"])
            .args([tree])
            .run_allowing(&[1], "compare the index with its tree", &mut |_| ())?;
        if output.code == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The index file as a blob, and a tree for each stage, so that what it names stays.
fn raw_index(scratch: &Scratch<'_>, listed: &[u8]) -> Result<(SavedIndex, Oid)> {
    scratch
        .command()
        .args([
            "update-index",
            "--no-split-index",
            "--clear-resolve-undo",
            "--force-write-index",
        ])
        .run("write the index anew")?;
    let raw = store(scratch, &scratch.path("index"))?;
    let mut stages: BTreeMap<u8, Vec<u8>> = BTreeMap::from([(0, Vec::new())]);
    for entry in entries(listed) {
        let lines = stages.entry(entry.stage).or_default();
        lines.extend_from_slice(entry.mode_and_object.as_bytes());
        lines.push(b'\t');
        lines.extend_from_slice(&entry.path);
        lines.push(0);
    }
    let mut all = format!("100644 blob {raw}\tindex\n");
    let mut without_conflicts = None;
    for (stage, lines) in stages {
        let tree = stage_tree(scratch, stage, lines)?;
        all.push_str(&format!("040000 tree {tree}\tstage{stage}\n"));
        without_conflicts.get_or_insert(tree);
    }
    let output = scratch
        .command()
        .stdin(all.into_bytes())
        .args(["mktree"])
        .run("save the index")?;
    let index = SavedIndex {
        tree: without_conflicts.unwrap_or_else(|| scratch.empty_tree()),
        raw: Some(raw),
        commit: None,
    };
    Ok((index, verified(output.text(), "mktree")?))
}

/// Stores a file as it is.
pub(super) fn store(scratch: &Scratch<'_>, file: &Path) -> Result<Oid> {
    let output = scratch
        .command()
        .args(["hash-object", "-w", "--no-filters", "--"])
        .args([file])
        .run("save the index")?;
    verified(output.text(), "hash-object")
}

fn stage_tree(scratch: &Scratch<'_>, stage: u8, lines: Vec<u8>) -> Result<Oid> {
    let index = scratch.path(&format!("stage{stage}"));
    scratch
        .command()
        .env("GIT_INDEX_FILE", &index)
        .stdin(lines)
        .args(["update-index", "-z", "--index-info"])
        .run("save a stage of the index")?;
    scratch.write_tree_of(&index)
}

/// The tree of the files: the copied index, with every path that differs as it is now.
///
/// Those are taken out of it first. Otherwise a file that was not touched since it was staged would
/// be what its filters had made of it, and not what it is.
fn files(scratch: &Scratch<'_>, slot: &Worktree, seen: &Status) -> Result<Oid> {
    let mut out = Vec::new();
    let mut there = Vec::new();
    for path in seen.work() {
        let is_there = is_there(slot, path, seen)?;
        if is_there {
            there.extend_from_slice(path.as_os_str().as_bytes());
            there.push(0);
        }
        if !is_there || !seen.submodules.contains(path) {
            out.extend_from_slice(format!("0 {}\t", scratch.null()).as_bytes());
            out.extend_from_slice(path.as_os_str().as_bytes());
            out.push(0);
        }
    }
    for (lines, switches) in [
        (out, &["-z", "--index-info"][..]),
        (there, &["-z", "--add", "--replace", "--stdin"]),
    ] {
        scratch
            .command()
            .cwd(&slot.path)
            .stdin(lines)
            // Every content goes straight into one pack, which is several times faster than a file
            // for each.
            .args(["-c", "core.bigFileThreshold=1", "update-index"])
            .args(switches)
            .run("save uncommitted changes")?;
    }
    scratch.write_tree()
}

/// Whether something is at `path` that a tree can hold, and not behind a link.
fn is_there(slot: &Worktree, path: &Path, seen: &Status) -> Result<bool> {
    if let Some(parent) = path.parent()
        && !fs::is_directory_below(&slot.path, parent)?
    {
        return Ok(false);
    }
    let found = fs::metadata_if_there(&slot.path.join(path))?;
    Ok(found.is_some_and(|metadata| {
        !metadata.is_dir() || seen.submodules.iter().any(|place| place == path)
    }))
}

/// Reads `ls-files -v -s -z`.
fn entries(listed: &[u8]) -> impl Iterator<Item = Entry> {
    listed.split(|byte| *byte == 0).filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'\t')?;
        let text = std::str::from_utf8(&line[..at]).ok()?;
        let mut words = text.split(' ').skip(1);
        let (mode, object, stage) = (words.next()?, words.next()?, words.next()?);
        Some(Entry {
            stage: stage.parse().ok()?,
            mode_and_object: format!("{mode} {object}"),
            path: line[at + 1..].to_vec(),
        })
    })
}

//! What would be lost if a slot were cleaned: commits that no remote branch holds and changes that
//! no commit holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::rescue::RESCUES;
use super::scratch::verified;
use super::status::Status;
use super::{Git, Oid, Worktree, clean, parse, refs};
use crate::domain::{Error, Result};

/// What holds commits that need no saving: the remote's branches, and what was fetched from the
/// remote or from the user's own repository for a `--ref`. Tags do not count: anybody can set them.
pub(super) const LANDED: [&str; 4] = [
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

/// Finds out what would be lost if the slot were cleaned now. If HEAD is at `landed`, git need not
/// be asked for its commits.
pub fn unlanded(
    git: &Git,
    slot: &Worktree,
    seen: &Status,
    landed: Option<&Oid>,
) -> Result<Unlanded> {
    let head = seen.commit.as_ref();
    let commits = match head {
        Some(head) if Some(head) != landed => count(git, slot, head)?,
        _ => 0,
    };
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

/// How many commits `oid` reaches that no remote branch and no rescue does.
pub fn count(git: &Git, slot: &Worktree, oid: &Oid) -> Result<u64> {
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

/// Whether a branch of the remote holds `commit`.
pub fn is_at_the_remote(git: &Git, repository: &Path, commit: &Oid) -> Result<bool> {
    let output = git
        .repository(repository)
        .args(["rev-list", "--max-count=1", commit])
        .args(["--not", "--remotes=origin"])
        .run("look for commits that the remote does not have")?;
    Ok(output.text().is_empty())
}

/// Whether nothing that stays leads to `commit`.
pub fn is_alone(git: &Git, slot: &Worktree, commit: &Oid) -> Result<bool> {
    Ok(!left_behind(git, slot, std::slice::from_ref(commit), None)?.is_empty())
}

/// The commits that hold what needs no saving.
pub(super) fn landed_tips(git: &Git, repository: &Path) -> Result<BTreeSet<Oid>> {
    let prefixes = [
        "refs/remotes/origin/",
        "refs/repo-pool/ref/",
        "refs/repo-pool/head",
    ];
    let refs = refs::list(git, repository, &prefixes)?;
    Ok(refs.into_iter().map(|reference| reference.oid).collect())
}

/// Refuses what can't be captured, naming it.
pub fn check_capturable(seen: &Status) -> Result<()> {
    let nested = seen.nested().map(Path::to_owned);
    let nested: Vec<PathBuf> = nested.chain(seen.embedded.iter().cloned()).collect();
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

/// The tree of a commit.
pub(super) fn tree_of(git: &Git, repository: &Path, commit: &Oid) -> Result<Oid> {
    let output = git
        .repository(repository)
        .args([
            "rev-parse",
            "--verify",
            "--end-of-options",
            &format!("{commit}^{{tree}}"),
        ])
        .run("look up a tree")?;
    verified(output.text(), "rev-parse")
}

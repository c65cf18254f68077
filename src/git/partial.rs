//! Work of which not everything can be read: what can be is kept as a rescue.

use std::path::Path;

use super::rescue::RESCUES;
use super::salvage::is_complete;
use super::{Git, Oid, is_oid, promised, refs};
use crate::domain::{Error, Result};
use crate::sys::{fs, remove, user};

/// An entry of a tree: mode and object, and its path.
pub(super) type Entry = (String, Oid, Vec<u8>);

/// Keeps what can be read of the commit that a ref named, and of the commits it was made of (of a
/// rescue these are the index and what was left behind), on top of `parent`. Tells the rescues.
pub fn keep(
    git: &Git,
    repository: &Path,
    from: &str,
    oid: &Oid,
    parent: Option<&Oid>,
) -> Result<Vec<String>> {
    let parents = git
        .repository(repository)
        .args(["rev-list", "--parents", "--max-count=1", "--no-walk", oid])
        .run_allowing(&[1, 128], "look up a commit's parents", &mut |_| ())?;
    let parents = parents.text();
    let mut kept = Vec::new();
    for commit in parents.split_whitespace().map(str::to_owned) {
        if is_oid(&commit)
            && !is_complete(git, repository, &commit)?
            && let Some(name) = keep_tree(git, repository, from, &commit, parent)?
        {
            kept.push(name);
        }
    }
    Ok(kept)
}

fn keep_tree(
    git: &Git,
    repository: &Path,
    from: &str,
    commit: &Oid,
    parent: Option<&Oid>,
) -> Result<Option<String>> {
    let mut entries = Vec::new();
    list(git, repository, commit, b"", &mut entries)?;
    let asked: String = entries
        .iter()
        .map(|(_, oid, _)| format!("{oid}\n"))
        .collect();
    let gone = promised::lost(git, repository, asked.into_bytes())?;
    entries.retain(|(mode, oid, _)| mode == "160000" || !gone.contains(oid));
    if entries.is_empty() {
        return Ok(None);
    }
    let tree = write(git, repository, &entries)?;
    if let Some(parent) = parent
        && refs::tree_of(git, repository, parent)? == Some(tree.clone())
    {
        return Ok(None);
    }
    let message = format!("repo-pool: work saved from {from}, as far as it can be read");
    let mut command = git
        .repository(repository)
        .env("GIT_AUTHOR_NAME", "repo-pool")
        .env("GIT_AUTHOR_EMAIL", "repo-pool@localhost")
        .env("GIT_COMMITTER_NAME", "repo-pool")
        .env("GIT_COMMITTER_EMAIL", "repo-pool@localhost")
        .args(["commit-tree", "--no-gpg-sign", "-m", &message]);
    if let Some(parent) = parent {
        command = command.args(["-p", parent]);
    }
    let saved = command.args([&tree]).run("commit saved work")?.text();
    let name = format!("{RESCUES}recovered-{}", user::random_hex(4));
    refs::set(git, repository, &name, &saved)?;
    Ok(Some(name))
}

/// The files of a tree as far as its own trees can be read.
fn list(
    git: &Git,
    repository: &Path,
    tree: &str,
    prefix: &[u8],
    found: &mut Vec<Entry>,
) -> Result<()> {
    let ask = |recursive: &[&str]| {
        git.repository(repository)
            .args(["ls-tree", "-z", "--full-tree"])
            .args(recursive)
            .args([tree])
            .run_allowing(&[1, 128], "list a tree", &mut |_| ())
    };
    let whole = ask(&["-r"])?;
    if whole.code == 0 {
        found.extend(parse(&whole.stdout, prefix).map(|(entry, _)| entry));
        return Ok(());
    }
    for ((mode, oid, path), is_tree) in parse(&ask(&[])?.stdout, prefix) {
        if is_tree {
            let below = [&path[..], b"/"].concat();
            list(git, repository, &oid, &below, found)?;
        } else {
            found.push((mode, oid, path));
        }
    }
    Ok(())
}

/// Reads `ls-tree -z`: `<mode> <kind> <object>\t<path>`.
pub(super) fn parse<'b>(
    listed: &'b [u8],
    prefix: &'b [u8],
) -> impl Iterator<Item = (Entry, bool)> + 'b {
    listed
        .split(|byte| *byte == 0)
        .filter_map(move |record: &[u8]| {
            let at = record.iter().position(|byte| *byte == b'\t')?;
            let head = std::str::from_utf8(&record[..at]).ok()?;
            let mut words = head.split(' ');
            let (mode, kind, oid) = (words.next()?, words.next()?, words.next()?);
            let path = [prefix, &record[at + 1..]].concat();
            let entry = (mode.to_owned(), oid.to_owned(), path);
            is_oid(oid).then_some((entry, kind == "tree"))
        })
}

/// Makes a tree of the entries.
fn write(git: &Git, repository: &Path, entries: &[Entry]) -> Result<Oid> {
    let place = repository.join("repo-pool-tmp").join(user::random_hex(8));
    fs::create_private_dir_all(&place)?;
    let index = place.join("index");
    let mut lines = Vec::new();
    for (mode, oid, path) in entries {
        lines.extend_from_slice(format!("{mode} {oid}\t").as_bytes());
        lines.extend_from_slice(path);
        lines.push(0);
    }
    git.repository(repository)
        .env("GIT_INDEX_FILE", &index)
        .stdin(lines)
        .args(["update-index", "-z", "--index-info"])
        .run("put together what can be read")?;
    let tree = git
        .repository(repository)
        .env("GIT_INDEX_FILE", &index)
        // What was promised is not there.
        .args(["write-tree", "--missing-ok"])
        .run("put together what can be read")?
        .text();
    remove::remove_tree(&place)?;
    match is_oid(&tree) {
        true => Ok(tree),
        false => Err(Error::failed("git write-tree printed no object id")),
    }
}

/// Keeps commits that nothing leads to: where refs were lost, they may be what those named. `known`
/// are led to from elsewhere. Tells the rescues.
pub fn keep_dangling(git: &Git, repository: &Path, known: &[Oid]) -> Result<Vec<String>> {
    let found = git
        .repository(repository)
        .while_progressing()
        .args([
            "fsck",
            "--connectivity-only",
            "--no-reflogs",
            "--no-progress",
        ])
        .run_allowing(
            &[1, 2, 3, 4, 5, 6, 7],
            "look for commits that nothing leads to",
            &mut |_| (),
        )?;
    let mut kept = Vec::new();
    let lines = found.text();
    for oid in lines
        .lines()
        .filter_map(|line| line.strip_prefix("dangling commit "))
    {
        let oid = oid.to_owned();
        if is_oid(&oid) && !known.contains(&oid) && is_complete(git, repository, &oid)? {
            let name = format!("{RESCUES}recovered-{}", &oid[..12]);
            refs::set(git, repository, &name, &oid)?;
            kept.push(name);
        }
    }
    Ok(kept)
}

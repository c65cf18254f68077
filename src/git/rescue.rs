//! The refs that hold saved work.
//!
//! They lie flat under [`RESCUES`], so that no ref of anybody else's can stand in the way as a
//! directory of theirs.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::scratch::{self, commit_tree};
use super::{Git, Invocation, Oid, is_oid, refs};
use crate::domain::rescue::{Amounts, Record};
use crate::domain::{Error, Result};
use crate::sys::{fs, user};

/// Where rescues are kept.
pub const RESCUES: &str = "refs/repo-pool/rescue/";

/// How the message of a rescue began when it had no record.
const WITHOUT_RECORD: &str = "repo-pool: work saved from ";

/// A rescue in the repository.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The part of its ref after [`RESCUES`].
    pub id: String,
    /// Its commit.
    pub commit: Oid,
    /// What is recorded of it; of an older one what can be told.
    pub record: Record,
}

/// A path that a tree has in another way than another tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `A`, `D`, `M` or `T`.
    pub kind: char,
    /// `<mode> <object>` as it is afterwards.
    pub entry: String,
    /// The path.
    pub path: Vec<u8>,
}

/// The ref of a rescue.
pub fn reference(id: &str) -> String {
    format!("{RESCUES}{id}")
}

/// A new id for work from the slot called `label`.
pub fn new_id(label: &str) -> String {
    format!("{label}-{}", user::random_hex(4))
}

/// Sets the ref of a rescue, on the disk too.
pub fn set(git: &Git, repository: &Path, id: &str, commit: &Oid) -> Result<()> {
    let set = || {
        git.repository(repository)
            .args(["-c", "core.fsync=reference", "update-ref", "--no-deref"])
            .args([&reference(id), commit])
            .run("keep saved work")
    };
    match set() {
        Err(Error::Git { .. }) if make_room(git, repository)? => set()?,
        other => other?,
    };
    Ok(())
}

/// Moves refs out of the way that somebody gave the name of a directory of rescues. Tells whether
/// there was one.
fn make_room(git: &Git, repository: &Path) -> Result<bool> {
    let names = ["refs/repo-pool", "refs/repo-pool/rescue"];
    let mut any = false;
    for found in refs::list(git, repository, &names)? {
        if names.contains(&found.name.as_str()) {
            let aside = format!("refs/repo-pool-aside/{}", user::random_hex(4));
            refs::set(git, repository, &aside, &found.oid)?;
            refs::delete(git, repository, &found.name)?;
            any = true;
        }
    }
    Ok(any)
}

/// Deletes the ref of a rescue if it still holds `commit`.
pub fn delete(git: &Git, repository: &Path, id: &str, commit: &Oid) -> Result<()> {
    git.repository(repository)
        .args(["update-ref", "--no-deref", "-d"])
        .args([&reference(id), commit])
        .run(&format!("drop saved work {id}"))?;
    Ok(())
}

/// Whether two rescues have the same files, the same index and the same commits.
pub fn hold_the_same(git: &Git, repository: &Path, one: &Oid, other: &Oid) -> Result<bool> {
    let trees = |commit: &Oid| -> Result<Vec<String>> {
        let output = git
            .repository(repository)
            .args(["rev-list", "--no-walk=unsorted", "--format=%T"])
            .args([commit, &format!("{commit}^@")])
            .run("compare saved work")?;
        let lines = output.text();
        let lines = lines.lines().filter(|line| !line.starts_with("commit "));
        Ok(lines.map(str::to_owned).collect())
    };
    Ok(trees(one)? == trees(other)?)
}

/// All rescues of a repository, oldest first.
pub fn all(git: &Git, repository: &Path) -> Result<Vec<Kept>> {
    let output = git
        .repository(repository)
        .args(["for-each-ref"])
        .args(["--format=%(refname)%00%(objectname)%00%(committerdate:unix)%00%(parent)%00%(contents)%00"])
        .args([RESCUES])
        .run("list saved work")?;
    let mut found = parse(&output.stdout);
    found.sort_by(|a, b| (a.record.created_at, &a.id).cmp(&(b.record.created_at, &b.id)));
    Ok(found)
}

/// What the rescues of a repository are called by, as its files say: no git is asked.
pub fn ids(repository: &Path) -> Result<Vec<String>> {
    let loose = fs::list_dir_if_there(&repository.join(RESCUES))?.unwrap_or_default();
    let mut found: BTreeSet<String> = loose
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    let packed = fs::read_if_there(&repository.join("packed-refs"))?.unwrap_or_default();
    let packed = String::from_utf8_lossy(&packed);
    let names = packed
        .lines()
        .filter_map(|line| line.split_once(' ')?.1.strip_prefix(RESCUES));
    found.extend(names.map(str::to_owned));
    Ok(found.into_iter().collect())
}

/// Reads five fields for each ref, each ended by a NUL. What is no commit is no rescue.
fn parse(bytes: &[u8]) -> Vec<Kept> {
    let text = String::from_utf8_lossy(bytes);
    let fields: Vec<&str> = text.split('\0').collect();
    fields
        .chunks_exact(5)
        .filter_map(|fields| {
            let id = fields[0].trim_start().strip_prefix(RESCUES)?.to_owned();
            let commit = fields[1].to_owned();
            let time = Timestamp::from_second(fields[2].parse().ok()?).ok()?;
            let record = Record::from_message(fields[4])
                .unwrap_or_else(|| without_record(&id, &commit, fields[3], fields[4], time));
            is_oid(&commit).then_some(Kept { id, commit, record })
        })
        .collect()
}

/// What can be told of a rescue without a record: one of an older version, or somebody's own ref.
fn without_record(id: &str, commit: &str, parents: &str, message: &str, time: Timestamp) -> Record {
    let ours = message.starts_with(WITHOUT_RECORD);
    let parent = parents.split(' ').next().filter(|oid| is_oid(oid));
    Record {
        schema: 0,
        slot_id: id.split(['/', '-']).next().unwrap_or_default().to_owned(),
        created_at: time,
        expires_at: None,
        reason: None,
        owner: None,
        allocation_id: None,
        branch: None,
        head: match ours {
            true => parent.map(str::to_owned),
            false => Some(commit.to_owned()),
        },
        subject: message.lines().next().unwrap_or_default().to_owned(),
        amounts: Amounts::default(),
        left_behind: Vec::new(),
        index: None,
    }
}

/// What only this rescue and other rescues hold, in bytes; `None` if git can't tell.
pub fn size(git: &Git, repository: &Path, commit: &Oid) -> Option<u64> {
    git.repository(repository)
        .args(["rev-list", "--objects", "--disk-usage"])
        .args(["--missing=allow-promisor", commit])
        .args(super::snapshot::LANDED)
        .run("measure saved work")
        .ok()?
        .text()
        .parse()
        .ok()
}

/// The subject of a commit.
pub fn subject(git: &Git, repository: &Path, commit: &Oid) -> Result<String> {
    let output = git
        .repository(repository)
        .args(["log", "-1", "--no-show-signature", "--format=%s", commit])
        .run("read a commit")?;
    Ok(output.text())
}

/// The commits that `tips` lead to and nothing that stays does, newest first: id and subject. At
/// most `most` of them.
pub fn commits(
    git: &Git,
    repository: &Path,
    tips: &[&Oid],
    most: usize,
) -> Result<Vec<(Oid, String)>> {
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let output = git
        .repository(repository)
        .args(["log", "--no-show-signature", "--format=%H %s"])
        .args([format!("--max-count={most}")])
        .args(tips)
        .args(super::snapshot::LANDED)
        .run("list saved commits")?;
    let pair = |line: &str| {
        let (oid, subject) = line.split_once(' ').unwrap_or((line, ""));
        (oid.to_owned(), subject.to_owned())
    };
    Ok(output.text().lines().map(pair).collect())
}

/// What differs between two trees.
pub fn changes(command: Invocation<'_>, from: &str, to: &str) -> Result<Vec<Change>> {
    let output = command
        .while_progressing()
        .args(["diff-tree", "-r", "-z", "--raw", "--no-renames"])
        .args([from, to])
        .run("compare trees")?;
    Ok(parse_changes(&output.stdout))
}

/// Reads `diff-tree -z --raw`: `:<mode> <mode> <object> <object> <kind>\0<path>\0`.
fn parse_changes(bytes: &[u8]) -> Vec<Change> {
    let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    fields
        .chunks_exact(2)
        .filter_map(|pair| {
            let head = std::str::from_utf8(pair[0]).ok()?.strip_prefix(':')?;
            let words: Vec<&str> = head.split(' ').collect();
            Some(Change {
                kind: words.get(4)?.chars().next()?,
                entry: format!("{} {}", words.get(1)?, words.get(3)?),
                path: pair[1].to_vec(),
            })
        })
        .collect()
}

/// The paths below the directory `dir` of a tree.
pub fn paths_below(git: &Git, repository: &Path, tree: &str, dir: &str) -> Result<Vec<Vec<u8>>> {
    let output = git
        .repository(repository)
        .args(["ls-tree", "-r", "-z", "--name-only"])
        .args([format!("{tree}:{dir}")])
        .run_allowing(&[128], "read saved work", &mut |_| ())?;
    let names = output.stdout.split(|byte| *byte == 0);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

/// The empty tree of a repository whose objects are named as `like` is.
pub fn empty_tree(like: &Oid) -> Oid {
    scratch::empty_tree(like.len() == 64)
}

/// The tree of a commit.
pub fn tree_of(git: &Git, repository: &Path, commit: &Oid) -> Result<Oid> {
    super::snapshot::tree_of(git, repository, commit)
}

/// Makes branches, all or none; one that is there already is git's to refuse.
pub fn make_branches(git: &Git, repository: &Path, branches: &[(String, Oid)]) -> Result<()> {
    let lines: String = branches
        .iter()
        .map(|(name, commit)| format!("create refs/heads/{name} {commit}\n"))
        .collect();
    git.repository(repository)
        .stdin(lines.into_bytes())
        .args(["update-ref", "-m", "repo-pool: restore", "--stdin"])
        .run("make the branch")?;
    Ok(())
}

/// A commit of saved files on top of the commit they were changed from.
pub fn commit_on(
    git: &Git,
    repository: &Path,
    tree: &Oid,
    parent: Option<&Oid>,
    message: &str,
) -> Result<Oid> {
    let parents: Vec<Oid> = parent.into_iter().cloned().collect();
    commit_tree(git.repository(repository), tree, &parents, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rescues_with_and_without_a_record_are_read() {
        let (a, b, c) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
        let text = format!(
            "{RESCUES}slot1/aa\0{a}\0100\0{b} {c}\0repo-pool: work saved from slot1\n\0\n\
             {RESCUES}slot2/bb\0{b}\0200\0{c}\0Fix it\n\nMore.\n\0\n\
             {RESCUES}tag\0{c}\0\0\0a tag\n\0\n"
        );
        let found = parse(text.as_bytes());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].record.head.as_ref(), Some(&b));
        assert_eq!(found[1].record.head.as_ref(), Some(&b));
        assert_eq!(found[1].record.subject, "Fix it");
        assert_eq!(found[0].record.slot_id, "slot1");
    }

    #[test]
    fn changes_have_their_new_entry() {
        let (a, b) = ("1".repeat(40), "2".repeat(40));
        let text = format!(":100644 100755 {a} {b} M\0x y\0:100644 000000 {a} {b} D\0z\0");
        let found = parse_changes(text.as_bytes());
        assert_eq!(found[0].entry, format!("100755 {b}"));
        assert_eq!((found[0].kind, found[1].kind), ('M', 'D'));
        assert_eq!(found[0].path, b"x y");
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_parser(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes);
            parse_changes(&bytes);
        }
    }
}

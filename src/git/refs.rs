//! Names to object ids, and the branches of slots. What is not an object id that git has verified
//! goes no further.

use std::path::Path;

use super::lookup::{Lookup, Said};
use super::parse::{self, Head, Ref};
use super::{Git, Oid, Worktree, is_oid};
use crate::domain::{Error, Result};
use crate::sys::fs;
use crate::sys::lock::FileLock;

/// Refuses what can't be a ref or revision from outside: options, control characters, ranges.
pub fn check_name(name: &str) -> Result<()> {
    let bad = name.is_empty()
        || name.starts_with('-')
        || name.len() > 1024
        || name.chars().any(|c| c.is_ascii_control() || c == ' ')
        || ["..", "^", ":", "?", "*", "[", "\\", "@{"]
            .iter()
            .any(|part| name.contains(part));
    if bad {
        return Err(Error::usage(format!(
            "{name:?} can't be a ref: give a branch, a tag, a full ref or a commit"
        ))
        .with_hint("`repo-pool branches POOL` lists the remote's branches"));
    }
    Ok(())
}

/// Refuses what can't be a branch's name, as far as that is seen without git.
pub fn check_branch_name(name: &str) -> Result<()> {
    check_name(name).map_err(|_| no_branch(name))
}

fn no_branch(name: &str) -> Error {
    Error::usage(format!("{name:?} can't be a branch's name"))
        .with_hint("no blanks, no `..` and none of `~^:?*[\\`, as in fix-login or feature/login")
}

/// Refuses what `git check-ref-format` refuses as a branch's name.
pub fn check_branch(git: &Git, name: &str) -> Result<()> {
    check_branch_name(name)?;
    if is_plain(name) {
        return Ok(());
    }
    let checked = git
        .outside()
        .args(["check-ref-format", "--branch", name])
        .run_allowing(&[1, 128], "check the branch's name", &mut |_| ())?;
    if checked.code != 0 || name == "HEAD" {
        return Err(no_branch(name));
    }
    Ok(())
}

/// Whether a branch's name is so plain that git need not be asked whether it takes it.
fn is_plain(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.ends_with(".lock")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-%=".contains(&byte))
    };
    name != "HEAD" && !name.contains("..") && name.split('/').all(part)
}

/// The object that a ref is at, by its name in full. Whether the object is there is not looked at. Git is
/// asked only where the files of the repository do not tell.
pub fn tip(git: &Git, repository: &Path, name: &str) -> Result<Option<Oid>> {
    match Lookup::new(repository).tip(name)? {
        Said::At(oid) => Ok(Some(oid)),
        Said::Absent => Ok(None),
        Said::Unclear => {
            let found = list(git, repository, &[name])?;
            let found = found.into_iter().find(|found| found.name == name);
            Ok(found.map(|found| found.oid))
        }
    }
}

/// Whether refs can be made of that name in all of these spaces, as far as the files of the repository
/// tell: false may mean that git has to be asked.
pub fn have_room(repository: &Path, spaces: &[&str], name: &str) -> Result<bool> {
    let lookup = Lookup::new(repository);
    for space in spaces {
        if !lookup.has_room_for(space, name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The commit that `revision` names in the repository, if it names one. `revision` must be a full
/// ref or an object id: short names mean different things to different readers.
pub fn commit_of(git: &Git, repository: &Path, revision: &str) -> Result<Option<Oid>> {
    let output = git
        .repository(repository)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .args([format!("{revision}^{{commit}}")])
        .run_allowing(&[1, 128], &format!("look up {revision}"), &mut |_| ())?;
    let text = output.text();
    Ok((output.code == 0 && is_oid(&text)).then_some(text))
}

/// The tree of a commit, if it can be read.
pub fn tree_of(git: &Git, repository: &Path, commit: &Oid) -> Result<Option<Oid>> {
    let output = git
        .repository(repository)
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .args([format!("{commit}^{{tree}}")])
        .run_allowing(&[1, 128], "look up a tree", &mut |_| ())?;
    let text = output.text();
    Ok((output.code == 0 && is_oid(&text)).then_some(text))
}

/// All refs below the given prefixes, with their objects.
pub fn list(git: &Git, repository: &Path, prefixes: &[&str]) -> Result<Vec<Ref>> {
    let output = git
        .repository(repository)
        .args(["for-each-ref", "--format=%(objectname) %(refname)"])
        .args(prefixes)
        .run("list refs")?;
    Ok(parse::refs(&output.stdout))
}

/// The registration (its directory's name) that has `branch` checked out, if one has but for those
/// that `is_exempt` names.
pub fn holder_of(
    repository: &Path,
    branch: &str,
    is_exempt: &dyn Fn(&str) -> bool,
) -> Result<Option<String>> {
    let wanted = Head::Symbolic(format!("refs/heads/{branch}"));
    let worktrees = repository.join("worktrees");
    for name in fs::list_dir_if_there(&worktrees)?.unwrap_or_default() {
        let head = worktrees.join(&name).join("HEAD");
        if name.to_str().is_some_and(is_exempt) {
            continue;
        }
        if !fs::metadata_if_there(&head)?.is_some_and(|head| head.is_file()) {
            continue;
        }
        // One that can't be read is another slot's damage.
        let bytes = fs::read_if_there(&head).ok().flatten().unwrap_or_default();
        if parse::head(&bytes) == Some(wanted.clone()) {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// Sets `branch` to `commit`, for a slot that is about to be put on it. With `expected`, the branch
/// must still be there (or not yet exist, if that is `None`): somebody may have committed to it
/// meanwhile.
///
/// # Errors
/// git's own words, if the branch is not as expected or can't be made.
pub fn set_branch(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    branch: &str,
    commit: &Oid,
    expected: Option<Option<&Oid>>,
) -> Result<()> {
    let name = format!("refs/heads/{branch}");
    let absent = "0".repeat(commit.len());
    let old = expected.map(|expected| expected.map_or(absent.as_str(), |oid| oid.as_str()));
    slot.command(git)
        .holding(Some(lock))
        .args(["update-ref", "--no-deref", "-m", "repo-pool: allocate"])
        .args([&name, commit])
        .args(old)
        .run(&format!("set branch {branch}"))?;
    Ok(())
}

/// Makes refs that are not there yet, all of them or none.
pub fn create_all(git: &Git, repository: &Path, names: &[String], commit: &Oid) -> Result<()> {
    let mut lines = String::from("start\n");
    for name in names {
        lines.push_str(&format!("create {name} {commit}\n"));
    }
    // Without this last word, as from a caller that was killed, git makes none.
    lines.push_str("commit\n");
    git.repository(repository)
        .stdin(lines.into_bytes())
        .args([
            "update-ref",
            "--no-deref",
            "-m",
            "repo-pool: allocate",
            "--stdin",
        ])
        .run("make the branches of new slots")?;
    Ok(())
}

/// Whether a loose ref of that name is at `commit`. A packed one is not looked for, which only means
/// that it is set again.
pub fn is_at(repository: &Path, name: &str, commit: &Oid) -> Result<bool> {
    Ok(loose(repository, name)?.as_ref() == Some(commit))
}

/// The object of a loose ref: one read of a small file. None if it is packed, or is no ref of one.
pub fn loose(repository: &Path, name: &str) -> Result<Option<Oid>> {
    let path = repository.join(name);
    if check_name(name).is_err()
        || !fs::metadata_if_there(&path)?.is_some_and(|metadata| metadata.is_file())
    {
        return Ok(None);
    }
    let bytes = fs::read_if_there(&path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(is_oid(&text).then_some(text))
}

/// Moves HEAD, and the branch that it is on, from one commit to another without touching a file.
pub fn move_head(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    from: Option<&Oid>,
    to: &Oid,
) -> Result<()> {
    slot.command(git)
        .holding(Some(lock))
        .args(["update-ref", "-m", "repo-pool: restore", "HEAD", to])
        .args(from)
        .run("move HEAD")?;
    Ok(())
}

/// Whether `old` is `new` or comes before it.
pub fn leads_to(git: &Git, repository: &Path, old: &Oid, new: &Oid) -> Result<bool> {
    let output = git
        .repository(repository)
        .args(["merge-base", "--is-ancestor", old, new])
        .run_allowing(&[1], "compare commits", &mut |_| ())?;
    Ok(output.code == 0)
}

/// How many commits `one` has that `other` does not have, and the other way round.
pub fn distance(git: &Git, repository: &Path, one: &Oid, other: &Oid) -> Result<(u64, u64)> {
    let output = git
        .repository(repository)
        .args(["rev-list", "--left-right", "--count"])
        .args([format!("{one}...{other}")])
        .run("compare commits")?;
    let text = output.text();
    let mut counts = text.split_whitespace().map(str::parse);
    match (counts.next(), counts.next()) {
        (Some(Ok(left)), Some(Ok(right))) => Ok((left, right)),
        _ => Err(Error::failed("git can't compare two commits")),
    }
}

/// Sets a ref, whatever it was.
pub fn set(git: &Git, repository: &Path, name: &str, commit: &Oid) -> Result<()> {
    git.repository(repository)
        .args(["update-ref", "--no-deref", name, commit])
        .run(&format!("set {name}"))?;
    Ok(())
}

/// Sets a ref that is still what it was, or still not there. False if it is not, or if it can't stand
/// beside the others.
pub fn replace(
    git: &Git,
    repository: &Path,
    name: &str,
    old: Option<&Oid>,
    new: &Oid,
) -> Result<bool> {
    let absent = "0".repeat(new.len());
    let set = git
        .repository(repository)
        .args(["update-ref", "--no-deref", "-m", "repo-pool: release", "--"])
        .args([name, new, old.unwrap_or(&absent)])
        .run_allowing(&[1, 128], &format!("set {name}"), &mut |_| ())?;
    Ok(set.code == 0)
}

/// Deletes a ref that may or may not be there.
pub fn delete(git: &Git, repository: &Path, name: &str) -> Result<()> {
    git.repository(repository)
        .args(["update-ref", "--no-deref", "-d", name])
        .run(&format!("delete {name}"))?;
    Ok(())
}

/// Deletes a ref that is still what it was. False if it is not.
pub fn delete_at(git: &Git, repository: &Path, name: &str, old: &Oid) -> Result<bool> {
    let deleted = git
        .repository(repository)
        .args(["update-ref", "--no-deref", "-d", name, old])
        .run_allowing(&[1, 128], &format!("delete {name}"), &mut |_| ())?;
    Ok(deleted.code == 0)
}

/// Deletes a branch that may or may not be there, for the slot whose lock is given: a git that
/// outlived its killed caller must not delete the branch of the slot's successor.
pub fn delete_branch(git: &Git, repository: &Path, lock: &FileLock, branch: &str) -> Result<()> {
    git.repository(repository)
        .holding(Some(lock))
        .args(["update-ref", "--no-deref", "-d"])
        .args([format!("refs/heads/{branch}")])
        .run(&format!("delete branch {branch}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_that_git_takes_for_sure() {
        for plain in ["rp/3", "rp/a.b_c-d", "rp/%20x=0a", "main"] {
            assert!(is_plain(plain), "{plain:?}");
        }
        for other in [
            "", "/a", "a/", "a//b", ".a", "a/.b", "-a", "a.", "a.lock", "a.lock/b", "a..b", "a b",
            "HEAD", "@", "a~1", "ä",
        ] {
            assert!(!is_plain(other), "{other:?}");
        }
    }

    #[test]
    fn what_could_be_an_option_or_an_expression_is_no_ref() {
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a..b",
            "HEAD^",
            "a:b",
            "x\ny",
            "@{-1}",
            "a*",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["main", "feature/x", "refs/pull/7/head", "v1.0", "HEAD"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}

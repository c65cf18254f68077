//! Whether the objects that all slots share are there and can be read.
//!
//! Two looks: whether everything that refs, HEADs and indexes lead to exists (a quarter of a second
//! for 100 000 objects), and whether every object's content is what its name says (four times that,
//! and more for large files).

use std::collections::BTreeSet;
use std::path::Path;

use super::{Git, Invocation, Oid, is_oid, promised};
use crate::domain::damage::tell_of_damage;
use crate::domain::{Error, Result};
use crate::sys::clock::Deadline;
use crate::sys::fs;

/// How closely objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything that is referred to exists.
    Connected,
    /// And everything there is can be read.
    Contents,
}

/// What is wrong with the repository's objects, in git's words; `None` if nothing is, or if it can't
/// be told by `deadline`.
pub fn damage(
    git: &Git,
    repository: &Path,
    depth: Depth,
    deadline: Deadline,
) -> Result<Option<String>> {
    let look = |command: Invocation<'_>, context: &str| match command.until(deadline).run(context) {
        Ok(_) => Ok(None),
        Err(Error::Git { failure, .. }) if failure.ended.is_some() => Ok(None),
        Err(Error::Git { failure, .. }) => Ok(Some(failure.stderr)),
        Err(other) => Err(other),
    };
    let readable = git.repository(repository).args(["rev-parse", "--git-dir"]);
    if let Some(words) = look(readable, "open the repository")? {
        return Ok(Some(words).filter(|words| tell_of_damage(words)));
    }
    if fs::metadata_if_there(&repository.join("worktrees"))?.is_some_and(|place| !place.is_dir()) {
        return Ok(Some(
            "the place of the registrations is no directory".into(),
        ));
    }
    // Not `--all`: a HEAD that names nothing is one slot's damage, and hides the rest.
    // Contents that a partial clone lacks are the remote's to give.
    let contents = promised::filter(repository)?.map(|_| "--filter=blob:none");
    let connected = git
        .repository(repository)
        .args(["rev-list", "--objects", "--quiet", "--glob=refs/*"])
        .args(contents);
    if let Some(words) = look(connected, "follow all refs")?
        && tell_of_damage(&words)
    {
        return Ok(Some(words));
    }
    if depth == Depth::Connected {
        return Ok(None);
    }
    // What it says on stdout is about links, also of what nothing leads to.
    let contents =
        git.repository(repository)
            .args(["fsck", "--full", "--no-dangling", "--no-progress"]);
    Ok(look(contents, "read all objects")?.filter(|words| tell_of_damage(words)))
}

/// Those of the objects, one on a line, that the repository does not have. git answers each line with
/// one, and does not notice if it can't: what it has not answered must not pass for being there.
pub fn missing(git: &Git, repository: &Path, oids: Vec<u8>) -> Result<Vec<Oid>> {
    let asked = oids.split(|byte| *byte == b'\n').count();
    let asked = asked - usize::from(oids.is_empty() || oids.ends_with(b"\n"));
    let output = git
        .repository(repository)
        .while_progressing()
        .stdin(oids)
        .args(["cat-file", "--batch-check=%(objectname)", "--buffer"])
        .run("look for objects that are missing")?;
    let lines = output.text();
    let answered = lines.lines().count();
    if answered != asked {
        let text = format!("git answered {answered} of {asked} questions for objects");
        return Err(Error::failed(text).with_hint("try again"));
    }
    let gone = lines
        .lines()
        .filter_map(|line| line.strip_suffix(" missing"));
    Ok(gone
        .filter(|oid| is_oid(oid))
        .map(str::to_owned)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect())
}

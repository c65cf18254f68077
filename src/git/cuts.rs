//! Shallow repositories: where a history is cut off.

use std::path::Path;

use super::{Git, Oid, is_oid, objects};
use crate::domain::Result;
use crate::sys::fs;

/// git's list of commits whose parents were left with the remote.
const NAME: &str = "shallow";

/// The commits whose parents are not there.
pub fn all(repository: &Path) -> Result<Vec<Oid>> {
    let listed = fs::read_if_there(&repository.join(NAME))?.unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let oids = listed.lines().filter(|line| is_oid(line));
    Ok(oids.map(str::to_owned).collect())
}

/// Cuts the histories of `new` off where those of `old` were, as far as they would lead to commits
/// that it does not have.
pub fn bring(git: &Git, old: &Path, new: &Path) -> Result<()> {
    let mut cuts = all(new)?;
    let known = cuts.len();
    for commit in all(old)? {
        if !cuts.contains(&commit) && lacks_parents(git, new, &commit)? {
            cuts.push(commit);
        }
    }
    if cuts.len() == known {
        return Ok(());
    }
    let text: String = cuts.iter().map(|oid| format!("{oid}\n")).collect();
    fs::write_atomic(&new.join(NAME), text.as_bytes(), fs::Durability::Durable)
}

fn lacks_parents(git: &Git, repository: &Path, commit: &Oid) -> Result<bool> {
    let parents = git
        .repository(repository)
        .args([
            "rev-list",
            "--parents",
            "--max-count=1",
            "--no-walk",
            commit,
        ])
        .run_allowing(&[1, 128], "look up a commit's parents", &mut |_| ())?;
    let parents = parents.text();
    let asked: String = parents
        .split_whitespace()
        .skip(1)
        .map(|oid| format!("{oid}\n"))
        .collect();
    Ok(!objects::missing(git, repository, asked.into_bytes())?.is_empty())
}

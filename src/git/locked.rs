//! Lock files of git's that stand in a command's way.
//!
//! Another git may hold it for a moment; a killed one leaves it for ever, and every later command
//! would fail. So whoever meets one waits until it is gone, or until provably nobody holds it: it has
//! not changed, no process has it open, and no git that may have made it works in the repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parse;
use crate::domain::Result;
use crate::sys::clock::{self, Deadline};
use crate::sys::{fs, inside, liveness, lock};

/// How long a lock file may stand in the way in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one must have been as it is before it can be nobody's.
const STILL: Duration = Duration::from_secs(1);

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A file's time and a process's start are taken from clocks this far apart at most.
const SLACK: Duration = Duration::from_millis(500);

/// What a command has met with so far.
#[derive(Default)]
pub(super) struct Obstacles {
    patience: Option<Deadline>,
}

impl Obstacles {
    /// Waits until the lock file that `stderr` complains about is out of the way: then the command
    /// is worth another try. False if it complains about none, or it stays.
    pub(super) fn cleared(&mut self, stderr: &[u8]) -> Result<bool> {
        let Some(path) = in_the_way(&String::from_utf8_lossy(stderr)) else {
            return Ok(false);
        };
        let patience = *self
            .patience
            .get_or_insert_with(|| Deadline::after(PATIENCE));
        while !patience.passed() {
            let Some(seen) = fs::metadata_if_there(&path)? else {
                return Ok(true);
            };
            if !seen.is_file() {
                return Ok(false);
            }
            let age = clock::age_of(&seen);
            if age >= STILL && nobody_holds(&path, age) && lock::remove_if_still(&path, &seen)? {
                return Ok(true);
            }
            clock::pause(PAUSE)?;
        }
        Ok(false)
    }
}

/// The lock file that git says is there already.
fn in_the_way(stderr: &str) -> Option<PathBuf> {
    const CONFIG: &str = "could not lock config file ";
    let config = stderr.split_once(CONFIG).and_then(|(_, rest)| {
        let (path, rest) = rest.split_once(": ")?;
        Some((format!("{path}.lock"), rest))
    });
    let (path, rest) = config.or_else(|| {
        let (_, rest) = stderr.split_once("nable to create '")?;
        let (path, rest) = rest.split_once("': ")?;
        Some((path.to_owned(), rest))
    })?;
    (rest.starts_with("File exists") && path.starts_with('/') && path.ends_with(".lock"))
        .then(|| where_it_is(PathBuf::from(path)))
}

/// git names the lock after the file that it was to change; where that is a link, as in a view of the
/// repository, the lock is beside what the link leads to.
fn where_it_is(lock: PathBuf) -> PathBuf {
    let target = std::fs::read_link(lock.with_extension(""));
    let there = target.ok().and_then(|target| {
        let place = lock.parent()?.join(&target);
        let mut name = place.file_name()?.to_owned();
        name.push(".lock");
        Some(place.parent()?.canonicalize().ok()?.join(name))
    });
    there.unwrap_or(lock)
}

/// Whether provably no process has made the lock file, which is so old, and goes on using it.
fn nobody_holds(path: &Path, age: Duration) -> bool {
    let open = inside::processes_inside(path, &[]);
    let Some(repository) = path.ancestors().find(|dir| dir.join("objects").is_dir()) else {
        return false;
    };
    open.inside.is_empty()
        && places(repository).iter().all(|place| {
            let scan = inside::processes_inside(place, &[std::process::id()]);
            let inside = scan.inside.iter().map(|process| process.pid);
            inside
                .chain(scan.unreadable)
                .filter(|pid| liveness::age(*pid).is_none_or(|own| own + SLACK >= age))
                .all(|pid| !may_be_git(pid))
        })
}

/// The directories in which somebody who works in the repository stands.
fn places(repository: &Path) -> Vec<PathBuf> {
    let worktrees = repository.join("worktrees");
    let names = fs::list_dir_if_there(&worktrees).ok().flatten();
    let mut places = vec![repository.to_owned()];
    for name in names.unwrap_or_default() {
        let link = fs::read_if_there(&worktrees.join(name).join("gitdir"));
        places.extend(link.ok().flatten().and_then(|text| parse::linked(&text)));
    }
    places
}

/// By its command line, which everybody may read.
fn may_be_git(pid: u32) -> bool {
    liveness::command_of(pid).is_none_or(|command| command.contains("git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_in_the_way_is_the_one_that_git_names() {
        let of = |text| in_the_way(text);
        let refs = "error: cannot lock ref 'refs/heads/x': Unable to create \
                    '/w/repo.git/refs/heads/x.lock': File exists.\n\nAnother git process";
        assert_eq!(of(refs), Some("/w/repo.git/refs/heads/x.lock".into()));
        let index = "fatal: Unable to create '/w/index.lock': File exists.";
        assert_eq!(of(index), Some("/w/index.lock".into()));
        assert_eq!(
            of("fatal: Unable to create '/w/index.lock': No space left"),
            None
        );
        let config = "error: could not lock config file /w/repo.git/config: File exists\n";
        assert_eq!(of(config), Some("/w/repo.git/config.lock".into()));
        assert_eq!(of("fatal: unable to create 'x.lock': File exists"), None);
        assert_eq!(of("fatal: unable to create '/w/x': File exists"), None);
    }
}

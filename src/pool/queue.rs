//! The line of those who wait for a slot: first come, first served, over all processes.
//!
//! Who waits has a ticket: a file in the pool's `queue`, named after its place, whose lock it holds.
//! A ticket counts as long as its lock is held, so that one whose holder was killed is none any more;
//! whoever looks at the line next clears it away. Tickets are drawn, and the line is judged by those
//! who take a slot, under the pool's lock.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::Pool;
use crate::domain::{Error, Result};
use crate::store::LockedPool;
use crate::sys::lock::{self, FileLock, HeldLocks};
use crate::sys::{clock, fs, liveness};

/// A place in the line. Lower is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Rises with time, and past every ticket that is there.
    number: u64,
    /// Where `pid` has a meaning.
    pid_namespace: u64,
    /// Who waits: only to tell whether it has been stopped.
    pid: u32,
}

impl Place {
    fn file_name(&self) -> String {
        format!("{:020}-{}-{}", self.number, self.pid_namespace, self.pid)
    }

    fn parse(name: &OsStr) -> Option<Self> {
        let mut parts = name.to_str()?.split('-');
        let place = Self {
            number: parts.next()?.parse().ok()?,
            pid_namespace: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
        };
        (name == place.file_name().as_str()).then_some(place)
    }

    /// Whether somebody stands there: alive, and not stopped by hand. Who is stopped holds nobody up
    /// and has its place again when it goes on.
    fn is_taken(&self, pool: &Pool<'_>) -> Result<bool> {
        if lock::remove_if_free(&self.path(pool))? {
            return Ok(false);
        }
        let here = liveness::machine().pid_namespace;
        Ok(self.pid_namespace != here || !liveness::is_stopped(self.pid))
    }

    /// The file whose lock shows that somebody stands there.
    pub fn path(&self, pool: &Pool<'_>) -> PathBuf {
        pool.paths.queue().join(self.file_name())
    }
}

/// A place in the line that this process holds, until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    /// Where it stands.
    pub place: Place,
    path: PathBuf,
    _lock: FileLock,
}

impl Drop for Ticket {
    /// The file goes before its lock ends, so that nobody takes it for one that a killed process left.
    fn drop(&mut self) {
        let _ = fs::remove_file_if_there(&self.path);
    }
}

/// Draws a ticket: at the end of the line, or at a place that this process had before.
pub fn join(pool: &Pool<'_>, _locked: &LockedPool, before: Option<Place>) -> Result<Ticket> {
    fs::create_private_dir_all(&pool.paths.queue())?;
    let place = match before {
        Some(place) => place,
        None => Place {
            number: next_number(&places(pool)?),
            pid_namespace: liveness::machine().pid_namespace,
            pid: std::process::id(),
        },
    };
    let path = place.path(pool);
    // Nobody else stands there: who has it locked is looking whether anybody does.
    match FileLock::acquire(&path, pool.settings.lock_timeout, &mut || {})? {
        Ok(lock) => Ok(Ticket {
            place,
            path,
            _lock: lock,
        }),
        Err(_) => Err(Error::failed(format!(
            "{} is locked by somebody else",
            path.display()
        ))),
    }
}

/// By the time, so that a place that was given up for a while is still before the later ones.
fn next_number(there: &[Place]) -> u64 {
    let now = clock::boot_time().as_nanos() as u64;
    let last = there.last().map_or(0, |place| place.number);
    now.max(last.saturating_add(1))
}

/// All tickets, whether anybody holds them or not, in their order. One look at a directory that
/// mostly is empty or not there.
fn places(pool: &Pool<'_>) -> Result<Vec<Place>> {
    let names = fs::list_dir_if_there(&pool.paths.queue())?.unwrap_or_default();
    let mut places: Vec<Place> = names.iter().filter_map(|name| Place::parse(name)).collect();
    places.sort_unstable();
    Ok(places)
}

/// How many wait for a slot of the pool; of those who hold a ticket, only who is before `own`.
pub fn ahead(pool: &Pool<'_>, own: Option<Place>) -> Result<usize> {
    let mut count = 0;
    for place in earlier(places(pool)?, own) {
        count += usize::from(place.is_taken(pool)?);
    }
    Ok(count)
}

/// Who is next before `own`; none if `own` is the first.
pub fn next_before(pool: &Pool<'_>, own: Place) -> Result<Option<Place>> {
    for place in earlier(places(pool)?, Some(own)).rev() {
        if place.is_taken(pool)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The tickets that killed processes have left, for who clears them away.
pub fn dead(pool: &Pool<'_>) -> Result<Vec<PathBuf>> {
    let paths = places(pool)?.into_iter().map(|place| place.path(pool));
    Ok(paths
        .filter(|path| lock::is_held(path) == Some(false))
        .collect())
}

/// How many wait, and since when the first of them; none if nobody does. No lock is touched for that,
/// so that who waits in another pid namespace is not seen.
pub fn waiting(pool: &Pool<'_>) -> Result<Option<(u64, Duration)>> {
    let all = places(pool)?;
    if all.is_empty() {
        return Ok(None);
    }
    let locks = HeldLocks::now(&pool.paths.queue());
    let is_there = |place: &&Place| {
        locks.is_locked(&place.path(pool)) == Some(true) && !liveness::is_stopped(place.pid)
    };
    let there: Vec<&Place> = all.iter().filter(is_there).collect();
    Ok(there.first().map(|first| {
        let began = Duration::from_nanos(first.number);
        let waited = clock::boot_time().saturating_sub(began);
        (there.len() as u64, waited)
    }))
}

fn earlier(all: Vec<Place>, own: Option<Place>) -> impl DoubleEndedIterator<Item = Place> {
    all.into_iter()
        .filter(move |place| own.is_none_or(|own| *place < own))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(number: u64, pid: u32) -> Place {
        Place {
            number,
            pid_namespace: 4_026_531_836,
            pid,
        }
    }

    #[test]
    fn a_place_is_read_from_the_name_of_its_file() {
        let one = place(17, 4711);
        assert_eq!(Place::parse(one.file_name().as_ref()), Some(one));
        for name in [
            "",
            "17",
            "17-1-2",
            "x",
            "00000000000000000017-1-2-3",
            "-1-1-1",
        ] {
            assert_eq!(Place::parse(name.as_ref()), None, "{name}");
        }
    }

    #[test]
    fn who_comes_later_stands_behind_everybody() {
        let far = place(u64::MAX - 1, 1);
        assert_eq!(next_number(&[place(3, 1), far]), u64::MAX);
        assert!(next_number(&[]) > 0);
        let line = vec![place(1, 9), place(2, 1), place(3, 5)];
        let before: Vec<_> = earlier(line.clone(), Some(place(3, 5))).collect();
        assert_eq!(before, line[..2]);
        assert_eq!(earlier(line.clone(), None).count(), 3);
    }

    proptest! {
        #[test]
        fn arbitrary_names_do_not_panic(name: String) {
            let _ = Place::parse(name.as_ref());
        }
    }
}

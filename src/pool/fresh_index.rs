//! The indexes of slots that were just checked out.
//!
//! git can't tell by the times whether a file that was written in the second of its index was written
//! again after it, so every `status` reads all of those files: several times what it takes otherwise.
//! Once that second is over, a slot that nobody can reach has no such file, and its index gets a later
//! time. A time of whole seconds shows that it has.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use jiff::Timestamp;

use super::{Pool, journal, verified};
use crate::domain::Result;
use crate::domain::slot::SlotState;
use crate::sys::{clock, fs};

/// By how much the times of files may be behind the clock, and more.
const LAG: Duration = Duration::from_millis(100);

/// How often it is waited for that time: a clock that is being set right goes slower than time does.
const PAUSES: u32 = 3;

/// How many slots are done under one lock of the pool.
const AT_ONCE: usize = 50;

/// Gives the indexes of those slots that are idle and verified a time later than that of their files.
/// Waits until there is such a time: a second and a tenth at most.
pub fn renew(pool: &Pool<'_>, numbers: &[u32]) -> Result<()> {
    let young: Vec<(u32, i64)> = numbers
        .iter()
        .filter_map(|number| Some((*number, written(pool, *number)?)))
        .collect();
    let Some(newest) = young.iter().map(|(_, second)| *second).max() else {
        return Ok(());
    };
    for _ in 0..PAUSES {
        match until_past(newest, clock::now()) {
            Duration::ZERO => break,
            left => clock::pause(left)?,
        }
    }
    young.chunks(AT_ONCE).try_for_each(|some| touch(pool, some))
}

/// The second in which the slot's index was written, unless its time was set here.
fn written(pool: &Pool<'_>, number: u32) -> Option<i64> {
    let index = pool.worktree(number).admin.join("index");
    let metadata = fs::metadata_if_there(&index).ok().flatten()?;
    (metadata.is_file() && metadata.mtime_nsec() != 0).then(|| metadata.mtime())
}

/// The second that files which are written now can't be older than.
fn past_second() -> i64 {
    let now = clock::now();
    now.checked_sub(LAG).unwrap_or(now).as_second()
}

/// How long it takes until a second is past. One that has not begun is a wrong clock's, and not waited
/// for.
fn until_past(second: i64, now: Timestamp) -> Duration {
    let end = Timestamp::from_second(second.saturating_add(1)).and_then(|end| end.checked_add(LAG));
    match end {
        Ok(end) if second <= now.as_second() => {
            Duration::try_from(end.duration_since(now)).unwrap_or_default()
        }
        _ => Duration::ZERO,
    }
}

/// Under the pool's lock, so that nobody can be given one of them meanwhile.
fn touch(pool: &Pool<'_>, young: &[(u32, i64)]) -> Result<()> {
    let mut locked = pool.lock()?;
    let mut any = false;
    for (number, second) in young {
        let now = past_second();
        let Some(slot) = locked.record.slot_mut(*number) else {
            continue;
        };
        let Some(commit) = slot.commit.clone() else {
            continue;
        };
        if slot.state != SlotState::Available || *second >= now || !verified::holds(pool, slot) {
            continue;
        }
        let Some(_lock) = journal::try_slot(pool, *number)? else {
            continue;
        };
        fs::set_modified(&pool.worktree(*number).admin.join("index"), now)?;
        slot.mark = verified::mark(pool, *number, &commit);
        any = true;
    }
    match any {
        true => locked.save().map(drop),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_second_is_waited_for_wherever_in_it_that_begins() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).expect("a time");
        let wait = |now| until_past(7, at(now)).as_millis();
        assert_eq!([wait(7_000), wait(7_050), wait(7_999)], [1_100, 1_050, 101]);
        assert_eq!([wait(8_099), wait(8_100), wait(9_000)], [1, 0, 0]);
        assert_eq!(wait(6_999), 0, "it is not the clock that wrote it");
    }
}

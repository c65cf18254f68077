//! Moving a slot that is known to be clean to another commit, at the cost of what differs.
//!
//! A move that is interrupted leaves files of both commits, which would look like somebody's work. So a
//! note in the registration says where it goes, from before the first file is written until HEAD is
//! there; who finds one completes the move.

use std::time::Duration;

use super::clean::{self, Goal};
use super::parse::Head;
use super::status::Status;
use super::{Git, Oid, Worktree, distrust, oid_or_none};
use crate::domain::Result;
use crate::sys::clock::Deadline;
use crate::sys::fs;
use crate::sys::lock::FileLock;
use crate::sys::threads;

/// The note's name in the registration.
const NOTE: &str = "repo-pool-move";

/// What completing a move may take.
const TIME: Duration = Duration::from_secs(300);

/// Brings a slot that was seen clean at `from`, where nobody can have reached it since, to `goal`,
/// with HEAD detached there. Returns what was done.
///
/// Only the files that differ between the two commits are looked at and written. That leaves nothing
/// else behind, since there was nothing else; where ignored files are kept, the new commit's
/// `.gitignore` may say otherwise, so there, and where git finds that a file is not as it should be,
/// the whole way is taken.
pub fn to_goal(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    from: Option<&Oid>,
    goal: &Goal<'_>,
) -> Result<Vec<String>> {
    if from == Some(goal.commit) {
        return Ok(Vec::new());
    }
    if let Some(from) = from.filter(|_| goal.keep.is_empty())
        && move_tree(git, slot, lock, from, goal)?
    {
        let to = &goal.commit[..goal.commit.len().min(12)];
        return Ok(vec![format!("move to {to}")]);
    }
    let seen = Status {
        commit: from.cloned(),
        ..Status::default()
    };
    clean::to_goal(git, slot, lock, &seen, goal).map(|done| done.operations)
}

/// Moves a tree in which there is nothing but what `from` has, and HEAD with it. False if git refuses,
/// with nothing changed. Where files that are the same in both are to be written otherwise, all are.
pub(super) fn move_tree(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    from: &Oid,
    goal: &Goal<'_>,
) -> Result<bool> {
    let note = slot.admin.join(NOTE);
    fs::write_atomic(&note, goal.commit.as_bytes(), fs::Durability::RenameOnly)?;
    let (otherwise, output) = threads::both(
        || distrust::attributes_differ(git, slot, from, goal.commit),
        || {
            slot.command(git)
                .holding(Some(lock))
                .until(goal.deadline)
                .env("GIT_ATTR_SOURCE", goal.commit)
                .args(["read-tree", "-m", "-u", from, goal.commit])
                .run_allowing(
                    &[1, 128],
                    &format!("move {}", slot.path.display()),
                    &mut |_| (),
                )
        },
    );
    let moved = output?.code == 0;
    if moved && otherwise? {
        // Without an index, every file is written.
        slot.forget_index()?;
        clean::checkout(git, slot, lock, goal.commit, goal.deadline)?;
    } else if moved {
        slot.set_head(&Head::Detached(goal.commit.clone()))?;
    }
    fs::remove_file_if_there(&note)?;
    Ok(moved)
}

/// Completes a move that was interrupted, if one was: what differs from its goal is of its own making.
/// The slot's lock is held, so that no git of ours is at it any more.
pub fn complete(git: &Git, slot: &Worktree, lock: &FileLock) -> Result<()> {
    let note = slot.admin.join(NOTE);
    let Some(goal) = fs::read_if_there(&note)? else {
        return Ok(());
    };
    // One that a crash of the machine has emptied says nothing; the next look at the slot does.
    if let Some(commit) = oid_or_none(&String::from_utf8_lossy(&goal)) {
        clean::checkout(git, slot, lock, &commit, Deadline::after(TIME))?;
    }
    fs::remove_file_if_there(&note).map(drop)
}

#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes and replace files"
)]

use std::process::{Command, Stdio};

use super::super::starting;
use super::*;

/// Far more than anything here takes. Tests of other parts start processes in their own way, which hold
/// copies of all descriptors for a moment: a lock that was just dropped is asked for with it.
const SOON: Duration = Duration::from_secs(20);

fn take(path: &Path) -> FileLock {
    FileLock::acquire(path, SOON, &mut || {})
        .expect("no error")
        .expect("free")
}

#[test]
fn a_lock_excludes_until_it_is_dropped() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    assert_eq!(is_locked(&path), Some(false));
    let lock = take(&path);
    assert!(FileLock::try_acquire(&path).expect("no error").is_none());
    assert_eq!(is_locked(&path), Some(true));
    assert_eq!(holder(&path), Some(std::process::id()));
    drop(lock);
    drop(take(&path));
}

#[test]
fn a_look_at_a_lock_is_sure_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    assert_eq!(is_held(&path), None, "there is none to look at");
    assert!(!path.exists());
    let lock = take(&path);
    assert_eq!(is_held(&path), Some(true));
    drop(lock);
    drop(take(&path));
    // Two who look at the same moment do not take each other for a holder.
    let looks = fs::open_existing_lock_file(&path).expect("opened");
    flock(&looks, FlockOperation::LockShared).expect("shared");
    assert_eq!(is_locked(&path), Some(false));
    assert_eq!(is_held(&path), Some(false));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("link");
    assert_eq!(is_held(&link), None, "a link is no lock file");
}

#[test]
fn a_wait_is_announced_once_and_ends_with_the_holder() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    let mut held = Some(take(&path));
    let mut announced = 0;
    let lock = FileLock::acquire(&path, SOON, &mut || {
        announced += 1;
        held = None;
    });
    assert!(lock.expect("no error").is_ok());
    assert_eq!(announced, 1);
}

#[test]
fn a_time_out_names_the_holder_and_what_comes_late_is_given_back() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    let held = take(&path);
    let limit = Duration::from_millis(10);
    let busy = FileLock::acquire(&path, limit, &mut || {})
        .expect("no error")
        .expect_err("held");
    assert!(busy.waited >= limit && busy.waited < SOON);
    assert_eq!(busy.holder, Some(std::process::id()));
    drop(held);
    drop(take(&path));
}

#[test]
fn a_child_keeps_the_lock_when_it_is_dropped_here() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    let lock = take(&path);
    let mut sleeper = Command::new("sleep");
    sleeper
        .arg("60")
        .stdin(Stdio::from(lock.inheritable().expect("copied")));
    let mut child = starting::start(&mut sleeper).expect("started");
    drop(sleeper);
    drop(lock);
    assert!(FileLock::try_acquire(&path).expect("no error").is_none());
    child.kill().expect("killed");
    child.wait().expect("reaped");
    drop(take(&path));
}

#[test]
fn a_lock_file_that_was_replaced_is_not_mistaken() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    let mut held = Some(take(&path));
    let lock = FileLock::acquire(&path, SOON, &mut || {
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "").expect("made");
        held = None;
    })
    .expect("no error")
    .expect("free");
    assert!(is_still_at(&lock.file, &path).expect("looked at"));
    assert!(FileLock::try_acquire(&path).expect("no error").is_none());
}

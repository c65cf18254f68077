//! Files that somebody's git has written otherwise than the commit's attributes say, and takes for
//! clean.

use crate::support::{Remote, World, until};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A pool of one slot whose base has a file of two lines and one in a directory, and that slot held.
fn held() -> (World, Remote, String) {
    let (world, remote) = World::with_pool(1);
    world.push_commit(&remote, "two.txt", "a\nb\n");
    let tip = world.push_commit(&remote, "other.txt", "c\nd\n");
    world.pool("allocate p").ok();
    (world, remote, tip)
}

/// Sets a file's time without opening it: a process that another test starts would have it open too.
fn set_time(path: &Path, seconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::empty()).expect("a time");
}

/// Moves a file's time out of reach of the check for edits in the second of the index.
fn age(path: &Path) {
    let metadata = fs::metadata(path).expect("there");
    set_time(path, metadata.mtime() - 3600);
}

fn released_and_whole(world: &World, remote: &Remote, tip: &str) {
    world.pool("release p/slot1").ok();
    let dir = world.pool("allocate p --no-fetch").ok().path();
    world.assert_holds(&dir, remote, tip);
}

/// A git with line ends of its own has written a file, and has noted it as clean.
#[test]
fn files_written_with_other_line_ends_are_written_anew() {
    let (world, remote, tip) = held();
    let dir = world.slot_path("slot1");
    let file = dir.join("two.txt");
    fs::remove_file(&file).expect("removed");
    world.git(&dir, "-c core.autocrlf=true checkout -- two.txt");
    age(&file);
    world.git(&dir, "-c core.autocrlf=true update-index --refresh");
    assert_eq!(fs::read(&file).expect("read"), b"a\r\nb\r\n");
    released_and_whole(&world, &remote, &tip);
}

/// The same with attributes that are in the slot only, also below a directory, and in a commit that is
/// saved and then left.
#[test]
fn files_written_by_attributes_that_go_are_written_anew() {
    let (world, remote, tip) = held();
    let dir = world.slot_path("slot1");
    for commit in [false, true] {
        let file = dir.join("two.txt");
        fs::write(dir.join(".gitattributes"), "*.txt eol=crlf\n").expect("written");
        if commit {
            world.git(&dir, "add .gitattributes");
            world.git(&dir, "commit -q -m attributes");
        }
        fs::remove_file(&file).expect("removed");
        world.git(&dir, "checkout -- two.txt");
        age(&file);
        world.git(&dir, "update-index --refresh");
        assert_eq!(fs::read(&file).expect("read"), b"a\r\nb\r\n");
        released_and_whole(&world, &remote, &tip);
    }
}

/// What only other attributes made equal differs once they are gone.
#[test]
fn files_that_attributes_made_equal_come_back() {
    let (world, remote, tip) = held();
    let dir = world.slot_path("slot1");
    fs::write(dir.join(".gitattributes"), "*.txt text\n").expect("written");
    fs::write(dir.join("two.txt"), "a\r\nb\r\n").expect("written");
    released_and_whole(&world, &remote, &tip);
}

/// Between two commits that differ in their attributes, files that are the same in both are written
/// otherwise: on the way of a verified slot, and on that of one that is looked at.
#[test]
fn new_attributes_hold_for_files_that_did_not_change() {
    let (world, remote, old) = held();
    world.pool("release p/slot1").ok();
    let new = world.push_commit(&remote, ".gitattributes", "*.txt eol=crlf\n");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &new);
    assert_eq!(fs::read(dir.join("two.txt")).expect("read"), b"a\r\nb\r\n");
    world.pool("release p/slot1 --no-cleanup").ok();
    let dir = world.pool(format!("allocate p --ref {old}")).ok().path();
    world.assert_holds(&dir, &remote, &old);
    assert_eq!(fs::read(dir.join("two.txt")).expect("read"), b"a\nb\n");
}

/// An edit that keeps size and time is found, whatever the user's own git is told to look at.
#[test]
fn an_edit_of_the_same_size_and_time_is_found() {
    let (world, remote, tip) = held();
    let config = world.home().join(".gitconfig");
    let mut text = fs::read_to_string(&config).expect("read");
    text.push_str("[core]\n\ttrustctime = false\n\tcheckStat = minimal\n");
    fs::write(&config, text).expect("written");
    let dir = world.slot_path("slot1");
    let file = dir.join("two.txt");
    age(&file);
    world.git(&dir, "update-index --refresh");
    let before = fs::metadata(&file).expect("there");
    // git compares whole seconds, and the times of files are a little behind the clock.
    let later = Duration::from_secs(before.ctime() as u64) + Duration::from_millis(1100);
    until("the next second", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        (now.expect("a time") > later).then_some(())
    });
    fs::write(&file, "b\na\n").expect("written");
    set_time(&file, before.mtime());
    released_and_whole(&world, &remote, &tip);
    assert!(world.is_rescued("p", "b\na\n"));
}

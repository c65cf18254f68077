use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    owner_and_mode(path).expect("looked at").expect("there").1
}

#[test]
fn what_is_written_is_private_and_leaves_no_temporary_file() {
    let dir = tempfile::tempdir().expect("directory");
    let inner = dir.path().join("a/b");
    create_private_dir_all(&inner).expect("created");
    assert_eq!(mode(&dir.path().join("a")), 0o700);
    let file = inner.join("file.json");
    write_atomic(&file, b"one", Durability::Durable).expect("written");
    write_atomic(&file, b"two", Durability::RenameOnly).expect("written");
    assert_eq!(
        read_if_there(&file).expect("read").as_deref(),
        Some(&b"two"[..])
    );
    assert_eq!(mode(&file), 0o600);
    let names = list_dir_if_there(&inner).expect("listed").expect("there");
    assert_eq!(names, ["file.json"]);
}

#[test]
fn a_failed_write_leaves_the_target_and_no_temporary_file() {
    let dir = tempfile::tempdir().expect("directory");
    let target = dir.path().join("target");
    create_private_dir_all(&target).expect("created");
    assert!(write_atomic(&target, b"x", Durability::RenameOnly).is_err());
    let names = list_dir_if_there(dir.path())
        .expect("listed")
        .expect("there");
    assert_eq!(names, ["target"]);
}

#[test]
fn lines_are_appended() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("log");
    append_line(&file, b"1\n").expect("appended");
    append_line(&file, b"2\n").expect("appended");
    assert_eq!(read_limited(&file, 4).expect("read"), b"1\n2\n");
    assert!(read_limited(&file, 3).is_err());
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_torn_line_ends_before_the_next() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("log");
    for (there, then) in [("", "x\n"), ("whole\n", "whole\nx\n"), ("to", "to\nx\n")] {
        std::fs::write(&file, there).expect("written");
        append_line(&file, b"x\n").expect("appended");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), then);
    }
}

#[test]
fn what_others_may_read_replaces_files_only() {
    let dir = tempfile::tempdir().expect("directory");
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    write_public(&file, b"1").expect("written");
    write_public(&file, b"2").expect("replaced");
    assert_eq!(std::fs::read(&file).expect("read"), b"2");
    symlink(&file, &link).expect("linked");
    assert!(write_public(&link, b"3").is_err());
    assert!(write_public(dir.path(), b"3").is_err());
    assert_eq!(std::fs::read(&file).expect("read"), b"2");
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 2);
}

#[test]
fn renaming_without_replacing_keeps_what_is_there() {
    let dir = tempfile::tempdir().expect("directory");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    create_private_dir_all(&a).expect("created");
    append_line(&b, b"in the way").expect("written");
    match rename_noreplace(&a, &b) {
        Err(Error::Io { source, .. }) => assert_eq!(source.kind(), ErrorKind::AlreadyExists),
        other => panic!("{other:?}"),
    }
    assert!(remove_file_if_there(&b).expect("removed"));
    rename_noreplace(&a, &b).expect("renamed");
    append_line(&b.join("x"), b"x").expect("appended");
    assert!(remove_file_if_there(&b.join("x")).expect("removed"));
    assert!(!remove_file_if_there(&b.join("x")).expect("not there"));
}

#[test]
fn a_lock_file_is_a_regular_file() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("lock");
    open_lock_file(&file).expect("made");
    open_lock_file(&file).expect("opened");
    assert_eq!(mode(&file), 0o600);
    let link = dir.path().join("link");
    symlink(&file, &link).expect("linked");
    assert!(is_symlink(&link).expect("looked at"));
    assert!(open_lock_file(&link).is_err());
    assert!(open_lock_file(dir.path()).is_err());
}

#[test]
fn a_copy_keeps_its_time() {
    let dir = tempfile::tempdir().expect("directory");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    append_line(&a, b"content").expect("written");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = File::options().append(true).open(&a).expect("opened");
    file.set_modified(old).expect("set");
    copy_with_time(&a, &b).expect("copied");
    let time = |path: &Path| {
        let metadata = metadata_if_there(path).expect("looked at").expect("there");
        metadata.modified().expect("time")
    };
    assert_eq!(time(&b), old);
    assert!(copy_with_time(&a, &b).is_err());
}

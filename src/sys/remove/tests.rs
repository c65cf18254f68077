#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::mkdirat;

use super::*;

#[test]
fn a_tree_is_deleted_and_links_are_not_followed() {
    let dir = tempfile::tempdir().expect("directory");
    let (tree, kept) = (dir.path().join("tree"), dir.path().join("kept"));
    fs::create_dir_all(tree.join("a/b/c")).expect("made");
    fs::create_dir_all(&kept).expect("made");
    fs::write(kept.join("file"), "x").expect("written");
    fs::write(tree.join("a/b/file"), "x").expect("written");
    symlink(&kept, tree.join("a/link")).expect("linked");
    remove_tree(&tree).expect("deleted");
    assert!(!tree.exists());
    assert!(kept.join("file").exists());
}

#[test]
fn a_link_or_file_at_the_path_itself_is_deleted_alone() {
    let dir = tempfile::tempdir().expect("directory");
    let (link, kept) = (dir.path().join("link"), dir.path().join("kept"));
    fs::create_dir(&kept).expect("made");
    fs::write(kept.join("file"), "x").expect("written");
    symlink(&kept, &link).expect("linked");
    remove_tree(&link).expect("deleted");
    assert!(fs::symlink_metadata(&link).is_err());
    remove_tree(&kept.join("file")).expect("deleted");
    assert_eq!(fs::read_dir(&kept).expect("kept").count(), 0);
    remove_tree(&dir.path().join("missing/too")).expect("fine");
    assert!(remove_tree(Path::new("/")).is_err());
}

#[test]
fn a_tree_deeper_than_paths_and_descriptors_reach_is_deleted() {
    let dir = tempfile::tempdir().expect("directory");
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).expect("made");
    let mut current = open(&tree, DIRECTORY, Mode::empty()).expect("opened");
    for _ in 0..3_000 {
        mkdirat(&current, "a-directory", Mode::RWXU).expect("made");
        current = openat(&current, "a-directory", DIRECTORY, Mode::empty()).expect("opened");
    }
    openat(
        &current,
        "file",
        OFlags::CREATE | OFlags::WRONLY,
        Mode::RWXU,
    )
    .expect("made");
    remove_tree(&tree).expect("deleted");
    assert!(!tree.exists());
}

#[test]
fn directories_without_rights_are_deleted() {
    let dir = tempfile::tempdir().expect("directory");
    let tree = dir.path().join("tree");
    for (name, mode) in [("r", 0o555), ("none", 0), ("list", 0o444), ("enter", 0o111)] {
        let inner = tree.join(name);
        fs::create_dir_all(inner.join("sub")).expect("made");
        fs::write(inner.join("sub/file"), "x").expect("written");
        fs::write(inner.join("file"), "x").expect("written");
        for path in [inner.join("sub"), inner] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
    }
    remove_tree(&tree).expect("deleted");
    assert!(!tree.exists());
}

#[test]
fn what_can_not_be_deleted_is_named_and_the_rest_goes() {
    if user::effective_uid() == 0 {
        // Nothing that a test may make keeps root from deleting.
        return;
    }
    let dir = tempfile::tempdir().expect("directory");
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).expect("made");
    let fixed = fs::Permissions::from_mode(0o555);
    fs::set_permissions(dir.path(), fixed).expect("set");
    fs::write(tree.join("file"), "x").expect("written");
    let error = remove_tree(&tree).expect_err("its directory is not writable");
    let usual = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path(), usual).expect("set");
    assert!(
        error.to_string().contains("tree\": Permission denied"),
        "{error}"
    );
    assert!(!tree.join("file").exists());
}

#[test]
fn a_directory_is_emptied_by_many_threads_and_links_are_not_followed() {
    let dir = tempfile::tempdir().expect("directory");
    let (trash, kept) = (dir.path().join("trash"), dir.path().join("kept"));
    fs::create_dir(&kept).expect("made");
    fs::write(kept.join("file"), "x").expect("written");
    for n in 0..40 {
        let inner = trash.join(format!("one/d{}/d{n}/deep", n % 3));
        fs::create_dir_all(&inner).expect("made");
        fs::write(inner.join("file"), "x").expect("written");
        symlink(&kept, inner.join("link")).expect("linked");
        let fixed = fs::Permissions::from_mode(0o555);
        fs::set_permissions(inner.parent().expect("above"), fixed).expect("set");
    }
    fs::write(trash.join("file"), "x").expect("written");
    symlink(&kept, trash.join("link")).expect("linked");
    for jobs in [4, 1] {
        empty(&trash, jobs).expect("emptied");
        assert_eq!(fs::read_dir(&trash).expect("there").count(), 0);
    }
    assert!(kept.join("file").exists());
    empty(&dir.path().join("missing"), 4).expect("nothing to do");
}

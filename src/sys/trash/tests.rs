#![expect(clippy::disallowed_methods, reason = "tests make files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn paths(names: &[&'static str]) -> Vec<&'static Path> {
    names.iter().map(|name| Path::new(*name)).collect()
}

fn count(bin: &Bin) -> usize {
    fs::read_dir(&bin.dir).expect("the trash").count()
}

#[test]
fn what_is_thrown_is_out_of_the_tree_and_what_is_gone_is_no_failure() {
    let world = tempfile::tempdir().expect("directory");
    let top = world.path().join("top");
    let bin = Bin::new(world.path().join("trash"), "slot1");
    fs::create_dir_all(top.join("a/b")).expect("made");
    fs::write(top.join("a/b/file"), "x").expect("written");
    fs::write(top.join("file"), "x").expect("written");
    let names = paths(&["a/b/", "a/b/file", "file", "missing", "no/such"]);
    assert_eq!(bin.throw_all(&top, names).expect("thrown"), [""; 0]);
    assert!(top.join("a").is_dir() && !top.join("a/b").exists());
    assert!(!top.join("file").exists());
    assert_eq!(count(&bin), 2);
    let names = fs::read_dir(&bin.dir).expect("the trash").flatten();
    assert!(names.into_iter().all(|e| Bin::is_ours(&e.file_name())));
    assert!(!Bin::is_ours(OsStr::new("slot1-0000")));
}

#[test]
fn links_are_thrown_and_not_followed() {
    let world = tempfile::tempdir().expect("directory");
    let (top, kept) = (world.path().join("top"), world.path().join("kept"));
    let bin = Bin::new(world.path().join("trash"), "slot1");
    fs::create_dir_all(&top).expect("made");
    fs::create_dir_all(&kept).expect("made");
    fs::write(kept.join("file"), "x").expect("written");
    symlink(&kept, top.join("link")).expect("linked");
    let through = paths(&["link/file"]);
    assert_eq!(
        bin.throw_all(&top, through.clone()).expect("tried"),
        through
    );
    assert!(kept.join("file").exists());
    assert_eq!(
        bin.throw_all(&top, paths(&["link"])).expect("thrown"),
        [""; 0]
    );
    assert!(kept.join("file").exists() && top.join("link").symlink_metadata().is_err());
}

#[test]
fn directories_without_rights_are_thrown() {
    let world = tempfile::tempdir().expect("directory");
    let top = world.path().join("top");
    let bin = Bin::new(world.path().join("trash"), "slot1");
    for mode in [0o555, 0, 0o444, 0o111] {
        let name = format!("d{mode:o}");
        fs::create_dir_all(top.join(&name).join("inner")).expect("made");
        for path in [top.join(&name).join("inner"), top.join(&name)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
        let inner = format!("{name}/inner");
        let thrown = bin.throw_all(&top, [Path::new(&inner), Path::new(&name)]);
        assert_eq!(thrown.expect("thrown"), [""; 0], "{mode:o}");
        assert!(top.join(&name).symlink_metadata().is_err(), "{mode:o}");
    }
}

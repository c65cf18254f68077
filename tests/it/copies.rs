//! `copy`: files of the pool's own folder in every slot.

use crate::support::{World, await_quiet, crash_places};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A declared pool `p` with two slots, and these files in its folder.
fn declared(copy: &str, files: &[(&str, &str)]) -> (World, PathBuf) {
    let world = World::new();
    let remote = world.remote();
    let text = format!(
        "[pools.p]\nrepo_url = \"{}\"\nnum_slots = 2\n",
        remote.url()
    );
    world.declare(&text);
    world.pool(format!("create p {}", remote.url())).ok();
    world.declare(&format!("{text}copy = {copy}\n"));
    let folder = world.pool_dir("p").join("files");
    for (name, content) in files {
        write(&folder.join(name), content);
    }
    (world, folder)
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, content).expect("writing");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[track_caller]
fn assert_content(path: &Path, content: &str) {
    let found = fs::read_to_string(path);
    assert_eq!(found.ok().as_deref(), Some(content), "{}", path.display());
}

/// What git in the slot shows as changed.
fn changes(world: &World, slot: &Path) -> String {
    world.git(slot, "status --porcelain -uall")
}

/// Every slot has the files, with their modes, also after somebody changed or deleted them; no release
/// finds work in them, and an idle slot stays verified.
#[test]
pub fn every_slot_has_the_files_as_they_are_in_the_folder() {
    let copy = r#"[".env", "config/local.json", "certs/", "bin/tool"]"#;
    let files = [
        (".env", "A=1\n"),
        ("config/local.json", "{}\n"),
        ("certs/a.pem", "a\n"),
        ("certs/deep/b.pem", "b\n"),
        ("bin/tool", "#!/bin/sh\n"),
    ];
    let (world, folder) = declared(copy, &files);
    set_mode(&folder.join(".env"), 0o600);
    set_mode(&folder.join("bin/tool"), 0o755);
    symlink("a.pem", folder.join("certs/link.pem")).expect("a link");
    for round in 0..3 {
        let dir = world.pool("allocate p").ok().path();
        for (name, content) in files {
            assert_content(&dir.join(name), content);
        }
        assert_eq!(mode(&dir.join(".env")), 0o600);
        assert_eq!(mode(&dir.join("bin/tool")), 0o755);
        let link = fs::read_link(dir.join("certs/link.pem")).expect("a link");
        assert_eq!(link, Path::new("a.pem"));
        assert_eq!(changes(&world, &dir), "", "git says nothing of them");
        match round {
            0 => {}
            1 => fs::remove_file(dir.join(".env")).expect("removing"),
            _ => fs::remove_dir_all(dir.join("certs")).expect("removing"),
        }
        let out = world.pool("release p/slot1");
        out.ok().never_says("saved");
        assert_eq!(world.slot("p/slot1")["verified"], true);
    }
    assert_eq!(world.pool("rescue list p").ok().stdout, "");
    world.pool("recover p").ok();
    world.pool("status p --check").ok();
    let out = world.pool("allocate p --no-fetch -vv");
    assert!(!out.ok().stderr.contains("\ngit "), "{out}");
}

/// A directory that git ignores and that holds only copies is not named as something that was deleted.
#[test]
fn what_is_put_back_is_not_said_to_be_deleted() {
    let (world, _) = declared(
        r#"["target/conf/a", "node_modules"]"#,
        &[("target/conf/a", "a"), ("node_modules/m/x", "x")],
    );
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("target/built"), "x").expect("writing");
    let out = world.pool("release p/slot1");
    out.ok()
        .says("ignored files were deleted")
        .says("target/")
        .never_says("node_modules");
    let dir = world.slot_dir("slot1");
    assert!(!dir.join("target/built").exists());
    assert_content(&dir.join("target/conf/a"), "a");
    assert_content(&dir.join("node_modules/m/x"), "x");
}

/// A copy that was changed is work like any other file that git does not track: saved if it is not
/// ignored; then the original is back.
#[test]
fn a_changed_copy_is_saved_and_put_back() {
    let files = [("local.json", "{}\n"), ("run.log", "log\n")];
    let (world, _) = declared(r#"["local.json", "run.log"]"#, &files);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("local.json"), "{\"mine\": 1}\n").expect("writing");
    fs::write(dir.join("run.log"), "ignored by the repository\n").expect("writing");
    world.pool("release p/slot1").ok().says("saved");
    assert!(world.is_rescued("p", "{\"mine\": 1}\n"));
    assert!(!world.is_rescued("p", "ignored by the repository\n"));
    let dir = world.pool("allocate p").ok().path();
    for (name, content) in files {
        assert_content(&dir.join(name), content);
    }
    // Written anew with the same content, it is no work.
    fs::remove_file(dir.join("local.json")).expect("removing");
    fs::write(dir.join("local.json"), "{}\n").expect("writing");
    world.pool("release p/slot1").ok().never_says("saved");
}

/// A slot that waits, verified, gets what was changed in the folder, and loses what is copied no more.
#[test]
fn a_changed_folder_or_setting_reaches_slots_that_wait() {
    let (world, folder) = declared(
        r#"["local.json", "d"]"#,
        &[("local.json", "1"), ("d/x", "x")],
    );
    let dir = world.pool("allocate p").ok().path();
    world.pool("release p/slot1").ok();
    fs::write(folder.join("local.json"), "2").expect("writing");
    write(&folder.join("d/y"), "y");
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    assert_content(&dir.join("local.json"), "2");
    assert_content(&dir.join("d/y"), "y");
    // Changed while it is held: neither the holder's work nor left as it was.
    fs::write(folder.join("local.json"), "3").expect("writing");
    fs::remove_file(folder.join("d/x")).expect("removing");
    world.pool("release p/slot1").ok().never_says("saved");
    world.pool("warm p").ok();
    assert_content(&world.slot_dir("slot1").join("local.json"), "3");
    assert!(!world.slot_dir("slot1").join("d/x").exists());
    let text = fs::read_to_string(world.workspace().join("pools.toml")).expect("the file");
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("copy"))
        .collect();
    world.declare(&text.join("\n"));
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    assert!(!dir.join("local.json").exists() && !dir.join("d").exists());
    fs::write(dir.join("local.json"), "tracked from now on").expect("writing");
    assert_eq!(changes(&world, &dir), "?? local.json");
    assert_eq!(world.pool("rescue list p").ok().stdout, "");
}

/// A slot that moves to another commit takes them along, by the short way and by the long one.
#[test]
fn a_slot_that_moves_has_them_again() {
    let (world, _) = declared(r#"["local.json"]"#, &[("local.json", "1")]);
    let remote = crate::support::Remote {
        path: world.path("remote.git"),
    };
    for name in ["one.txt", "two.txt"] {
        let pushed = world.push_commit(&remote, name, "late\n");
        let dir = world.pool("allocate p").ok().path();
        assert_eq!(world.head(&dir), pushed);
        assert_content(&dir.join("local.json"), "1");
        assert_eq!(changes(&world, &dir), "");
        match name {
            "one.txt" => world.pool("release p/slot1").ok(),
            _ => world.pool("release p/slot1 --no-cleanup").ok(),
        };
    }
    let dir = world.pool("allocate p --ref v1.0").ok().path();
    assert_content(&dir.join("local.json"), "1");
    assert_eq!(changes(&world, &dir), "");
}

/// What the repository has too can't be copied; the message names it, and nothing is handed out half.
#[test]
fn a_tracked_file_is_refused() {
    for copy in ["README.md", "src", "src/part1.rs/x"] {
        let (world, folder) = declared(&format!("[{copy:?}]"), &[]);
        let file = if copy == "src" { "src/part1.rs" } else { copy };
        write(&folder.join(file), "mine");
        let out = world.pool("allocate p");
        out.code(1)
            .silent()
            .says(if copy == "src" { "src/part1.rs" } else { copy });
        out.says("pools.toml");
        for slot in ["p/slot1", "p/slot2"] {
            assert_eq!(world.state(slot), "available");
            assert_eq!(changes(&world, &world.slot_dir(&slot[2..])), "");
        }
    }
}

/// A file that the repository has only at another commit: there it is refused, here it is copied.
#[test]
fn a_file_that_becomes_tracked_is_refused_from_then_on() {
    let (world, _) = declared(r#"["local.json"]"#, &[("local.json", "1")]);
    let remote = crate::support::Remote {
        path: world.path("remote.git"),
    };
    world.pool("allocate p").ok();
    world.pool("release p/slot1").ok();
    world.push_commit(&remote, "local.json", "tracked\n");
    world.pool("allocate p").code(1).silent().says("local.json");
    let dir = world.pool("allocate p --ref v1.0").ok().path();
    assert_content(&dir.join("local.json"), "1");
    // Giving back never fails for it: what is missing is said.
    world.pool("release p/slot1").ok();
    world.pool("warm p").code(1);
    assert_eq!(world.state("p/slot1"), "available");
}

/// A source that is missing, or leads out of the folder.
#[test]
fn a_source_that_is_missing_or_outside_is_refused() {
    let (world, folder) = declared(r#"["local.json"]"#, &[]);
    let out = world.pool("allocate p");
    out.code(1).silent().says("local.json").says("files");
    assert!(folder.is_dir(), "there is a place to put it");
    let secret = world.path("secret");
    fs::write(&secret, "secret").expect("writing");
    for target in [
        secret.clone(),
        PathBuf::from("../pool.json"),
        "x/../../pool.json".into(),
    ] {
        let link = folder.join("local.json");
        symlink(&target, &link).expect("a link");
        world
            .pool("allocate p")
            .code(1)
            .silent()
            .says("leads out of");
        fs::remove_file(link).expect("removing");
    }
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        folder.join("local.json"),
        rustix::fs::Mode::RWXU,
    )
    .expect("a pipe");
    world
        .pool("allocate p")
        .code(1)
        .silent()
        .says("neither a file");
    fs::remove_file(folder.join("local.json")).expect("removing");
    fs::write(folder.join("local.json"), "here").expect("writing");
    let dir = world.pool("allocate p").ok().path();
    assert_content(&dir.join("local.json"), "here");
    for wrong in ["../x", "/etc/passwd", "a/../../x", ".git/hooks/x", ""] {
        world.declare(&format!(
            "[pools.p]\nrepo_url = \"{}\"\ncopy = [{wrong:?}]\n",
            world.path("remote.git").display()
        ));
        world.pool("allocate p").code(2).says("copy");
    }
}

/// The files may lie there before the pool does: it is made around them, and they stay when that fails
/// or is killed.
#[test]
fn the_folder_may_be_there_first() {
    let world = World::new();
    let remote = world.remote();
    let declare = |url: &str| {
        world.declare(&format!(
            "[pools.p]\nrepo_url = \"{url}\"\nnum_slots = 1\ncopy = [\".env\"]\n"
        ));
    };
    declare(&world.path("nowhere").display().to_string());
    let file = world.pool_dir("p").join("files/.env");
    write(&file, "A=1\n");
    world.pool("allocate p").code(1).silent();
    assert_content(&file, "A=1\n");
    assert_eq!(world.list(), [""; 0]);
    declare(&remote.url());
    for point in crash_places(8) {
        let out = world
            .call(format!("create p {}", remote.url()))
            .env("REPO_POOL_CRASH_AT", point.to_string())
            .run();
        assert_content(&file, "A=1\n");
        if out.code == 0 {
            break;
        }
        out.code(128 + 9);
        world.pool("recover").one_of(&[0, 7]);
        if !world.list().is_empty() {
            // It was made, and only not said to be.
            world.pool("remove-pool p").ok();
        }
    }
    let dir = world.pool("allocate p").ok().path();
    assert_content(&dir.join(".env"), "A=1\n");
    assert_eq!(world.slots("p").len(), 1);
    fs::create_dir(world.workspace().join("q")).expect("a directory");
    write(&world.workspace().join("q/other"), "somebody's");
    let out = world.pool(format!("create q {}", remote.url()));
    out.code(1).says("in the way");
}

/// They are their user's: a pool that is removed, by force or in a way that was killed, leaves them, and
/// nothing else.
#[test]
fn the_folder_outlives_the_pool() {
    let (world, folder) = declared(r#"[".env"]"#, &[(".env", "A=1\n")]);
    let file = folder.join(".env");
    let gone = |world: &World| {
        assert_content(&file, "A=1\n");
        let left = fs::read_dir(world.pool_dir("p")).expect("the directory");
        let mut left = left.map(|entry| entry.expect("an entry").file_name());
        // Empty locks are in no other pool's way.
        assert!(left.all(|name| name == "files" || name == "locks"));
        assert_eq!(world.list(), [""; 0]);
    };
    for point in crash_places(15) {
        world.pool("apply").ok();
        let out = world
            .call("remove-pool p")
            .env("REPO_POOL_CRASH_AT", point.to_string())
            .run();
        assert_content(&file, "A=1\n");
        if out.code == 0 {
            out.says(folder.display().to_string());
            break;
        }
        out.code(128 + 9);
        world.pool("recover").one_of(&[0, 7]);
        if !world.list().is_empty() {
            // It was not begun.
            let dir = world.pool("allocate p").ok().path();
            assert_content(&dir.join(".env"), "A=1\n");
            world.pool("remove-pool p --force").ok();
        }
        gone(&world);
    }
    gone(&world);
    await_quiet(&world);
    assert!(!world.has_trash());
}

/// A directory on the way that is a link to somewhere else.
#[test]
fn a_folder_with_a_link_on_the_way_is_refused() {
    let (world, folder) = declared(r#"["conf/local.json"]"#, &[]);
    let elsewhere = world.path("elsewhere");
    write(&elsewhere.join("local.json"), "secret");
    fs::create_dir_all(&folder).expect("a directory");
    symlink(&elsewhere, folder.join("conf")).expect("a link");
    world
        .pool("allocate p")
        .code(1)
        .silent()
        .says("symbolic link");
}

/// Nothing is ever written through a link that somebody made in the slot.
#[test]
fn no_copy_goes_through_a_link_in_the_slot() {
    let (world, _) = declared(r#"["conf/local.json"]"#, &[("conf/local.json", "mine")]);
    let elsewhere = world.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a directory");
    let dir = world.pool("allocate p").ok().path();
    fs::remove_dir_all(dir.join("conf")).expect("removing");
    symlink(&elsewhere, dir.join("conf")).expect("a link");
    world.pool("release p/slot1").ok();
    assert_eq!(fs::read_dir(&elsewhere).expect("listing").count(), 0);
    assert_content(&world.slot_dir("slot1").join("conf/local.json"), "mine");
}

/// An agent that stages or commits a copy has done work, which is saved like any other.
#[test]
fn a_copy_that_was_committed_is_work() {
    let (world, _) = declared(r#"["local.json"]"#, &[("local.json", "mine")]);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "add -f local.json");
    world.pool("release p/slot1").ok().says("saved");
    let dir = world.pool("allocate p").ok().path();
    assert_content(&dir.join("local.json"), "mine");
    world.git(&dir, "add -f local.json");
    world.git(&dir, "commit -q -m mine");
    world.pool("release p/slot1").ok().says("saved");
    let dir = world.pool("allocate p").ok().path();
    assert_content(&dir.join("local.json"), "mine");
    assert_eq!(changes(&world, &dir), "");
}

/// `git add -A` takes no copy along; what somebody else has written into `info/exclude` stays.
#[test]
fn copies_are_not_added_by_accident() {
    let (world, _) = declared(r#"["local.json"]"#, &[("local.json", "secret")]);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("new.txt"), "new").expect("writing");
    world.git(&dir, "add -A");
    assert_eq!(world.git(&dir, "diff --cached --name-only"), "new.txt");
    world.pool("recover p").ok().never_says("exclude");
    let exclude = world.bare("p").join("info/exclude");
    fs::write(&exclude, "theirs\n").expect("writing");
    world.pool("release p/slot1").ok();
    assert_content(&exclude, "theirs\n");
    let out = world.pool("recover p --dry-run");
    out.code(1);
    assert!(out.stdout.contains("exclude"), "{out}");
}

/// A slot that is removed, rebuilt or given back in the background has them, too.
#[test]
fn other_ways_to_a_slot_bring_them_too() {
    let (world, _) = declared(r#"["local.json"]"#, &[("local.json", "mine")]);
    let out = world.pool("add-slot p");
    let dir = PathBuf::from(out.ok().stdout.trim());
    assert_content(&world.place(&dir).join("local.json"), "mine");
    world.pool("warm p").ok();
    for slot in ["slot1", "slot2", "slot3"] {
        assert_content(&world.slot_dir(slot).join("local.json"), "mine");
        assert_eq!(world.slot(&format!("p/{slot}"))["verified"], true);
    }
    let held = world.pool("allocate p").ok().path();
    fs::remove_dir_all(&held).expect("removing");
    world.pool(["release", &held.display().to_string()]).ok();
    assert_content(&world.place(&held).join("local.json"), "mine");
    let held = world.pool("allocate p").ok().path();
    world
        .pool(["release", "--background", &held.display().to_string()])
        .ok();
    await_quiet(&world);
    assert_content(&world.place(&held).join("local.json"), "mine");
    world.pool("isolate p/slot2").ok();
    world.pool("recover p/slot2 --force").ok();
    assert_content(&world.slot_dir("slot2").join("local.json"), "mine");
    world.pool("remove-slot p/slot2").ok();
    let left = world.pool_dir("p").join("furnishings/slot2.json");
    assert!(!left.exists());
}

//! Files of the workspace that are not what they should be: links that lead out of it, pipes that
//! would be waited on for ever, directories.

use crate::support::{Out, World, snapshot};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What stands in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    Link,
    DeadLink,
    Fifo,
    Directory,
}

const ODD: [Odd; 4] = [Odd::Link, Odd::DeadLink, Odd::Fifo, Odd::Directory];

/// A directory outside the workspace that nobody may touch.
#[track_caller]
fn outside(world: &World) -> PathBuf {
    let dir = world.path("outside");
    fs::create_dir_all(dir.join("slot1")).expect("a directory");
    fs::write(dir.join("precious.txt"), "mine\n").expect("writing");
    fs::write(dir.join("slot1/precious.txt"), "mine, too\n").expect("writing");
    dir
}

/// Puts something odd in the place of a file, which may or may not be there.
#[track_caller]
fn replace(world: &World, path: &Path, odd: Odd) {
    let _ = fs::remove_file(path);
    match odd {
        Odd::Link => symlink(outside(world).join("precious.txt"), path).expect("a link"),
        Odd::DeadLink => symlink(outside(world).join("absent.txt"), path).expect("a link"),
        Odd::Directory => fs::create_dir(path).expect("a directory"),
        Odd::Fifo => {
            world.sh(&format!("mkfifo '{}'", path.display())).ok();
        }
    }
}

/// It must have failed in order, naming the file.
#[track_caller]
fn refused(out: &Out, path: &Path) {
    out.one_of(&[1, 3]).silent();
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(out.stderr.contains(&*name), "{name} is not named\n{out}");
}

/// 4.1: a lock file that is no file is refused by name; nothing is locked, written or waited for
/// through it.
#[test]
fn a_lock_that_is_no_file_is_refused() {
    for odd in ODD {
        let (world, _remote) = World::with_pool(1);
        let before = snapshot(&outside(&world));
        let locks = world.pool_dir("p").join("locks");
        let cases = [
            ("pool.lock", vec!["allocate p", "add-slot p"]),
            ("slot1.lock", vec!["remove-slot p/slot1"]),
            ("fetch.lock", vec!["allocate p"]),
            ("slot1.holder", vec!["exec p -- true"]),
        ];
        for (name, verbs) in cases {
            let path = locks.join(name);
            replace(&world, &path, odd);
            for verb in verbs {
                let out = world.pool(format!("--lock-timeout 5s {verb}"));
                if verb.starts_with("exec") {
                    out.one_of(&[125]);
                    assert!(out.stderr.contains(name), "{name} is not named\n{out}");
                } else {
                    refused(&out, &path);
                }
            }
            for view in ["status p", "status p/slot1", "log p", "list"] {
                world.pool(view).ok();
            }
            world.pool("recover --lock-timeout 5s").one_of(&[0, 1]);
            match odd {
                Odd::Directory => fs::remove_dir(&path).expect("deleting"),
                _ => fs::remove_file(&path).expect("deleting"),
            }
        }
        assert_eq!(snapshot(&world.path("outside")), before, "{odd:?}");
        world.pool("recover").one_of(&[0, 1]);
        world.pool("allocate p").ok();
        world.pool("release p/slot1").ok();
        world.assert_sound("p");
    }
}

/// The workspace's own lock is held to the same.
#[test]
fn a_workspace_lock_that_is_no_file_is_refused() {
    for odd in ODD {
        let (world, remote) = World::with_pool(1);
        let before = snapshot(&outside(&world));
        let path = world.workspace().join(".repo-pool/workspace.lock");
        replace(&world, &path, odd);
        refused(
            &world.pool(format!("create q {} -n 1", remote.url())),
            &path,
        );
        refused(&world.pool("remove-pool p"), &path);
        assert_eq!(snapshot(&world.path("outside")), before, "{odd:?}");
        assert_eq!(world.list(), ["p"]);
    }
}

/// A record that is no file is never written through, and `recover` makes a new one.
#[test]
fn a_record_that_is_no_file_is_set_aside_by_recover() {
    for odd in ODD {
        let (world, remote) = World::with_pool(1);
        let before = snapshot(&outside(&world));
        let record = world.pool_dir("p").join("pool.json");
        replace(&world, &record, odd);
        if odd == Odd::DeadLink {
            // Nothing can be read there, and so nothing tells of a pool.
            world.pool("allocate p").one_of(&[1, 7]).silent();
        } else {
            for verb in [
                "allocate p",
                "release p/slot1",
                "add-slot p",
                "remove-slot p/slot1",
            ] {
                refused(&world.pool(verb), &record);
            }
            world.pool("recover p").one_of(&[0, 1]);
            world.pool("recover p/slot1 --force").ok();
            let dir = world.pool("allocate p").ok().path();
            world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
            world.assert_sound("p");
        }
        assert_eq!(snapshot(&world.path("outside")), before, "{odd:?}");
    }
}

/// 2.5: a history that is no file is neither waited on nor written through; a new one begins.
#[test]
fn a_history_that_is_no_file_begins_anew() {
    for odd in ODD {
        let (world, _remote) = World::with_pool(1);
        let before = snapshot(&outside(&world));
        let events = world.pool_dir("p").join("events.jsonl");
        replace(&world, &events, odd);
        world.pool("log p").one_of(&[0, 1]);
        world.pool("allocate p").ok();
        world.pool("release p/slot1").ok();
        assert!(
            fs::symlink_metadata(&events).expect("a history").is_file(),
            "{odd:?}"
        );
        assert_eq!(world.events("p", "released").len(), 1);
        assert_eq!(snapshot(&world.path("outside")), before, "{odd:?}");
    }
}

/// 8.4: a declaration that can never be read is an error that names it.
#[test]
fn a_pools_toml_that_is_no_file_is_refused() {
    for odd in [Odd::Fifo, Odd::Directory] {
        let (world, _remote) = World::with_pool(1);
        let file = world.workspace().join("pools.toml");
        replace(&world, &file, odd);
        for verb in ["allocate p", "status p", "config check", "recover"] {
            let out = world.pool(verb);
            out.code(2).silent().says("pools.toml");
        }
    }
}

/// 9.2: a slot that was swapped for a link is never cleaned, deleted or filled through it.
#[test]
fn a_slot_swapped_for_a_link_leaves_what_it_leads_to_alone() {
    for held in [true, false] {
        for verb in [
            "release p/slot1",
            "release p/slot1 --discard",
            "allocate p",
            "recover",
            "recover p/slot1 --force",
            "remove-slot p/slot1 --force",
            "status p/slot1",
            "collect p/slot1 --into .",
            "remove-pool p --force",
        ] {
            let (world, remote) = World::with_pool(1);
            if held {
                world.pool("allocate p").ok();
            }
            // A checkout of the user's own, which git could work on.
            let victim = world.clone_of(&remote, "victim");
            fs::write(victim.join("README.md"), "precious edit").expect("writing");
            fs::write(victim.join("untracked.txt"), "precious").expect("writing");
            let before = snapshot(&victim);
            let dir = world.slot_dir("slot1");
            fs::rename(&dir, world.path("moved")).expect("moving");
            symlink(&victim, &dir).expect("a link");
            let out = world.pool(verb);
            out.one_of(&[0, 1, 2, 4, 5]);
            assert_eq!(snapshot(&victim), before, "{verb}\n{out}");
            if verb.starts_with("recover") && !held {
                world.pool("recover").one_of(&[0, 1]);
                let dir = world.pool("allocate p").ok().path();
                assert!(!fs::symlink_metadata(&dir).expect("a slot").is_symlink());
                world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
                assert_eq!(snapshot(&victim), before, "{verb}");
            }
        }
    }
}

/// A directory of the pool's that was swapped for a link is nobody's to work in: nothing changes.
#[test]
fn a_directory_swapped_for_a_link_is_refused() {
    for part in [
        "worktrees",
        "repo.git",
        "locks",
        "trash",
        "repo.git/worktrees",
        "",
    ] {
        let (world, _remote) = World::with_pool(1);
        world.pool("allocate p").ok();
        fs::write(world.slot_dir("slot1").join("work.txt"), "work\n").expect("writing");
        let path = world.pool_dir("p").join(part);
        let path = path.components().collect::<PathBuf>();
        let real = world.path("real");
        let was_there = path.exists();
        if was_there {
            fs::rename(&path, &real).expect("moving");
        } else {
            fs::create_dir(&real).expect("a directory");
        }
        symlink(&real, &path).expect("a link");
        let before = snapshot(&real);
        for verb in [
            "release p/slot1 --discard",
            "allocate p --grow",
            "add-slot p",
            "recover --force",
            "remove-slot p/slot1 --force",
            "remove-pool p --force",
        ] {
            let out = world.pool(verb);
            assert_ne!(out.code, 0, "{part:?}: {out}");
            assert!(out.stderr.contains("symbolic link"), "{part:?}: {out}");
            assert_eq!(snapshot(&real), before, "{part:?}: {verb}");
        }
        world.pool("status p").ok();
        fs::remove_file(&path).expect("deleting");
        if was_there {
            fs::rename(&real, &path).expect("moving back");
        }
        world.pool("release p/slot1").ok();
        assert!(world.is_rescued("p", "work\n"));
        world.assert_sound("p");
    }
}

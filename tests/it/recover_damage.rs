//! Damage of all kinds, one at a time: the plan that is printed is what is done, a second run finds
//! nothing, the pool works, and no work is lost.

use crate::support::{World, files_containing, snapshot};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Kind and action of every finding, in order.
#[track_caller]
fn run(world: &World, args: &str, code: i32) -> Vec<(String, String)> {
    let out = world.pool(format!("recover --json {args}"));
    let doc = out.code(code).json();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    doc["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| (text(finding, "kind"), text(finding, "action")))
        .collect()
}

/// What a damage is: what is done to pool `p` (two slots; slot1 idle, slot2 held with work in it), with
/// which arguments it is put right, and what is found.
struct Case {
    name: &'static str,
    damage: fn(&World),
    args: &'static str,
    found: &'static [(&'static str, &'static str)],
}

const WORK: &str = "hard work\n";

fn admin(world: &World, slot: &str) -> std::path::PathBuf {
    world.admin_dir(slot)
}

/// Moves the whole slot directories of an idle pool away, as a disk that is not mounted does.
fn unmount(world: &World) {
    let dir = world.pool_dir("p").join("worktrees");
    fs::rename(&dir, world.path("disk")).expect("renaming");
}

const CASES: [Case; 13] = [
    Case {
        name: "an idle slot's directory is gone",
        damage: |world| fs::remove_dir_all(world.idle_dir("slot1")).expect("deleting"),
        args: "",
        found: &[("missing_directory", "rebuild")],
    },
    Case {
        name: "an idle slot's registration is gone",
        damage: |world| fs::remove_dir_all(admin(world, "slot1")).expect("deleting"),
        args: "",
        found: &[("lost_registration", "repair")],
    },
    Case {
        name: "a registration names another place",
        damage: |world| {
            fs::write(admin(world, "slot1").join("gitdir"), "/x/.git\n").expect("writing")
        },
        args: "",
        found: &[("damaged_slot", "repair")],
    },
    Case {
        name: "an idle slot's commondir is empty",
        damage: |world| fs::write(admin(world, "slot1").join("commondir"), "").expect("writing"),
        args: "",
        found: &[("damaged_slot", "repair")],
    },
    Case {
        name: "a foreign registration is half made",
        damage: |world| {
            let dir = admin(world, "theirs");
            fs::create_dir_all(&dir).expect("a directory");
            fs::write(dir.join("gitdir"), "/nowhere/theirs/.git\n").expect("writing");
            fs::write(dir.join("commondir"), "").expect("writing");
            world.try_git(&world.bare("p"), "worktree list").code(128);
        },
        args: "--only foreign_registration",
        found: &[("foreign_registration", "repair")],
    },
    Case {
        name: "a registration of a slot that is no more",
        damage: |world| {
            let [old, new] = ["slot1", "slot9"].map(|name| admin(world, name));
            world
                .sh(&format!("cp -R {} {}", old.display(), new.display()))
                .ok();
            let gitdir = format!("{}/.git\n", world.slot_dir("slot9").display());
            fs::write(new.join("gitdir"), gitdir).expect("writing");
        },
        args: "",
        found: &[("foreign_registration", "remove")],
    },
    Case {
        name: "locks of the shared repository",
        damage: |world| {
            for name in [
                "packed-refs.lock",
                "refs/heads/x.lock",
                "objects/info/commit-graph.lock",
            ] {
                let path = world.bare("p").join(name);
                fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                fs::write(path, "").expect("writing");
            }
        },
        args: "",
        found: &[("stale_git_lock", "remove"); 3],
    },
    Case {
        name: "what a killed fetch leaves",
        damage: |world| {
            let objects = world.bare("p").join("objects");
            fs::create_dir_all(objects.join("ab")).expect("a directory");
            fs::create_dir_all(objects.join("tmp_objdir-incoming-x1/pack")).expect("a directory");
            fs::write(objects.join("ab/tmp_obj_x2"), "").expect("writing");
            fs::write(objects.join("pack/tmp_pack_x3"), "").expect("writing");
            fs::write(objects.join("pack/pack-1.keep"), "fetch-pack 1 on x\n").expect("writing");
            fs::write(objects.join("pack/pack-2.keep"), "mine\n").expect("writing");
        },
        args: "",
        found: &[("leftover", "remove"); 4],
    },
    Case {
        name: "trash and temporary files",
        damage: |world| {
            let pool = world.pool_dir("p");
            fs::create_dir_all(pool.join("trash/slot7-0")).expect("a directory");
            fs::write(pool.join(".pool.json.tmp-0123456789abcdef"), "").expect("writing");
            fs::create_dir_all(pool.join("repo.git/repo-pool-tmp/1")).expect("a directory");
        },
        args: "",
        found: &[("leftover", "remove"); 3],
    },
    Case {
        name: "the record is gone",
        damage: |world| fs::remove_file(world.pool_dir("p").join("pool.json")).expect("deleting"),
        args: "--only unreadable_record",
        found: &[("unreadable_record", "rebuild")],
    },
    Case {
        name: "the record is empty",
        damage: |world| fs::write(world.pool_dir("p").join("pool.json"), "").expect("writing"),
        args: "--only unreadable_record",
        found: &[("unreadable_record", "rebuild")],
    },
    Case {
        name: "the record is a directory",
        damage: |world| {
            let path = world.pool_dir("p").join("pool.json");
            fs::remove_file(&path).expect("deleting");
            fs::create_dir(path).expect("a directory");
        },
        args: "--only unreadable_record",
        found: &[("unreadable_record", "rebuild")],
    },
    Case {
        name: "an idle slot's HEAD and index are garbage",
        damage: |world| {
            fs::write(admin(world, "slot1").join("HEAD"), "garbage").expect("writing");
            fs::write(admin(world, "slot1").join("index"), "garbage").expect("writing");
        },
        args: "",
        found: &[("damaged_slot", "repair")],
    },
];

/// The workspace but for what any look may touch.
fn all(world: &World) -> Vec<(std::path::PathBuf, String)> {
    let mut found = snapshot(&world.workspace());
    found.retain(|path, _| !path.components().any(|part| part.as_os_str() == "locks"));
    found.into_iter().collect()
}

/// Section 3: for every damage.
#[test]
fn the_plan_is_what_is_done_and_done_once() {
    for case in CASES {
        let (world, _remote) = World::with_pool(2);
        let dir = world.pool("allocate p").ok().path();
        // The one that is idle is called slot1 in the cases.
        let dir = match dir.ends_with("slot1") {
            true => {
                let other = world.pool("allocate p").ok().path();
                world.pool("release p/slot1").ok();
                other
            }
            false => dir,
        };
        fs::write(dir.join("work.txt"), WORK).expect("writing");
        (case.damage)(&world);
        let before = all(&world);
        let planned = run(&world, &format!("--dry-run {}", case.args), 1);
        assert_eq!(
            all(&world),
            before,
            "{}: a dry run changes nothing",
            case.name
        );
        let done = run(&world, case.args, 0);
        assert_eq!(planned, done, "{}", case.name);
        let found: Vec<_> = done.iter().map(|(k, a)| (k.as_str(), a.as_str())).collect();
        assert_eq!(found, case.found, "{}", case.name);
        let again = run(&world, case.args, 0);
        let waiting = ["foreign_registration", "isolated_slot"];
        let left: Vec<_> = again
            .iter()
            .filter(|(kind, action)| action != "report" || !waiting.contains(&kind.as_str()))
            .collect();
        assert!(left.is_empty(), "{}: {left:?}", case.name);
        for slot in world.slots("p") {
            if slot["state"] == "error" {
                let id = slot["slot_id"].as_str().expect("an id");
                world.pool(["recover", id, "--force"]).ok();
            }
        }
        world.pool("allocate p").ok().path();
        let kept = fs::read_to_string(dir.join("work.txt")).is_ok_and(|text| text == WORK);
        assert!(kept || world.is_rescued("p", WORK), "{}", case.name);
    }
}

/// 9.4: somebody else's `.keep` and locks that may be somebody's stay.
#[test]
fn locks_that_may_be_somebodys_stay() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let shell = world.helper(&dir, ":");
    let lock = world.bare("p").join("packed-refs.lock");
    fs::write(&lock, "").expect("writing");
    assert_eq!(run(&world, "--dry-run", 0), []);
    run(&world, "", 0);
    assert!(lock.exists());
    shell.end();
    assert_eq!(run(&world, "--dry-run", 1).len(), 1);
    run(&world, "", 0);
    assert!(!lock.exists());
}

/// 9.4: what a killed command was about is finished although a git that was killed with it has left
/// locked what that needs: by `recover`, in one run, and by the next command.
#[test]
fn what_is_locked_by_a_killed_git_keeps_nobody_from_finishing() {
    let lock_refs = |world: &World| {
        let lock = world.bare("p").join("packed-refs.lock");
        fs::write(&lock, "").expect("writing");
        lock
    };
    for next in ["recover", "allocate p"] {
        let (world, _remote) = World::with_pool(2);
        let is_interrupted = || {
            world
                .slots("p")
                .iter()
                .any(|slot| slot["state"] == "cleaning")
        };
        for point in (1..).take_while(|_| !is_interrupted()) {
            let removal = world.call("remove-slot p/slot2");
            let removal = removal.env("REPO_POOL_CRASH_AT", point.to_string());
            removal.run().code(137);
        }
        let lock = lock_refs(&world);
        world.pool(next).ok();
        assert!(!lock.exists(), "{next}");
        assert_eq!(world.slots("p").len(), 1, "{next}");
        world.pool("release p/slot1").ok();
        world.pool("recover").ok();
        assert_eq!(run(&world, "--dry-run", 0), [], "{next}");
        world.assert_sound("p");
    }
    // Where nobody can have it, it is not in the way of who meets it.
    let (world, _remote) = World::with_pool(2);
    let lock = lock_refs(&world);
    world.pool("remove-slot p/slot2").ok();
    assert!(!lock.exists());
    world.assert_sound("p");
}

/// 9.4: a stale lock of a tracking ref does not keep the next fetch from its work, if nobody can hold
/// it.
#[test]
fn a_fetch_takes_stale_locks_away_that_nobody_can_hold() {
    let (world, remote) = World::with_pool(1);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let lock = world.bare("p").join("refs/remotes/origin/main.lock");
    fs::create_dir_all(lock.parent().expect("a parent")).expect("a directory");
    fs::write(&lock, "").expect("writing");
    let out = world.pool("allocate p");
    assert_eq!(world.head(&out.ok().path()), pushed);
    assert!(!lock.exists());
}

/// A disk that is not mounted: told, nothing rebuilt or pruned, and all is well when it is back.
#[test]
fn a_disk_that_is_not_mounted_is_waited_for() {
    for stand_in in ["nothing", "an empty directory"] {
        let (world, _remote) = World::with_pool(3);
        let held = world.pool("allocate p").ok().path();
        fs::write(held.join("work.txt"), WORK).expect("writing");
        let place = world.pool_dir("p").join("worktrees");
        // Every slot lies on the disk: idle ones too, where they are not kept elsewhere.
        let elsewhere = world.pool_dir("p").join("parked");
        let rest = fs::read_dir(&elsewhere).map_or(0, |dir| dir.count());
        let alone = rest > 0 && stand_in == "an empty directory";
        if alone {
            // One slot of one that is gone is a slot that was deleted.
            continue;
        }
        unmount(&world);
        if stand_in == "an empty directory" {
            fs::create_dir(&place).expect("a directory");
        }
        let registered = snapshot(&world.bare("p").join("worktrees"));
        let dry = run(&world, "--dry-run", 1);
        assert_eq!(
            dry,
            [("unmounted".to_owned(), "report".to_owned())],
            "{stand_in}"
        );
        assert_eq!(run(&world, "", 0), dry, "{stand_in}");
        let slot = held.file_name().expect("a name").to_str().expect("text");
        let out = world.pool(format!("release p/{slot}"));
        assert_ne!(out.code, 0, "{out}");
        out.says("mount");
        if rest == 0 {
            let out = world.pool("allocate p");
            assert_ne!(out.code, 0, "{out}");
            out.silent().says("mount");
        }
        assert_eq!(
            snapshot(&world.bare("p").join("worktrees")),
            registered,
            "{stand_in}"
        );
        for slot in world.slots("p") {
            assert_ne!(slot["state"], "error", "{stand_in}: {slot}");
        }
        let _ = fs::remove_file(&place);
        let _ = fs::remove_dir(&place);
        fs::rename(world.path("disk"), &place).expect("renaming");
        assert_eq!(run(&world, "", 0), [], "{stand_in}");
        assert_eq!(
            fs::read_to_string(held.join("work.txt")).expect("the work"),
            WORK
        );
        world.pool(format!("release p/{slot}")).ok();
        assert!(world.is_rescued("p", WORK));
        world.assert_sound("p");
    }
}

/// The same, and they were deleted: an operator's force makes them anew, the commits saved.
#[test]
fn slots_that_were_all_deleted_are_made_anew_by_force() {
    let (world, _remote) = World::with_pool(3);
    let held = world.pool("allocate p").ok().path();
    world.commit(&held, "work.txt", WORK);
    fs::remove_dir_all(world.pool_dir("p").join("worktrees")).expect("deleting");
    let planned = run(&world, "p --force --dry-run", 1);
    assert!(
        planned.iter().any(|(kind, _)| kind == "missing_directory"),
        "{planned:?}"
    );
    assert_eq!(run(&world, "p --force", 0), planned);
    assert_eq!(run(&world, "", 0), []);
    assert!(world.is_rescued("p", WORK));
    for _ in 0..3 {
        world.pool("allocate p").ok().path();
    }
}

/// 9.5: what git can't save work from is set aside whole by force, and told of.
#[test]
fn what_cant_be_saved_is_set_aside_whole_by_force() {
    type Damage = fn(&World, &Path);
    let damages: [(&str, Damage); 2] = [
        ("deep", |world, dir| world.bury(dir, WORK)),
        ("nested", |world, dir| {
            fs::create_dir(dir.join("nested")).expect("a directory");
            world.git(&dir.join("nested"), "init -q");
            fs::write(dir.join("nested/work.txt"), WORK).expect("writing");
        }),
    ];
    for (name, damage) in damages {
        let (world, _remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        world.commit(&dir, "committed.txt", "committed work\n");
        damage(&world, &dir);
        world.pool("release p/slot1").code(5);
        let out = world.pool("recover p/slot1 --force");
        out.ok();
        assert_eq!(world.state("p/slot1"), "allocated", "{name}");
        // An operator takes it out of use by losing its record.
        fs::write(world.pool_dir("p").join("pool.json"), "").expect("writing");
        world.pool("recover p").ok();
        assert_eq!(world.state("p/slot1"), "error", "{name}");
        let out = world.pool("recover p/slot1 --force --json");
        let told = out.ok().json()["findings"][0]["detail"].to_string();
        assert!(told.contains("set-aside"), "{name}: {told}");
        assert!(world.is_rescued("p", "committed work\n"), "{name}");
        assert_eq!(world.state("p/slot1"), "available", "{name}");
        let kept = world.pool_dir("p").join("set-aside");
        let found = world.sh(&format!("find {} -name work.txt", kept.display()));
        assert_eq!(found.stdout.lines().count(), 1, "{name}: {found}");
        assert_eq!(run(&world, "", 0), [], "{name}");
        world.pool("allocate p").ok().path();
        world.pool("release p/slot1").ok();
        world.pool("remove-pool p").code(5).says("set aside");
    }
}

/// A parked slot that is as it was left can be had again after the record was lost.
#[test]
fn a_parked_slot_that_verifies_is_available_without_its_record() {
    type Change = fn(&World, &Path);
    let changes: [(&str, bool, Change); 6] = [
        ("nothing", true, |_, _| ()),
        ("a file more", false, |_, dir| {
            fs::write(dir.join("x"), "x").expect("writing")
        }),
        ("an edit", false, |_, dir| {
            fs::write(dir.join("README.md"), "x").expect("writing")
        }),
        ("an ignored file", false, |_, dir| {
            fs::write(dir.join("a.log"), "x").expect("writing")
        }),
        ("a merge under way", false, |world, _| {
            fs::write(world.admin_dir("slot1").join("MERGE_HEAD"), "x").expect("writing");
        }),
        ("another link", false, |_, dir| {
            fs::write(dir.join(".git"), "x").expect("writing")
        }),
    ];
    for (name, verifies, change) in changes {
        let (world, _remote) = World::with_pool(1);
        let parked = world.pool_dir("p").join("parked/slot1");
        if !parked.exists() {
            fs::create_dir_all(parked.parent().expect("a parent")).expect("a directory");
            fs::rename(world.slot_dir("slot1"), &parked).expect("renaming");
        }
        change(&world, &parked);
        fs::write(world.pool_dir("p").join("pool.json"), "{").expect("writing");
        world.pool("recover p --only unreadable_record").ok();
        let wanted = if verifies { "available" } else { "error" };
        let slot = world.slot("p/slot1");
        assert_eq!(slot["state"], wanted, "{name}: {slot}");
        assert_eq!(slot["verified"], verifies, "{name}: {slot}");
    }
}

/// The history is no reason to fail: garbage in it is passed over, and what is no file is set aside.
#[test]
fn a_history_that_is_garbage_is_passed_over() {
    let (world, _remote) = World::with_pool(1);
    let events = world.pool_dir("p").join("events.jsonl");
    let mut bytes = fs::read(&events).expect("the history");
    bytes.extend_from_slice(b"\0\xff garbage\n{\"schema\":1,\"time\":\"2026");
    fs::write(&events, bytes).expect("writing");
    world.pool("allocate p").ok();
    world.pool("release p/slot1").ok();
    assert_eq!(world.events("p", "allocated").len(), 1);
    assert_eq!(run(&world, "", 0), []);
}

/// A slot that the record does not know joins the pool out of use, its work with it.
#[test]
fn a_slot_without_a_record_joins_the_pool_out_of_use() {
    let (world, _remote) = World::with_pool(2);
    let [one, two] = ["one", "two"].map(|_| world.pool("allocate p").ok().path());
    for dir in [&one, &two] {
        fs::write(dir.join("work.txt"), WORK).expect("writing");
    }
    let record = world.pool_dir("p").join("pool.json");
    let text = fs::read_to_string(&record).expect("the record");
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    value["slots"]
        .as_array_mut()
        .expect("slots")
        .retain(|slot| slot["number"] != 2);
    fs::write(&record, value.to_string()).expect("writing");
    let planned = run(&world, "--dry-run", 1);
    assert_eq!(
        planned,
        [("foreign_directory".to_owned(), "isolate".to_owned())]
    );
    assert_eq!(run(&world, "", 0)[0], planned[0]);
    assert_eq!(world.state("p/slot2"), "error");
    world.pool("recover p/slot2 --force").ok();
    assert!(world.is_rescued("p", WORK));
    assert_eq!(world.state("p/slot2"), "available");
    assert!(!files_containing(&one, "hard work").is_empty());
}

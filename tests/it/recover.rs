//! Finding and repairing what is wrong.

use crate::support::{Remote, Stand, World, files_containing, snapshot, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Every kind a finding may have.
const KINDS: [&str; 15] = [
    "unfinished_operation",
    "missing_directory",
    "damaged_slot",
    "dead_owner",
    "stale_allocation",
    "isolated_slot",
    "stale_git_lock",
    "leftover",
    "orphaned_lock",
    "lost_registration",
    "foreign_registration",
    "foreign_directory",
    "unreadable_record",
    "corrupt_objects",
    "unmounted",
];

/// The findings of a run, each of a documented form.
#[track_caller]
fn recover(world: &World, args: &str, code: i32) -> Vec<Value> {
    let out = world.pool(format!("recover --json {args}"));
    let doc = out.code(code).json();
    assert!(doc["summary"].is_object(), "{doc}");
    let findings = doc["findings"].as_array().expect("findings").clone();
    for finding in &findings {
        let text = |key: &str| {
            finding[key]
                .as_str()
                .unwrap_or_else(|| panic!("{key}: {finding}"))
        };
        assert!(KINDS.contains(&text("kind")), "{finding}");
        let actions = [
            "complete", "undo", "rebuild", "repair", "release", "report", "isolate", "remove",
            "restore",
        ];
        assert!(actions.contains(&text("action")), "{finding}");
        assert!(
            ["done", "planned", "reported", "failed"].contains(&text("result")),
            "{finding}"
        );
    }
    findings
}

/// Nothing may be left to find.
#[track_caller]
fn assert_healthy(world: &World) {
    assert_eq!(recover(world, "", 0), Vec::<Value>::new());
    assert_eq!(recover(world, "--dry-run", 0), Vec::<Value>::new());
    world.assert_sound("p");
    world.pool("status --check").ok();
}

/// Everything in the workspace but lock files, which any command may touch.
fn all(world: &World) -> Vec<(PathBuf, String)> {
    let mut found = snapshot(&world.workspace());
    found.retain(|path, _| !path.components().any(|c| c.as_os_str() == "locks"));
    found.into_iter().collect()
}

/// Damages slot 1 of an idle pool, and follows the damage from finding to repair.
#[track_caller]
fn damaged(name: &str, damage: impl Fn(&World, &Path, &Path)) {
    let (world, remote): (World, Remote) = World::with_pool(2);
    assert_healthy(&world);
    damage(&world, &world.slot_dir("slot1"), &world.admin_dir("slot1"));
    let before = all(&world);
    let planned = recover(&world, "--dry-run", 1);
    let of_slot = |f: &Value| f["slot_id"] == "workspace-p-slot1" && f["result"] == "planned";
    assert!(planned.iter().any(of_slot), "{name}: {planned:?}");
    assert_eq!(all(&world), before, "{name}: a dry run changes nothing");
    world.pool("status --check").code(1);
    let done = recover(&world, "", 0);
    assert!(
        done.iter().any(|f| f["result"] == "done"),
        "{name}: {done:?}"
    );
    assert!(!world.events("p", "repaired").is_empty(), "{name}");
    assert_healthy(&world);
    let tip = world.tip(&remote, "main");
    for slot in ["slot1", "slot2"] {
        world.assert_holds(&world.slot_dir(slot), &remote, &tip);
    }
}

/// 9.2: a directory that is gone.
#[test]
pub fn recover_rebuilds_a_missing_directory() {
    damaged("missing", |_, slot, _| {
        fs::remove_dir_all(slot).expect("deleting")
    });
}

/// 9.2: a directory that is a file now.
#[test]
fn recover_rebuilds_a_slot_that_became_a_file() {
    damaged("a file", |_, slot, _| {
        fs::remove_dir_all(slot).expect("deleting");
        fs::write(slot, "a file").expect("writing");
    });
}

/// 9.2: a `.git` file that leads nowhere, is empty or is gone.
#[test]
fn recover_repairs_a_damaged_git_file() {
    for content in ["", "gitdir: /nowhere\n", "garbage\0"] {
        damaged(content, |_, slot, _| {
            fs::write(slot.join(".git"), content).expect("writing")
        });
    }
    damaged("no .git", |_, slot, _| {
        fs::remove_file(slot.join(".git")).expect("deleting")
    });
}

/// 9.2: a HEAD that names nothing.
#[test]
fn recover_repairs_a_damaged_head() {
    for content in [
        "",
        "garbage\n",
        "ref: refs/heads/no-such\n",
        "0123456789012345678901234567890123456789\n",
    ] {
        damaged(content, |_, _, admin| {
            fs::write(admin.join("HEAD"), content).expect("writing")
        });
    }
}

/// 9.2: an index that git can't read, or that is gone.
#[test]
pub fn recover_repairs_a_damaged_index() {
    damaged("garbage", |_, _, admin| {
        fs::write(admin.join("index"), "DIRCgarbage").expect("writing")
    });
    damaged("gone", |_, _, admin| {
        fs::remove_file(admin.join("index")).expect("deleting")
    });
}

/// 9.2: an administrative directory that is gone, or whose links are empty or wrong.
#[test]
fn recover_repairs_a_damaged_registration() {
    damaged("gone", |_, _, admin| {
        fs::remove_dir_all(admin).expect("deleting")
    });
    damaged("commondir", |_, _, admin| {
        fs::write(admin.join("commondir"), "").expect("writing")
    });
    damaged("gitdir", |_, _, admin| {
        fs::write(admin.join("gitdir"), "/nowhere/.git\n").expect("writing")
    });
}

/// 9.2: directory and registration gone at once.
#[test]
fn recover_rebuilds_a_slot_of_which_nothing_is_left() {
    damaged("both gone", |_, slot, admin| {
        fs::remove_dir_all(slot).expect("deleting");
        fs::remove_dir_all(admin).expect("deleting");
    });
}

/// 9.4: locks of a git that was killed in a slot that nobody holds.
#[test]
fn recover_removes_git_locks_of_an_idle_slot() {
    for name in ["index.lock", "HEAD.lock"] {
        damaged(name, |_, _, admin| {
            fs::write(admin.join(name), "").expect("writing");
            age(&admin.join(name));
        });
    }
}

/// Makes a file two days old.
fn age(path: &Path) {
    let file = fs::File::options().append(true).open(path).expect("a file");
    let then = SystemTime::now() - Duration::from_secs(2 * 86_400);
    file.set_modified(then).expect("setting the time");
}

/// 9.4: locks and temporary files of a git that was killed in the shared repository.
#[test]
fn recover_removes_what_a_killed_git_left_in_the_repository() {
    let (world, remote) = World::with_pool(1);
    for name in [
        "packed-refs.lock",
        "refs/remotes/origin/main.lock",
        "objects/pack/tmp_pack_x1y2z3",
    ] {
        let path = world.bare("p").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, "").expect("writing");
        age(&path);
    }
    assert!(!recover(&world, "--dry-run", 1).is_empty());
    recover(&world, "", 0);
    assert_healthy(&world);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), pushed);
}

/// 9.4: the lock file of a slot that is no more.
#[test]
fn recover_removes_orphaned_locks() {
    let (world, _remote) = World::with_pool(1);
    fs::write(world.pool_dir("p").join("locks/slot99.lock"), "").expect("writing");
    let found = recover(&world, "--dry-run", 1);
    assert!(
        found.iter().any(|f| f["kind"] == "orphaned_lock"),
        "{found:?}"
    );
    recover(&world, "", 0);
    assert_healthy(&world);
}

/// 9.4: a directory among the slots that is none is found, and what is in it is not lost.
#[test]
fn recover_loses_nothing_of_a_foreign_directory() {
    let (world, _remote) = World::with_pool(1);
    let foreign = world.slot_dir("mine");
    fs::create_dir(&foreign).expect("a directory");
    fs::write(foreign.join("thing.txt"), "put here by hand").expect("writing");
    let out = world.pool("recover --dry-run --json");
    let found = out.code(1).json()["findings"].to_string();
    assert!(found.contains("foreign_directory"), "{found}");
    world.pool("recover").one_of(&[0, 1]);
    assert!(!files_containing(&world.workspace(), "put here by hand").is_empty());
}

/// 9.4: a worktree that somebody else registered stays.
#[test]
fn recover_leaves_foreign_worktrees_alone() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let own = world.path("own-worktree").display().to_string();
    world.git(&dir, ["worktree", "add", "-q", "-b", "own", &own]);
    world.commit(Path::new(&own), "own.txt", "own\n");
    world.pool("recover").one_of(&[0, 1]);
    world.pool("release p/slot1").ok();
    world.pool("recover").one_of(&[0, 1]);
    assert_eq!(world.branch(Path::new(&own)), "own");
    assert_eq!(world.git(Path::new(&own), "status --porcelain"), "");
}

/// 9.2, section 6: an allocated slot that is damaged loses nothing by being looked at.
#[test]
fn recover_loses_no_work_of_an_allocated_slot() {
    let damages: [fn(&Path, &Path); 3] = [
        |slot, _| fs::write(slot.join(".git"), "garbage").expect("writing"),
        |_, admin| fs::write(admin.join("HEAD"), "garbage").expect("writing"),
        |_, admin| fs::write(admin.join("index"), "garbage").expect("writing"),
    ];
    for damage in damages {
        let (world, _remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        fs::write(dir.join("work.txt"), "hard work\n").expect("writing");
        damage(&dir, &world.admin_dir("slot1"));
        let kept = |world: &World| {
            let text = fs::read_to_string(dir.join("work.txt"));
            text.is_ok_and(|t| t == "hard work\n") || world.is_rescued("p", "hard work\n")
        };
        world.pool("recover p").one_of(&[0, 1]);
        assert!(kept(&world), "after recover");
        world.pool("release p/slot1 --force");
        assert!(kept(&world), "after release");
        world.pool("recover p/slot1 --force").one_of(&[0, 1]);
        assert!(kept(&world), "after recover --force");
    }
}

/// 9.2: an allocated slot whose directory was deleted can be given back.
#[test]
pub fn recover_and_release_cope_with_a_deleted_allocated_slot() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::remove_dir_all(&dir).expect("deleting");
    world.pool("recover p").one_of(&[0, 1]);
    world.pool("release p/slot1").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    assert_healthy(&world);
}

/// 9.5: what can't be repaired is in error with its reason, kept, and can be brought back later.
#[test]
fn recover_isolates_what_it_cannot_repair() {
    let (world, _remote) = World::with_pool(1);
    world.bury(&world.idle_dir("slot1"), "deep work");
    let done = recover(&world, "p", 1);
    assert_eq!(done[0]["result"], "failed", "{done:?}");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "error", "{slot}");
    let reason = slot["error"].as_str().expect("a reason");
    assert!(reason.contains("can't be read"), "{reason}");
    world.pool("status --check").code(1);
    world.pool("allocate p --no-fetch").code(4).silent();
    world.pool("recover p/slot1").code(1);
    assert_eq!(world.state("p/slot1"), "error");
    world.pool("recover p/slot1 --force").ok();
    assert_healthy(&world);
    let found = world.sh(&format!(
        "find {} -name work.txt",
        world.workspace().display()
    ));
    assert_eq!(found.stdout.lines().count(), 1, "{found}");
    world.pool("allocate p").ok().path();
}

/// 9.5: what is everybody's fault puts no slot out of use.
#[test]
fn recover_puts_no_slot_out_of_use_for_a_fault_of_all() {
    let (world, remote) = World::with_pool(1);
    let packs = world.bare("p").join("objects");
    fs::rename(&packs, world.path("packs")).expect("moving the objects away");
    fs::rename(&remote.path, world.path("lost.git")).expect("moving the remote away");
    fs::remove_dir_all(world.idle_dir("slot1")).expect("deleting");
    world.pool("recover p").one_of(&[0, 1]);
    assert_ne!(world.state("p/slot1"), "error");
    world
        .pool("allocate p --no-fetch")
        .code(1)
        .silent()
        .says("recover");
    assert_ne!(world.state("p/slot1"), "error");
    fs::rename(world.path("packs"), &packs).expect("moving the objects back");
    fs::rename(world.path("lost.git"), &remote.path).expect("moving the remote back");
    world.pool("recover").ok();
    assert_healthy(&world);
    world.pool("allocate p").ok().path();
}

/// Section 3: `--only` repairs one kind and leaves the others.
#[test]
fn recover_only_repairs_one_kind() {
    let (world, _remote) = World::with_pool(2);
    fs::remove_dir_all(world.slot_dir("slot1")).expect("deleting");
    fs::write(world.pool_dir("p").join("locks/slot99.lock"), "").expect("writing");
    let done = recover(&world, "--only orphaned_lock", 0);
    assert!(
        done.iter().all(|f| f["kind"] == "orphaned_lock"),
        "{done:?}"
    );
    assert!(!world.slot_dir("slot1").exists());
    let left = recover(&world, "--dry-run", 1);
    assert!(
        left.iter().all(|f| f["kind"] == "missing_directory"),
        "{left:?}"
    );
    recover(&world, "", 0);
    assert_healthy(&world);
    world.pool("recover --only no-such-kind").code(2);
}

/// Section 3: a pool, a slot, or all; what there is not.
#[test]
fn recover_looks_where_it_is_told_to() {
    let (world, _remote) = World::with_pool(2);
    let other = world.remote_named("other");
    world.pool(format!("create q {} -n 1", other.url())).ok();
    fs::remove_dir_all(world.slot_dir("slot1")).expect("deleting");
    fs::remove_dir_all(world.pool_dir("q").join("parked/slot1")).expect("deleting");
    recover(&world, "p", 0);
    assert!(world.slot_dir("slot1").is_dir());
    assert!(!world.pool_dir("q").join("parked/slot1").exists());
    recover(&world, "q/slot1", 0);
    assert_healthy(&world);
    world.assert_sound("q");
    world.pool("recover r").code(7);
    world.pool("recover p/slot9").code(7);
}

/// 9.2: what is done to a slot while it is looked at is no damage, and whoever looks keeps nobody from
/// it.
#[test]
fn what_happens_meanwhile_is_no_damage() {
    let (world, _remote) = World::with_pool(1);
    let stand = Stand::new(&world);
    let look = || world.call("recover --dry-run --json");
    stand.choose(0, "none");
    look().env("PATH", stand.path()).run().ok();
    let mut inside = 0;
    for number in 1..=stand.calls() {
        stand.choose(number, "hold");
        let running = look().env("PATH", stand.path()).spawn();
        let (held, _) = until("git is held", || stand.held());
        let place = fs::read_link(format!("/proc/{held}/cwd")).expect("its directory");
        inside += u32::from(place.starts_with(world.workspace().join("p/parked/slot1")));
        let dir = world.pool("allocate p").ok().path();
        fs::write(dir.join("work.txt"), "work\n").expect("writing");
        stand.let_go(held);
        let found = running.finish().ok().json()["findings"].clone();
        assert_eq!(found, serde_json::json!([]), "call {number}");
        world.pool("release p/slot1").ok();
    }
    assert!(inside > 0, "git is never in the slot");
    world.assert_sound("p");
}

//! Idle slots lie where nobody reaches them by their path, and are handed out without a look.

use crate::support::World;
use std::fs;
use std::path::Path;

/// Changes a slot, given its directory and its registration.
type Change = fn(&Path, &Path);

/// An idle slot is out of reach, and comes back as it was.
#[test]
pub fn an_idle_slot_is_parked_and_a_handed_out_one_is_not() {
    let (world, remote) = World::with_pool(1);
    let path = world.slot_path("slot1");
    assert!(!path.exists());
    assert_eq!(world.slot("p/slot1")["parked"], true);
    assert_eq!(world.slot("p/slot1")["verified"], true);
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(dir, path);
    assert_eq!(world.slot("p/slot1")["parked"], false);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    fs::write(dir.join("junk.txt"), "junk\n").expect("writing");
    world.pool("release p/slot1").ok();
    assert!(!path.exists());
    assert_eq!(
        world.slot("p/slot1")["slot_path"],
        path.display().to_string()
    );
    world.assert_sound("p");
}

/// A verified slot at the wanted commit is handed out without a single look at its tree.
#[test]
pub fn a_verified_slot_needs_no_git() {
    let (world, _remote) = World::with_pool(1);
    assert_eq!(world.gits("allocate p --no-fetch"), [""; 0]);
    world.pool("release p/slot1").ok();
    assert_eq!(world.gits("allocate p --no-fetch"), [""; 0]);
}

/// Whatever somebody does to a parked slot shows, and goes.
#[test]
fn a_parked_slot_that_was_changed_is_looked_at() {
    let changes: [(&str, Change); 5] = [
        ("a file at the top", |slot, _| {
            fs::write(slot.join("stray.txt"), "stray\n").expect("writing");
        }),
        ("staged", |slot, admin| {
            fs::write(slot.join("src/new.txt"), "new\n").expect("writing");
            let git = std::process::Command::new("git")
                .arg("-C")
                .arg(slot)
                .args(["add", "src/new.txt"])
                .env("GIT_DIR", admin)
                .env("GIT_WORK_TREE", slot)
                .status();
            assert!(git.expect("git").success());
        }),
        ("HEAD", |_, admin| {
            fs::write(admin.join("HEAD"), "ref: refs/heads/elsewhere\n").expect("writing");
        }),
        ("a merge under way", |_, admin| {
            fs::write(admin.join("MERGE_MSG"), "merge\n").expect("writing");
        }),
        ("a config of its own", |_, admin| {
            fs::write(admin.join("config.worktree"), "[core]\n\tbare = true\n").expect("writing");
        }),
    ];
    for (name, change) in changes {
        let (world, remote) = World::with_pool(1);
        change(&world.slot_dir("slot1"), &world.admin_dir("slot1"));
        assert!(!world.gits("allocate p --no-fetch").is_empty(), "{name}");
        let dir = world.slot_path("slot1");
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
        assert!(!world.admin_dir("slot1").join("MERGE_MSG").exists());
        assert!(!world.admin_dir("slot1").join("config.worktree").exists());
    }
}

/// What somebody makes at the path of an idle slot is kept for them.
#[test]
pub fn an_intruder_at_the_path_of_an_idle_slot_is_moved_aside() {
    let (world, remote) = World::with_pool(1);
    let path = world.slot_path("slot1");
    fs::create_dir_all(path.join("out")).expect("a directory");
    fs::write(path.join("out/made.txt"), "made\n").expect("writing");
    let out = world.pool("allocate p");
    assert_eq!(out.ok().path(), path);
    assert!(out.stderr.contains("set-aside"), "{out}");
    world.assert_holds(&path, &remote, &world.tip(&remote, "main"));
    let kept = fs::read_dir(world.pool_dir("p").join("set-aside"))
        .expect("listing")
        .flatten()
        .next()
        .expect("what was moved");
    let made = fs::read_to_string(kept.path().join("out/made.txt"));
    assert_eq!(made.expect("reading"), "made\n");
    world.pool("release p/slot1").ok();
    fs::create_dir(&path).expect("a directory");
    let out = world.pool("allocate p");
    assert_eq!(out.ok().path(), path, "an empty one is nobody's");
    assert!(!out.stderr.contains("set-aside"), "{out}");
}

/// A slot in which the caller's own shell stands is not moved from under it.
#[test]
fn a_slot_with_the_callers_shell_inside_stays_where_it_is() {
    let (world, remote) = World::with_pool(1);
    let script = "cd \"$($REPO_POOL allocate p)\" && $REPO_POOL release && ls";
    let out = world.sh(script);
    assert!(out.ok().stdout.contains("README.md"), "{out}");
    assert_eq!(world.slot("p/slot1")["parked"], false);
    assert_eq!(world.slot("p/slot1")["state"], "available");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// A release that is refused leaves the slot where its holder has it.
#[test]
fn a_refused_release_brings_the_slot_back() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "init -q nested");
    world.commit(&dir.join("nested"), "inner.txt", "inner\n");
    world.pool("release p/slot1").code(5);
    assert!(dir.join("nested/inner.txt").is_file());
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// The path of a parked slot names it like the one that users know.
#[test]
fn a_sibling_can_not_reach_an_idle_slot_by_its_path() {
    let (world, remote) = World::with_pool(2);
    let one = world.pool("allocate p").ok().path();
    world.try_git(&one, "worktree prune --expire=now");
    world.try_git(&one, "gc -q --prune=now");
    let listed = world.git(&one, "worktree list --porcelain");
    assert!(listed.contains("worktrees/slot2"), "{listed}");
    let two = world.pool("allocate p").ok().path();
    world.assert_holds(&two, &remote, &world.tip(&remote, "main"));
}

//! What the fast ways leave out, and that nothing gets past them.

use crate::support::{Remote, Stand, World, until};
use std::fs;

/// The words by which git is asked to look at a tree or to write one.
const WORK_ON_A_TREE: [&str; 6] = [
    "read-tree",
    "checkout",
    "checkout-index",
    "status",
    "ls-files",
    "clean",
];

/// Of the commands that a call of repo-pool runs, those that cost in proportion to the tree.
fn work_on_a_tree(world: &World, args: &str) -> Vec<String> {
    let mut gits = world.gits(args);
    gits.retain(|git| git.split(' ').any(|word| WORK_ON_A_TREE.contains(&word)));
    gits
}

/// A pool whose remote has moved on since `old` was its tip.
fn moved(slots: u32) -> (World, Remote, String, String) {
    let (world, remote) = World::with_pool(slots);
    let old = world.tip(&remote, "main");
    let new = world.push_commit(&remote, "late.txt", "late");
    (world, remote, old, new)
}

/// 6.1: who asks for a commit gets a slot that is there already, however many ask.
#[test]
pub fn slots_of_one_commit_go_round_without_work() {
    let (world, remote, old, new) = moved(3);
    let ask = format!("allocate p --ref {old}");
    for _ in 0..3 {
        let dir = world.pool(ask.as_str()).ok().path();
        world.assert_holds(&dir, &remote, &old);
    }
    world.pool("release p/slot1 p/slot2 p/slot3").ok();
    for _ in 0..3 {
        assert_eq!(
            work_on_a_tree(&world, &format!("{ask} --no-fetch")),
            [""; 0]
        );
    }
    world.pool("release p/slot1 p/slot2 p/slot3").ok();
    // Among slots at several commits, each asker finds its own.
    let base = world.pool("allocate p").ok().path();
    world.assert_holds(&base, &remote, &new);
    world.pool(format!("release {}", base.display())).ok();
    assert_eq!(work_on_a_tree(&world, "allocate p --no-fetch"), [""; 0]);
    assert_eq!(
        work_on_a_tree(&world, &format!("{ask} --no-fetch")),
        [""; 0]
    );
    world.assert_sound("p");
}

/// A slot that was handed out for a commit, and worked in, is back at that commit.
#[test]
fn work_on_a_commit_is_saved_and_the_slot_stays_there() {
    let (world, remote, old, _new) = moved(1);
    let ask = format!("allocate p --ref {old}");
    let dir = world.pool(ask.as_str()).ok().path();
    world.commit(&dir, "made.txt", "made here\n");
    fs::write(dir.join("README.md"), "edited\n").expect("writing");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "made here\n"));
    assert!(world.is_rescued("p", "edited\n"));
    assert_eq!(
        work_on_a_tree(&world, &format!("{ask} --no-fetch")),
        [""; 0]
    );
    world.assert_holds(&dir, &remote, &old);
}

/// A clean slot moves to a new base by what differs; no look at the whole tree is needed.
#[test]
fn a_verified_slot_moves_without_a_look() {
    let (world, remote, _old, new) = moved(1);
    let looks = work_on_a_tree(&world, "allocate p");
    assert_eq!(looks.len(), 1, "{looks:?}");
    assert!(looks[0].contains(" read-tree -m -u "), "{looks:?}");
    let dir = world.slot_path("slot1");
    world.assert_holds(&dir, &remote, &new);
    world.pool("release p/slot1").ok();
    // Files that vanish, appear below new directories, or change their kind.
    let author = world.clone_of(&remote, "author");
    fs::remove_file(author.join("README.md")).expect("removing");
    fs::create_dir_all(author.join("README.md/deep")).expect("a directory");
    fs::write(author.join("README.md/deep/file"), "deep\n").expect("writing");
    fs::remove_file(author.join("late.txt")).expect("removing");
    std::os::unix::fs::symlink("src", author.join("late.txt")).expect("a link");
    world.git(&author, "add -A");
    world.git(&author, "commit -q -m kinds");
    world.git(&author, "push -q origin HEAD:main");
    let tip = world.tip(&remote, "main");
    assert_eq!(work_on_a_tree(&world, "allocate p").len(), 1);
    world.assert_holds(&dir, &remote, &tip);
}

/// Where ignored files are kept, a new `.gitignore` may say otherwise about them: the whole way.
#[test]
fn kept_files_that_are_ignored_no_more_do_not_reach_the_next_holder() {
    let (world, remote) = World::with_pool(1);
    world.push_commit(&remote, ".gitignore", "cache/\n");
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{}\"\nkeep = [\"cache/\"]\n",
        remote.url()
    ));
    let dir = world.pool("allocate p").ok().path();
    fs::create_dir(dir.join("cache")).expect("a directory");
    fs::write(dir.join("cache/warm"), "warm\n").expect("writing");
    world.pool("release p/slot1").ok();
    let dir = world.pool("allocate p").ok().path();
    assert!(dir.join("cache/warm").exists());
    world.pool("release p/slot1").ok();
    let tip = world.push_commit(&remote, ".gitignore", "other/\n");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &tip);
    assert!(!dir.join("cache").exists());
}

/// A remote that answers as it did before costs one question, unless somebody touched the refs.
#[test]
fn a_fetch_that_brings_nothing_is_one_question() {
    let (world, remote) = World::with_pool(1);
    world.push_to(&remote, "refs/heads/side/a", "a.txt", "a");
    for _ in 0..2 {
        world.pool("allocate p").ok();
        world.pool("release p/slot1").ok();
    }
    let gits = world.gits("allocate p");
    assert_eq!(gits.len(), 1, "{gits:?}");
    assert!(gits[0].contains(" ls-remote "), "{gits:?}");
    let dir = world.slot_path("slot1");
    world.git(&dir, "update-ref -d refs/remotes/origin/side/a");
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok();
    let branches = world.pool("branches p");
    assert!(branches.ok().stdout.contains("side/a"), "{branches}");
    world.pool("release p/slot1").ok();
    // Written into, as no git does it.
    let side = world.tip(&remote, "side/a");
    let file = world.bare("p").join("refs/remotes/origin/side/a");
    fs::write(&file, world.tip(&remote, "main") + "\n").expect("writing");
    let dir = world.pool("allocate p --ref side/a").ok().path();
    world.assert_holds(&dir, &remote, &side);
    world.pool("release p/slot1").ok();
    let tip = world.push_commit(&remote, "late.txt", "late");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &tip);
}

/// While the remote takes its time, the slot that will be handed out is looked at.
#[test]
fn an_unverified_slot_is_looked_at_while_the_remote_is_asked() {
    let (world, remote) = World::with_pool(1);
    let stand = Stand::new(&world);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("junk.txt"), "junk\n").expect("writing");
    world.pool("release p/slot1 --no-cleanup").ok();
    let tip = world.push_commit(&remote, "late.txt", "late");
    stand.choose_word("ls-remote", "hold");
    let running = world.call("allocate p").env("PATH", stand.path()).spawn();
    let (held, _) = until("the remote is asked", || stand.held());
    until("the slot is looked at", || {
        stand.was_called("status").then_some(())
    });
    assert_eq!(world.state("p/slot1"), "cleaning");
    stand.let_go(held);
    assert_eq!(running.finish().ok().path(), dir);
    world.assert_holds(&dir, &remote, &tip);
    assert!(world.is_rescued("p", "junk\n"));
}

/// A remote that can't be reached leaves the slot that was looked at meanwhile idle.
#[test]
fn a_slot_looked_at_for_nothing_is_idle_again() {
    let (world, remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    world.pool("release p/slot1 --no-cleanup").ok();
    fs::rename(&remote.path, world.path("lost.git")).expect("moving the remote");
    world.pool("allocate p").code(1);
    assert_eq!(world.state("p/slot1"), "available");
    world.pool("allocate p --ref nothing").code(1);
    world.pool("allocate p --no-fetch").ok();
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// Section 6: files that an interrupted move has left half way are no work, and reach nobody.
#[cfg(debug_assertions)]
#[test]
fn an_interrupted_move_is_nobodys_work() {
    let (world, remote) = World::with_pool(1);
    for point in 1.. {
        let tip = world.push_commit(&remote, "late.txt", &format!("as of {point}\n"));
        let call = world.call("allocate p");
        let out = call.env("REPO_POOL_CRASH_AT", point.to_string()).run();
        if world.state("p/slot1") != "allocated" {
            world.pool("allocate p").ok();
        }
        let dir = world.slot_path("slot1");
        world.assert_holds(&dir, &remote, &tip);
        assert_eq!(world.rescues("p"), [""; 0], "after point {point}");
        world.pool("release p/slot1").ok();
        if out.code == 0 {
            break;
        }
    }
}

/// The short way in a repository whose objects have longer names.
#[test]
fn changes_are_brought_back_in_a_repository_with_sha256() {
    let world = World::new();
    let remote = world.path("long");
    let at = remote.display().to_string();
    world.git(
        &world.path(""),
        ["init", "-q", "--object-format=sha256", &at],
    );
    let tip = world.commit(&remote, "a.txt", "a\n");
    world.pool(format!("create p {at} -n 1")).ok();
    for _ in 0..2 {
        let dir = world.pool("allocate p").ok().path();
        assert_eq!(world.head(&dir), tip);
        world.assert_clean(&dir);
        fs::write(dir.join("a.txt"), "edited\n").expect("writing");
        fs::write(dir.join("new.txt"), "new\n").expect("writing");
        world.git(&dir, "add new.txt");
        world.pool("release p/slot1").ok();
        assert_eq!(world.slot("p/slot1")["verified"], true);
    }
    assert!(world.is_rescued("p", "edited\n") && world.is_rescued("p", "new\n"));
}

//! Work in places where it is easily overlooked: it is saved, or what would lose it is refused.

use crate::support::{Mount, World, is_root, tree};
use std::fs;

/// Whether a rescue of pool `p` reaches this commit.
#[track_caller]
fn is_saved(world: &World, commit: &str) -> bool {
    world.rescued_objects("p").contains(commit)
}

/// 3.2, section 6: what is mounted into a slot is not the slot's, so nothing is done until it is
/// gone.
#[test]
fn release_refuses_a_slot_with_a_mount_inside() {
    if !is_root() {
        return; // only root may mount
    }
    let (world, remote) = World::with_pool(1);
    let outside = world.path("outside");
    fs::create_dir_all(outside.join("deep")).expect("a directory");
    fs::write(outside.join("deep/precious"), "precious").expect("writing");
    let before = tree(&outside);
    let dir = world.pool("allocate p").ok().path();
    for inside in ["target/cache", "plain"] {
        let at = dir.join(inside);
        fs::create_dir_all(&at).expect("a directory");
        let Some(mount) = Mount::bind(&world, &outside, &at) else {
            return; // not every root may either
        };
        for option in ["", "--discard", "--force", "--kill"] {
            let out = world.pool(format!("release p/slot1 {option}"));
            out.code(5).silent().says(at.display().to_string());
            assert_eq!(tree(&outside), before, "{option}");
            assert_eq!(world.state("p/slot1"), "allocated", "{option}");
        }
        let out = world.pool("release p/slot1 --json");
        out.code(5).silent().kind("refused");
        drop(mount);
    }
    world.pool("release p/slot1").ok();
    assert_eq!(tree(&outside), before);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// Section 6: a rebase that stopped keeps the edits it set aside where only it looks for them.
#[test]
pub fn release_saves_edits_that_a_stopped_rebase_set_aside() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let own = world.branch(&dir);
    world.git(&dir, "checkout -q --detach");
    let theirs = world.commit(&dir, "README.md", "theirs\n");
    world.git(&dir, ["checkout", "-q", &own]);
    let mine = world.commit(&dir, "README.md", "mine\n");
    let file = dir.join("docs/third.md");
    fs::write(&file, "set aside\n").expect("writing");
    let rebase = world.try_git(&dir, ["rebase", "-q", "--autostash", &theirs]);
    assert_ne!(rebase.code, 0, "it meets no conflict\n{rebase}");
    let left = fs::read_to_string(&file).expect("the file");
    assert_ne!(left, "set aside\n", "it is still there\n{rebase}");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "set aside\n"));
    for commit in [&theirs, &mine] {
        assert!(is_saved(&world, commit), "{commit}");
    }
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// Section 6: refs that belong to one slot go with what is saved of it.
#[test]
pub fn release_saves_commits_that_only_a_ref_of_the_slot_holds() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let args = ["commit-tree", "-p", "HEAD", "-m", "Mine", "HEAD^{tree}"];
    let commit = world.git(&dir, args);
    world.git(&dir, ["update-ref", "refs/worktree/mine", &commit]);
    world.pool("release p/slot1").ok();
    assert!(is_saved(&world, &commit));
    let next = world.pool("allocate p").ok().path();
    let known = world.try_git(&next, "rev-parse -q --verify refs/worktree/mine");
    assert_ne!(known.code, 0, "the next holder has it too\n{known}");
}

/// Section 6: a commit left for a branch that has none yet.
#[test]
fn release_saves_commits_left_for_an_unborn_branch() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let commit = world.commit(&dir, "work.txt", "before the orphan\n");
    world.git(&dir, "checkout -q --orphan x");
    world.git(&dir, "rm -rfq .");
    world.pool("release p/slot1").ok();
    assert!(is_saved(&world, &commit));
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// 9.2, section 6: a slot whose registration is gone has its commits on its branch at least.
#[test]
fn commits_survive_the_loss_of_the_slots_registration() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let own = world.branch(&dir);
    let commit = world.commit(&dir, "work.txt", "work\n");
    fs::remove_dir_all(world.admin_dir("slot1")).expect("deleting");
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok().path();
    let args = [
        "for-each-ref",
        "--format=%(refname)",
        "--contains",
        &commit,
        "refs/repo-pool/rescue/",
        "refs/heads/",
    ];
    let holders = world.git(&world.bare("p"), args);
    let own = format!("refs/heads/{own}");
    assert!(holders.lines().any(|name| name != own), "{holders:?}");
    world.assert_sound("p");
}

/// Section 6: the index in two parts is as good as any.
#[test]
pub fn release_saves_edits_of_a_slot_with_a_split_index() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "update-index --split-index");
    fs::write(dir.join("README.md"), "unstaged\n").expect("writing");
    fs::write(dir.join("staged.txt"), "staged\n").expect("writing");
    world.git(&dir, "add staged.txt");
    fs::write(dir.join("untracked.txt"), "untracked\n").expect("writing");
    world.pool("release p/slot1").ok();
    for content in ["unstaged\n", "staged\n", "untracked\n"] {
        assert!(world.is_rescued("p", content), "{content:?}");
    }
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
    world.pool("allocate p").ok().path();
}

/// 7.4, section 6: what an idle slot still holds keeps its pool, unless forced.
#[test]
fn remove_pool_refuses_while_an_idle_slot_holds_work() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let file = dir.join("untracked.txt");
    fs::write(&file, "left here\n").expect("writing");
    world.pool("release p/slot1 --no-cleanup").ok();
    world.pool("remove-pool p").code(5).silent();
    world.pool("remove-pool p --json").code(5).kind("refused");
    let is_left = fs::read_to_string(&file).is_ok_and(|text| text == "left here\n");
    assert!(is_left || world.is_rescued("p", "left here\n"));
    assert_eq!(world.list(), ["p"]);
    world.pool("remove-pool p --force").ok();
    assert!(world.list().is_empty());
}

/// 7.4, 9.5, section 6: and so does a commit in a slot that was taken out of use.
#[test]
fn remove_pool_refuses_while_an_isolated_slot_holds_a_commit() {
    let (world, _remote) = World::with_pool(2);
    world.pool("isolate p/slot1 --reason odd").ok();
    let dir = world.slot_dir("slot1");
    let commit = world.commit(&dir, "work.txt", "work\n");
    world.pool("remove-pool p").code(5).silent();
    assert!(world.head(&dir) == commit || is_saved(&world, &commit));
    assert_eq!(world.list(), ["p"]);
    assert_eq!(world.state("p/slot1"), "error");
    world.pool("remove-pool p --force").ok();
    assert!(world.list().is_empty());
}

/// 7.4, 9.5: a removal that is refused changes nothing of an isolated slot.
#[test]
fn a_refused_removal_leaves_an_isolated_slot_isolated() {
    let (world, _remote) = World::with_pool(2);
    world
        .pool(["isolate", "p/slot1", "--reason", "odd results"])
        .ok();
    let nested = world.slot_dir("slot1").join("nested");
    fs::create_dir(&nested).expect("a directory");
    world.git(&nested, "init -q");
    let commit = world.commit(&nested, "inner.txt", "inner\n");
    world.pool("remove-slot p/slot1").code(5).silent();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "error", "{slot}");
    assert!(slot.to_string().contains("odd results"), "{slot}");
    assert_eq!(world.head(&nested), commit);
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(dir, world.slot_dir("slot2"));
    world.pool("allocate p").code(4);
}

/// 7.4, section 6: a verified slot may hold work by now, and a stash is work too.
#[test]
fn remove_pool_refuses_over_a_stray_file_and_over_a_stash() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("README.md"), "stashed\n").expect("writing");
    world.git(&dir, "stash");
    world.pool("release p/slot1").ok();
    world.pool("remove-pool p").code(5).silent();
    world.git(&world.bare("p"), "update-ref -d refs/stash");
    let stray = world.slot_dir("slot1").join("stray.txt");
    fs::write(&stray, "stray\n").expect("writing");
    world.pool("remove-pool p").code(5).silent();
    fs::remove_file(&stray).expect("deleting");
    world.pool("remove-pool p").ok();
}

/// Section 6: a FIFO where git's files should be hangs nobody.
#[test]
fn a_fifo_in_the_place_of_the_link_is_no_obstacle() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    let link = dir.join(".git");
    fs::remove_file(&link).expect("deleting");
    rustix::fs::mkfifoat(rustix::fs::CWD, &link, rustix::fs::Mode::RWXU).expect("a FIFO");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "work\n"));
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

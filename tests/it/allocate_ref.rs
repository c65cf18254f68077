//! Putting a slot on a branch or commit of the caller's choice.

use crate::support::{PULL_REF, World};

/// 6.1: branch, tag, other ref, full and short commit.
#[test]
pub fn allocate_ref_takes_anything_the_remote_has() {
    let (world, remote) = World::with_pool(1);
    let main = world.tip(&remote, "main");
    let old = world.tip(&remote, "main~2");
    let refs = [
        ("topic", world.tip(&remote, "topic")),
        ("release/1.0", world.tip(&remote, "release/1.0")),
        ("refs/heads/topic", world.tip(&remote, "topic")),
        ("origin/topic", world.tip(&remote, "topic")),
        ("v1.0", world.tip(&remote, "v1.0")),
        ("refs/tags/v1.0", world.tip(&remote, "v1.0")),
        (PULL_REF, world.tip(&remote, PULL_REF)),
        (old.as_str(), old.clone()),
        (&old[..12], old.clone()),
        ("main", main),
    ];
    for (name, commit) in refs {
        let slot = world.pool(["allocate", "p", "--ref", name]).ok().path();
        world.assert_holds(&slot, &remote, &commit);
        world.pool("release p/slot1").ok();
    }
}

/// 6.1, 3.1: what was pushed after the last fetch is found too, branch, tag, ref or commit.
#[test]
fn allocate_ref_finds_what_is_new_on_the_remote() {
    let (world, remote) = World::with_pool(1);
    for name in ["refs/heads/late", "refs/tags/late-tag", "refs/pull/8/head"] {
        let pushed = world.push_to(&remote, name, "late.txt", name);
        let slot = world.pool(["allocate", "p", "--ref", name]).ok().path();
        assert_eq!(world.head(&slot), pushed, "{name}");
        world.pool("release p/slot1").ok();
    }
    let pushed = world.push_commit(&remote, "late.txt", "by commit");
    let slot = world.pool(["allocate", "p", "--ref", &pushed]).ok().path();
    assert_eq!(world.head(&slot), pushed);
}

/// 6.1: a moved branch of the remote is met at its new tip.
#[test]
fn allocate_ref_of_a_branch_is_its_newest_commit() {
    let (world, remote) = World::with_pool(1);
    world.pool("allocate p --ref topic").ok();
    world.pool("release p/slot1").ok();
    let pushed = world.push_to(&remote, "refs/heads/topic", "topic.txt", "newer\n");
    let slot = world.pool("allocate p --ref topic").ok().path();
    assert_eq!(world.head(&slot), pushed);
}

/// 6.1, 6.5: what does not exist is an error that names it, and nothing is handed out.
#[test]
fn allocate_ref_that_does_not_exist_hands_out_nothing() {
    let (world, remote) = World::with_pool(1);
    let zeros = "0123456789".repeat(4);
    let blob = world.git(&remote.path, "rev-parse main:README.md");
    for name in [
        "no-such",
        "refs/pull/9/head",
        &zeros,
        &blob,
        "main~99",
        "a b",
    ] {
        let out = world.pool(["allocate", "p", "--ref", name]);
        out.one_of(&[1, 2]).silent().says(name);
        assert_eq!(world.state("p/slot1"), "available", "{name}");
    }
    let json = world.pool("allocate p --ref no-such --json");
    json.code(1).silent();
    json.error();
    world.assert_sound("p");
}

/// 6.1: what git would take for an option is refused before git sees it.
#[test]
fn allocate_refuses_refs_and_branches_that_look_like_options() {
    let (world, _remote) = World::with_pool(1);
    let trap = world.path("trap").display().to_string();
    for value in ["-x", "--all", &format!("--upload-pack=touch {trap}"), ""] {
        for option in ["--ref", "--branch"] {
            let out = world.pool(["allocate", "p", &format!("{option}={value}")]);
            out.code(2).silent();
        }
    }
    for value in [
        "a..b", "x.lock", "a b", "a~1", "a\u{7}b", "HEAD", "@{-1}", "x/",
    ] {
        let out = world.pool(["allocate", "p", "--branch", value]);
        out.one_of(&[1, 2]).silent();
        assert!(!out.stderr.contains('\u{7}'), "{out}");
    }
    assert!(!world.path("trap").exists(), "a command was run");
    assert_eq!(world.state("p/slot1"), "available");
}

/// 6.1, 6.2: `--branch` with a new name begins at the base.
#[test]
fn allocate_branch_that_is_new_begins_at_the_base() {
    let (world, remote) = World::with_pool(1);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let slot = world.allocate("p --branch fix/one");
    assert_eq!(slot["current_branch"], "fix/one");
    assert_eq!(slot["current_commit"], pushed);
    assert_eq!(world.branch(&world.slot_dir("slot1")), "fix/one");
}

/// 6.1: `--branch` of a remote branch begins there and tracks it, so that `git push` works.
#[test]
pub fn allocate_branch_of_the_remote_tracks_it() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p --branch topic").ok().path();
    assert_eq!(world.head(&dir), world.tip(&remote, "topic"));
    assert_eq!(world.branch(&dir), "topic");
    let upstream = world.git(&dir, "rev-parse --abbrev-ref topic@{upstream}");
    assert_eq!(upstream, "origin/topic");
    let commit = world.commit(&dir, "topic.txt", "more\n");
    world.git(&dir, "push -q");
    assert_eq!(world.tip(&remote, "topic"), commit);
}

/// 6.1: a branch with its commits survives the release and is met again at its tip.
#[test]
pub fn allocate_branch_that_exists_is_met_at_its_tip() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p --branch work").ok().path();
    let commit = world.commit(&dir, "work.txt", "work\n");
    world.pool(["release", &dir.display().to_string()]).ok();
    let kept = world.git(&world.bare("p"), "rev-parse refs/heads/work");
    assert_eq!(kept, commit);
    world.pool("allocate p").ok();
    let dir = world.pool("allocate p --branch work").ok().path();
    assert_eq!(world.head(&dir), commit);
    assert_eq!(world.branch(&dir), "work");
    world.assert_clean(&dir);
}

/// 6.1: a branch that another slot holds is refused, and that slot named.
#[test]
pub fn allocate_branch_held_by_another_slot_names_it() {
    let (world, _remote) = World::with_pool(2);
    let held = world.allocate("p --branch work");
    let id = held["slot_id"].as_str().expect("an id");
    let short = id.rsplit('-').next().expect("its number");
    let out = world.pool("allocate p --branch work");
    out.code(1).silent().says("work").says(short);
    let states: Vec<_> = world.slots("p");
    let free = states.iter().filter(|s| s["state"] == "available").count();
    assert_eq!(free, 1);
    world.assert_sound("p");
}

/// W.1: without `--branch` each slot is on its own branch, at the base each time.
#[test]
fn allocate_without_branch_is_on_the_slots_own_branch_at_the_base() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.commit(&dir, "left.txt", "left behind\n");
    world.pool("release p/slot1").ok();
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.branch(&dir), "worktree/p/slot1");
    assert_eq!(world.head(&dir), world.tip(&remote, "main"));
}

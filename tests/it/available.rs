//! A slot is available only when it is: whatever an agent left in one, its next holder gets a slot
//! that is provably clean, or the release says why not and leaves everything as it was, or the slot
//! goes out of use with its reason and comes back by `recover`.
//!
//! Each row is a shell script that an agent ran in its slot. It is followed twice: released with
//! cleaning, and released without, so that the next allocation has to find and clean it. Where a
//! script makes a file with the content `precious`, that must be saved in the end. Two runs that share
//! their tries follow each row once.

mod files;
mod look;
mod occupied;
mod undeletable;

use crate::support::{Part, World, files_containing};
use look::{assert_provably_clean, trace};
use std::path::Path;

/// What a release is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It cleans the slot.
    Back,
    /// It refuses, changes nothing, and `--discard` gets past.
    Refused,
}

use End::{Back, Refused};

/// One row: what it is, what the agent ran, what a release does then.
type Row = (&'static str, &'static str, End);

/// Two branches that change the same line; the second is checked out.
const FORK: &str = "git checkout -q -b a; echo precious > README.md; git commit -qam a; \
                    git checkout -q -b b origin/main; echo b > README.md; git commit -qam b;";

/// How the slot is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Cleaned,
    Later,
}

/// Follows all rows before it fails, so that one mistake does not hide the others.
fn follow(rows: &[Row]) {
    let mut failed = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let ways = [Way::Cleaned, Way::Later].into_iter().enumerate();
        for (_, way) in ways.filter(|(way, _)| Part::own().has(number + way)) {
            if std::panic::catch_unwind(|| one(row, way)).is_err() {
                failed.push(format!("{} ({way:?})", row.0));
            }
        }
    }
    assert!(failed.is_empty(), "these rows fail: {failed:#?}");
}

#[track_caller]
fn one(&(name, script, end): &Row, way: Way) {
    let why = format!("{name} ({way:?})");
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    agent(&world, &dir, script, &why);
    let out = match way {
        Way::Later => world.pool("release p/slot1 --no-cleanup"),
        Way::Cleaned => {
            let before = trace(&world, &dir);
            let out = world.pool("release p/slot1");
            if end == Refused {
                out.code(5).silent();
                assert_eq!(
                    trace(&world, &dir),
                    before,
                    "{why}: a refusal changes nothing"
                );
                assert_eq!(world.state("p/slot1"), "allocated", "{why}");
                world.pool("release p/slot1 --discard")
            } else {
                out
            }
        }
    };
    if world.state("p/slot1") == "available" {
        let out = world.pool("allocate p --json");
        if out.code != 0 {
            bring_back(&world, &why);
        }
    } else {
        assert_ne!(end, Back, "{why}: {out}");
        bring_back(&world, &why);
    }
    if world.state("p/slot1") == "available" {
        world.pool("allocate p").ok();
    }
    assert_eq!(world.state("p/slot1"), "allocated", "{why}");
    let tip = world.tip(&remote, "main");
    assert_provably_clean(&world, &remote, &world.slot_dir("slot1"), &tip, &why);
    if script.contains("precious") && (end == Back || way == Way::Later) {
        assert!(is_kept(&world, "precious\n"), "{why}: work is lost");
    }
    world.pool("release p/slot1").ok();
    if !script.contains("worktree add") {
        world.assert_sound("p");
    }
}

/// Runs what the agent does.
#[track_caller]
fn agent(world: &World, dir: &Path, script: &str, why: &str) {
    let mut shell = world.command("sh");
    shell.args(["-c", script]).current_dir(dir);
    let out = shell.output().expect("a shell");
    assert!(out.status.success(), "{why}: {out:?}");
}

/// A slot that is out of use names its reason and the way back, and that way works.
#[track_caller]
fn bring_back(world: &World, why: &str) {
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "error", "{why}: {slot}");
    let reason = slot["error"].as_str().or(slot["error_reason"].as_str());
    assert!(reason.is_some_and(|text| text.len() > 5), "{why}: {slot}");
    world.pool("allocate p").code(4).silent().says("recover");
    if world.pool("recover p/slot1").code != 0 || world.state("p/slot1") != "available" {
        world.pool("recover p/slot1 --force").ok();
    }
    assert_eq!(world.state("p/slot1"), "available", "{why}");
}

/// Whether a ref, the stash or a file set aside still has this content.
fn is_kept(world: &World, content: &str) -> bool {
    let aside = world.pool_dir("p").join("set-aside");
    // What was closed is set aside closed.
    let _ = world
        .command("chmod")
        .args(["-R", "u+rwX"])
        .arg(&aside)
        .output();
    if world.is_rescued("p", content) || !files_containing(&aside, content).is_empty() {
        return true;
    }
    let file = world.path("content");
    std::fs::write(&file, content).expect("writing");
    let bare = world.bare("p");
    let blob = world.git(&bare, ["hash-object", &file.display().to_string()]);
    let all = world.git(&bare, "rev-list --objects --all");
    all.lines().any(|line| line.starts_with(&blob))
}

/// Section 6, 3.3: operations of git's that were stopped in the middle.
#[test]
pub fn available_after_operations_under_way() {
    let forked =
        |rest: &str| -> &'static str { Box::leak(format!("{FORK} {rest} || true").into()) };
    follow(&[
        ("a merge", forked("git merge -q a"), Back),
        ("a cherry-pick", forked("git cherry-pick a"), Back),
        ("a rebase", forked("git rebase a"), Back),
        ("a rebase by patches", forked("git rebase --apply a"), Back),
        (
            "an am",
            forked("git format-patch -q -1 a -o ../out-of-tree; git am ../out-of-tree/*"),
            Back,
        ),
        (
            "a revert",
            "echo 1 > README.md; git commit -qam 1; echo precious > README.md; git commit -qam 2; \
             git revert --no-edit HEAD~ || true",
            Back,
        ),
        (
            "a rebase that waits for an edit",
            "echo precious > new; git add new; git commit -qm 1; \
             GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~1; echo more >> new",
            Back,
        ),
        (
            "a bisect",
            "git bisect start -q; git bisect bad; git bisect good HEAD~3; echo precious > new",
            Back,
        ),
    ]);
}

/// Section 6: what an index and a registration can hide.
#[test]
fn available_after_changes_to_index_and_registration() {
    follow(&[
        (
            "foreign files",
            "d=$(git rev-parse --git-dir); echo x > $d/x; mkdir $d/y; mkfifo $d/z; ln -s / $d/l",
            Back,
        ),
        (
            "a sparse checkout in cones",
            "git sparse-checkout set docs; echo precious > docs/new",
            Back,
        ),
        (
            "a sparse checkout by patterns",
            "git sparse-checkout set --no-cone /docs/; echo precious > docs/new",
            Back,
        ),
        (
            "a file where a sparse checkout has none",
            "git sparse-checkout set docs; mkdir -p deep/one/two; echo precious > deep/one/two/three.txt",
            Back,
        ),
        (
            "worktree settings",
            "git config extensions.worktreeConfig true; git config --worktree core.ignoreCase true; echo precious > new",
            Back,
        ),
        (
            "worktree settings that hide work",
            "git config extensions.worktreeConfig true; git config --worktree core.bare false; echo '*' > ../ignore; git config --worktree core.excludesFile $PWD/../ignore; echo precious > new; rm ../ignore",
            Back,
        ),
        (
            "an edit under assume-unchanged",
            "git update-index --assume-unchanged README.md; echo precious > README.md",
            Back,
        ),
        (
            "an edit under skip-worktree",
            "git update-index --skip-worktree README.md; echo precious > README.md",
            Back,
        ),
        (
            "a deletion under skip-worktree",
            "git update-index --skip-worktree README.md; rm README.md",
            Back,
        ),
        (
            "a split index",
            "git update-index --split-index; echo precious > new; git add new; echo x >> README.md",
            Back,
        ),
        (
            "an untracked cache",
            "mkdir -p new; git config core.untrackedCache true; git update-index --force-untracked-cache; git status -s; echo precious > new/file",
            Back,
        ),
        (
            "a monitor that sees nothing",
            "printf '#!/bin/sh\\nprintf \"token\\\\0\"\\n' > ../mon; chmod +x ../mon; git config core.fsmonitor $PWD/../mon; git update-index --fsmonitor; git status -s; echo precious > README.md; git status -s",
            Back,
        ),
        (
            "no index",
            "echo precious > new; rm $(git rev-parse --git-dir)/index",
            Back,
        ),
        (
            "an index of garbage",
            "echo precious > new; echo garbage > $(git rev-parse --git-dir)/index",
            Back,
        ),
        (
            "half an index",
            "echo precious > new; truncate -s 300 $(git rev-parse --git-dir)/index",
            Back,
        ),
        (
            "a directory for an index",
            "echo precious > new; i=$(git rev-parse --git-dir)/index; rm $i; mkdir $i",
            Back,
        ),
        (
            "a lock that a killed git left",
            "echo precious > new; touch $(git rev-parse --git-dir)/index.lock $(git rev-parse --git-dir)/HEAD.lock",
            Back,
        ),
        (
            "refs all packed",
            "git checkout -q -b x; echo precious > new; git add new; git commit -qm x; git pack-refs --all --prune",
            Back,
        ),
        (
            "a reflog that is a directory",
            "d=$(git rev-parse --git-dir)/logs; rm -r $d; mkdir -p $d/HEAD; echo precious > new",
            Back,
        ),
        (
            "no reflog",
            "rm -r $(git rev-parse --git-dir)/logs; echo precious > new",
            Back,
        ),
        (
            "work by staged content only",
            "echo precious > new; git add new; echo other > new",
            Back,
        ),
    ]);
}

/// 3.3, W.1: HEAD where a slot's should not be.
#[test]
pub fn available_after_odd_heads() {
    follow(&[
        (
            "an unborn branch",
            "git checkout -q --orphan x; git rm -rfq .; echo precious > new; git add new",
            Back,
        ),
        (
            "a HEAD whose branch was deleted",
            "git checkout -q -b x; echo precious > new; git add new; git commit -qm x; git update-ref -d refs/heads/x",
            Back,
        ),
        (
            "a detached HEAD elsewhere",
            "git checkout -q --detach HEAD~2; echo precious > new",
            Back,
        ),
        (
            "a branch of one's own",
            "git checkout -q -b x; echo precious > new; git add new; git commit -qm x",
            Back,
        ),
        (
            "commits that were reset away",
            "echo precious > new; git add new; git commit -qm x; git reset -q --hard HEAD~1",
            Back,
        ),
        (
            "no HEAD",
            "echo precious > new; rm $(git rev-parse --git-dir)/HEAD",
            Back,
        ),
        (
            "a HEAD of garbage",
            "echo precious > new; echo x > $(git rev-parse --git-dir)/HEAD",
            Back,
        ),
        (
            "a HEAD that is a directory",
            "echo precious > new; h=$(git rev-parse --git-dir)/HEAD; rm $h; mkdir $h",
            Back,
        ),
        (
            "a HEAD that is a FIFO",
            "echo precious > new; h=$(git rev-parse --git-dir)/HEAD; rm $h; mkfifo $h",
            Back,
        ),
        (
            "a HEAD that names no object",
            "echo precious > new; echo 0123456789012345678901234567890123456789 > $(git rev-parse --git-dir)/HEAD",
            Back,
        ),
        (
            "a HEAD on a tag",
            "git tag -a -m t t HEAD~1; git checkout -q t; echo precious > new",
            Back,
        ),
    ]);
}

/// Section 6: repositories inside the slot.
#[test]
fn available_after_nested_repositories() {
    follow(&[
        (
            "a repository",
            "git init -q n; cd n; echo precious > x; git add x; git commit -qm x",
            Refused,
        ),
        (
            "a repository without commits",
            "git init -q n; echo x > n/x",
            Refused,
        ),
        (
            "a repository in an ignored directory",
            "mkdir target; git init -q target/n; cd target/n; echo x > x; git add x; git commit -qm x",
            Back,
        ),
        (
            "a bare repository",
            "git init -q --bare n.git; echo precious > n.git/note",
            Back,
        ),
        (
            "a worktree of the slot",
            "git worktree add -q -b x n; echo x > n/x",
            Refused,
        ),
        (
            "a broken repository",
            "mkdir -p n/.git; echo precious > n/x",
            Back,
        ),
        (
            "a link to no repository",
            "mkdir n; echo gitdir: /nowhere > n/.git; echo precious > n/x",
            Back,
        ),
        (
            "a gitlink without a module",
            "git init -q n; git -C n commit -q --allow-empty -m x; git add n 2>/dev/null; git commit -qm link; rm -rf n",
            Back,
        ),
    ]);
}

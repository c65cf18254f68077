//! What is thrown away goes by rename, and is deleted by a process that nobody waits for.

use crate::support::{
    Call, Detached, HeldLock, Mount, Out, World, await_quiet, crash_places, is_root, say, tree,
    until,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const DELETER: &str = "__delete-trash";

/// Leaves files as a build does.
fn build(slot: &Path, files: u32) {
    for n in 0..files {
        let dir = slot.join(format!("target/d{}", n / 100));
        if n % 100 == 0 {
            fs::create_dir_all(&dir).expect("a directory");
        }
        fs::write(dir.join(format!("f{n}")), "x").expect("writing");
    }
}

fn trash(world: &World) -> PathBuf {
    world.pool_dir("p").join("trash")
}

fn waiting(world: &World) -> Vec<String> {
    let entries = fs::read_dir(trash(world)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

#[track_caller]
fn await_empty(world: &World) {
    until("the trash is empty", || {
        waiting(world).is_empty().then_some(())
    });
}

/// A call whose deleter is stopped before it deletes anything.
fn with_stopped_deleter(world: &World, args: &str) -> Call {
    let (name, value) = Detached::STOPPED;
    world.call(args).env("REPO_POOL_JOBS", "1").env(name, value)
}

#[track_caller]
fn release_with_stopped_deleter(world: &World) -> (Out, Detached) {
    let out = with_stopped_deleter(world, "release p/slot1").run();
    out.ok();
    (out, Detached::stopped(world, DELETER))
}

/// 3.2: 20 000 ignored files and what hangs on them are one rename; the slot is clean before any of
/// them is deleted, and the caller's `$(…)` has returned.
#[test]
fn twenty_thousand_ignored_files_go_as_one() {
    let (world, remote) = World::with_pool(1);
    let victim = world.path("victim");
    fs::create_dir_all(victim.join("deep")).expect("a directory");
    fs::write(victim.join("deep/precious"), "precious").expect("writing");
    let before = tree(&victim);
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 20_000);
    symlink(&victim, dir.join("target/link")).expect("a link");
    symlink(&victim, dir.join("target/d1/link")).expect("a link");
    fs::create_dir_all(dir.join("target/closed/in")).expect("a directory");
    fs::write(dir.join("target/closed/in/file"), "x").expect("writing");
    for name in ["target/closed/in", "target/closed", "target"] {
        fs::set_permissions(dir.join(name), Permissions::from_mode(0o555)).expect("mode");
    }
    let (_, deleter) = release_with_stopped_deleter(&world);
    assert_eq!(waiting(&world).len(), 1, "{:?}", waiting(&world));
    world.pool("recover --dry-run").ok();
    let tip = world.tip(&remote, "main");
    world.assert_holds(&dir, &remote, &tip);
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    assert!(deleter.lives());
    deleter.go_on();
    await_empty(&world);
    assert_eq!(tree(&victim), before);
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// 3.2: an untracked directory is one rename too, and a tracked one stays, whatever is in it.
#[test]
fn untracked_directories_go_as_one() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    for name in ["new/a/b", "new/c", "src/new/deep"] {
        fs::create_dir_all(dir.join(name)).expect("a directory");
        (0..20).for_each(|n| fs::write(dir.join(name).join(n.to_string()), "x").expect("writing"));
    }
    fs::write(dir.join("src/alone"), "x").expect("writing");
    fs::create_dir_all(dir.join("docs/empty/in")).expect("a directory");
    let (_, deleter) = release_with_stopped_deleter(&world);
    assert_eq!(waiting(&world).len(), 4, "{:?}", waiting(&world));
    deleter.go_on();
    await_empty(&world);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// 9.4: a deleter that was killed is followed by another: at the next release, or by `recover`.
#[test]
fn what_a_killed_deleter_leaves_is_deleted_by_the_next() {
    let (world, _remote) = World::with_pool(1);
    for next in ["release p/slot1", "recover"] {
        let dir = world.pool("allocate p").ok().path();
        build(&dir, 300);
        let (_, deleter) = release_with_stopped_deleter(&world);
        world.pool("allocate p").ok();
        deleter.kill();
        assert!(!waiting(&world).is_empty());
        world.pool("recover --dry-run").code(1);
        world.pool(next).ok();
        await_empty(&world);
        world.pool("recover --dry-run").ok();
        world.pool("release p/slot1").ok();
    }
}

/// 9.4: killed before each of its effects, it leaves nothing that the next one does not delete.
#[test]
fn a_deleter_may_be_killed_at_any_moment() {
    let (world, _remote) = World::with_pool(1);
    let mut killed = 0;
    for point in crash_places(4) {
        let dir = world.pool("allocate p").ok().path();
        build(&dir, 5);
        fs::create_dir_all(dir.join("target/deep/er/est")).expect("a directory");
        let call = world.call("release p/slot1").env("REPO_POOL_JOBS", "2");
        let call = call.env("REPO_POOL_CRASH_DETACHED_AT", point.to_string());
        call.run().ok();
        await_quiet(&world);
        if waiting(&world).is_empty() {
            break;
        }
        killed += 1;
        world.pool("recover").ok();
        assert_eq!(waiting(&world), [""; 0]);
        world.pool("recover --dry-run").ok();
        assert!(point < 200, "it never ends");
    }
    assert!(killed > 0, "there are no crash points");
    say(&format!("killed at {killed} points"));
}

/// While older things wait and there is too much of it, it is deleted before the command goes on.
#[test]
fn trash_over_its_limit_is_deleted_at_once() {
    let (world, _remote) = World::with_pool(1);
    world.declare("[defaults]\ntrash_limit = \"8K\"\nlock_timeout = 1\n");
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 200);
    let (_, deleter) = release_with_stopped_deleter(&world);
    world.pool("allocate p").ok();
    build(&dir, 200);
    // Who deletes already is waited for, as for any lock.
    let out = with_stopped_deleter(&world, "release p/slot1").run();
    out.ok().says("trash");
    assert_eq!(waiting(&world).len(), 2);
    deleter.kill();
    world.pool("allocate p").ok();
    build(&dir, 200);
    with_stopped_deleter(&world, "release p/slot1").run().ok();
    assert_eq!(waiting(&world), [""; 0]);
}

/// A caller's descriptors are not held by the deleter: `flock FILE repo-pool …` ends with the command.
#[test]
fn the_deleter_holds_nothing_of_its_callers() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 100);
    let (name, value) = Detached::STOPPED;
    let file = world.path("callers.lock");
    let script = format!(
        "exec 9> '{}'; flock 9; out=$(REPO_POOL_JOBS=1 {name}={value} $REPO_POOL release p/slot1 --json); echo \"$out\"",
        file.display()
    );
    let out = world.sh(&script);
    let deleter = Detached::stopped(&world, DELETER);
    assert_eq!(out.ok().json()["slot"]["state"], "available");
    let file = fs::File::open(file).expect("the file");
    assert!(
        HeldLock::of(file).is_some(),
        "the deleter holds its caller's lock"
    );
    assert!(deleter.lives());
}

/// `exec` neither waits for the deleter nor ends it.
#[test]
fn exec_leaves_the_deleter_alone() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 100);
    world.pool("release p/slot1 --no-cleanup").ok();
    with_stopped_deleter(&world, "exec p -- true").run().ok();
    let deleter = Detached::stopped(&world, DELETER);
    assert!(!waiting(&world).is_empty());
    deleter.go_on();
    await_empty(&world);
}

/// 3.2: what is mounted inside of what was thrown away is not deleted.
#[test]
fn nothing_is_deleted_through_a_mount() {
    if !is_root() {
        say("skipped: only root may mount");
        return;
    }
    let (world, _remote) = World::with_pool(1);
    let outside = world.path("outside");
    fs::create_dir_all(outside.join("deep")).expect("a directory");
    fs::write(outside.join("deep/precious"), "precious").expect("writing");
    let before = tree(&outside);
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 200);
    fs::create_dir_all(dir.join("target/d0/mounted")).expect("a directory");
    let (_, deleter) = release_with_stopped_deleter(&world);
    let at = trash(&world).join(&waiting(&world)[0]).join("d0/mounted");
    let Some(mount) = Mount::bind(&world, &outside, &at) else {
        say("skipped: nothing can be mounted here");
        return;
    };
    deleter.go_on();
    await_quiet(&world);
    assert_eq!(tree(&outside), before);
    assert!(!waiting(&world).is_empty());
    world.pool("recover").code(1);
    assert_eq!(tree(&outside), before);
    // Wherever it has been moved to meanwhile.
    let list = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let root = trash(&world).display().to_string();
    let moved = list.lines().filter_map(|line| line.split(' ').nth(1));
    let moved: Vec<&str> = moved.filter(|at| at.starts_with(&root)).collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    world.sh(&format!("umount -l '{}'", moved[0])).ok();
    drop(mount);
    world.pool("recover").ok();
    assert_eq!(waiting(&world), [""; 0]);
    assert_eq!(tree(&outside), before);
}

/// 7.5: a removed pool is gone at once, and deleted afterwards, also while its own trash was.
#[test]
fn a_removed_pool_is_deleted_afterwards() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    build(&dir, 300);
    let (_, own) = release_with_stopped_deleter(&world);
    let workspace = world.workspace().join(".repo-pool/trash");
    world.pool("remove-pool p --force").ok();
    assert!(!world.pool_dir("p").exists());
    world.pool("recover --dry-run").ok();
    own.go_on();
    until("the pool is deleted", || {
        let left = fs::read_dir(&workspace).ok()?.next();
        left.is_none().then_some(())
    });
    await_quiet(&world);
    assert_eq!(world.list(), [""; 0]);
}

/// The commands of git that the release of a slot runs.
#[track_caller]
fn gits_of_a_release(world: &World) -> String {
    let out = world.pool("release p/slot1 -vv");
    let lines = out.ok().stderr.lines();
    let gits: Vec<&str> = lines.filter(|line| line.starts_with("git ")).collect();
    gits.join("\n")
}

/// 3.3: only what has changed is brought back, whatever was done to it.
#[test]
fn only_what_changed_is_brought_back() {
    let changes: [(&str, &str); 9] = [
        ("a file", "echo more >> README.md"),
        ("deleted", "rm README.md; rm -r src"),
        ("a mode", "chmod -x tools/run.sh; chmod +x README.md"),
        (
            "a link",
            "rm tools/link; echo x > tools/link; rm README.md; ln -s /etc README.md",
        ),
        (
            "staged",
            "echo more >> README.md; echo new > new; git add README.md new; echo > README.md",
        ),
        (
            "intent to add",
            "mkdir src/in; echo x > src/in/new; git add -N src/in/new",
        ),
        (
            "removed",
            "git rm -q README.md; mkdir README.md; echo x > README.md/in",
        ),
        (
            "a directory",
            "rm -r docs; ln -s /etc docs; mkfifo src/pipe",
        ),
        ("a commit", "echo more >> README.md; git commit -qam more"),
    ];
    let (world, remote) = World::with_pool(1);
    let tip = world.tip(&remote, "main");
    for (name, script) in changes {
        let dir = world.pool("allocate p").ok().path();
        world
            .sh(&format!("cd '{}' && {script}", dir.display()))
            .ok();
        let gits = gits_of_a_release(&world);
        let whole = gits.contains("checkout --quiet") || gits.contains("clean -ffdxq");
        assert!(!whole, "{name}:\n{gits}");
        world.assert_holds(&dir, &remote, &tip);
        assert_eq!(world.slot("p/slot1")["verified"], true, "{name}");
        let out = world.try_git(&world.slot_dir("slot1"), "diff-index --quiet --cached HEAD");
        assert_eq!(out.code, 0, "{name}: {out}");
    }
    world.assert_sound("p");
}

/// 3.3: what is out of the ordinary takes the way over the whole tree.
#[test]
fn the_unusual_takes_the_way_over_the_whole_tree() {
    let changes: [(&str, &str); 3] = [
        (
            "attributes",
            "echo '* text eol=crlf' > .gitattributes; echo more >> README.md; rm tools/run.sh",
        ),
        (
            "hidden",
            "echo more >> README.md; git update-index --skip-worktree README.md",
        ),
        (
            "a directory in the place of a file",
            "git rm -q README.md; mkdir README.md; echo x > README.md/in; git add README.md/in",
        ),
    ];
    let (world, remote) = World::with_pool(1);
    for (name, script) in changes {
        let dir = world.pool("allocate p").ok().path();
        world
            .sh(&format!("cd '{}' && {script}", dir.display()))
            .ok();
        let gits = gits_of_a_release(&world);
        assert!(gits.contains("checkout --quiet"), "{name}:\n{gits}");
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    }
}

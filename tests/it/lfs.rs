//! Repositories some of whose files git-lfs keeps. The remote is a directory, which git-lfs serves itself.

use crate::support::{Out, Remote, World, over_clones, say};
use std::fs;
use std::path::{Path, PathBuf};

/// How a pointer begins.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// Contents that no filter would leave as they are: zeros, line ends of two kinds.
fn content(n: u32) -> Vec<u8> {
    let line = |at: u32| format!("{n} {at}\0\r\n{at}\n").into_bytes();
    (0..500).flat_map(line).collect()
}

/// A remote with `big.bin` in the keeping of git-lfs, which the user has installed; none where there is
/// no git-lfs, which is said.
fn with_lfs() -> Option<(World, Remote)> {
    let world = World::new();
    if world.sh("git lfs version").code != 0 {
        say("skipped: git-lfs is not installed");
        return None;
    }
    let remote = world.remote();
    let clone = world.clone_of(&remote, "author");
    world.git(&clone, "lfs install --skip-repo");
    world.git(&clone, "lfs install --local");
    world.git(&clone, "lfs track *.bin");
    world.git(&clone, "add .gitattributes");
    push(&world, 1);
    Some((world, remote))
}

/// The same with `git-lfs` wanted in the slots of `p`.
fn with_contents(settings: &str) -> Option<(World, Remote)> {
    let (world, remote) = with_lfs()?;
    // A machine where nobody has installed it for themselves.
    world.git(&world.path(""), "lfs uninstall --skip-repo");
    declare(&world, &remote, &format!("lfs = true\n{settings}"));
    world.pool(format!("create p {}", remote.url())).ok();
    Some((world, remote))
}

#[track_caller]
fn declare(world: &World, remote: &Remote, settings: &str) {
    let url = remote.url();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nnum_slots = 1\n{settings}\n"
    ));
}

/// A new commit on the remote's main with these contents.
#[track_caller]
fn push(world: &World, n: u32) -> String {
    let author = world.path("author");
    fs::write(author.join("big.bin"), content(n)).expect("writing");
    world.git(&author, "add big.bin");
    world.git(&author, ["commit", "-q", "-m", &format!("Contents {n}")]);
    world.git(&author, "push -q origin HEAD:main");
    world.git(&author, "rev-parse HEAD")
}

fn read(dir: &Path, file: &str) -> Vec<u8> {
    fs::read(dir.join(file)).expect("the file")
}

fn big(dir: &Path) -> Vec<u8> {
    read(dir, "big.bin")
}

#[track_caller]
fn allocate(world: &World, options: &str) -> PathBuf {
    world.pool(format!("allocate p {options}")).ok().path()
}

/// Gives the slot back, which must be ready then.
#[track_caller]
fn release(world: &World) -> Out {
    let out = world.pool("release p/slot1");
    out.ok();
    let slot = world.slot("p/slot1");
    let ready = (&slot["parked"], &slot["verified"]);
    assert_eq!(ready, (&true.into(), &true.into()), "{slot}");
    out
}

/// Takes the remote away for as long as `act` runs.
fn without<T>(remote: &Remote, act: impl FnOnce() -> T) -> T {
    let aside = remote.path.with_extension("away");
    fs::rename(&remote.path, &aside).expect("moving the remote");
    let result = act();
    fs::rename(&aside, &remote.path).expect("moving the remote back");
    result
}

/// 1.2, 3.4: what somebody's own git-lfs has put in the place of pointers is nobody's work, and goes.
#[test]
fn slots_have_pointers_whoever_has_git_lfs_installed() {
    let Some((world, remote)) = with_lfs() else {
        return;
    };
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    for touched in [false, true] {
        let dir = allocate(&world, "");
        assert!(big(&dir).starts_with(POINTER));
        world.assert_clean(&dir);
        world.git(&dir, "lfs pull");
        assert_eq!(big(&dir), content(1));
        if touched {
            // The index does not know it any more.
            world
                .sh(&format!("touch -d 2001-01-01 '{}/big.bin'", dir.display()))
                .ok();
        }
        release(&world);
        assert_eq!(world.rescues("p"), [""; 0]);
        assert!(big(&world.slot_dir("slot1")).starts_with(POINTER));
    }
    // Beside work, it is no part of that; changed, it is.
    let dir = allocate(&world, "");
    world.git(&dir, "lfs pull");
    world
        .sh(&format!("touch -d 2001-01-01 '{}/big.bin'", dir.display()))
        .ok();
    fs::write(dir.join("README.md"), "edited\n").expect("writing");
    release(&world);
    let saved = |file: &str| {
        let newest = world.git(
            &world.bare("p"),
            "for-each-ref --sort=-creatordate --count=1 --format=%(refname) refs/repo-pool/rescue",
        );
        world.git(&world.bare("p"), ["show", &format!("{newest}:{file}")])
    };
    assert_eq!(saved("README.md"), "edited");
    assert!(
        saved("big.bin")
            .as_bytes()
            .starts_with(&POINTER[..POINTER.len() - 1])
    );
    let dir = allocate(&world, "");
    world.git(&dir, "lfs pull");
    fs::write(dir.join("big.bin"), "edited too\n").expect("writing");
    release(&world);
    assert!(world.is_rescued("p", "edited too\n"));
    assert!(big(&world.slot_dir("slot1")).starts_with(POINTER));
    assert_eq!(world.pool("recover --dry-run").code, 0);
    world.assert_sound("p");
}

fn contents() {
    let Some((world, remote)) = with_contents("") else {
        return;
    };
    let dir = allocate(&world, "");
    assert_eq!(big(&dir), content(1));
    world.assert_clean(&dir);
    release(&world);
    // Moved to another base, where the remote was asked and then is no more.
    let tip = push(&world, 2);
    world.git(
        &world.path("author"),
        "push -q origin HEAD~1:refs/heads/older",
    );
    world.pool("warm p").ok();
    without(&remote, || {
        for (options, n) in [("", 2), ("--ref older", 1), ("", 2)] {
            let dir = allocate(&world, &format!("--no-fetch {options}"));
            assert_eq!(big(&dir), content(n));
            world.assert_clean(&dir);
            release(&world);
        }
    });
    assert_eq!(world.rescues("p"), [""; 0]);
    // Work is saved as it is, and comes back so, staged or not.
    for staged in [false, true] {
        let dir = allocate(&world, "");
        assert_eq!(world.head(&dir), tip);
        fs::write(dir.join("big.bin"), content(7)).expect("writing");
        fs::write(dir.join("new.bin"), content(8)).expect("writing");
        if staged {
            world.git(&dir, "add .");
        }
        let status = world.git(&dir, "status --porcelain");
        release(&world);
        assert_eq!(big(&world.slot_dir("slot1")), content(2));
        let listed = world.pool("rescue list p --json").ok().json();
        let id = listed["rescues"][0]["rescue_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        allocate(&world, "");
        world
            .pool(["rescue", "restore", &id, "--into", "p/slot1"])
            .ok();
        assert_eq!((big(&dir), read(&dir, "new.bin")), (content(7), content(8)));
        assert_eq!(world.git(&dir, "status --porcelain"), status);
        world.pool("release p/slot1 --discard").ok();
        world.pool(["rescue", "drop", &id]).ok();
    }
    // What is pushed from a slot takes its contents along.
    let dir = allocate(&world, "--branch topic-lfs");
    fs::write(dir.join("big.bin"), content(9)).expect("writing");
    world.git(&dir, "commit -q -a -m pushed");
    world.git(&dir, "push -q origin topic-lfs");
    release(&world);
    let author = world.path("author");
    world.git(&author, "lfs install --local --skip-repo");
    world.git(&author, "pull -q origin topic-lfs");
    assert_eq!(big(&author), content(9));
    assert_eq!(world.pool("recover --dry-run").code, 0);
    world.assert_sound("p");
}

/// 1.2, 3.3, section 6: with `lfs = true`, slots have the contents, and nobody needs to have set up
/// git-lfs.
#[test]
fn slots_have_contents_where_these_are_wanted() {
    contents();
}

/// W.2: clones have them too.
#[test]
fn clones_have_contents_where_these_are_wanted() {
    over_clones(contents);
}

/// A changed setting is applied when a slot is made ready the next time.
#[test]
fn a_changed_setting_writes_the_files_anew() {
    let Some((world, remote)) = with_lfs() else {
        return;
    };
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    for _ in 0..2 {
        declare(&world, &remote, "lfs = true");
        // Not even the remote has moved.
        let dir = allocate(&world, "");
        assert_eq!(big(&dir), content(1));
        release(&world);
        declare(&world, &remote, "");
        assert_eq!(world.pool("recover --dry-run").code, 0);
        let dir = allocate(&world, "");
        assert!(big(&dir).starts_with(POINTER));
        assert!(!world.admin_dir("slot1").join("config.worktree").exists());
        release(&world);
    }
    assert_eq!(world.rescues("p"), [""; 0]);
    world.assert_sound("p");
}

/// A repository whose `.lfsconfig` names another place for its contents.
#[test]
fn contents_are_fetched_from_where_the_repository_says() {
    let Some((world, remote)) = with_lfs() else {
        return;
    };
    let store = world.small_remote("store");
    fs::rename(remote.path.join("lfs"), store.path.join("lfs")).expect("moving the contents");
    let text = format!("[lfs]\n\turl = {}\n", store.url());
    world.push_commit(&remote, ".lfsconfig", &text);
    declare(&world, &remote, "lfs = true");
    world.pool(format!("create p {}", remote.url())).ok();
    let has = |dir: &Path| {
        dir.join("lfs/objects")
            .read_dir()
            .is_ok_and(|mut all| all.next().is_some())
    };
    assert!(has(&world.bare("p")));
    assert_eq!(big(&allocate(&world, "")), content(1));
    release(&world);
    world.assert_sound("p");
}

/// Contents that were lost are fetched again, in the way in which the user reaches the remote.
#[test]
fn lost_contents_are_fetched_again() {
    let Some((world, remote)) = with_lfs() else {
        return;
    };
    let known = Remote {
        path: world.path("known-elsewhere.git"),
    };
    declare(&world, &known, "lfs = true");
    let run = |args: &str| {
        world
            .call(args)
            .env("GIT_CONFIG_COUNT", "1")
            .env(
                "GIT_CONFIG_KEY_0",
                format!("url.{}.insteadOf", remote.url()),
            )
            .env("GIT_CONFIG_VALUE_0", known.url())
            .run()
    };
    run(&format!("create p {}", known.url())).ok();
    fs::remove_dir_all(world.bare("p").join("lfs/objects")).expect("losing contents");
    let out = without(&remote, || run("add-slot p"));
    assert_eq!(out.code, 1);
    out.says("can't be fetched");
    run("add-slot p").ok();
    for slot in world.slots("p") {
        let dir = slot["slot_path"].as_str().expect("a path");
        assert_eq!(big(&world.place(Path::new(dir))), content(1));
    }
    world.assert_sound("p");
}

/// Pointers are found where a partial clone has left files with the remote that no slot has.
#[test]
fn contents_come_to_sparse_slots_of_a_partial_clone() {
    let Some((world, remote)) = with_lfs() else {
        return;
    };
    world.git(&remote.path, "config uploadpack.allowFilter true");
    let settings = "lfs = true\nfilter = \"blob:none\"\nsparse = [\"docs\"]";
    declare(&world, &remote, settings);
    world.pool(format!("create p {}", remote.url())).ok();
    push(&world, 5);
    let dir = allocate(&world, "");
    assert_eq!(big(&dir), content(5));
    assert!(!dir.join("src").exists());
    release(&world);
    world.assert_sound("p");
}

/// 6.1: a commit that was not pushed has its contents in the user's own repository only.
#[test]
fn contents_that_were_not_pushed_come_from_the_users_repository() {
    let Some((world, _remote)) = with_contents("") else {
        return;
    };
    let author = world.path("author");
    world.git(&author, "lfs install --local --skip-repo");
    fs::write(author.join("big.bin"), content(4)).expect("writing");
    world.git(&author, "commit -q -a -m unpushed");
    let out = world.call("allocate . --ref HEAD").cwd(&author).run();
    assert_eq!(big(&out.ok().path()), content(4));
    release(&world);
    world.assert_sound("p");
}

/// A PATH with git and nothing else.
fn without_lfs(world: &World) -> String {
    let bin = world.path("bin");
    fs::create_dir(&bin).expect("a directory");
    let git = world.sh("command -v git").stdout;
    std::os::unix::fs::symlink(git.trim(), bin.join("git")).expect("a link");
    bin.display().to_string()
}

#[track_caller]
fn assert_named(out: &Out) {
    assert_eq!(out.code, 1, "{}", out.stderr);
    for words in ["git-lfs was not found", "`lfs = true`", "install git-lfs"] {
        out.says(words);
    }
}

/// Where it is wanted and not installed, that is said, and no pool is half made.
#[test]
fn a_missing_git_lfs_is_named() {
    let world = World::new();
    let remote = world.remote();
    world.push_commit(&remote, ".gitattributes", "*.bin filter=lfs -text\n");
    let path = without_lfs(&world);
    let create = || {
        world
            .call(format!("create p {}", remote.url()))
            .env("PATH", &path)
            .run()
    };
    declare(&world, &remote, "lfs = true");
    assert_named(&create());
    assert_eq!(world.pool("list").ok().stdout, "");
    declare(&world, &remote, "lfs = false");
    create().ok();
}

/// Gone later, it costs no slot and no work.
#[test]
fn a_git_lfs_that_is_gone_costs_nothing() {
    let Some((world, _remote)) = with_contents("") else {
        return;
    };
    let dir = allocate(&world, "");
    let mut changed = content(1);
    changed.reverse();
    fs::write(dir.join("big.bin"), changed).expect("writing");
    world.commit(&dir, "README.md", "committed\n");
    fs::write(dir.join("README.md"), "staged\n").expect("writing");
    world.git(&dir, "add README.md");
    let path = without_lfs(&world);
    let out = world.call("release p/slot1").env("PATH", &path).run();
    assert_named(&out);
    assert_ne!(world.slot("p/slot1")["state"], "error");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "staged\n"));
    assert_eq!(big(&allocate(&world, "")), content(1));
    world.assert_sound("p");
}

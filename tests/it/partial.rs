//! Pools whose repository leaves contents of files, or old commits, with the remote.

use crate::support::{PULL_REF, Remote, World};
use std::fs;
use std::path::PathBuf;

/// A remote that knows how to leave something out.
fn remote(world: &World) -> Remote {
    let remote = world.remote();
    world.git(&remote.path, "config uploadpack.allowFilter true");
    remote
}

/// A pool `p` of a partial clone.
#[track_caller]
fn partial(slots: u32) -> (World, Remote) {
    let world = World::new();
    let remote = remote(&world);
    let create = format!("create p {} -n {slots} --filter blob:none", remote.url());
    world.pool(create).ok();
    (world, remote)
}

/// A pool `p` of a shallow clone.
#[track_caller]
fn shallow(depth: u32, slots: u32) -> (World, Remote) {
    let world = World::new();
    let remote = remote(&world);
    let create = format!("create p {} -n {slots} --depth {depth}", remote.url());
    world.pool(create).ok();
    (world, remote)
}

/// Whether the pool's repository has an object.
fn has(world: &World, oid: &str) -> bool {
    let mut command = world.command("git");
    command
        .env("GIT_NO_LAZY_FETCH", "1")
        .current_dir(world.bare("p"));
    command.args(["cat-file", "-e", oid]);
    command.stderr(std::process::Stdio::null());
    command.status().expect("git").success()
}

/// What a file of a commit holds, as the remote names it.
#[track_caller]
fn blob(world: &World, remote: &Remote, file: &str) -> String {
    world.git(&remote.path, ["rev-parse", file])
}

/// Takes the remote away for as long as `act` runs.
fn without<T>(remote: &Remote, act: impl FnOnce() -> T) -> T {
    let aside = remote.path.with_extension("away");
    fs::rename(&remote.path, &aside).expect("moving the remote");
    let result = act();
    fs::rename(&aside, &remote.path).expect("moving the remote back");
    result
}

/// A new content of README.md on main; the old one is needed by no newest commit.
#[track_caller]
fn renew_readme(world: &World, remote: &Remote) -> String {
    let old = blob(world, remote, "main:README.md");
    world.push_commit(remote, "README.md", "# Another\n");
    old
}

/// 1.1, 1.2: the contents that no slot needs are left with the remote, and a slot has all of its own.
#[test]
fn create_leaves_contents_with_the_remote() {
    let world = World::new();
    let remote = remote(&world);
    let old = renew_readme(&world, &remote);
    let create = format!("create p {} -n 2 --filter blob:none --json", remote.url());
    let made = world.pool(create);
    assert_eq!(made.ok().json()["pool"]["filter"], "blob:none");
    assert!(!has(&world, &old));
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
    assert!(!has(&world, &old));
    // Who works there gets the rest when it is needed.
    assert!(
        world
            .git(&dir, "show HEAD~1:README.md")
            .contains("A project")
    );
    assert!(has(&world, &old));
    world.pool("release p/slot1").ok();
    world.pool("release p/slot2").ok();
    world.assert_sound("p");
    assert_eq!(world.rescues("p"), [""; 0]);
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// 3.3, 6.1: what a slot is brought to is fetched before, whichever way it is asked for.
#[test]
fn slots_of_a_partial_clone_move_to_any_commit() {
    let (world, remote) = partial(1);
    for n in 1..=3 {
        let tip = world.push_commit(&remote, "newest.txt", &format!("{n}\n"));
        let dir = world.pool("allocate p").ok().path();
        world.assert_holds(&dir, &remote, &tip);
        world.pool("release p/slot1").ok();
        world.assert_sound("p");
    }
    for (asked, commit) in [
        ("--ref v1.0", "v1.0"),
        ("--ref refs/pull/7/head", PULL_REF),
        ("--ref main~2", "main~2"),
        ("--branch topic", "topic"),
    ] {
        let dir = world.pool(format!("allocate p {asked}")).ok().path();
        world.assert_holds(&dir, &remote, &world.tip(&remote, commit));
        world.pool("release p/slot1").ok();
        world.assert_sound("p");
    }
    assert_eq!(world.rescues("p"), [""; 0]);
}

/// 7.2, 9.2: the contents of the base are there, so that slots are made without the remote.
#[test]
fn slots_of_a_partial_clone_are_made_without_the_remote() {
    let (world, remote) = partial(2);
    let tip = world.tip(&remote, "main");
    without(&remote, || {
        world.pool("add-slot p").ok();
        fs::remove_dir_all(world.slot_dir("slot1")).expect("deleting a slot");
        world.pool("recover p").ok();
        for _ in 0..3 {
            world.pool("allocate p --no-fetch").ok();
        }
    });
    for slot in ["slot1", "slot2", "slot3"] {
        world.assert_holds(&world.slot_path(slot), &remote, &tip);
    }
    world.assert_sound("p");
}

/// Section 6: work on top of commits whose contents are not all here is saved and restored.
#[test]
fn work_in_a_partial_clone_is_saved_and_restored() {
    let (world, remote) = partial(1);
    let dir = world.pool("allocate p").ok().path();
    let commit = world.commit(&dir, "src/part1.rs", "committed\n");
    fs::write(dir.join("README.md"), "edited\n").expect("writing");
    fs::write(dir.join("new.txt"), "untracked\n").expect("writing");
    without(&remote, || {
        world.pool("release p/slot1").ok();
    });
    for content in ["committed\n", "edited\n", "untracked\n"] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    world.assert_sound("p");
    world.push_commit(&remote, "newest.txt", "moved\n");
    world.pool("allocate p").ok();
    let id = rescue_id(&world);
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    assert_eq!(world.head(&dir), commit);
    assert_eq!(
        fs::read_to_string(dir.join("README.md")).expect("it"),
        "edited\n"
    );
    assert_eq!(
        fs::read_to_string(dir.join("new.txt")).expect("it"),
        "untracked\n"
    );
    world.pool("release p/slot1 --discard").ok();
    world.assert_sound("p");
}

#[track_caller]
fn rescue_id(world: &World) -> String {
    let listed = world.pool("rescue list p --json");
    let rescues = listed.ok().json()["rescues"].clone();
    rescues[0]["rescue_id"].as_str().expect("an id").to_owned()
}

/// Section 6: who stands on a commit without having checked it out has not its contents; that is
/// neither damage nor a reason to lose what is there, also while the remote can't be reached.
#[test]
fn work_on_a_commit_whose_contents_are_not_here_is_saved() {
    let world = World::new();
    let remote = remote(&world);
    let old = renew_readme(&world, &remote);
    world
        .pool(format!("create p {} -n 1 --filter blob:none", remote.url()))
        .ok();
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "reset -q --soft HEAD~1");
    // A tree that names the old content again, which was never here.
    let entry = format!("100644,{old},README.md");
    world.git(&dir, ["update-index", "--cacheinfo", &entry]);
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    world.git(&dir, "add work.txt");
    without(&remote, || {
        world.pool("release p/slot1").ok();
        assert!(!has(&world, &old));
        assert_eq!(world.state("p/slot1"), "available");
        world.pool("recover p").ok();
        assert_eq!(world.pool("recover p --dry-run").code, 0);
    });
    assert!(!has(&world, &old));
    let id = rescue_id(&world);
    world.pool("allocate p").ok();
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    assert_eq!(world.head(&dir), world.tip(&remote, "main~1"));
    assert_eq!(
        fs::read_to_string(dir.join("work.txt")).expect("it"),
        "work\n"
    );
    assert_eq!(
        fs::read_to_string(dir.join("README.md")).expect("it"),
        "# Another\n"
    );
    assert_eq!(world.git(&dir, "rev-parse :README.md"), old);
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// A branch that names contents which are not here is collected all the same.
#[test]
fn branches_of_a_partial_clone_are_collected() {
    let world = World::new();
    let remote = remote(&world);
    let old = renew_readme(&world, &remote);
    let mine = world.clone_of(&remote, "mine");
    world
        .pool(format!("create p {} -n 1 --filter blob:none", remote.url()))
        .ok();
    let dir = world.pool("allocate p").ok().path();
    let entry = format!("100644,{old},copied.md");
    world.git(&dir, "checkout -q -b work");
    world.commit(&dir, "work.txt", "work\n");
    world.git(&dir, ["update-index", "--add", "--cacheinfo", &entry]);
    world.git(&dir, "commit -q -m Copied");
    let collect = ["collect", "p/slot1", "--into", &mine.display().to_string()];
    world.pool(collect).ok();
    assert_eq!(world.git(&mine, "rev-parse work"), world.head(&dir));
    world.git(&mine, "fsck --full");
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// Deletes the packs of what came from the remote of which `git verify-pack -v` prints what `is_lost`
/// tells.
#[track_caller]
fn lose_packs(world: &World, is_lost: impl Fn(&str) -> bool) {
    let packs = world.bare("p").join("objects/pack");
    let mut lost = 0;
    for entry in fs::read_dir(&packs).expect("packs").flatten() {
        let file = entry.path();
        if file.extension().is_none_or(|kind| kind != "promisor") {
            continue;
        }
        let index = file.with_extension("idx").display().to_string();
        if is_lost(&world.git(&packs, ["verify-pack", "-v", &index])) {
            lost += 1;
            for kind in ["pack", "idx", "rev", "promisor"] {
                let _ = fs::remove_file(file.with_extension(kind));
            }
        }
    }
    assert!(lost > 0, "no such pack");
}

/// 9.2: contents that were here and are lost are fetched again where they are needed; that they can't be
/// is no slot's fault.
#[test]
fn contents_that_were_lost_are_fetched_again() {
    let (world, remote) = partial(2);
    let dir = world.pool("allocate p").ok().path();
    lose_packs(&world, |listed| !listed.contains(" commit "));
    fs::write(dir.join("README.md"), "edited\n").expect("writing");
    let slot = dir.display().to_string();
    without(&remote, || {
        let out = world.pool(["release", &slot]);
        out.code(1).says("can't be fetched");
        assert_eq!(world.state(&slot), "allocated");
    });
    world.pool(["release", &slot]).ok();
    assert!(world.is_rescued("p", "edited\n"));
    world.assert_sound("p");
    lose_packs(&world, |listed| !listed.contains(" commit "));
    world.pool("add-slot p").ok();
    for slot in ["slot1", "slot2", "slot3"] {
        world.assert_holds(&world.slot_path(slot), &remote, &world.tip(&remote, "main"));
    }
}

/// 9.2: a repository that is made anew is a partial clone again, and work comes over.
#[test]
fn a_partial_clone_is_made_anew_as_one() {
    let world = World::new();
    let remote = remote(&world);
    let old = renew_readme(&world, &remote);
    world
        .pool(format!("create p {} -n 2 --filter blob:none", remote.url()))
        .ok();
    let dir = world.pool("allocate p").ok().path();
    world.commit(&dir, "work.txt", "work\n");
    let commit = world.head(&dir);
    lose_packs(&world, |listed| listed.contains(" commit "));
    world.pool("recover p --force").ok();
    assert_eq!(world.status("p")["filter"], "blob:none");
    assert_eq!(
        world.git(&world.bare("p"), "config remote.origin.promisor"),
        "true"
    );
    assert!(!has(&world, &old));
    assert_eq!(world.head(&dir), commit);
    world.assert_clean(&dir);
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "work\n"));
    world.assert_sound("p");
    assert_eq!(world.pool("recover p --dry-run").code, 0);
    let dir = world.pool("allocate p --ref main~1").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main~1"));
}

/// 1.1: contents up to a size; and a remote that does not filter, which is said.
#[test]
fn contents_can_be_left_out_by_size_if_the_remote_filters() {
    let world = World::new();
    let remote = remote(&world);
    world.push_commit(&remote, "large.txt", &"x".repeat(5000));
    let large = blob(&world, &remote, "main:large.txt");
    world.push_commit(&remote, "large.txt", "small now\n");
    let create = format!("create p {} -n 1 --filter blob:limit=1k", remote.url());
    world.pool(create).ok();
    assert!(!has(&world, &large));
    assert!(has(&world, &blob(&world, &remote, "main~3:README.md")));
    let dir = world.pool("allocate p --ref main~1").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main~1"));
    world.pool("release p/slot1").ok();
    world.pool("remove-pool p").ok();
    world.git(&remote.path, "config uploadpack.allowFilter false");
    let create = format!("create p {} -n 1 --filter blob:none", remote.url());
    world.pool(create).ok().says("does not filter");
    assert!(has(&world, &large));
    world.pool("allocate p").ok();
    world.assert_sound("p");
}

/// 8.4, 8.5: filter and depth can be declared, and wrong ones are refused.
#[test]
fn filter_and_depth_are_settings() {
    let world = World::new();
    let remote = remote(&world);
    let old = renew_readme(&world, &remote);
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{}\"\nfilter = \"blob:none\"\ndepth = 2\n",
        remote.url()
    ));
    world.pool("allocate p").ok();
    assert!(!has(&world, &old));
    let status = world.status("p");
    assert_eq!(
        (&status["filter"], &status["depth"]),
        (&"blob:none".into(), &2.into())
    );
    for (wrong, said) in [
        ("filter = \"tree:0\"", "blob:none"),
        ("filter = \"blob:limit=x\"", "has no size"),
        ("filter = 3", "filter"),
        ("depth = 0", "1 to 1000000"),
        ("depth = \"all\"", "depth"),
    ] {
        let file = format!("[pools.p]\nrepo_url = \"{}\"\n{wrong}\n", remote.url());
        world.declare(&file);
        world
            .pool("config check")
            .code(2)
            .says(said)
            .says("pools.toml:3");
    }
    fs::remove_file(world.workspace().join("pools.toml")).expect("deleting");
    for wrong in [
        "--filter tree:0",
        "--filter blob:limit=",
        "--depth 0",
        "--depth x",
    ] {
        let create = format!("create q {} {wrong}", remote.url());
        world.pool(create).code(2).silent();
    }
    assert_eq!(world.list(), ["p"]);
}

/// How many commits the pool knows of a branch of the remote.
#[track_caller]
fn commits(world: &World, branch: &str) -> String {
    let name = format!("refs/remotes/origin/{branch}");
    world.git(&world.bare("p"), ["rev-list", "--count", &name])
}

/// 1.1, 2.1, section 6: a shallow pool has so many commits of each branch, follows the remote, and takes
/// nothing that the remote has for work.
#[test]
fn a_shallow_pool_follows_the_remote() {
    let (world, remote) = shallow(1, 2);
    assert_eq!(commits(&world, "main"), "1");
    let dir = world.pool("allocate p").ok().path();
    for n in 1..=3 {
        let tip = world.push_commit(&remote, "newest.txt", &format!("{n}\n"));
        let other = world.pool("allocate p").ok().path();
        world.assert_holds(&other, &remote, &tip);
        world.pool(["release", &other.display().to_string()]).ok();
    }
    assert_eq!(commits(&world, "main"), "4");
    world.pool(["release", &dir.display().to_string()]).ok();
    assert_eq!(world.rescues("p"), [""; 0]);
    world.assert_sound("p");
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// 6.1: a commit before the cut is fetched exactly, and nothing else is cut off by that.
#[test]
fn a_shallow_pool_fetches_old_commits_exactly() {
    let (world, remote) = shallow(2, 1);
    assert_eq!(commits(&world, "main"), "2");
    let oldest = world.tip(&remote, "main~3");
    for (asked, commit) in [
        (oldest.as_str(), "main~3"),
        ("v1.0", "v1.0"),
        (PULL_REF, PULL_REF),
        ("main~1", "main~1"),
        ("topic", "topic"),
    ] {
        let dir = world.pool(["allocate", "p", "--ref", asked]).ok().path();
        world.assert_holds(&dir, &remote, &world.tip(&remote, commit));
        world.pool("release p/slot1").ok();
        assert_eq!(world.rescues("p"), [""; 0], "{asked}");
        assert_eq!(commits(&world, "main"), "2", "{asked}");
        world.assert_sound("p");
    }
    // A tag in the middle of what is here, which has not been fetched.
    world.git(&remote.path, "tag middle main~1");
    world.git(&remote.path, "tag -a -m Words told main~1");
    for tag in ["middle", "told"] {
        world.pool(["allocate", "p", "--ref", tag]).ok();
        world.pool("release p/slot1").ok();
        assert_eq!(commits(&world, "main"), "2", "{tag}");
    }
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// Section 6: work in a shallow pool is saved, restored, and brought home.
#[test]
fn work_in_a_shallow_pool_is_saved_and_collected() {
    let (world, remote) = shallow(1, 1);
    let home = world.clone_of(&remote, "mine");
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "checkout -q -b work");
    let first = world.commit(&dir, "one.txt", "one\n");
    let commit = world.commit(&dir, "two.txt", "two\n");
    fs::write(dir.join("three.txt"), "three\n").expect("writing");
    world
        .pool(["collect", "p/slot1", "--into", &home.display().to_string()])
        .ok();
    assert_eq!(world.git(&home, "rev-parse work~1"), first);
    assert_eq!(
        world.git(&home, "rev-parse work~2"),
        world.tip(&remote, "main")
    );
    world.git(&home, "fsck --full");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "three\n"));
    world.assert_sound("p");
    world.push_commit(&remote, "newest.txt", "moved\n");
    world.pool("allocate p").ok();
    let id = rescue_id(&world);
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    assert_eq!(world.head(&dir), commit);
    world.git(&dir, "merge -q --no-edit origin/main");
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// Section 6: an agent may fetch the whole history, or cut it further.
#[test]
fn who_works_in_a_shallow_pool_may_deepen_it() {
    let (world, remote) = shallow(1, 1);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "fetch -q --unshallow origin");
    assert_eq!(commits(&world, "main"), "4");
    world.pool("release p/slot1").ok();
    assert_eq!(world.rescues("p"), [""; 0]);
    let tip = world.push_commit(&remote, "newest.txt", "moved\n");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &tip);
    world.git(&dir, "fetch -q --depth 1 origin main");
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// 9.2: a shallow repository is made anew as one; work on commits older than its cut comes over.
#[test]
fn a_shallow_pool_is_made_anew_as_one() {
    let (world, remote) = shallow(1, 1);
    let dir = world.pool("allocate p").ok().path();
    let commit = world.commit(&dir, "work.txt", "work\n");
    for n in 1..=3 {
        world.push_commit(&remote, "newest.txt", &format!("{n}\n"));
    }
    let damaged = loose(&world, &world.git(&dir, "rev-parse HEAD:work.txt"));
    fs::remove_file(&damaged).expect("deleting");
    fs::write(&damaged, b"").expect("writing");
    world.pool("recover p --force").ok();
    assert_eq!(commits(&world, "main"), "1");
    assert_eq!(world.head(&dir), commit);
    world.assert_clean(&dir);
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "work\n"));
    world.assert_sound("p");
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

fn loose(world: &World, oid: &str) -> PathBuf {
    let objects = world.bare("p").join("objects");
    objects.join(&oid[..2]).join(&oid[2..])
}

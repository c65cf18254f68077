//! Pools whose slots have some directories of the repository only.

use crate::support::{Remote, World, tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[track_caller]
fn declare(world: &World, remote: &Remote, settings: &str) {
    let url = remote.url();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nnum_slots = 2\n{settings}\n"
    ));
}

/// A pool `p` of two slots that have `dirs`.
#[track_caller]
fn sparse(dirs: &str) -> (World, Remote) {
    let world = World::new();
    let remote = world.remote();
    declare(&world, &remote, &format!("sparse = {dirs}"));
    world.pool(format!("create p {}", remote.url())).ok();
    (world, remote)
}

/// The slot must hold what a sparse clone of the user's own with these directories holds at this commit.
#[track_caller]
fn assert_holds(world: &World, slot: &Path, remote: &Remote, commit: &str, dirs: &[&str]) {
    assert_eq!(world.head(slot), commit);
    let name = format!("wanted-{commit}-{}", dirs.join("-").replace('/', "_"));
    let wanted = world.path(&name);
    if !wanted.exists() {
        let path = wanted.display().to_string();
        world.git(
            &world.path(""),
            ["clone", "-q", "--no-checkout", &remote.dir(), &path],
        );
        let set = ["sparse-checkout", "set", "--cone"];
        world.git(
            &wanted,
            set.iter()
                .chain(dirs)
                .map(|arg| (*arg).to_owned())
                .collect::<Vec<String>>(),
        );
        world.git(&wanted, ["checkout", "-q", "--detach", commit]);
    }
    assert_eq!(tree(&world.place(slot)), tree(&wanted));
    world.assert_clean(slot);
    let listed = |dir: &Path| world.git(dir, "ls-files -t");
    assert_eq!(listed(slot), listed(&wanted));
}

fn top(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = tree(dir);
    all.retain(|path, _| path.components().count() == 1);
    all
}

#[track_caller]
fn allocate(world: &World, options: &str) -> PathBuf {
    world.pool(format!("allocate p {options}")).ok().path()
}

#[track_caller]
fn release(world: &World, dir: &Path) {
    world.pool(["release", &dir.display().to_string()]).ok();
}

/// 1.2, 2.1, 3.3: slots have these directories only, at every commit, and git in them knows it.
#[test]
pub fn slots_have_some_directories_only() {
    let (world, remote) = sparse("[\"docs/\", \"deep/one\"]");
    let dirs = ["docs", "deep/one"];
    let dir = allocate(&world, "");
    assert_holds(&world, &dir, &remote, &world.tip(&remote, "main"), &dirs);
    assert!(!dir.join("src").exists() && dir.join("README.md").exists());
    assert_eq!(world.git(&dir, "sparse-checkout list"), "deep/one\ndocs");
    release(&world, &dir);
    let slot = world.slot("p/slot1");
    assert_eq!(
        (&slot["parked"], &slot["verified"]),
        (&true.into(), &true.into())
    );
    for file in [
        "src/part1.rs",
        "docs/guide.md",
        "docs/new/more.md",
        "tools/new.sh",
    ] {
        let tip = world.push_commit(&remote, file, "newer\n");
        let dir = allocate(&world, "");
        assert_holds(&world, &dir, &remote, &tip, &dirs);
        release(&world, &dir);
    }
    for commit in ["v1.0", "topic"] {
        let dir = allocate(&world, &format!("--ref {commit}"));
        assert_holds(&world, &dir, &remote, &world.tip(&remote, commit), &dirs);
        release(&world, &dir);
    }
    world.assert_sound("p");
    assert_eq!(world.rescues("p"), [""; 0]);
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// 3.2, section 6: what somebody made outside is seen, saved and taken away; so is what they set.
#[test]
pub fn files_outside_are_seen_saved_and_cleaned() {
    let (world, remote) = sparse("[\"docs\"]");
    let tip = world.tip(&remote, "main");
    let dir = allocate(&world, "");
    // Left out files that are there again, as they were and otherwise; and others beside them.
    world.git(&dir, "sparse-checkout add src");
    assert!(dir.join("src/part1.rs").exists());
    fs::write(dir.join("src/part2.rs"), "edited outside\n").expect("writing");
    fs::create_dir_all(dir.join("tools")).expect("a directory");
    fs::write(dir.join("tools/run.sh"), "written by hand\n").expect("writing");
    fs::write(dir.join("tools/new.txt"), "untracked outside\n").expect("writing");
    fs::write(dir.join("docs/guide.md"), "edited inside\n").expect("writing");
    release(&world, &dir);
    for content in [
        "edited outside\n",
        "written by hand\n",
        "untracked outside\n",
        "edited inside\n",
    ] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    let again = allocate(&world, "--no-fetch");
    assert_eq!(again, dir);
    assert_holds(&world, &dir, &remote, &tip, &["docs"]);
    let listed = world.pool("rescue list p --json");
    let id = listed.ok().json()["rescues"][0]["rescue_id"].clone();
    let id = id.as_str().expect("an id");
    world
        .pool(["rescue", "restore", id, "--into", "p/slot1"])
        .ok();
    let read = |file: &str| fs::read_to_string(dir.join(file)).expect("the file");
    assert_eq!(read("src/part2.rs"), "edited outside\n");
    assert_eq!(read("tools/run.sh"), "written by hand\n");
    assert_eq!(read("docs/guide.md"), "edited inside\n");
    world.pool("release p/slot1 --discard").ok();
    allocate(&world, "--no-fetch");
    assert_holds(&world, &dir, &remote, &tip, &["docs"]);
    // All of it, and a commit outside.
    world.git(&dir, "sparse-checkout disable");
    world.commit(&dir, "src/part3.rs", "committed outside\n");
    world.git(&dir, "rm -q --cached src/part4.rs");
    release(&world, &dir);
    assert!(world.is_rescued("p", "committed outside\n"));
    allocate(&world, "--no-fetch");
    assert_holds(&world, &dir, &remote, &tip, &["docs"]);
    release(&world, &dir);
    world.assert_sound("p");
}

/// A changed setting is applied when a slot is made ready the next time.
#[test]
fn a_changed_setting_counts_from_the_next_time_on() {
    let (world, remote) = sparse("[\"docs\"]");
    let tip = world.tip(&remote, "main");
    for (dirs, plain) in [
        ("[\"docs\", \"src\"]", &["docs", "src"][..]),
        ("[\"tools\"]", &["tools"]),
        ("[\"nowhere\"]", &["nowhere"]),
    ] {
        declare(&world, &remote, &format!("sparse = {dirs}"));
        let dir = allocate(&world, "");
        assert_holds(&world, &dir, &remote, &tip, plain);
        release(&world, &dir);
        world.assert_sound("p");
    }
    declare(&world, &remote, "");
    let dir = allocate(&world, "");
    world.assert_holds(&dir, &remote, &tip);
    assert!(!world.admin_dir("slot1").join("config.worktree").exists());
    release(&world, &dir);
    declare(&world, &remote, "sparse = [\"docs\"]");
    world.pool("warm p").ok();
    let dir = allocate(&world, "--no-fetch");
    assert_holds(&world, &dir, &remote, &tip, &["docs"]);
    assert!(top(&dir).contains_key(Path::new("docs")));
    assert_eq!(world.rescues("p"), [""; 0]);
}

/// 7.2, 9.2: slots that are added or made anew have the same.
#[test]
fn slots_that_are_made_anew_are_sparse() {
    let (world, remote) = sparse("[\"docs\"]");
    let tip = world.tip(&remote, "main");
    world.pool("add-slot p").ok();
    fs::remove_dir_all(world.slot_dir("slot1")).expect("deleting a slot");
    fs::remove_file(world.admin_dir("slot2").join("index")).expect("deleting an index");
    fs::remove_file(world.admin_dir("slot3").join("info/sparse-checkout")).expect("deleting");
    world.pool("recover p").ok();
    for _ in 0..3 {
        let dir = allocate(&world, "");
        assert_holds(&world, &dir, &remote, &tip, &["docs"]);
    }
    world.assert_sound("p");
}

/// With a filter, the contents of what is left out stay with the remote.
#[test]
fn a_sparse_partial_clone_has_only_what_its_slots_have() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "config uploadpack.allowFilter true");
    declare(
        &world,
        &remote,
        "sparse = [\"docs\"]\nfilter = \"blob:none\"",
    );
    world.pool(format!("create p {}", remote.url())).ok();
    let blob = world.git(&remote.path, "rev-parse main:src/part1.rs");
    let has = || {
        let mut command = world.command("git");
        command
            .env("GIT_NO_LAZY_FETCH", "1")
            .current_dir(world.bare("p"));
        command.args(["cat-file", "-e", &blob]);
        command.stderr(std::process::Stdio::null());
        command.status().expect("git").success()
    };
    let dir = allocate(&world, "");
    assert_holds(
        &world,
        &dir,
        &remote,
        &world.tip(&remote, "main"),
        &["docs"],
    );
    assert!(!has());
    let commit = world.commit(&dir, "docs/guide.md", "committed\n");
    fs::write(dir.join("docs/third.md"), "edited\n").expect("writing");
    release(&world, &dir);
    assert!(!has());
    declare(
        &world,
        &remote,
        "sparse = [\"docs\", \"src\"]\nfilter = \"blob:none\"",
    );
    let dir = allocate(&world, "");
    let tip = world.tip(&remote, "main");
    assert_holds(&world, &dir, &remote, &tip, &["docs", "src"]);
    assert_ne!(commit, tip);
    assert!(has());
    assert!(world.is_rescued("p", "edited\n"));
    world.assert_sound("p");
}

/// Section 6: an index that no tree can hold is saved, also if the contents of what is left out of the
/// slot stay with the remote.
#[test]
fn what_the_index_of_a_sparse_partial_clone_announces_is_saved() {
    let world = World::new();
    let remote = world.remote();
    world.git(&remote.path, "config uploadpack.allowFilter true");
    declare(
        &world,
        &remote,
        "sparse = [\"docs\"]\nfilter = \"blob:none\"",
    );
    world.pool(format!("create p {}", remote.url())).ok();
    let dir = allocate(&world, "");
    fs::write(dir.join("docs/new"), "announced\n").expect("writing");
    world.git(&dir, "add -N docs/new");
    let before = world.work(&dir);
    let out = world.pool("release p/slot1 --json");
    let id = out.ok().json()["rescue"]["rescue_id"].clone();
    let id = id.as_str().expect("it was saved");
    assert_eq!(allocate(&world, ""), dir);
    world
        .pool(["rescue", "restore", id, "--into", "p/slot1"])
        .ok();
    let after = world.work(&dir);
    assert_eq!(after.status, before.status);
    assert_eq!(after.index, before.index);
    assert_eq!(after.files, before.files);
    release(&world, &dir);
    world.assert_sound("p");
}

/// 8.4: directories are named, inside the repository.
#[test]
fn wrong_directories_are_refused() {
    let world = World::new();
    let remote = world.remote();
    for wrong in [
        "\"docs\"",
        "[\"/docs\"]",
        "[\"../x\"]",
        "[\"*.md\"]",
        "[\"\"]",
        "[1]",
    ] {
        declare(&world, &remote, &format!("sparse = {wrong}"));
        world
            .pool("config check")
            .code(2)
            .says("pools.toml:4")
            .says("sparse");
    }
}

//! Repositories with submodules.

use crate::support::{Remote, Traps, World};
use std::fs;
use std::path::{Path, PathBuf};

/// A pool `p` of one slot whose repository has the submodule `lib`, and a slot of it with the
/// submodule checked out.
#[track_caller]
fn slot_with_submodule() -> (World, Remote, PathBuf) {
    let world = World::new();
    let remote = world.remote();
    let library = world.remote_named("library");
    let clone = world.clone_of(&remote, "clone");
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &library.dir(),
        "lib",
    ];
    world.git(&clone, add);
    world.git(&clone, "commit -q -m Library");
    world.git(&clone, "push -q origin main");
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    let dir = world.pool("allocate p").ok().path();
    fill(&world, &dir);
    (world, remote, dir)
}

/// Checks the submodule out, as the user of a slot does.
#[track_caller]
fn fill(world: &World, dir: &Path) {
    let update = "-c protocol.file.allow=always submodule --quiet update --init";
    world.git(dir, update);
    assert!(dir.join("lib/README.md").is_file(), "no submodule");
}

/// Nothing of the submodule may be left in the slot.
#[track_caller]
fn assert_without_submodule(world: &World, dir: &Path) {
    let left = |path: &Path| {
        let entries = fs::read_dir(path).map(|all| all.flatten().collect());
        let entries: Vec<fs::DirEntry> = entries.unwrap_or_default();
        entries.iter().map(fs::DirEntry::path).collect::<Vec<_>>()
    };
    assert!(
        left(&dir.join("lib")).is_empty(),
        "{:?}",
        left(&dir.join("lib"))
    );
    let modules = world.admin_dir("slot1").join("modules");
    assert!(left(&modules).is_empty(), "{:?}", left(&modules));
}

/// 3.2, 3.3, 3.4: a submodule that holds nothing of its own goes with the rest.
#[test]
fn release_takes_submodules_out_of_the_slot() {
    let (world, remote, dir) = slot_with_submodule();
    for _ in 0..2 {
        world.pool("release p/slot1").ok();
        assert_without_submodule(&world, &dir);
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
        world.assert_sound("p");
        assert_eq!(world.pool("allocate p").ok().path(), dir);
        world.assert_clean(&dir);
        fill(&world, &dir);
    }
}

/// Section 6: a commit in a submodule is not in the pool's repository and can't be saved there.
#[test]
fn release_refuses_commits_that_only_a_submodule_holds() {
    let (world, remote, dir) = slot_with_submodule();
    let lib = dir.join("lib");
    let commit = world.commit(&lib, "work.txt", "work in the library\n");
    let out = world.pool("release p/slot1");
    out.code(5).silent().says("lib");
    let out = world.pool("release p/slot1 --json");
    out.code(5).silent().kind("refused");
    assert_eq!(world.head(&lib), commit);
    assert_eq!(world.state("p/slot1"), "allocated");
    world.pool("release p/slot1 --discard").ok();
    assert_without_submodule(&world, &dir);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// Section 6: the same where the slot's own commit names the submodule's, so that nothing looks
/// changed.
#[test]
fn release_refuses_submodule_commits_that_a_commit_of_the_slot_names() {
    let (world, _remote, dir) = slot_with_submodule();
    let lib = dir.join("lib");
    let commit = world.commit(&lib, "work.txt", "work in the library\n");
    world.git(&dir, "commit -q -a -m Library");
    world.assert_clean(&dir);
    world.pool("release p/slot1").code(5).silent().says("lib");
    assert_eq!(world.head(&lib), commit);
    assert_eq!(world.state("p/slot1"), "allocated");
    world.git(&lib, "push -q origin HEAD:refs/heads/work");
    world.pool("release p/slot1").ok();
    assert_without_submodule(&world, &dir);
    world.assert_sound("p");
}

/// Section 6: and for edits in a submodule that no commit holds.
#[test]
fn release_refuses_edits_that_only_a_submodule_holds() {
    let (world, _remote, dir) = slot_with_submodule();
    for file in ["lib/README.md", "lib/untracked.txt"] {
        fs::write(dir.join(file), "edited\n").expect("writing");
        world.pool("release p/slot1").code(5).silent().says("lib");
        let left = fs::read_to_string(dir.join(file)).expect("the file");
        assert_eq!(left, "edited\n");
        world.git(&dir.join("lib"), "reset -q --hard");
    }
    world.pool("release p/slot1 --discard").ok();
    assert_without_submodule(&world, &dir);
    world.assert_sound("p");
}

/// 3.3, 6.1: a slot at a commit without the submodule goes back to a base that has it.
#[test]
fn allocate_brings_back_a_submodule_that_the_ref_did_not_have() {
    let (world, remote, _dir) = slot_with_submodule();
    world.pool("release p/slot1").ok();
    let dir = world.pool("allocate p --ref main~1").ok().path();
    assert!(!dir.join("lib").exists());
    world.pool("release p/slot1").ok();
    world.pool("allocate p").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// Section 6: emptying a submodule stops at the slot's border, also where a link leads out of it.
#[test]
fn release_empties_no_submodule_through_a_link() {
    let (world, _remote, dir) = slot_with_submodule();
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("precious"), "mine").expect("writing");
    fs::remove_dir_all(dir.join("lib")).expect("deleting");
    std::os::unix::fs::symlink(&outside, dir.join("lib")).expect("a link");
    // git itself refuses to look at such a slot, which may go out of use for that.
    world.pool("release p/slot1 --discard").one_of(&[0, 1]);
    assert!(outside.join("precious").exists());
}

/// Section 6: what somebody put in the place of a submodule that is none is work, too.
#[test]
fn release_refuses_files_in_the_place_of_a_submodule() {
    let (world, _remote, dir) = slot_with_submodule();
    world.pool("release p/slot1").ok();
    let again = world.pool("allocate p").ok().path();
    assert_eq!(again, dir);
    fs::write(dir.join("lib/work.txt"), "work\n").expect("writing");
    world.pool("release p/slot1").code(5).silent().says("lib");
    assert!(dir.join("lib/work.txt").exists());
    fs::remove_file(dir.join("lib/work.txt")).expect("deleting");
    world.pool("release p/slot1").ok();
}

/// Section 6: edits that a submodule's own index or config hides are work, too.
#[test]
fn release_refuses_edits_that_a_submodule_hides() {
    let (world, _remote, dir) = slot_with_submodule();
    let lib = dir.join("lib");
    let module = world.admin_dir("slot1").join("modules/lib");
    fs::write(lib.join("README.md"), "edited\n").expect("writing");
    world.git(&lib, "update-index --assume-unchanged README.md");
    world.pool("release p/slot1").code(5).silent().says("lib");
    world.git(&lib, "update-index --no-assume-unchanged README.md");
    world.git(&lib, "reset -q --hard");
    fs::write(lib.join("work.txt"), "work\n").expect("writing");
    fs::create_dir_all(module.join("info")).expect("a directory");
    fs::write(module.join("info/exclude"), "*\n").expect("writing");
    world.git(&lib, "config core.excludesFile /dev/null");
    world.pool("release p/slot1").code(5).silent().says("lib");
    fs::remove_file(lib.join("work.txt")).expect("deleting");
    world.pool("release p/slot1").ok();
    assert_without_submodule(&world, &dir);
}

/// A submodule's config is its user's: nothing that it names is run, wherever git meets it.
#[test]
fn nothing_that_a_submodule_configures_is_run() {
    let (world, _remote, dir) = slot_with_submodule();
    let traps = Traps::new(&world);
    let evil = traps.set("evil");
    let lib = dir.join("lib");
    let module = world.admin_dir("slot1").join("modules/lib");
    traps.set_hooks(&module.join("hooks"));
    let config = format!(
        "[core]\n\tfsmonitor = {evil}\n\tsshCommand = {evil}\n\
         [filter \"evil\"]\n\tclean = {evil}\n\tprocess = {evil}\n\trequired = true\n\
         [remote \"origin\"]\n\tpromisor = true\n\tuploadpack = {evil}\n\
         [extensions]\n\tpartialClone = origin\n"
    );
    let text = fs::read_to_string(module.join("config")).expect("its config");
    fs::write(module.join("config"), text + &config).expect("writing");
    // The same content again: git has to read it, and would filter it.
    let same = fs::read(lib.join("README.md")).expect("a file");
    let touch = || fs::write(lib.join("README.md"), &same).expect("writing");
    touch();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    for place in [lib.join(".gitattributes"), module.join("info/attributes")] {
        fs::create_dir_all(place.parent().expect("a parent")).expect("a directory");
        fs::write(&place, "* filter=evil\n").expect("writing");
        world.try_git(&lib, "status");
        traps.assert_sprung();
        touch();
        world.pool("release p/slot1").code(5).silent().says("lib");
        world.pool("status p/slot1").ok();
        world.pool("recover").ok();
        traps.assert_not_sprung("a verb");
        fs::remove_file(&place).expect("deleting");
    }
    touch();
    world.pool("release p/slot1").ok();
    traps.assert_not_sprung("release");
    assert!(world.is_rescued("p", "work\n"));
    assert_without_submodule(&world, &dir);
    world.assert_sound("p");
}

/// 3.2: submodules in submodules that hold nothing of their own are no reason to refuse.
#[test]
fn release_looks_into_submodules_of_submodules() {
    let (world, _remote, dir) = slot_with_submodule();
    let inner = world.remote_named("inner");
    let lib = dir.join("lib");
    let add = "-c protocol.file.allow=always submodule --quiet add";
    let add: Vec<&str> = add.split(' ').collect();
    let at = inner.dir();
    let add: Vec<String> = add
        .iter()
        .copied()
        .chain([at.as_str(), "inner"])
        .map(str::to_owned)
        .collect();
    world.git(&lib, add);
    world.git(&lib, "commit -q -m Inner");
    world.git(&lib, "push -q origin HEAD:refs/heads/nested");
    world.git(&dir, "commit -q -a -m Nested");
    fs::write(lib.join("inner/work.txt"), "work\n").expect("writing");
    let out = world.pool("release p/slot1");
    out.code(5).silent().says("lib/inner");
    fs::remove_file(lib.join("inner/work.txt")).expect("deleting");
    world.pool("release p/slot1").ok();
    assert_without_submodule(&world, &dir);
    world.assert_sound("p");
}

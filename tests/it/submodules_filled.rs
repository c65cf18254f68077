//! Pools whose slots have their submodules.

#[cfg(debug_assertions)]
use crate::support::crash_places;
use crate::support::{Remote, World, tree};
use std::fs;
use std::path::{Path, PathBuf};

/// A remote with the submodule `lib`, which has the submodule `inner`; and both of theirs.
#[track_caller]
fn remotes(world: &World) -> [Remote; 3] {
    let [remote, library, inner] =
        ["remote", "library", "inner"].map(|name| world.remote_named(name));
    add_submodule(world, &library, "../inner.git", "inner");
    add_submodule(world, &remote, &library.dir(), "lib");
    [remote, library, inner]
}

/// Adds a submodule to the main branch of a remote.
#[track_caller]
fn add_submodule(world: &World, to: &Remote, url: &str, place: &str) {
    let clone = checkout(world, to);
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        url,
        place,
    ];
    world.git(&clone, add);
    world.git(&clone, "commit -q -m Submodule");
    world.git(&clone, "push -q origin main");
}

/// A clone of the remote, always the same and up to date.
#[track_caller]
fn checkout(world: &World, remote: &Remote) -> PathBuf {
    let name = remote.path.file_stem().expect("a name").to_string_lossy();
    let name = format!("clone-of-{name}");
    let dir = world.path(&name);
    match dir.exists() {
        true => {
            world.git(&dir, "pull -q --no-recurse-submodules");
            dir
        }
        false => world.clone_of(remote, &name),
    }
}

/// Has the superproject record the newest commit of `lib`; the superproject's commit.
#[track_caller]
fn bump(world: &World, remote: &Remote, library: &Remote) -> String {
    let clone = checkout(world, remote);
    let tip = world.tip(library, "main");
    let entry = format!("160000,{tip},lib");
    world.git(&clone, ["update-index", "--cacheinfo", &entry]);
    world.git(&clone, "commit -q -m Newer");
    world.git(&clone, "push -q origin main");
    world.head(&clone)
}

#[track_caller]
fn declare(world: &World, remote: &Remote, setting: &str) {
    let url = remote.url();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nnum_slots = 2\nsubmodules = {setting}\n"
    ));
}

/// A pool `p` of two slots with their submodules.
#[track_caller]
fn filled(setting: &str) -> (World, [Remote; 3]) {
    let world = World::new();
    let all = remotes(&world);
    declare(&world, &all[0], setting);
    world.pool(format!("create p {}", all[0].url())).ok();
    (world, all)
}

/// The submodule must be at the commit that the slot records, whole and with nothing else in it.
#[track_caller]
fn assert_filled(world: &World, dir: &Path, place: &str, remote: &Remote) {
    let at = dir.join(place);
    let (above, name) = (
        at.parent().expect("a parent"),
        at.file_name().expect("a name"),
    );
    let recorded = world.git(
        above,
        ["rev-parse", &format!(":./{}", name.to_string_lossy())],
    );
    assert_eq!(world.head(&at), recorded, "{place}");
    world.assert_clean(&at);
    let wanted = world.path(format!("wanted-{recorded}"));
    if !wanted.exists() {
        let path = wanted.display().to_string();
        world.git(&world.path(""), ["clone", "-q", &remote.dir(), &path]);
        world.git(&wanted, ["checkout", "-q", &recorded]);
    }
    let mut found = tree(&at);
    found.retain(|path, _| !path.starts_with("inner") || path.as_os_str() == "inner");
    assert_eq!(found, tree(&wanted), "{place}");
    let status = world.git(dir, "submodule status");
    assert!(
        status
            .lines()
            .all(|line| !line.starts_with(['-', '+', 'U'])),
        "{status}"
    );
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut all| all.next().is_none())
}

#[track_caller]
fn allocate(world: &World, options: &str) -> PathBuf {
    world.pool(format!("allocate p {options}")).ok().path()
}

#[track_caller]
fn release(world: &World, dir: &Path) {
    world.pool(["release", &dir.display().to_string()]).ok();
}

/// 1.2, 2.1, 3.4: every slot has its submodules, from one copy of what they come from, and they are as
/// new after whatever was done in them.
#[test]
fn slots_have_their_submodules_and_get_them_back() {
    let (world, [_, library, _]) = filled("true");
    for dir in [allocate(&world, ""), allocate(&world, "")] {
        assert_filled(&world, &dir, "lib", &library);
        assert!(is_empty(&dir.join("lib/inner")));
    }
    let caches = fs::read_dir(world.pool_dir("p").join("modules")).expect("modules");
    assert_eq!(caches.count(), 1);
    let dir = world.slot_path("slot1");
    let lib = dir.join("lib");
    let module = world.admin_dir("slot1").join("modules/lib");
    fs::create_dir_all(lib.join("target/debug")).expect("a directory");
    fs::write(lib.join("target/debug/out"), "built").expect("writing");
    world.git(&lib, "checkout -q main");
    world.git(&lib, "config core.sshCommand evil");
    fs::create_dir_all(module.join("hooks")).expect("a directory");
    fs::write(module.join("hooks/pre-commit"), "#!/bin/sh\nexit 1\n").expect("writing");
    fs::write(module.join("info/exclude"), "*.o\n")
        .or_else(|_| {
            fs::create_dir_all(module.join("info"))?;
            fs::write(module.join("info/exclude"), "*.o\n")
        })
        .expect("writing");
    release(&world, &dir);
    let slot = world.slot("p/slot1");
    assert_eq!(
        (&slot["parked"], &slot["verified"]),
        (&true.into(), &true.into())
    );
    assert_eq!(allocate(&world, "--no-fetch"), dir);
    assert_filled(&world, &dir, "lib", &library);
    assert_eq!(world.try_git(&lib, "config core.sshCommand").code, 1);
    assert!(!module.join("hooks").exists() && !lib.join("target").exists());
    release(&world, &dir);
    release(&world, &world.slot_path("slot2"));
    world.assert_sound("p");
    assert_eq!(world.pool("recover --dry-run").code, 0);
}

/// 3.3, 6.1: submodules follow the commit: newer, gone, and back.
#[test]
fn submodules_follow_the_slots_commit() {
    let (world, [remote, library, _]) = filled("true");
    world.push_commit(&library, "newest.txt", "newer\n");
    let tip = bump(&world, &remote, &library);
    let dir = allocate(&world, "");
    assert_eq!(world.head(&dir), tip);
    assert_filled(&world, &dir, "lib", &library);
    assert_eq!(
        fs::read_to_string(dir.join("lib/newest.txt")).expect("it"),
        "newer\n"
    );
    release(&world, &dir);
    let dir = allocate(&world, "--ref main~2");
    assert!(!dir.join("lib").exists());
    world.assert_clean(&dir);
    release(&world, &dir);
    let dir = allocate(&world, "");
    assert_filled(&world, &dir, "lib", &library);
    release(&world, &dir);
    world.push_commit(&library, "newest.txt", "newest\n");
    bump(&world, &remote, &library);
    world.pool("warm p").ok();
    let dir = allocate(&world, "--no-fetch");
    assert_filled(&world, &dir, "lib", &library);
    assert_eq!(
        fs::read_to_string(dir.join("lib/newest.txt")).expect("it"),
        "newest\n"
    );
    release(&world, &dir);
    world.assert_sound("p");
}

/// Submodules of submodules, whose address is relative to theirs.
#[test]
fn submodules_of_submodules_are_filled_if_that_is_wanted() {
    let (world, [_, library, inner]) = filled("\"recursive\"");
    let dir = allocate(&world, "");
    assert_filled(&world, &dir, "lib", &library);
    assert_filled(&world, &dir.join("lib"), "inner", &inner);
    fs::write(dir.join("lib/inner/work.txt"), "work\n").expect("writing");
    world
        .pool("release p/slot1")
        .code(5)
        .silent()
        .says("lib/inner");
    world.pool("release p/slot1 --discard").ok();
    assert_eq!(allocate(&world, "--no-fetch"), dir);
    assert_filled(&world, &dir.join("lib"), "inner", &inner);
    assert!(!dir.join("lib/inner/work.txt").exists());
    release(&world, &dir);
    world.assert_sound("p");
}

/// Section 6: work that only a submodule holds is not given up, and what is pushed is none.
#[test]
fn release_refuses_work_in_a_submodule_that_the_pool_filled() {
    let (world, [remote, library, _]) = filled("true");
    let dir = allocate(&world, "");
    let lib = dir.join("lib");
    fs::write(lib.join("README.md"), "edited\n").expect("writing");
    world.pool("release p/slot1").code(5).silent().says("lib");
    // Who looks sees that there is something.
    assert_eq!(world.slot("p/slot1")["work"]["changes"]["unstaged"], 1);
    assert_eq!(
        fs::read_to_string(lib.join("README.md")).expect("it"),
        "edited\n"
    );
    assert_eq!(world.state("p/slot1"), "allocated");
    world.git(&lib, "checkout -q -b work");
    let commit = world.commit(&lib, "README.md", "edited\n");
    world.pool("release p/slot1").code(5).silent().says("lib");
    world.git(&lib, "push -q origin work");
    assert_eq!(world.tip(&library, "work"), commit);
    world.git(&dir, "commit -q -a -m Library");
    release(&world, &dir);
    assert_eq!(world.rescues("p").len(), 1);
    assert_eq!(allocate(&world, ""), dir);
    assert_eq!(world.head(&dir), world.tip(&remote, "main"));
    assert_filled(&world, &dir, "lib", &library);
    world.assert_sound("p");
}

/// That a submodule can't be fetched is said; it is no slot's fault, and what was fetched once is there.
#[test]
fn a_submodule_that_can_not_be_fetched_is_no_slots_fault() {
    let (world, [remote, library, _]) = filled("true");
    let away = library.path.with_extension("away");
    fs::rename(&library.path, &away).expect("moving a remote");
    let dir = allocate(&world, "");
    release(&world, &dir);
    world.pool("add-slot p").ok();
    fs::remove_dir_all(world.slot_dir("slot1")).expect("deleting a slot");
    world.pool("recover p").ok();
    fs::rename(&away, &library.path).expect("moving it back");
    world.push_commit(&library, "newest.txt", "newer\n");
    bump(&world, &remote, &library);
    fs::rename(&library.path, &away).expect("moving a remote");
    let out = world.pool("allocate p");
    out.code(1).silent().says("lib").says("can't be fetched");
    assert_eq!(world.status("p")["summary"]["available_slots"], 3);
    fs::rename(&away, &library.path).expect("moving it back");
    for _ in 0..3 {
        let dir = allocate(&world, "");
        assert_filled(&world, &dir, "lib", &library);
    }
    world.assert_sound("p");
}

/// What a killed command has half filled is nobody's work.
#[test]
fn submodules_that_were_half_filled_are_filled_anew() {
    let (world, [_, library, _]) = filled("true");
    for half in ["index", "HEAD"] {
        let admin = world.admin_dir("slot1");
        let parked = world.idle_dir("slot1");
        fs::write(admin.join("repo-pool-filling"), "").expect("writing");
        fs::remove_file(parked.join("lib/README.md")).expect("deleting");
        fs::remove_file(admin.join("modules/lib").join(half)).expect("deleting");
        world.pool("recover p/slot1").ok();
        let dir = allocate(&world, "");
        let other = allocate(&world, "");
        assert_filled(&world, &dir, "lib", &library);
        assert_filled(&world, &other, "lib", &library);
        release(&world, &dir);
        release(&world, &other);
        world.assert_sound("p");
    }
}

/// The setting can be changed at any time.
#[test]
fn the_setting_counts_from_the_next_time_on() {
    let (world, [remote, library, inner]) = filled("false");
    let dir = allocate(&world, "");
    assert!(is_empty(&dir.join("lib")));
    release(&world, &dir);
    declare(&world, &remote, "\"recursive\"");
    let dir = allocate(&world, "");
    assert_filled(&world, &dir, "lib", &library);
    assert_filled(&world, &dir.join("lib"), "inner", &inner);
    release(&world, &dir);
    declare(&world, &remote, "false");
    let dir = allocate(&world, "");
    assert!(is_empty(&dir.join("lib")));
    world.assert_clean(&dir);
    for wrong in ["3", "\"deep\"", "[true]"] {
        declare(&world, &remote, wrong);
        world
            .pool("config check")
            .code(2)
            .says("recursive")
            .says("pools.toml:4");
    }
}

/// What a repository records about its submodules was written by anybody.
#[test]
fn submodules_that_lead_elsewhere_are_refused() {
    for (name, path, url) in [
        ("../../../evil", "lib", "../library.git"),
        ("lib", "lib", "ext::sh -c 'touch %S'"),
        ("lib", "lib", "--upload-pack=touch"),
    ] {
        let world = World::new();
        let [remote, ..] = remotes(&world);
        let text = format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n");
        world.push_commit(&remote, ".gitmodules", &text);
        declare(&world, &remote, "true");
        let out = world.pool(format!("create p {}", remote.url()));
        out.code(1).silent().says("is not taken");
        assert_eq!(world.list(), [""; 0]);
    }
}

/// 9.4: killed before any of its effects, a command leaves no slot half filled, and no work is lost.
#[cfg(debug_assertions)]
#[test]
fn a_kill_at_any_point_leaves_no_slot_half_filled() {
    const KILLED: i32 = 128 + 9;
    let (world, [remote, library, _]) = filled("true");
    for verb in ["release", "warm"] {
        let mut kills = 0;
        for point in crash_places(32) {
            let dir = allocate(&world, "--no-fetch");
            let slot = dir.display().to_string();
            let work = format!("{verb} {point}\n");
            fs::write(dir.join("work.txt"), &work).expect("writing");
            let args = match verb {
                "warm" => {
                    world.push_commit(&library, "newest.txt", &work);
                    bump(&world, &remote, &library);
                    vec!["warm".to_owned(), "p".to_owned()]
                }
                verb => vec![verb.to_owned(), slot.clone()],
            };
            let call = world.call(args).env("REPO_POOL_JOBS", "1");
            let out = call.env("REPO_POOL_CRASH_AT", point.to_string()).run();
            out.one_of(&[0, KILLED]);
            world.pool(["release", &slot]).ok();
            assert!(world.is_rescued("p", &work), "{verb} {point}");
            for dir in [allocate(&world, ""), allocate(&world, "")] {
                assert_filled(&world, &dir, "lib", &library);
                release(&world, &dir);
            }
            world.pool("recover p").ok();
            world.assert_sound("p");
            if out.code == 0 {
                break;
            }
            kills += 1;
        }
        assert!(kills > 0, "{verb}: it was never killed");
    }
}

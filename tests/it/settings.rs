//! Settings of `pools.toml` that change what allocate and release do.

use crate::support::{Out, World, await_quiet, tree};
use std::fs;
use std::path::Path;

fn write(path: impl AsRef<Path>, content: &str) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, content).expect("writing");
}

/// 4.2, 7.1: `max_slots` of `[defaults]` bounds a pool that grows by itself.
#[test]
fn max_slots_limits_a_pool_made_on_first_use() {
    let world = World::new();
    let remote = world.remote();
    world.declare("[defaults]\nmax_slots = 2\n");
    let clone = world.clone_of(&remote, "clone").display().to_string();
    let first = world.pool(["allocate", &clone]).ok().path();
    let second = world.pool(["allocate", &clone]).ok().path();
    assert_ne!(first, second);
    world.pool(["allocate", &clone]).code(4).silent();
    let pools = world.list();
    assert_eq!(pools.len(), 1, "{pools:?}");
    assert_eq!(world.slots(&pools[0]).len(), 2);
    world.assert_sound(&pools[0]);
}

/// 3.2: `keep` leaves the ignored paths it names, and no others.
#[test]
fn keep_leaves_warm_caches_and_nothing_else() {
    let (world, remote) = World::with_pool(1);
    let url = remote.url();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nkeep = [\"target/\"]\n"
    ));
    let dir = world.pool("allocate p").ok().path();
    write(dir.join("target/debug/built"), "built\n");
    write(dir.join("node_modules/m/index.js"), "x");
    write(dir.join("run.log"), "x");
    write(dir.join("untracked.txt"), "x");
    let check = |when: &str| {
        let dir = world.place(&dir);
        let built = fs::read_to_string(dir.join("target/debug/built"));
        assert_eq!(built.ok().as_deref(), Some("built\n"), "{when}");
        for gone in ["node_modules", "run.log", "untracked.txt"] {
            assert!(!dir.join(gone).exists(), "{gone} {when}");
        }
        let status = world.git(&dir, "status --porcelain -uall --ignored=matching");
        assert_eq!(status, "!! target/", "{when}");
    };
    world.pool("release p/slot1").ok();
    check("after release");
    assert_eq!(world.state("p/slot1"), "available");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    assert_eq!(world.head(&dir), pushed);
    check("after allocate");
    world.pool("status p --check").ok();
    world.pool("recover").ok();
    check("after recover");
}

/// 3.4: `clean_on_release = false` leaves the tree to the next allocation, as `--no-cleanup` does.
#[test]
fn clean_on_release_can_be_turned_off() {
    let (world, remote) = World::with_pool(1);
    world.declare("[defaults]\nclean_on_release = false\n");
    let dir = world.pool("allocate p --branch topic").ok().path();
    write(dir.join("target/built"), "x");
    write(dir.join("untracked.txt"), "left for later\n");
    let before = tree(&dir);
    world.pool("release p/slot1").ok();
    assert_eq!(tree(&dir), before);
    assert_eq!(world.branch(&dir), "", "an idle slot is on no branch");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "available");
    assert_eq!(slot["verified"], false);
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    assert!(world.is_rescued("p", "left for later\n"));
}

/// 3.1: `fetch_max_age` spares the fetch while the last one is young enough.
#[test]
fn fetch_max_age_spares_the_fetch() {
    let (world, remote) = World::with_pool(1);
    world.allocate("p");
    world.pool("release p/slot1").ok();
    let known = world.tip(&remote, "main");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    world.declare("[defaults]\nfetch_max_age = \"1h\"\n");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), known);
    world.pool("release p/slot1").ok();
    world.declare("[defaults]\nfetch_max_age = \"0s\"\n");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), pushed);
}

/// A release for whose cleaning there is no time.
#[track_caller]
fn release_out_of_time(world: &World, dir: &Path) -> Out {
    world.commit(dir, "committed.txt", "committed\n");
    write(dir.join("work.txt"), "uncommitted\n");
    write(dir.join("target/built"), "x");
    world
        .call("release p/slot1")
        .env("REPO_POOL_CLEANUP_TIMEOUT", "1ms")
        .run()
}

/// 3.4, section 6: a cleaning that runs out of time says so, and goes on in the background.
#[test]
fn a_cleaning_that_runs_out_of_time_goes_on_in_the_background() {
    for next in ["recover", "release p/slot1"] {
        let (world, remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        let out = release_out_of_time(&world, &dir);
        out.ok().silent().says("cleanup_timeout");
        await_quiet(&world);
        world.pool(next).ok();
        assert_eq!(world.state("p/slot1"), "available", "{next}");
        for content in ["committed\n", "uncommitted\n"] {
            assert!(world.is_rescued("p", content), "{next}: {content:?}");
        }
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
        world.assert_sound("p");
    }
}

/// 3.4, 2.1: such a slot is handed out again by the next allocation, clean.
#[test]
fn allocate_takes_up_a_cleaning_that_ran_out_of_time() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    release_out_of_time(&world, &dir).ok();
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    for content in ["committed\n", "uncommitted\n"] {
        assert!(world.is_rescued("p", content), "{content:?}");
    }
    world.assert_sound("p");
}

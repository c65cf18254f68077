//! When allocate fetches, what it does when that fails, and what it says when no slot is left.

use crate::support::{Remote, World};

/// Moves the remote away; allocations that fetch fail from now on.
fn lose(world: &World, remote: &Remote) {
    std::fs::rename(&remote.path, world.path("lost.git")).expect("moving the remote");
}

/// Gives a workspace its `pools.toml`.
fn declare(world: &World, text: &str) {
    world.pool("init").ok();
    std::fs::write(world.workspace().join("pools.toml"), text).expect("writing");
}

/// 3.1: `--no-fetch` asks nothing of the remote.
#[test]
fn allocate_no_fetch_uses_what_is_there() {
    let (world, remote) = World::with_pool(1);
    let known = world.tip(&remote, "main");
    world.push_commit(&remote, "late.txt", "late");
    let dir = world.pool("allocate p --no-fetch").ok().path();
    assert_eq!(world.head(&dir), known);
    world.pool("release p/slot1").ok();
    lose(&world, &remote);
    world.pool("allocate p --no-fetch").ok().path();
}

/// 3.1: a fetch that is fresh enough is good enough.
#[test]
fn allocate_spares_a_fetch_when_the_last_is_fresh() {
    let (world, remote) = World::with_pool(1);
    world.pool("allocate p").ok();
    world.pool("release p/slot1").ok();
    let known = world.tip(&remote, "main");
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = world.pool("allocate p --fetch-max-age 1h").ok().path();
    assert_eq!(world.head(&dir), known);
    world.pool("release p/slot1").ok();
    let dir = world.pool("allocate p --fetch-max-age 0s").ok().path();
    assert_eq!(world.head(&dir), pushed);
}

/// 3.1, 8.5: `fetch_on_allocate = false` does so always.
#[test]
fn fetch_on_allocate_can_be_turned_off() {
    let (world, remote) = World::with_pool(1);
    let known = world.tip(&remote, "main");
    world.push_commit(&remote, "late.txt", "late");
    declare(&world, "[defaults]\nfetch_on_allocate = false\n");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), known);
}

/// 3.1, 6.5: a failing fetch is an error with git's words, and nothing is handed out.
#[test]
fn allocate_fails_when_the_fetch_fails() {
    let (world, remote) = World::with_pool(1);
    lose(&world, &remote);
    let out = world.pool("allocate p");
    out.code(1)
        .silent()
        .says("does not appear to be a git repository");
    assert_eq!(world.state("p/slot1"), "available");
    let out = world.pool("allocate p --json");
    out.code(1).silent().kind("git_operation");
    world.assert_sound("p");
}

/// 3.1: `on_fetch_failure = "use-cache"` hands out the last known base with a warning.
#[test]
fn allocate_may_use_the_cache_when_the_fetch_fails() {
    let (world, remote) = World::with_pool(1);
    let known = world.tip(&remote, "main");
    lose(&world, &remote);
    let call = world.call("allocate p");
    let out = call.env("REPO_POOL_ON_FETCH_FAILURE", "use-cache").run();
    let dir = out.ok().path();
    assert_eq!(world.head(&dir), known);
    assert!(!out.stderr.trim().is_empty(), "no warning\n{out}");
    world.pool("release p/slot1").ok();
    declare(&world, "[defaults]\non_fetch_failure = \"use-cache\"\n");
    world.pool("allocate p").ok().path();
}

/// 4.2: when no slot is free, each slot is named with its holder and the command that frees it.
#[test]
fn exhaustion_explains_itself() {
    let (world, _remote) = World::with_pool(3);
    world.allocate("p --owner first-job");
    world.allocate("p --owner second-job");
    let idle = world
        .slots("p")
        .into_iter()
        .find(|s| s["state"] == "available");
    let idle = idle.expect("one is idle")["slot_id"].to_string();
    let idle = idle.trim_matches('"');
    world
        .pool(["isolate", idle, "--reason", "looking into it"])
        .ok();
    let out = world.pool("allocate p");
    out.code(4).silent();
    for text in [
        "slot1",
        "slot2",
        "slot3",
        "first-job",
        "second-job",
        "looking into it",
    ] {
        out.says(text);
    }
    out.says("repo-pool release").says("repo-pool recover");
    world
        .pool("allocate p --json")
        .code(4)
        .silent()
        .kind("no_available_slot");
}

/// 4.2, 10.5: a slot that was given back is handed out again, and the failure was counted.
#[test]
fn allocate_works_again_after_a_release() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.pool("allocate p").code(4);
    world.pool("release p/slot1").ok();
    assert_eq!(world.pool("allocate p").ok().path(), dir);
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["failed_allocations"], 1, "{summary}");
    assert_eq!(summary["total_allocations"], 2, "{summary}");
}

/// 4.2, 7.1: `--grow` adds a slot instead, up to `max_slots`.
#[test]
fn allocate_grow_adds_slots_up_to_the_limit() {
    let world = World::new();
    let remote = world.remote();
    declare(
        &world,
        &format!(
            "[pools.p]\nrepo_url = \"{}\"\nnum_slots = 1\nmax_slots = 2\n",
            remote.url()
        ),
    );
    world.pool("allocate p").ok().path();
    world.pool("allocate p").code(4).silent();
    let second = world.pool("allocate p --grow").ok().path();
    world.assert_holds(&second, &remote, &world.tip(&remote, "main"));
    world.pool("allocate p --grow").code(4).silent();
    assert_eq!(world.slots("p").len(), 2);
    world.assert_sound("p");
}

/// 8.1, 8.5: a declared pool is made on first use, as declared.
#[test]
fn allocate_makes_a_declared_pool() {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    declare(
        &world,
        &format!("[pools.mine]\nrepo_url = \"{url}\"\nnum_slots = 3\nbase = \"topic\"\n"),
    );
    let dir = world.pool("allocate mine").ok().path();
    assert_eq!(world.head(&dir), world.tip(&remote, "topic"));
    assert_eq!(world.slots("mine").len(), 3);
}

/// Section 3: a URL is a pool made on first use, named after the repository, said on stderr.
#[test]
fn allocate_of_a_url_makes_the_pool_and_says_so() {
    let world = World::new();
    let remote = world.remote_named("project");
    let out = world.pool(format!("allocate {}", remote.url()));
    let dir = out.ok().path();
    out.says("project");
    assert_eq!(world.head(&dir), world.tip(&remote, "main"));
    assert_eq!(world.list(), ["project"]);
}

/// Section 3: a path means its `origin`, and its own commits can be worked on unpushed.
#[test]
fn allocate_of_a_path_takes_its_unpushed_commits() {
    let world = World::new();
    let remote = world.remote_named("project");
    let clone = world.clone_of(&remote, "clone");
    world.git(&clone, "checkout -q -b private");
    let unpushed = world.commit(&clone, "private.txt", "private\n");
    let out = world.call("allocate .").cwd(&clone).run();
    assert_eq!(world.head(&out.ok().path()), world.tip(&remote, "main"));
    assert_eq!(world.list(), ["project"]);
    let out = world.call("allocate . --ref private").cwd(&clone).run();
    let dir = out.ok().path();
    assert_eq!(world.head(&dir), unpushed);
    let out = world.pool(format!("allocate {} --ref {unpushed}", clone.display()));
    assert_eq!(world.head(&out.ok().path()), unpushed);
    world.assert_sound("project");
}

/// Section 3: a path to a repository without `origin` is its own remote.
#[test]
fn allocate_of_a_path_without_origin_uses_the_repository_itself() {
    let world = World::new();
    let remote = world.remote_named("project");
    let clone = world.clone_of(&remote, "clone");
    world.git(&clone, "remote remove origin");
    let commit = world.commit(&clone, "own.txt", "own\n");
    let inside = clone.join("src");
    let out = world.call("allocate ./").cwd(&clone).run();
    assert_eq!(world.head(&out.ok().path()), commit);
    let next = world.commit(&clone, "own.txt", "next\n");
    let out = world.call("allocate ..").cwd(inside).run();
    assert_eq!(world.head(&out.ok().path()), next);
    assert_eq!(world.list(), ["clone"]);
}

/// 2.1: what is no pool, no path of a repository and no URL.
#[test]
fn allocate_of_what_is_no_pool_says_so() {
    let (world, _remote) = World::with_pool(1);
    let out = world.pool("allocate nothing --json");
    out.code(7).silent().kind("pool_not_found");
    world
        .pool("allocate nothing")
        .code(7)
        .silent()
        .says("nothing");
    let empty = world.path("empty");
    std::fs::create_dir(&empty).expect("a directory");
    let out = world.pool(["allocate", &empty.display().to_string()]);
    assert_ne!(out.code, 0, "{out}");
    out.silent();
    assert_eq!(world.list(), ["p"]);
}

//! Requests that can't be met, or only in part: what is said, and that nothing is left changed.

use crate::support::{SilentServer, World, alive, files_containing, kill_on_drop, until};
use serde_json::Value;
use std::fs::{self, File};

/// So many slots of `p` must be available, and the pool as it should be.
#[track_caller]
fn assert_available(world: &World, slots: u32) {
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["available_slots"], slots, "{summary}");
    world.assert_sound("p");
}

/// 6.1: a branch whose name is the beginning of another's can't be made, and costs no slot.
#[test]
fn allocate_refuses_a_branch_that_is_the_folder_of_one_in_the_pool() {
    let (world, _remote) = World::with_pool(2);
    world.pool("allocate p --branch feature/x").ok();
    world.pool("release p/slot1 p/slot2").ok();
    for name in ["feature", "feature/x/y", "worktree", "worktree/p"] {
        let out = world.pool(["allocate", "p", "--branch", name]);
        out.one_of(&[1, 2]).silent().says(name);
        assert_available(&world, 2);
    }
    world.pool("allocate p --branch feature/x").ok();
}

/// 6.1: the same for the remote's branches: it could never be pushed.
#[test]
fn allocate_refuses_a_branch_that_is_the_folder_of_one_at_the_remote() {
    let (world, remote) = World::with_pool(2);
    world.push_to(&remote, "refs/heads/feature/x", "x.txt", "x\n");
    for name in ["feature", "feature/x/y", "release"] {
        let out = world.pool(["allocate", "p", "--branch", name]);
        out.one_of(&[1, 2]).silent().says(name);
        assert_available(&world, 2);
    }
    let dir = world.pool("allocate p --branch feature/x").ok().path();
    assert_eq!(world.head(&dir), world.tip(&remote, "refs/heads/feature/x"));
}

/// 6.1, 3.4: an idle slot holds no branch, so the next one can have it.
#[test]
fn a_branch_is_free_after_release_without_cleanup() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p --branch topic").ok().path();
    let commit = world.commit(&dir, "work.txt", "work\n");
    fs::write(dir.join("untracked.txt"), "left\n").expect("writing");
    let slot = world.slots("p");
    let held = slot.iter().find(|slot| slot["state"] == "allocated");
    let id = held.expect("a held slot")["slot_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.pool(["release", &id, "--no-cleanup"]).ok();
    assert_eq!(world.branch(&dir), "", "an idle slot is on no branch");
    assert_eq!(world.head(&dir), commit);
    assert!(dir.join("untracked.txt").exists());
    world.pool("allocate p --no-fetch").ok();
    let next = world.pool("allocate p --branch topic").ok().path();
    assert_eq!(world.branch(&next), "topic");
    assert_eq!(world.head(&next), commit);
    assert!(world.is_rescued("p", "left\n"));
}

/// 3.4: what leaves everything can give nothing up.
#[test]
fn release_without_cleanup_and_discard_exclude_each_other() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let out = world.pool("release p/slot1 --no-cleanup --discard");
    out.code(2).silent();
    let out = world.pool("release p/slot1 --no-cleanup --discard --json");
    out.code(2).silent().kind("usage");
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// 4.3: a busy lock is waited for once; counting the failure does not wait for it again.
#[test]
fn a_busy_pool_lock_is_waited_for_once() {
    let (world, _remote) = World::with_pool(1);
    let held = world.hold("pool.lock");
    let out = world.pool("allocate p --lock-timeout 1s");
    out.code(3).silent();
    let notes = out.stderr.matches("waiting for the lock").count();
    // None, if the time was over as soon as that was to be said.
    assert!(notes <= 1, "{out}");
    drop(held);
    assert_available(&world, 1);
}

/// Section 5: `--kill` ends a tree of processes that goes on making new ones.
#[test]
fn release_kill_ends_a_tree_that_keeps_forking() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let note = world.path("pid");
    let ignoring = ["trap '' TERM", "trap : TERM"];
    for (round, ignore) in ignoring.iter().enumerate() {
        let script = format!(
            "(cd '{}' && {ignore} && while :; do sleep 1; done) >/dev/null 2>&1 </dev/null &\n\
             echo $! >'{}'",
            dir.display(),
            note.display()
        );
        let _outside = world.helper(&world.path(""), &script);
        let pid = fs::read_to_string(&note).expect("a note");
        let pid: u32 = pid.trim().parse().expect("an id");
        let _guard = kill_on_drop(pid);
        until("it is inside and has a child", || {
            let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            // Not every kernel tells the children; being inside is enough then.
            let forked = children.map_or(true, |children| !children.trim().is_empty());
            (cwd == dir && forked).then_some(())
        });
        world.pool("release p/slot1").code(5).silent();
        world.pool("release p/slot1 --kill").ok();
        until("it is gone", || (!alive(pid)).then_some(()));
        assert_available(&world, 1);
        if round + 1 < ignoring.len() {
            assert_eq!(world.pool("allocate p").ok().path(), dir);
        }
    }
}

/// 8.1, section 3: a URL or path whose pool is declared makes that pool, as declared.
#[test]
fn a_repository_means_the_pool_that_is_declared_for_it() {
    for by_path in [false, true] {
        let world = World::new();
        let remote = world.remote();
        let url = remote.url();
        world.declare(&format!(
            "[pools.special]\nrepo_url = \"{url}\"\nnum_slots = 3\nbase = \"topic\"\n"
        ));
        let clone = world.clone_of(&remote, "clone");
        world.git(&clone, ["remote", "set-url", "origin", &url]);
        let wanted = if by_path {
            clone.display().to_string()
        } else {
            url
        };
        let dir = world.pool(["allocate", &wanted]).ok().path();
        assert_eq!(world.list(), ["special"], "{wanted}");
        assert_eq!(world.head(&dir), world.tip(&remote, "topic"), "{wanted}");
        assert_eq!(world.slots("special").len(), 3, "{wanted}");
        world.assert_sound("special");
    }
}

/// 1.1, 8.1: a declared name is not given to another repository.
#[test]
fn create_refuses_a_declared_name_for_another_repository() {
    let world = World::new();
    let (remote, other) = (world.remote(), world.remote_named("other"));
    let url = remote.url();
    world.declare(&format!(
        "[pools.special]\nrepo_url = \"{url}\"\nnum_slots = 1\n"
    ));
    let out = world.pool(["create", "special", &other.url()]);
    out.code(2).silent().says("special");
    assert!(world.list().is_empty());
    assert!(!world.pool_dir("special").exists());
    world.pool(["create", "special", &url]).ok();
    assert_eq!(world.list(), ["special"]);
}

/// Section 4, 10.5: an allocation that nobody got is a failed one, and no use of the slot.
#[test]
fn an_allocation_that_cannot_be_printed_counts_as_failed() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    world.pool("release p/slot1").ok();
    let counts = || -> (Value, Value, Value, u64) {
        let summary = world.status("p")["summary"].clone();
        let slot = world.slot("p/slot1");
        (
            summary["total_allocations"].clone(),
            slot["allocation_count"].clone(),
            slot["last_allocated_at"].clone(),
            summary["failed_allocations"].as_u64().unwrap_or_default(),
        )
    };
    for args in ["allocate p", "allocate p --json"] {
        let before = counts();
        let full = File::options().write(true).open("/dev/full");
        let full = full.expect("/dev/full");
        let out = world.call(args).stdout_to(full).run();
        assert_ne!(out.code, 0, "{out}");
        let after = counts();
        assert_eq!(after.0, before.0, "total_allocations");
        assert_eq!(after.1, before.1, "allocation_count");
        assert_eq!(after.2, before.2, "last_allocated_at");
        assert_eq!(after.3, before.3 + 1, "failed_allocations");
        assert_available(&world, 1);
    }
}

/// 1.1: a password with a slash makes a URL ambiguous; it is refused and the password not shown.
#[test]
fn a_url_with_a_slash_in_its_password_is_refused_without_showing_it() {
    let world = World::new();
    let url = "https://user:to/ken@127.0.0.1:1/x.git";
    world.pool("init").ok();
    for command in [["create", "x", url].as_slice(), &["allocate", url]] {
        for json in [false, true] {
            let mut args: Vec<String> = command.iter().map(|&arg| arg.to_owned()).collect();
            args.extend(json.then(|| "--json".to_owned()));
            let out = world.pool(args);
            out.code(2).silent();
            for secret in ["to/ken", "ken@", ":to"] {
                out.never_says(secret);
            }
        }
    }
    assert!(world.list().is_empty());
    assert!(files_containing(&world.workspace(), "ken@").is_empty());
}

/// 4.5, 1.1: views neither wait for a pool that is being made nor take it away when its maker is
/// gone; `recover` does.
#[test]
fn views_leave_a_pool_that_is_being_made_alone() {
    let world = World::new();
    let server = SilentServer::start();
    world.pool("init").ok();
    let making = world
        .call(format!("create p {} -n 1", server.git_url()))
        .spawn();
    until("git has connected", || {
        (server.connections() > 0).then_some(())
    });
    let look = || {
        for view in ["status", "list"] {
            world.pool(view).ok();
        }
        for view in ["status p", "log p", "branches p"] {
            world.pool(view).one_of(&[0, 1, 7]);
        }
        assert!(world.pool_dir("p").exists(), "it was taken away");
    };
    look();
    assert!(alive(making.pid()), "the views outlasted the making");
    drop(making); // by SIGKILL
    look();
    drop(server); // its git ends with the connection
    until("recover takes it away", || {
        world.pool("recover");
        (!world.pool_dir("p").exists()).then_some(())
    });
    assert!(world.list().is_empty());
    world.pool("recover --dry-run").ok();
}

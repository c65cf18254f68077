//! `apply` killed in the middle: the next one goes on from there, and does what its dry run says.

use crate::support::{Out, Remote, World, await_quiet, crash_places, say};

/// What a process that was ended by SIGKILL leaves as its code.
const KILLED: i32 = 128 + 9;

fn pool(name: &str, remote: &Remote, slots: u32) -> String {
    let url = remote.url();
    format!("[pools.{name}]\nrepo_url = \"{url}\"\nnum_slots = {slots}\n")
}

/// A pool to be made, one to grow, one to shrink, one to go, and one that is nobody's business.
#[track_caller]
fn begin(world: &World, remote: &Remote) {
    for name in world.list() {
        world.pool(format!("remove-pool {name} --force")).ok();
    }
    let there = [("grows", 1), ("shrinks", 3), ("goes", 1)];
    world.declare(
        &there
            .map(|(name, slots)| pool(name, remote, slots))
            .concat(),
    );
    world.pool("apply").ok();
    world
        .pool(format!("create foreign {} -n 2", remote.url()))
        .ok();
    let wanted = [("new", 2), ("grows", 3), ("shrinks", 1)];
    world.declare(
        &wanted
            .map(|(name, slots)| pool(name, remote, slots))
            .concat(),
    );
}

#[track_caller]
fn is_applied(world: &World, out: &Out) {
    assert_eq!(
        world.list(),
        ["foreign", "grows", "new", "shrinks"],
        "{out}"
    );
    for (name, slots) in [("new", 2), ("grows", 3), ("shrinks", 1), ("foreign", 2)] {
        assert_eq!(world.slots(name).len(), slots, "{name}\n{out}");
    }
    world.pool("apply --prune --dry-run").ok().silent();
}

#[test]
fn the_next_apply_goes_on_where_one_was_killed() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let mut points = 0;
    for place in crash_places(48) {
        begin(&world, &remote);
        let killed = world
            .call("apply --prune --jobs 1")
            .env("REPO_POOL_CRASH_AT", place.to_string())
            .run();
        await_quiet(&world);
        if killed.code != KILLED {
            is_applied(&world, killed.ok());
            break;
        }
        points += 1;
        // Even after a kill the next one does what it says that it would do.
        let planned = world.pool("apply --prune --dry-run");
        planned.one_of(&[0, 1]);
        let out = world.pool("apply --prune");
        assert_eq!(
            out.ok().stdout,
            planned.stdout,
            "{place}: {killed}\n{planned}"
        );
        is_applied(&world, &out);
        world.pool("recover").ok();
        world.pool("recover --dry-run").ok();
    }
    assert!(points > 0);
    say(&format!("apply: killed at {points} points"));
}

//! More slots, fewer slots, no pool any more, and a slot taken out of use.

use crate::support::World;
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

/// 7.1, 7.2: an added slot is filled, registered and ready.
#[test]
fn add_slot_adds_a_slot_that_is_filled_and_ready() {
    let (world, remote) = World::with_pool(1);
    let doc = world.pool("add-slot p --json").ok().json();
    assert_eq!(doc["slot"]["slot_id"], "workspace-p-slot2");
    assert_eq!(doc["slot"]["state"], "available");
    world.assert_holds(
        &world.slot_dir("slot2"),
        &remote,
        &world.tip(&remote, "main"),
    );
    assert_eq!(world.status("p")["num_slots"], 2);
    world.assert_sound("p");
    world.allocate("p");
    world.allocate("p");
}

/// 7.1: several at once, at most so many as make sense.
#[test]
fn add_slot_adds_several() {
    let (world, _remote) = World::with_pool(1);
    let doc = world.pool("add-slot p -n 3 --json").ok().json();
    let ids: Vec<_> = doc["slots"]
        .as_array()
        .expect("slots")
        .iter()
        .map(|s| s["slot_id"].clone())
        .collect();
    assert_eq!(
        ids,
        [
            "workspace-p-slot2",
            "workspace-p-slot3",
            "workspace-p-slot4"
        ]
    );
    for count in ["0", "-1", "1000000", "x"] {
        world
            .pool(["add-slot", "p", &format!("-n={count}")])
            .code(2)
            .silent();
    }
    world.pool("add-slot q").code(7).silent();
    assert_eq!(world.slots("p").len(), 4);
    world.assert_sound("p");
}

/// 1.4, 7.1: numbers are the lowest free ones.
#[test]
fn add_slot_takes_the_lowest_free_number() {
    let (world, _remote) = World::with_pool(3);
    world.pool("remove-slot p/slot2").ok();
    world.pool("remove-slot p/slot1").ok();
    let doc = world.pool("add-slot p --json").ok().json();
    assert_eq!(doc["slot"]["slot_id"], "workspace-p-slot1");
    assert_eq!(doc["slot"]["allocation_count"], 0);
    let doc = world.pool("add-slot p -n 2 --json").ok().json();
    assert_eq!(doc["slots"][0]["slot_id"], "workspace-p-slot2");
    assert_eq!(doc["slots"][1]["slot_id"], "workspace-p-slot4");
    world.assert_sound("p");
}

/// 7.3, 7.5: nothing of a removed slot is left, in the workspace or in git.
#[test]
fn remove_slot_deletes_directory_and_registration() {
    let (world, _remote) = World::with_pool(2);
    fs::create_dir_all(world.slot_dir("slot1").join("target/x")).expect("a directory");
    world.pool("remove-slot p/slot1").ok();
    assert!(!world.slot_dir("slot1").exists());
    assert!(!world.admin_dir("slot1").exists());
    let listed = world.git(&world.bare("p"), "worktree list --porcelain");
    assert!(!listed.contains("slot1"), "{listed}");
    world.pool("status p/slot1").code(7);
    world.pool("remove-slot p/slot1").code(7);
    assert_eq!(world.status("p")["num_slots"], 1);
    world.assert_sound("p");
}

/// 7.4: an allocated slot is refused, and untouched.
#[test]
fn remove_slot_refuses_an_allocated_slot() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    world.pool("remove-slot p/slot1").code(5).silent();
    world
        .pool("remove-slot p/slot1 --json")
        .code(5)
        .kind("refused");
    assert!(dir.join("work.txt").exists());
    assert_eq!(world.state("p/slot1"), "allocated");
}

/// 7.4, 7.5, section 6: with force it goes, but what was in it is saved.
#[test]
pub fn remove_slot_force_saves_the_work_first() {
    let (world, _remote) = World::with_pool(2);
    let slot = world.allocate("p");
    let dir = PathBuf::from(slot["slot_path"].as_str().expect("a path"));
    let commit = world.commit(&dir, "one.txt", "committed\n");
    fs::write(dir.join("two.txt"), "uncommitted\n").expect("writing");
    let id = slot["slot_id"].as_str().expect("an id");
    world.pool(["remove-slot", id, "--force"]).ok();
    assert!(!dir.exists());
    assert!(world.rescued_objects("p").contains(&commit));
    assert!(world.is_rescued("p", "uncommitted\n"));
    world.assert_sound("p");
}

/// 7.4: a process inside is protected from a forced removal too.
#[test]
fn remove_slot_force_refuses_while_a_process_is_inside() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let inside = world.helper(&dir, "");
    let out = world.pool("remove-slot p/slot1 --force");
    out.code(5).silent().says(inside.pid().to_string());
    assert!(dir.is_dir());
    inside.end();
    world.pool("remove-slot p/slot1 --force").ok();
    assert!(!dir.exists());
}

/// Section 5: who may release may remove: the id of the allocation gives the right to, and is as
/// good as asking for it by force; a wrong one never is.
#[test]
fn remove_slot_by_its_allocation() {
    let (world, _remote) = World::with_pool(2);
    let _holder = world.helper(&world.path(""), "$REPO_POOL allocate p >/dev/null");
    let slot = world.slot("p/slot1");
    let id = slot["allocation_id"].as_str().expect("an id");
    for force in ["", "--force"] {
        let wrong = "0".repeat(32);
        let out = world.pool(format!("remove-slot p/slot1 --allocation {wrong} {force}"));
        out.code(6).silent();
    }
    fs::write(world.slot_dir("slot1").join("new.txt"), "kept\n").expect("writing");
    let args = format!("remove-slot p/slot1 --allocation {id} --json");
    let doc = world.pool(args).ok().json();
    assert_eq!(doc["result"]["removed"], "workspace-p-slot1");
    assert!(world.is_rescued("p", "kept\n"));
    assert!(world.events("p", "forced").is_empty(), "nobody was forced");
    world.assert_sound("p");
}

/// Section 5: the id in the environment gives the right to remove, but does not ask for it.
#[test]
fn remove_slot_from_inside_exec_needs_force_and_nothing_more() {
    let (world, _remote) = World::with_pool(1);
    let script = "cd /; $REPO_POOL remove-slot $REPO_POOL_SLOT; echo $?; \
                  $REPO_POOL remove-slot $REPO_POOL_SLOT --force; echo $?";
    let out = world.pool(["exec", "p", "--", "sh", "-c", script]);
    assert_eq!(out.stdout, "5\n0\n", "{out}");
    assert!(
        world.events("p", "forced").is_empty(),
        "it was its own slot"
    );
    assert_eq!(world.status("p")["num_slots"], 0);
}

/// Section 5: a live holder is named, and only an operator gets past it, which the log tells.
#[test]
fn remove_slot_of_a_live_holder_is_an_operators() {
    let (world, _remote) = World::with_pool(2);
    let holder = world.helper(&world.path(""), "$REPO_POOL allocate p >/dev/null");
    let out = world.pool("remove-slot p/slot1");
    out.code(6).silent().says(holder.pid().to_string());
    world
        .pool("remove-slot p/slot1 --json")
        .code(6)
        .kind("stale_allocation");
    assert_eq!(world.state("p/slot1"), "allocated");
    world.pool("remove-slot p/slot1 --force").ok();
    let log = world.events("p", "forced");
    assert_eq!(log.len(), 1, "{log:?}");
    let detail = log[0]["detail"].as_str().expect("a detail");
    assert!(detail.contains(&holder.pid().to_string()), "{detail}");
    let by = format!("forced by pid {}", std::process::id());
    assert!(detail.contains(&by) && detail.contains("uid "), "{detail}");
}

/// 7.3: a pool may lose all its slots and get new ones.
#[test]
fn a_pool_without_slots_hands_out_nothing() {
    let (world, _remote) = World::with_pool(1);
    world.pool("remove-slot p/slot1").ok();
    world.pool("allocate p").code(4).silent();
    world.pool("status p").ok();
    world.pool("add-slot p").ok();
    world.pool("allocate p").ok().path();
}

/// 7.5: the whole pool goes, and its name is free.
#[test]
pub fn remove_pool_deletes_everything() {
    let (world, remote) = World::with_pool(2);
    world.pool("allocate p").ok();
    world.pool("release p/slot1 p/slot2").ok();
    world.pool("remove-pool p").ok();
    assert!(!world.pool_dir("p").exists());
    assert!(world.list().is_empty());
    world.pool("remove-pool p").code(7);
    world.pool("allocate p").code(7);
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    world.assert_sound("p");
}

/// 7.4: a pool with an allocated slot is refused; force removes it.
#[test]
fn remove_pool_refuses_while_a_slot_is_allocated() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    world.pool("remove-pool p").code(5).silent();
    world.pool("remove-pool p --json").code(5).kind("refused");
    assert!(dir.is_dir());
    world.assert_sound("p");
    world.pool("remove-pool p --force").ok();
    assert!(!world.pool_dir("p").exists());
}

/// Section 5: a pool that is removed by force past a live holder has no log left; it is said.
#[test]
fn remove_pool_force_says_past_whom_it_went() {
    let (world, _remote) = World::with_pool(2);
    let holder = world.helper(&world.path(""), "$REPO_POOL allocate p >/dev/null");
    world.allocate("p");
    let out = world.pool("remove-pool p --force");
    out.ok().says(holder.pid().to_string()).says("forced by");
    out.never_says("workspace-p-slot2");
}

/// Section 3: saved work keeps its pool, unless forced.
#[test]
fn remove_pool_refuses_while_rescues_are_left() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("new.txt"), "saved\n").expect("writing");
    world.pool("release p/slot1").ok();
    world.pool("remove-pool p").code(5).silent();
    assert!(world.is_rescued("p", "saved\n"));
    world.pool("remove-pool p --force").ok();
    assert!(world.list().is_empty());
}

/// 9.5: an isolated slot is in error with its reason, not handed out, and can come back.
#[test]
fn isolate_takes_an_idle_slot_out_of_use() {
    let (world, remote) = World::with_pool(2);
    let args = [
        "isolate",
        "p/slot1",
        "--reason",
        "odd test results",
        "--json",
    ];
    let doc = world.pool(args).ok().json();
    assert_eq!(doc["slot"]["state"], "error");
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "error");
    assert!(slot.to_string().contains("odd test results"), "{slot}");
    assert_eq!(world.status("p")["summary"]["error_slots"], 1);
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(dir, world.slot_dir("slot2"));
    world.pool("allocate p").code(4);
    world.pool("recover p/slot1").ok();
    assert_eq!(world.state("p/slot1"), "available");
    let dir = world.pool("allocate p").ok().path();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

/// 9.5: whoever holds a slot keeps it.
#[test]
fn isolate_refuses_an_allocated_slot() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    world.pool("isolate p/slot1").code(5).silent();
    assert_eq!(world.state("p/slot1"), "allocated");
    world.pool("isolate p/slot7").code(7);
}

/// Whatever lies where the next slot would be is somebody's: a worktree that its user has made beside the
/// slots, a copy of one, another worktree that only git calls so. Slots get other numbers.
#[test]
fn a_new_slot_takes_nobodys_place() {
    for grows in [
        "add-slot p",
        "allocate p --grow",
        "allocate p --grow --wait=1s",
    ] {
        let (world, _remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        let beside = world.slot_dir("slot2");
        let copy = world.slot_dir("slot3");
        let elsewhere = world.path("elsewhere/slot4");
        world.git(
            &dir,
            [
                "worktree",
                "add",
                "-q",
                "-b",
                "x",
                &beside.display().to_string(),
            ],
        );
        fs::write(beside.join("mine"), "uncommitted").expect("writing");
        fs::create_dir(&copy).expect("a directory");
        fs::write(copy.join("mine"), "a copy").expect("writing");
        world.git(
            &dir,
            [
                "worktree",
                "add",
                "-q",
                "--detach",
                &elsewhere.display().to_string(),
            ],
        );
        let commit = world.commit(&elsewhere, "work.txt", "work");
        world.pool(grows).ok();
        assert_eq!(
            world.state("p/slot5"),
            if grows == "add-slot p" {
                "available"
            } else {
                "allocated"
            }
        );
        for (place, text) in [(&beside, "uncommitted"), (&copy, "a copy")] {
            let there = fs::read_to_string(place.join("mine"));
            assert_eq!(there.expect("it is there"), text, "{grows}");
        }
        assert_eq!(world.head(&elsewhere), commit, "{grows}");
    }
}

/// 7.1: 16 at once while agents run git in their slots: no error for anybody, none damaged.
#[test]
fn sixteen_add_slots_at_once_disturb_nobody() {
    let (world, remote) = World::with_pool(3);
    let agents: Vec<PathBuf> = (0..3)
        .map(|_| world.pool("allocate p").ok().path())
        .collect();
    let barrier = Barrier::new(16);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let working: Vec<_> = agents
            .iter()
            .map(|dir| scope.spawn(|| work_until(&world, dir, &done)))
            .collect();
        let adding: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    world.pool("add-slot p --json").ok().json()["slot"]["slot_id"].clone()
                })
            })
            .collect();
        let added: Vec<_> = adding.into_iter().map(|t| t.join()).collect();
        done.store(true, Ordering::SeqCst);
        let rounds: Vec<_> = working
            .into_iter()
            .map(|t| t.join().expect("an agent"))
            .collect();
        assert!(rounds.iter().all(|&n| n > 0), "{rounds:?}");
        let mut ids: Vec<_> = added
            .into_iter()
            .map(|r| r.expect("an added slot").to_string())
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 16);
    });
    world.assert_sound("p");
    let tip = world.tip(&remote, "main");
    for n in 4..=19 {
        world.assert_holds(&world.slot_dir(&format!("slot{n}")), &remote, &tip);
    }
}

/// An agent's git commands in its slot, each of which must succeed; how many rounds there were.
fn work_until(world: &World, dir: &std::path::Path, done: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !done.load(Ordering::SeqCst) || rounds == 0 {
        rounds += 1;
        world.commit(dir, "agent.txt", &format!("round {rounds}\n"));
        let name = dir
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        world.git(
            dir,
            ["branch", "-f", &format!("agent/{name}/{}", rounds % 3)],
        );
        world.git(dir, "status --porcelain");
        world.git(dir, "worktree list");
    }
    rounds
}

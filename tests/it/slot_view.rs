//! `status SLOT`: who has it, since when, what is in it, what can be done.

use crate::support::{Stand, World, snapshot, until};
use serde_json::{Value, json};

/// What people read of a slot, as lines of a key and what stands behind it.
#[track_caller]
fn card(world: &World, slot: &str) -> String {
    let out = world.pool(["status", slot]);
    out.ok().harmless();
    out.stdout
}

/// What stands behind a key of the card; nothing if it is not there.
fn behind<'a>(card: &'a str, key: &str) -> &'a str {
    let line = card
        .lines()
        .find(|line| line.split("  ").next() == Some(key));
    line.map_or("", |line| line[key.len()..].trim())
}

/// Who has it: the owner that was named, the process that asked, and what these are running.
#[test]
fn the_holder_is_shown_with_what_it_runs() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let args = format!(
        "allocate p --no-fetch --owner me --owner-pid {} --ttl 2h",
        owner.pid()
    );
    world.pool(args).ok();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["owner"]["liveness"], "alive");
    let command = slot["owner"]["command"].as_str().expect("its command");
    assert!(command.starts_with("sh -c"), "{command}");
    assert!(
        slot["owner"]["caller_command"].is_string(),
        "this test: {slot}"
    );
    let text = card(&world, "p/slot1");
    let holder = format!("me, pid {} (alive): sh -c", owner.pid());
    assert!(behind(&text, "holder").starts_with(&holder), "{text}");
    assert!(behind(&text, "taken by").starts_with("pid "), "{text}");
    let lease = behind(&text, "lease");
    assert!(
        lease.starts_with("2h, 1h 59m left (until ") || lease.starts_with("2h, 2h left"),
        "{lease}"
    );
    assert!(text.contains("repo-pool renew p/slot1"), "{text}");
    owner.end();
    let slot = world.slot("p/slot1");
    assert_eq!(slot["owner"]["liveness"], "dead");
    assert!(slot["owner"].get("command").is_none(), "{slot}");
    let text = card(&world, "p/slot1");
    assert!(behind(&text, "holder").ends_with("gone"), "{text}");
    assert!(
        behind(&text, "but").contains("its holder is gone"),
        "{text}"
    );
    // The table of the pool has no look at processes' commands.
    assert!(world.slots("p")[0]["owner"].get("caller_command").is_none());
}

/// What is in it: commits and changes by their kind, against the base, and nothing is changed by looking.
#[test]
fn the_work_in_a_slot_is_counted() {
    let (world, remote) = World::with_pool(1);
    let dir = world
        .pool("allocate p --no-fetch --branch work")
        .ok()
        .path();
    let none = world.slot("p/slot1")["work"].clone();
    let clean = json!({"staged": 0, "unstaged": 0, "untracked": 0, "conflicts": 0});
    assert_eq!(
        (&none["changes"], &none["ahead"], &none["behind"]),
        (&clean, &json!(0), &json!(0))
    );
    let text = card(&world, "p/slot1");
    assert_eq!(
        (behind(&text, "branch"), behind(&text, "changes")),
        ("work, at main", "none")
    );
    assert_eq!(behind(&text, "unpushed"), "");

    world.commit(&dir, "behind.txt", "left behind");
    world.git(&dir, "reset -q --hard HEAD~2");
    world.commit(&dir, "one.txt", "one");
    std::fs::write(dir.join("staged.txt"), "staged").expect("writing");
    world.git(&dir, "add staged.txt");
    std::fs::write(dir.join("README.md"), "changed").expect("writing");
    for name in ["new-1", "new-2"] {
        std::fs::write(dir.join(name), "new").expect("writing");
    }
    world.push_commit(&remote, "late.txt", "late");
    let before = (
        snapshot(&dir),
        std::fs::read(world.admin_dir("slot1").join("index")).expect("it"),
    );
    let work = world.slot("p/slot1")["work"].clone();
    let changes = json!({"staged": 1, "unstaged": 1, "untracked": 2, "conflicts": 0});
    assert_eq!(work["changes"], changes, "{work}");
    let counts = ["ahead", "behind", "unpushed_commits", "left_behind_commits"];
    // What the remote has got since the last fetch is not known.
    assert_eq!(
        counts.map(|key| work[key].as_u64()),
        [Some(1), Some(1), Some(1), Some(1)],
        "{work}"
    );
    assert_eq!(work["commit_subject"], "Change one.txt");
    assert_eq!(work["base_branch"], "main");
    let text = card(&world, "p/slot1");
    assert_eq!(behind(&text, "branch"), "work, 1 ahead of main, 1 behind");
    assert_eq!(behind(&text, "changes"), "1 staged, 1 changed, 2 untracked");
    assert_eq!(behind(&text, "unpushed"), "1 commit, 1 left behind");
    assert!(
        behind(&text, "commit").ends_with(" Change one.txt"),
        "{text}"
    );
    let after = (
        snapshot(&dir),
        std::fs::read(world.admin_dir("slot1").join("index")).expect("it"),
    );
    assert_eq!(before, after, "looking changes nothing");
}

/// What a user is in the middle of, and conflicts.
#[test]
fn what_its_user_is_amid_is_named() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    world.commit(&dir, "both.txt", "one\n");
    world.git(&dir, "checkout -q -b other HEAD~");
    world.commit(&dir, "both.txt", "two\n");
    assert_ne!(world.try_git(&dir, "merge -q -").code, 0);
    let work = world.slot("p/slot1")["work"].clone();
    assert_eq!(
        (&work["under_way"], &work["changes"]["conflicts"]),
        (&json!("a merge"), &json!(1))
    );
    let text = card(&world, "p/slot1");
    assert_eq!(behind(&text, "amid"), "a merge", "{text}");
    assert!(
        behind(&text, "changes").contains("1 with conflicts"),
        "{text}"
    );
}

/// Who is inside, and that it is in the way of a release.
#[test]
fn processes_inside_are_named() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    assert_eq!(world.slot("p/slot1")["processes"], json!([]));
    let helper = world.helper(&dir, "");
    let slot = world.slot("p/slot1");
    let found: Vec<&Value> = slot["processes"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(found.len(), 1, "{slot}");
    assert_eq!(found[0]["pid"], helper.pid());
    assert_eq!(found[0]["is_caller"], false);
    let text = card(&world, "p/slot1");
    assert!(
        behind(&text, "inside").starts_with(&format!("pid {} (sh -c", helper.pid())),
        "{text}"
    );
    assert!(text.contains("repo-pool release --kill p/slot1"), "{text}");
    helper.end();
    // A shell that asks from inside is no obstacle.
    let mut shell = world.shell("sh");
    shell
        .args(["-c", "repo-pool status p/slot1; exit $?"])
        .current_dir(&dir);
    let out = crate::support::Call::new(shell).run();
    assert!(out.ok().stdout.contains("inside "), "{out}");
    assert!(!out.stdout.contains("--kill"), "{out}");
}

/// What became of it before: the last cleaning, and the work that was saved from it.
#[test]
fn the_past_of_a_slot_is_shown() {
    let (world, _remote) = World::with_pool(2);
    assert!(world.slot("p/slot1").get("last_cleanup").is_none());
    for name in ["first", "second"] {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        world.commit(&dir, &format!("{name}.txt"), name);
        world.pool("release p/slot1").ok();
    }
    let slot = world.slot("p/slot1");
    let rescues = slot["rescues"].as_array().expect("a list");
    assert_eq!(rescues.len(), 2, "{slot}");
    assert_eq!(rescues[1]["subject"], "Change second.txt");
    assert!(slot["last_cleanup"]["time"].is_string(), "{slot}");
    assert!(
        slot["last_cleanup"]["duration_seconds"].is_number(),
        "{slot}"
    );
    let text = card(&world, "p/slot1");
    let id = rescues[1]["rescue_id"].as_str().expect("an id");
    assert!(behind(&text, "saved").starts_with(id), "{text}");
    assert!(
        behind(&text, "saved").ends_with("Change second.txt; 2 in all"),
        "{text}"
    );
    assert!(behind(&text, "cleaned").contains(" ago, in "), "{text}");
    assert!(
        text.contains(&format!("repo-pool rescue show {id}")),
        "{text}"
    );
    // Another slot's is not its own.
    assert_eq!(world.slot("p/slot2")["rescues"], json!([]));
}

/// What can't be found out is left open, and nothing is waited for.
#[test]
fn a_damaged_slot_is_shown_as_far_as_it_can_be() {
    let (world, _remote) = World::with_pool(4);
    for _ in 0..3 {
        world.allocate("p --no-fetch");
    }
    // git would wait there for ever.
    let odd = world.slot_path("slot1").join("odd");
    let make = format!("mkdir '{0}' && mkfifo '{0}/.gitignore'", odd.display());
    world.sh(&make).ok();
    let work = world.slot("p/slot1")["work"].clone();
    assert!(
        work["changes"].is_null() && work["commit_subject"].is_string(),
        "{work}"
    );
    assert_eq!(behind(&card(&world, "p/slot1"), "changes"), "?");

    std::fs::remove_dir_all(world.slot_path("slot2")).expect("removing");
    let slot = world.slot("p/slot2");
    assert_eq!(slot["fault"], "its directory is missing");
    assert!(slot["work"]["changes"].is_null(), "{slot}");

    std::fs::write(world.admin_dir("slot3").join("HEAD"), "garbage").expect("writing");
    let slot = world.slot("p/slot3");
    assert!(
        slot["work"].is_null() && slot["current_commit"].is_null(),
        "{slot}"
    );
    assert_eq!(
        behind(&card(&world, "p/slot3"), "damage"),
        "its HEAD is damaged"
    );

    std::fs::remove_dir_all(world.admin_dir("slot4")).expect("removing");
    let text = card(&world, "p/slot4");
    assert!(behind(&text, "damage").contains("registration"), "{text}");
    assert!(text.contains("repo-pool recover p/slot4"), "{text}");
}

/// 5.2: the command's own git, at work in the slot, is nobody who is inside.
#[test]
fn who_looks_is_not_taken_for_who_is_inside() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let line = format!("allocate p --ttl 1h --owner-pid {}", owner.pid());
    world.pool(line).ok();
    owner.end();
    world.grow_silent("slot1", 20);
    let stand = Stand::new(&world);
    for number in 1..=4 {
        stand.choose(number, "hold");
        let call = world.call("--json status p/slot1");
        let running = call.env("PATH", stand.path()).spawn();
        let (held, _) = until("git is held", || stand.held());
        stand.let_go(held);
        let slot = &running.finish().ok().json()["slot"];
        assert_eq!(slot["reclaim"]["verdict"], "reclaimable", "{slot}");
        assert_eq!(slot["processes"], json!([]), "{slot}");
    }
}

/// 5.2, 6: whoever looks keeps nobody from giving the slot back, and tells nothing of what is done to
/// it meanwhile.
#[test]
fn a_release_goes_on_beside_who_looks() {
    let (world, _remote) = World::with_pool(1);
    let stand = Stand::new(&world);
    let mut inside = 0;
    for number in 1..=5 {
        let dir = world.pool("allocate p").ok().path();
        stand.choose(number, "hold");
        let call = world.call("--json status p/slot1");
        let running = call.env("PATH", stand.path()).spawn();
        let (held, _) = until("git is held", || stand.held());
        let place = std::fs::read_link(format!("/proc/{held}/cwd")).expect("its directory");
        inside += u32::from(place.starts_with(&dir));
        world.pool("release p/slot1").ok();
        assert_eq!(world.state("p/slot1"), "available");
        stand.let_go(held);
        let slot = &running.finish().ok().json()["slot"];
        assert_eq!(slot["work"], json!(null), "{slot}");
        assert_eq!(slot["processes"], json!([]), "{slot}");
    }
    assert!(inside > 0, "git is never in the slot");
    world.assert_sound("p");
}

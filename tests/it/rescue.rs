//! `rescue list`, `show`, `restore` and `drop`, and the end of saved work.

use crate::support::{Remote, World};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A pool `p` of which slot 1 is held, with a commit, a staged and an untracked file in it.
#[track_caller]
fn slot_with_work(slots: u32) -> (World, Remote, PathBuf) {
    let (world, remote) = World::with_pool(slots);
    let dir = world
        .pool("allocate p --no-fetch --owner agent-7")
        .ok()
        .path();
    world.commit(&dir, "one.txt", "committed\n");
    fs::write(dir.join("README.md"), "staged\n").expect("writing");
    world.git(&dir, "add README.md");
    fs::write(dir.join("new.txt"), "untracked\n").expect("writing");
    (world, remote, dir)
}

#[track_caller]
fn list(world: &World) -> Vec<Value> {
    let out = world.pool("rescue list --json");
    let doc = out.ok().json();
    doc["rescues"].as_array().expect("a list").clone()
}

/// Releases slot 1; the id of what was saved.
#[track_caller]
fn release(world: &World) -> String {
    let doc = world.pool("release p/slot1 --json").ok().json();
    let id = doc["rescue"]["rescue_id"].as_str();
    id.unwrap_or_else(|| panic!("nothing was saved: {doc}"))
        .to_owned()
}

/// Section 6: the list tells slot, time, owner, size, expiry, subject and contents.
#[test]
fn the_list_tells_what_there_is() {
    let (world, _remote, _dir) = slot_with_work(1);
    let allocation = world.slot("p/slot1")["allocation_id"].clone();
    assert_eq!(list(&world).len(), 0);
    world
        .pool("rescue list")
        .ok()
        .silent()
        .says("no saved work");
    let out = world.pool("release p/slot1");
    out.ok()
        .says("1 unpushed commit and uncommitted changes saved as slot1-");
    out.says("kept until 2")
        .says("repo-pool rescue restore slot1-");
    let all = list(&world);
    let rescue = &all[0];
    assert_eq!(all.len(), 1, "{all:?}");
    for (key, value) in [
        ("slot_id", "workspace-p-slot1"),
        ("repo_name", "p"),
        ("subject", "Change one.txt"),
        ("reason", "release"),
        ("branch", "worktree/p/slot1"),
    ] {
        assert_eq!(rescue[key], value, "{rescue}");
    }
    for (key, value) in [
        ("unlanded_commits", 1),
        ("left_behind_commits", 0),
        ("staged", 1),
        ("unstaged", 0),
        ("untracked", 1),
        ("conflicts", 0),
    ] {
        assert_eq!(rescue[key], value, "{key}: {rescue}");
    }
    assert!(rescue["owner"].as_str().expect("one").contains("agent-7"));
    assert_eq!(rescue["allocation_id"], allocation);
    assert!(rescue["size_bytes"].as_u64().expect("a size") > 0);
    let day = |key: &str| {
        let text = rescue[key].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("RFC 3339")
    };
    let kept = day("expires_at").duration_since(day("created_at"));
    assert_eq!(kept.as_hours(), 90 * 24);
    let table = world.pool("rescue list p").ok().stdout.clone();
    for part in [
        "ID",
        "slot1-",
        "p/slot1",
        "1 commit, 1 staged, 1 untracked",
        "Change one.txt",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    world.pool("rescue list q").code(7).silent();
}

/// Section 6: one piece in full: facts, commits, paths, and a command that works.
#[test]
fn show_tells_commits_paths_and_a_command_that_works() {
    let (world, _remote, dir) = slot_with_work(1);
    let behind = world.commit(&dir, "two.txt", "left behind\n");
    world.git(&dir, "reset -q HEAD~");
    let id = release(&world);
    let doc = world.pool(["rescue", "show", &id, "--json"]).ok().json();
    let result = &doc["result"];
    assert_eq!(result["rescue_id"], id.as_str());
    let commits = result["commits"].as_array().expect("commits");
    assert_eq!(commits.len(), 2, "{result}");
    assert_eq!(commits[0]["subject"], "Change one.txt");
    assert_eq!(commits[1]["commit"], behind.as_str());
    assert_eq!(commits[1]["left_behind"], true);
    let paths: Vec<String> = result["paths"]
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| format!("{} {}", path["status"], path["path"]).replace('"', ""))
        .collect();
    assert_eq!(paths, [" M README.md", "?? new.txt", "?? two.txt"]);
    let text = world.pool(["rescue", "show", &id]).ok().stdout.clone();
    for part in [
        "Change one.txt",
        "?? ",
        "new.txt",
        "a release",
        "(left behind)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let command: Vec<String> = result["diff_command"]
        .as_array()
        .expect("a command")
        .iter()
        .map(|word| word.as_str().expect("a word").to_owned())
        .collect();
    assert_eq!(command[0], "git");
    let diff = world.git(&dir, command[1..].to_vec());
    assert!(
        diff.contains("+untracked") && diff.contains("+staged"),
        "{diff}"
    );
}

/// Ids may be shortened, and mean nothing or one.
#[test]
fn ids_may_be_shortened_and_must_mean_one() {
    let (world, _remote, dir) = slot_with_work(1);
    let first = release(&world);
    world.pool("allocate p --no-fetch").ok();
    fs::write(dir.join("other.txt"), "other\n").expect("writing");
    let second = release(&world);
    let random = second.rsplit('-').next().expect("a part");
    for text in [
        &*second,
        &format!("p/{second}"),
        random,
        &format!("refs/repo-pool/rescue/{second}"),
    ] {
        let doc = world.pool(["rescue", "show", text, "--json"]).ok().json();
        assert_eq!(doc["result"]["rescue_id"], second.as_str(), "{text}");
    }
    let out = world.pool("rescue show slot1");
    out.code(2).silent().says(&first).says(&second);
    world
        .pool("rescue show nothing")
        .code(2)
        .silent()
        .says("rescue list");
    world
        .pool("rescue show nothing --json")
        .code(2)
        .kind("usage");
    // All or none.
    world.pool(["rescue", "drop", &first, "nothing"]).code(2);
    assert_eq!(list(&world).len(), 2);
    world.pool(["rescue", "drop", &first, &second]).ok();
    assert_eq!(list(&world).len(), 0);
    let dropped = world.events("p", "rescue_dropped");
    assert_eq!(dropped.len(), 2);
    assert_eq!(dropped[0]["commit"].as_str().expect("a commit").len(), 40);
    World::new().pool("rescue drop x").code(2).silent();
}

/// Section 6: into a slot that has moved on, and it stays saved.
#[test]
fn restore_moves_head_to_where_the_work_was_done() {
    let (world, remote, dir) = slot_with_work(1);
    let head = world.head(&dir);
    let before = world.work(&dir);
    let id = release(&world);
    world.push_commit(&remote, "later.txt", "later");
    let again = world.pool("allocate p").ok().path();
    assert_ne!(world.head(&again), head);
    let out = world.pool(["rescue", "restore", &id, "--into", "p/slot1"]);
    out.ok().says("HEAD was moved").says("stays saved");
    assert_eq!(out.path(), dir);
    assert_eq!(world.work(&dir), before);
    assert_eq!(world.branch(&dir), "worktree/p/slot1");
    assert_eq!(list(&world).len(), 1);
    assert_eq!(world.events("p", "rescue_restored").len(), 1);
    // And once more from where it is: nothing moves.
    world.git(&dir, "reset -q --hard");
    world.git(&dir, "clean -fdq");
    let call = world.call(["rescue", "restore", &id, "--json"]).cwd(&dir);
    let doc = call.run().ok().json();
    assert_eq!(doc["result"]["head_moved"], false, "{doc}");
    assert_eq!(world.work(&dir), before);
}

/// Section 6: without a place the slot of the environment counts, else both ways are named.
#[test]
fn restore_without_a_place_takes_the_current_slot_or_says_what_to_name() {
    let (world, _remote, _dir) = slot_with_work(1);
    let id = release(&world);
    let out = world.pool(["rescue", "restore", &id]);
    out.code(2)
        .silent()
        .says("--into SLOT")
        .says("--branch NAME");
    world.pool("allocate p").ok();
    let call = world.call(["rescue", "restore", &id]);
    call.env("REPO_POOL_SLOT", "p/slot1").run().ok();
}

/// Section 5, section 6: only into a slot that the caller holds, and over nothing.
#[test]
fn restore_refuses_what_it_would_overwrite_or_is_not_the_callers() {
    let (world, remote, dir) = slot_with_work(1);
    let id = release(&world);
    let restore = || world.pool(["rescue", "restore", &id, "--into", "p/slot1"]);
    restore().code(5).silent().says("not allocated");
    // Another's.
    let holder = world.helper(
        &world.path(""),
        "$REPO_POOL allocate p >/dev/null || exit 1",
    );
    restore().code(6).silent().says(holder.pid().to_string());
    let allocation = world.slot("p/slot1")["allocation_id"].to_string();
    let call = world
        .call(["rescue", "restore", &id, "--into", "p/slot1"])
        .env("REPO_POOL_SLOT", "p/slot1")
        .env("REPO_POOL_ALLOCATION", allocation.trim_matches('"'));
    call.run().ok();
    holder.end();
    // With changes of its own.
    let changed = world.work(&dir);
    restore().code(5).silent().says("has changes");
    assert_eq!(world.work(&dir), changed);
    world.pool("release p/slot1 --discard").ok();
    // With commits of its own.
    world.pool("allocate p").ok();
    world.commit(&dir, "own.txt", "own\n");
    let own = world.work(&dir);
    restore().code(5).silent().says("commits of its own");
    assert_eq!(world.work(&dir), own);
    world.pool("release p/slot1 --discard").ok();
    // On a branch that was asked for and leads elsewhere.
    world.push_commit(&remote, "later.txt", "later");
    world.pool("allocate p --branch mine").ok();
    let tip = world.head(&dir);
    restore().code(5).silent().says("branch mine");
    assert_eq!(world.head(&dir), tip);
    // In the middle of something.
    world.git(&dir, "checkout -q --detach");
    fs::write(
        world.admin_dir("slot1").join("MERGE_HEAD"),
        format!("{tip}\n"),
    )
    .expect("writing");
    restore().code(5).silent().says("a merge");
}

/// Section 6: a slot of another pool is no place for it.
#[test]
fn restore_refuses_a_slot_of_another_pool() {
    let (world, remote, _dir) = slot_with_work(1);
    let id = release(&world);
    world.pool(format!("create q {} -n 1", remote.url())).ok();
    world.pool("allocate q").ok();
    let out = world.pool(["rescue", "restore", &id, "--into", "q/slot1"]);
    out.code(2).silent().says("allocate p");
}

/// Section 6: as a branch that can be fetched, with what was left behind beside it.
#[test]
fn restore_makes_branches_that_can_be_fetched() {
    let (world, remote, dir) = slot_with_work(1);
    let head = world.head(&dir);
    let behind = world.commit(&dir, "two.txt", "left behind\n");
    world.git(&dir, "reset -q --soft HEAD~");
    let id = release(&world);
    let out = world.pool(["rescue", "restore", &id, "--branch", "saved"]);
    out.ok().says("git fetch").says("saved:saved");
    assert_eq!(out.stdout, "saved\nsaved-2\n");
    let bare = world.bare("p");
    assert_eq!(world.git(&bare, "rev-parse saved~"), head);
    assert_eq!(world.git(&bare, "rev-parse saved-2"), behind);
    assert_eq!(world.git(&bare, "show saved:new.txt"), "untracked");
    assert_eq!(world.git(&bare, "show saved:README.md"), "staged");
    let clone = world.clone_of(&remote, "clone");
    let fetch = out
        .stderr
        .lines()
        .find_map(|l| l.split("git fetch ").nth(1));
    world
        .sh(&format!(
            "cd '{}' && git fetch -q {}",
            clone.display(),
            fetch.expect("a command")
        ))
        .ok();
    assert_eq!(world.git(&clone, "show saved:one.txt"), "committed");
    let again = world.pool(["rescue", "restore", &id, "--branch", "saved"]);
    again.code(1).silent().says("saved already");
    for bad in ["-x", "a..b", "HEAD", "with blank"] {
        let name = format!("--branch={bad}");
        world
            .pool(["rescue", "restore", &id, &name])
            .code(2)
            .silent();
    }
}

/// Section 6: commits alone become a branch at the very commit.
#[test]
fn commits_alone_become_a_branch_as_they_are() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let commit = world.commit(&dir, "one.txt", "one\n");
    let id = release(&world);
    world.pool(["rescue", "restore", &id, "--branch", "b"]).ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse b"), commit);
    let dir = world.pool("allocate p").ok().path();
    let behind = world.commit(&dir, "two.txt", "two\n");
    world.git(&dir, "reset -q --hard HEAD~");
    let id = release(&world);
    let out = world.pool(["rescue", "restore", &id, "--branch", "c"]);
    assert_eq!(out.ok().stdout, "c\n");
    assert_eq!(world.git(&world.bare("p"), "rev-parse c"), behind);
}

/// `rescue_expire`: kept as long as was promised, then dropped with a line in the history.
#[test]
fn saved_work_expires_as_configured_and_not_earlier_than_promised() {
    let (world, _remote, dir) = slot_with_work(1);
    let never = || {
        world
            .call("release p/slot1 --json")
            .env("REPO_POOL_RESCUE_EXPIRE", "never")
    };
    let doc = never().run().ok().json();
    assert!(doc["rescue"]["expires_at"].is_null(), "{doc}");
    world.pool("allocate p --no-fetch").ok();
    fs::write(dir.join("second.txt"), "second\n").expect("writing");
    let call = world
        .call("release p/slot1")
        .env("REPO_POOL_RESCUE_EXPIRE", "1ms");
    call.run().ok();
    // Promised for no longer, but configured longer by now.
    assert_eq!(list(&world).len(), 2);
    let with = |args: &str, expire: &str| {
        let call = world.call(args).env("REPO_POOL_RESCUE_EXPIRE", expire);
        call.run().ok().json()["rescues"].as_array().map(Vec::len)
    };
    assert_eq!(with("rescue list --json", "never"), Some(2));
    assert_eq!(with("rescue list --json", "1ms"), Some(1));
    assert_eq!(with("rescue list --json", "1ms"), Some(1));
    let expired = world.events("p", "rescue_expired");
    assert_eq!(expired.len(), 1, "{expired:?}");
    let commit = expired[0]["commit"].as_str().expect("a commit");
    assert_eq!(
        world.git(&world.bare("p"), ["show", &format!("{commit}:second.txt")]),
        "second"
    );
}

/// Releasing and recovering drop what has expired too, allocating does not.
#[test]
fn release_and_recover_drop_what_has_expired() {
    let (world, _remote) = World::with_pool(1);
    let run = |args: &str| {
        let call = world.call(args).env("REPO_POOL_RESCUE_EXPIRE", "1ms");
        call.run().ok();
    };
    let work = |n: u32| {
        run("allocate p --no-fetch");
        let file = world.slot_dir("slot1").join("work.txt");
        fs::write(file, n.to_string()).expect("writing");
    };
    work(1);
    run("release p/slot1");
    work(2);
    assert_eq!(world.rescues("p").len(), 1);
    run("release p/slot1");
    assert!(!world.is_rescued("p", "1"));
    run("recover");
    assert!(world.rescues("p").is_empty());
    assert_eq!(world.events("p", "rescue_expired").len(), 2);
}

/// 7.5: the pool stays while saved work is in it, and the way on is named.
#[test]
fn remove_pool_names_the_way_to_saved_work() {
    let (world, _remote, _dir) = slot_with_work(1);
    let id = release(&world);
    let out = world.pool("remove-pool p");
    out.code(5)
        .silent()
        .says(&id)
        .says("repo-pool rescue list p");
    world.pool(["rescue", "drop", &id]).ok();
    world.pool("remove-pool p").ok();
}

/// Section 6: somebody's own refs stand in the way of nothing, and are not lost.
#[test]
fn refs_that_stand_in_the_way_of_a_rescue_are_moved_aside() {
    let (world, _remote, dir) = slot_with_work(1);
    let tip = world.head(&dir);
    let bare = world.bare("p");
    for name in ["refs/repo-pool/rescue/slot1", "refs/repo-pool/rescue"] {
        world.git(&bare, ["update-ref", name, &tip]);
        release(&world);
        let args = ["for-each-ref", "--format=%(refname)", "--points-at", &tip];
        let left = world.git(&bare, args);
        assert!(
            left.lines().any(|name| name.starts_with("refs/repo-pool")),
            "{left}"
        );
        for id in list(&world)
            .iter()
            .map(|rescue| rescue["rescue_id"].clone())
        {
            world
                .pool(["rescue", "drop", id.as_str().expect("an id")])
                .ok();
        }
        world.pool("allocate p --no-fetch").ok();
        fs::write(dir.join("more.txt"), name).expect("writing");
    }
}

/// Section 6: what an older version saved, or somebody put there, can be read and brought back.
#[test]
fn rescues_without_a_record_can_be_read_and_restored() {
    let (world, _remote, dir) = slot_with_work(1);
    let head = world.head(&dir);
    let bare = world.bare("p");
    world.git(
        &bare,
        ["update-ref", "refs/repo-pool/rescue/slot1/0badcafe", &head],
    );
    world.pool("release p/slot1 --discard").ok();
    let all = list(&world);
    assert_eq!(all[0]["rescue_id"], "slot1/0badcafe");
    assert_eq!(all[0]["slot_id"], "workspace-p-slot1");
    assert!(all[0]["expires_at"].is_null());
    world.pool("allocate p --no-fetch").ok();
    world.pool("rescue show 0bad").ok();
    world.pool("rescue restore 0bad --into p/slot1").ok();
    assert_eq!(world.head(&dir), head);
    world.assert_clean(&dir);
    world.pool("rescue drop slot1/0badcafe").ok();
}

/// The settings: commits only, or nothing.
#[test]
fn the_setting_decides_what_is_saved() {
    let (world, _remote, dir) = slot_with_work(1);
    let call = world
        .call("release p/slot1 --json")
        .env("REPO_POOL_RESCUE", "commits");
    let doc = call.run().ok().json();
    assert_eq!(doc["rescue"]["uncommitted_changes"], false, "{doc}");
    assert!(!world.is_rescued("p", "untracked\n") && world.is_rescued("p", "committed\n"));
    let id = doc["rescue"]["rescue_id"].as_str().expect("an id");
    world.pool("allocate p --no-fetch").ok();
    world
        .pool(["rescue", "restore", id, "--into", "p/slot1"])
        .ok();
    world.assert_clean(&dir);
    world.pool(["rescue", "drop", id]).ok();
    let call = world
        .call("release p/slot1 --json")
        .env("REPO_POOL_RESCUE", "off");
    assert!(call.run().ok().json()["rescue"].is_null());
    assert!(world.rescues("p").is_empty());
}

/// Section 6: a reclaimed slot's work is said to be that of its holder.
#[test]
fn reclaimed_and_removed_slots_say_so() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let pid = owner.pid();
    let allocate = format!("$REPO_POOL allocate p --owner gone --owner-pid {pid}");
    let dir = world.sh(&allocate).ok().path();
    fs::write(dir.join("left.txt"), "left\n").expect("writing");
    owner.end();
    let reason = |n: usize| list(&world)[n]["reason"].clone();
    crate::support::until("it is taken back", || {
        world.pool("recover p");
        (world.state("p/slot1") == "available").then_some(())
    });
    assert_eq!(reason(0), "reclaim");
    world.pool("allocate p").ok();
    fs::write(dir.join("left.txt"), "left again\n").expect("writing");
    world.pool("remove-slot p/slot1 --force").ok();
    assert_eq!(reason(1), "removal");
}

//! Who may release, processes inside, and work that is saved first.

use crate::support::{Helper, World, alive, until};
use std::fs;

/// A shell that allocates a slot of `p` and stays alive, outside of it.
#[track_caller]
fn live_caller(world: &World) -> Helper {
    world.helper(
        &world.path(""),
        "$REPO_POOL allocate p >/dev/null || exit 1",
    )
}

/// Section 5: the wrong allocation is refused and nothing touched; the right one is always good.
#[test]
fn release_with_a_stale_allocation_touches_nothing() {
    let (world, _remote) = World::with_pool(1);
    let old = world.allocate("p")["allocation_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world
        .pool(format!("release p/slot1 --allocation {old}"))
        .ok();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.log"), "x").expect("writing");
    let stale = world.pool(format!("release p/slot1 --allocation {old}"));
    stale.code(6).silent();
    world
        .pool(format!("release p/slot1 --allocation {old} --json"))
        .code(6)
        .kind("stale_allocation");
    let call = world
        .call("release")
        .env("REPO_POOL_SLOT", "workspace-p-slot1");
    call.env("REPO_POOL_ALLOCATION", &old).run().code(6);
    assert!(dir.join("work.log").exists());
    let slot = world.slot("p/slot1");
    assert_eq!(slot["state"], "allocated");
    let now = slot["allocation_id"].as_str().expect("an id");
    let call = world
        .call("release")
        .env("REPO_POOL_SLOT", "workspace-p-slot1");
    call.env("REPO_POOL_ALLOCATION", now).run().ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 5: the process that called allocate lives and is another: refused, naming it.
#[test]
fn release_of_a_live_callers_slot_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let holder = live_caller(&world);
    let out = world.pool("release p/slot1");
    out.code(6).silent().says(holder.pid().to_string());
    assert_eq!(world.state("p/slot1"), "allocated");
    holder.end();
    world.pool("release p/slot1").ok();
}

/// Section 5: the id of the allocation is good whoever presents it.
#[test]
fn release_with_the_allocation_needs_no_other_right() {
    let (world, _remote) = World::with_pool(1);
    let _holder = live_caller(&world);
    let slot = world.slot("p/slot1");
    let id = slot["allocation_id"].as_str().expect("an id");
    world
        .pool(format!("release p/slot1 --allocation {id}"))
        .ok();
}

/// Section 5: `--force` gets past a live owner, and the log tells.
#[test]
fn release_force_gets_past_a_live_caller_and_is_logged() {
    let (world, _remote) = World::with_pool(1);
    let holder = live_caller(&world);
    fs::write(world.slot_dir("slot1").join("new.txt"), "forced away\n").expect("writing");
    world.pool("release p/slot1 --force").ok();
    assert_eq!(world.state("p/slot1"), "available");
    let log = world.events("p", "forced");
    assert_eq!(log.len(), 1);
    let detail = log[0]["detail"].as_str().expect("a detail");
    for who in [holder.pid(), std::process::id()] {
        assert!(detail.contains(&format!("pid {who}")), "{detail}");
    }
    assert!(log[0]["allocation_id"].is_string(), "{log:?}");
    assert!(world.is_rescued("p", "forced away\n"));
}

/// Section 5: an owner that was named counts, not the caller that is gone.
#[test]
fn release_of_a_named_live_owners_slot_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let owner = world.helper(&world.path(""), "");
    let script = format!("$REPO_POOL allocate p --owner-pid {}", owner.pid());
    world.sh(&script).ok();
    let out = world.pool("release p/slot1");
    out.code(6).silent().says(owner.pid().to_string());
    owner.end();
    world.pool("release p/slot1").ok();
}

/// Section 5: a script whose allocating shell is gone releases by path, as scripts do.
#[test]
fn release_after_the_callers_end_needs_no_id() {
    let (world, _remote) = World::with_pool(1);
    let path = world.sh("$REPO_POOL allocate p").ok().path();
    let name = path.display().to_string();
    world.sh(&format!("$REPO_POOL release '{name}'")).ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 5: a process inside is named and nothing touched, by force neither.
#[test]
fn release_with_a_process_inside_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("trace.log"), "x").expect("writing");
    let inside = world.helper(&dir.join("src"), "");
    for option in ["", "--force", "--no-cleanup"] {
        let out = world.pool(format!("release p/slot1 {option}"));
        out.code(5).silent().says(inside.pid().to_string());
        assert_eq!(world.state("p/slot1"), "allocated", "{option}");
    }
    let out = world.pool("release p/slot1 --json");
    out.code(5).silent().kind("refused");
    assert!(dir.join("trace.log").exists());
    inside.end();
    world.pool("release p/slot1").ok();
}

/// Section 5: a process that only holds a file of the slot open is inside too.
#[test]
fn release_with_an_open_file_inside_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let script = format!("exec 7>>'{}'", dir.join("held.log").display());
    let holder = world.helper(&world.path(""), &script);
    let out = world.pool("release p/slot1");
    out.code(5).silent().says(holder.pid().to_string());
    holder.end();
    world.pool("release p/slot1").ok();
}

/// Section 5: `--kill` ends what is inside, also what ignores SIGTERM.
#[test]
fn release_kill_ends_the_processes_inside() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let polite = world.helper(&dir, "");
    let stubborn = world.helper(&dir, "trap '' TERM INT HUP");
    world.pool("release p/slot1 --kill").ok();
    for helper in [&polite, &stubborn] {
        until("it is gone", || (!alive(helper.pid())).then_some(()));
    }
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// Section 5: an EXIT trap that fires after an explicit release can't take the slot from the next
/// holder, though it knows the slot's path and ran before it.
#[test]
fn an_exit_trap_does_not_take_the_slot_from_its_next_holder() {
    let (world, _remote) = World::with_pool(1);
    let script = r#"
        slot=$("$REPO_POOL" allocate p) || exit 1
        trap '"$REPO_POOL" release "$slot"; echo "trap: $?"' EXIT
        echo work >"$slot/mine.txt"
        "$REPO_POOL" release "$slot" || exit 1
        echo released
        read -r go
    "#;
    let mut first = world.command("bash");
    first.args(["-c", script]);
    let (stdin, go) = std::io::pipe().expect("a pipe");
    let first = crate::support::Call::new(first).stdin_from(stdin).spawn();
    assert_eq!(first.line(), "released");
    let next = live_caller(&world);
    let dir = world.slot_dir("slot1");
    fs::write(dir.join("theirs.txt"), "of the next\n").expect("writing");
    let before = world.slot("p/slot1");
    drop(go);
    let out = first.finish();
    assert_eq!(out.stdout, "released\ntrap: 6\n", "{out}");
    out.says(next.pid().to_string());
    let now = world.slot("p/slot1");
    assert_eq!(now["state"], "allocated");
    assert_eq!(now["allocation_id"], before["allocation_id"]);
    assert!(dir.join("theirs.txt").exists());
    assert!(world.is_rescued("p", "work\n"), "the first one's work");
}

/// Section 5: the shell that allocated releases, also through the programs that it runs.
#[test]
fn a_descendant_of_the_caller_may_release() {
    let (world, _remote) = World::with_pool(1);
    for release in [
        r#""$REPO_POOL" release "$slot""#,
        r#"("$REPO_POOL" release "$slot"; exit $?)"#,
        r#"sh -c '"$REPO_POOL" release "$0"; exit $?' "$slot""#,
        r#"sh -c 'sh -c "\"\$REPO_POOL\" release \"\$0\"; exit \$?" "$0"; exit $?' "$slot""#,
    ] {
        let script = format!("slot=$(\"$REPO_POOL\" allocate p) || exit 1\n{release}; exit $?");
        let mut bash = world.command("bash");
        bash.args(["-c", &script]);
        crate::support::Call::new(bash).run().ok();
        assert_eq!(world.state("p/slot1"), "available", "{release}");
    }
}

/// Section 5: the id in the environment speaks for the slot that is named beside it and no other.
#[test]
fn the_allocation_of_the_environment_is_of_one_slot() {
    let (world, _remote) = World::with_pool(2);
    let _one = live_caller(&world);
    let _two = live_caller(&world);
    let id = world.slot("p/slot1")["allocation_id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    let with = |args: &str, slot: &str| {
        let call = world.call(args).env("REPO_POOL_SLOT", slot);
        call.env("REPO_POOL_ALLOCATION", &id).run()
    };
    with("release p/slot2", "p/slot1").code(6).says("is alive");
    with("renew p/slot2 --ttl 1h", "p/slot1").code(6);
    with("remove-slot p/slot2", "p/slot1").code(6);
    with("release p/slot1", "p/slot2").code(6).says("is alive");
    let call = world.call("release p/slot1");
    call.env("REPO_POOL_ALLOCATION", &id).run().code(6);
    assert_eq!(world.state("p/slot2"), "allocated");
    with("release p/slot1", "workspace-p-slot1").ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 6: commits that nobody else has are kept under a rescue ref.
#[test]
fn release_saves_commits_that_were_not_pushed() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.commit(&dir, "one.txt", "one\n");
    let commit = world.commit(&dir, "two.txt", "two\n");
    let doc = world.pool("release p/slot1 --json").ok().json();
    assert!(doc["rescue"].is_object(), "{doc}");
    let refs = world.rescues("p");
    assert_eq!(refs.len(), 1, "{refs:?}");
    assert!(refs[0].starts_with("refs/repo-pool/rescue/"), "{refs:?}");
    assert!(refs[0].contains("rescue/slot1-"), "{refs:?}");
    assert!(world.rescued_objects("p").contains(&commit));
    assert_eq!(world.events("p", "rescued").len(), 1);
    world.git(&world.bare("p"), "gc -q --prune=now");
    assert!(world.rescued_objects("p").contains(&commit));
}

/// Section 6: commits on a detached HEAD as well.
#[test]
fn release_saves_commits_on_a_detached_head() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, "checkout -q --detach origin/topic");
    let commit = world.commit(&dir, "one.txt", "one\n");
    world.pool("release p/slot1").ok();
    assert!(world.rescued_objects("p").contains(&commit));
}

/// Section 6: and commits that were made in this allocation and left behind.
#[test]
fn release_saves_commits_that_were_left_behind() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let reset = world.commit(&dir, "one.txt", "one\n");
    world.git(&dir, "reset -q --hard HEAD~");
    world.git(&dir, "checkout -q -b aside");
    let deleted = world.commit(&dir, "two.txt", "two\n");
    world.git(&dir, "checkout -q --detach HEAD~");
    world.git(&dir, "branch -q -D aside");
    world.pool("release p/slot1").ok();
    let saved = world.rescued_objects("p");
    assert!(saved.contains(&reset), "what was reset away");
    assert!(saved.contains(&deleted), "what was on a deleted branch");
}

/// Section 6: staged, unstaged and untracked changes are saved; what is ignored is not.
#[test]
fn release_saves_changes_that_no_commit_holds() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("README.md"), "unstaged\n").expect("writing");
    fs::write(dir.join("newest.txt"), "staged\n").expect("writing");
    world.git(&dir, "add newest.txt");
    fs::create_dir(dir.join("new dir")).expect("a directory");
    fs::write(dir.join("new dir/file"), "untracked\n").expect("writing");
    fs::write(dir.join("trace.log"), "ignored\n").expect("writing");
    world.pool("release p/slot1").ok();
    for content in ["unstaged\n", "staged\n", "untracked\n"] {
        assert!(world.is_rescued("p", content), "{content}");
    }
    assert!(!world.is_rescued("p", "ignored\n"));
    world.assert_sound("p");
}

/// Section 6: without anything to save there is no rescue; pushed commits are safe already.
#[test]
fn release_saves_nothing_when_nothing_would_be_lost() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("trace.log"), "ignored\n").expect("writing");
    let doc = world.pool("release p/slot1 --json").ok().json();
    assert!(doc["rescue"].is_null(), "{doc}");
    let dir = world.pool("allocate p --branch landed").ok().path();
    world.commit(&dir, "landed.txt", "landed\n");
    world.git(&dir, "push -q -u origin landed");
    world.pool("release p/slot1").ok();
    assert!(world.rescues("p").is_empty());
}

/// Section 6: saving needs no identity and runs no signing.
#[test]
fn release_saves_work_without_an_identity() {
    let (world, _remote) = World::with_pool(1);
    let config = "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = /nonexistent\n[user]\n\tuseConfigOnly = true\n";
    fs::write(world.home().join(".gitconfig"), config).expect("writing");
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("new.txt"), "anonymous\n").expect("writing");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "anonymous\n"));
}

/// Section 6: `--discard` gives work up, and the log says so.
#[test]
fn release_discard_saves_nothing_and_says_what_was_given_up() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    world.commit(&dir, "one.txt", "one\n");
    fs::write(dir.join("new.txt"), "given up\n").expect("writing");
    world.pool("release p/slot1 --discard").ok();
    assert!(world.rescues("p").is_empty());
    assert!(!dir.join("new.txt").exists());
    assert_eq!(world.events("p", "discarded").len(), 1);
    world.assert_sound("p");
}

/// Section 6: each rescue stands for itself.
#[test]
fn every_release_makes_a_rescue_of_its_own() {
    let (world, _remote) = World::with_pool(1);
    for content in ["first\n", "second\n", "third\n"] {
        let dir = world.pool("allocate p --no-fetch").ok().path();
        fs::write(dir.join("new.txt"), content).expect("writing");
        world.pool("release p/slot1").ok();
    }
    assert_eq!(world.rescues("p").len(), 3);
    for content in ["first\n", "second\n", "third\n"] {
        assert!(world.is_rescued("p", content));
    }
}

/// Section 6: edits that the index hides are work too.
#[test]
fn release_saves_edits_that_the_index_hides() {
    for switch in ["--assume-unchanged", "--skip-worktree"] {
        let (world, remote) = World::with_pool(1);
        let dir = world.pool("allocate p").ok().path();
        world.git(&dir, ["update-index", switch, "README.md"]);
        fs::write(dir.join("README.md"), "a hidden edit\n").expect("writing");
        world.pool("release p/slot1").ok();
        assert!(world.is_rescued("p", "a hidden edit\n"), "{switch}");
        world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    }
}

/// Section 6: what can't be read can't be saved, so nothing is done; `--discard` gives it up.
#[test]
fn release_refuses_a_directory_that_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let closed = dir.join("closed");
    fs::create_dir(&closed).expect("a directory");
    fs::write(closed.join("secret.txt"), "work\n").expect("writing");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("mode");
    if crate::support::is_root() {
        // root reads everything, so there it is ordinary work.
        world.pool("release p/slot1").ok();
        assert!(world.is_rescued("p", "work\n"));
        return;
    }
    world
        .pool("release p/slot1")
        .code(5)
        .silent()
        .says("closed");
    assert_eq!(world.state("p/slot1"), "allocated");
    world.pool("release p/slot1 --discard").ok();
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
}

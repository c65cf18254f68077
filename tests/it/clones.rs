//! W.2: pools whose slots are full clones while somebody has them. What holds for worktrees holds for
//! them: the scenarios at the end are those of the other modules.

use crate::support::{Remote, Stand, World, over_clones, until};
use std::fs;
use std::path::{Path, PathBuf};

/// A world with a pool `p` of clones.
#[track_caller]
fn pool_of_clones(slots: u32) -> (World, Remote) {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    world
        .pool(format!("create p {url} -n {slots} --strategy clone"))
        .ok();
    (world, remote)
}

#[track_caller]
fn handed_out(world: &World, args: &str) -> PathBuf {
    world.pool(format!("allocate p {args}")).ok().path()
}

/// W.2: it has all that a clone has, and needs nothing but itself.
#[test]
fn a_slot_in_use_is_a_whole_repository() {
    let (world, remote) = pool_of_clones(1);
    assert_eq!(world.status("p")["strategy"], "clone");
    let dir = handed_out(&world, "");
    assert!(dir.join(".git").is_dir());
    assert_eq!(world.git(&dir, "rev-parse --git-common-dir"), ".git");
    assert_eq!(world.git(&dir, "remote get-url origin"), remote.url());
    world.git(&dir, "rev-parse origin/main origin/topic");
    let history = world.git(&remote.path, "rev-list --count main");
    assert_eq!(world.git(&dir, "rev-list --count HEAD"), history);
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.git(&dir, "fetch -q origin");
    let away = world.path("away");
    fs::rename(&dir, &away).expect("moving the slot away");
    world.pool("remove-pool p --force").ok();
    world.git(&away, "fsck --strict");
    world.git(&away, "gc -q --prune=now");
    world.commit(&away, "on.txt", "goes on\n");
    world.git(&away, "push -q origin HEAD:refs/heads/on");
}

/// An idle one is a worktree like any other: nothing of a holder's repository is left.
#[test]
fn nothing_that_a_holder_writes_into_its_repository_reaches_anybody() {
    let (world, remote) = pool_of_clones(1);
    let marker = world.path("it-ran");
    let run = format!("sh -c 'touch {}'", marker.display());
    let dir = handed_out(&world, "");
    let hook = dir.join(".git/hooks/post-checkout");
    fs::write(&hook, format!("#!/bin/sh\n{run}\n")).expect("writing");
    world.sh(&format!("chmod +x {}", hook.display())).ok();
    fs::write(dir.join("a.txt"), "work\n").expect("writing");
    fs::write(dir.join(".git/info/exclude"), "a.txt\n").expect("writing");
    fs::write(dir.join(".git/info/attributes"), "* filter=evil\n").expect("writing");
    fs::write(dir.join(".git/objects/info/alternates"), "/nowhere\n").expect("writing");
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "filter.evil.clean",
        "filter.evil.smudge",
        "uploadpack.packObjectsHook",
    ] {
        world.git(&dir, ["config", key, &run]);
    }
    world.git(&dir, ["config", "core.hooksPath", ".git/hooks"]);
    world.git(&dir, ["config", "core.excludesFile", "/nowhere"]);
    fs::remove_file(&marker).ok();
    world.pool("status p/slot1").ok();
    world.pool("release p/slot1").ok();
    assert!(!marker.exists(), "something of the slot's ran");
    assert!(world.is_rescued("p", "work\n"), "what info/exclude hides");
    let dir = handed_out(&world, "");
    assert!(!marker.exists(), "something of the slot's ran");
    let config = fs::read_to_string(dir.join(".git/config")).expect("the config");
    assert!(
        !config.contains("evil") && !config.contains("hooks"),
        "{config}"
    );
    assert!(!hook.exists() && !dir.join(".git/info/exclude").exists());
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// Section 7: they share no refs, no config and no stash.
#[test]
fn two_slots_do_not_see_each_other() {
    let (world, _remote) = pool_of_clones(2);
    let (one, two) = (handed_out(&world, ""), handed_out(&world, ""));
    let tip = world.commit(&one, "one.txt", "one\n");
    world.git(&one, "branch mine");
    world.git(&one, "tag mine-too");
    world.git(&one, "config mine.key value");
    fs::write(one.join("README.md"), "stashed\n").expect("writing");
    world.git(&one, "stash -q");
    for gone in ["mine", "mine-too", "refs/stash", &tip] {
        let asked = world.try_git(
            &two,
            ["rev-parse", "--verify", "-q", &format!("{gone}^{{}}")],
        );
        assert_ne!(asked.code, 0, "{gone}");
    }
    assert_eq!(world.try_git(&two, "config mine.key").code, 1);
    assert_eq!(world.git(&two, "stash list"), "");
}

/// Section 6: whatever was made is saved or goes on as a branch of the pool.
#[test]
fn what_was_made_in_a_clone_comes_home() {
    let (world, _remote) = pool_of_clones(1);
    let dir = handed_out(&world, "");
    let script = "set -e
        echo gone > gone; git add gone; git commit -qm gone; git reset -q --hard HEAD~1
        echo stashed > README.md; git stash -q; echo second > README.md; git stash -q
        git switch -qc side; echo side > side; git add side; git commit -qm side; git tag tagged
        git switch -q --detach HEAD~1; echo away > away; git add away; git commit -qm away
        git switch -q -; git notes add -m noted; git pack-refs --all
        git switch -qc last; echo last > last; git add last; git commit -qm last
        echo blob > staged; git add staged; echo other > staged; echo new > untracked";
    world.sh(&format!("cd '{}'; {script}", dir.display())).ok();
    let tip = world.head(&dir);
    world.pool("release p/slot1").ok();
    for text in [
        "gone", "stashed", "second", "away", "last", "blob", "other", "new",
    ] {
        assert!(world.is_rescued("p", &format!("{text}\n")), "{text}");
    }
    let bare = world.bare("p");
    assert_eq!(world.git(&bare, "rev-parse refs/heads/last"), tip);
    assert_eq!(
        world
            .git(&bare, "rev-parse refs/heads/side refs/tags/tagged^{}")
            .lines()
            .count(),
        2
    );
    world.git(&bare, "rev-parse refs/notes/commits");
    world.git(&bare, "fsck --connectivity-only");
    let again = handed_out(&world, "--branch last");
    assert_eq!(world.head(&again), tip);
    assert_eq!(
        world.git(&again, "branch --format=%(refname:short)"),
        "last"
    );
    world.assert_sound("p");
}

/// 6.1: a branch survives, with what it follows, and what was pushed needs no saving.
#[test]
fn a_pushed_branch_survives_with_its_upstream_and_is_not_saved() {
    let (world, remote) = pool_of_clones(1);
    let dir = handed_out(&world, "--branch feature/x");
    let tip = world.commit(&dir, "x.txt", "x\n");
    world.git(&dir, "push -q -u origin feature/x");
    let out = world.pool("release p/slot1 --json");
    out.ok();
    assert!(out.json()["rescue"].is_null(), "{out}");
    assert_eq!(world.tip(&remote, "refs/heads/feature/x"), tip);
    let dir = handed_out(&world, "--branch feature/x --no-fetch");
    assert_eq!(world.head(&dir), tip);
    assert_eq!(
        world.git(&dir, "rev-parse --abbrev-ref @{u}"),
        "origin/feature/x"
    );
    // Amended, it goes another way than the pool's.
    world.git(&dir, "commit -q --amend -m again");
    let amended = world.head(&dir);
    world.pool("release p/slot1").ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse feature/x"), amended);
}

/// A branch that two slots have made differently is the first one's; the other's work is saved.
#[test]
fn of_two_branches_of_one_name_none_is_lost() {
    let (world, _remote) = pool_of_clones(2);
    let (one, two) = (handed_out(&world, ""), handed_out(&world, ""));
    let mut tips = Vec::new();
    for (dir, text) in [(&one, "one\n"), (&two, "two\n")] {
        world.git(dir, "switch -qc same");
        tips.push(world.commit(dir, "same.txt", text));
    }
    world.pool("release p/slot1").ok();
    world.pool("release p/slot2").ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse same"), tips[0]);
    assert!(world.is_rescued("p", "one\n") && world.is_rescued("p", "two\n"));
    let held = handed_out(&world, "--branch same");
    let out = world.pool("allocate p --branch same");
    out.code(1).says("is checked out in");
    // One that somebody was handed out with is nobody else's to move.
    let other = handed_out(&world, "");
    world.git(&other, ["fetch", "-q", &held.display().to_string(), "same"]);
    world.git(&other, "switch -q -c same FETCH_HEAD");
    world.commit(&other, "later.txt", "later\n");
    world.pool(["release", &other.display().to_string()]).ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse same"), tips[0]);
    assert!(world.is_rescued("p", "later\n"));
    world.assert_sound("p");
}

/// What can't be saved is refused, and its holder has the repository as it was.
#[test]
fn a_refused_release_gives_the_repository_back() {
    let (world, _remote) = pool_of_clones(1);
    let dir = handed_out(&world, "");
    world.commit(&dir, "kept.txt", "kept\n");
    world.git(&dir, "config mine.key value");
    world.git(&dir, "branch mine");
    world
        .sh(&format!("git init -q {}/nested", dir.display()))
        .ok();
    world.pool("release p/slot1").code(5);
    assert_eq!(world.git(&dir, "config mine.key"), "value");
    world.git(&dir, "rev-parse mine");
    fs::remove_dir_all(dir.join("nested")).expect("deleting");
    // So is one from which somebody has made a worktree.
    let linked = world.path("linked");
    world.git(
        &dir,
        ["worktree", "add", "-q", &linked.display().to_string()],
    );
    world
        .pool("release p/slot1")
        .code(5)
        .says("git worktree remove");
    world.git(&linked, "status");
    world.git(&dir, ["worktree", "remove", &linked.display().to_string()]);
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "kept\n"));
}

/// Saved work comes back into a clone, which keeps its own config.
#[test]
fn saved_work_comes_back_into_a_clone() {
    let (world, _remote) = pool_of_clones(1);
    let dir = handed_out(&world, "");
    let tip = world.commit(&dir, "done.txt", "done\n");
    fs::write(dir.join("new.txt"), "new\n").expect("writing");
    world.git(&dir, "add new.txt");
    let before = world.work(&dir);
    let out = world.pool("release p/slot1 --json");
    let id = out.ok().json()["rescue"]["rescue_id"].clone();
    let id = id.as_str().expect("an id");
    let dir = handed_out(&world, "");
    world.git(&dir, "config mine.key value");
    world
        .pool(["rescue", "restore", id, "--into", "p/slot1"])
        .ok();
    assert!(dir.join(".git").is_dir());
    assert_eq!(world.head(&dir), tip);
    assert_eq!(world.work(&dir), before);
    assert_eq!(world.git(&dir, "config mine.key"), "value");
    world.git(&dir, "fsck --connectivity-only");
}

/// Collecting takes what a holder has made without waiting for its end.
#[test]
fn branches_are_collected_from_a_clone_in_use() {
    let (world, remote) = pool_of_clones(1);
    let own = world.clone_of(&remote, "own");
    let dir = handed_out(&world, "--branch fresh/new");
    let tip = world.commit(&dir, "new.txt", "new\n");
    world
        .pool(["collect", "p/slot1", "--into", &own.display().to_string()])
        .ok();
    assert_eq!(world.git(&own, "rev-parse fresh/new"), tip);
    world.git(&dir, "commit -q --amend -m amended");
    let amended = world.head(&dir);
    assert_eq!(world.slot("p/slot1")["current_commit"], *amended);
    world.pool("release p/slot1").ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse fresh/new"), amended);
}

/// A release waits for who gathers from the slot, and takes it for nobody who is inside.
#[test]
fn a_release_waits_for_a_collect() {
    let (world, remote) = pool_of_clones(1);
    let own = world.clone_of(&remote, "own");
    let dir = handed_out(&world, "--branch side");
    let tip = world.commit(&dir, "side.txt", "side\n");
    let stand = Stand::new(&world);
    stand.choose_word("pack-objects", "hold");
    let call = world.call(format!("collect p/slot1 --into {}", own.display()));
    let running = call.env("PATH", stand.path()).spawn();
    let (held, _) = until("git is held", || stand.held());
    stand.choose(0, "none");
    let out = world.pool("release p/slot1 --lock-timeout 50ms");
    out.code(3).says("slot1");
    stand.let_go(held);
    running.finish().ok();
    world.pool("release p/slot1").ok();
    assert_eq!(world.git(&own, "rev-parse side"), tip);
}

/// 9.5: a disk that is full while objects are brought over does not pass for damage of theirs.
#[test]
fn what_can_not_be_written_is_not_passed_over() {
    let (world, remote) = pool_of_clones(1);
    let own = world.clone_of(&remote, "own");
    let dir = handed_out(&world, "--branch side");
    let tip = world.commit(&dir, "side.txt", "side\n");
    world.git(&dir, "switch -q --detach origin/main");
    let stand = Stand::new(&world);
    let full = "strace -f -qq -o /dev/null -e inject=write:error=ENOSPC:when=1";
    let collect = format!("collect p/slot1 --into {}", own.display());
    for args in [&*collect, "release p/slot1"] {
        stand.choose_word("pack-objects", full);
        let out = world.call(args).env("PATH", stand.path()).run();
        out.code(1).says("Out of diskspace");
    }
    world.pool("release p/slot1").ok();
    assert_eq!(world.git(&world.bare("p"), "rev-parse side"), tip);
}

/// 9.2: the slot is out of use and all is there, until a person has had a look.
#[test]
fn a_clone_that_lacks_objects_waits_for_a_person() {
    let (world, _remote) = pool_of_clones(2);
    let dir = handed_out(&world, "");
    let tip = world.commit(&dir, "lost.txt", "lost\n");
    let blob = world.git(&dir, "rev-parse HEAD:lost.txt");
    let object = dir.join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    fs::remove_file(object).expect("deleting");
    fs::remove_file(dir.join("lost.txt")).expect("deleting");
    world.pool("release p/slot1").code(1).says("lacks objects");
    assert_eq!(world.state("p/slot1"), "error");
    assert_eq!(world.head(&world.slot_dir("slot1")), tip);
    world.pool("recover p/slot1 --force").ok();
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// Without its repository, a slot's files are still somebody's work.
#[test]
fn the_files_of_a_slot_without_its_repository_are_saved() {
    let (world, remote) = pool_of_clones(1);
    let dir = handed_out(&world, "");
    fs::write(dir.join("new.txt"), "new\n").expect("writing");
    fs::remove_dir_all(dir.join(".git")).expect("deleting");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "new\n"));
    let dir = handed_out(&world, "");
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    // Nor is the slot's registration needed for what its repository has.
    world.commit(&dir, "more.txt", "more\n");
    fs::remove_dir_all(world.registration("slot1")).expect("deleting");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "more\n"));
    world.assert_sound("p");
}

/// 8.1: as declared, and not forgotten with the pool's record.
#[test]
fn a_declared_pool_of_clones_stays_one() {
    let world = World::new();
    let remote = world.remote();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{}\"\nstrategy = \"clone\"\nnum_slots = 1\n",
        remote.url()
    ));
    let dir = handed_out(&world, "");
    assert!(dir.join(".git").is_dir());
    world.commit(&dir, "work.txt", "work\n");
    fs::remove_file(world.pool_dir("p").join("pool.json")).expect("deleting");
    world.pool("recover p").ok();
    assert_eq!(world.status("p")["strategy"], "clone");
    world.pool("recover p/slot1 --force").ok();
    assert!(world.is_rescued("p", "work\n") || set_aside(&world).contains("work\n"));
    assert!(handed_out(&world, "").join(".git").is_dir());
}

/// The contents of the files that were set aside.
fn set_aside(world: &World) -> String {
    let place = world.pool_dir("p").join("set-aside");
    let all = format!("cat $(find '{}' -name work.txt)", place.display());
    world.sh(&all).stdout
}

/// W.3: the history is on the disk once.
#[test]
fn clones_share_the_files_of_their_objects() {
    let (world, _remote) = pool_of_clones(2);
    world.git(&world.bare("p"), "repack -adq");
    let (one, two) = (handed_out(&world, ""), handed_out(&world, ""));
    let pack = |repository: &Path| {
        use std::os::unix::fs::MetadataExt;
        let packs = fs::read_dir(repository.join("objects/pack")).expect("packs");
        let mut packs = packs.flatten().map(|entry| entry.path());
        let pack = packs.find(|path| path.extension().is_some_and(|kind| kind == "pack"));
        fs::metadata(pack.expect("a pack")).expect("a pack").ino()
    };
    let shared = pack(&world.bare("p"));
    assert_eq!(pack(&one.join(".git")), shared);
    assert_eq!(pack(&two.join(".git")), shared);
    // What the pool makes of them is no clone's trouble.
    world.git(&world.bare("p"), "gc -q --prune=now");
    world.git(&one, "fsck");
}

/// What the set-up writes into the slot's own repository is there each time the slot is handed out, and
/// nowhere else.
#[test]
fn a_set_up_finds_the_slot_as_a_whole_repository() {
    let world = World::new();
    let remote = world.remote();
    let url = remote.url();
    let text = "mkdir -p target; echo run >> target/runs; test -d .git || exit 1; \
                git config my.key ours; git config core.hooksPath .git/hooks; \
                echo exit 0 > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; \
                echo mine >> .git/info/exclude; git branch theirs";
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nstrategy = \"clone\"\nsetup = '{text}'\nkeep = [\"target/\"]\n"
    ));
    world.pool("apply").ok();
    let written = |dir: &Path| {
        assert_eq!(world.git(dir, "config my.key"), "ours");
        let hook = dir.join(".git/hooks/pre-commit");
        world.sh(&format!("test -x '{}'", hook.display())).ok();
        fs::write(dir.join("mine"), "").expect("writing");
        assert_eq!(world.git(dir, "status --porcelain"), "");
        fs::remove_file(dir.join("mine")).expect("removing");
        // What a holder makes of it is for nobody else.
        world.git(dir, "config my.key theirs");
        fs::write(hook, "exit 1").expect("writing");
        let runs = fs::read_to_string(dir.join("target/runs")).expect("made");
        assert_eq!(runs, "run\n");
    };
    for _ in 0..2 {
        assert_eq!(world.slot("p/slot1")["verified"], true);
        written(&handed_out(&world, ""));
        written(&handed_out(&world, "--branch mine"));
        world.pool("release p/slot1").ok();
        world.pool("release p/slot2").ok();
    }
    let shared = fs::read_to_string(world.bare("p").join("config")).expect("the config");
    assert!(!shared.contains("[my]"), "{shared}");
    world.pool("recover p --dry-run").ok();
    assert_eq!(world.pool("rescue list p").ok().stdout, "");
}

/// The short form of a campaign.
#[test]
fn random_kills_break_nothing() {
    over_clones(|| crate::kill_loop::kill_at_random(100));
}

macro_rules! over_clones {
    ($($module:ident::$test:ident)*) => {
        $(
            #[test]
            fn $test() {
                over_clones(crate::$module::$test);
            }
        )*
    };
}

over_clones! {
    allocate::allocate_hands_out_the_new_commit_after_a_push
    allocate::allocate_follows_a_forced_push
    allocate::allocate_cleans_an_available_slot_that_was_dirtied
    allocate::allocate_undoes_what_git_itself_would_hide
    allocate::allocate_is_undone_when_its_path_cannot_be_printed
    allocate_ref::allocate_ref_takes_anything_the_remote_has
    allocate_ref::allocate_branch_of_the_remote_tracks_it
    allocate_ref::allocate_branch_that_exists_is_met_at_its_tip
    allocate_ref::allocate_branch_held_by_another_slot_names_it
    copies::every_slot_has_the_files_as_they_are_in_the_folder
    create::create_fills_every_slot_with_the_repositorys_content
    create::create_from_a_sha256_repository_works
    release::release_cleans_whatever_was_left
    release::work_left_by_no_cleanup_is_saved_before_it_is_cleaned
    release::release_by_a_shell_that_stands_in_the_slot
    release::release_rebuilds_a_deleted_directory
    rescue_exact::changes_of_every_kind_come_back
    rescue_exact::conflicts_and_stopped_operations_come_back
    rescue_exact::commits_come_back
    rescue_exact::what_the_index_hides_comes_back
    rescue_exact::a_refused_release_leaves_index_and_files_untouched
    saved_work::release_saves_edits_that_a_stopped_rebase_set_aside
    saved_work::release_saves_commits_that_only_a_ref_of_the_slot_holds
    saved_work::release_saves_edits_of_a_slot_with_a_split_index
    setup::it_runs_again_when_an_input_changed
    setup::a_set_up_slot_is_clean
    setup::a_set_up_that_fails_leaves_its_output_and_recover_runs_it_again
    setup::a_killed_set_up_is_done_again
    setup::an_interrupted_set_up_ends_with_its_command
    slots::remove_slot_force_saves_the_work_first
    slots::remove_pool_deletes_everything
    sparse::slots_have_some_directories_only
    sparse::files_outside_are_seen_saved_and_cleaned
    parking::an_idle_slot_is_parked_and_a_handed_out_one_is_not
    parking::a_verified_slot_needs_no_git
    parking::an_intruder_at_the_path_of_an_idle_slot_is_moved_aside
    recover::recover_rebuilds_a_missing_directory
    recover::recover_repairs_a_damaged_index
    recover::recover_and_release_cope_with_a_deleted_allocated_slot
    recover_objects::damaged_packs_are_no_slots_fault_and_made_anew_from_the_remote
    ownership::a_dead_owners_slot_comes_back_with_its_work_saved
    background::release_returns_before_the_slot_is_clean
    fast::slots_of_one_commit_go_round_without_work
    available::available_after_operations_under_way
    available::available_after_odd_heads
    crash_points::allocate
    crash_points::release
    model::random_operations_keep_every_promise
    model::random_operations_of_several_at_once_keep_every_promise
}

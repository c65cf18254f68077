//! `dispatch run` with slots: branches, what is saved, what a dependent starts from.

use crate::support::Queue;
use serde_json::json;

fn sh(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\nrepo = \"p\"\n{more}\n")
}

fn commit(file: &str, text: &str) -> String {
    format!("echo {text} > {file} && git add {file} && git commit -qm {text}")
}

/// 4, 5: a task works in a slot of its own, on its branch, and is told where it is; what it commits
/// stays on the branch, what it leaves uncommitted is saved under its name, and the slot comes back.
#[test]
fn a_task_has_a_slot_and_its_work_is_kept() {
    let script = format!("{}; echo left > left; pwd; env", commit("new", "one"));
    let queue = Queue::with_slots(1, &sh("One", &script, ""));
    // Where the dispatcher's caller leads git is nothing to the tasks.
    let run = queue
        .run("")
        .env("GIT_DIR", "elsewhere")
        .env("GIT_INDEX_FILE", "other");
    run.run().ok();
    let log = queue.log("One", 1);
    let slot = queue.world.slot_path("slot1");
    for line in [
        format!("{}\n", slot.display()),
        format!("REPO_POOL_SLOT_PATH={}\n", slot.display()),
        "REPO_POOL_SLOT_ID=".to_owned(),
        "REPO_POOL_POOL=p\n".to_owned(),
        "REPO_POOL_BRANCH=rp/One\n".to_owned(),
        "REPO_POOL_ALLOCATION=".to_owned(),
        "REPO_POOL_BASE_COMMIT=".to_owned(),
    ] {
        assert!(log.contains(&line), "{line:?} in {log}");
    }
    let done = &queue.all("RunnerCompleted")[0];
    let bare = queue.world.bare("p");
    let tip = queue.world.git(&bare, "rev-parse refs/heads/rp/One");
    assert_eq!(done["commit"], tip.as_str());
    let rescues = queue.world.pool("rescue list p").stdout.clone();
    assert!(rescues.contains("task One of"), "{rescues}");
    assert!(queue.all("SlotReleased")[0]["rescue"].is_string());
    queue.all_slots_are_free();
}

/// A further attempt begins at the base anew; what the one before has committed stays beside it.
#[test]
fn a_further_attempt_begins_anew() {
    let script = format!(
        "test ! -e new || exit 78; {}; test $REPO_POOL_ATTEMPT = 2",
        commit("new", "a$REPO_POOL_ATTEMPT")
    );
    let queue = Queue::with_slots(2, &sh("a", &script, ""));
    queue.run("").run().ok();
    let bare = queue.world.bare("p");
    let subject = |branch: &str| queue.world.git(&bare, ["log", "-1", "--format=%s", branch]);
    assert_eq!(subject("rp/a"), "a2");
    assert_eq!(subject("rp/a.a1"), "a1");
    let slots: Vec<_> = queue
        .all("SlotAllocated")
        .iter()
        .map(|e| e["slot"]["number"].clone())
        .collect();
    assert_eq!(
        slots[0], slots[1],
        "the slot of the attempt before is preferred"
    );
    queue.all_slots_are_free();
}

/// No slot is no failure: the task waits, says so, and runs when one comes back.
#[test]
fn a_task_waits_for_a_slot() {
    let queue = Queue::with_slots(1, &sh("a", "true", ""))
        .settings("[dispatch]\npoll_interval = \"100ms\"\n");
    let held = queue.world.pool("allocate p").path();
    let run = queue.run("").spawn();
    queue.until("SlotUnavailable", 1);
    queue
        .world
        .pool(["release", &held.display().to_string()])
        .ok();
    run.finish().ok();
    assert_eq!(queue.completed()["a"], 1);
    assert!(queue.all("RunnerFailed").is_empty());
}

/// `base = "deps"`: a dependent starts from what its dependencies left, merged; where git can't merge
/// that, a person is asked, with the files' names, and the rest goes on.
#[test]
fn a_dependent_starts_from_what_its_dependencies_left() {
    let queue = Queue::with_slots(
        2,
        &[
            sh("a", &commit("one", "a"), ""),
            sh("b", &commit("two", "b"), ""),
            sh(
                "c",
                "cat one two",
                "depends = [\"a\", \"b\"]\nbase = \"deps\"",
            ),
            sh("d", &commit("one", "d"), ""),
            sh("e", "cat one", "depends = [\"a\", \"d\"]\nbase = \"deps\""),
            sh("f", "true", "depends = [\"c\"]"),
        ]
        .concat(),
    );
    queue.run("").run().code(4).says("one");
    assert!(queue.log("c", 1).contains("a\nb\n"));
    assert_eq!(queue.completed().len(), 5);
    let asked = &queue.all("NeedsAttention")[0];
    assert_eq!(asked["task"], "e");
    assert!(
        asked["question"].as_str().expect("it").contains("one"),
        "{asked}"
    );
    queue.all_slots_are_free();
    // What the answer comes to: the two are merged by hand on the branch that was named.
    let merge = "git merge -q rp/a || { echo both > one; git commit -qam both; }";
    queue
        .world
        .pool(["exec", "p", "--branch", "rp/d", "--", "sh", "-c", merge])
        .ok();
    queue.ask("retry e").run().ok();
    queue.run("").run().ok();
    assert!(queue.log("e", 2).contains("both"), "{}", queue.log("e", 2));
}

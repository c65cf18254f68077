//! `dispatch run` and branches: those that tasks make themselves, that another run works on, and that
//! tasks are to start from.

use crate::support::{Queue, World, until};
use serde_json::json;

/// A task in a slot; `$DIR` is the directory of its file.
fn sh(id: &str, script: &str, more: &str) -> String {
    let script = format!("DIR=$REPO_POOL_WORKSPACE/..; {script}");
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\nrepo = \"p\"\n{more}\n")
}

fn commit(file: &str) -> String {
    format!("echo {file} > {file} && git add {file} && git commit -qm {file}")
}

/// Also across runs tasks of one branch run one at a time: the later one waits for it, says who has it,
/// asks nobody, and is in no other task's way.
#[test]
fn a_branch_that_another_run_works_on_is_waited_for() {
    let waits = format!(
        "until [ -e $DIR/go ]; do sleep 0.02; done; {}",
        commit("new")
    );
    let queue = Queue::with_slots(2, &sh("same", &waits, ""))
        .settings("[dispatch]\npoll_interval = \"100ms\"\n");
    let first = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let tasks = [
        sh("same", "test ! -e new", "priority = 2"),
        sh("b", "true", ""),
        sh("c", "echo > $DIR/others", "depends = [\"b\"]"),
    ];
    std::fs::write(queue.path("other.toml"), tasks.concat()).expect("the other tasks");
    let second = queue.world.call("dispatch run other.toml --max 1").spawn();
    second.says("is checked out in workspace-p-slot1, which task same of", 1);
    queue.until_there("others");
    // Not while it asks.
    until("it is told why", || {
        let why = queue.ask("why same --run other").run().stdout;
        let words = ["which task same of", "it is asked for again in"];
        words.iter().all(|word| why.contains(word)).then_some(())
    });
    queue.open("go");
    second.finish().ok().says("3 of 3 done");
    first.finish().ok();
    // What it found there it has not kept a copy of each time it asked.
    let bare = queue.world.bare("p");
    let kept = queue.world.git(&bare, "branch --list rp/same.*");
    assert_eq!(kept.trim(), "rp/same.a0");
    queue.all_slots_are_free();
}

/// A task that commits on a branch of its own, or on none, has left that: its branch follows. Where it
/// can't, that is said.
fn the_branch_of_a_task_follows(strategy: &str) {
    let world = World::new();
    let url = world.remote().url();
    let create = format!("create p {url} -n 2 --strategy {strategy}");
    world.pool(create).ok();
    let and = |first: &str, file: &str| format!("git {first} && {}", commit(file));
    let tasks = [
        sh("plain", &commit("zero"), ""),
        sh("branch", &and("checkout -qb feat/z", "one"), ""),
        sh(
            "both",
            &format!(
                "{} && {}",
                commit("zero"),
                and("checkout -qb feat/y", "five")
            ),
            "",
        ),
        sh("none", &and("checkout -q --detach", "two"), ""),
        sh("moved", &and("branch -qm elsewhere", "three"), ""),
        sh("astray", &and("checkout -q --orphan own", "four"), ""),
        sh(
            "after",
            "cat zero one two three",
            "depends = [\"plain\", \"branch\", \"none\", \"moved\"]\nbase = \"deps\"",
        ),
    ];
    let queue = Queue::of(world, &tasks.concat());
    queue.run("").run().ok();
    let bare = queue.world.bare("p");
    let at = |name: &str| queue.world.git(&bare, ["rev-parse", name]);
    for event in queue.all("RunnerCompleted") {
        let task = event["task"].as_str().expect("a task");
        if !["astray", "after"].contains(&task) {
            let branch = format!("rp/{task}");
            assert_eq!(event["branch"], branch);
            assert_eq!(event["commit"], at(&branch), "{event}");
        }
    }
    assert_eq!(at("feat/z"), at("rp/branch"));
    let warnings = queue.all("Warning");
    let text = warnings[0]["text"].as_str().expect("a text");
    assert!(
        warnings.len() == 1 && text.contains("on branch own"),
        "{warnings:?}"
    );
    queue.all_slots_are_free();
}

#[test]
fn the_branch_of_a_task_follows_in_worktrees() {
    the_branch_of_a_task_follows("worktree");
}

#[test]
fn the_branch_of_a_task_follows_in_clones() {
    the_branch_of_a_task_follows("clone");
}

/// A task can start from a branch that another has made here. What is nowhere is a mistake, which trying
/// again does not mend.
#[test]
fn a_task_starts_from_a_branch_that_is_here_only() {
    let tasks = [
        sh("a", &commit("new"), ""),
        sh("b", "cat new", "depends = [\"a\"]\nbase = \"rp/a\""),
        sh(
            "c",
            "cat new",
            "depends = [\"a\"]\nbase = \"refs/heads/rp/a\"",
        ),
        sh("d", "true", "base = \"rp/z\"\nretries = 3"),
    ];
    let queue = Queue::with_slots(2, &tasks.concat());
    queue.run("").run().code(1).says("\"rp/z\" is no branch");
    assert_eq!(queue.completed().len(), 3);
    assert_eq!(queue.tasks_of("TaskAssigned").len(), 4);
    assert_eq!(queue.all("RunnerFailed")[0]["class"], "configuration");
}

//! `dispatch run` with slots: branches, what is saved, what a dependent starts from.

use crate::support::{Queue, alive, until};
use rustix::process::Signal;
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

/// A further attempt begins at the base anew; what the one before has committed stays beside it,
/// also where git has packed the branches meanwhile.
#[test]
fn a_further_attempt_begins_anew() {
    let script = format!(
        "test ! -e new || exit 78; {}; git pack-refs --all; test $REPO_POOL_ATTEMPT = 2",
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

/// A stranger inside the slot of a task that has ended is ended, and the slot comes back clean.
#[test]
fn who_stays_in_a_slot_is_ended() {
    let queue = Queue::with_slots(1, &sh("a", "until [ -e go ]; do sleep 0.02; done", ""));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let slot = queue.world.slot_path("slot1");
    let stranger = queue.world.helper(&slot, "true");
    std::fs::write(slot.join("go"), "").expect("a file");
    run.finish().ok();
    until("it is ended", || (!alive(stranger.pid())).then_some(()));
    assert!(queue.all("SlotReleased")[0]["error"].is_null());
    queue.all_slots_are_free();
    let clean = queue
        .world
        .pool(["exec", "p", "--", "git", "status", "--porcelain"]);
    assert_eq!(clean.stdout, "");
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
    queue
        .run("--metrics-file own.prom")
        .run()
        .code(4)
        .says("one");
    // Nobody runs who asks.
    let figures = std::fs::read_to_string(queue.path("own.prom")).expect("the figures");
    let in_use = figures.lines().filter(|line| {
        let gauges = ["running_tasks", "cpu_in_use", "memory_in_use_bytes"];
        gauges
            .iter()
            .any(|name| line.starts_with(&format!("repo_pool_dispatch_{name}{{")))
    });
    let in_use: Vec<_> = in_use.collect();
    assert_eq!(in_use.len(), 3, "{figures}");
    assert!(in_use.iter().all(|line| line.ends_with(" 0")), "{in_use:?}");
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

/// What makes a repository of its own in the slot, which can't be saved from outside.
const NESTED: &str = "git init -q dep && cd dep && git commit -q --allow-empty -m within && cd ..";

/// A slot that can't go back stays with its task, and nothing is lost: a person is asked, the task is
/// not tried again on a branch that is taken, and goes on once it is answered.
#[test]
fn who_leaves_what_cannot_be_saved_is_asked_about_it() {
    let script = format!("test $REPO_POOL_ATTEMPT != 1 || {{ {NESTED}; exit 1; }}");
    let queue = Queue::with_slots(2, &[sh("a", &script, ""), sh("b", "true", "")].concat());
    queue
        .run("")
        .run()
        .code(4)
        .says("nested repositories")
        .says("--discard");
    assert_eq!(queue.tasks_of("RunnerFailed"), ["a"]);
    let allocated = queue.all("SlotAllocated");
    let of_a = allocated.iter().find(|event| event["task"] == "a");
    let slot = format!("slot{}", of_a.expect("a's slot")["slot"]["number"]);
    let nested = queue.world.slot_path(&slot).join("dep");
    assert!(nested.join(".git").exists());
    let asked = queue.all("NeedsAttention")[0].clone();
    let release = format!("release workspace-p-{slot}");
    let command = asked["command"].as_str().unwrap_or_default();
    let told = format!("repo-pool {release} && repo-pool dispatch retry a --run ");
    assert!(
        asked["task"] == "a" && command.starts_with(&told),
        "{asked}"
    );
    // Who answers only half is asked the other half, and no attempt is counted for it.
    queue.ask("retry a").run().ok();
    queue.run("").run().code(4);
    assert_eq!(queue.tasks_of("RunnerFailed"), ["a"]);
    std::fs::rename(&nested, queue.path("dep")).expect("moving it");
    queue.world.pool(&*release).ok();
    queue.ask("retry a").run().ok();
    queue.run("").run().ok();
    assert_eq!(queue.completed()["a"], 1);
    queue.all_slots_are_free();
}

/// A run whose slots have all been left so ends, and says where the work is; also what is done asks
/// for a person then.
#[test]
fn a_run_without_a_slot_that_can_come_back_ends() {
    let failed = format!("{NESTED}; exit 1");
    let tasks = [
        sh("a", &failed, "priority = 2\nretries = 0"),
        sh("b", NESTED, "priority = 1"),
        sh("c", "true", ""),
    ];
    let queue = Queue::with_slots(2, &tasks.concat());
    queue
        .run("")
        .run()
        .code(4)
        .says("task c can't run: no slot of p comes back by itself")
        .says("repo-pool release workspace-p-slot");
    assert_eq!(queue.completed().len(), 1);
    for slot in ["slot1", "slot2"] {
        assert!(queue.world.slot_path(slot).join("dep/.git").exists());
        let slot = format!("p/{slot}");
        queue.world.pool(["release", &slot, "--discard"]).ok();
    }
    queue.run("").run().code(1);
    assert_eq!(queue.completed()["c"], 1);
    queue.all_slots_are_free();
}

/// A branch that somebody works on elsewhere is nothing that attempts are spent on.
#[test]
fn a_branch_that_is_taken_is_a_question() {
    let queue = Queue::with_slots(2, &sh("a", "true", "retries = 0"));
    let held = queue.world.pool("allocate p --branch rp/a").path();
    queue.run("").run().code(4).says("is checked out in");
    assert!(queue.all("RunnerFailed").is_empty());
    queue
        .world
        .pool(["release", &held.display().to_string()])
        .ok();
    queue.ask("retry a").run().ok();
    queue.run("").run().ok();
    queue.all_slots_are_free();
}

/// Tasks with the same branch run one at a time, each on top of what the last one has left there;
/// what an attempt that failed has put on it is kept beside.
#[test]
fn who_shares_a_branch_goes_on_from_where_it_stands() {
    let second = format!(
        "test -e one && test ! -e two && {} && test $REPO_POOL_ATTEMPT = 2",
        commit("two", "b")
    );
    let tasks = [
        sh("c", "cat one two", "branch = \"x\"\ndepends = [\"b\"]"),
        sh("b", &second, "branch = \"x\"\npriority = 2"),
        sh("a", &commit("one", "a"), "branch = \"x\"\npriority = 3"),
    ];
    let queue = Queue::with_slots(3, &tasks.concat())
        .settings("[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 3\n");
    queue.run("").run().ok();
    let order: Vec<_> = queue
        .events()
        .into_iter()
        .filter(|event| {
            let kinds = ["TaskAssigned", "RunnerFailed", "RunnerCompleted"];
            kinds.iter().any(|kind| event["event"] == *kind)
        })
        .map(|event| event["task"].as_str().expect("a task").to_owned())
        .collect();
    assert_eq!(order.concat(), "aabbbbcc");
    let bare = queue.world.bare("p");
    let subjects = |branch: &str| {
        let log = queue.world.git(&bare, ["log", "-2", "--format=%s", branch]);
        log.replace('\n', " ")
    };
    assert_eq!((&*subjects("x"), &*subjects("x.a1")), ("b a", "b a"));
    queue.all_slots_are_free();
}

/// Who needs a slot of which another run has all stands in the pool's line: it does not wait for the
/// end of a run whose next task is always there first.
#[test]
fn a_run_that_has_all_slots_leaves_some_to_another() {
    // Between two of them a slot is free for a hundredth of the time; who only asks hardly meets that.
    const MANY: usize = 60;
    let tasks: Vec<String> = (0..MANY)
        .map(|n| sh(&n.to_string(), "sleep 0.3", ""))
        .collect();
    let queue =
        Queue::with_slots(1, &tasks.concat()).settings("[dispatch]\npoll_interval = \"2s\"\n");
    std::fs::write(queue.path("later.toml"), sh("late", "true", "")).expect("the other task");
    let first = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let log = queue.dir().join("events.jsonl");
    let later = queue.world.call("dispatch run later.toml").run();
    later.ok().says("1 of 1 done");
    let log = std::fs::read_to_string(log).expect("the events");
    let done = log.matches("\"RunnerCompleted\"").count();
    assert!(done > 0);
    assert!(done < MANY / 2, "{done} were done before");
    first.signal(Signal::TERM);
    first.finish().code(128 + 15);
    queue.all_slots_are_free();
}

//! 2, 9: what people want while a run goes on.

use super::{WAIT, has_done_what_follows, open, pid_in, states, task, until_failed};
use crate::support::{Queue, alive, until};

/// 2: an agent pool gets smaller, larger, is disabled and enabled: what runs in it runs on, and what
/// begins begins only where there is room.
#[test]
fn agent_pools_change_while_the_run_goes_on() {
    let queue = Queue::new("").settings(
        "[dispatch]\nskill_mapping = { x = [\"other\"], default = [\"one\"] }\n\
         [agent_pools.one]\ntype = \"local-process\"\nmax_concurrency = 2\n\
         [agent_pools.other]\ntype = \"local-process\"\nmax_concurrency = 1\n",
    );
    let others = ["a", "b", "c", "d", "e", "f"].map(|id| task(&queue, id, WAIT, ""));
    queue.write(&(task(&queue, "keep", WAIT, "skill = \"x\"") + &others.concat()));
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 3);
    let begun = || {
        has_done_what_follows(&queue, "keep");
        queue.tasks_of("TaskAssigned").join(" ")
    };
    let mut changes = 0;
    let mut change = |words: &str| {
        queue.ask(&format!("pool {words}")).run().ok();
        changes += 1;
        queue.until("AgentPoolChanged", changes);
    };
    change("set one --max 1");
    open(&queue, &["a"]);
    queue.until("RunnerCompleted", 1);
    assert_eq!(begun(), "keep a b", "there is room for b only");
    change("set one --max 3");
    queue.until("RunnerStarted", 5);
    assert_eq!(begun(), "keep a b c d");
    change("disable one");
    open(&queue, &["b", "c", "d"]);
    queue.until("RunnerCompleted", 4);
    assert_eq!(begun(), "keep a b c d", "it takes nothing new");
    let pools = queue.ask("pool list --json").run().ok().json();
    let one = &pools["agent_pools"][0];
    assert_eq!(
        (
            &one["name"],
            &one["enabled"],
            &one["running"],
            &one["max_concurrency"]
        ),
        (&"one".into(), &false.into(), &0.into(), &3.into()),
        "{pools:#}"
    );
    change("enable one");
    queue.until("RunnerStarted", 7);
    open(&queue, &["keep", "e", "f"]);
    run.finish().ok();
    assert_eq!(queue.completed().len(), 7);
}

/// 13: when nothing runs, and nothing will, because of what a person has disabled, the run says so, and
/// what would change that; it waits for that person's answer.
#[test]
fn a_run_that_nobody_may_work_on_asks() {
    let queue = Queue::new("");
    let tasks = [
        task(&queue, "a", WAIT, ""),
        task(&queue, "b", "true", "depends = [\"a\"]"),
    ];
    queue.write(&tasks.concat());
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    queue.ask("pool disable local").run().ok();
    queue.until("AgentPoolChanged", 1);
    open(&queue, &["a"]);
    run.says("repo-pool dispatch pool enable local", 1);
    let shown = queue.ask("status --json").run().ok().json();
    let asked = &shown["run"]["attention"][0];
    assert_eq!(
        asked["command"],
        queue.told("pool enable local"),
        "{shown:#}"
    );
    queue.ask("pool enable local").run().ok();
    run.finish().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
}

/// 9: `retry` revives what a failure has blocked, at once, in the run that goes on; tasks that run
/// `always` did not wait for that.
#[test]
fn a_retry_revives_what_was_blocked() {
    let queue = Queue::new("");
    queue.write(
        &[
            task(&queue, "keep", WAIT, ""),
            task(&queue, "bad", "[ -e \"$PLACE/mended\" ] || exit 78", ""),
            task(&queue, "near", "true", "depends = [\"bad\"]"),
            task(&queue, "far", "true", "depends = [\"near\"]"),
            task(
                &queue,
                "tell",
                "true",
                "depends = [\"bad\", \"far\"]\nwhen = \"always\"",
            ),
        ]
        .concat(),
    );
    let run = queue.run("").spawn();
    until_failed(&queue, "bad");
    queue.until("RunnerCompleted", 1);
    assert_eq!(
        states(&queue),
        [
            "keep running",
            "bad failed",
            "near blocked",
            "far blocked",
            "tell done"
        ]
    );
    let why = queue.ask("why far").run().ok().stdout.clone();
    assert!(
        why.contains("bad failed") && why.contains("dispatch retry bad"),
        "{why}"
    );
    queue.open("mended");
    queue.ask("retry bad").run().ok();
    queue.until("RunnerCompleted", 4);
    open(&queue, &["keep"]);
    run.finish().ok();
    let done = queue.tasks_of("RunnerCompleted");
    assert_eq!(done, ["tell", "bad", "near", "far", "keep"]);
}

/// `cancel --all` ends what runs with all that it has started, and lets nothing else begin.
#[test]
fn all_can_be_cancelled() {
    let queue = Queue::new("");
    let script = format!(
        "setsid sh -c 'echo $$ > \"$0\"; exec sleep 600' \"$PLACE/far\" & echo $$ > \"$PLACE/near\"; {WAIT}"
    );
    queue.write(
        &[
            task(&queue, "a", &script, "priority = 1"),
            task(&queue, "b", "true", ""),
            task(&queue, "c", "true", "depends = [\"a\"]\nwhen = \"always\""),
        ]
        .concat(),
    );
    let run = queue.run("--max 1").spawn();
    let pids = ["far", "near"].map(|name| pid_in(&queue, name));
    queue.ask("cancel --all").run().ok();
    run.finish().code(1);
    until("all of it is gone", || {
        (!pids.into_iter().any(alive)).then_some(())
    });
    assert_eq!(
        states(&queue),
        ["a cancelled", "b cancelled", "c cancelled"]
    );
    assert_eq!(queue.tasks_of("TaskAssigned"), ["a"]);
    assert_eq!(until_failed(&queue, "a")["class"], "cancelled");
    open(&queue, &["a"]);
    queue.ask("retry a b").run().ok();
    queue.run("").run().code(1);
    assert_eq!(states(&queue), ["a done", "b done", "c cancelled"]);
}

/// Files join a run that nobody works on, too: with the next dispatcher, whose command line does not
/// name them. One that is wrong changes nothing.
#[test]
fn files_join_whether_somebody_works_on_the_run_or_not() {
    let queue = Queue::new("");
    queue.write(&task(&queue, "a", WAIT, ""));
    let add = |name: &str, text: &str| {
        std::fs::write(queue.path(name), text).expect("a file");
        queue.ask(&format!("add {name}")).run()
    };
    let run = queue.run("").spawn();
    queue.until("RunnerStarted", 1);
    let wrong = task(&queue, "a", "true", "depends = [\"nobody\"]");
    add("wrong.toml", &wrong)
        .code(2)
        .says("there is no task \"nobody\"");
    assert!(alive(run.pid()));
    run.signal(rustix::process::Signal::KILL);
    run.finish();
    add("more.toml", &task(&queue, "b", "true", "depends = [\"a\"]")).ok();
    open(&queue, &["a"]);
    queue.run("").run().ok();
    queue.run("").run().ok();
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["a", "b"]);
}

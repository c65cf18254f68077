//! Bad input and bad tasks: each comes to a clear end, and the queue goes on.

use super::{WAIT, open, states, task, until_failed};
use crate::support::{Queue, alive, until};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// Ids that mean something to a file system, a shell, git or a terminal work as any other: in their
/// slots, on branches of their own, and in every question about them.
#[test]
fn ids_may_be_strange() {
    let long = "long ".repeat(2000);
    let ids = [
        "../../escape",
        "..",
        "a/b",
        "a",
        "--all",
        "'q' \"d\" $(x) `y` ; &",
        "~^:?[\\",
        "x..y.lock",
        "@{0}.",
        "日本語 🦀",
        &long,
    ];
    let commits =
        "printf '%s' \"$REPO_POOL_TASK_ID\" > id && git add id && git commit -qm id && cat id";
    let queue = Queue::with_slots(2, "");
    let tasks = ids.map(|id| task(&queue, id, commits, "repo = \"p\"\nretries = 0"));
    queue.write(&tasks.concat());
    queue.run("").run().ok().harmless();
    let bare = queue.world.bare("p");
    let mut branches: Vec<String> = Vec::new();
    for done in queue.all("RunnerCompleted") {
        let id = done["task"].as_str().expect("an id");
        let branch = done["branch"].as_str().expect("a branch").to_owned();
        let kept = queue
            .world
            .git(&bare, ["show", &format!("refs/heads/{branch}:id")]);
        assert_eq!(kept.trim_end(), id.trim_end());
        branches.push(branch);
    }
    branches.sort_unstable();
    branches.dedup();
    assert_eq!(branches.len(), ids.len());
    for id in ids {
        let ask = |verb: &str| {
            let words = ["dispatch", verb, "--", id];
            queue.world.pool(words.map(str::to_owned).to_vec())
        };
        assert_eq!(ask("log").ok().stdout, id);
        ask("why").ok().harmless();
    }
    assert!(!queue.world.workspace().join(".repo-pool/escape").exists());
    queue.all_slots_are_free();
}

/// What can't be run, has no place to run in, writes without end or leaves crowds behind: the end says
/// what it was, attempts are spent only where another one could help, and everybody else runs.
#[test]
fn bad_tasks_come_to_a_clear_end() {
    let queue = Queue::with_slots(1, "")
        .settings("[dispatch]\nlog_limit = \"1M\"\nretry_backoff_base = 1\n");
    let refused = queue.path("refused");
    std::fs::write(&refused, "#!/bin/sh\n").expect("a file");
    std::fs::set_permissions(&refused, PermissionsExt::from_mode(0o600)).expect("permissions");
    let plain = |id: &str, program: &str, more: &str| {
        format!(
            "[[task]]\nid = \"{id}\"\ncommand = {}\n{more}\n",
            json!([program])
        )
    };
    let crowd = "n=0; while [ $n -lt 20 ]; do setsid sh -c 'trap \"\" HUP; echo $$ >> \"$0\"; exec sleep 600' \
        \"$PLACE/crowd\" & n=$((n+1)); done; until [ \"$(wc -l < \"$PLACE/crowd\")\" = 20 ]; do sleep 0.01; done; exit 3";
    queue.write(
        &[
            plain("missing", "/no/such/program", "retries = 5"),
            plain("refused", &refused.display().to_string(), "retries = 5"),
            plain("nowhere", "true", "repo = \"nowhere\"\nretries = 5"),
            plain(
                "no-such-base",
                "true",
                "repo = \"p\"\nbase = \"no/such/branch\"\nretries = 0",
            ),
            task(&queue, "loud", "exec yes", "repo = \"p\"\nretries = 1"),
            task(&queue, "crowd", crowd, "repo = \"p\"\nretries = 0"),
            task(
                &queue,
                "slow",
                "echo $$ >> \"$PLACE/slow\"; exec sleep 600",
                "timeout = \"200ms\"\nretries = 1",
            ),
            task(&queue, "after", "true", "depends = [\"loud\"]"),
            task(&queue, "good", "true", "repo = \"p\""),
        ]
        .concat(),
    );
    queue.run("").run().code(1);
    let failed = queue.all("RunnerFailed");
    let of =
        |id: &str| -> Vec<&Value> { failed.iter().filter(|event| event["task"] == id).collect() };
    for (id, times, class, reason) in [
        ("missing", 1, "configuration", "there is no such program"),
        ("refused", 1, "configuration", "Permission denied"),
        ("nowhere", 1, "configuration", "nowhere"),
        ("no-such-base", 1, "", "no/such/branch"),
        ("loud", 2, "output", "1 MiB"),
        ("crowd", 1, "failure", ""),
        ("slow", 2, "timeout", "200ms"),
    ] {
        let ends = of(id);
        assert_eq!(ends.len(), times, "{id}: {ends:?}");
        for end in ends {
            let text = end["reason"].as_str().unwrap_or_default();
            let fits = class.is_empty() || end["class"] == class;
            assert!(fits && text.contains(reason), "{id}: {end}");
        }
    }
    let log = std::fs::metadata(queue.attempt("loud", 2).join("log")).expect("a log");
    assert_eq!(log.len(), 1 << 20);
    let crowd = std::fs::read_to_string(queue.path("crowd")).expect("the crowd");
    let lives = |pid: &str| alive(pid.parse().expect("a pid"));
    assert!(!crowd.lines().any(lives), "{crowd}");
    // On a busy machine their time may be over before they have said anything.
    let slow = std::fs::read_to_string(queue.path("slow")).unwrap_or_default();
    assert!(!slow.lines().any(lives), "{slow}");
    assert_eq!(queue.tasks_of("RunnerCompleted"), ["good"]);
    assert!(states(&queue).contains(&"after blocked".to_owned()));
    queue.all_slots_are_free();
}

/// 5: a launch that fails is tried again, and says what is missing.
#[test]
fn a_launch_that_fails_is_tried_again() {
    let queue = Queue::new("");
    let file = queue.path("secrets").display().to_string();
    let queue = queue.settings(&format!(
        "[agent_pools.local]\ntype = \"local-process\"\nenv_file = \"{file}\"\n"
    ));
    queue.write(&task(&queue, "a", "test \"$TOKEN\" = one", "retries = 5"));
    let run = queue.run("").spawn();
    let failed = until_failed(&queue, "a");
    assert_eq!(
        (&failed["class"], &failed["counted"]),
        (&"infra".into(), &true.into())
    );
    let wait = failed["retry_in"].as_f64().expect("a wait");
    assert!((0.8..=1.2).contains(&wait), "{failed}");
    assert!(
        failed["reason"]
            .as_str()
            .is_some_and(|text| text.contains(&file)),
        "{failed}"
    );
    std::fs::write(&file, "# a comment\nTOKEN=one\n").expect("a file");
    run.finish().ok();
    let attempt = queue.all("RunnerCompleted")[0]["attempt"].as_u64();
    assert!(attempt >= Some(2), "{attempt:?}");
}

/// Files that are wrong start nothing, also when they become so while the run goes on.
#[test]
fn wrong_files_start_nothing() {
    let queue = Queue::new("");
    let circle = [
        task(&queue, "a", "echo a > \"$PLACE/ran\"", "depends = [\"c\"]"),
        task(&queue, "b", "true", "depends = [\"a\"]"),
        task(&queue, "c", "true", "depends = [\"b\"]"),
        task(&queue, "free", "echo free > \"$PLACE/ran\"", ""),
    ]
    .concat();
    queue.write(&circle);
    queue.run("").run().code(2).says("a → c → b → a");
    assert!(!queue.path("ran").exists());
    queue.write(&task(&queue, "keep", WAIT, ""));
    let run = queue.run("--watch").spawn();
    queue.until("RunnerStarted", 1);
    queue.write(&circle);
    run.says(" → ", 1);
    queue.write(&(task(&queue, "keep", WAIT, "") + &task(&queue, "new", "true", "")));
    until("the right file is taken up", || {
        queue.completed().contains_key("new").then_some(())
    });
    assert!(!queue.path("ran").exists());
    open(&queue, &["keep"]);
    queue.until("RunnerCompleted", 2);
    run.signal(rustix::process::Signal::TERM);
    run.finish().code(143);
}

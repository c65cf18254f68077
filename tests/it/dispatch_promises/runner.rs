//! What a runner is told.

use super::task;
use crate::support::Queue;
use serde_json::Value;
use std::collections::BTreeMap;

/// What an attempt had in its environment.
fn environment(queue: &Queue, id: &str) -> BTreeMap<String, String> {
    let text = std::fs::read(queue.path(format!("env-{id}").as_str())).expect("its environment");
    let text = String::from_utf8(text).expect("text");
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// 5: every variable that runners are promised is there and true, also by the names that runners of the
/// original know; a description that no variable can hold is in the file.
#[test]
fn a_runner_knows_all_that_was_promised() {
    let queue = Queue::with_slots(1, "").settings("[dispatch]\nheartbeat_timeout = \"30s\"\n");
    let script = "env -0 > \"$PLACE/env-$REPO_POOL_TASK_ID\"; echo '{}' > \"$REPO_POOL_RESULT_FILE\"; \
        pwd > \"$PLACE/pwd-$REPO_POOL_TASK_ID\"; echo x > \"$REPO_POOL_ARTIFACTS_DIR/x\"";
    let long = "x".repeat(100 << 10);
    queue.write(
        &[
            task(
                &queue,
                "a",
                script,
                "repo = \"p\"\ntimeout = \"1h\"\nretries = 4\ntitle = \"T\"\nskill = \"s\"",
            ),
            task(&queue, "b", script, &format!("description = \"{long}\"")),
        ]
        .concat(),
    );
    queue.run("").run().ok();
    let env = environment(&queue, "a");
    let run = queue
        .dir()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let slot = queue.all("SlotAllocated")[0]["slot"].clone();
    let of = |key: &str| slot[key].as_str().expect("text").to_owned();
    let at = |name: &str| queue.attempt("a", 1).join(name).display().to_string();
    let assigned = &queue.all("TaskAssigned")[0];
    let runner = assigned["runner"].as_str().expect("a runner").to_owned();
    for (name, value) in [
        ("REPO_POOL_RUN_ID", run.clone()),
        ("REPO_POOL_TASK_ID", "a".into()),
        ("REPO_POOL_ATTEMPT", "1".into()),
        ("REPO_POOL_MAX_ATTEMPTS", "5".into()),
        ("REPO_POOL_RUNNER_ID", runner.clone()),
        ("REPO_POOL_AGENT_POOL", "local".into()),
        ("REPO_POOL_POOL", "p".into()),
        ("REPO_POOL_SLOT_ID", "workspace-p-slot1".into()),
        ("REPO_POOL_SLOT_PATH", of("path")),
        ("REPO_POOL_BRANCH", "rp/a".into()),
        ("REPO_POOL_BASE_COMMIT", of("base_commit")),
        ("REPO_POOL_ALLOCATION", of("allocation")),
        ("REPO_POOL_TASK_FILE", at("task.json")),
        ("REPO_POOL_RESULT_FILE", at("result.json")),
        ("REPO_POOL_ARTIFACTS_DIR", at("artifacts")),
        ("REPO_POOL_HEARTBEAT_FILE", at("heartbeat")),
        ("REPO_POOL_HEARTBEAT_INTERVAL", "5".into()),
        ("RUNNER_ID", runner.clone()),
        ("POOL_NAME", "local".into()),
    ] {
        assert_eq!(env.get(name), Some(&value), "{name}");
    }
    assert_eq!(runner, format!("rp-{run}-a-a1"));
    let deadline: jiff::Timestamp = env["REPO_POOL_DEADLINE"].parse().expect("a time");
    let left = deadline.duration_since(super::time(assigned)).as_secs_f64();
    assert!((3600.0..7200.0).contains(&left), "{left}");
    let context: Value = serde_json::from_str(&env["TASK_CONTEXT"]).expect("JSON");
    let file: Value =
        serde_json::from_slice(&std::fs::read(at("task.json")).expect("it")).expect("JSON");
    assert_eq!(context, file);
    for (key, value) in [
        ("task_id", "a"),
        ("title", "T"),
        ("required_skill", "s"),
        ("slot_path", &of("path")),
    ] {
        assert_eq!(file[key], value, "{file}");
    }
    let pwd = std::fs::read_to_string(queue.path("pwd-a")).expect("a path");
    assert_eq!(pwd.trim_end(), of("path"));
    for name in [
        "result.json",
        "artifacts/x",
        "exit.json",
        "shim.lock",
        "log",
    ] {
        assert!(queue.attempt("a", 1).join(name).exists(), "{name}");
    }
    let of_a = |kind: &str| {
        let mut events = queue.all(kind).into_iter();
        let event = events.find(|event| event["task"] == "a").expect("it");
        assert_eq!(event["runner"], runner.as_str(), "{event}");
        super::time(&event);
        event
    };
    let [.., done] = ["TaskAssigned", "RunnerStarted", "RunnerCompleted"].map(of_a);
    assert_eq!(done["slot_id"], "workspace-p-slot1", "{done}");
    assert!(done["seconds"].as_f64() > Some(0.0), "{done}");
    let other = environment(&queue, "b");
    assert!(!other.contains_key("TASK_CONTEXT") && !other.contains_key("REPO_POOL_SLOT_PATH"));
    assert_eq!(other["REPO_POOL_DEADLINE"], "");
    let file = std::fs::read(&other["REPO_POOL_TASK_FILE"]).expect("it");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    assert_eq!(file["description"], long);
    for name in [
        "run.lock",
        "tasks.json",
        "events.jsonl",
        "control.jsonl",
        "metrics.prom",
    ] {
        assert!(queue.dir().join(name).exists(), "{name}");
    }
}

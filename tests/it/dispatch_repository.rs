//! Tasks over one repository that commit, conflict, fail and are tried again.

use crate::support::{Call, Queue};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A task in a slot.
fn task(id: &str, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[[task]]\nid = {id:?}\ncommand = {command}\nrepo = \"p\"\n{more}\n")
}

/// Commits a file of the task's own name.
const COMMIT: &str = "echo \"$REPO_POOL_TASK_ID $REPO_POOL_ATTEMPT\" > \"$REPO_POOL_TASK_ID.txt\" && \
    git add . && git commit -qm \"$REPO_POOL_TASK_ID $REPO_POOL_ATTEMPT\"";

fn from(deps: &[&str]) -> String {
    format!("depends = {}\nbase = \"deps\"", json!(deps))
}

/// 24 tasks.
fn tasks() -> String {
    let commits = |file: &str| format!("echo $REPO_POOL_TASK_ID > {file}; {COMMIT}");
    let has = |files: &str| format!("ls {files} && {COMMIT}");
    let mut tasks = vec![
        // It commits, fails, and begins anew.
        task(
            "again",
            &format!("[ ! -e again.txt ] && {COMMIT} && [ $REPO_POOL_ATTEMPT = 2 ]"),
            "",
        ),
        // It fails with work that is not committed.
        task(
            "late",
            &format!("[ $REPO_POOL_ATTEMPT = 2 ] || {{ echo > draft; exit 1; }}; {COMMIT}"),
            "",
        ),
        task("bad", &format!("{COMMIT}; exit 78"), ""),
        task("blocked", "true", "depends = [\"bad\"]"),
        task("always", COMMIT, "depends = [\"bad\"]\nwhen = \"always\""),
        // Three that change the same file, the last in a way of its own.
        task("one", &commits("shared.txt"), ""),
        task("two", &commits("other.txt"), ""),
        task("three", &commits("shared.txt"), ""),
        task(
            "conflict",
            &has("one.txt two.txt three.txt"),
            &from(&["one", "two", "three"]),
        ),
        task("behind", &has("conflict.txt"), &from(&["conflict"])),
        task("beside", "true", "depends = [\"conflict\"]"),
    ];
    for n in 1..=8 {
        tasks.push(task(&format!("b{n}"), COMMIT, ""));
    }
    for (id, deps) in [
        ("m1", &["b1", "b2"][..]),
        ("m2", &["b3", "b4", "again"]),
        ("m3", &["b5", "b6", "b7", "b8", "late"]),
        ("m4", &["m1", "m2"]),
        ("top", &["m4", "m3", "two"]),
    ] {
        let files: Vec<String> = deps.iter().map(|dep| format!("{dep}.txt")).collect();
        tasks.push(task(id, &has(&files.join(" ")), &from(deps)));
    }
    assert_eq!(tasks.len(), 24);
    tasks.concat()
}

fn states(run: &Value) -> BTreeMap<&str, &str> {
    let tasks = run["tasks"].as_array().expect("tasks").iter();
    tasks
        .map(|task| {
            (
                task["id"].as_str().expect("an id"),
                task["state"].as_str().expect("a state"),
            )
        })
        .collect()
}

/// Every commit is on its branch afterwards, what conflicts waits for a person and names the files,
/// and the named command is what the run needs to go on.
#[test]
fn twenty_four_tasks_commit_conflict_fail_and_try_again() {
    let queue = Queue::with_slots(4, &tasks())
        .settings("[agent_pools.local]\ntype = \"local-process\"\nmax_concurrency = 4\n");
    queue.run("").run().code(4).says("shared.txt");
    let shown = queue.ask("status --json").run().ok().json()["run"].clone();
    for (id, state) in states(&shown) {
        let expected = match id {
            "bad" => "failed",
            "blocked" => "blocked",
            "conflict" => "needs_attention",
            "behind" | "beside" => "waiting",
            _ => "done",
        };
        assert_eq!(state, expected, "{id}");
    }
    commits_are_on_their_branches(&queue);
    let attention = shown["attention"].as_array().expect("questions");
    let asked = attention
        .iter()
        .find(|one| one["task"] == "conflict")
        .expect("its question");
    assert!(
        asked["question"]
            .as_str()
            .expect("text")
            .contains("shared.txt"),
        "{asked}"
    );
    resolve(&queue, asked["command"].as_str().expect("a command"));
    queue.run("").run().code(1);
    let shown = queue.ask("status --json").run().ok().json()["run"].clone();
    let states = states(&shown);
    let open: Vec<_> = states
        .iter()
        .filter(|(_, state)| **state != "done")
        .collect();
    assert_eq!(open, [(&"bad", &"failed"), (&"blocked", &"blocked")]);
    commits_are_on_their_branches(&queue);
    let bare = queue.world.bare("p");
    let shared = queue.world.git(&bare, "show rp/behind:shared.txt");
    assert_eq!(shared, "both");
}

/// A person runs the named command, and finds the conflict in the shell that it leads to.
fn resolve(queue: &Queue, command: &str) {
    let mut shell = queue.world.shell("sh");
    shell.args(["-c", command]);
    let answer = "set -e\ngit diff --name-only --diff-filter=U\necho both > shared.txt\n\
        git commit -qam both\n";
    let out = Call::new(shell).stdin(answer.as_bytes()).run();
    assert!(
        out.ok().stdout.lines().any(|line| line == "shared.txt"),
        "{out}"
    );
}

fn commits_are_on_their_branches(queue: &Queue) {
    let bare = queue.world.bare("p");
    let git = |args: &str| queue.world.git(&bare, args);
    for done in queue.all("RunnerCompleted") {
        let text = |key: &str| done[key].as_str().unwrap_or_default().to_owned();
        let (id, branch) = (text("task"), text("branch"));
        if id == "beside" {
            assert!(done["commit"].is_null(), "{done}");
            continue;
        }
        assert_eq!(branch, format!("rp/{id}"));
        // A person may have gone on from there.
        git(&format!(
            "merge-base --is-ancestor {} {branch}",
            text("commit")
        ));
        let subject = format!("{id} {}", done["attempt"]);
        assert_eq!(
            git(&format!("log -1 --format=%s {}", text("commit"))),
            subject
        );
    }
    // Of attempts that failed too.
    assert_eq!(git("log -1 --format=%s rp/again.a1"), "again 1");
    assert_eq!(git("log -1 --format=%s rp/bad"), "bad 1");
    let rescues = queue.world.pool("rescue list p");
    assert!(rescues.ok().stdout.contains("task late of"), "{rescues}");
    queue.all_slots_are_free();
    let ls = git("ls-tree --name-only rp/top");
    for id in ["m1", "m2", "m3", "m4", "b1", "b8", "again", "late", "two"] {
        assert!(
            ls.lines().any(|file| file == format!("{id}.txt")),
            "{id}: {ls}"
        );
    }
}

/// `why` helps a task that waits for one that asks a person; and of a branch that a later run has begun
/// anew it says so, and names the commit.
#[test]
fn why_tells_what_helps_and_where_the_commits_are() {
    let one = |id: &str| task(id, &format!("echo {id} > one; {COMMIT}"), "");
    let tasks = [
        one("a"),
        one("d"),
        task("e", "true", &from(&["a", "d"])),
        task("g", "true", "depends = [\"e\"]"),
    ];
    let queue = Queue::with_slots(1, &tasks.concat());
    queue.run("").run().code(4);
    let why = |words: &str| queue.ask(&format!("why {words} --json")).run().ok().json();
    let (asked, waits) = (&queue.all("NeedsAttention")[0], why("g"));
    assert_eq!(asked["task"], "e");
    let told = &waits["result"]["commands"][0]["command"];
    assert_eq!(told, &asked["command"]);
    let before = why("a");
    assert_eq!(
        before["result"]["reasons"],
        json!(["it is done, and left its commits on rp/a"])
    );
    let commit = before["result"]["task"]["commit"].as_str().expect("it");
    // Other content: the same, in the same second, would be the same commit.
    let other = task("a", &format!("echo later > one; {COMMIT}"), "");
    std::fs::write(queue.path("later.toml"), other).expect("a file");
    queue.ask("run later.toml").run().ok();
    let reason = format!(
        "it is done, and left its commits at {}; rp/a is at another commit now",
        &commit[..8]
    );
    assert_eq!(why("a --run tasks")["result"]["reasons"], json!([reason]));
}

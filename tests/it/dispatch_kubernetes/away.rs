//! Tasks whose files are not in slots of this machine.

use super::scene::Scene;
use crate::support::{files_containing, until};

const COMMIT: &str = "pwd; echo \"$REPO_POOL_TASK_ID\" > \"$REPO_POOL_TASK_ID.txt\"; git add .; \
    git commit -qm \"$REPO_POOL_TASK_ID $REPO_POOL_ATTEMPT\"";

/// What the Job pushes is at the remote, and others start from it.
fn branches_come_and_go(transport: &str, more: &str) {
    let Some(scene) = Scene::new(1, transport, more) else {
        return;
    };
    let from = "depends = [\"a\"]\nbase = \"deps\"";
    scene.tasks(&[
        scene.task("a", COMMIT, ""),
        scene.task("b", &format!("test -e a.txt || exit 78; {COMMIT}"), from),
        scene.task(
            "again",
            &format!("{COMMIT}; [ $REPO_POOL_ATTEMPT = 2 ]"),
            "",
        ),
        scene.task("none", "test -r \"$REPO_POOL_TASK_FILE\"", ""),
        scene.task("bad", "exit 7", "retries = 0"),
    ]);
    scene.queue.run("").run().code(1);
    scene.ended("bad", 1, "failure", "");
    assert_eq!(
        scene.queue.completed().len(),
        4,
        "{:#?}",
        scene.queue.events()
    );
    let remote = scene.queue.path("remote.git");
    let subject = |branch: &str| {
        scene
            .queue
            .world
            .git(&remote, ["log", "-1", "--format=%s", branch])
    };
    assert_eq!(
        (subject("rp/a"), subject("rp/b")),
        ("a 1".into(), "b 1".into())
    );
    assert_eq!(
        (subject("rp/again"), subject("rp/again.a1")),
        ("again 2".into(), "again 1".into())
    );
    let files = scene.queue.world.git(&remote, "ls-tree --name-only rp/b");
    assert!(
        files.contains("a.txt") && files.contains("b.txt"),
        "{files}"
    );
    let done = scene.queue.all("RunnerCompleted");
    let commit = |task: &str| {
        let event = done.iter().find(|event| event["task"] == task);
        event.expect("its end")["commit"]
            .as_str()
            .map(str::to_owned)
    };
    let tip = scene.queue.world.git(&remote, "rev-parse rp/a");
    assert_eq!((commit("a"), commit("none")), (Some(tip), None));
    scene.nothing_is_left();
}

/// The Job clones, and pushes what was committed.
#[test]
fn a_job_clones_and_pushes() {
    branches_come_and_go("clone", "");
}

/// Each node has a workspace of its own, from which the Job takes a slot.
#[test]
fn a_job_takes_a_slot_of_its_node() {
    let place = tempfile::tempdir().expect("a directory");
    let workspace = format!("workspace = \"{}\"", place.path().join("node").display());
    branches_come_and_go("node", &workspace);
}

/// A task without a repository runs below a shell, which hands on what it is told and how it ends.
#[test]
fn a_job_without_a_repository_is_told_to_end() {
    let Some(scene) = Scene::new(1, "clone", "") else {
        return;
    };
    let task = |id: &str, script: &str| {
        let task = scene.task(id, script, "retries = 0");
        task.replace("repo = \"p\"\n", "")
    };
    let traps = "trap 'echo asked; exit 3' TERM; echo begun; while :; do sleep 0.02; done";
    scene.tasks(&[
        task("a", traps),
        task("bad", "exit 7"),
        task("killed", "kill -9 $$"),
        "[[task]]\nid = \"wrong\"\ncommand = [\"no such program\"]\n".to_owned(),
    ]);
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerStarted", 4);
    until("it has begun", || {
        (scene.queue.log("a", 1) == "begun\n").then_some(())
    });
    scene.queue.ask("cancel a").run().ok();
    run.finish().code(1);
    scene.ended("a", 1, "cancelled", "");
    assert_eq!(scene.queue.log("a", 1), "begun\nasked\n");
    let end = |task| (scene.end(task, 1).0, scene.end(task, 1).1);
    assert_eq!(end("bad"), ("failure".into(), Some(7)));
    assert_eq!(end("killed"), ("failure".into(), Some(137)));
    assert_eq!(end("wrong"), ("configuration".into(), Some(127)));
    scene.nothing_is_left();
}

/// Secrets reach the runners and nothing of this machine; what the template adds is there too.
#[test]
fn secrets_reach_runners_only() {
    let more = "secrets = [\"env:token\", \"files\"]\njob_template = \"job.json\"";
    let Some(scene) = Scene::new(1, "hostPath", more) else {
        return;
    };
    if !crate::support::cluster::Cluster::mounts_anywhere() {
        return crate::support::say("no process may have mounts of its own here");
    }
    scene.cluster.secret("token", "TOKEN", "s3cr3t-1");
    scene.cluster.secret("files", "key", "s3cr3t-2");
    let template = r#"{"metadata": {"labels": {"team": "a"}}, "spec": {"template": {"spec": {
        "containers": [{"name": "runner", "env": [{"name": "LANG", "value": "C"}]}]}}}}"#;
    std::fs::write(scene.queue.world.workspace().join("job.json"), template).expect("writing");
    // As the script has them no search finds them.
    let script = "test \"$TOKEN\" = s3c''r3t-1 && test \"$LANG\" = C && \
        test \"$(cat /run/repo-pool/secrets/files/key)\" = s3c''r3t-2";
    scene.tasks(&[scene.task("a", script, "retries = 0")]);
    scene.queue.run("").run().ok();
    assert_eq!(
        scene.cluster.manifests()[0]["metadata"]["labels"]["team"],
        "a"
    );
    let known = files_containing(&scene.queue.world.workspace(), "s3cr3t");
    assert!(known.is_empty(), "{known:?}");
    scene.nothing_is_left();
}

//! The server is down, slow, ill, closed, or not there at all; or the dispatcher is gone for a while.

use super::scene::{Scene, WAITS};
use crate::support::cluster::Fault;
use crate::support::until;
use rustix::process::Signal;

/// A dispatcher is killed while a Job runs: it goes on undisturbed, and the next one takes it up, also if it
/// ends meanwhile. Its output is whole, and it has run once.
#[test]
fn jobs_are_adopted() {
    let Some(scene) = Scene::here(2) else { return };
    let script = format!("echo one; {WAITS}; echo two");
    let ends = "echo one; until [ -e $DIR/first ]; do sleep 0.02; done; echo two";
    scene.tasks(&[
        scene.task("a", &script, "retries = 0"),
        scene.task("b", ends, "retries = 0"),
    ]);
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerStarted", 2);
    scene.cluster.until_running(2);
    run.signal(Signal::KILL);
    drop(run);
    scene.queue.open("first");
    scene.cluster.until_running(1);
    let run = scene.queue.run("").spawn();
    scene.queue.until("RunnerAdopted", 2);
    scene.queue.open("go");
    run.finish().ok();
    assert_eq!(scene.starts(), ["1"]);
    assert_eq!(scene.cluster.manifests().len(), 2);
    for task in ["a", "b"] {
        assert_eq!(scene.queue.log(task, 1), "one\ntwo\n");
    }
    scene.nothing_is_left();
}

/// While the server is away nothing is lost: neither what is to begin, nor what runs, nor what ends.
#[test]
fn a_server_may_be_away() {
    let Some(mut scene) = Scene::here(1) else {
        return;
    };
    scene.tasks(&[scene.task("a", WAITS, "retries = 0")]);
    scene.cluster.stop();
    let run = scene.queue.run("").spawn();
    run.says("refused", 1);
    scene.cluster.start();
    scene.cluster.until_running(1);
    scene.cluster.stop();
    run.says("refused", 2);
    scene.queue.open("go");
    scene.cluster.until_running(0);
    scene.cluster.start();
    run.finish().ok();
    assert_eq!(scene.starts(), ["1"]);
    scene.nothing_is_left();
}

/// Errors pass, answers that are lost have been given, and who answers late is waited for.
#[test]
fn a_server_may_be_ill() {
    let Some(scene) = Scene::here(1) else { return };
    scene.tasks(&[scene.task("a", WAITS, "retries = 0")]);
    scene.cluster.fault("POST jobs", Fault::Status(500), 1);
    scene.cluster.fault("POST jobs", Fault::LoseAnswer, 1);
    let run = scene.queue.run("").spawn();
    scene.cluster.until_running(1);
    scene.cluster.fault("GET /jobs", Fault::Status(503), 3);
    until("they are answered", || {
        let asked = scene.cluster.faults_left();
        (asked == 0).then_some(())
    });
    scene.cluster.fault("GET ", Fault::Hold, 100);
    until("it waits for an answer", || {
        (scene.cluster.holds() > 0).then_some(())
    });
    scene.queue.open("go");
    scene.cluster.until_running(0);
    scene.cluster.calm();
    run.finish().ok();
    assert_eq!(scene.starts(), ["1"]);
    scene.nothing_is_left();
}

/// A log that ends while the container goes on is followed again.
#[test]
fn a_log_that_ends_early_is_followed_again() {
    let Some(scene) = Scene::here(1) else { return };
    let script =
        format!("echo one; until [ -e $DIR/more ]; do sleep 0.02; done; echo two; {WAITS}");
    scene.tasks(&[scene.task("a", &script, "retries = 0")]);
    scene.cluster.fault("GET /log", Fault::EndEarly, 1);
    let run = scene.queue.run("").spawn();
    let comes = |text: &str| {
        until(&format!("its output is {text:?}"), || {
            (scene.queue.log("a", 1) == text).then_some(())
        });
    };
    until("a log has ended early", || {
        (scene.cluster.faults_left() == 0).then_some(())
    });
    comes("one\n");
    scene.queue.open("more");
    comes("one\ntwo\n");
    scene.queue.open("go");
    run.finish().ok();
    scene.nothing_is_left();
}

/// The rest of an output is asked for until it is there: it is gone with the Job. A dispatcher that is told
/// to end waits for it no longer, and says what is missing.
#[test]
fn the_end_of_an_output_is_waited_for() {
    let Some(scene) = Scene::here(1) else { return };
    let runs = |id: &str| {
        let task = |id: &&str| scene.task(id, "printf 'one\\ntwo'", "retries = 0");
        scene.tasks(
            &["a", "b"]
                .iter()
                .filter(|one| **one <= id)
                .map(task)
                .collect::<Vec<_>>(),
        );
        scene.cluster.fault("GET /log", Fault::Status(500), 1000);
        let run = scene.queue.run("--drain-timeout 0s").spawn();
        run.says("the end of its log is not there", 1);
        run
    };
    let run = runs("a");
    scene.cluster.calm();
    run.finish().ok();
    assert_eq!(scene.queue.log("a", 1), "one\ntwo");
    let run = runs("b");
    run.signal(Signal::TERM);
    run.finish();
    scene.ended("b", 1, "done", "");
    let notes = scene.queue.all("RunnerNoted");
    let last = notes.last().expect("a note")["note"].to_string();
    assert!(last.contains("the end of its log is missing"), "{last}");
    scene.nothing_is_left();
}

/// What never can be done is no riddle: nothing is allowed there, there is no such place, no `kubectl`.
#[test]
fn who_may_not_or_cannot_is_told_why() {
    let refused = |settings: &str, path: Option<&str>, why: &str| {
        let Some(scene) = Scene::new(1, "hostPath", settings) else {
            return;
        };
        scene.cluster.forbid("closed");
        scene.tasks(&[scene.task("a", "true", "retries = 0")]);
        let mut run = scene.queue.run("");
        if let Some(path) = path {
            run = run.env("PATH", path);
        }
        run.run().code(1);
        scene.ended("a", 1, "infra", why);
        scene.nothing_is_left();
    };
    refused("namespace = \"closed\"", None, "forbidden");
    refused("namespace = \"nowhere\"", None, "not found");
    let only_git = tempfile::tempdir().expect("a directory");
    let git = which("git");
    std::os::unix::fs::symlink(git, only_git.path().join("git")).expect("a link");
    refused(
        "",
        only_git.path().to_str(),
        "there is no kubectl on the PATH",
    );
}

/// `check` finds all that before anything is started, and makes nothing.
#[test]
fn a_cluster_is_checked_before() {
    let Some(mut scene) = Scene::here(1) else {
        return;
    };
    scene.tasks(&[scene.task("a", "true", "")]);
    let file = scene.queue.path("tasks.toml").display().to_string();
    let check = |scene: &Scene| scene.queue.ask(&format!("check {file}")).run();
    check(&scene).ok();
    assert!(scene.cluster.manifests().len() == 1 && scene.cluster.jobs().is_empty());
    let template = scene.queue.world.workspace().join("job.json");
    std::fs::write(&template, r#"{"spec": {"tempo": 1}}"#).expect("writing");
    let settings = scene.queue.world.workspace().join("pools.toml");
    let before = std::fs::read_to_string(&settings).expect("settings");
    let with = |more: &str| std::fs::write(&settings, format!("{before}{more}")).expect("writing");
    with("job_template = \"job.json\"\n");
    check(&scene).code(2).says("spec.tempo");
    scene.cluster.forbid("closed");
    with("namespace = \"closed\"\n");
    check(&scene)
        .code(2)
        .says("auth can-i create jobs.batch -n closed")
        .says("auth can-i get pods -n closed");
    with("namespace = \"nowhere\"\n");
    check(&scene).code(2).says("nowhere");
    with("");
    scene.cluster.stop();
    check(&scene).ok().says("refused");
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(program));
    places.find(|file| file.is_file()).expect("the program")
}

//! Runners as Jobs of a cluster: how they end, and what happens to them.

mod away;
mod crowd;
mod manifests;
mod scene;
mod server;

use crate::support::until;
use scene::{Scene, WAITS};

/// 5: commands run in their slots with what they are told, and every end is told from the others.
#[test]
fn jobs_come_to_their_ends() {
    let Some(scene) = Scene::here(3) else { return };
    let commits = "printf '%s\\n' \"$PWD\" '$(HOSTNAME) $$ ä'; test -r \"$REPO_POOL_TASK_FILE\" && \
        echo new > new && git add new && git commit -qm new";
    scene.tasks(&[
        scene.task("good", commits, ""),
        scene.task(
            "bad",
            "test -w \"$HOME\" && echo said; exit 7",
            "retries = 0",
        ),
        scene.task("never", "exit 78", ""),
        scene.task("killed", "kill -9 $$", "retries = 0"),
        scene.task("late", "exec sleep 600", "retries = 0\ntimeout = \"1s\""),
        "[[task]]\nid = \"wrong\"\ncommand = [\"no such program\"]\nrepo = \"p\"\n".to_owned(),
    ]);
    scene.queue.run("").run().code(1);
    let slots = ["slot1", "slot2", "slot3"].map(|slot| scene.queue.world.slot_path(slot));
    let log = scene.queue.log("good", 1);
    let (first, second) = log.split_once('\n').expect("two lines");
    assert!(
        slots.iter().any(|slot| slot.display().to_string() == first),
        "{log}"
    );
    assert_eq!(second, "$(HOSTNAME) $$ ä\n");
    let bare = scene.queue.world.bare("p");
    assert_eq!(
        scene.queue.world.git(&bare, "log -1 --format=%s rp/good"),
        "new"
    );
    let end = |task| (scene.end(task, 1).0, scene.end(task, 1).1);
    assert_eq!(end("bad"), ("failure".into(), Some(7)));
    assert_eq!(scene.queue.log("bad", 1), "said\n");
    assert_eq!(end("never"), ("permanent".into(), Some(78)));
    assert_eq!(end("killed"), ("failure".into(), Some(137)));
    scene.ended("late", 1, "timeout", "");
    scene.ended("wrong", 1, "configuration", "no such program");
    scene.nothing_is_left();
}

/// What is taken away counts no attempt; what vanishes is lost and tried again; and whoever is out of
/// memory is told so.
#[test]
fn who_is_ended_from_outside_is_tried_again() {
    let Some(scene) = Scene::here(1) else { return };
    scene.tasks(&[scene.task("a", WAITS, "retries = 3")]);
    let run = scene.queue.run("").spawn();
    let ends: [(&str, &dyn Fn()); 5] = [
        ("evicted", &|| scene.cluster.evict()),
        ("evicted", &|| scene.cluster.drain()),
        ("lost", &|| scene.delete("pods")),
        ("lost", &|| scene.delete("jobs")),
        ("oom", &|| scene.cluster.out_of_memory()),
    ];
    for (n, (class, end)) in (1..).zip(ends) {
        scene.queue.until("RunnerStarted", n);
        scene.cluster.until_running(1);
        end();
        scene.until_ended("a", n as u32, class);
    }
    scene.queue.open("go");
    run.finish().ok();
    assert_eq!(scene.queue.all("RunnerCompleted")[0]["attempt"], 6);
    scene.nothing_is_left();
}

/// Why a Job does not begin is told, and it is given up in time.
#[test]
fn who_cannot_begin_says_why() {
    use crate::support::cluster::Trouble;
    let Some(scene) = Scene::new(1, "hostPath", "pending_timeout = \"1s\"") else {
        return;
    };
    scene.tasks(&[scene.task("a", "true", "retries = 3")]);
    scene.cluster.trouble(Trouble::Unschedulable);
    let run = scene.queue.run("").spawn();
    scene.until_ended("a", 1, "infra");
    scene.ended("a", 1, "infra", "Insufficient cpu");
    scene.cluster.trouble(Trouble::NoImage);
    scene.until_ended("a", 2, "infra");
    scene.until_ended("a", 3, "infra");
    scene.ended("a", 3, "infra", "ImagePullBackOff");
    scene.cluster.trouble(Trouble::None);
    run.finish().ok();
    scene.nothing_is_left();
}

/// 13, 15: what is cancelled is ended, and what a dispatcher that is told to end still has.
#[test]
fn jobs_are_ended_when_somebody_says_so() {
    let Some(scene) = Scene::here(2) else { return };
    let traps = "trap 'echo asked; exit 3' TERM; echo begun; until [ -e $DIR/go ]; do \
        sleep 0.02; done";
    scene.tasks(&[scene.task("a", traps, ""), scene.task("b", traps, "")]);
    let run = scene.queue.run("--drain-timeout 0s").spawn();
    scene.cluster.until_running(2);
    until("their output comes", || {
        let comes = |task| scene.queue.log(task, 1) == "begun\n";
        (comes("a") && comes("b")).then_some(())
    });
    scene.queue.ask("cancel a").run().ok();
    scene.until_ended("a", 1, "cancelled");
    assert_eq!(scene.queue.log("a", 1), "begun\nasked\n");
    run.signal(rustix::process::Signal::TERM);
    run.finish().code(143);
    scene.ended("b", 1, "stopped", "");
    scene.nothing_is_left();
    scene.queue.open("go");
    scene.queue.run("").run().code(1);
    assert_eq!(scene.queue.completed().len(), 1);
}

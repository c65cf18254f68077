//! Runners whose dispatcher is dead: they go on, within their limits, and another one takes them up.

use super::is;
use super::scene::{SHORT, Scene, gone};
use crate::support::kill;
use repo_pool::dispatch::launcher::{Found, Launcher};
use repo_pool::domain::dispatch::{End, EndClass};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;

#[track_caller]
fn ended(found: Found) -> End {
    match found {
        Found::Ended(end) => end,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn handle(found: Found) -> String {
    match found {
        Found::Running(handle) => handle,
        other => panic!("{other:?}"),
    }
}

/// 8: limits hold without anybody who waits.
#[test]
fn the_deadline_of_an_orphan_is_kept() {
    // On a busy machine it takes longer until they have begun.
    let begun = [2, 10, 50, 250].into_iter().any(|times| {
        let mut scene = Scene::new(
            "(setsid sh -c 'trap \"\" TERM; echo $$ > far; while :; do sleep 1000; done' &)
             exec sleep 1000",
        );
        scene.job.timeout = Some(times * SHORT);
        scene.grace = SHORT;
        scene.orphan();
        is(&ended(scene.outlived()), EndClass::Timeout, "timeout of ");
        let far = fs::read_to_string(scene.file("far")).unwrap_or_default();
        let far = far.trim().parse().ok();
        far.into_iter().for_each(gone);
        far.is_some()
    });
    assert!(begun);
}

/// An orphan that ends while nobody looks has left word of it.
#[test]
fn an_orphans_end_is_found() {
    let scene = Scene::new("exit 3");
    scene.orphan();
    assert_eq!(ended(scene.outlived()).exit_code, Some(3));
}

/// An orphan is taken up: its end is told, and it can be stopped.
#[test]
fn an_orphan_is_taken_up() {
    let scene = Scene::new("until test -e go; do sleep 0.01; done; exit 5");
    scene.orphan();
    let shim = scene.shim();
    let found = handle(scene.found());
    assert_eq!(found, format!("pid {shim}"));
    fs::write(scene.file("go"), "").expect("writing");
    assert_eq!(scene.launcher().wait(&scene.job, &found).exit_code, Some(5));

    let scene = Scene::new("trap 'exit 0' TERM; echo $$ > near; while :; do sleep 0.01; done");
    scene.orphan();
    let near = scene.pid_in("near");
    let found = handle(scene.found());
    scene.launcher().stop(&scene.job, &found, false);
    let end = scene.launcher().wait(&scene.job, &found);
    is(&end, EndClass::Stopped, "told to end");
    assert_eq!(end.exit_code, Some(0));
    gone(near);
}

/// What is left of an orphan whose shim is killed too is ended before anybody tries again.
#[test]
fn what_a_killed_orphan_has_left_is_ended() {
    let scene = Scene::new("(setsid sleep 1000 & echo $! > far); exec sleep 1000");
    assert!(matches!(scene.found(), Found::NotStarted));
    scene.orphan();
    let far = scene.pid_in("far");
    kill(scene.shim(), Signal::KILL);
    assert!(matches!(scene.outlived(), Found::Gone));
    gone(far);
    // The same for who has just taken it up.
    let scene = Scene::new("(setsid sleep 1000 & echo $! > far); exec sleep 1000");
    scene.orphan();
    let far = scene.pid_in("far");
    let found = handle(scene.found());
    kill(scene.shim(), Signal::KILL);
    is(
        &scene.launcher().wait(&scene.job, &found),
        EndClass::Lost,
        "vanished",
    );
    gone(far);
}

/// One that has ended, and can't write down how.
fn with_an_obstacle() -> (Scene, PathBuf) {
    let scene = Scene::new("echo $$ > near; exit 4");
    let obstacle = scene.job.dir.join("exit.json");
    fs::create_dir_all(obstacle.join("in the way")).expect("a directory");
    scene.orphan();
    gone(scene.pid_in("near"));
    (scene, obstacle)
}

/// With nobody to tell it to, the end is kept until it can be written down, or somebody has enough.
#[test]
fn an_orphans_end_waits_for_room_on_the_disk() {
    let (scene, obstacle) = with_an_obstacle();
    fs::remove_dir_all(&obstacle).expect("removing");
    assert_eq!(ended(scene.outlived()).exit_code, Some(4));
    let (scene, _) = with_an_obstacle();
    let found = handle(scene.found());
    scene.launcher().stop(&scene.job, &found, false);
    assert!(matches!(scene.outlived(), Found::Gone));
}

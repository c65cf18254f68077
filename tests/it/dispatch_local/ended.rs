//! Runners that are ended: because somebody wants it, or for what they do.

use super::is;
use super::scene::{LONG, SHORT, Scene, gone};
use crate::support::{kill, until};
use repo_pool::dispatch::launcher::Launcher;
use repo_pool::domain::dispatch::{End, EndClass};
use rustix::process::Signal;

/// Two that have got away, each in its own way; `ignoring` says what they do with SIGTERM.
fn with_relatives(ignoring: &str) -> Scene {
    Scene::new(&format!(
        "{ignoring}
         echo $$ > near
         sh -c '{ignoring}
             sh -c \"{ignoring} echo \\$\\$ > far; while :; do sleep 1000; done\" & exit' &
         setsid env -i PATH=\"$PATH\" sh -c '{ignoring} echo $$ > farther; while :; do sleep 1000; done' &
         while :; do sleep 1000; done"
    ))
}

const RELATIVES: [&str; 3] = ["near", "far", "farther"];

/// Starts it, stops it once all are there, and makes sure that nobody is left.
#[track_caller]
fn stop(scene: &Scene, now: bool) -> End {
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    let pids = RELATIVES.map(|name| scene.pid_in(name));
    launcher.stop(&scene.job, &handle, now);
    let end = launcher.wait(&scene.job, &handle);
    pids.into_iter().for_each(gone);
    end
}

/// 8: who is stopped is asked first, and all of it goes: double forks, other sessions, an emptied
/// environment.
#[test]
fn a_stopped_runner_is_gone_with_all_its_relatives() {
    let end = stop(&with_relatives(""), false);
    is(&end, EndClass::Stopped, "told to end");
    assert_eq!(end.signal, Some(15));
}

/// 8: who does not heed it is killed: when the time is over, or at once.
#[test]
fn a_runner_that_will_not_end_is_killed() {
    let mut scene = with_relatives("trap \"\" TERM;");
    scene.grace = SHORT;
    let end = stop(&scene, false);
    is(&end, EndClass::Stopped, "");
    assert_eq!(end.signal, Some(9));
    let mut scene = with_relatives("trap \"\" TERM;");
    scene.grace = LONG;
    assert_eq!(stop(&scene, true).signal, Some(9));
}

/// Stopped processes can't heed anything, and may be the shim itself.
#[test]
fn a_runner_that_stands_still_can_be_stopped() {
    let scene = Scene::new("echo $$ > near; kill -STOP $$; exec sleep 1000");
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    scene.pid_in("near");
    kill(scene.shim(), Signal::STOP);
    launcher.stop(&scene.job, &handle, false);
    is(&launcher.wait(&scene.job, &handle), EndClass::Stopped, "");
}

/// Whoever keeps starting others is no faster than its end.
#[test]
fn a_runner_that_forks_and_forks_is_ended() {
    let mut scene = Scene::new(
        "trap '' TERM; echo $$ > near; while :; do (sleep 1000 & sleep 0.01 & wait $!) & sleep 0.01; done",
    );
    scene.grace = SHORT;
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    let near = scene.pid_in("near");
    launcher.stop(&scene.job, &handle, false);
    is(&launcher.wait(&scene.job, &handle), EndClass::Stopped, "");
    gone(near);
    let record = std::fs::read_to_string(scene.job.dir.join("exit.json")).expect("its record");
    assert!(!record.contains("could not be ended"), "{record}");
}

/// At whatever moment it comes, a stop is heeded.
#[test]
fn a_stop_right_after_the_start_is_heeded() {
    for _ in 0..5 {
        let scene = Scene::new("exec sleep 1000");
        let launcher = scene.launcher();
        let handle = launcher.start(&scene.job).expect("it starts");
        launcher.stop(&scene.job, &handle, false);
        is(
            &launcher.wait(&scene.job, &handle),
            EndClass::Stopped,
            "told to end",
        );
    }
}

/// 8: a shim that gives no sign of life is ended, and everything of its runner with it.
#[test]
fn a_shim_that_stands_still_is_ended_with_everything() {
    let mut scene = with_relatives("trap \"\" TERM;");
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    let pids = RELATIVES.map(|name| scene.pid_in(name));
    let shim = scene.shim();
    kill(shim, Signal::STOP);
    scene.job.heartbeat_timeout = SHORT;
    is(
        &launcher.wait(&scene.job, &handle),
        EndClass::Silent,
        "200ms",
    );
    pids.into_iter().chain([shim]).for_each(gone);
}

/// 8: who takes too long is ended.
#[test]
fn a_runner_has_so_long_and_no_longer() {
    let mut scene = Scene::new("exec sleep 1000");
    scene.job.timeout = Some(SHORT);
    is(&scene.run(), EndClass::Timeout, "timeout of 200ms");
}

/// 8: silence counts where it is said to, and output is a sign of life.
#[test]
fn a_runner_that_writes_nothing_is_ended_if_that_is_wanted() {
    // On a busy machine it takes longer until it has begun.
    let begun = [1, 5, 25, 125].into_iter().any(|times| {
        let mut scene = Scene::new("echo begun; exec sleep 1000");
        scene.job.stall = Some(times * SHORT);
        is(&scene.run(), EndClass::Stalled, "nothing for ");
        scene.log() == "begun\n"
    });
    assert!(begun);
}

/// Output without end fills neither the disk nor any pipe.
#[test]
fn a_runner_that_writes_without_end_is_ended() {
    let mut scene = Scene::new("trap '' TERM; while :; do head -c 1G /dev/zero; done");
    scene.job.log_limit = 1 << 20;
    is(&scene.run(), EndClass::Output, "1 MiB");
    let log = std::fs::metadata(scene.job.dir.join("log")).expect("a log");
    assert_eq!(log.len(), 1 << 20);
    // It is noticed too when the limit is far, and only reached after long silence.
    let mut scene = Scene::new("until test -e go; do sleep 0.01; done; yes");
    scene.job.log_limit = 20 << 20;
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    scene.shim();
    std::fs::write(scene.file("go"), "").expect("writing");
    is(
        &launcher.wait(&scene.job, &handle),
        EndClass::Output,
        "20 MiB",
    );
    until("the log is cut", || {
        let log = std::fs::metadata(scene.job.dir.join("log")).ok()?;
        (log.len() == 20 << 20).then_some(())
    });
}

//! Runners as processes: how they end, by themselves and otherwise, and that nothing of them is left.

mod ended;
mod orphans;
mod scene;

use crate::support::{alive, until};
use repo_pool::dispatch::launcher::{Found, Launcher};
use repo_pool::domain::dispatch::{End, EndClass};
use rustix::fs::{FlockOperation, flock};
use scene::{Scene, gone};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

/// The end must be of this class, for a reason that says this.
#[track_caller]
fn is(end: &End, class: EndClass, text: &str) {
    let reason = end.reason.as_deref().unwrap_or_default();
    assert!(end.class == class && reason.contains(text), "{end:?}");
}

/// 5: the command runs in its directory and in the shim's session, with its variables, with nothing to
/// read and nothing else open, and its output is in the log as it was written.
#[test]
fn a_command_runs_and_its_end_is_told() {
    let script = "pwd; echo \"$GREETING\" >&2; cat; \
        for fd in 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$fd && echo open: $fd; done; \
        cut -d' ' -f6 /proc/$$/stat; exit 7";
    let mut scene = Scene::new(script);
    scene.job.env.insert("GREETING".into(), "hello".into());
    let end = scene.run();
    assert_eq!((end.class, end.exit_code), (EndClass::Failure, Some(7)));
    assert!(end.seconds > 0.0);
    let workdir = scene.job.workdir.display();
    let shim = scene.shim();
    assert_eq!(scene.log(), format!("{workdir}\nhello\n{shim}\n"));
    assert_eq!(Scene::of(&["true"]).run().class, EndClass::Done);
    assert_eq!(Scene::new("exit 75").run().class, EndClass::TryLater);
    is(
        &Scene::new("kill -9 $$").run(),
        EndClass::Failure,
        "signal 9",
    );
}

/// 5: what can't be run is told from what fails, with the reason.
#[test]
fn a_command_that_cannot_be_run_says_why() {
    let missing = Scene::of(&["/no/such program"]).run();
    is(
        &missing,
        EndClass::Configuration,
        "/no/such program: there is no such program",
    );
    assert_eq!(missing.exit_code, Some(127));
    let mut scene = Scene::of(&["./script"]);
    let script = scene.file("script");
    fs::write(&script, "#!/no/interpreter\n").expect("writing");
    let refused = scene.run();
    is(&refused, EndClass::Configuration, "Permission denied");
    assert_eq!(refused.exit_code, Some(126));
    fs::remove_file(scene.job.dir.join("exit.json")).expect("its record");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("permissions");
    is(&scene.run(), EndClass::Configuration, "the interpreter");
    fs::remove_file(scene.job.dir.join("exit.json")).expect("its record");
    scene.job.workdir = scene.file("gone");
    is(&scene.run(), EndClass::Infra, "gone");
}

/// A command that is done has left nothing running, wherever it has hidden it.
#[test]
fn what_a_command_leaves_running_ends_with_it() {
    let scene = Scene::new(
        "(setsid env -i PATH=\"$PATH\" sh -c 'echo $$ > far; exec sleep 1000' &)
         until test -s far; do :; done",
    );
    let end = scene.run();
    assert_eq!(end.class, EndClass::Done, "{end:?}");
    assert!(!alive(scene.pid_in("far")));
}

/// An attempt is started once, whoever asks for it again.
#[test]
fn what_runs_already_is_taken_up() {
    let scene = Scene::new("echo started; until test -e go; do sleep 0.01; done");
    let (one, other) = (scene.launcher(), scene.launcher());
    let first = one.start(&scene.job).expect("it starts");
    assert_eq!(first, format!("pid {}", scene.shim()));
    assert_eq!(other.start(&scene.job).expect("it is taken up"), first);
    assert!(matches!(scene.found(), Found::Running(handle) if handle == first));
    fs::write(scene.file("go"), "").expect("writing");
    assert_eq!(other.wait(&scene.job, &first).class, EndClass::Done);
    assert_eq!(one.wait(&scene.job, &first).class, EndClass::Done);
    let again = other.start(&scene.job).expect("nothing is to be done");
    assert_eq!(other.wait(&scene.job, &again).class, EndClass::Done);
    assert!(matches!(scene.found(), Found::Ended(end) if end.class == EndClass::Done));
    assert_eq!(scene.log(), "started\n");
}

/// 4: the slot's lock is held as long as the shim lives, and by nobody else.
#[test]
fn the_slot_is_held_for_the_shims_life_and_no_longer() {
    let mut scene = Scene::new("until test -e go; do sleep 0.01; done");
    let lock = scene.file("lock");
    let is_free = || {
        let file = File::open(&lock).expect("the lock file");
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
    };
    let held = File::create(&lock).expect("a lock file");
    flock(&held, FlockOperation::LockExclusive).expect("its lock");
    scene.job.holder = Some(held.into());
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    scene.job.holder = None;
    assert!(!is_free());
    fs::write(scene.file("go"), "").expect("writing");
    launcher.wait(&scene.job, &handle);
    // What other tests have started meanwhile had it too, until it became its program.
    until("it is free", || is_free().then_some(()));
}

/// 8: a runner that says nothing, and uses no time, is healthy as long as its shim is.
#[test]
fn a_quiet_runner_is_not_ended() {
    // On a busy machine the shim itself may stand still for so long.
    let played = (0..20).any(|_| stays_quiet(Duration::from_millis(1800)));
    assert!(played, "this machine lets nobody be healthy");
}

/// Whether a runner was quiet for longer than that; it may have been ended only if its shim was, too.
fn stays_quiet(timeout: Duration) -> bool {
    let mut scene = Scene::new("read -r line < pipe");
    scene.job.heartbeat_timeout = timeout;
    let pipe = std::process::Command::new("mkfifo")
        .arg(scene.file("pipe"))
        .status();
    assert!(pipe.expect("mkfifo").success());
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    let mut beats = std::collections::BTreeSet::from([SystemTime::now()]);
    let end = std::thread::scope(|scope| {
        let end = scope.spawn(|| launcher.wait(&scene.job, &handle));
        until("more time has passed than it may be silent", || {
            beats.extend(scene.beat());
            (beats.len() > 8 || end.is_finished()).then_some(())
        });
        // Whether somebody reads there or not.
        let mut pipe = File::options();
        let pipe = pipe.read(true).write(true).open(scene.file("pipe"));
        let mut pipe = pipe.expect("the pipe");
        pipe.write_all(b"go\n").expect("writing");
        end.join().expect("its end")
    });
    assert_eq!(scene.log(), "");
    if end.class == EndClass::Done {
        return true;
    }
    beats.insert(SystemTime::now());
    let pauses = beats.iter().zip(beats.iter().skip(1));
    let longest = pauses.map(|(one, next)| next.duration_since(*one).unwrap_or_default());
    let stood_still = longest.max() > Some(timeout / 3);
    assert!(end.class == EndClass::Silent && stood_still, "{end:?}");
    false
}

/// A full disk, or a directory that can't be written: the end is known all the same.
#[test]
fn an_end_that_cannot_be_written_down_is_told() {
    let told = |script: &str, class| {
        let scene = Scene::new(script);
        fs::create_dir_all(scene.job.dir.join("exit.json/in the way")).expect("a directory");
        is(&scene.run(), class, "could not be written down");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| told("exit 78", EndClass::Permanent));
        scope.spawn(|| told("kill -9 $$", EndClass::Failure));
    });
}

/// 12: memory is limited where that is possible; where not, that is said and nothing else.
#[test]
fn a_command_gets_no_more_memory_than_it_asked_for() {
    // What holds no line end is kept in memory.
    let mut scene = Scene::new("head -c 200M /dev/zero | tail -c 150M > /dev/null");
    scene.job.memory = 24 << 20;
    let end = scene.run();
    let record = fs::read_to_string(scene.job.dir.join("exit.json")).expect("its record");
    let holder = fs::read_to_string(scene.job.dir.join("shim.lock")).expect("its lock");
    let holder: serde_json::Value = serde_json::from_str(&holder).expect("its holder");
    match scene.launcher().why_memory_is_not_limited() {
        None => {
            is(&end, EndClass::Oom, "24 MiB");
            let group = holder["cgroup"].as_str().expect("a control group");
            assert!(!fs::exists(group).expect("its directory"));
        }
        Some(reason) => {
            assert_eq!(end.class, EndClass::Done);
            assert!(record.contains(&reason), "{reason}: {record}");
        }
    }
}

/// A shim that is killed takes nothing with it, but nothing stays either.
#[test]
fn a_killed_shim_leaves_nothing_running() {
    let mut scene = Scene::new(
        "echo $$ > near; (setsid sh -c 'echo $$ > far; exec sleep 1000' &)
         (env -i \"$(command -v sh)\" -c 'echo $$ > bare; exec sleep 1000' &)
         exec sleep 1000",
    );
    scene.grace = scene::LONG;
    let launcher = scene.launcher();
    let handle = launcher.start(&scene.job).expect("it starts");
    // One has left the session, one has nothing left of its environment.
    let pids = ["near", "far", "bare"].map(|name| scene.pid_in(name));
    crate::support::kill(scene.shim(), rustix::process::Signal::KILL);
    is(
        &launcher.wait(&scene.job, &handle),
        EndClass::Lost,
        "signal 9",
    );
    pids.into_iter().for_each(gone);
}

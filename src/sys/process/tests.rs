use super::*;
use crate::sys::clock::{Interrupted, pause};
use crate::sys::lock::FileLock;
use crate::sys::procfs::Stat;
use crate::sys::{inside, wait};

/// Far more than anything here takes, far less than the children would.
const SOON: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Command<'static> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

fn pid_in(text: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().next().expect("a line");
    line.trim().parse().expect("a pid")
}

fn runs(pid: u32) -> bool {
    Stat::of(pid).is_some_and(|stat| !stat.is_dead())
}

fn within(limit: Duration) -> Limits {
    Limits {
        deadline: Some(Deadline::after(limit)),
        ..Limits::default()
    }
}

#[test]
fn output_status_environment_and_directory_are_the_childs() {
    let mut seen = Vec::new();
    let mut observer = |bytes: &[u8]| seen.extend_from_slice(bytes);
    let finished = Command::new("sh")
        .args(["-c", "echo \"$A$HOME\"; pwd; echo err >&2; exit 3"])
        .env_clear()
        .env("A", "value")
        .current_dir("/")
        .on_stderr(&mut observer)
        .run()
        .expect("ran");
    assert_eq!(finished.stdout, b"value\n/\n");
    assert_eq!(finished.stderr, b"err\n");
    assert_eq!(finished.status.code(), Some(3));
    assert_eq!(finished.ended, None);
    assert!(!finished.status.success());
    assert_eq!(seen, b"err\n");
}

#[test]
fn more_input_than_a_pipe_holds_comes_back_whole() {
    let bytes = vec![b'x'; 1 << 20];
    let finished = Command::new("cat")
        .stdin_bytes(bytes.clone())
        .run()
        .expect("ran");
    assert!(finished.stdout == bytes);
    let unread = Command::new("true").stdin_bytes(bytes).run().expect("ran");
    assert!(unread.status.success());
}

#[test]
fn stdin_is_empty_unless_set() {
    let finished = Command::new("cat").run().expect("ran");
    assert!(finished.status.success() && finished.stdout.is_empty());
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let error = Command::new("/nowhere/at-all").run().expect_err("no such");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_background_process_that_holds_the_pipe_is_not_waited_for() {
    let finished = sh("sleep 60 & echo $!")
        .limits(within(SOON))
        .run()
        .expect("ran");
    assert_eq!(finished.ended, None);
    let pid = pid_in(&finished.stdout);
    assert!(runs(pid));
    assert!(inside::end(&[pid], SOON).is_empty());
}

#[test]
fn a_silent_child_is_ended() {
    let silence = Duration::from_millis(50);
    let finished = sh("exec sleep 60")
        .limits(Limits {
            silence: Some(silence),
            ..Limits::default()
        })
        .run()
        .expect("ran");
    assert_eq!(finished.ended, Some(Ended::Silence(silence)));
    assert_eq!(finished.status.signal(), Some(Signal::TERM.as_raw()));
    assert!(finished.duration >= silence && finished.duration < SOON);
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_with_its_group() {
    // A short deadline may come before the shell is ready.
    for limit in [100, 1000, 10_000].map(Duration::from_millis) {
        let finished = sh("trap '' TERM; sleep 60 & echo $!; wait")
            .limits(Limits {
                deadline: Some(Deadline::after(limit)),
                grace: Duration::from_millis(50),
                ..Limits::default()
            })
            .run()
            .expect("ran");
        assert_eq!(finished.ended, Some(Ended::Deadline(limit)));
        if !finished.stdout.is_empty() {
            assert_eq!(finished.status.signal(), Some(Signal::KILL.as_raw()));
            assert!(!runs(pid_in(&finished.stdout)));
            return;
        }
    }
    panic!("the shell was never ready");
}

#[test]
fn a_child_may_clean_up_within_its_grace() {
    for limit in [100, 1000, 10_000].map(Duration::from_millis) {
        let finished = sh("trap 'echo cleaned; kill $!; exit 4' TERM; sleep 60 & echo ready; wait")
            .limits(Limits {
                grace: SOON,
                ..within(limit)
            })
            .run()
            .expect("ran");
        if finished.stdout.starts_with(b"ready") {
            assert_eq!(finished.stdout, b"ready\ncleaned\n");
            assert_eq!(finished.status.code(), Some(4));
            return;
        }
    }
    panic!("the shell was never ready");
}

#[test]
fn nothing_is_started_after_the_deadline() {
    let finished = Command::new("/nowhere/at-all")
        .limits(within(Duration::ZERO))
        .run()
        .expect("not started");
    assert_eq!(finished.ended, Some(Ended::Deadline(Duration::ZERO)));
}

#[test]
fn the_descriptor_for_stdin_is_closed_here_once_the_child_runs() {
    let (read, write) = rustix::pipe::pipe().expect("pipe");
    let mut command = Command::new("true");
    command.stdin_file(write);
    command.run().expect("ran");
    assert!(wait::readable(std::os::fd::AsFd::as_fd(&read), SOON).expect("polled"));
    drop(command);
}

/// Within the other process: a signal that comes there goes to every foreground command, and on to
/// whatever else that process has started.
fn a_foreground_command_gets_signals_and_its_end_is_told() {
    let dir = Path::new("/");
    let script = "trap 'kill $!; exit 7' TERM; sleep 60 & kill -TERM $PPID; wait";
    let args = ["-c".into(), script.into()];
    let end = run_foreground("sh".as_ref(), &args, dir, &[]).expect("ran");
    assert_eq!(end, ForegroundEnd::Exited(7));
    let args = ["-c".into(), "kill -KILL $$".into()];
    let end = run_foreground("sh".as_ref(), &args, dir, &[]).expect("ran");
    assert_eq!(end, ForegroundEnd::Signaled(9));
    let env = [("A".into(), Some("5".into())), ("HOME".into(), None)];
    let args = ["-c".into(), "exit $A$HOME".into()];
    let end = run_foreground("sh".as_ref(), &args, dir, &env).expect("ran");
    assert_eq!(end, ForegroundEnd::Exited(5));
    let error = run_foreground("/nowhere/at-all".as_ref(), &[], dir, &[]).expect_err("no such");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = run_foreground("/etc/passwd".as_ref(), &[], dir, &[]).expect_err("no program");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

/// What a signal does is seen by the whole process, so it gets one of its own.
#[test]
fn signals_go_to_a_foreground_command_end_waits_and_children_but_not_under_a_shield() {
    let tests = std::env::current_exe().expect("own path");
    let finished = Command::new(tests)
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("sys::process::tests::in_a_process_of_its_own")
        .limits(within(SOON * 2))
        .run()
        .expect("ran");
    let told = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert!(finished.status.success(), "{told}{finished:?}");
    assert!(told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn in_a_process_of_its_own() {
    a_foreground_command_gets_signals_and_its_end_is_told();
    signals::install(&signals::usual()).expect("installed");
    signals::install(&signals::usual()).expect("installed once");
    assert_eq!(pause(Duration::from_millis(1)), Ok(()));
    let finished = sh("kill -TERM $PPID; exec sleep 60").run().expect("ran");
    assert_eq!(finished.ended, Some(Ended::Signal(15)));
    assert_eq!(pause(SOON), Err(Interrupted(15)));
    assert_eq!(
        sh("exit 0").run().expect("not started").ended,
        Some(Ended::Signal(15))
    );

    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("lock");
    let held = FileLock::try_acquire(&path).expect("lock").expect("free");
    assert!(FileLock::acquire(&path, SOON, &mut || {}).is_err());
    {
        let _shield = signals::shield();
        assert_eq!(pause(Duration::from_millis(1)), Ok(()));
        assert!(sh("exit 0").run().expect("ran").status.success());
        let wait = Duration::from_millis(1);
        let busy = FileLock::acquire(&path, wait, &mut || {}).expect("no error");
        assert!(busy.is_err());
    }
    drop(held);
    assert_eq!(signals::received(), Some(15));
    signals::acknowledge();
    assert_eq!(signals::received(), None);
    assert_eq!(pause(Duration::from_millis(1)), Ok(()));
}

#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes and make files"
)]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::super::starting;
use super::*;

fn sleeper(dir: &Path, stdin: Stdio) -> Child {
    let mut sleeper = Command::new("sleep");
    sleeper.arg("60").current_dir(dir).stdin(stdin);
    starting::start(&mut sleeper).expect("started")
}

fn uses(dir: &Path, except: &[u32]) -> Vec<(u32, How)> {
    let found = processes_inside(dir, except).inside;
    found.into_iter().map(|p| (p.pid, p.how)).collect()
}

#[test]
fn a_process_that_stands_in_a_directory_is_found_and_ended() {
    let dir = tempfile::tempdir().expect("directory");
    let below = dir.path().join("below");
    std::fs::create_dir(&below).expect("made");
    std::fs::create_dir(dir.path().join("bel")).expect("made");
    let mut child = sleeper(&below, Stdio::null());
    let pid = child.id();
    assert_eq!(uses(dir.path(), &[]), [(pid, How::Cwd)]);
    assert_eq!(uses(&dir.path().join("bel"), &[]), []);
    assert_eq!(uses(dir.path(), &[pid]), []);
    let found = processes_inside(dir.path(), &[]).inside;
    assert_eq!(found[0].uid, user::effective_uid());
    assert_eq!(found[0].command, "sleep 60");
    assert!(end(&[pid], Duration::from_secs(20)).is_empty());
    child.wait().expect("reaped");
    assert_eq!(uses(dir.path(), &[]), []);
}

#[test]
fn an_open_file_is_found_even_when_it_was_deleted() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("file");
    std::fs::write(&path, "x").expect("written");
    let file = std::fs::File::open(&path).expect("opened");
    let mut child = sleeper(Path::new("/"), Stdio::from(file));
    let own = [std::process::id()];
    // Other tests' children hold copies of this process's files for the moment before they run.
    let found = |pid| uses(dir.path(), &own).contains(&(pid, How::OpenFile));
    assert!(found(child.id()));
    std::fs::remove_file(&path).expect("removed");
    assert!(found(child.id()));
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn a_thread_with_a_working_directory_of_its_own_is_found() {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    let dir = tempfile::tempdir().expect("directory");
    let pid = std::process::id();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            #[expect(
                unsafe_code,
                reason = "only the working directory is this thread's own"
            )]
            unsafe {
                unshare_unsafe(UnshareFlags::FS).expect("its own");
            }
            std::env::set_current_dir(dir.path()).expect("gone there");
            uses(dir.path(), &[])
        });
        assert_eq!(thread.join().expect("ended"), [(pid, How::Cwd)]);
    });
    assert_eq!(uses(dir.path(), &[]), []);
}

#[test]
fn whoever_hands_on_to_a_child_while_it_is_looked_for_is_found() {
    let dir = tempfile::tempdir().expect("directory");
    // Each of them starts the next and ends: a list of them is old before it is read.
    let chain = "n=$1; [ $n -gt 0 ] || exec sleep 60; sh -c \"$0\" \"$0\" $((n - 1)) & exit";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", chain, chain, "400"])
        .current_dir(dir.path())
        .process_group(0);
    let mut first = starting::start(&mut shell).expect("started");
    let group = rustix::process::Pid::from_child(&first);
    let found: Vec<bool> = (0..20).map(|_| !uses(dir.path(), &[]).is_empty()).collect();
    rustix::process::kill_process_group(group, Signal::KILL).expect("ended");
    first.wait().expect("reaped");
    assert_eq!(found, [true; 20]);
}

#![expect(
    clippy::disallowed_methods,
    reason = "the test starts a process of its own"
)]

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use super::*;

/// Has the child say when it is on its way, and go on only when it is told to.
fn held_up(command: &mut Command, says: OwnedFd, waits: OwnedFd) {
    let hold_up = move || {
        rustix::io::write(says.as_fd(), b"x")?;
        rustix::io::read(waits.as_fd(), &mut [0; 1])?;
        Ok(())
    };
    #[expect(
        unsafe_code,
        reason = "between fork and exec only two system calls are made"
    )]
    unsafe {
        command.pre_exec(hold_up);
    }
}

#[test]
fn a_file_is_closed_only_when_no_child_is_on_its_way() {
    let file = Kept::new(tempfile::tempfile().expect("a file"));
    let (on_its_way, says) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let (waits, tell) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let starts = std::thread::spawn(move || {
        let mut command = Command::new("true");
        held_up(&mut command, says, waits);
        start(&mut command).expect("started").wait().expect("ended")
    });
    rustix::io::read(&on_its_way, &mut [0; 1]).expect("it is on its way");
    let may_go = Arc::new(AtomicBool::new(false));
    let went = Arc::clone(&may_go);
    let closes = std::thread::spawn(move || {
        drop(file);
        went.load(Ordering::SeqCst)
    });
    while traffic().closing == 0 && !closes.is_finished() {
        std::thread::yield_now();
    }
    may_go.store(true, Ordering::SeqCst);
    rustix::io::write(&tell, b"x").expect("told");
    assert!(closes.join().expect("no panic"), "the child still has it");
    assert!(starts.join().expect("no panic").success());
}

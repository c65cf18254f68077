//! A terminal: what a person's screen would be sent.

use super::helper::DEADLINE;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// Runs a command whose output is a terminal of 120 columns; everything that reached it.
#[track_caller]
pub fn at_terminal(mut command: Command) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let size = Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).expect("its size");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let slave = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("a path"))
        .expect("opening it");
    let mut child = command
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(slave.try_clone().expect("a descriptor"))
        .stderr(slave)
        .spawn()
        .expect("starting the command");
    // The command holds the other end, and its end would never show.
    drop(command);
    let (tell, said) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut screen, mut seen, mut chunk) = (File::from(master), Vec::new(), [0; 4096]);
        // The end of a terminal is an error.
        while let Ok(n @ 1..) = screen.read(&mut chunk) {
            seen.extend(&chunk[..n]);
        }
        let _ = tell.send(seen);
    });
    let seen = said.recv_timeout(2 * DEADLINE).unwrap_or_else(|_| {
        let _ = child.kill();
        panic!("it did not end")
    });
    child.wait().expect("its end");
    String::from_utf8_lossy(&seen).into_owned()
}

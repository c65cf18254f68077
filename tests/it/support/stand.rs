//! A script in git's place that kills, holds up or disturbs one of the calls.

use super::scene::program;
use super::{World, alive, until};
use rustix::fs::{Mode, OFlags, mkfifoat};
use std::fs;
use std::path::PathBuf;

/// A script that stands in git's place and treats one of its calls in a special way.
pub struct Stand {
    dir: PathBuf,
}

impl Stand {
    /// Puts the script into the world. It is used by who has [`path`](Self::path) as PATH.
    pub fn new(world: &World) -> Self {
        let dir = world.path("stand");
        fs::create_dir(&dir).expect("a directory");
        mkfifoat(rustix::fs::CWD, dir.join("gate"), Mode::RWXU).expect("a FIFO");
        let script = format!(
            r#"#!/bin/sh
stand='{}'
read -r chosen mode < "$stand/chosen"
# Two may be called at the same time: who makes the file has the number.
set -C
calls=1
until {{ echo "$*" > "$stand/calls/$calls"; }} 2>/dev/null; do calls=$((calls + 1)); done
set +C
case "$calls:$* " in
    "$chosen:"* | *" $chosen "*) ;;
    *) mode=none ;;
esac
if [ "$mode" != none ]; then
    case $mode in
        before) kill -KILL $$ ;;
        after) '{git}' "$@"; kill -KILL $$ ;;
        hold) echo "$$ $*" > "$stand/held"; read -r go < "$stand/gate" ;;
        strace*) exec $mode '{git}' "$@" ;;
    esac
fi
exec '{git}' "$@"
"#,
            dir.display(),
            git = real_git().display()
        );
        program(&dir.join("git"), &script);
        Self { dir }
    }

    /// The arguments of the last command's call of this number.
    pub fn words_of(&self, number: u32) -> String {
        let call = self.dir.join("calls").join(number.to_string());
        fs::read_to_string(call).unwrap_or_default()
    }

    /// The next command's call number `number` is to be treated so.
    pub fn choose(&self, number: u32, mode: &str) {
        self.choose_word(&number.to_string(), mode);
    }

    /// Every call with this word among its arguments is to be treated so, from the next command on.
    pub fn choose_word(&self, word: &str, mode: &str) {
        let _ = fs::remove_file(self.dir.join("held"));
        let _ = fs::remove_dir_all(self.dir.join("calls"));
        fs::create_dir(self.dir.join("calls")).expect("a directory");
        fs::write(self.dir.join("chosen"), format!("{word} {mode}\n")).expect("writing");
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u32 {
        let calls = fs::read_dir(self.dir.join("calls")).expect("the calls");
        calls.count() as u32
    }

    /// Whether there was a call with this word among its arguments.
    pub fn was_called(&self, word: &str) -> bool {
        let calls = fs::read_dir(self.dir.join("calls")).expect("the calls");
        calls.flatten().any(|call| {
            let words = fs::read_to_string(call.path()).unwrap_or_default();
            words.split_whitespace().any(|other| other == word)
        })
    }

    /// A PATH on which the script comes before git.
    pub fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.dir.display())
    }

    /// The call that is held: its pid and arguments.
    pub fn held(&self) -> Option<(u32, String)> {
        let text = fs::read_to_string(self.dir.join("held")).ok()?;
        let (pid, words) = text.strip_suffix('\n')?.split_once(' ')?;
        Some((pid.parse().ok()?, words.to_owned()))
    }

    /// Lets the held call go on, if it still waits.
    pub fn let_go(&self, pid: u32) {
        let gate = self.dir.join("gate");
        until("the held git takes notice", || {
            let open = rustix::fs::open(
                &gate,
                OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
                Mode::empty(),
            );
            match open {
                Ok(fd) => {
                    rustix::io::write(&fd, b"go\n").expect("writing");
                    Some(())
                }
                Err(_) => (!alive(pid)).then_some(()),
            }
        });
    }
}

/// The git that the tests use themselves.
fn real_git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("git"))
        .find(|file| file.is_file())
        .expect("git on the PATH")
}

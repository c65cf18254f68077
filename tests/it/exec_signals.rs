//! `exec` and its command under every signal: the slot comes back.

use crate::support::{Call, Running, World, alive, kill, kill_on_drop, say, until};
use rustix::process::Signal;
use std::process::Command;

/// The signals that end a process which says nothing about them, but for one that no Rust program
/// heeds (PIPE), and those without names of which a few stand for all.
fn ending(unnamed: impl Iterator<Item = i32>) -> Vec<i32> {
    let rest = [16, 24, 25, 26, 27, 29, 30, 31];
    let named = (1..=12).chain([14, 15]).chain(rest);
    named.chain(unnamed).collect()
}

/// Sends any signal, also one without a name.
fn send(pid: u32, signal: i32) {
    let status = Command::new("sh")
        .args([
            "-c",
            "kill -\"$1\" \"$2\"",
            "sh",
            &signal.to_string(),
            &pid.to_string(),
        ])
        .status();
    assert!(status.expect("a shell").success(), "signal {signal}");
}

/// Starts a command that says its pid and waits. No signal leaves a core file.
fn start(world: &World, script: &str) -> Running {
    let mut command = world.command("sh");
    let line = "ulimit -c 0; exec \"$REPO_POOL\" exec p --no-fetch -- sh -c \"$0\"";
    command.args(["-c", line, script]);
    Call::new(command).spawn()
}

/// `exec`, and its command, is killed by every signal there is; by all of those without names too,
/// N kills in all, with `REPO_POOL_TEST_SIGNALS=N`.
#[test]
fn killed_by_every_signal_neither_exec_nor_its_command_leaks_a_slot() {
    let (world, _remote) = World::with_pool(2);
    let asked = std::env::var("REPO_POOL_TEST_SIGNALS").ok();
    let signals = match asked {
        None => ending([34, 64].into_iter()),
        Some(_) => ending(34..=64),
    };
    let kills = asked.map_or(2 * signals.len(), |count| count.parse().expect("a number"));
    for round in 0..kills {
        let signal = signals[(round / 2) % signals.len()];
        let running = start(&world, "echo $$; exec sleep 600");
        let child: u32 = running.line().parse().expect("a pid");
        let _guard = kill_on_drop(child);
        let target = match round % 2 {
            0 => running.pid(),
            _ => child,
        };
        send(target, signal);
        if target == running.pid() && [7, 11].contains(&signal) {
            // The first tells a Rust program that its stack may be full, and it looks whether that is so.
            let seen = || caught(target, signal).is_none_or(|caught| !caught);
            until("it has looked", || seen().then_some(()));
            send(target, signal);
        }
        // What holds its output open has ended too.
        let out = running.finish();
        assert_eq!(
            out.code,
            128 + signal,
            "signal {signal}, round {round}: {out}"
        );
        until("the command has ended", || (!alive(child)).then_some(()));
    }
    world.pool("recover").ok();
    let leaked = world
        .slots("p")
        .iter()
        .filter(|slot| slot["state"] != "available")
        .count();
    say(&format!("{kills} kills, {leaked} slots leaked"));
    assert_eq!(leaked, 0, "{:?}", world.slots("p"));
    world.pool("recover --dry-run").ok();
    world.assert_sound("p");
}

/// A command that handles a signal decides on its own code, whichever signal it is.
#[test]
fn exec_passes_on_signals_that_ask_for_something_else() {
    let (world, _remote) = World::with_pool(1);
    let script = "trap 'echo one' USR1; trap 'echo two' USR2; trap 'echo alarm' ALRM; trap 'exit 7' QUIT; \
                  trap 'echo size' WINCH; echo ready; while :; do sleep 0.02; done";
    let running = start(&world, script);
    assert_eq!(running.line(), "ready");
    for (signal, word) in [(10, "one"), (12, "two"), (14, "alarm"), (28, "size")] {
        send(running.pid(), signal);
        until(word, || running.stdout().contains(word).then_some(()));
    }
    send(running.pid(), 3);
    let out = running.finish();
    assert_eq!(out.code(7).stdout, "ready\none\ntwo\nalarm\nsize\n");
    assert_eq!(world.state("p/slot1"), "available");
}

/// A signal reaches the command's whole group: a shell that waits for what it has started could not
/// heed it before that has ended.
#[test]
fn a_signal_reaches_what_the_command_has_started() {
    let (world, _remote) = World::with_pool(1);
    let script = "trap 'echo tidy; exit 4' TERM; sh -c 'echo $$; exec sleep 600'; echo not reached";
    let running = start(&world, script);
    let child: u32 = running.line().parse().expect("a pid");
    let _guard = kill_on_drop(child);
    running.signal(Signal::TERM);
    let out = running.finish();
    assert!(out.code(4).stdout.ends_with("tidy\n"), "{out}");
    assert_eq!(world.state("p/slot1"), "available");
}

/// But not the processes of the group that were there before.
#[test]
fn a_signal_to_exec_does_not_reach_its_callers() {
    let (world, _remote) = World::with_pool(1);
    let script = "sleep 600 & echo $!; \"$REPO_POOL\" exec p -- sh -c 'kill -TERM $PPID; sleep 600'; \
                  echo \"code $?\"; kill -0 $! && kill $!";
    let out = world.sh(script);
    assert!(out.ok().stdout.ends_with("code 143\n"), "{out}");
    assert_eq!(world.state("p/slot1"), "available");
}

/// What was ignored when `exec` started stays ignored, by it and by its command.
#[test]
fn an_ignored_signal_stays_ignored() {
    let (world, _remote) = World::with_pool(1);
    let mut command = world.command("sh");
    let line = "trap '' HUP USR1; exec \"$REPO_POOL\" exec p -- sh -c 'echo $$; read -r x; exit 6'";
    command.args(["-c", line]);
    let (read, write) = std::io::pipe().expect("a pipe");
    let running = Call::new(command).stdin_from(read).spawn();
    let child: u32 = running.line().parse().expect("a pid");
    for pid in [running.pid(), child] {
        kill(pid, Signal::HUP);
        kill(pid, Signal::USR1);
    }
    drop(write);
    running.finish().code(6);
}

/// Also a caller that ignores its children's ends gets the code.
#[test]
fn exec_learns_of_its_commands_end_whatever_its_caller_has_set() {
    let (world, _remote) = World::with_pool(1);
    let script =
        "trap '' CHLD; \"$REPO_POOL\" exec p -- sh -c 'exit 9'; echo $?; \"$REPO_POOL\" allocate p";
    let mut command = world.command("bash");
    command.args(["-c", script]);
    let out = Call::new(command).run();
    let slot = world.slot_path("slot1").display().to_string();
    assert_eq!(out.ok().stdout, format!("9\n{slot}\n"));
}

/// Stopped and continued by somebody, `exec` and its command go on.
#[test]
fn exec_stops_and_goes_on_with_its_command() {
    let (world, _remote) = World::with_pool(1);
    let running = start(&world, "echo $$; exec sleep 600");
    let child: u32 = running.line().parse().expect("a pid");
    let _guard = kill_on_drop(child);
    let stopped = |pid: u32| state_of(pid) == Some('T');
    // The command alone: nobody else stops.
    kill(child, Signal::STOP);
    until("the command stops", || stopped(child).then_some(()));
    assert!(!stopped(running.pid()));
    kill(child, Signal::CONT);
    until("it goes on", || (!stopped(child)).then_some(()));
    // As a supervisor does it: SIGCONT to exec continues both.
    kill(running.pid(), Signal::STOP);
    kill(child, Signal::STOP);
    until("both stop", || {
        (stopped(child) && stopped(running.pid())).then_some(())
    });
    kill(running.pid(), Signal::CONT);
    until("both go on", || {
        (!stopped(child) && !stopped(running.pid())).then_some(())
    });
    kill(child, Signal::TERM);
    running.finish().code(143);
    assert_eq!(world.state("p/slot1"), "available");
}

/// Whether a process has a handler for that signal; none if it is no more.
fn caught(pid: u32, signal: i32) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
    Some(mask & (1 << (signal - 1)) != 0)
}

/// The letter that `/proc` has for a process's state.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

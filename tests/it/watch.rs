//! `status --watch`: a screen that is drawn anew, and what comes instead where there is none.

use crate::support::{Call, Piped, Terminal, World, until};
use rustix::process::Signal;
use std::process::Command;

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const TOP: &str = "\x1b[H";

fn watching(world: &World, args: &str) -> Command {
    let mut command = world.command(env!("CARGO_BIN_EXE_repo-pool"));
    command.env("NO_COLOR", "1");
    command.args(["status"]).args(args.split(' '));
    command
}

/// The last picture that was drawn in whole.
fn picture(seen: &str) -> Option<&str> {
    let whole = seen.rfind(TOP)?;
    let end = seen[whole..].contains("\x1b[J") || seen[whole..].contains(" more\x1b[K");
    end.then(|| &seen[whole..])
}

fn shows(seen: &str, texts: &[&str]) -> bool {
    picture(seen).is_some_and(|picture| texts.iter().all(|text| picture.contains(text)))
}

/// Section 3: a change is drawn at once, over the picture before; Ctrl-C ends it, and the terminal is as
/// it was.
#[test]
fn a_change_is_drawn_at_once_and_ctrl_c_gives_the_terminal_back() {
    let (world, _remote) = World::with_pool(2);
    let terminal = Terminal::start(watching(&world, "--watch=1h p"), 100, 30);
    let seen = terminal.until(0, |seen| shows(seen, &["p/slot2", "2 available"]));
    assert!(seen.starts_with(ENTER), "{seen:?}");
    world.allocate("p --no-fetch --owner somebody");
    let seen = terminal.until(seen.len(), |seen| shows(seen, &["1 allocated", "somebody"]));
    assert!(
        !seen.contains("\x1b[2J"),
        "cleared, so it flickers: {seen:?}"
    );
    terminal.keys("\x03");
    let (code, seen) = terminal.finish();
    assert_eq!(code, 0, "{seen:?}");
    assert!(seen.ends_with(LEAVE), "{seen:?}");
    assert_eq!(
        seen.matches("\x1b[?25l").count(),
        seen.matches("\x1b[?25h").count()
    );
    assert_eq!(seen.matches(ENTER).count(), 1);
}

/// Section 3: pools that are made and removed show as well, and time passes without a change.
#[test]
fn all_pools_are_watched_and_ages_grow() {
    let world = World::new();
    let url = world.remote().url();
    let terminal = Terminal::start(watching(&world, "--watch=200ms"), 100, 30);
    let seen = terminal.until(0, |seen| shows(seen, &["no pool yet"]));
    world.pool(format!("create zebra {url} -n 1")).ok();
    let seen = terminal.until(seen.len(), |seen| shows(seen, &["zebra"]));
    let before = seen.matches(TOP).count();
    terminal.until(0, |seen| seen.matches(TOP).count() > before + 2);
    world.pool("remove-pool zebra").ok();
    terminal.until(seen.len(), |seen| shows(seen, &["no pool yet"]));
    crate::support::kill(terminal.pid(), Signal::TERM);
    let (code, seen) = terminal.finish();
    assert_eq!((code, seen.ends_with(LEAVE)), (0, true), "{seen:?}");
}

/// Section 3: it is drawn for the size that the terminal has now; what has no room is counted.
#[test]
fn another_size_is_drawn_at_once() {
    let (world, _remote) = World::with_pool(6);
    world.allocate("p --no-fetch");
    let terminal = Terminal::start(watching(&world, "--watch=1h p"), 150, 30);
    let seen = terminal.until(0, |seen| shows(seen, &["LAST USED", "p/slot6"]));
    terminal.resize(40, 30);
    let seen = terminal.until(seen.len(), |seen| shows(seen, &["p/slot6"]));
    let narrow = picture(&seen).expect("a picture");
    assert!(!narrow.contains("LAST USED"), "{narrow:?}");
    for line in narrow.lines() {
        let text = line
            .replace(TOP, "")
            .replace("\x1b[K", "")
            .replace("\x1b[J", "");
        assert!(text.trim_end_matches('\r').len() <= 40, "{line:?}");
    }
    terminal.resize(80, 10);
    let seen = terminal.until(seen.len(), |seen| shows(seen, &["more"]));
    let low = picture(&seen).expect("a picture");
    assert_eq!(low.lines().count(), 10, "{low:?}");
    assert!(
        low.contains("p/slot1") && !low.contains("p/slot6"),
        "{low:?}"
    );
    terminal.keys("\x03");
    assert_eq!(terminal.finish().0, 0);
}

/// Section 3: while it is stopped the terminal is the shell's.
#[test]
fn a_watch_that_is_stopped_gives_the_terminal_back_for_that_time() {
    let (world, _remote) = World::with_pool(1);
    let terminal = Terminal::start(watching(&world, "--watch=1h p"), 100, 30);
    let seen = terminal.until(0, |seen| shows(seen, &["p/slot1"]));
    terminal.keys("\x1a");
    let seen = terminal.until(seen.len(), |seen| seen.ends_with(LEAVE));
    until("it is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", terminal.pid())).ok()?;
        stat.rsplit_once(')')?
            .1
            .trim_start()
            .starts_with('T')
            .then_some(())
    });
    crate::support::kill(terminal.pid(), Signal::CONT);
    let seen = terminal.until(seen.len(), |seen| shows(seen, &["p/slot1"]));
    assert_eq!(seen.matches(ENTER).count(), 2);
    terminal.keys("\x03");
    assert_eq!(terminal.finish().0, 0);
}

/// Section 3: when there is nothing to watch any more, the message stands on the terminal that was there
/// before.
#[test]
fn a_pool_that_is_removed_ends_its_watch_with_a_message() {
    let (world, _remote) = World::with_pool(1);
    let terminal = Terminal::start(watching(&world, "--watch=1h p"), 100, 30);
    terminal.until(0, |seen| shows(seen, &["p/slot1"]));
    world.pool("remove-pool p").ok();
    let (code, seen) = terminal.finish();
    assert_eq!(code, 7, "{seen:?}");
    let (_, after) = seen.rsplit_once(LEAVE).expect("the terminal is given back");
    assert!(after.contains("no pool"), "{after:?}");
}

/// Section 3: a slot's view follows what its user does, which changes no record.
#[test]
fn work_in_a_slot_is_seen_by_who_watches_it() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    let terminal = Terminal::start(watching(&world, "--watch=50ms p/slot1"), 100, 40);
    terminal.until(0, |seen| shows(seen, &["changes", "none"]));
    std::fs::write(dir.join("new.txt"), "new").expect("writing");
    terminal.until(0, |seen| shows(seen, &["1 untracked"]));
    world.commit(&dir, "new.txt", "new\n");
    terminal.until(0, |seen| {
        shows(seen, &["1 ahead of main", "Change new.txt", "1 commit"])
    });
    terminal.keys("\x03");
    assert_eq!(terminal.finish().0, 0);
}

/// Starts it with its output in a pipe.
fn piped(world: &World, args: &str) -> Piped {
    Piped::start(watching(world, args))
}

/// Section 4: with `--json` one document a line; it ends quietly when nobody reads them any more.
#[test]
fn documents_are_printed_one_a_line_until_nobody_reads_them() {
    let (world, _remote) = World::with_pool(1);
    for (of, key) in [("", "pools"), ("p ", "pool"), ("p/slot1 ", "slot")] {
        let mut watched = piped(&world, &format!("{of}--watch=20ms --json"));
        for _ in 0..3 {
            let doc = watched.json();
            assert!(doc.get(key).is_some(), "{doc}");
        }
        watched.close();
        assert_eq!(watched.code(), Some(0), "{of}");
    }
}

/// Section 4: nobody waits for the next picture to notice that it is not wanted any more.
#[test]
fn a_closed_pipe_ends_it_at_once() {
    let (world, _remote) = World::with_pool(1);
    let mut watched = piped(&world, "--watch=10h p");
    let line = watched.line();
    assert!(line.contains("every 10h"), "{line}");
    watched.close();
    assert_eq!(watched.code(), Some(0));
}

/// Section 3: without a terminal, or on one that can't be drawn on, one picture comes after the other.
#[test]
fn pictures_follow_each_other_where_none_can_be_drawn_over() {
    let (world, _remote) = World::with_pool(1);
    let mut watched = piped(&world, "--watch=20ms p");
    let lines: Vec<String> = (0..40).map(|_| watched.line()).collect();
    let titles = lines
        .iter()
        .filter(|line| line.starts_with("p  every 20.0 ms"))
        .count();
    assert!(titles >= 3, "{lines:#?}");
    assert!(!lines.concat().contains('\x1b'), "{lines:?}");
    watched.close();
    assert_eq!(watched.code(), Some(0));

    let script = format!(
        "TERM=dumb exec {} status --watch=1h p",
        env!("CARGO_BIN_EXE_repo-pool")
    );
    let mut shell = world.command("sh");
    shell.args(["-c", &script]);
    let terminal = Terminal::start(shell, 100, 30);
    let seen = terminal.until(0, |seen| seen.contains("p/slot1"));
    assert!(!seen.contains(ENTER), "{seen:?}");
    terminal.keys("\x03");
    assert_eq!(terminal.finish().0, 0);
}

/// Section 3: no lock is taken, and none is waited for.
#[test]
fn watching_waits_for_nobody() {
    let (world, _remote) = World::with_pool(1);
    let locks = ["pool.lock", "slot1.lock", "fetch.lock"].map(|lock| world.hold(lock));
    for args in ["--watch=10ms", "p --watch=10ms", "p/slot1 --watch=10ms"] {
        let mut watched = piped(&world, &format!("{args} --json"));
        watched.json();
        crate::support::kill(watched.pid(), Signal::INT);
        assert_eq!(watched.code(), Some(0), "{args}");
    }
    drop(locks);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (world, _remote) = World::with_pool(1);
    for args in [
        "--watch --check",
        "--watch=0",
        "--watch=soon",
        "--watch=2s nope",
    ] {
        let code = Call::new(watching(&world, args)).run().code;
        assert_eq!(code, if args.ends_with("nope") { 7 } else { 2 }, "{args}");
    }
}

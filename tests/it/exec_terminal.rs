//! `exec` at a real terminal, as a shell with job control runs it.

use crate::support::{Typist, World, alive, until};

/// A shell at a terminal, and its first prompt.
fn shell(world: &World, arguments: &str) -> Typist {
    let mut terminal = Typist::start(world, &format!("PS1='outer> ' {arguments}"));
    terminal.sees("outer> ");
    terminal
}

/// Section 3: the command has the terminal, and its size.
#[test]
fn a_command_of_exec_has_the_terminal() {
    let (world, _remote) = World::with_pool(1);
    let mut terminal = shell(&world, "exec bash --norc -i");
    terminal.types("\"$REPO_POOL\" exec p -- sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size; read -r x; echo \"got <$x>\"'\n");
    terminal.sees("40 120");
    terminal.types("some words\n");
    terminal.sees("got <some words>");
    terminal.sees("outer> ");
}

/// Ctrl-C reaches the command once, and what it does about it counts.
#[test]
fn ctrl_c_reaches_the_command_once() {
    let (world, _remote) = World::with_pool(1);
    let mut terminal = shell(&world, "exec bash --norc -i");
    terminal.types("\"$REPO_POOL\" exec p -- sh -c 'trap \"echo interrupted; n=x\\$n\" INT; echo ready; until [ \"$n\" = xx ]; do sleep 0.02; done; exit 7'; echo \"code $?\"\n");
    terminal.sees("\nready");
    terminal.types("\x03");
    terminal.sees("interrupted\r");
    terminal.types("\x03");
    terminal.sees("interrupted\r");
    terminal.sees("\ncode 7");
    terminal.types("\"$REPO_POOL\" exec p -- sh -c 'echo on; exec sleep 600'; echo \"code $?\"\n");
    terminal.sees("\non");
    terminal.types("\x03");
    terminal.sees("code 130");
    assert_eq!(world.state("p/slot1"), "available");
}

/// Ctrl-Z stops the job, the shell has its terminal back, and `fg` and `bg` go on with it.
#[test]
fn a_job_is_stopped_and_continued_like_any_other() {
    let (world, _remote) = World::with_pool(1);
    for shell_line in ["exec bash --norc -i", "exec zsh -f -i"] {
        if !has(&world, shell_line) {
            continue;
        }
        let mut terminal = shell(&world, shell_line);
        terminal.types(
            "\"$REPO_POOL\" exec p -- sh -c 'echo on; read -r x; echo \"got <$x>\"; exit 4'\n",
        );
        terminal.sees("\non");
        terminal.types("\x1a");
        terminal.sees("outer> ");
        assert_eq!(world.state("p/slot1"), "allocated");
        terminal.types("echo 'in ''between'\n");
        terminal.sees("in between");
        terminal.sees("outer> ");
        terminal.types("fg\n");
        terminal.sees("exec p");
        terminal.types("more\n");
        terminal.sees("got <more>");
        terminal.sees("outer> ");
        terminal.types("echo \"code $?\"\n");
        terminal.sees("code 4");
        assert_eq!(world.state("p/slot1"), "available");
    }
}

/// Section 3: without a command, a shell: interactive, with job control of its own; when it suspends
/// itself, the shell above has the terminal, and gives it back.
#[test]
fn a_shell_in_a_slot_has_job_control_and_suspends() {
    let (world, _remote) = World::with_pool(1);
    let mut terminal = shell(&world, "exec bash --norc -i");
    let inner = world.path("inner");
    crate::support::program(&inner, "#!/bin/sh\nPS1='inner> ' exec bash --norc -i\n");
    terminal.types(&format!(
        "SHELL='{}' \"$REPO_POOL\" exec p\n",
        inner.display()
    ));
    terminal.sees("inner> ");
    terminal.types("sh -c 'echo on; exec sleep 600'\n");
    terminal.sees("\non");
    terminal.types("\x1a");
    terminal.sees("Stopped");
    terminal.sees("inner> ");
    terminal.types("suspend\n");
    terminal.sees("outer> ");
    terminal.types("echo 'at ''the top'\n");
    terminal.sees("at the top");
    terminal.sees("outer> ");
    terminal.types("fg\n");
    terminal.sees("exec p");
    terminal.types("echo 'down ''again'; pwd\n");
    terminal.sees("down again");
    terminal.sees(&world.slot_path("slot1").display().to_string());
    terminal.sees("inner> ");
    terminal.types("exit 9\n");
    terminal.sees("stopped jobs");
    terminal.types("exit 9\n");
    terminal.sees("outer> ");
    terminal.types("echo \"code $?\"\n");
    terminal.sees("code 9");
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// A terminal that goes away ends the command, and the slot comes back.
#[test]
fn a_terminal_that_goes_away_gives_the_slot_back() {
    let (world, _remote) = World::with_pool(1);
    for line in [
        "echo pid=$$.; exec sleep 600",
        "trap '' HUP; echo pid=$$.; while :; do sleep 1; done",
    ] {
        let mut terminal = Typist::start(
            &world,
            &format!(
                "exec \"$REPO_POOL\" exec p -- sh -c \"{}\"",
                line.replace('$', "\\$")
            ),
        );
        // Before that stands what repo-pool says if it has to wait.
        terminal.sees("pid=");
        let pid = terminal.sees(".");
        let pid: u32 = pid.trim_end_matches('.').parse().expect("a pid");
        let ignores = line.starts_with("trap");
        terminal.hang_up();
        if ignores {
            // Without a terminal it goes on, as it wished.
            assert!(alive(pid));
            crate::support::kill(pid, rustix::process::Signal::KILL);
        }
        until("it has ended", || (!alive(pid)).then_some(()));
        until("its slot is back", || {
            (world.state("p/slot1") == "available").then_some(())
        });
    }
    world.assert_sound("p");
}

fn has(world: &World, shell_line: &str) -> bool {
    let program = shell_line.split(' ').nth(1).expect("a shell");
    world.sh(&format!("command -v {program} >/dev/null")).code == 0
}

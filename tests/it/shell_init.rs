//! `shell-init`: the function that takes a slot and goes there, in real shells.

use crate::support::{Call, Out, World, in_path};
use std::path::Path;

/// The shells that read one another's language.
const SHELLS: [(&str, &str); 3] = [("bash", "bash"), ("zsh", "zsh"), ("dash", "sh")];

/// Runs a script in a shell that has the function, in `dir`.
#[track_caller]
fn run(world: &World, shell: &str, kind: &str, dir: &Path, script: &str) -> Out {
    let set_up = match shell {
        "fish" => "repo-pool shell-init fish | source".to_owned(),
        _ => format!("eval \"$(repo-pool shell-init {kind})\""),
    };
    let mut command = world.shell(shell);
    command.args(match shell {
        "bash" => &["--norc", "--noprofile"][..],
        "zsh" => &["-f"],
        "fish" => &["--no-config"],
        _ => &[],
    });
    command.args(["-c", &format!("{set_up}\n{script}")]);
    Call::new(command).cwd(dir).run()
}

/// The script in each shell that there is; the world is new for each.
#[track_caller]
fn in_each(script: &str, fish: &str, check: impl Fn(&World, &Path, &Out)) {
    let mut any = false;
    for (shell, kind) in SHELLS.into_iter().chain([("fish", "fish")]) {
        if !in_path(shell) {
            crate::support::say(&format!("{shell} is not installed"));
            continue;
        }
        any = true;
        let (world, _remote) = World::with_pool(2);
        let start = world.path("start with blanks");
        std::fs::create_dir(&start).expect("a directory");
        let script = if shell == "fish" { fish } else { script };
        let out = run(&world, shell, kind, &start, script);
        crate::support::say(&format!("{shell}: {out}"));
        check(&world, &start, &out);
    }
    assert!(any, "no shell is installed");
}

fn lines(out: &Out) -> Vec<&str> {
    out.stdout.lines().collect()
}

/// Section 3: there and back: the slot is the shell's, the options go on, and it is given back from
/// outside, so that it is parked.
#[test]
fn a_slot_is_taken_and_given_back() {
    let common = "rp p --branch fix --meta a=b; echo $?; pwd\n\
                  repo-pool status p/slot1 --json; git symbolic-ref --short HEAD\n\
                  mkdir deep; cd deep; echo draft > draft.txt; rp -; echo $?; pwd\n";
    let script = format!("echo $$\n{common}");
    let fish = format!("echo $fish_pid\n{}", common.replace("$?", "$status"));
    in_each(&script, &fish, |world, start, out| {
        let lines = lines(out);
        let slot = world.slot_path("slot1").display().to_string();
        assert_eq!(lines[1..3], ["0", &slot], "{out}");
        let doc: serde_json::Value = serde_json::from_str(lines[3]).expect("a document");
        assert_eq!(doc["slot"]["state"], "allocated");
        assert_eq!(
            doc["slot"]["owner"]["pid"].to_string(),
            lines[0],
            "the shell's own"
        );
        assert_eq!(doc["slot"]["metadata"]["a"], "b");
        assert_eq!(lines[4], "fix");
        assert_eq!(lines[5..], ["0", &start.display().to_string()], "{out}");
        out.says("uncommitted changes saved");
        let slot = world.slot("p/slot1");
        assert_eq!(
            (&slot["state"], &slot["parked"]),
            (&"available".into(), &true.into())
        );
    });
}

/// Section 3: what fails has its own exit code, and leaves one where one is.
#[test]
fn who_gets_no_slot_stays_where_one_is() {
    let common = "rp nope; echo $?; pwd; rp p --no-such-option 2>/dev/null; echo $?\n\
                  rp -; echo $?\n\
                  rp p; rp p; rp p; echo $?; pwd\n";
    let fish = common.replace("$?", "$status");
    in_each(common, &fish, |world, start, out| {
        let start = start.display().to_string();
        let there = world.slot_path("slot2").display().to_string();
        assert_eq!(lines(out), ["7", &start, "2", "1", "4", &there], "{out}");
        out.says("this shell has taken no slot");
    });
}

/// Section 3: slots that are taken one after the other are given back in the other order.
#[test]
fn slots_are_given_back_in_the_order_in_which_one_came() {
    let common = "rp p; rp p --no-fetch; pwd; rp -; pwd; rp - --discard; pwd; rp -; echo $?\n";
    let fish = common.replace("$?", "$status");
    in_each(common, &fish, |world, start, out| {
        let path = |slot: &str| world.slot_path(slot).display().to_string();
        let start = start.display().to_string();
        assert_eq!(
            lines(out),
            [&path("slot2"), &path("slot1"), &start, "1"],
            "{out}"
        );
        assert!(
            world
                .slots("p")
                .iter()
                .all(|slot| slot["state"] == "available")
        );
    });
}

/// Section 5: a slot that can't be given back is not left.
#[test]
fn who_can_not_give_it_back_stays_in_it() {
    let script = "rp p; sleep 1000 & sleeper=$!; mkdir deep; cd deep\n\
                  rp -; echo $?; pwd; kill $sleeper; wait $sleeper; rp -; echo $?; pwd\n";
    let fish = "rp p; sleep 1000 &; set sleeper $last_pid; mkdir deep; cd deep\n\
                rp -; echo $status; pwd; kill $sleeper; wait $sleeper; rp -; echo $status; pwd\n";
    in_each(script, fish, |world, start, out| {
        let deep = world.slot_path("slot1").join("deep");
        let wanted = [
            "5",
            &deep.display().to_string(),
            "0",
            &start.display().to_string(),
        ];
        assert_eq!(lines(out), wanted, "{out}");
        out.says("a process is inside");
    });
}

/// Section 5: a slot that is another's by now is not given back for it, and is forgotten.
#[test]
fn a_slot_that_was_taken_away_stays_its_new_holders() {
    let script = "rp p --meta first=1; repo-pool release p/slot1 --force 2>/dev/null\n\
                  cd /; sleep 1000 & sleeper=$!\n\
                  repo-pool allocate p --owner-pid $sleeper >/dev/null\n\
                  repo-pool allocate p --owner-pid $sleeper >/dev/null\n\
                  rp -; echo $?; pwd; kill $sleeper; rp -; echo $?\n";
    let fish = "rp p --meta first=1; repo-pool release p/slot1 --force 2>/dev/null\n\
                cd /; sleep 1000 &; set sleeper $last_pid\n\
                repo-pool allocate p --owner-pid $sleeper >/dev/null\n\
                repo-pool allocate p --owner-pid $sleeper >/dev/null\n\
                rp -; echo $status; pwd; kill $sleeper; rp -; echo $status\n";
    in_each(script, fish, |_, _, out| {
        assert_eq!(lines(out), ["6", "/", "1"], "{out}");
    });
}

/// Section 3: another workspace, a directory that is gone, a slot that is gone, and a help text.
#[test]
fn odd_circumstances_do_no_harm() {
    let common = "repo-pool --workspace ../other create q \"$REMOTE\" -n 1 >/dev/null 2>&1\n\
                  rp --workspace ../other q; pwd; rp -; echo $?; pwd\n\
                  mkdir gone; cd gone; rp p; rmdir ../../../../'start with blanks'/gone\n\
                  rp -; echo $?; pwd\n\
                  rp --help | head -n 1; rp | head -n 1; rp p --json | cut -c1-11\n\
                  rp p; repo-pool remove-slot p/slot2 --force 2>/dev/null; rp -; echo $?; pwd\n";
    let fish = common.replace("$?", "$status");
    let remote = |text: &str| text.replace("\"$REMOTE\"", "../remote.git");
    in_each(&remote(common), &remote(&fish), |world, start, out| {
        let other = world.path("other/q/worktrees/slot1").display().to_string();
        let (start, home) = (
            start.display().to_string(),
            world.home().display().to_string(),
        );
        let lines = lines(out);
        assert_eq!(lines[..3], [&other, "0", &start], "{out}");
        assert_eq!(lines[3..5], ["0", &home], "{out}");
        assert!(lines[5].starts_with("Hand out a slot"), "{out}");
        assert!(lines[6].starts_with("POOL "), "{out}");
        assert_eq!(lines[7], "{\"schema\":1", "{out}");
    });
}

/// Section 3: the function can be called otherwise, and runs under strict options.
#[test]
fn the_name_can_be_chosen() {
    let (world, _remote) = World::with_pool(1);
    for (shell, kind) in SHELLS.into_iter().filter(|(shell, _)| in_path(shell)) {
        let mut command = world.shell(shell);
        command.args(["-euc", &format!(
            "eval \"$(repo-pool shell-init {kind} --cmd take-it)\"; take-it p; pwd; take-it -; pwd"
        )]);
        let out = Call::new(command).run();
        let there = world.slot_path("slot1").display().to_string();
        let start = world.path("").display().to_string();
        let wanted = [there.as_str(), start.trim_end_matches('/')];
        // The names of dash's functions are those of its variables.
        match shell {
            "dash" => assert_ne!(out.code, 0, "{out}"),
            _ => assert_eq!(lines(out.ok()), wanted, "{out}"),
        }
    }
    for name in ["if", "a;b", "$(x)", ""] {
        world
            .pool(["shell-init", "bash", "--cmd", name])
            .code(2)
            .silent();
    }
    world.pool("shell-init tcsh").code(2);
}

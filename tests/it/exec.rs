//! Running a command in a slot: its code, its surroundings, and the slot given back.

use crate::support::{World, kill_on_drop, program, until};
use rustix::process::Signal;
use std::fs;
use std::sync::Barrier;

/// Runs a shell script in a slot of `p`.
#[track_caller]
fn exec(world: &World, script: &str) -> crate::support::Out {
    world.pool(["exec", "p", "--", "sh", "-c", script])
}

/// Section 4: the command's own exit code.
#[test]
fn exec_ends_with_the_commands_exit_code() {
    let (world, _remote) = World::with_pool(1);
    for code in [0, 1, 2, 7, 124, 255] {
        exec(&world, &format!("exit {code}")).code(code).silent();
        assert_eq!(world.state("p/slot1"), "available");
    }
}

/// Section 4: 128+N when signal N ended the command.
#[test]
fn exec_ends_with_128_plus_the_signal() {
    let (world, _remote) = World::with_pool(1);
    exec(&world, "kill -TERM $$").code(143);
    exec(&world, "kill -KILL $$").code(137);
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 4: 126 and 127 as shells have them.
#[test]
fn exec_tells_not_found_from_not_executable() {
    let (world, _remote) = World::with_pool(1);
    world
        .pool("exec p -- no-such-command-anywhere")
        .code(127)
        .silent();
    world.pool("exec p -- ./no/such/file").code(127).silent();
    world.pool("exec p -- ./README.md").code(126).silent();
    world.pool("exec p -- ./tools/run.sh").ok();
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 4: 125 when repo-pool itself failed, and the message says which failure it was.
#[test]
fn exec_ends_with_125_when_no_slot_could_be_had() {
    let (world, _remote) = World::with_pool(1);
    world
        .pool("exec nothing -- true")
        .code(125)
        .silent()
        .says("nothing");
    world
        .pool("exec p --ref no-such -- true")
        .code(125)
        .silent()
        .says("no-such");
    world.allocate("p --owner holder");
    let out = world.pool("exec p -- touch ran");
    out.code(125).silent().says("holder");
    let out = world.pool("--json exec nothing -- true");
    out.code(125).silent().kind("pool_not_found");
}

/// Section 3: the command stands in the slot and is told where it is.
#[test]
fn exec_gives_the_command_the_slots_surroundings() {
    let (world, remote) = World::with_pool(1);
    let script = "pwd; git rev-parse HEAD; echo \"$REPO_POOL_SLOT\"; echo \"$REPO_POOL_SLOT_PATH\"; \
                  echo \"$REPO_POOL_POOL\"; echo \"$REPO_POOL_WORKSPACE\"; echo \"$REPO_POOL_ALLOCATION\"; \
                  $REPO_POOL status p/slot1 --json | tr -d '\\n'";
    let out = exec(&world, script);
    let lines: Vec<&str> = out.ok().stdout.lines().collect();
    let dir = world.slot_path("slot1").display().to_string();
    assert_eq!(lines[0], dir);
    assert_eq!(lines[1], world.tip(&remote, "main"));
    assert_eq!(lines[2], "workspace-p-slot1");
    assert_eq!(lines[3], dir);
    assert_eq!(lines[4], "p");
    assert_eq!(lines[5], world.workspace().display().to_string());
    let status: serde_json::Value = serde_json::from_str(lines[7]).expect("JSON");
    assert_eq!(status["slot"]["allocation_id"], lines[6]);
    assert_eq!(status["slot"]["state"], "allocated");
}

/// Section 3: the caller's own variables reach the command unchanged.
#[test]
fn exec_passes_the_environment_on() {
    let (world, _remote) = World::with_pool(1);
    let args = [
        "exec",
        "p",
        "--",
        "sh",
        "-c",
        "echo \"$MINE\"; echo \"$HOME\"; echo \"$GIT_AUTHOR_NAME\"",
    ];
    let call = world
        .call(args)
        .env("MINE", "my own")
        .env("GIT_AUTHOR_NAME", "Somebody");
    let home = world.home().display().to_string();
    assert_eq!(
        call.run().ok().stdout,
        format!("my own\n{home}\nSomebody\n")
    );
}

/// Section 4: stdout is the command's alone, byte for byte, and stdin reaches it.
#[test]
fn exec_leaves_stdin_and_stdout_to_the_command() {
    let (world, _remote) = World::with_pool(1);
    let bytes = b"line\n\xff\x00\x1b[31m no newline at the end";
    for flags in ["", "--json ", "-vv ", "-q "] {
        let out = world
            .call(format!("{flags}exec p -- cat"))
            .stdin(bytes)
            .run();
        assert_eq!(out.ok().raw, bytes, "{flags}");
    }
    let out = exec(&world, "echo to stderr >&2");
    out.ok().silent().says("to stderr");
}

/// Section 3: allocate's options are exec's.
#[test]
fn exec_takes_allocates_options() {
    let (world, remote) = World::with_pool(1);
    let out = world.pool("exec p --ref topic --no-fetch -- git rev-parse HEAD");
    assert_eq!(out.ok().stdout.trim(), world.tip(&remote, "topic"));
    let out = world.pool("exec p --branch work --meta a=b -- git symbolic-ref --short HEAD");
    assert_eq!(out.ok().stdout, "work\n");
    let out = world.pool("exec p --no-fetch -- git log -1 --format=%s --stat");
    assert!(out.ok().stdout.starts_with("Fourth\n"), "{out}");
}

/// 3.4, section 6: the slot is cleaned and the work in it saved, also when the command failed.
#[test]
fn exec_gives_the_slot_back_clean_and_saves_its_work() {
    let (world, remote) = World::with_pool(1);
    exec(&world, "echo unsaved > new.txt; echo x > trace.log; exit 9").code(9);
    assert!(world.is_rescued("p", "unsaved\n"));
    world.assert_holds(
        &world.slot_dir("slot1"),
        &remote,
        &world.tip(&remote, "main"),
    );
    world.assert_sound("p");
}

/// Section 3: a signal to repo-pool ends the command, and the slot comes back.
#[test]
fn a_signal_to_exec_ends_the_command_and_gives_back_the_slot() {
    let (world, _remote) = World::with_pool(1);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let args = ["exec", "p", "--", "sh", "-c", "echo $$; exec sleep 600"];
        let running = world.call(args).spawn();
        let pid: u32 = running.line().parse().expect("a pid");
        let _guard = kill_on_drop(pid);
        running.signal(signal);
        running.finish().code(code);
        assert!(!crate::support::alive(pid), "the command still runs");
        assert_eq!(world.state("p/slot1"), "available");
    }
    world.assert_sound("p");
}

/// Section 3: a command that handles the signal decides on its own code.
#[test]
fn exec_waits_for_a_command_that_handles_the_signal() {
    let (world, _remote) = World::with_pool(1);
    let script = "trap 'echo tidy; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let running = world.call(["exec", "p", "--", "sh", "-c", script]).spawn();
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    let out = running.finish();
    out.code(7);
    assert_eq!(out.stdout, "ready\ntidy\n");
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 4: a release that fails is told, and never replaces the command's code.
#[test]
fn a_failing_release_never_replaces_the_commands_code() {
    let (world, _remote) = World::with_pool(1);
    let record = world.pool_dir("p").join("pool.json").display().to_string();
    let away = world.path("away.json").display().to_string();
    let out = exec(&world, &format!("mv '{record}' '{away}'; exit 3"));
    out.code(3).silent();
    assert!(!out.stderr.trim().is_empty(), "{out}");
    fs::rename(away, record).expect("moving it back");
    world.pool("release p/slot1 --force").ok();
    let out = exec(&world, "rm -rf \"$REPO_POOL_SLOT_PATH\"; exit 4");
    out.code(4);
}

/// Section 4: nor does a process that the command leaves inside.
#[test]
fn a_process_left_inside_does_not_change_the_commands_code() {
    let (world, _remote) = World::with_pool(1);
    let note = world.path("pid").display().to_string();
    let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > '{note}'; exit 3");
    let out = exec(&world, &script);
    let pid = fs::read_to_string(&note)
        .expect("a pid")
        .trim()
        .parse()
        .expect("a pid");
    let guard = kill_on_drop(pid);
    out.code(3);
    drop(guard);
    until("it is gone", || (!crate::support::alive(pid)).then_some(()));
    world.pool("release p/slot1").ok();
    world.assert_sound("p");
}

/// Section 3: the command may give the slot back itself.
#[test]
fn exec_is_content_when_the_command_released_the_slot() {
    let (world, _remote) = World::with_pool(1);
    exec(&world, "$REPO_POOL release; exit 5").code(5);
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// Section 3: without a command the user's shell is run.
#[test]
fn exec_without_a_command_runs_the_users_shell() {
    let (world, _remote) = World::with_pool(1);
    let shell = world.path("shell");
    program(
        &shell,
        "#!/bin/sh\necho \"shell in $PWD with $# arguments\"\nexit 8\n",
    );
    let out = world.call("exec p").env("SHELL", &shell).run();
    let dir = world.slot_path("slot1").display().to_string();
    assert!(
        out.code(8)
            .stdout
            .starts_with(&format!("shell in {dir} with")),
        "{out}"
    );
    let out = world.call("exec p").stdin(b"exit 6\n").run();
    out.code(6);
    assert_eq!(world.state("p/slot1"), "available");
}

/// Section 3: `exec .` needs no set-up, and ten at once make one pool of ten slots.
#[test]
fn ten_execs_at_once_make_one_pool_on_first_use() {
    let world = World::new();
    let remote = world.remote_named("project");
    let clone = world.clone_of(&remote, "clone");
    let meet = world.path("meet");
    fs::create_dir(&meet).expect("a directory");
    let script = format!(
        "touch '{0}'/$$; n=0; until [ $(ls '{0}' | wc -l) -ge 10 ]; do \
         n=$((n + 1)); [ $n -lt 1200 ] || exit 9; sleep 0.05; done; pwd",
        meet.display()
    );
    let barrier = Barrier::new(10);
    let mut paths: Vec<String> = std::thread::scope(|scope| {
        let run = || {
            barrier.wait();
            let call = world.call(["exec", ".", "--", "sh", "-c", &script]);
            let out = call.cwd(&clone).unset("REPO_POOL_WORKSPACE").run();
            out.ok().stdout.trim().to_owned()
        };
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("a run"))
            .collect()
    });
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 10, "{paths:?}");
    let home = world.home().join(".local/share/repo-pool");
    assert!(
        paths
            .iter()
            .all(|p| p.starts_with(&home.display().to_string())),
        "{paths:?}"
    );
    let out = world
        .call("status project --json")
        .unset("REPO_POOL_WORKSPACE")
        .run();
    let summary = &out.ok().json()["pool"]["summary"];
    assert_eq!(summary["total_slots"], 10, "{summary}");
    assert_eq!(summary["available_slots"], 10, "{summary}");
    let out = world.call("list").unset("REPO_POOL_WORKSPACE").run();
    assert_eq!(out.ok().stdout, "project\n");
}

//! What a command leaves behind in its slot: processes of its own, which end with it, and somebody
//! else's, which are waited for.

use crate::support::{Helper, Out, World, alive, kill_on_drop, until};
use std::fs;

/// The pids that a script wrote into a file, one a line.
#[track_caller]
fn pids(file: &std::path::Path) -> Vec<u32> {
    let text = fs::read_to_string(file).expect("the pids");
    let pids: Vec<u32> = text
        .lines()
        .map(|line| line.parse().expect("a pid"))
        .collect();
    assert!(!pids.is_empty());
    pids
}

/// Section 3: whatever way it goes, nothing that the command started outlives it.
#[test]
fn exec_ends_what_its_command_left_running() {
    let (world, _remote) = World::with_pool(1);
    let note = world.path("pids");
    let script = format!(
        "exec 3>'{}'; say() {{ echo $$ >&3; exec sleep 600 >/dev/null 2>&1; }}; \
         job='echo $$ >&3; cd /; exec sleep 600 >/dev/null 2>&1'; \
         sh -c \"$job\" & setsid sh -c \"$job\" & (setsid sh -c \"$job\" &); nohup sh -c \"$job\" & \
         (sh -c \"sh -c '$job' & kill -STOP \\$\\$\" &); \
         until [ $(wc -l < '{}') = 5 ]; do sleep 0.02; done; exit 3",
        note.display(),
        note.display()
    );
    let out = world.pool(["exec", "p", "--", "sh", "-c", &script]);
    let left = pids(&note);
    let _guards: Vec<_> = left.iter().map(|pid| kill_on_drop(*pid)).collect();
    out.code(3);
    assert_eq!(left.len(), 5);
    for pid in left {
        assert!(!alive(pid), "pid {pid} lives: {out}");
    }
    assert_eq!(world.state("p/slot1"), "available");
    world.assert_sound("p");
}

/// What does not heed SIGTERM is killed, and why that takes time is said. A second signal saves the wait.
#[test]
fn what_does_not_end_by_itself_is_killed() {
    let (world, _remote) = World::with_pool(1);
    let stubborn = "trap '' TERM; while :; do sleep 1; done >/dev/null 2>&1 & echo $!; exit 6";
    let running = world
        .call(["exec", "p", "--", "sh", "-c", stubborn])
        .spawn();
    let pid: u32 = running.line().parse().expect("a pid");
    let _guard = kill_on_drop(pid);
    let out = running.finish();
    out.code(6).says(format!("pid {pid} (sh -c trap"));
    assert!(!alive(pid));
    let running = world
        .call(["exec", "p", "--", "sh", "-c", stubborn])
        .spawn();
    let pid: u32 = running.line().parse().expect("a pid");
    let _guard = kill_on_drop(pid);
    until("the command has ended", || {
        running.stderr().contains("left running").then_some(())
    });
    running.signal(rustix::process::Signal::INT);
    running.finish().code(6);
    assert!(!alive(pid));
    assert_eq!(world.state("p/slot1"), "available");
}

/// What is cleaned up after SIGTERM has its time for it.
#[test]
fn what_is_left_running_may_tidy_up() {
    let (world, _remote) = World::with_pool(1);
    let note = world.path("note");
    let job = format!(
        "trap 'sleep 0.2; echo tidy > \"{}\"; exit' TERM; echo set >&3; while :; do sleep 0.02; done",
        note.display()
    );
    let script = "exec 3>&1; setsid sh -c \"$0\" >/dev/null 2>&1 & read -r x; exit 2";
    let (read, write) = std::io::pipe().expect("a pipe");
    let call = world
        .call(["exec", "p", "--", "sh", "-c", script, &job])
        .stdin_from(read);
    let running = call.spawn();
    assert_eq!(running.line(), "set");
    drop(write);
    running.finish().code(2);
    assert_eq!(fs::read_to_string(note).expect("a note"), "tidy\n");
}

/// Processes of repo-pool's own that go on for others are left alone.
#[test]
fn a_release_in_the_background_outlives_the_exec_it_was_made_in() {
    let (world, remote) = World::with_pool(1);
    world.pool(format!("create q {} -n 1", remote.url())).ok();
    let script = "slot=$(\"$REPO_POOL\" allocate q) && touch \"$slot/new\" && \"$REPO_POOL\" release \"$slot\" --background";
    world.pool(["exec", "p", "--", "sh", "-c", script]).ok();
    until("it is back", || {
        (world.state("q/slot1") == "available").then_some(())
    });
    world.assert_sound("q");
}

/// `exec` in `exec`: each has its slot, its environment and its code.
#[test]
fn exec_in_exec_of_the_same_pool_has_a_slot_of_its_own() {
    let (world, _remote) = World::with_pool(2);
    let script = "echo $REPO_POOL_SLOT $REPO_POOL_PORT; \
                  \"$REPO_POOL\" exec p -- sh -c 'echo $REPO_POOL_SLOT $REPO_POOL_PORT; touch inner; exit 3'; \
                  echo \"code $?\"; ls; \"$REPO_POOL\" exec p -- sleep 600 & \
                  until \"$REPO_POOL\" status p | grep -q '2 allocated'; do sleep 0.05; done; exit 4";
    let out = world.pool(["exec", "p", "--", "sh", "-c", script]);
    let text = &out.code(4).stdout;
    let expected = "workspace-p-slot1 20000\nworkspace-p-slot2 20010\ncode 3\n";
    assert!(
        text.starts_with(expected) && !text.contains("inner"),
        "{out}"
    );
    for slot in ["p/slot1", "p/slot2"] {
        assert_eq!(world.state(slot), "available", "{out}");
    }
    world.assert_sound("p");
}

/// A pool of one slot, which a command has left to somebody else who stands in it.
fn left_to_a_stranger(settings: &str) -> (World, Helper, Out) {
    let (world, _remote) = World::with_pool(1);
    world.declare(settings);
    let script = "echo ready; echo work > new.txt; read -r x; exit 5";
    let (read, write) = std::io::pipe().expect("a pipe");
    let call = world.call(["exec", "p", "--", "sh", "-c", script]);
    let running = call.stdin_from(read).spawn();
    assert_eq!(running.line(), "ready");
    let stranger = world.helper(&world.slot_path("slot1"), "");
    drop(write);
    let out = running.finish();
    (world, stranger, out)
}

/// Section 3: somebody else's process is waited for; the code stays the command's.
#[test]
fn a_strangers_process_leaves_the_slot_cleaning_until_it_is_gone() {
    for settings in [
        "",
        "[defaults]\nbackground_cleanup = true\n",
        "[defaults]\nclean_on_release = false\n",
    ] {
        let (world, stranger, out) = left_to_a_stranger(settings);
        let pid = stranger.pid();
        out.code(5)
            .says("workspace-p-slot1")
            .says(format!("pid {pid}"))
            .says("--kill");
        let slot = world.slot("p/slot1");
        assert_eq!(slot["state"], "cleaning", "{settings}");
        let reason = slot["error"].as_str().expect("a reason");
        assert!(reason.contains(&format!("pid {pid}")), "{reason}");
        assert!(world.slot_path("slot1").join("new.txt").exists());
        // As long as it is inside nobody gets the slot, and everybody is told why.
        world
            .pool("allocate p")
            .code(4)
            .says(format!("pid {pid}"))
            .says("release workspace-p-slot1 --kill");
        world
            .pool("release p/slot1")
            .code(5)
            .says(format!("pid {pid}"));
        world.pool("remove-slot p/slot1").code(5);
        let findings = world.pool("recover --json");
        let finding = &findings.json()["findings"][0];
        assert_eq!(finding["kind"], "unfinished_operation", "{findings}");
        assert_eq!(finding["result"], "reported", "{findings}");
        assert_eq!(world.state("p/slot1"), "cleaning");
        assert!(alive(pid));
        drop(stranger);
        let path = world.pool("allocate p").ok().path();
        assert_eq!(path, world.slot_path("slot1"));
        world.assert_clean(&path);
        assert!(world.is_rescued("p", "work\n"), "{settings}");
        assert_eq!(world.events("p", "released").len(), 1);
        world.pool("release p/slot1").ok();
        until("it is back", || {
            (world.state("p/slot1") == "available").then_some(())
        });
        world.assert_sound("p");
    }
}

/// `recover` finishes it as well, and so does whoever ends the process by `release --kill`.
#[test]
fn a_slot_that_waits_for_a_stranger_comes_back_by_recover_or_kill() {
    let (world, stranger, _) = left_to_a_stranger("");
    drop(stranger);
    world.pool("recover").ok();
    assert_eq!(world.state("p/slot1"), "available");
    assert!(world.is_rescued("p", "work\n"));

    let (world, stranger, _) = left_to_a_stranger("");
    world.pool("release p/slot1 --kill").ok();
    assert!(!alive(stranger.pid()));
    assert_eq!(world.state("p/slot1"), "available");
    assert!(world.is_rescued("p", "work\n"));
    world.assert_sound("p");
}

/// A killed `exec` takes its command with it, and the next command has the slot.
#[test]
fn a_killed_exec_takes_its_command_with_it() {
    let (world, _remote) = World::with_pool(1);
    let running = world.call("exec p -- sleep 600").spawn();
    let slot = world.slot_path("slot1");
    let child = until("it runs", || {
        let found = fs::read_dir("/proc").expect("/proc").flatten();
        let mut pids = found.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| {
            let there = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir == slot);
            there
                && fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.starts_with(b"sleep"))
        })
    });
    running.signal(rustix::process::Signal::KILL);
    running.finish().code(137);
    until("the command has ended", || (!alive(child)).then_some(()));
    world.pool("exec p -- true").ok();
    world.assert_sound("p");
}

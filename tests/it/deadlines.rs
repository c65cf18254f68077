//! Whatever does not answer (a remote, a helper, a lock, a FIFO): every command ends by itself within
//! its time-out, says so, and leaves no child.
//!
//! The time-outs are short. What is asserted is that the command ended for the reason of its time-out;
//! how much longer it took is printed. That it ended at all is what the harness waits for.

use crate::support::{
    AuthServer, Call, Out, Remote, SilentServer, World, kill_on_drop, program, until,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time-outs of what is to run out of time; what has to succeed takes as long as it takes.
const SHORT: [&str; 3] = [
    "REPO_POOL_GIT_TIMEOUT",
    "REPO_POOL_CLEANUP_TIMEOUT",
    "REPO_POOL_LOCK_TIMEOUT",
];

/// Marks all processes of one call.
const MARK: &str = "REPO_POOL_TEST_MARK";

/// A world with no pool.
#[track_caller]
fn world() -> (World, Remote) {
    let world = World::new();
    let remote = world.remote();
    (world, remote)
}

#[track_caller]
fn pool(slots: u32) -> (World, Remote) {
    let (world, remote) = world();
    world
        .pool(format!("create p {} -n {slots}", remote.url()))
        .ok();
    (world, remote)
}

/// The call with a second for whatever may not answer.
fn short(call: Call) -> Call {
    SHORT.iter().fold(call, |call, name| call.env(name, "1s"))
}

/// Runs a call that has a second to its end, of which no process may be left then.
#[track_caller]
fn ends(world: &World, call: Call, what: &str) -> Out {
    ends_in_time(world, short(call), what)
}

#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the measured excess, shown with --nocapture"
)]
fn ends_in_time(world: &World, call: Call, what: &str) -> Out {
    let mark = world.path(format!("mark of {what}")).display().to_string();
    let out = call.env(MARK, &mark).run();
    let left = marked(&mark);
    assert!(left.is_empty(), "{what}: {left:?} are left: {out}");
    assert!(!out.stderr.contains("panicked at"), "{what}: {out}");
    let excess = out.took.saturating_sub(Duration::from_secs(1));
    println!(
        "{what}: exit {}, {:.1} s beyond its second",
        out.code,
        excess.as_secs_f64()
    );
    out
}

/// The living processes that inherited the mark.
fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        if variables.any(|variable| variable == wanted.as_bytes()) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}

/// It failed because its time was over, and says what did not answer.
#[track_caller]
fn timed_out(out: &Out) {
    out.silent().was_silent_for(1.0);
}

fn script(world: &World, name: &str, body: &str) -> PathBuf {
    let path = world.path(name);
    program(&path, &format!("#!/bin/sh\n{body}\n"));
    path
}

/// A server that accepts and never answers.
#[test]
fn a_silent_server_is_given_up_by_whoever_makes_a_pool() {
    let (world, _remote) = world();
    let server = SilentServer::start();
    for url in [server.git_url(), server.http_url()] {
        timed_out(ends(&world, world.call(format!("create q {url}")), "create").code(1));
        timed_out(ends(&world, world.call(format!("allocate {url}")), "allocate").code(1));
        let exec = world.call(format!("exec {url} -- true"));
        timed_out(ends(&world, exec, "exec").code(125));
    }
    assert_eq!(world.list(), Vec::<String>::new());
    until("no connection is left", || {
        (server.open() == 0).then_some(())
    });
}

/// A server that worked, and now answers a few bytes and then nothing: two at once share the time.
#[test]
fn a_server_that_stalls_is_given_up() {
    let (world, remote) = world();
    world.git(&remote.path, "update-server-info");
    let server = AuthServer::start(&world.path(""));
    let url = server.url_with_password("remote.git");
    world.pool(format!("create p {url} -n 2")).ok();
    server.stall();
    let first = short(world.call(format!("allocate {url}"))).spawn();
    let out = ends(&world, world.call(format!("exec {url} -- true")), "exec");
    out.code(125).silent();
    first.finish().one_of(&[1, 3]).silent();
    let verbs = [
        ("allocate", 1),
        ("allocate --ref refs/pull/7/head", 1),
        ("allocate --branch new", 1),
    ];
    for (verb, code) in verbs {
        let call = world.call(format!("{verb} {url}"));
        timed_out(ends(&world, call, verb).code(code));
    }
    // Nothing of this needs the remote.
    for verb in [
        "allocate p --no-fetch",
        "release p/slot1 p/slot2",
        "add-slot p",
        "recover",
        "branches p",
        "status",
    ] {
        ends_in_time(&world, world.call(verb), verb).ok();
    }
    world.assert_sound("p");
}

/// Programs that git starts on the way to a remote, each of which hangs in its own way.
#[test]
fn helpers_that_hang_are_ended_with_all_they_have_started() {
    let hanging = [
        ("waits", "sleep 600"),
        ("ignores SIGTERM", "trap '' TERM HUP INT; sleep 600"),
        ("waits for a child", "sleep 600 & sleep 600 & wait"),
        ("has closed its output", "exec >&- 2>&-; sleep 600"),
        ("is stopped", "kill -STOP $$; sleep 600"),
    ];
    // Whoever has closed its output fails git at once, and is left to itself by git.
    let gives_up = |out: &Out| match out.stderr.contains("exit code 128") {
        true => drop(out.code(1).silent()),
        false => timed_out(out.code(1)),
    };
    for (how, body) in hanging {
        let (world, remote) = pool(1);
        let ssh = script(
            &world,
            "ssh",
            &format!("case \"$*\" in *-G*) exit 1;; esac\n{body}"),
        );
        let url = format!("ssh://host.invalid{}", remote.dir());
        let call = world
            .call(format!("create q {url}"))
            .env("GIT_SSH_COMMAND", &ssh);
        gives_up(&ends(&world, call, how));
        let server = AuthServer::start(&world.path(""));
        let call = world.call(format!("create q {}", server.url("remote.git")));
        let ask = script(&world, "ask", body);
        gives_up(&ends(&world, call.env("GIT_ASKPASS", &ask), how));
        let helper = format!("!{}", ask.display());
        world.git(
            &world.path(""),
            ["config", "--global", "credential.helper", &helper],
        );
        let call = world.call(format!("create q {}", server.url("remote.git")));
        gives_up(&ends(&world, call, how));
        assert_eq!(world.list(), ["p"]);
    }
}

/// What a helper has left in the background holds the pipes open: git's own exit is what counts.
#[test]
fn a_background_child_with_the_pipes_in_hand_holds_nobody() {
    let (world, remote) = world();
    let pids = world.path("pids").display().to_string();
    let body = format!(
        "for last; do case $last in -G) exit 1;; esac; done\nsleep 600 &\necho $! >> '{pids}'\nexec sh -c \"$last\""
    );
    let ssh = script(&world, "ssh", &body);
    let url = format!("ssh://host.invalid{}", remote.dir());
    let out = world
        .call(format!("create p {url} -n 1"))
        .env("GIT_SSH_COMMAND", &ssh)
        .run();
    let told = fs::read_to_string(&pids).expect("the pids");
    let _ended: Vec<_> = told
        .lines()
        .map(|pid| kill_on_drop(pid.parse().expect("a pid")))
        .collect();
    out.ok();
    assert!(!told.is_empty());
    world.assert_sound("p");
}

/// A filter of the user's own that hangs at the checkout.
#[test]
fn a_filter_that_hangs_is_ended() {
    let (world, remote) = world();
    world.push_commit(&remote, ".gitattributes", "*.md filter=slow\n");
    world.git(
        &world.path(""),
        ["config", "--global", "filter.slow.smudge", "sleep 600"],
    );
    world.git(
        &world.path(""),
        ["config", "--global", "filter.slow.clean", "sleep 600"],
    );
    let out = ends(
        &world,
        world.call(format!("create p {} -n 2", remote.url())),
        "create",
    );
    timed_out(out.code(1));
    assert_eq!(world.list(), Vec::<String>::new());
}

/// 4.3: a lock that is held, verb by verb.
#[test]
fn a_lock_that_is_held_is_given_up_by_every_verb() {
    let (world, remote) = pool(2);
    world.pool("allocate p").ok();
    world.push_commit(&remote, "late.txt", "late\n");
    let all: &[(&str, &[&str])] = &[
        (
            "pool.lock",
            &[
                "allocate p",
                "release p/slot2",
                "add-slot p",
                "remove-slot p/slot1",
                "isolate p/slot1",
                "remove-pool p",
            ],
        ),
        ("fetch.lock", &["allocate p", "remove-pool p"]),
        (
            "slot2.lock",
            &[
                "release p/slot2",
                "remove-slot p/slot2 --force",
                "remove-pool p --force",
            ],
        ),
    ];
    for (lock, verbs) in all {
        let held = world.hold(lock);
        for verb in *verbs {
            let out = ends(&world, world.call(*verb), verb);
            out.code(3).silent().says("lock");
        }
        for verb in [
            "status",
            "list",
            "log p",
            "recover",
            "exec p --no-fetch -- true",
        ] {
            let code = ends(&world, world.call(verb), verb).code;
            assert!([0, 1, 3, 125].contains(&code), "{verb}: {code}");
        }
        drop(held);
    }
    world.pool("release p/slot1 p/slot2").ok();
    world.pool("recover").ok();
    world.assert_sound("p");
}

/// Lock files of git's that somebody left or holds.
#[test]
fn lock_files_of_git_are_given_up_and_keep_nobody_once_gone() {
    let (world, remote) = pool(2);
    let bare = world.bare("p");
    let verbs = [
        "allocate p --branch b",
        "release p/slot1 p/slot2",
        "add-slot p",
        "exec p -- true",
        "recover",
    ];
    for name in [
        "packed-refs.lock",
        "config.lock",
        "HEAD.lock",
        "refs/remotes/origin/main.lock",
        "worktrees/slot1/index.lock",
        "worktrees/slot1/HEAD.lock",
        "shallow.lock",
    ] {
        world.push_commit(&remote, "late.txt", name);
        fs::write(bare.join(name), "").expect("writing");
        for verb in verbs {
            let code = ends(&world, world.call(verb), verb).code;
            assert!([0, 1, 4, 125].contains(&code), "{verb} with {name}: {code}");
        }
        let _ = fs::remove_file(bare.join(name));
        world.pool("recover").one_of(&[0, 1]);
        let listed = world.slots("p");
        for slot in listed.iter().filter(|slot| slot["state"] == "error") {
            let id = slot["slot_id"].as_str().expect("an id");
            world.pool(format!("recover {id}")).ok();
        }
        for slot in listed.iter().filter(|slot| slot["state"] == "allocated") {
            let id = slot["slot_id"].as_str().expect("an id");
            world.pool(format!("release {id}")).ok();
        }
        world.pool("recover").ok();
        world.assert_sound("p");
    }
}

/// A FIFO where a file of the workspace's or of git's should be.
#[test]
fn a_fifo_hangs_nobody() {
    let (world, _remote) = pool(2);
    let top = world.workspace();
    let places = [
        "pools.toml",
        ".repo-pool/workspace.json",
        "p/pool.json",
        "p/events.jsonl",
        "p/locks/pool.lock",
        "p/locks/slot1.lock",
        "p/locks/fetch.lock",
        "p/repo.git/config",
        "p/repo.git/HEAD",
        "p/repo.git/packed-refs",
        "p/repo.git/info/exclude",
        "p/repo.git/objects/info/alternates",
        "p/repo.git/refs/remotes/origin/main",
        "p/repo.git/worktrees/slot1/index",
        "p/repo.git/worktrees/slot1/HEAD",
        "p/repo.git/worktrees/slot1/gitdir",
        "p/repo.git/worktrees/slot1/commondir",
        "p/repo.git/worktrees/slot1/locked",
        "p/repo.git/worktrees/slot1/logs/HEAD",
        "p/repo.git/worktrees/slot1/config.worktree",
    ];
    let verbs = [
        "list",
        "status p",
        "log p",
        "allocate p",
        "release p/slot1",
        "release p/slot2",
        "recover",
        "status --check",
    ];
    for place in places {
        let path = top.join(place);
        let kept = top.join("kept");
        let there = fs::rename(&path, &kept).is_ok();
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fifo(&path);
        for verb in verbs {
            ends(
                &world,
                world.call(verb),
                &format!("{verb} with a FIFO at {place}"),
            );
        }
        let _ = fs::remove_file(&path);
        if there {
            fs::rename(&kept, &path).expect("back");
        }
        world.pool("release p/slot1 p/slot2").one_of(&[0, 1]);
        world.pool("recover").one_of(&[0, 1]);
        for slot in world
            .slots("p")
            .iter()
            .filter(|slot| slot["state"] == "error")
        {
            let id = slot["slot_id"].as_str().expect("an id");
            world.pool(format!("recover {id} --force")).ok();
        }
        world.pool("recover").ok();
        world.assert_sound("p");
    }
}

fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).expect("a FIFO");
}

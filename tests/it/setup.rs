//! `setup`: a command that makes slots ready to work in.

use crate::support::{Out, Remote, Running, World, alive, await_quiet, until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What the set-up of most of these tests does: counts how often it ran, in a cache that is kept.
const COUNT: &str = "mkdir -p target && echo run >> target/runs";

/// A world with a remote and a declared pool `p`, not made yet; `setup` is TOML.
fn declared(slots: u32, settings: &str) -> (World, Remote) {
    let world = World::new();
    let remote = world.remote();
    declare(&world, &remote, slots, settings);
    (world, remote)
}

fn declare(world: &World, remote: &Remote, slots: u32, settings: &str) {
    let url = remote.url();
    world.declare(&format!(
        "[pools.p]\nrepo_url = \"{url}\"\nnum_slots = {slots}\n{settings}\n"
    ));
}

fn create(world: &World, remote: &Remote) -> Out {
    world.pool(format!("create p {}", remote.url()))
}

/// How often the set-up has run in the slot.
fn runs(world: &World, slot: &str) -> usize {
    let file = world.slot_dir(slot).join("target/runs");
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

fn log(world: &World, slot: &str) -> PathBuf {
    world
        .pool_dir("p")
        .join(format!("furnishings/{slot}.setup.log"))
}

/// A script that tests write outside of the repository, called with `sh`.
fn script(world: &World, text: &str) -> PathBuf {
    let path = world.path("set-up.sh");
    fs::write(&path, text).expect("writing");
    path
}

fn pid_in(path: &Path) -> u32 {
    until("the pid is written", || {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    })
}

/// It runs once in every slot, several at a time, where users work in it, with the slot's variables
/// and none of git's; what it makes stays, and the slots are ready.
#[test]
fn every_new_slot_is_set_up() {
    let text = "mkdir -p target; env > target/env; pwd > target/pwd; cat > target/stdin; \
                echo run >> target/runs";
    let (world, remote) = declared(3, &format!("setup = '{text}'\nkeep = [\"target/\"]"));
    let out = world
        .call(format!("create p {}", remote.url()))
        .env("GIT_DIR", "/nowhere")
        .env("REPO_POOL_ALLOCATION", "of another")
        .stdin(b"not for it")
        .run();
    out.ok();
    for slot in ["slot1", "slot2", "slot3"] {
        let dir = world.slot_dir(slot).join("target");
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect("a file");
        let path = world.slot_path(slot).display().to_string();
        assert_eq!(read("pwd").trim(), path);
        assert_eq!(read("stdin"), "");
        let env = read("env");
        let has = |line: &str| env.lines().any(|found| found == line);
        assert!(has(&format!("REPO_POOL_SLOT=workspace-p-{slot}")), "{env}");
        assert!(has(&format!("REPO_POOL_SLOT_PATH={path}")) && has("REPO_POOL_POOL=p"));
        assert!(
            !env.contains("GIT_") && has("REPO_POOL_ALLOCATION="),
            "{env}"
        );
        assert_eq!(world.slot(&format!("p/{slot}"))["verified"], true);
        assert_eq!(runs(&world, slot), 1);
    }
    let out = world.pool("allocate p --no-fetch -vv");
    assert!(!out.ok().stderr.contains("\ngit "), "{out}");
    let dir = out.path();
    fs::write(dir.join("target/built"), "built").expect("writing");
    world.pool("release p/slot1").ok();
    assert_eq!(world.slot("p/slot1")["verified"], true);
    assert_eq!(runs(&world, "slot1"), 1);
    assert!(world.slot_dir("slot1").join("target/built").exists());
    let added = world.pool("add-slot p").ok().stdout.clone();
    assert!(added.trim().ends_with("slot4"));
    assert_eq!(runs(&world, "slot4"), 1);
    world.pool("status p --check").ok();
    world.pool("recover p --dry-run").ok();
}

/// The first use of a declared pool sets its slots up.
#[test]
fn the_first_allocation_of_a_declared_pool_finds_it_done() {
    let (world, _) = declared(2, &format!("setup = '{COUNT}'\nkeep = [\"target/\"]"));
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(
        fs::read_to_string(dir.join("target/runs")).expect("made"),
        "run\n"
    );
    assert_eq!(runs(&world, "slot2"), 1);
}

/// It runs again when one of its inputs is another at the slot's commit, and not for anything else:
/// by `warm`, or before the slot is handed out.
#[test]
pub fn it_runs_again_when_an_input_changed() {
    let settings = format!(
        "setup = '{COUNT}'\nsetup_inputs = [\"lock.json\", \"src/part1.rs\"]\nkeep = [\"target/\"]"
    );
    let (world, remote) = declared(1, &settings);
    create(&world, &remote).ok();
    let mut wanted = 1;
    let round = |file: &str, content: &str, wanted: usize| {
        world.push_commit(&remote, file, content);
        let dir = world.pool("allocate p").ok().path();
        assert_eq!(runs(&world, "slot1"), wanted, "{file}: {content}");
        assert_eq!(world.git(&dir, "status --porcelain"), "");
        world.pool("release p/slot1").ok();
        assert_eq!(world.slot("p/slot1")["verified"], true);
    };
    round("other.txt", "1", wanted);
    for (file, content) in [
        ("lock.json", "1"),
        ("lock.json", "2"),
        ("src/part1.rs", "x"),
    ] {
        wanted += 1;
        round(file, content, wanted);
    }
    // A commit with the inputs of before is another one again.
    world.pool("allocate p --ref v1.0").ok();
    assert_eq!(runs(&world, "slot1"), wanted + 1);
    world.pool("release p/slot1").ok();
    world.push_commit(&remote, "lock.json", "3");
    world.pool("warm p").ok();
    assert_eq!(runs(&world, "slot1"), wanted + 2);
    let out = world.pool("allocate p --no-fetch -vv");
    assert!(!out.ok().stderr.contains("\ngit "), "{out}");
    world.pool("release p/slot1").ok();
    // Another command.
    let other = settings.replace("echo run", "echo again");
    declare(&world, &remote, 1, &other);
    world.pool("warm p").ok();
    let text = fs::read_to_string(world.slot_dir("slot1").join("target/runs")).expect("made");
    assert!(text.ends_with("run\nagain\n"), "{text}");
}

/// A copied file may be an input as well.
#[test]
fn a_copied_file_may_be_an_input() {
    let settings = format!(
        "setup = '{COUNT}'\nsetup_inputs = [\"conf\"]\nkeep = [\"target/\"]\ncopy = [\"conf/local\"]"
    );
    let (world, remote) = declared(1, &settings);
    let file = world.pool_dir("p").join("files/conf/local");
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    fs::write(&file, "1").expect("writing");
    create(&world, &remote).ok();
    for (round, content) in ["22", "333"].into_iter().enumerate() {
        fs::write(&file, content).expect("writing");
        let dir = world.pool("allocate p").ok().path();
        assert_eq!(runs(&world, "slot1"), round + 2);
        let copied = fs::read_to_string(dir.join("conf/local")).expect("copied");
        assert_eq!(copied, content);
        world.pool("release p/slot1").ok();
        assert_eq!(world.slot("p/slot1")["verified"], true);
    }
}

/// A release that brings a slot to a base with other inputs does not run it: the next `warm` or
/// `allocate` does, before anybody has the slot.
#[test]
fn a_release_leaves_it_to_the_next_allocation() {
    let settings = format!("setup = '{COUNT}'\nsetup_inputs = [\"lock\"]\nkeep = [\"target/\"]");
    let (world, remote) = declared(2, &settings);
    create(&world, &remote).ok();
    world.pool("allocate p").ok();
    world.push_commit(&remote, "lock", "1");
    world.pool("allocate p").ok();
    world.pool("release p/slot1").ok();
    assert_eq!(runs(&world, "slot1"), 1);
    assert_eq!(world.slot("p/slot1")["verified"], false);
    world.pool("allocate p --no-fetch").ok();
    assert_eq!(runs(&world, "slot1"), 2);
}

/// What an agent has deleted of it is made again, and so is what `keep` does not name, with a word
/// about that, once.
#[test]
fn what_it_made_is_made_again_when_it_is_gone() {
    let settings = format!("setup = '{COUNT}'\nkeep = [\"target/\"]");
    let (world, remote) = declared(1, &settings);
    create(&world, &remote).ok().never_says("keep =");
    let dir = world.pool("allocate p").ok().path();
    fs::remove_dir_all(dir.join("target")).expect("removing");
    world.pool("release p/slot1").ok();
    assert_eq!(world.slot("p/slot1")["verified"], false);
    world.pool("allocate p").ok();
    assert_eq!(runs(&world, "slot1"), 1);
    world.pool("release p/slot1").ok();

    let (world, remote) = declared(
        1,
        &format!("setup = '{COUNT}; mkdir -p node_modules/m; echo > node_modules/m/x'"),
    );
    create(&world, &remote)
        .ok()
        .says("keep = [")
        .says("target/")
        .says("node_modules/");
    for _ in 0..2 {
        let out = world.pool("allocate p");
        out.ok().never_says("keep = [");
        assert_eq!(runs(&world, "slot1"), 1, "made again, or still there");
        world.pool("release p/slot1").ok();
        assert_eq!(runs(&world, "slot1"), 0);
    }
}

/// What it changes of tracked files, or leaves without git ignoring it, is nobody's work: it is taken
/// back, named, and never saved; a commit that it makes does not stay either.
#[test]
pub fn a_set_up_slot_is_clean() {
    let text = format!(
        "{COUNT}; echo changed >> README.md; echo stray > stray.txt; \
         git -c user.name=x -c user.email=x commit -q --allow-empty -m theirs"
    );
    let (world, remote) = declared(
        1,
        &format!("setup = '{text}'\nkeep = [\"target/\"]\ncopy = [\"local.json\"]"),
    );
    let folder = world.pool_dir("p").join("files");
    create(&world, &remote).ok().says("local.json");
    fs::write(folder.join("local.json"), "here").expect("writing");
    let out = world.pool("warm p");
    out.ok()
        .says("README.md")
        .says("stray.txt")
        .never_says("saved");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(runs(&world, "slot1"), 1);
    assert_eq!(world.git(&dir, "status --porcelain"), "");
    assert_eq!(world.head(&dir), world.tip(&remote, "main"));
    assert_eq!(
        fs::read_to_string(dir.join("local.json")).expect("copied"),
        "here"
    );
    assert_eq!(world.pool("rescue list p").ok().stdout, "");
}

/// A set-up that fails: the slot is out of use with the reason, the output is kept and named, and
/// `recover SLOT` runs it again.
#[test]
pub fn a_set_up_that_fails_leaves_its_output_and_recover_runs_it_again() {
    let world = World::new();
    let remote = world.remote();
    let script = script(&world, "echo to stdout; echo 'it is broken' >&2; exit 7\n");
    let settings = format!("setup = \"sh {}\"", script.display());
    declare(&world, &remote, 2, &settings);
    let out = create(&world, &remote);
    out.code(1)
        .says("2 of 2")
        .says("it is broken")
        .says("exit code 7");
    let output = log(&world, "slot1");
    out.says(output.display().to_string());
    assert_eq!(
        fs::read_to_string(&output).expect("the output"),
        "to stdout\nit is broken\n"
    );
    for slot in ["p/slot1", "p/slot2"] {
        let slot = world.slot(slot);
        assert_eq!(slot["state"], "error");
        assert!(
            slot["error"].as_str().expect("why").contains("setup.log"),
            "{slot}"
        );
    }
    world.pool("allocate p").code(4);
    let out = world.pool("recover p/slot1");
    out.code(1);
    assert_eq!(world.state("p/slot1"), "error");
    // Where there is a line for it, it is told without what the command printed, and once.
    let reason = format!("exit code 7; its output is in {}", output.display());
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert!(lines[1].ends_with(&reason), "{lines:?}");
    assert_eq!(lines[1].matches("exit code").count(), 1, "{lines:?}");
    let told = world.pool("status p").ok().stdout.clone();
    assert!(told.lines().any(|line| line.ends_with(&reason)), "{told}");
    let told = world.pool("allocate p").code(4).stderr.clone();
    assert!(told.contains(&format!("{reason}); once")), "{told}");
    assert!(!told.contains("--wait"), "nobody gives one back: {told}");
    fs::write(&script, COUNT).expect("writing");
    world.pool("recover p/slot1").ok();
    assert_eq!(world.slot("p/slot1")["verified"], true);
    assert_eq!(runs(&world, "slot1"), 1);
    assert_eq!(
        world.pool("allocate p").ok().path(),
        world.slot_path("slot1")
    );
    fs::write(&script, "exit 1").expect("writing");
    world.pool("add-slot p").code(1).silent();
    assert_eq!(world.state("p/slot3"), "error");
}

/// `apply` says by its code, too, that slots it made can't be used.
#[test]
fn apply_fails_if_a_new_slot_could_not_be_set_up() {
    let (world, remote) = declared(1, "setup = \"exit 7\"");
    let out = world.pool("apply");
    out.code(1).says("1 of 1").says("repo-pool recover p`");
    world.pool("apply").ok();
    declare(&world, &remote, 2, "setup = \"exit 7\"");
    world.pool("apply").code(1).says("workspace-p-slot2");
}

/// One that fails when a slot is to be handed out puts that slot out of use, and not all the others
/// as well.
#[test]
fn a_failing_set_up_costs_an_allocation_one_slot() {
    let world = World::new();
    let remote = world.remote();
    let script = script(&world, COUNT);
    let settings = format!(
        "setup = \"sh {}\"\nsetup_inputs = [\"lock\"]\nkeep = [\"target/\"]\nmax_slots = 4",
        script.display()
    );
    declare(&world, &remote, 3, &settings);
    create(&world, &remote).ok();
    fs::write(&script, "echo no network; exit 1").expect("writing");
    world.push_commit(&remote, "lock", "1");
    let out = world.pool("allocate p --json");
    out.code(1).silent().kind("slot_allocation");
    assert!(out.error()["message"].to_string().contains("no network"));
    let states: Vec<_> = world
        .slots("p")
        .iter()
        .map(|slot| slot["state"].clone())
        .collect();
    assert_eq!(
        states.iter().filter(|state| *state == "error").count(),
        1,
        "{states:?}"
    );
    fs::write(&script, COUNT).expect("writing");
    world.pool("allocate p").ok();
    world.pool("allocate p").ok();
    fs::write(&script, "exit 1").expect("writing");
    world.pool("allocate p --grow").code(1).silent();
    assert_eq!(world.state("p/slot4"), "error");
}

/// A set-up that was broken puts slot after slot out of use; once it is repaired, one command brings
/// them all back, and leaves alone what a person has taken out of use.
#[test]
fn a_repaired_set_up_heals_the_pool() {
    let world = World::new();
    let remote = world.remote();
    let script = script(&world, COUNT);
    let settings = format!(
        "setup = \"sh {}\"\nsetup_inputs = [\"lock\"]\nkeep = [\"target/\"]",
        script.display()
    );
    declare(&world, &remote, 3, &settings);
    create(&world, &remote).ok();
    world.pool("isolate p/slot3 --reason mine").ok();
    fs::write(&script, "echo $$; exit 1").expect("writing");
    world.push_commit(&remote, "lock", "1");
    for _ in 0..2 {
        world.pool("allocate p").code(1).says("recover p`");
    }
    let out = world.pool("allocate p");
    out.code(4)
        .says("recover p\n")
        .says("recover workspace-p-slot3");
    // Still broken: tried once in each.
    let out = world.pool("recover p --json");
    let found = out.code(1).json();
    let results = |found: &Value| {
        let all = found["findings"].as_array().expect("findings").iter();
        let mut all: Vec<String> = all
            .map(|one| format!("{} {}", one["action"], one["result"]).replace('"', ""))
            .collect();
        all.sort();
        all
    };
    assert_eq!(
        results(&found),
        ["report reported", "restore failed", "restore failed"]
    );
    fs::write(&script, COUNT).expect("writing");
    let found = world.pool("recover p --json").ok().json();
    assert_eq!(
        results(&found),
        ["report reported", "restore done", "restore done"]
    );
    for slot in ["p/slot1", "p/slot2"] {
        assert_eq!(world.slot(slot)["verified"], true);
        world.pool("allocate p").ok();
    }
    assert_eq!(world.slot("p/slot3")["error"], "mine");
}

/// One that hangs is ended with all that it has started, and has failed.
#[test]
fn a_set_up_that_hangs_is_ended() {
    let world = World::new();
    let remote = world.remote();
    let pids = world.path("pids");
    let text = format!(
        "sleep 600 & echo $! > {0}; setsid sleep 600 & echo $! > {0}2; trap '' TERM; wait; sleep 600",
        pids.display()
    );
    let settings = format!(
        "setup = \"sh {}\"\nsetup_timeout = \"1s\"",
        script(&world, &text).display()
    );
    declare(&world, &remote, 1, &settings);
    create(&world, &remote)
        .code(1)
        .says("setup_timeout")
        .says("1s");
    assert_eq!(world.state("p/slot1"), "error");
    for file in [pids.clone(), world.path("pids2")] {
        assert!(!alive(pid_in(&file)), "{}", file.display());
    }
}

/// What it leaves running is ended, in its group or out of it, and holds nothing up.
#[test]
fn what_it_leaves_running_is_ended() {
    let world = World::new();
    let remote = world.remote();
    let pids = world.path("pids");
    let text = format!(
        "{COUNT}\nsleep 600 & echo $! > {0}\nsetsid sleep 600 & echo $! > {0}2\n",
        pids.display()
    );
    let settings = format!(
        "setup = \"sh {}\"\nkeep = [\"target/\"]",
        script(&world, &text).display()
    );
    declare(&world, &remote, 1, &settings);
    create(&world, &remote).ok();
    for file in [pids.clone(), world.path("pids2")] {
        assert!(!alive(pid_in(&file)), "{}", file.display());
    }
    assert_eq!(world.slot("p/slot1")["verified"], true);
}

/// One that writes without end is cut in the middle.
#[test]
fn megabytes_of_output_are_cut() {
    let world = World::new();
    let remote = world.remote();
    let text = "echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1\n";
    let settings = format!("setup = \"sh {}\"", script(&world, text).display());
    declare(&world, &remote, 1, &settings);
    let out = create(&world, &remote);
    out.code(1).says("last").says("exit code 1");
    assert!(out.stderr.len() < 16 * 1024, "{}", out.stderr.len());
    let kept = fs::read_to_string(log(&world, "slot1")).expect("the output");
    assert!(kept.len() <= 1 << 20, "{}", kept.len());
    assert!(kept.starts_with("first\nx") && kept.ends_with("x\nlast\n"));
    assert!(kept.contains("bytes are left out"));
}

/// What a terminal would obey in its output does not get there.
#[test]
fn its_output_drives_no_terminal() {
    let world = World::new();
    let remote = world.remote();
    let text = "printf '\\033[31mred\\033[0m\\a \\302\\233 done\\n'; exit 1\n";
    let settings = format!("setup = \"sh {}\"", script(&world, text).display());
    declare(&world, &remote, 1, &settings);
    create(&world, &remote).code(1).harmless();
    for args in [
        "status p",
        "status p/slot1",
        "log p",
        "status p/slot1 --json",
    ] {
        world.pool(args).harmless();
    }
}

/// Starts a command whose set-up waits, and gives its pid and the pid of the set-up's child.
fn waiting(world: &World, args: &str, pids: &Path) -> (Running, u32) {
    let _ = fs::remove_file(pids);
    let running = world.call(args).spawn();
    let pid = pid_in(pids);
    (running, pid)
}

/// Killed in the middle of it, with no chance to say anything: what it has left running is ended by
/// the next command, and the slot is set up again before anybody has it.
#[test]
pub fn a_killed_set_up_is_done_again() {
    let world = World::new();
    let remote = world.remote();
    let pids = world.path("pids");
    let slow = format!(
        "mkdir -p target; echo half > target/half; sleep 600 & echo $! > {}; wait",
        pids.display()
    );
    let script = script(&world, &slow);
    let fast = "rm -f target/half; mkdir -p target && echo run >> target/runs";
    let settings = format!(
        "setup = \"sh {}\"\nsetup_inputs = [\"lock\"]\nkeep = [\"target/\"]",
        script.display()
    );
    declare(&world, &remote, 1, &settings);
    let killed = |args: &str| {
        fs::write(&script, &slow).expect("writing");
        let (running, sleeper) = waiting(&world, args, &pids);
        running.signal(Signal::KILL);
        running.finish().code(128 + 9);
        assert!(alive(sleeper), "nobody was there to end it");
        fs::write(&script, fast).expect("writing");
        sleeper
    };
    // The pool is made anew.
    let sleeper = killed(&format!("create p {}", remote.url()));
    let dir = world.pool("allocate p").ok().path();
    assert!(!alive(sleeper), "ended with what it was started for");
    assert_eq!(runs(&world, "slot1"), 1);
    world.pool("release p/slot1").ok();
    for (round, args) in ["allocate p", "warm p"].into_iter().enumerate() {
        world.push_commit(&remote, "lock", &round.to_string());
        let sleeper = killed(args);
        let out = world.pool("allocate p");
        assert_eq!(out.ok().path(), dir, "{args}");
        assert!(!alive(sleeper), "{args}");
        assert_eq!(runs(&world, "slot1"), round + 2, "{args}");
        assert!(!dir.join("target/half").exists(), "{args}");
        world.pool("release p/slot1").ok();
    }
    world.pool("isolate p/slot1").ok();
    fs::remove_dir_all(dir.join("target")).expect("removing");
    let sleeper = killed("recover p/slot1");
    world.pool("recover p/slot1").ok();
    assert!(!alive(sleeper));
    assert_eq!(runs(&world, "slot1"), 1);
    // One that goes back to the inputs of before does not count as set up by what was killed.
    world.push_commit(&remote, "lock", "killed");
    killed("allocate p");
    let before = runs(&world, "slot1");
    world.push_commit(&remote, "lock", "1");
    world.pool("allocate p").ok();
    assert_eq!(runs(&world, "slot1"), before + 1);
    let sleeper = killed("add-slot p");
    world.pool("recover p").ok();
    assert!(!alive(sleeper));
    assert_eq!(world.slots("p").len(), 1);
    await_quiet(&world);
    world.pool("recover p --dry-run").ok();
}

/// Interrupted, it is ended at once; the slot is as it was.
#[test]
pub fn an_interrupted_set_up_ends_with_its_command() {
    let world = World::new();
    let remote = world.remote();
    let pids = world.path("pids");
    let script = script(&world, COUNT);
    let settings = format!(
        "setup = \"sh {}\"\nsetup_inputs = [\"lock\"]\nkeep = [\"target/\"]",
        script.display()
    );
    declare(&world, &remote, 1, &settings);
    create(&world, &remote).ok();
    world.push_commit(&remote, "lock", "1");
    let slow = format!("sleep 600 & echo $! > {}; wait", pids.display());
    fs::write(&script, slow).expect("writing");
    let (running, sleeper) = waiting(&world, "allocate p", &pids);
    running.signal(Signal::TERM);
    running.finish().code(128 + 15).silent();
    assert!(!alive(sleeper));
    assert_eq!(world.state("p/slot1"), "available");
    fs::write(&script, COUNT).expect("writing");
    world.pool("allocate p").ok();
    assert_eq!(runs(&world, "slot1"), 2);
}

/// The commands of the repository are not run, whatever it calls its files.
#[test]
fn commands_come_from_the_configuration_alone() {
    let (world, remote) = World::with_pool(1);
    let text = "[pools.p]\nrepo_url = \"x\"\nsetup = \"touch /tmp/never\"\n";
    for file in ["pools.toml", ".repo-pool/pools.toml", "setup"] {
        world.push_commit(&remote, file, text);
    }
    let dir = world.pool("allocate p").ok().path();
    let out = world.call("status p").cwd(&dir).run();
    out.ok();
    assert!(!log(&world, "slot1").exists());
}

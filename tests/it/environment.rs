//! What a slot's commands and shells are told: its variables, and the ports that no other slot has.

use crate::support::{Out, World};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Barrier;

/// The variables that `env -0` printed.
fn variables(out: &Out) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&out.ok().raw).into_owned();
    let pairs = text.split('\0').filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[track_caller]
fn of_exec(world: &World, pool: &str) -> BTreeMap<String, String> {
    variables(&world.pool(["exec", pool, "--no-fetch", "--", "env", "-0"]))
}

fn ports(variables: &BTreeMap<String, String>) -> std::ops::Range<u32> {
    let number = |name: &str| -> u32 { variables[name].parse().expect("a number") };
    let first = number("REPO_POOL_PORT");
    first..first + number("REPO_POOL_PORT_COUNT")
}

/// Section 3: index, ports and a compose project, the same each time.
#[test]
fn a_slot_has_an_index_ports_and_a_compose_project_and_keeps_them() {
    let (world, _remote) = World::with_pool(2);
    let first = of_exec(&world, "p");
    assert_eq!(first["REPO_POOL_SLOT"], "workspace-p-slot1");
    assert_eq!(first["REPO_POOL_INDEX"], "1");
    assert_eq!(ports(&first), 20000..20010);
    assert!(first["COMPOSE_PROJECT_NAME"].starts_with("p-slot1-"));
    let held = world.pool("allocate p --no-fetch").ok().path();
    let second = of_exec(&world, "p");
    assert_eq!(second["REPO_POOL_INDEX"], "2");
    assert_eq!(ports(&second), 20010..20020);
    world.pool(["release", &held.display().to_string()]).ok();
    world.pool("exec p -- true").ok();
    let status = world.slot("p/slot1");
    assert_eq!(status["index"], 1);
    assert_eq!(status["port"], 20000);
    assert_eq!(status["port_count"], 10);
    world.assert_sound("p");
}

/// Section 3: no two slots of a workspace share one, whoever asks at the same moment.
#[test]
fn no_two_slots_of_a_workspace_share_index_ports_or_project() {
    let (world, remote) = World::with_pool(6);
    // Their names become the same where only small letters are allowed.
    for name in ["p.q", "p-q"] {
        world
            .pool(format!("create {name} {} -n 3", remote.url()))
            .ok();
    }
    let pools = [
        "p", "p", "p", "p", "p", "p", "p.q", "p.q", "p.q", "p-q", "p-q", "p-q",
    ];
    let barrier = Barrier::new(pools.len());
    let all: Vec<BTreeMap<String, String>> = std::thread::scope(|scope| {
        let ask = |pool: &str| {
            barrier.wait();
            let out = world.pool(format!("allocate {pool} --no-fetch --export --json"));
            let document = out.ok().json();
            let environment = document["slot"]["environment"]
                .as_object()
                .expect("an object");
            let pairs = environment.iter();
            pairs
                .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
                .collect()
        };
        let threads: Vec<_> = pools.map(|pool| scope.spawn(move || ask(pool))).into();
        threads
            .into_iter()
            .map(|t| t.join().expect("a run"))
            .collect()
    });
    let distinct = |name: &str| {
        all.iter()
            .map(|one| &one[name])
            .collect::<BTreeSet<_>>()
            .len()
    };
    for name in [
        "REPO_POOL_INDEX",
        "COMPOSE_PROJECT_NAME",
        "REPO_POOL_SLOT_PATH",
    ] {
        assert_eq!(distinct(name), pools.len(), "{name}: {all:?}");
    }
    let used: BTreeSet<u32> = all.iter().flat_map(ports).collect();
    assert_eq!(used.len(), 10 * pools.len(), "{all:?}");
    for one in &all {
        let project = &one["COMPOSE_PROJECT_NAME"];
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        assert!(project.chars().all(allowed), "{project}");
    }
}

/// Section 5: the settings decide, and a change of them is heeded.
#[test]
fn ports_follow_the_settings() {
    let (world, remote) = World::with_pool(1);
    world.pool(format!("create q {} -n 1", remote.url())).ok();
    assert_eq!(ports(&of_exec(&world, "p")), 20000..20010);
    let text = "[defaults]\nports = '4000-4019'\nports_per_slot = 5\n[pools.q]\nrepo_url = 'URL'\nports_per_slot = 15\n";
    world.declare(&text.replace("URL", &remote.url()));
    let moved = of_exec(&world, "p");
    assert_eq!(ports(&moved), 4000..4005);
    assert_eq!(moved["REPO_POOL_INDEX"], "1");
    assert_eq!(ports(&of_exec(&world, "q")), 4005..4020);
    let call = world
        .call(["exec", "p", "--", "env", "-0"])
        .env("REPO_POOL_PORTS_PER_SLOT", "0");
    let none = variables(&call.run());
    assert_eq!(none["REPO_POOL_PORT"], "");
    assert_eq!(none["REPO_POOL_PORT_COUNT"], "0");
    assert!(!none["COMPOSE_PROJECT_NAME"].is_empty());
    for wrong in ["", "1", "0-5", "9-8", "1-70000", "a-b"] {
        world.declare(&format!("[defaults]\nports = '{wrong}'\n"));
        let out = world.pool("exec p -- true");
        out.code(125).says("pools.toml:2: defaults.ports");
    }
}

/// A range that is used up is said with the setting's name, and no slot stays behind. What slots that
/// are no more had goes to others.
#[test]
fn a_used_up_range_leaks_no_slot_and_removed_slots_give_theirs_back() {
    let (world, remote) = World::with_pool(2);
    world.pool(format!("create q {} -n 1", remote.url())).ok();
    world.declare("[defaults]\nports = '4000-4019'\n");
    let one = world
        .pool("allocate p --no-fetch --export=sh")
        .ok()
        .stdout
        .clone();
    assert!(one.contains("export REPO_POOL_PORT='4000'\n"), "{one}");
    assert_eq!(ports(&of_exec(&world, "p")), 4010..4020);
    let out = world.pool("exec q --no-fetch -- touch ran");
    out.code(125)
        .silent()
        .says("4000-4019")
        .says("`ports`")
        .says("ports_per_slot");
    let out = world.pool("allocate q --no-fetch --export");
    out.code(1)
        .silent()
        .says("workspace-q-slot1")
        .says("4000-4019");
    assert_eq!(world.state("q/slot1"), "available");
    assert_eq!(world.slot("q/slot1")["allocation_count"], 0);
    // Whoever wants no ports is not concerned.
    world.pool("exec q --no-fetch -- true").code(125);
    let slot = world.pool("allocate q --no-fetch").ok().path();
    world.pool(["release", &slot.display().to_string()]).ok();
    world.pool("remove-slot p/slot2").ok();
    assert_eq!(ports(&of_exec(&world, "q")), 4010..4020);
    world.pool("remove-pool p --force").ok();
    world.pool(format!("create r {} -n 1", remote.url())).ok();
    assert_eq!(ports(&of_exec(&world, "r")), 4000..4010);
    world.assert_sound("q");
}

/// What can't be read is left where it is, and said.
#[test]
fn numbers_that_cannot_be_read_are_told_of_and_concern_nobody_else() {
    let (world, _remote) = World::with_pool(1);
    world.pool("exec p -- true").ok();
    let file = world.workspace().join(".repo-pool/numbers.json");
    let text = fs::read_to_string(&file).expect("the numbers");
    fs::write(&file, "{torn").expect("writing");
    world
        .pool("exec p -- true")
        .code(125)
        .says("numbers.json")
        .says("remove it");
    assert_eq!(world.state("p/slot1"), "available");
    let slot = world.pool("allocate p").ok().path();
    world.pool(["release", &slot.display().to_string()]).ok();
    fs::write(&file, text.replace("\"schema\":1", "\"schema\":9")).expect("writing");
    world.pool("exec p -- true").ok();
    fs::remove_file(&file).expect("removing");
    world.pool("exec p -- true").ok();
    world.assert_sound("p");
}

/// A shell's own variables after `eval`, one a line.
const SHOWN: &str = "printf '%s\\n' \"$REPO_POOL_SLOT\" \"$REPO_POOL_SLOT_PATH\" \"$REPO_POOL_INDEX\"; \
                     sh -c 'cd \"$REPO_POOL_SLOT_PATH\" && echo $((REPO_POOL_PORT + REPO_POOL_PORT_COUNT)) && \"$REPO_POOL\" release'";

/// Section 3: `--export` is for `eval`, with whatever characters are in the workspace's path.
#[test]
fn exported_variables_survive_eval_in_every_shell() {
    let world = World::new();
    let remote = world.remote();
    let odd = world.path("it's a \"$(touch pwned)\" `touch pwned` *\\ \t\u{e4}\u{1f600}\nws");
    let workspace = odd.display().to_string();
    world
        .pool([
            "--workspace",
            &workspace,
            "create",
            "p",
            &remote.url(),
            "-n",
            "1",
        ])
        .ok();
    let shells = [
        (
            "sh",
            "sh",
            "eval \"$(\"$REPO_POOL\" allocate p --no-fetch --export)\" && ",
        ),
        (
            "bash",
            "bash",
            "eval \"$(\"$REPO_POOL\" allocate p --no-fetch --export=bash)\" && ",
        ),
        (
            "bash",
            "unquoted",
            "set -f; IFS=''; eval $(\"$REPO_POOL\" allocate p --no-fetch --export) && ",
        ),
        (
            "zsh",
            "zsh",
            "eval \"$(\"$REPO_POOL\" allocate p --no-fetch --export=zsh)\" && ",
        ),
        (
            "fish",
            "fish",
            "eval (\"$REPO_POOL\" allocate p --no-fetch --export=fish | string collect); and ",
        ),
        (
            "fish",
            "source",
            "\"$REPO_POOL\" allocate p --no-fetch --export=fish | source; and ",
        ),
    ];
    for (shell, name, script) in shells {
        if which(shell).is_none() {
            continue;
        }
        let mut command = world.command(shell);
        command.args(["-c", &format!("{script}{SHOWN}")]);
        let call = crate::support::Call::new(command)
            .env("REPO_POOL_WORKSPACE", &odd)
            .env("LC_ALL", "C.UTF-8");
        let out = call.run();
        let path = odd.join("p/worktrees/slot1").display().to_string();
        let expected = format!("workspace-p-slot1\n{path}\n1\n20010\n");
        assert_eq!(out.ok().stdout, expected, "{name}: {out}");
    }
    assert!(!world.path("pwned").exists());
    let out = world.pool(["--workspace", &workspace, "status", "p/slot1", "--json"]);
    assert_eq!(out.ok().json()["slot"]["state"], "available");
}

fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Section 4: what could not be printed never happened.
#[test]
fn an_export_that_cannot_be_printed_is_undone() {
    let (world, _remote) = World::with_pool(1);
    if Path::new("/dev/full").exists() {
        let full = fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let out = world.call("allocate p --export").stdout_to(full).run();
        out.code(1).says("standard output");
        assert_eq!(world.state("p/slot1"), "available");
        assert_eq!(world.slot("p/slot1")["allocation_count"], 0);
    }
    world
        .pool("allocate p --export=tcsh")
        .code(2)
        .silent()
        .says("fish");
    assert_eq!(world.state("p/slot1"), "available");
}

/// What leads git elsewhere does not reach the command: hooks call scripts with it.
#[test]
fn a_command_in_a_slot_works_on_the_slots_repository() {
    let (world, remote) = World::with_pool(1);
    let clone = world.clone_of(&remote, "clone");
    let script = "pwd; git rev-parse --show-toplevel; sh -c 'echo $PWD'; echo $GIT_CONFIG_COUNT";
    let call = world
        .call(["exec", "p", "--", "sh", "-c", script])
        .cwd(&clone)
        .env("PWD", &clone)
        .env("GIT_DIR", clone.join(".git"))
        .env("GIT_WORK_TREE", &clone)
        .env("GIT_INDEX_FILE", clone.join(".git/index"))
        .env("GIT_CONFIG_COUNT", "0");
    let slot = world.slot_path("slot1").display().to_string();
    assert_eq!(
        call.run().ok().stdout,
        format!("{slot}\n{slot}\n{slot}\n0\n")
    );
}

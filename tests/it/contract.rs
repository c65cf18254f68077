//! The output contract: what goes to stdout and stderr, JSON everywhere, exit codes, closed pipes.

use crate::support::{Out, World};
use serde_json::Value;
use std::fs;

/// Commands that end well one after another on a fresh pool, without `--json`.
const VERBS: [&str; 23] = [
    "init",
    "list",
    "status",
    "status p",
    "status p/slot1",
    "status p --disk",
    "status --check",
    "allocate p",
    "renew p/slot1 --ttl 1h",
    "release p/slot1",
    "allocate p --no-fetch",
    "release p/slot1 --no-cleanup",
    "add-slot p",
    "add-slot p -n 2",
    "remove-slot p/slot4",
    "isolate p/slot3",
    "recover p/slot3",
    "recover",
    "branches p",
    "config show",
    "config check",
    "config path",
    "remove-pool p",
];

/// Section 4: with `--json` every verb prints one document on stdout and nothing on stderr.
#[test]
fn every_verb_prints_one_json_document() {
    let (world, _remote) = World::with_pool(1);
    for verb in VERBS {
        for command in [format!("{verb} --json"), format!("--json {verb}")] {
            if verb == "remove-pool p" && command.starts_with('-') {
                continue; // it is gone already
            }
            if command.starts_with('-')
                && !["list", "status", "branches"]
                    .iter()
                    .any(|v| verb.starts_with(v))
            {
                continue; // not to be repeated
            }
            let out = world.pool(&*command);
            out.ok().json();
            assert_eq!(out.stderr, "", "{out}");
            assert!(out.stdout.ends_with('\n'), "{out}");
        }
    }
}

/// Section 4: without it stdout holds data only; with `-q` stderr says nothing.
#[test]
fn quiet_verbs_say_nothing_on_stderr() {
    let (world, remote) = World::with_pool(1);
    for verb in VERBS {
        let out = world.pool(format!("-q {verb}"));
        assert_eq!(out.ok().stderr, "", "{out}");
        if verb.starts_with("allocate") {
            out.path();
        }
    }
    let out = world.pool(format!("create p {} -q", remote.url()));
    assert_eq!(out.ok().stderr, "", "{out}");
}

/// Section 4: progress is for terminals; piped, there is neither a bar nor a control sequence.
#[test]
fn nothing_animates_when_piped() {
    let world = World::new();
    let url = world.remote().url();
    for command in [
        format!("create p {url} -n 3"),
        "-v allocate p".into(),
        "-vv release p/slot1".into(),
    ] {
        let out = world.pool(&*command);
        out.ok();
        assert!(!out.stderr.contains(['\u{1b}', '\r']), "{out}");
        assert!(!out.stdout.contains(['\u{1b}', '\r']), "{out}");
    }
}

/// Section 3: `-vv` shows every git command with its time, on stderr.
#[test]
fn very_verbose_shows_the_git_commands() {
    let (world, _remote) = World::with_pool(1);
    let out = world.pool("-vv allocate p");
    out.ok().path();
    out.says("git");
    assert!(
        out.stderr.lines().count() > world.pool("-v release p/slot1").stderr.lines().count(),
        "{out}"
    );
}

/// Names that nothing has: what may have been meant is named.
#[test]
fn a_slip_in_a_name_is_answered_with_the_name() {
    let (world, _remote) = World::with_pool(2);
    for (command, meant) in [
        ("status P", Some("p")),
        ("allocate q", Some("p")),
        ("release q/slot2", Some("p/slot2")),
        ("release p/slto1", Some("p/slot1")),
        ("isolate workspace-o-slot1", Some("p/slot1")),
        ("status p/slot3", None),
        ("status elsewhere", None),
    ] {
        let out = world.pool(command);
        out.code(7).silent();
        match meant {
            Some(name) => out.says(format!("did you mean {name}?")),
            None => out.never_says("did you mean"),
        };
    }
    world
        .pool("rescue show slot1-nothing --json")
        .code(2)
        .silent()
        .kind("usage");
}

/// Section 4: each failure has its exit code and its kind, as text and as JSON.
#[test]
fn every_failure_has_its_code_and_kind() {
    let (world, remote) = World::with_pool(1);
    let url = remote.url();
    let stale = world.allocate("p")["allocation_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.pool("release p/slot1").ok();
    world.allocate("p");
    let cases: [(&str, i32, &str); 19] = [
        ("allocate nothing", 7, "pool_not_found"),
        ("status nothing", 7, "pool_not_found"),
        ("add-slot nothing", 7, "pool_not_found"),
        ("remove-pool nothing", 7, "pool_not_found"),
        ("branches nothing", 7, "pool_not_found"),
        ("release p/slot9", 7, "slot_not_found"),
        ("remove-slot p/slot9", 7, "slot_not_found"),
        ("renew p/slot9", 7, "slot_not_found"),
        ("renew p/slot1", 2, "usage"),
        ("isolate p/slot9", 7, "slot_not_found"),
        ("allocate p", 4, "no_available_slot"),
        ("remove-slot p/slot1", 5, "refused"),
        ("remove-pool p", 5, "refused"),
        ("isolate p/slot1", 5, "refused"),
        ("no-such-verb", 2, "usage"),
        ("allocate", 2, "usage"),
        ("allocate p --no-such-option", 2, "usage"),
        ("create p", 2, "usage"),
        ("add-slot p -n 0", 2, "usage"),
    ];
    for (command, code, kind) in cases {
        let out = world.pool(command);
        out.code(code).silent();
        assert!(!out.stderr.trim().is_empty(), "{out}");
        let out = world.pool(format!("{command} --json"));
        out.code(code).silent().kind(kind);
    }
    let wrong = format!("release p/slot1 --allocation {stale} --json");
    world.pool(wrong).code(6).silent().kind("stale_allocation");
    let gone = url.replace("remote.git", "gone.git");
    world
        .pool(format!("create q {gone} --json"))
        .code(1)
        .silent()
        .kind("git_operation");
    let bad = world.pool(["create", "bad name", &url, "--json"]);
    bad.code(2).silent();
    let kind = bad.error()["kind"].clone();
    assert!(kind == "usage" || kind == "config_validation", "{kind}");
}

/// Section 4: errors are short, name the thing, and hint at the next command where there is one.
#[test]
fn errors_name_the_thing_and_the_next_command() {
    let (world, _remote) = World::with_pool(1);
    world
        .pool("allocate nothing")
        .code(7)
        .says("nothing")
        .says("repo-pool");
    world.pool("status p/slot9").code(7).says("slot9");
    world.allocate("p");
    world
        .pool("remove-pool p")
        .code(5)
        .says("slot1")
        .says("--force");
    let error = world.pool("allocate nothing --json").error();
    assert!(
        error["hints"].as_array().is_some_and(|h| !h.is_empty()),
        "{error}"
    );
}

/// Section 4: whoever stops reading ends the command quietly.
#[test]
fn a_closed_pipe_ends_every_view_quietly() {
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let views = [
        "list",
        "status",
        "status p",
        "status p --json",
        "status p/slot1",
        "log p",
        "log p --json",
        "branches p",
        "config show",
        "config path",
        "completions bash",
        "man",
        "--help",
    ];
    for view in views {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let out = world.call(view).stdout_to(writer).run();
        assert_eq!(out.stderr, "", "{out}");
    }
    let out = world.sh("$REPO_POOL log p | head -n 1");
    assert_eq!(out.ok().stderr, "", "{out}");
    assert_eq!(out.stdout.lines().count(), 1, "{out}");
}

/// Section 4: control characters from anywhere reach no terminal; JSON keeps the value.
#[test]
fn control_characters_are_escaped_wherever_they_come_from() {
    let (world, remote) = World::with_pool(1);
    let evil = "\u{1b}[31mred\u{7}\u{9b}2J\u{202e}\r\ttab";
    let branch = "evil/\u{9b}31m\u{202e}branch";
    world.git(&remote.path, ["branch", branch, "main"]);
    let args = [
        "allocate",
        "p",
        "--branch",
        branch,
        "--owner",
        evil,
        "--meta",
        &format!("k={evil}"),
    ];
    let dir = world.pool(args).ok().path();
    assert_eq!(world.branch(&dir), branch);
    let odd = dir.join("\u{1b}[31modd");
    fs::write(odd, "x").expect("writing");
    for view in [
        "status",
        "status p",
        "status p/slot1",
        "log p",
        "log",
        "branches p",
        "allocate p",
        "-vv status p",
    ] {
        world.pool(view).harmless();
    }
    let slot = world.slot("p/slot1");
    assert_eq!(slot["metadata"]["k"], evil);
    assert_eq!(slot["current_branch"], branch);
    for args in [
        ["status", evil],
        ["allocate", evil],
        ["release", evil],
        ["branches", evil],
    ] {
        let out = world.pool(args);
        assert_ne!(out.code, 0, "{out}");
        out.harmless();
    }
    world.pool(["allocate", "p", "--ref", evil]).harmless();
    world.pool("-vv release p/slot1").harmless();
}

/// Section 4: colour only where it is wanted.
#[test]
fn colour_follows_the_option_and_the_environment() {
    let (world, _remote) = World::with_pool(1);
    let coloured = |out: Out| out.ok().stdout.contains("\u{1b}[");
    assert!(!coloured(world.pool("status p")));
    assert!(!coloured(world.pool("status p --color auto")));
    assert!(coloured(world.pool("status p --color always")));
    let forced = |args: &str| world.call(args).env("CLICOLOR_FORCE", "1");
    assert!(coloured(forced("status p").run()));
    assert!(!coloured(forced("status p --color never").run()));
    let none = world.call("status p").env("NO_COLOR", "1");
    assert!(!coloured(none.run()));
    let json = world.pool("status p --color always --json");
    assert!(!json.ok().stdout.contains('\u{1b}'), "{json}");
    world.pool("status p --color sometimes").code(2);
    let path = world.pool("allocate p --color always");
    path.ok().path();
}

/// Section 4: nothing depends on what stdin is; nothing is read from it.
#[test]
fn nothing_depends_on_stdin() {
    let (world, _remote) = World::with_pool(1);
    for (command, input) in [
        ("allocate p", "n\n"),
        ("release p/slot1", ""),
        ("remove-pool p", "no\n"),
    ] {
        world.call(command).stdin(input.as_bytes()).run().ok();
    }
    assert!(world.list().is_empty());
}

/// Section 3: every verb has a help text, and the version is told.
#[test]
fn every_verb_has_help() {
    let world = World::new();
    let version = world.pool("--version");
    assert!(version.ok().stdout.starts_with("repo-pool "), "{version}");
    let verbs = [
        "init",
        "create",
        "allocate",
        "release",
        "renew",
        "exec",
        "collect",
        "add-slot",
        "remove-slot",
        "remove-pool",
        "list",
        "status",
        "recover",
        "isolate",
        "branches",
        "log",
        "config",
        "completions",
        "man",
    ];
    let help = world.pool("--help").ok().stdout.clone();
    for verb in verbs {
        assert!(help.contains(verb), "{verb}");
        let out = world.pool(format!("{verb} --help"));
        assert!(out.ok().stdout.contains("Usage:"), "{out}");
        assert_eq!(out.stderr, "", "{out}");
    }
}

/// Section 3: scripts for the three shells; what is none is refused.
#[test]
fn completions_exist_for_three_shells() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let out = world.pool(format!("completions {shell}"));
        assert!(out.ok().stdout.contains("repo-pool __complete"), "{out}");
    }
    world.pool("completions no-such-shell").code(2).silent();
}

/// Section 4: state files carry their schema, and nobody else can read them.
#[test]
fn state_files_are_private_and_carry_their_schema() {
    use std::os::unix::fs::PermissionsExt;
    let (world, _remote) = World::with_pool(1);
    world.allocate("p");
    let mode = |path: &std::path::Path| path.metadata().expect("it").permissions().mode() & 0o777;
    for dir in [
        world.workspace(),
        world.pool_dir("p"),
        world.pool_dir("p").join("locks"),
    ] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
    }
    for name in ["p/pool.json", "p/events.jsonl", ".repo-pool/workspace.json"] {
        let file = world.workspace().join(name);
        assert_eq!(mode(&file), 0o600, "{name}");
        let text = fs::read_to_string(file).expect("it");
        let lines: Vec<&str> = if name.ends_with('l') {
            text.lines().collect()
        } else {
            vec![&text]
        };
        for line in lines {
            let value: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(value["schema"], 1, "{name}");
        }
    }
}

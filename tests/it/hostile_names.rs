//! Names, addresses and refs that somebody has thought up to be misunderstood.

use crate::support::{Traps, World, snapshot};
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace without what every command may touch.
fn state(world: &World) -> std::collections::BTreeMap<PathBuf, String> {
    let mut all = snapshot(&world.workspace());
    all.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.ends_with(".lock") && !path.components().any(|part| part.as_os_str() == "view.git")
    });
    all
}

/// Names of pools and slots that are none: refused by every verb, and nothing changes.
#[test]
fn no_verb_takes_a_name_for_what_it_is_not() {
    let (world, _remote) = World::with_pool(1);
    let long = "a".repeat(5000);
    let names = [
        "../p",
        "p/../../outside/slot1",
        "p/slot1/../../../outside",
        "..",
        "-x",
        "--workspace=/",
        "p\u{1b}[31m",
        "p\n",
        "p/slot0",
        "p/slot-1",
        "p/slot01",
        "p/slot99999999999999999999",
        "p/slot1\u{202e}",
        "workspace-..-slot1",
        "workspace-p-slot2",
        "worktrees",
        ".repo-pool",
        "/etc",
        "/etc/passwd",
        "",
        " ",
        &long,
    ];
    let before = state(&world);
    for verb in [
        "allocate",
        "release",
        "status",
        "log",
        "recover",
        "branches",
        "add-slot",
        "remove-slot",
        "remove-pool",
        "isolate",
        "collect",
    ] {
        for name in names {
            let out = world.pool([verb, "--", name]);
            // A name that is none is a mistake, or not found, or a directory without a repository.
            out.one_of(&[1, 2, 7]).harmless();
            assert_eq!(out.stdout, "", "{out}");
        }
    }
    assert_eq!(state(&world), before);
    assert_eq!(world.list(), ["p"]);
}

/// Addresses that would start a program or be taken for an option, wherever one is taken.
#[test]
fn no_verb_takes_an_address_that_starts_a_program() {
    let world = World::new();
    let traps = Traps::new(&world);
    let trap = traps.set("address");
    let clone = world.clone_of(&world.remote(), "clone");
    let urls = [
        format!("ext::{trap}"),
        format!("ext::sh -c {trap}"),
        format!("EXT::{trap}"),
        format!("fd::17/{trap}"),
        format!("persistent-https::{trap}"),
        format!("ext://{trap}"),
        format!("--upload-pack={trap}"),
        format!("-u{trap}"),
        format!("ssh://-oProxyCommand={trap}/x"),
        format!("ssh://user@-oProxyCommand={trap}/x"),
        format!("-oProxyCommand={trap}:x"),
        format!("git://-oProxyCommand={trap}/x"),
        format!("file://{trap}\n--upload-pack={trap}"),
        format!("https://h.example/x\r\nHost: {trap}"),
        "https://h.example/\u{1b}]0;title\u{7}".to_owned(),
        "https:///x.git".to_owned(),
        "https://".to_owned(),
        "gopher://h.example/x".to_owned(),
        "x".repeat(5000),
    ];
    for url in &urls {
        world
            .pool(["create", "p", "-n", "1", "--", url])
            .one_of(&[1, 2])
            .harmless();
        world
            .pool(["allocate", "--", url])
            .one_of(&[1, 2, 7])
            .harmless();
        let quoted = serde_json::to_string(url).expect("a string");
        world.declare(&format!("[pools.p]\nrepo_url = {quoted}\n"));
        world.pool("config check").one_of(&[2]).harmless();
        world.pool("allocate p").one_of(&[2]).harmless();
        fs::remove_file(world.workspace().join("pools.toml")).expect("deleting");
        // An origin that was planted in a repository of the user's own.
        let name = ["config", "--replace-all", "remote.origin.url", url];
        world.git(&clone, name);
        let out = world.call("allocate .").cwd(&clone).run();
        out.one_of(&[1, 2]).harmless();
        assert!(world.list().is_empty(), "{url:?} made a pool");
        traps.assert_not_sprung(url);
    }
}

/// Refs and branches that are options, expressions or paths, wherever one is taken.
#[test]
fn no_verb_takes_a_ref_for_what_it_is_not() {
    let (world, remote) = World::with_pool(1);
    let traps = Traps::new(&world);
    let trap = traps.set("ref");
    let long = "a".repeat(5000);
    let names = [
        &format!("--upload-pack={trap}"),
        "--output=/dev/null",
        "-x",
        "--",
        "",
        " ",
        "a b",
        "a..b",
        "x\ny",
        "x\u{1b}[31m",
        "x\u{7f}",
        "@{-1}",
        "@",
        "HEAD^{/x}",
        "HEAD~1",
        ":/x",
        "main:README.md",
        "refs/heads/../../config",
        "../../config",
        "x.lock",
        "*",
        "refs/*:refs/*",
        "+main:refs/heads/evil",
        "^main",
        "$(touch x)",
        "absent\u{202e}",
        &long,
    ];
    for name in names {
        for option in ["--ref", "--branch"] {
            // Expressions that name a commit may be taken as one: `main~1`.
            let out = world.pool(["allocate", "p", &format!("{option}={name}")]);
            out.one_of(&[0, 1, 2]).harmless();
            if out.code == 0 {
                assert!(
                    name.contains("HEAD") || option == "--branch",
                    "{name:?}: {out}"
                );
                world.pool("release p/slot1").ok();
            }
            assert_eq!(world.state("p/slot1"), "available", "{name:?}");
        }
        let url = remote.url();
        let create = ["create", "q", &url, "-n", "1", &format!("--base={name}")];
        world.pool(create).one_of(&[1, 2]).harmless();
        assert_eq!(world.list(), ["p"], "{name:?}");
        traps.assert_not_sprung(name);
    }
    assert!(!Path::new("x").exists());
    world.assert_sound("p");
}

/// A remote may call its branches what it likes.
#[test]
fn branches_of_the_remote_with_odd_names_are_only_names() {
    let world = World::new();
    let remote = world.remote();
    let traps = Traps::new(&world);
    let trap = traps.set("branch");
    let main = world.tip(&remote, "main");
    let names = [
        format!("--upload-pack={trap}"),
        "-x".to_owned(),
        "HEAD".to_owned(),
        "refs/heads/main".to_owned(),
        "$(touch${IFS}x)".to_owned(),
        ";touch${IFS}x".to_owned(),
        "evil\u{9b}31m\u{202e}".to_owned(),
        "@".to_owned() + "x",
        "a".repeat(200),
    ];
    for name in &names {
        let name = format!("refs/heads/{name}");
        world.git(&remote.path, ["update-ref", &name, &main]);
    }
    // Even the one that HEAD is on.
    world.git(&remote.path, ["symbolic-ref", "HEAD", "refs/heads/-x"]);
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    world.pool("branches p").one_of(&[0]).harmless();
    let doc = world.pool("branches p --json").ok().json();
    let listed = doc["branches"].as_array().expect("a list").len();
    // The branch `HEAD` is none that anybody could ask for.
    assert_eq!(listed, 3 + names.len() - 1, "{doc}");
    for round in 0..2 {
        let pushed = world.push_to(&remote, "refs/heads/-x", "late.txt", &round.to_string());
        let dir = world.pool("allocate p").ok().path();
        world.assert_holds(&dir, &remote, &pushed);
        world.pool("release p/slot1").ok();
    }
    for name in names.iter().filter(|name| *name != "HEAD") {
        for form in [name.clone(), format!("refs/heads/{name}")] {
            let out = world.pool(["allocate", "p", &format!("--ref={form}")]);
            out.one_of(&[0, 1, 2]).harmless();
            if out.code == 0 {
                let at = world.head(&world.slot_dir("slot1"));
                assert_eq!(
                    at,
                    world.tip(&remote, &format!("refs/heads/{name}")),
                    "{form:?}"
                );
                world.pool("release p/slot1").ok();
            }
        }
    }
    for view in ["status p", "status p/slot1", "log p", "recover"] {
        world.pool(view).one_of(&[0]).harmless();
    }
    traps.assert_not_sprung("a verb");
    world.assert_sound("p");
}

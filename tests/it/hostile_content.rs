//! Notes, arguments and files whose content somebody has thought up to do harm.

use crate::support::{Remote, World, at_terminal, tree};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn bytes(text: &[u8]) -> OsString {
    OsStr::from_bytes(text).to_owned()
}

/// 2.3: notes are bounded, and whatever they hold they are only shown.
#[test]
fn metadata_of_any_size_and_content_is_kept_or_refused() {
    let (world, _remote) = World::with_pool(1);
    let nearly_an_argument = "x".repeat(120_000);
    let too_much = [
        vec!["--meta".to_owned(), format!("k={nearly_an_argument}")],
        vec![
            "--meta-json".to_owned(),
            format!("{{\"k\":\"{nearly_an_argument}\"}}"),
        ],
        // As much as a command line takes.
        (0..15)
            .flat_map(|n| ["--meta".to_owned(), format!("k{n}={nearly_an_argument}")])
            .collect(),
        vec!["--meta-json".to_owned(), "[".repeat(100_000)],
        vec!["--meta-json".to_owned(), "{\"a\":".repeat(20_000)],
        vec!["--meta-json".to_owned(), "[1]".to_owned()],
        vec!["--meta-json".to_owned(), "{\"a\":1".to_owned()],
        vec!["--meta".to_owned(), "no equals sign".to_owned()],
        vec!["--owner".to_owned(), nearly_an_argument.clone()],
    ];
    for options in too_much {
        let mut args = vec!["allocate".to_owned(), "p".to_owned()];
        args.extend(options);
        let out = world.pool(args);
        out.code(2).silent();
        assert!(out.stderr.len() < 10_000, "{} bytes", out.stderr.len());
        assert_eq!(world.state("p/slot1"), "available");
    }
    world
        .pool(["isolate", "p/slot1", "--reason", &nearly_an_argument])
        .code(2);
    let odd = r#"{"\u0000nul\u001b[2J":"\u0000\u001b]0;x\u0007\u202e","n":[1,{"deep":null}]}"#;
    let out = world.pool(["allocate", "p", "--meta-json", odd, "--json"]);
    let slot = out.ok().json()["slot"].clone();
    let wanted: serde_json::Value = serde_json::from_str(odd).expect("JSON");
    assert_eq!(slot["metadata"], wanted);
    for view in ["status p", "status p/slot1", "log p", "allocate p"] {
        world.pool(view).one_of(&[0, 4]).harmless();
    }
    assert_eq!(world.slot("p/slot1")["metadata"], wanted);
    world.pool("release p/slot1").ok();

    // A record that somebody has blown up to 10 MB is still read, or refused in order.
    let path = world.pool_dir("p").join("pool.json");
    let text = fs::read_to_string(&path).expect("the record");
    let mut record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    record["slots"][0]["error"] = "\u{1b}[2J".repeat(2_500_000).into();
    fs::write(&path, record.to_string()).expect("writing");
    world.pool("status p").one_of(&[0, 1]).harmless();
    world.pool("allocate p").one_of(&[0, 1]).harmless();
}

/// Arguments and variables that are no UTF-8 are paths, or mistakes; never a panic.
#[test]
fn bytes_that_are_no_text_are_taken_or_refused_in_order() {
    let (world, _remote) = World::with_pool(1);
    let odd = |prefix: &str| {
        let mut all = prefix.as_bytes().to_vec();
        all.extend(b"a\xff\xfe\x80b");
        bytes(&all)
    };
    let words = |text: &str| -> Vec<OsString> {
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(OsString::from)
            .collect()
    };
    let lines = [
        ("allocate", ""),
        ("allocate p", "--ref="),
        ("allocate p", "--branch="),
        ("allocate p", "--owner="),
        ("allocate p", "--meta=k="),
        ("allocate p", "--meta-json="),
        ("release", ""),
        ("release p/slot1", "--allocation="),
        ("status", ""),
        ("log", ""),
        ("recover", ""),
        ("recover p", "--only="),
        ("create q", ""),
        ("create", ""),
        ("isolate p/slot1", "--reason="),
        ("collect p/slot1", "--into="),
        ("", ""),
    ];
    for (verb, prefix) in lines {
        let mut args = words(verb);
        args.push(odd(prefix));
        let out = world.pool(args);
        out.one_of(&[1, 2, 7]).harmless();
        assert_eq!(world.list(), ["p"]);
    }
    for name in [
        "REPO_POOL_SLOT",
        "REPO_POOL_ALLOCATION",
        "REPO_POOL_LOCK_TIMEOUT",
        "HOME",
        "PATH",
    ] {
        for verb in ["release", "status p", "allocate p", "config show"] {
            let out = world.call(verb).env(name, odd("")).run();
            out.one_of(&[0, 1, 2, 6, 7]).harmless();
        }
        world.pool("release p/slot1").ok();
    }
    // A place is a path, and a path is any bytes.
    let place = world.path(Path::new(&odd("ws-")));
    let out = world.call("init").env("REPO_POOL_WORKSPACE", &place).run();
    out.one_of(&[0, 1, 2]).harmless();
    world.assert_sound("p");
}

/// Section 6: whatever work is called, it is saved and cleaned away, and nothing else is.
#[test]
fn work_of_any_name_is_saved() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let names: [&[u8]; 14] = [
        b"-rf",
        b"--",
        b"--help",
        b":!x",
        b":(top)y",
        b":(exclude)*",
        b"*",
        b"a\nb",
        b"\x1b[2J",
        b"\xff\xfe",
        b" ",
        b"\\",
        b"\"quoted\"",
        b"tab\there",
    ];
    for (n, name) in names.iter().enumerate() {
        fs::write(dir.join(bytes(name)), format!("work {n}\n")).expect("writing");
        let below = dir.join("-dir").join(bytes(name));
        fs::create_dir_all(below.parent().expect("a parent")).expect("a directory");
        fs::write(below, format!("work below {n}\n")).expect("writing");
    }
    world.pool("status p/slot1").one_of(&[0]).harmless();
    world.pool("release p/slot1").one_of(&[0]).harmless();
    for (n, name) in names.iter().enumerate() {
        assert!(world.is_rescued("p", &format!("work {n}\n")), "{:?}", name);
        assert!(
            world.is_rescued("p", &format!("work below {n}\n")),
            "{:?}",
            name
        );
    }
    world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
    world.assert_sound("p");
}

/// A tree that the remote serves stays where it belongs: nothing is checked out through a link.
#[test]
fn nothing_is_checked_out_through_a_link_of_the_repositorys() {
    let world = World::new();
    let remote: Remote = world.remote();
    let outside = world.path("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("precious.txt"), "mine\n").expect("writing");
    let before = tree(&outside);
    let clone = world.clone_of(&remote, "clone");
    std::os::unix::fs::symlink(&outside, clone.join("door")).expect("a link");
    world.git(&clone, "add door");
    world.git(&clone, "commit -q -m Door");
    let with_link = world.git(&clone, "rev-parse HEAD");
    fs::remove_file(clone.join("door")).expect("deleting");
    fs::create_dir(clone.join("door")).expect("a directory");
    fs::write(clone.join("door/precious.txt"), "theirs\n").expect("writing");
    world.git(&clone, "add door");
    world.git(&clone, "commit -q -m Directory");
    world.git(&clone, "push -q origin HEAD:main");
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    for at in [with_link.as_str(), "main", with_link.as_str(), "main"] {
        let dir = world.pool(["allocate", "p", "--ref", at]).ok().path();
        fs::write(dir.join("junk.txt"), "junk\n").expect("writing");
        world.pool("release p/slot1").ok();
        assert_eq!(tree(&outside), before, "{at}");
    }
    world.assert_sound("p");
}

/// Section 4: what drives a terminal never reaches one, from wherever it comes; our own colours do.
#[test]
fn nothing_foreign_drives_a_terminal() {
    let (world, remote) = World::with_pool(1);
    let evil = "\u{1b}]0;OWNED\u{7}\u{1b}[2JOWNED\u{9b}31mOWNED\u{202e}\r\u{8}";
    let branch = "evil/\u{9b}31mOWNED\u{202e}";
    world.git(&remote.path, ["branch", branch, "main"]);
    let meta = format!("k={evil}");
    let args = [
        "allocate", "p", "--branch", branch, "--owner", evil, "--meta", &meta,
    ];
    let dir = world.pool(args).ok().path();
    for name in [
        &b"\x1b]0;OWNED\x07.txt"[..],
        b"\x9b31mOWNED",
        b"\x1b[2J\xff",
    ] {
        fs::write(dir.join(bytes(name)), "work\n").expect("writing");
    }
    world.git(
        &dir,
        ["config", &format!("remote.{branch}.uploadpack"), evil],
    );
    let nested = dir.join("\u{1b}[2JOWNED");
    world.git(&dir, ["init", "-q", &nested.display().to_string()]);
    fs::write(nested.join("x"), "x").expect("writing");
    world.git(&nested, "add x");
    world.git(&nested, "commit -q -m x");
    let commands = [
        vec!["status"],
        vec!["status", "p"],
        vec!["status", "p/slot1"],
        vec!["-vv", "log", "p"],
        vec!["branches", "p"],
        vec!["-vv", "recover"],
        // Refused, naming the nested repository.
        vec!["-vv", "release", "p/slot1"],
        vec!["allocate", "p"],
        vec!["allocate", "p", "--ref", evil],
        vec!["status", evil],
        vec!["create", "q", evil],
        vec!["create", evil, "/x"],
        vec!["allocate", "p", "--meta-json", evil],
        vec!["recover", "--only", evil],
        vec!["exec", "p", "--", evil],
        vec!["-vv", "release", "p/slot1", "--discard"],
        vec!["-vv", "allocate", "p", "--ref", branch],
        vec!["-vv", "recover"],
        vec!["release", "p/slot1"],
    ];
    let mut all = String::new();
    for args in commands {
        let mut command = world.command(env!("CARGO_BIN_EXE_repo-pool"));
        command.args(&args);
        let seen = at_terminal(command);
        for driving in [
            "\u{1b}]",
            "\u{1b}[2J",
            "\u{1b}[31mOWNED",
            "\u{7}",
            "\u{8}",
            "\u{9b}",
            "\u{202e}",
        ] {
            assert!(!seen.contains(driving), "{driving:?} in {args:?}: {seen:?}");
        }
        assert!(!seen.contains("panicked"), "{args:?}: {seen:?}");
        all += &seen;
    }
    assert!(
        all.matches("OWNED").count() > 20,
        "nothing foreign was shown"
    );
    let mut coloured = world.command(env!("CARGO_BIN_EXE_repo-pool"));
    coloured.args(["status", "p"]);
    assert!(
        at_terminal(coloured).contains("\u{1b}["),
        "this is no terminal"
    );
}

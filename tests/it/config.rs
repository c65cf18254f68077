//! `pools.toml`, the settings and where they come from, and workspaces that can't be used.

use crate::support::{Out, World, is_root, snapshot};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// Gives the workspace this `pools.toml`.
fn write(world: &World, text: &str) {
    world.pool("init").ok();
    fs::write(world.workspace().join("pools.toml"), text).expect("writing");
}

/// The same text with so many lines before it that its line numbers are unlike other numbers.
fn at_line(first: usize, text: &str) -> String {
    format!("{}{text}", "# a comment\n".repeat(first - 1))
}

/// 8.1, 8.5: `init` makes a workspace and a file that is all comments, and is valid.
#[test]
fn init_makes_a_commented_file_and_a_second_run_changes_nothing() {
    let world = World::new();
    let dir = world.path("made/here");
    let at = dir.display().to_string();
    let out = world.pool(["init", &at]);
    let said = format!("{}{}", out.ok().stdout, out.stderr);
    assert!(said.contains(&at), "it says how to use it: {said}");
    let text = fs::read_to_string(dir.join("pools.toml")).expect("a file");
    assert!(text.contains("#num_slots = "), "{text}");
    assert!(dir.join(".repo-pool/workspace.json").is_file());
    world.pool(["config", "check", "--workspace", &at]).ok();
    fs::write(dir.join("pools.toml"), "# mine now\n").expect("writing");
    let before = snapshot(&dir);
    world.pool(["init", &at]).ok();
    assert_eq!(snapshot(&dir), before);
}

/// 8.1: the example in the file is right when its comment signs are taken away.
#[test]
fn the_commented_settings_of_init_are_valid() {
    let world = World::new();
    world.pool("init").ok();
    let file = world.workspace().join("pools.toml");
    let text = fs::read_to_string(&file).expect("a file");
    let plain: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '[') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(plain.contains("lock_timeout"), "{text}");
    fs::write(&file, plain).expect("writing");
    world.pool("config check").ok();
}

/// 8.4: every problem is named with file, line and key, and nothing is done.
#[test]
fn a_wrong_file_is_refused_with_every_problem() {
    let world = World::new();
    let url = world.remote().url();
    let text = [
        "[defaults]",                     // 311
        "num_slots = 0",                  // 312
        "lock_timeout = \"0s\"",          // 313
        "git_timeout = \"five minutes\"", // 314
        "lock_timeuot = \"3s\"",          // 315
        "fetch_on_allocate = \"yes\"",    // 316
        "on_fetch_failure = \"perhaps\"", // 317
        "rescue = 7",                     // 318
        "",
        "[pools.broken]",   // 320
        "num_slots = -3",   // 321
        "colour = \"red\"", // 322
        "",
        "[pools.\"bad name\"]", // 324
        &format!("repo_url = \"{url}\""),
        "",
        "[pool.typo]", // 327
        "repo_url = \"x\"",
    ]
    .join("\n");
    write(&world, &at_line(311, &text));
    let expected = [
        ("312", "num_slots"),
        ("313", "lock_timeout"),
        ("314", "git_timeout"),
        ("315", "lock_timeuot"),
        ("316", "fetch_on_allocate"),
        ("317", "on_fetch_failure"),
        ("318", "rescue"),
        ("320", "repo_url"),
        ("321", "num_slots"),
        ("322", "colour"),
        ("324", "bad name"),
        ("327", "pool"),
    ];
    let out = world.pool("config check");
    out.code(2).says("pools.toml");
    for (line, key) in expected {
        let named = |l: &str| l.contains(line) && l.contains(key);
        assert!(out.stderr.lines().any(named), "line {line}, {key}\n{out}");
    }
    for command in [
        "allocate broken",
        "config show",
        &format!("create p {url}"),
        "exec broken -- true",
    ] {
        let out = world.pool(command);
        let code = if command.starts_with("exec") { 125 } else { 2 };
        out.code(code).silent().says("lock_timeuot");
    }
    world
        .pool("config check --json")
        .code(2)
        .kind("config_validation");
    assert!(!world.pool_dir("p").exists());
    assert!(!world.pool_dir("broken").exists());
}

/// 8.4: keys of the original, and tables of other shapes, are told what they are called here.
#[test]
fn a_file_in_the_originals_words_is_told_ours() {
    let world = World::new();
    let text = "[pools.p]\nurl = \"x\"\nslots = 3\nstale_lock_hours = 24\n\
                cleanup_options = { warmup_enabled = true }\nname = \"p\"\n";
    write(&world, text);
    let out = world.pool("config check");
    out.code(2);
    for (line, says) in [
        (2, "did you mean repo_url?"),
        (3, "did you mean num_slots?"),
        (4, "stale_after"),
        (5, "stands in the pool's table itself"),
        (6, "[pools.NAME]"),
    ] {
        let at = format!("pools.toml:{line}: ");
        let named = |text: &str| text.contains(&at) && text.contains(says);
        assert!(out.stderr.lines().any(named), "{at}{says}\n{out}");
    }
    write(&world, "[[pools]]\nname = \"p\"\n");
    world
        .pool("config check")
        .code(2)
        .says("each pool is [pools.NAME]");
}

/// 8.4: what is no TOML at all is named by its line.
#[test]
fn a_file_that_is_no_toml_is_refused_by_line() {
    let world = World::new();
    for text in [
        "[defaults\n",
        "num_slots = = 3\n",
        "[defaults]\njobs = 1\njobs = 2\n",
        "\u{0}\n",
    ] {
        write(&world, &at_line(411, text));
        world
            .pool("config check")
            .code(2)
            .says("pools.toml")
            .says("41");
    }
    fs::write(world.workspace().join("pools.toml"), b"# \xff\n").expect("writing");
    world.pool("config check").code(2).says("pools.toml");
}

/// 8.4: commands and addresses git would execute are refused in the file as well.
#[test]
fn a_declared_url_is_checked_like_a_given_one() {
    let world = World::new();
    for url in ["--upload-pack=x", "ext::sh -c x", ""] {
        write(&world, &format!("[pools.p]\nrepo_url = \"{url}\"\n"));
        world.pool("config check").code(2).says("repo_url");
        world.pool("allocate p").code(2).silent();
    }
}

/// 8.5: flag before environment before the pool's table before defaults before what is built in.
#[test]
fn settings_are_taken_in_their_order() {
    let world = World::new();
    let url = world.remote().url();
    let slots = |world: &World, name: &str| world.slots(name).len();
    world.pool(format!("create builtin {url}")).ok();
    assert_eq!(slots(&world, "builtin"), 2);
    write(
        &world,
        &format!("[defaults]\nnum_slots = 3\n[pools.own]\nrepo_url = \"{url}\"\nnum_slots = 4\n"),
    );
    world.pool(format!("create defaults {url}")).ok();
    assert_eq!(slots(&world, "defaults"), 3);
    world.pool("allocate own").ok();
    assert_eq!(slots(&world, "own"), 4);
    let call = world.call(format!("create environment {url}"));
    call.env("REPO_POOL_NUM_SLOTS", "1").run().ok();
    assert_eq!(slots(&world, "environment"), 1);
    let call = world.call(format!("create flag {url} -n 2"));
    call.env("REPO_POOL_NUM_SLOTS", "1").run().ok();
    assert_eq!(slots(&world, "flag"), 2);
    let call = world
        .call("config show")
        .env("REPO_POOL_LOCK_TIMEOUT", "soon");
    call.run().code(2).says("REPO_POOL_LOCK_TIMEOUT");
}

/// 8.5: `config show` tells each setting and where it comes from; `--toml` is a valid file.
#[test]
fn config_show_tells_where_each_setting_comes_from() {
    let world = World::new();
    write(&world, "[defaults]\nnum_slots = 7\n");
    let call = world
        .call("config show")
        .env("REPO_POOL_LOCK_TIMEOUT", "45s");
    let out = call.run();
    let line = |key: &str| {
        let found = out.ok().stdout.lines().find(|l| l.contains(key));
        found.unwrap_or_else(|| panic!("{key}\n{out}")).to_owned()
    };
    assert!(line("lock_timeout").contains("45s"));
    assert!(line("lock_timeout").contains("REPO_POOL_LOCK_TIMEOUT"));
    assert!(line("num_slots").contains('7'));
    assert!(line("num_slots").contains("pools.toml"));
    assert!(line("git_timeout").contains("5m"));
    world.pool("config show --json").ok().json();
    let call = world
        .call("config show --toml")
        .env("REPO_POOL_LOCK_TIMEOUT", "45s");
    let shown = call.run().ok().stdout.clone();
    let table: toml::Table = shown.parse().expect("TOML");
    assert_eq!(table["defaults"]["num_slots"].as_integer(), Some(7));
    assert_eq!(table["defaults"]["lock_timeout"].as_str(), Some("45s"));
    assert_eq!(table["defaults"]["submodules"].as_bool(), Some(false));
    fs::write(world.workspace().join("pools.toml"), shown).expect("writing");
    world.pool("config check").ok();
}

/// 8.1: `config path` prints the file, and `--config` names another.
#[test]
fn config_path_prints_the_file() {
    let world = World::new();
    write(&world, "");
    let file = world.workspace().join("pools.toml").display().to_string();
    assert_eq!(world.pool("config path").ok().stdout, format!("{file}\n"));
    let other = world.path("other.toml").display().to_string();
    fs::write(&other, "[defaults]\nnum_slots = 1\n").expect("writing");
    assert_eq!(
        world
            .pool(["config", "path", "--config", &other])
            .ok()
            .stdout,
        format!("{other}\n")
    );
    let url = world.remote().url();
    world.pool(["create", "p", &url, "--config", &other]).ok();
    assert_eq!(world.slots("p").len(), 1);
    let call = world
        .call(format!("create q {url}"))
        .env("REPO_POOL_CONFIG", &other);
    call.run().ok();
    assert_eq!(world.slots("q").len(), 1);
    let missing = world.path("missing.toml").display().to_string();
    world
        .pool(["config", "check", "--config", &missing])
        .code(2)
        .says("missing.toml");
}

/// Section 1: the workspace is named, in the environment, around, in XDG_DATA_HOME or in HOME.
#[test]
fn the_workspace_is_found_in_its_order() {
    let world = World::new();
    let url = world.remote().url();
    let create = |name: &str| {
        world
            .call(format!("create {name} {url} -n 1"))
            .unset("REPO_POOL_WORKSPACE")
    };
    let made = |out: Out, path: &str| {
        out.ok();
        assert!(world.path(path).join("repo.git").is_dir(), "{path}\n{out}");
    };
    made(create("a").run(), "home/.local/share/repo-pool/a");
    made(
        create("b").env("XDG_DATA_HOME", world.path("data")).run(),
        "data/repo-pool/b",
    );
    let inside = world.path("data/repo-pool/b/parked/slot1/src");
    made(create("c").cwd(inside).run(), "data/repo-pool/c");
    let call = create("d").env("REPO_POOL_WORKSPACE", world.path("named"));
    made(call.cwd(world.path("data/repo-pool")).run(), "named/d");
    let given = world.path("given").display().to_string();
    made(
        world.pool(["--workspace", &given, "create", "e", &url]),
        "given/e",
    );
}

/// A directory that is no workspace, a file, or one that everybody may write.
#[test]
fn a_directory_that_is_no_workspace_is_refused() {
    let world = World::new();
    let url = world.remote().url();
    let full = world.path("full");
    fs::create_dir(&full).expect("a directory");
    fs::write(full.join("something"), "mine").expect("writing");
    let open = world.path("open");
    world.pool(["init", &open.display().to_string()]).ok();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("mode");
    let file = full.join("something");
    for dir in [&full, &open, &file] {
        let before = snapshot(dir);
        let at = dir.display().to_string();
        for command in [
            format!("create p {url}"),
            "list".into(),
            "status --json".into(),
        ] {
            let out = world.pool(format!("--workspace {at} {command}"));
            out.code(2).silent().says(&at);
        }
        assert_eq!(snapshot(dir), before);
    }
    let at = full.display().to_string();
    world
        .pool(format!("--workspace {at} list --json"))
        .code(2)
        .kind("config_validation");
}

/// Only root can make a workspace of somebody else's; others see that root's is refused.
#[test]
fn a_workspace_of_another_user_is_refused() {
    let world = World::new();
    if is_root() {
        let dir = world.path("theirs");
        world.pool(["init", &dir.display().to_string()]).ok();
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(65_534),
            rustix::fs::Gid::from_raw(65_534),
        );
        rustix::fs::chown(&dir, Some(uid), Some(gid)).expect("giving it away");
        let at = dir.display().to_string();
        world
            .pool(format!("--workspace {at} list"))
            .code(2)
            .silent()
            .says(&at);
    } else {
        world
            .pool("--workspace /usr list")
            .code(2)
            .silent()
            .says("/usr");
    }
}

/// A workspace of a newer version may be read and is never written.
#[test]
fn a_newer_workspace_is_not_written() {
    let (world, remote) = World::with_pool(1);
    let file = world.workspace().join(".repo-pool/workspace.json");
    let text = fs::read_to_string(&file).expect("a file");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["schema"], 1);
    value["schema"] = 2.into();
    fs::write(&file, value.to_string()).expect("writing");
    let before = snapshot(&world.pool_dir("p"));
    for command in ["allocate p", "add-slot p", "remove-pool p"] {
        world.pool(command).code(1).silent();
    }
    world
        .pool(format!("create q {}", remote.url()))
        .code(1)
        .silent();
    assert_eq!(snapshot(&world.pool_dir("p")), before);
    assert_eq!(world.list(), ["p"]);
}

/// A workspace that can't be written, and a user without HOME: clear errors, no panic.
#[test]
fn a_read_only_workspace_and_a_missing_home_are_clear_errors() {
    let world = World::new();
    let url = world.remote().url();
    let dir = world.workspace();
    fs::create_dir(&dir).expect("a directory");
    fs::set_permissions(&dir, Permissions::from_mode(0o500)).expect("mode");
    let out = world.pool(format!("create p {url} -n 1"));
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).expect("mode");
    if is_root() {
        out.ok(); // nothing is read-only for root
    } else {
        out.one_of(&[1, 2]).silent().says(dir.display().to_string());
    }
    let homeless = |args: &str| world.call(args).unset("HOME").unset("REPO_POOL_WORKSPACE");
    let out = homeless(&format!("create p {url}")).cwd("/").run();
    out.one_of(&[1, 2]).silent().says("HOME");
}

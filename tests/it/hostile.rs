//! Surroundings that would lead git astray: the caller's variables, hooks, and a slot's own edits.

use crate::support::{AuthServer, Call, Remote, Traps, World, files_containing, program, snapshot};
use std::fs;
use std::path::Path;

/// The verbs that touch a pool `p` of one allocated, edited slot, until it is one idle slot again.
const ROUND: [&str; 7] = [
    "status p/slot1",
    "collect p/slot1 --into .",
    "release p/slot1",
    "add-slot p",
    "recover",
    "remove-slot p/slot2",
    "log p",
];

/// Variables that point git elsewhere do nothing, there or here.
#[test]
fn git_variables_of_the_caller_do_nothing() {
    let world = World::new();
    let remote = world.remote();
    let victim = world.clone_of(&remote, "victim");
    fs::write(victim.join("README.md"), "precious edit").expect("writing");
    fs::write(victim.join("untracked.txt"), "precious").expect("writing");
    let before = snapshot(&victim);
    let git = victim.join(".git");
    let astray = |call: Call| {
        call.env("GIT_DIR", &git)
            .env("GIT_WORK_TREE", &victim)
            .env("GIT_INDEX_FILE", git.join("index"))
            .env("GIT_OBJECT_DIRECTORY", git.join("objects"))
            .env("GIT_COMMON_DIR", &git)
            .env("GIT_NAMESPACE", "elsewhere")
            .env("GIT_CEILING_DIRECTORIES", "/")
            .env("GIT_PREFIX", "src/")
            .cwd(&victim)
    };
    astray(world.call(format!("create p {} -n 1", remote.url())))
        .run()
        .ok();
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = astray(world.call("allocate p")).run().ok().path();
    world.assert_holds(&dir, &remote, &pushed);
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    for command in [
        "status p/slot1",
        "release p/slot1",
        "add-slot p",
        "recover",
        "remove-slot p/slot2",
    ] {
        astray(world.call(command)).run().ok();
    }
    assert!(world.is_rescued("p", "work\n"));
    world.assert_sound("p");
    assert_eq!(snapshot(&victim), before);
}

/// A workspace inside a repository: a slot that lost its `.git` never resolves to that repository.
#[test]
fn a_repository_around_the_workspace_is_never_touched() {
    let world = World::new();
    let remote = world.remote();
    let outer = world.clone_of(&remote, "outer");
    fs::write(outer.join("README.md"), "precious edit").expect("writing");
    fs::write(outer.join("untracked.txt"), "precious").expect("writing");
    let inner = outer.join("target/ws").display().to_string();
    let run = |args: &str| world.pool(format!("--workspace {inner} {args}"));
    run(&format!("create p {} -n 1", remote.url())).ok();
    let dir = run("allocate p").ok().path();
    fs::remove_file(dir.join(".git")).expect("deleting");
    for command in [
        "status p/slot1",
        "release p/slot1",
        "recover",
        "release p/slot1 --force",
        "allocate p",
    ] {
        let out = run(command);
        assert!(!out.stderr.contains("panicked"), "{out}");
    }
    let read = |name: &str| fs::read_to_string(outer.join(name)).unwrap_or_default();
    assert_eq!(read("README.md"), "precious edit");
    assert_eq!(read("untracked.txt"), "precious");
    assert_eq!(world.branch(&outer), "main");
}

/// Hooks of the user's configuration or template are not run by repo-pool's own git.
#[test]
fn hooks_and_monitors_of_the_user_are_not_run() {
    let world = World::new();
    let remote = world.remote();
    let traps = Traps::new(&world);
    let home = world.clone_of(&remote, "clone");
    traps.set_hooks(&world.path("hooks"));
    traps.set_hooks(&world.path("template/hooks"));
    for (key, value) in [
        ("core.hooksPath", world.path("hooks").display().to_string()),
        ("core.fsmonitor", traps.set("monitor")),
        (
            "init.templateDir",
            world.path("template").display().to_string(),
        ),
    ] {
        world.git(&world.path(""), ["config", "--global", key, &value]);
    }
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    for command in ROUND {
        world.call(command).cwd(&home).run().ok();
        traps.assert_not_sprung(command);
    }
}

/// A URL that a slot's user planted does not redirect the pool's fetch.
#[test]
fn a_remote_added_in_a_slot_is_not_fetched() {
    let (world, remote) = World::with_pool(1);
    let other = world.remote_named("other");
    let evil = world.push_commit(&other, "README.md", "evil\n");
    let dir = world.pool("allocate p").ok().path();
    world.git(&dir, ["remote", "add", "evil", &other.url()]);
    world.git(&dir, ["remote", "set-url", "origin", &other.url()]);
    world.pool("release p/slot1").one_of(&[0, 1]);
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let out = world.pool("allocate p");
    if out.code == 0 {
        assert_eq!(world.head(&out.path()), pushed);
    }
    let known = world.try_git(&world.bare("p"), ["cat-file", "-e", &evil]);
    assert_ne!(known.code, 0, "the other remote was fetched");
}

/// Settings of the user that change what git prints or does change nothing here.
#[test]
fn odd_settings_of_the_user_change_nothing() {
    let world = World::new();
    let settings = [
        ("status.showUntrackedFiles", "no"),
        ("status.short", "true"),
        ("status.relativePaths", "true"),
        ("submodule.recurse", "true"),
        ("core.quotePath", "true"),
        ("color.ui", "always"),
        ("fetch.prune", "false"),
        ("fetch.all", "true"),
        ("checkout.defaultRemote", "elsewhere"),
        ("clean.requireForce", "true"),
        ("core.autocrlf", "false"),
        ("push.default", "nothing"),
        ("clone.defaultRemoteName", "upstream"),
        ("init.defaultRefFormat", "files"),
        ("gc.auto", "1"),
        ("core.excludesFile", "/nonexistent"),
        ("core.pager", "false"),
        ("log.showSignature", "true"),
        ("worktree.guessRemote", "true"),
        ("extensions.worktreeConfig", "true"),
        ("transfer.fsckObjects", "true"),
    ];
    for (key, value) in settings {
        world.git(&world.path(""), ["config", "--global", key, value]);
    }
    let remote = world.remote();
    world.pool(format!("create p {} -n 2", remote.url())).ok();
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = world.pool("allocate p").ok().path();
    assert_eq!(world.head(&dir), pushed);
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    world.pool(["release", &dir.display().to_string()]).ok();
    assert!(world.is_rescued("p", "work\n"));
    world.pool("recover").ok();
    let doc = world.pool("branches p --json").ok().json();
    assert_eq!(doc["branches"].as_array().map(Vec::len), Some(3), "{doc}");
}

/// Every variable by which git can be told to run a program, to write a file or to look elsewhere.
fn hostile_variables(world: &World, traps: &Traps, call: Call) -> Call {
    let at = |name: &str| world.path(name).display().to_string();
    let monitor = traps.set("monitor");
    let programs = [
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
    ];
    let files = [
        "GIT_TRACE",
        "GIT_TRACE_SETUP",
        "GIT_TRACE_PACKET",
        "GIT_TRACE_CURL",
        "GIT_TRACE2",
        "GIT_TRACE2_EVENT",
        "GIT_TRACE2_PERF",
        "GIT_TRACE_PACKFILE",
    ];
    let mut call = call
        .env("GIT_EXEC_PATH", at("traps"))
        .env("GIT_TEMPLATE_DIR", at("template"))
        .env("GIT_SHALLOW_FILE", at("elsewhere"))
        .env("GIT_GRAFT_FILE", at("elsewhere"))
        .env("GIT_REPLACE_REF_BASE", "refs/elsewhere/")
        .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", at("elsewhere"))
        .env("GIT_INTERNAL_SUPER_PREFIX", "elsewhere/")
        .env("GIT_ATTR_SOURCE", "HEAD")
        .env("GIT_ATTR_NOSYSTEM", "0")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_ICASE_PATHSPECS", "1")
        .env("GIT_DEFAULT_HASH", "sha256")
        .env("GIT_DEFAULT_REF_FORMAT", "reftable")
        .env("GIT_REDIRECT_STDERR", at("redirected"))
        .env("GIT_REDIRECT_STDOUT", at("redirected"))
        .env("GIT_QUARANTINE_PATH", at("elsewhere"))
        .env("GIT_REF_PARANOIA", "0")
        .env("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1")
        .env("GIT_INDEX_VERSION", "9")
        .env("GIT_TEST_FSMONITOR", &monitor)
        .env("GIT_OPTIONAL_LOCKS", "1")
        .env("GIT_FLUSH", "elsewhere")
        .env(
            "GIT_CONFIG_PARAMETERS",
            format!(
                "'core.fsmonitor'='{monitor}' 'core.hooksPath'='{}'",
                at("template/hooks")
            ),
        )
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "core.fsmonitor")
        .env("GIT_CONFIG_VALUE_0", &monitor)
        .env("GIT_CONFIG_KEY_1", "filter.evil.clean")
        .env("GIT_CONFIG_VALUE_1", &monitor);
    for name in programs {
        call = call.env(name, traps.set(name));
    }
    for name in files {
        call = call.env(name, at("traced"));
    }
    call
}

/// Nothing of that is run or written, and everything works.
#[test]
fn variables_that_name_programs_and_files_do_nothing() {
    let world = World::new();
    let remote = world.remote();
    let traps = Traps::new(&world);
    traps.set_hooks(&world.path("template/hooks"));
    for program in [
        "git",
        "git-fetch",
        "git-upload-pack",
        "git-remote-http",
        "git-status",
    ] {
        traps.set(program);
    }
    let hostile = |args: &str| hostile_variables(&world, &traps, world.call(args));
    let home = world.clone_of(&remote, "clone");
    hostile(&format!("create p {} -n 1", remote.url()))
        .run()
        .ok();
    let pushed = world.push_commit(&remote, "late.txt", "late");
    let dir = hostile("allocate p").run().ok().path();
    world.assert_holds(&dir, &remote, &pushed);
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    fs::write(dir.join(".gitattributes"), "* filter=evil\n").expect("writing");
    for verb in ROUND {
        hostile(verb).cwd(&home).run().ok();
        traps.assert_not_sprung(verb);
    }
    for written in ["traced", "redirected", "elsewhere"] {
        assert!(!world.path(written).exists(), "{written}");
    }
    assert!(world.is_rescued("p", "work\n"));
    world.assert_sound("p");
}

/// A `PATH` with places that depend on where one stands finds no program there.
#[test]
fn programs_of_the_current_directory_are_not_run() {
    let world = World::new();
    let remote = world.remote();
    let traps = Traps::new(&world);
    let here = world.clone_of(&remote, "here");
    for program in ["git", "git-upload-pack", "ssh", "sh", "rm"] {
        traps.set_at(&here.join(program));
        traps.set_at(&here.join("bin").join(program));
    }
    let usual = std::env::var("PATH").expect("a PATH");
    for path in [
        format!(".:{usual}"),
        format!(":{usual}"),
        format!("bin:{usual}"),
        format!("./bin::../here:{usual}:"),
    ] {
        let run = |args: &str| world.call(args).env("PATH", &path).cwd(&here).run();
        run(&format!("create p {} -n 1", remote.url())).ok();
        let pushed = world.push_commit(&remote, "late.txt", &path);
        let dir = run("allocate p").ok().path();
        assert_eq!(world.head(&dir), pushed);
        for verb in ROUND.into_iter().chain(["remove-pool p"]) {
            run(verb).ok();
            traps.assert_not_sprung(verb);
        }
    }
    // Where nothing is left of it, there is no git.
    let out = world.call("list").env("PATH", ".:bin").cwd(&here).run();
    out.one_of(&[0, 1]);
    let url = remote.url();
    let out = world
        .call(format!("create p {url}"))
        .env("PATH", ".:bin")
        .cwd(&here)
        .run();
    out.one_of(&[0, 1]);
    traps.assert_not_sprung("a PATH of relative places");
}

/// A program in the place of git that writes down every command line, then is git.
#[track_caller]
fn watched_git(world: &World) -> String {
    let bin = world.path("watch");
    fs::create_dir(&bin).expect("a directory");
    let real = world.sh("command -v git").ok().stdout.trim().to_owned();
    let log = world.path("command-lines").display().to_string();
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{log}'\nexec '{real}' \"$@\"\n");
    program(&bin.join("git"), &script);
    format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").expect("a PATH")
    )
}

/// No secret of an address is in a file of the workspace, in a message, or on a command line, where
/// every user of the machine could read it.
#[test]
fn secrets_of_an_address_are_in_no_artefact() {
    let world = World::new();
    let remote: Remote = world.remote();
    world.git(&remote.path, "update-server-info");
    let server = AuthServer::start(&world.path(""));
    let url = server.url_with_password("remote.git");
    let path = watched_git(&world);
    let lines = world.path("command-lines");
    let quiet = |what: &str, files: &[&Path]| {
        for dir in files {
            let found = files_containing(dir, "s3cr3t");
            assert!(found.is_empty(), "{what}: {found:?}");
        }
        let seen = fs::read_to_string(&lines).unwrap_or_default();
        assert!(!seen.contains("s3cr3t"), "{what}: {seen}");
    };
    // Declared with a password, in a file of the user's own that is not the workspace's.
    let declared = world.path("declared.toml");
    fs::write(
        &declared,
        format!("[pools.p]\nrepo_url = \"{url}\"\nnum_slots = 1\n"),
    )
    .expect("writing");
    let run = |args: &str| {
        let args = format!("--config {} -vv {args}", declared.display());
        world.call(args).env("PATH", &path).run()
    };
    for verb in [
        "allocate p",
        "status p",
        "release p/slot1",
        "add-slot p",
        "recover",
        "config show",
        "log p",
        "branches p",
        "status p --json",
    ] {
        run(verb).ok().never_says("s3cr3t");
        quiet(verb, &[&world.workspace()]);
    }
    assert!(server.served() > 0, "the password was not used");
    // A remote that fails tells of itself in git's words.
    drop(server);
    for verb in ["allocate p", "--json allocate p", "allocate p --ref absent"] {
        let out = run(verb);
        assert_ne!(out.code, 0);
        out.never_says("s3cr3t");
        quiet(verb, &[&world.workspace()]);
    }
    // Those of other tests are among them, with names in any encoding.
    let used = fs::read(&lines).expect("the command lines");
    let used = String::from_utf8_lossy(&used);
    assert!(used.contains("ls-remote"), "nothing was watched");
}

//! Surroundings that would lead git astray: the caller's variables, hooks, and a slot's own edits.

use crate::support::{Call, World, snapshot};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes an executable script that leaves a mark when it is run.
fn trap(world: &World, path: &Path) {
    let mark = world.path("sprung").display().to_string();
    let parent = path.parent().expect("a parent");
    fs::create_dir_all(parent).expect("a directory");
    fs::write(
        path,
        format!("#!/bin/sh\necho \"$0\" >> '{mark}'\nexit 1\n"),
    )
    .expect("writing");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
}

/// No trap may have been run.
#[track_caller]
fn assert_not_sprung(world: &World) {
    let mark = fs::read_to_string(world.path("sprung")).unwrap_or_default();
    assert_eq!(mark, "", "a trap was run");
}

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
    let names = [
        "post-checkout",
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "post-merge",
    ];
    for name in names {
        trap(&world, &world.path("hooks").join(name));
        trap(&world, &world.path("template/hooks").join(name));
    }
    trap(&world, &world.path("monitor"));
    for (key, value) in [
        ("core.hooksPath", "hooks"),
        ("core.fsmonitor", "monitor"),
        ("init.templateDir", "template"),
    ] {
        let value = world.path(value).display().to_string();
        world.git(&world.path(""), ["config", "--global", key, &value]);
    }
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    let dir = world.pool("allocate p").ok().path();
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    for command in [
        "status p/slot1",
        "release p/slot1",
        "add-slot p",
        "recover",
        "remove-slot p/slot2",
    ] {
        world.pool(command).ok();
    }
    assert_not_sprung(&world);
}

/// Settings that a slot's user wrote into the shared configuration are not obeyed.
#[test]
fn settings_written_from_a_slot_are_not_obeyed() {
    let (world, remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    for name in [
        "monitor",
        "upload",
        "hooks/post-checkout",
        "hooks/reference-transaction",
        "filter",
        "editor",
    ] {
        trap(&world, &world.path(name));
    }
    let at = |name: &str| world.path(name).display().to_string();
    let settings = [
        ("core.fsmonitor", at("monitor")),
        ("core.hooksPath", at("hooks")),
        ("core.sshCommand", at("upload")),
        ("core.editor", at("editor")),
        ("remote.origin.uploadpack", at("upload")),
        ("filter.evil.clean", at("filter")),
        ("filter.evil.process", at("filter")),
    ];
    for (key, value) in &settings {
        world.git(&dir, ["config", key, value]);
    }
    trap(&world, &world.bare("p").join("hooks/post-checkout"));
    fs::write(dir.join(".gitattributes"), "* filter=evil\n").expect("writing");
    fs::write(dir.join("work.txt"), "work\n").expect("writing");
    let _ = fs::remove_file(world.path("sprung"));
    world.push_commit(&remote, "late.txt", "late");
    for command in [
        "status p/slot1",
        "release p/slot1",
        "allocate p",
        "add-slot p",
        "recover",
    ] {
        let out = world.pool(command);
        assert!(!out.stderr.contains("panicked"), "{out}");
    }
    assert_not_sprung(&world);
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

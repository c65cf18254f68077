//! The hooks of agent tools: JSON on stdin, the path alone on stdout, nothing lost.

use crate::support::{Out, World};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A clone of the remote, as a person who starts agents has one.
fn checkout(world: &World) -> (PathBuf, crate::support::Remote) {
    let remote = world.remote();
    (world.clone_of(&remote, "mine"), remote)
}

/// Calls a hook in `dir` with `said` on stdin.
fn hook(world: &World, dir: &Path, verb: &str, said: &Value) -> Out {
    let call = world.call(format!("hook claude-code {verb}")).cwd(dir);
    call.stdin(said.to_string().as_bytes()).run()
}

fn create(world: &World, dir: &Path, name: &str) -> Out {
    let said = json!({
        "session_id": "5f2c",
        "cwd": dir,
        "hook_event_name": "WorktreeCreate",
        "name": name,
    });
    hook(world, dir, "create", &said)
}

fn remove(world: &World, dir: &Path, path: &Path) -> Out {
    let said = json!({ "hook_event_name": "WorktreeRemove", "worktree_path": path });
    hook(world, dir, "remove", &said)
}

/// Section 3: the repository of `cwd`, the name as key and branch, the path alone.
#[test]
fn an_agents_worktree_is_a_slot_on_a_branch_of_its_name() {
    let world = World::new();
    let (dir, remote) = checkout(&world);
    let out = create(&world, &dir.join("docs"), "fix-login");
    let slot = out.ok().path();
    assert_eq!(world.branch(&slot), "fix-login");
    assert_eq!(world.head(&slot), world.tip(&remote, "main"));

    // Asked again by the same name, and by the other word for it: the same slot.
    assert_eq!(create(&world, &dir, "fix-login").ok().path(), slot);
    let said = json!({ "cwd": dir, "worktree_name": "fix-login" });
    assert_eq!(hook(&world, &dir, "create", &said).ok().path(), slot);
    let other = create(&world, &dir, "other").ok().path();
    assert_ne!(other, slot);

    let slot = world.slot(&slot.display().to_string());
    assert_eq!(slot["owner"]["label"], "claude-code", "{slot}");
    assert_eq!(slot["metadata"]["session_id"], "5f2c", "{slot}");
}

/// Section 6: what the agent made is saved or on its branch, and its next worktree has it.
#[test]
fn a_removed_worktree_goes_back_with_its_work_saved() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    let slot = create(&world, &dir, "fix-login").ok().path();
    let tip = world.commit(&slot, "README.md", "by an agent\n");
    fs::write(slot.join("draft.txt"), "not done\n").unwrap();

    let inside = slot.join("docs");
    remove(&world, &dir, &inside).ok().silent().says("saved as");
    assert!(!slot.exists());
    remove(&world, &dir, &slot).ok().silent();
    let again = create(&world, &dir, "fix-login").ok().path();
    assert_eq!(world.head(&again), tip);
    assert!(!again.join("draft.txt").exists());
}

/// A hook does not wait for a slot, so it is not told how.
#[test]
fn an_exhausted_pool_is_explained_to_who_can_not_wait() {
    let world = World::new();
    let (dir, remote) = checkout(&world);
    world.pool(format!("create p {} -n 1", remote.url())).ok();
    world.allocate("p");
    let out = create(&world, &dir, "fix-login");
    out.code(4).silent().says("add-slot p");
    assert!(!out.stderr.contains("--wait"), "{out}");
}

/// A tool need not close its end of the pipe, and may say more than is known.
#[test]
fn one_document_is_enough() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    let said = json!({
        "cwd": dir,
        "name": "a",
        "permission_mode": "default",
        "base": { "ref": "main" },
    });
    let (read, mut write) = std::io::pipe().expect("a pipe");
    let call = world.call("hook claude-code create").cwd(&dir);
    let running = call.stdin_from(read).spawn();
    write
        .write_all(said.to_string().as_bytes())
        .expect("it reads");
    // The writing end is still open here.
    running.finish().ok().path();
    drop(write);
}

/// Bad input: a clear error, nothing handed out.
#[test]
fn what_is_no_hooks_input_is_refused() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    let plain = world.path("plain");
    fs::create_dir(&plain).expect("a directory");
    let cases: Vec<(&str, String, i32, &str)> = vec![
        ("create", String::new(), 2, "nothing came"),
        ("create", "nonsense".into(), 2, "no JSON"),
        ("create", "[1]".into(), 2, "no JSON object"),
        ("create", "{\"cwd\": \"/x\"".into(), 2, "no JSON"),
        (
            "create",
            json!({ "cwd": dir }).to_string(),
            2,
            "name or worktree_name",
        ),
        ("create", json!({ "name": "a" }).to_string(), 2, "no cwd"),
        (
            "create",
            json!({ "cwd": 7, "name": "a" }).to_string(),
            2,
            "cwd",
        ),
        (
            "create",
            json!({ "cwd": "here", "name": "a" }).to_string(),
            2,
            "absolute",
        ),
        (
            "create",
            json!({ "cwd": dir, "name": "" }).to_string(),
            2,
            "name",
        ),
        (
            "create",
            json!({ "cwd": dir, "name": "../x" }).to_string(),
            2,
            "../x",
        ),
        (
            "create",
            json!({ "cwd": dir, "name": "-x" }).to_string(),
            2,
            "-x",
        ),
        (
            "create",
            json!({ "cwd": "/nonexistent/x", "name": "a" }).to_string(),
            7,
            "/nonexistent/x",
        ),
        (
            "create",
            json!({ "cwd": plain, "name": "a" }).to_string(),
            1,
            "lies in no git repository",
        ),
        (
            "create",
            json!({ "cwd": dir, "name": "a", "hook_event_name": "WorktreeRemove" }).to_string(),
            2,
            "WorktreeCreate",
        ),
        (
            "remove",
            json!({ "worktree_path": dir }).to_string(),
            7,
            "no slot",
        ),
        (
            "remove",
            json!({ "cwd": dir }).to_string(),
            2,
            "worktree_path",
        ),
    ];
    for (verb, said, code, words) in cases {
        let call = world.call(format!("hook claude-code {verb}")).cwd(&dir);
        let out = call.stdin(said.as_bytes()).run();
        out.code(code).silent().says(words);
    }
    let huge = format!("{{\"name\": \"{}", "x".repeat(2 << 20));
    let call = world.call("hook claude-code create").cwd(&dir);
    call.stdin(huge.as_bytes())
        .run()
        .code(1)
        .silent()
        .says("bytes came");
    assert_eq!(world.pool("list").ok().stdout, "");
}

/// With --json errors are JSON on stderr, and stdout stays the contract's.
#[test]
fn stdout_is_the_contracts_with_json_too() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    let said = json!({ "cwd": dir, "name": "a" }).to_string();
    let call = world.call("--json hook claude-code create").cwd(&dir);
    let slot = call.stdin(said.as_bytes()).run().ok().path();
    assert!(slot.is_dir());
    let said = json!({ "worktree_path": "/nonexistent" }).to_string();
    let call = world.call("--json hook claude-code remove").cwd(&dir);
    call.stdin(said.as_bytes())
        .run()
        .code(7)
        .silent()
        .kind("slot_not_found");
}

/// Section 3: the settings are shown, and written where they belong without losing others.
#[test]
fn the_settings_are_shown_and_written() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    let install = |args: &str| {
        let call = world.call(format!("hook install claude-code {args}"));
        call.cwd(dir.join("docs")).run()
    };
    let shown: Value = serde_json::from_str(&install("").ok().stdout).unwrap();
    let file = dir.join(".claude/settings.local.json");
    assert!(!file.exists());

    install("--write").ok().silent().says("settings.local.json");
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written, shown);
    install("--write").ok().silent().says("already");

    fs::write(&file, "{\"model\": \"m\", \"hooks\": {\"Stop\": []}}").unwrap();
    install("--write").ok();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.find("model") < text.find("Stop"), "{text}");
    assert!(text.find("Stop") < text.find("WorktreeCreate"), "{text}");

    for broken in ["{", "[]", "{\"hooks\": 1}"] {
        fs::write(&file, broken).unwrap();
        install("--write")
            .code(1)
            .silent()
            .says("settings.local.json");
        assert_eq!(fs::read_to_string(&file).unwrap(), broken);
    }
    install("--user --write").ok();
    assert!(world.home().join(".claude/settings.json").is_file());
    let call = world.call("hook install claude-code").cwd(world.home());
    call.run().code(2).says("--user");
}

/// The commands that were written are those that the tool then runs.
#[test]
fn the_written_commands_run() {
    let world = World::new();
    let (dir, _remote) = checkout(&world);
    world
        .call("hook install claude-code --write")
        .cwd(&dir)
        .run()
        .ok();
    let file = dir.join(".claude/settings.local.json");
    let settings: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let command = |event: &str| {
        let command = &settings["hooks"][event][0]["hooks"][0]["command"];
        command.as_str().unwrap().to_owned()
    };
    let said = json!({ "cwd": dir, "name": "a" }).to_string();
    let script = format!("printf %s '{said}' | {}", command("WorktreeCreate"));
    let slot = world.sh(&script).ok().path();
    assert!(slot.is_dir());
    let said = json!({ "worktree_path": slot }).to_string();
    let script = format!("printf %s '{said}' | {}", command("WorktreeRemove"));
    world.sh(&script).ok().silent();
    assert!(!slot.exists());
}

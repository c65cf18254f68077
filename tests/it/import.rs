//! `config import`: the original's YAML and workspaces become a `pools.toml`, or are refused.

use crate::support::{Out, World, snapshot};
use std::fs;
use std::path::PathBuf;

/// A file of the original's in this world.
#[track_caller]
fn yaml(world: &World, text: &str) -> PathBuf {
    let file = world.path("pools.yaml");
    fs::write(&file, text).expect("writing");
    file
}

#[track_caller]
fn import(world: &World, text: &str) -> Out {
    let file = yaml(world, text);
    world.pool(["config", "import", &file.display().to_string()])
}

/// The example of the original's documentation.
const EXAMPLE: &str = "\
# Default settings applied to all pools
defaults:
  num_slots: 2
  lock_timeout: 30.0
  cleanup_timeout: 90.5
  stale_lock_hours: 24
  enable_metrics: true

pools:
  my-project:
    repo_url: https://example.com/user/my-project.git
    num_slots: 3
    cleanup_options:
      fetch_on_allocate: true
      clean_on_release: false
      warmup_enabled: no
  other:
    repo_url: git@example.com:user/other.git
";

/// 8.1: every key of the original has its place, durations in units.
#[test]
fn the_originals_example_becomes_a_valid_file() {
    let world = World::new();
    let out = import(&world, EXAMPLE);
    out.ok();
    assert_eq!(out.stderr, "");
    let (first, rest) = out.stdout.split_once("\n\n").expect("a comment first");
    assert!(first.starts_with("# Imported from "), "{out}");
    assert_eq!(
        rest,
        "[defaults]\nnum_slots = 2\nlock_timeout = \"30s\"\ncleanup_timeout = \"90.5s\"\n\
         stale_after = \"24h\"\nenable_metrics = true\n\n\
         [pools.my-project]\nrepo_url = \"https://example.com/user/my-project.git\"\n\
         num_slots = 3\nfetch_on_allocate = true\nclean_on_release = false\n\
         warmup_enabled = false\n\n\
         [pools.other]\nrepo_url = \"git@example.com:user/other.git\"\n"
    );
    let file = world.path("made.toml");
    fs::write(&file, &out.stdout).expect("writing");
    let file = file.display().to_string();
    let out = world.pool(["--config", &file, "config", "check"]);
    out.ok().says("2 pools");
    // The list form says the same.
    let listed = EXAMPLE
        .replace(
            "  my-project:\n    repo_url",
            "  - name: my-project\n    repo_url",
        )
        .replace(
            "  other:\n    repo_url",
            "  - repo_name: other\n    repo_url",
        );
    let again = import(&world, &listed);
    assert!(again.ok().stdout.ends_with(rest), "{again}");
}

/// 8.2: what was imported can be applied.
#[test]
fn an_imported_file_is_written_and_applied() {
    let world = World::new();
    let remote = world.small_remote("remote");
    let text = format!(
        "defaults:\n  num_slots: 2\npools:\n  p:\n    repo_url: {}\n",
        remote.url()
    );
    let file = yaml(&world, &text).display().to_string();
    let args = ["config", "import", &file, "--output"];
    world.pool(args).ok().silent().says("1 pool");
    world.pool("apply").ok();
    assert_eq!(world.slots("p").len(), 2);
    // What is there is not replaced without a word.
    let before = snapshot(&world.workspace());
    world.pool(args).code(1).silent().says("--force");
    assert_eq!(snapshot(&world.workspace()), before);
    fs::write(&file, text.replace(": 2", ": 3")).expect("writing");
    world
        .pool(["config", "import", &file, "--output", "--force"])
        .ok();
    world.pool("apply").ok();
    assert_eq!(world.slots("p").len(), 3);
    // But what `init` wrote is only comments.
    let other = world.path("other").display().to_string();
    world.pool(["init", &other]).ok();
    world
        .pool(["--workspace", &other, "config", "import", &file, "--output"])
        .ok();
    let elsewhere = world.path("made.toml").display().to_string();
    let out = world.pool(["config", "import", &file, "--output", &elsewhere, "--json"]);
    let document = out.ok().json();
    assert_eq!(document["result"]["pools"], 1);
    assert_eq!(document["result"]["config"], *elsewhere);
    let written = fs::read_to_string(&elsewhere).expect("the file");
    assert_eq!(document["result"]["toml"], *written);
}

/// What has no place here is named, with its line, and stops nothing.
#[test]
fn what_is_left_behind_is_named() {
    let world = World::new();
    let out = import(
        &world,
        "version: 3\ndefaults:\n  workspaces_dir: /srv/x\n  num_slots:\n  colour: red\npools:\n  \
         my pool:\n    repo_url: https://bob:hunter22@example.com/a.git\n    lock_timeout: 3\n    \
         cleanup_options:\n      deep: {}\n  near:\n    repo_url: ./near.git\n",
    );
    out.ok();
    for (line, key) in [
        (1, "version"),
        (3, "defaults.workspaces_dir"),
        (4, "defaults.num_slots"),
        (5, "defaults.colour"),
        (7, "my-pool"),
        (8, "repo_url: the password"),
        (9, "lock_timeout"),
        (11, "cleanup_options.deep"),
        (13, "near.git"),
    ] {
        let at = format!("pools.yaml:{line}: ");
        let named = |text: &str| text.contains(&at) && text.contains(key);
        assert!(out.stderr.lines().any(named), "{at}{key}\n{out}");
    }
    assert_eq!(out.stderr.lines().count(), 9, "{out}");
    out.never_says("hunter22");
    let near = world.path("near.git").display().to_string();
    assert!(out.stdout.contains(&near), "{out}");
    let out = import(&world, "x: 1\n");
    assert_eq!(out.ok().stderr.lines().count(), 1);
}

/// 8.4: everything that can't be right is named with its line, and nothing is printed or written.
#[test]
fn a_wrong_file_is_refused_with_every_problem() {
    let world = World::new();
    let out = import(
        &world,
        "defaults:\n  num_slots: 0\n  lock_timeout: soon\n  cleanup_timeout: -1\n  \
         stale_lock_hours: .inf\n  enable_metrics: \"true\"\npools:\n  a: {}\n  b: text\n  \
         c:\n    repo_url: ext::sh -c x\n    num_slots: 010\n  d:\n    repo_url: [x]\n  \
         A:\n    repo_url: https://example.com/a\n    num_slots: 1e9\n    cleanup_options: 7\n",
    );
    out.code(2).silent();
    for (line, key) in [
        (2, "defaults.num_slots"),
        (3, "defaults.lock_timeout"),
        (4, "defaults.cleanup_timeout"),
        (5, "defaults.stale_lock_hours"),
        (6, "defaults.enable_metrics"),
        (8, "pools.a: repo_url is missing"),
        (9, "pools.b"),
        (11, "pools.c.repo_url"),
        (12, "pools.c.num_slots"),
        (14, "pools.d.repo_url"),
        (15, "pools.A"),
        (17, "pools.A.num_slots"),
        (18, "pools.A.cleanup_options"),
    ] {
        let at = format!("pools.yaml:{line}: ");
        let named = |text: &str| text.contains(&at) && text.contains(key);
        assert!(out.stderr.lines().any(named), "{at}{key}\n{out}");
    }
    let file = world.path("pools.yaml").display().to_string();
    world
        .pool(["config", "import", &file, "--output", "--json"])
        .code(2)
        .kind("config_validation");
    assert!(!world.workspace().join("pools.toml").exists());
}

/// 8.4: hostile and broken files end at once, with a line where there is one.
#[test]
fn hostile_files_are_refused() {
    let world = World::new();
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..30 {
        let all = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{all}]\n"));
    }
    for (text, says) in [
        (
            "pools:\n\ta: 1\n".to_owned(),
            "pools.yaml:2: not valid YAML",
        ),
        ("pools: [\n".into(), "not valid YAML"),
        (
            "pools: {}\npools: {}\n".into(),
            "pools.yaml:2: \"pools\" stands twice",
        ),
        ("pools: {}\n--- \npools: {}\n".into(), "second document"),
        (
            "pools: !!python/object/apply:os.system [id]\n".into(),
            "tag",
        ),
        ("- a\n- b\n".into(), "pools.yaml:1: is no table"),
        ("just words\n".into(), "is no table"),
        ("pools:\n  - num_slots: 3\n".into(), "without a name"),
        ("pools: 3\n".into(), "pools: is no table"),
        ("a: &a [*a]\n".into(), "itself"),
        ("a\u{0}: 1\n".into(), "not valid YAML"),
        ("pools: \u{1b}[31m\n".into(), "pools.yaml:1"),
        (laughs, "aliases"),
        ("[".repeat(500_000), "pools.yaml:1"),
        ("- ".repeat(400_000), "deep"),
        ("x: ".repeat(300_000), "pools.yaml:1"),
        (format!("# {}\n", "x".repeat(1 << 20)), "larger than 1 MiB"),
    ] {
        let out = import(&world, &text);
        out.code(2).silent().says(says).harmless();
    }
    let file = world.path("pools.yaml");
    fs::write(&file, b"pools:\n  a: \xff\xfe\n").expect("writing");
    let at = file.display().to_string();
    world
        .pool(["config", "import", &at])
        .code(2)
        .says("pools.yaml:2");
    world
        .pool("config import nothing.yaml")
        .code(2)
        .says("no such file");
    world.pool("config import /dev/null").ok();
    world.pool(["config", "import", &at, "--force"]).code(2);
    fs::write(&file, "").expect("writing");
    world.pool(["config", "import", &at]).ok();
}

/// A workspace of the original's becomes declarations; its slots stay, and are named.
#[test]
fn a_workspace_of_the_original_becomes_declarations() {
    let world = World::new();
    let old = world.path("workspaces");
    let write = |file: &str, text: &str| {
        let file = old.join(file);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        fs::write(file, text).expect("writing");
    };
    write(
        "web/pool.json",
        r#"{"repo_name": "web", "repo_url": "https://example.com/web.git", "num_slots": 2,
            "created_at": "2025-11-15T10:00:00", "updated_at": "2025-11-15T10:00:00"}"#,
    );
    write(
        "web/slot1/slot.json",
        &format!(
            r#"{{"slot_id": "workspace-web-slot1", "repo_name": "web", "state": "allocated",
                "repo_url": "https://example.com/web.git", "slot_path": "{}/web/worktrees/slot1",
                "metadata": {{"task_id": "123"}}}}"#,
            old.display()
        ),
    );
    fs::create_dir_all(old.join("web/worktrees/slot1/.git")).expect("a directory");
    fs::create_dir_all(old.join("web/.main_repo")).expect("a directory");
    write("web/slot10/slot.json", "torn");
    fs::create_dir_all(old.join("web/slot2/.git")).expect("a directory");
    // Keys that are missing are found elsewhere, or left to the defaults.
    write("api/pool.json", "{}");
    write(
        "api/slot1/slot.json",
        r#"{"repo_url": "https://example.com/api.git"}"#,
    );
    write(
        "bare/pool.json",
        r#"{"repo_url": "https://example.com/bare.git", "slots": []}"#,
    );
    write("locks/workspace-web-slot1.lock", "");
    write("notes/readme.txt", "not a pool");
    let before = snapshot(&old);
    let at = old.display().to_string();
    let out = world.pool(["config", "import", &at]);
    let (_, rest) = out.ok().stdout.split_once("\n\n").expect("a comment first");
    assert_eq!(
        rest,
        "[pools.api]\nrepo_url = \"https://example.com/api.git\"\nnum_slots = 1\n\n\
         [pools.bare]\nrepo_url = \"https://example.com/bare.git\"\n\n\
         [pools.web]\nrepo_url = \"https://example.com/web.git\"\nnum_slots = 2\n"
    );
    for (place, what) in [
        (
            "web/worktrees/slot1: ",
            "workspace-web-slot1, allocated: stays",
        ),
        ("web/worktrees/slot1: ", "task_id"),
        ("web/slot2: ", "without a record: stays"),
        ("web/slot10: ", "no JSON"),
        ("api/slot1: ", "stays"),
        ("web/.main_repo: ", "stays"),
        ("locks: ", "not needed"),
    ] {
        let named = |text: &str| text.contains(place) && text.contains(what);
        assert!(out.stderr.lines().any(named), "{place}{what}\n{out}");
    }
    assert_eq!(snapshot(&old), before, "nothing is changed there");
    let pool = old.join("web").display().to_string();
    world
        .pool(["config", "import", &pool])
        .code(2)
        .says("one pool");
    let empty = world.home().display().to_string();
    world
        .pool(["config", "import", &empty])
        .code(2)
        .says("pool.json");
    world.pool("init").ok();
    let own = world.workspace().display().to_string();
    world
        .pool(["config", "import", &own])
        .code(2)
        .says("this program");
    write(
        "bad/pool.json",
        r#"{"num_slots": -3, "repo_url": "--upload-pack=x"}"#,
    );
    write("torn/pool.json", "{");
    write(
        "WEB/pool.json",
        r#"{"repo_url": "https://example.com/w.git"}"#,
    );
    let out = world.pool(["config", "import", &at]);
    out.code(2)
        .silent()
        .says("bad/pool.json: num_slots")
        .says("bad/pool.json: repo_url")
        .says("torn/pool.json")
        .says("would be called");
}

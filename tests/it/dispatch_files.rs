//! Task files and the dispatcher's settings: read, shown, refused, imported.

use crate::support::{Out, World};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

#[track_caller]
fn write(world: &World, name: &str, text: &str) -> String {
    let file: PathBuf = world.path(name);
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    fs::write(&file, text).expect("writing");
    file.display().to_string()
}

#[track_caller]
fn check(world: &World, files: &[&str]) -> Out {
    let args = ["dispatch", "check"].iter().chain(files);
    world.pool(args.map(|arg| (*arg).to_owned()).collect::<Vec<String>>())
}

const OURS: &str = r#"[defaults]
command = ["agent", "--task", "{task_file}"]

[[task]]
id = "1"
title = "Base"

[[task]]
id = "2"
title = "Log \"in\""
depends = ["1"]

[[task]]
id = "3"
depends = ["1", "2"]
when = "always"
"#;

const LIST: &str = r#"{"project": "shop", "description": "A shop", "tasks": [
  {"id": "1", "title": "Base", "description": "d", "dependencies": [], "type": "backend"},
  {"id": "2", "title": "More", "description": "d", "dependencies": ["1"], "files_to_create": ["a.py"]}]}"#;

/// A task of a registry.
fn registered(id: &str, state: &str, depends: &[&str]) -> Value {
    json!({
        "id": id, "title": "T", "description": "D", "state": state, "dependencies": depends,
        "created_at": "2025-01-01T00:00:00+00:00", "updated_at": "2025-01-01T00:00:00+00:00",
    })
}

/// 1: the three formats are told apart by what they hold, and read together.
#[test]
fn files_of_every_format_are_checked() {
    let world = World::new();
    let ours = write(&world, "tasks.toml", OURS);
    check(&world, &[&ours])
        .ok()
        .silent()
        .says("tasks.toml is right: 3 tasks")
        .says("3 tasks to be run, 1 can begin at once");
    let list = write(&world, "any name", LIST);
    let set = json!({"spec_name": "login", "version": 3, "created_at": "x", "updated_at": "y",
        "tasks": [registered("1", "done", &[]), registered("2", "ready", &["1"])], "metadata": {}});
    let set = write(&world, "login/taskset.json", &set.to_string());
    let args = [
        "--json", "dispatch", "check", &ours, &list, &set, "--", "true",
    ];
    let answer = world.pool(args).ok().json();
    let result = &answer["result"];
    assert_eq!(
        (&result["tasks"], &result["open"], &result["ready"]),
        (&json!(7), &json!(6), &json!(3))
    );
    let formats: Vec<&Value> = result["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|f| &f["format"])
        .collect();
    assert_eq!(formats, ["tasks", "task-list", "task-set"]);
    assert_eq!(result["files"][2]["name"], "login");
    // These two say nothing of a command.
    check(&world, &[&list, &set])
        .code(2)
        .silent()
        .says("command is missing");
    world.declare("[dispatch]\ncommand = ['agent']\n");
    check(&world, &[&list, &set]).ok();
}

/// All that is wrong is said at once, with places, and nothing is made.
#[test]
fn wrong_files_are_refused_whole() {
    let world = World::new();
    let text = "[defaults]\ncommand = ['x']\n[[task]]\nid = 'a'\ndepends = ['c']\nnmae = 'x'\n[[task]]\nid = \
                'b'\ndepends = ['a', 'b', 'z']\n[[task]]\nid = 'c'\ndepends = ['b']\n[[task]]\nid = 'a'\n";
    let first = write(&world, "first.toml", text);
    let second = write(&world, "second.toml", "[[task]]\nid = \"1\"\nid = \n");
    let out = check(&world, &[&first]);
    out.code(2).silent().harmless();
    for said in [
        "first.toml:6: task \"a\": nmae: unknown field",
        "first.toml:7: task \"b\": depends: on itself",
        "first.toml:7: task \"b\": depends: there is no task \"z\"",
        "first.toml:13: task \"a\": id: the task at ",
    ] {
        out.says(said);
    }
    let out = check(&world, &[&first, &second, "/nowhere/else.toml"]);
    out.code(2)
        .says("second.toml:3: not valid TOML")
        .says("/nowhere/else.toml: there is no such file");
    // Nothing is known of what a file would have had that could not be read.
    out.never_says("there is no task");
    let circle = write(
        &world,
        "circle.json",
        r#"{"task": [{"id": "a b", "depends": ["2"]}, {"id": "2", "depends": ["3"]}, {"id": "3", "depends": ["a b"]}]}"#,
    );
    let out = world.pool(["dispatch", "check", &circle, "--", "true"]);
    out.code(2).says("\"a b\" → 2 → 3 → \"a b\"");
    assert!(!world.workspace().exists());
    let out = world.pool(["dispatch", "run", &circle, "--", "true"]);
    out.code(2).says("\"a b\" → 2 → 3 → \"a b\"");
}

/// What is printable is an id, however strange; what is not is none.
#[test]
fn ids_hold_anything_that_can_be_printed() {
    let world = World::new();
    let ids = [
        "../../etc/passwd",
        "a \"quoted\" 'id'",
        "-x",
        "日本語",
        &"x".repeat(10_000),
    ];
    let tasks: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "command": ["true"]}))
        .collect();
    let file = write(&world, "ids.json", &json!({ "task": tasks }).to_string());
    check(&world, &[&file]).ok();
    let out = world.pool(["dispatch", "graph", &file]);
    out.ok().harmless();
    assert!(out.stdout.contains("a \\\"quoted\\\" 'id'"), "{out}");
    for id in ["a\nb", "\u{1b}[31m", "", "\u{0}"] {
        let text = json!({"task": [{"id": id, "command": ["true"]}]}).to_string();
        let file = write(&world, "wrong.json", &text);
        check(&world, &[&file])
            .code(2)
            .harmless()
            .says("wrong.json:1: id: ");
    }
}

/// 3, 12: what no agent pool could ever run is refused, and what only the default gets is said.
#[test]
fn requests_that_can_never_be_met_are_refused() {
    let world = World::new();
    world.declare(
        "[dispatch]\nskill_mapping = { docs = ['small'], default = ['large'] }\n\
         [agent_pools.small]\ncpu_quota = 1\nmemory_quota = 512\n\
         [agent_pools.large]\ncpu_quota = 8\n",
    );
    let task = |more: &str| format!("task = [{{ id = 'a', command = ['true'], {more} }}]\n");
    for (more, said) in [
        ("cpu = 9", "it asks for 9 CPU"),
        ("cpu = 1.5, skill = 'docs'", "it asks for 1.5 CPU"),
        ("memory = '1G', skill = 'docs'", "it asks for 1G of memory"),
    ] {
        let file = write(&world, "t.toml", &task(more));
        check(&world, &[&file])
            .code(2)
            .silent()
            .says("t.toml:1: task \"a\": ")
            .says(said);
    }
    let file = write(&world, "t.toml", &task("cpu = 8, skill = 'rust'"));
    check(&world, &[&file])
        .ok()
        .says("no agent pool serves the skill \"rust\"");
}

/// The graph of files, for both programs.
#[test]
fn the_graph_is_printed_for_graphviz_and_mermaid() {
    let world = World::new();
    let file = write(&world, "tasks.toml", OURS);
    let out = world.pool(["dispatch", "graph", &file]);
    assert_eq!(
        out.ok().stdout,
        "digraph tasks {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white];\n  \
         t0 [label=\"1\\nBase\"];\n  t1 [label=\"2\\nLog \\\"in\\\"\"];\n  t2 [label=\"3\"];\n  \
         t0 -> t1;\n  t0 -> t2 [style=dashed];\n  t1 -> t2 [style=dashed];\n}\n"
    );
    let out = world.pool(["dispatch", "graph", "--mermaid", &file]);
    assert_eq!(
        out.ok().stdout,
        "flowchart LR\n  t0[\"1<br>Base\"]\n  t1[\"2<br>Log #34;in#34;\"]\n  t2[\"3\"]\n  \
         t0 --> t1\n  t0 -.-> t2\n  t1 -.-> t2\n"
    );
    let answer = world
        .pool(["--json", "dispatch", "graph", &file])
        .ok()
        .json();
    assert_eq!(answer["result"]["tasks"][2]["depends"], json!(["1", "2"]));
    world
        .pool("dispatch graph")
        .code(2)
        .says("there is no run yet");
}

/// 2: the dispatcher's keys are shown, checked and explained as all others are.
#[test]
fn the_dispatchers_settings_are_shown_and_checked() {
    let world = World::new();
    world.declare("[dispatch]\npoll_interval = 2\n[agent_pools.local]\nmemory_quota = 512\n");
    let out = world.pool("config show");
    for line in [
        "dispatch.poll_interval",
        "dispatch.heartbeat_timeout",
        "agent_pools.local.memory_quota",
        "pools.toml:2 [dispatch]",
        "pools.toml:4 [agent_pools.local]",
    ] {
        assert!(out.ok().stdout.contains(line), "{line}\n{out}");
    }
    let shown = world.pool("--json config show").ok().json();
    assert_eq!(shown["result"]["dispatch"]["poll_interval"]["value"], 2.0);
    assert_eq!(
        shown["result"]["agent_pools.local"]["memory_quota"]["value"],
        "512M"
    );
    let toml = world.pool("config show --toml").ok().stdout.clone();
    world.declare(&toml);
    let again = world.pool("--json config show").ok().json();
    assert_eq!(again["result"]["dispatch"]["poll_interval"]["value"], 2.0);
    world.declare("[dispatch]\npoll_intervall = 2\n[agent_pools.x]\ntype = 'local'\n");
    world
        .pool("config check")
        .code(2)
        .says("pools.toml:2: dispatch.poll_intervall: unknown key; did you mean poll_interval?")
        .says("pools.toml:4: agent_pools.x.type: \"local\" is not known");
    let other = world.path("other").display().to_string();
    world.pool(["init", &other]).ok();
    let template = fs::read_to_string(world.path("other/pools.toml")).expect("the template");
    for line in [
        "#[dispatch]",
        "#poll_interval = \"5s\"",
        "#[agent_pools.local]",
        "#max_concurrency = ",
    ] {
        assert!(template.contains(line), "{line}\n{template}");
    }
}

const DISPATCHER: &str = "\
dispatcher:
  poll_interval: 5
  scheduling_policy: fair_share
  max_global_concurrency: 10
  heartbeat_timeout: 60
  retry:
    max_attempts: 4
    backoff_base: 2.5
  graceful_shutdown:
    timeout: 120
  colour: red
  skill_mapping:
    backend: [docker, k8s]
    default: local
agent_pools:
  - name: local
    type: local_process
    max_concurrency: 2
    enabled: true
    image: none
  - name: docker
    type: docker
    cpu_quota: 4
    memory_quota: 8192
    config:
      image: team/runner:1
  - name: k8s
    type: kubernetes
    config:
      namespace: agents
";

const IMPORTED: &str = "[dispatch]
poll_interval = \"5s\"
scheduling_policy = \"fair-share\"
max_global_concurrency = 10
heartbeat_timeout = \"60s\"
retry_max_attempts = 4
retry_backoff_base = 2.5
graceful_shutdown_timeout = \"2m\"
skill_mapping = { backend = [\"docker\", \"k8s\"], default = [\"local\"] }

[agent_pools.local]
type = \"local-process\"
max_concurrency = 2
enabled = true

[agent_pools.docker]
type = \"docker\"
cpu_quota = 4
memory_quota = \"8G\"
image = \"team/runner:1\"

[agent_pools.k8s]
type = \"kubernetes\"
namespace = \"agents\"
";

/// The original's dispatcher is imported, nested or flat.
#[test]
fn the_originals_dispatcher_is_imported() {
    let world = World::new();
    let import = |text: &str| {
        let file = write(&world, "dispatcher.yaml", text);
        world.pool(["config", "import", &file])
    };
    let out = import(DISPATCHER);
    let (_, made) = out.ok().stdout.split_once("\n\n").expect("a comment first");
    assert_eq!(made, IMPORTED);
    out.says("dispatcher.yaml:11: dispatch.colour: ")
        .says("agent_pools.local.image: is left behind");
    assert_eq!(out.stderr.lines().count(), 2, "{out}");
    let flat = DISPATCHER
        .replace(
            "  retry:\n    max_attempts: 4\n    backoff_base: 2.5\n",
            "  retry_max_attempts: 4\n  retry_backoff_base: 2.5\n",
        )
        .replace(
            "  graceful_shutdown:\n    timeout: 120\n",
            "  graceful_shutdown_timeout: 120\n",
        )
        .replace("  colour: red\n", "");
    let (head, tail) = flat.split_once("agent_pools:").expect("agent pools");
    let top: String = head
        .lines()
        .skip(1)
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let out = import(&format!("{top}agent_pools:{tail}"));
    assert!(out.ok().stdout.ends_with(IMPORTED), "{out}");
    let out = import(
        "retry:\n  max_attempts: 0\nretry_max_attempts: 2\nskill_mapping:\n  a: nobody\nagent_pools:\n  x: 3\n  y: {type: podman}\n",
    );
    out.code(2).silent();
    for said in [
        "yaml:2: retry.max_attempts: ",
        "yaml:5: skill_mapping: there is no agent pool nobody",
        "yaml:7: agent_pools.x: is no table",
        "yaml:8: agent_pools.y.type: ",
    ] {
        out.says(said);
    }
    // What was written is right, and is used.
    let file = write(&world, "dispatcher.yaml", DISPATCHER);
    world
        .pool(["config", "import", &file, "--output"])
        .ok()
        .says("0 pools and 3 agent pools");
    world.pool("config check").ok();
}

//! What is read from files, and what is said of those that are wrong.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::domain::dispatch::{Base, Initial, When};

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        fs::write(&path, text).expect("writing");
        path
    }
}

fn defaults() -> Defaults {
    Defaults {
        command: Some(vec!["run".to_owned()].into()),
        repo: Some("app".into()),
        max_attempts: 3,
    }
}

fn one(name: &str, text: &str) -> std::result::Result<Loaded, Vec<String>> {
    let dir = Dir::new();
    let said = |problem: &Problem| {
        let said = problem.to_string();
        let at = said.find(name).map_or(0, |at| at + name.len() + 1);
        said[at..].to_owned()
    };
    load(&[dir.file(name, text)], &defaults())
        .map_err(|problems| problems.iter().map(said).collect())
}

const OURS: &str = r#"
[defaults]
command = ["agent", "--task", "{task_file}"]
repo = "web"
retries = 2
timeout = "30m"
env = { A = "1", B = "2" }

[[task]]
id = "2"

[[task]]
id = "3"
title = "Log in"
description = "…"
depends = ["2", 2]
priority = 5
skill = "backend"
share = "team-a"
cpu = 0.5
memory = "2G"
base = "deps"
files = ["api/auth.py"]
when = "always"
retries = 0
stall = 600
env = { B = "3" }
"#;

#[test]
fn our_format_is_read_with_its_defaults() {
    let loaded = one("tasks.toml", OURS).unwrap();
    let [first, second] = loaded.tasks.as_slice() else {
        panic!("{:?}", loaded.tasks)
    };
    assert_eq!((&*first.id, &*first.share), ("2", "tasks"));
    assert_eq!((first.max_attempts, first.cpu, first.memory), (3, 1000, 0));
    assert_eq!(first.timeout, Some(Duration::from_secs(1800)));
    assert_eq!(&*first.command, ["agent", "--task", "{task_file}"]);
    assert_eq!(first.repo.as_deref(), Some("web"));
    assert_eq!(
        (&*second.id, &*second.title, second.priority),
        ("3", "Log in", 5)
    );
    assert_eq!(second.depends, ["2".into()]);
    assert_eq!(second.skill.as_deref(), Some("backend"));
    assert_eq!((&*second.share, second.cpu), ("team-a", 500));
    assert_eq!(second.memory, 2 << 30);
    assert_eq!((&second.base, second.when), (&Base::Deps, When::Always));
    assert_eq!(second.files, ["api/auth.py".into()]);
    assert_eq!(second.max_attempts, 1);
    assert_eq!(second.stall, Some(Duration::from_secs(600)));
    assert_eq!((&*second.env["A"], &*second.env["B"]), ("1", "3"));
    // The same in JSON.
    let value: toml::Table = OURS.parse().unwrap();
    let json = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(one("tasks.json", &json).unwrap().tasks, loaded.tasks);
}

#[test]
fn a_file_that_says_nothing_takes_everything_from_elsewhere() {
    let loaded = one("few.toml", "task = [{ id = 1 }]\n").unwrap();
    assert_eq!(&*loaded.tasks[0].command, ["run"]);
    assert_eq!(loaded.tasks[0].repo.as_deref(), Some("app"));
    assert_eq!(loaded.sources[0].name, "few");
    assert!(one("none.toml", "").unwrap().tasks.is_empty());
}

#[test]
fn a_task_list_is_read_as_it_is() {
    let text = r#"{
  "project": "shop",
  "description": "A shop",
  "tasks": [
    {"id": "1", "title": "Base", "description": "…", "dependencies": []},
    {"id": "2", "title": "Log in", "description": "…", "dependencies": ["1"], "type": "backend",
     "files_to_create": ["api/auth.py"], "acceptance_criteria": ["it works"], "team": {"lead": null}}
  ]
}"#;
    let loaded = one("tasks.json", text).unwrap();
    let second = &loaded.tasks[1];
    assert_eq!(loaded.sources[0].format, Format::TaskList);
    assert_eq!((&*second.id, &*second.title), ("2", "Log in"));
    assert_eq!(second.skill.as_deref(), Some("backend"));
    assert_eq!(second.depends, ["1".into()]);
    assert_eq!(second.files, ["api/auth.py".into()]);
    assert_eq!((&*second.share, &*second.command[0]), ("shop", "run"));
    let extra = serde_json::to_string(&second.extra).unwrap();
    assert_eq!(
        extra,
        r#"{"acceptance_criteria":["it works"],"team":{"lead":null}}"#
    );
    assert!(loaded.tasks[0].extra.is_empty());
}

/// A task of a registry, with more entries.
fn registered(id: &str, state: &str, more: &str) -> String {
    format!(
        r#"{{"id": "{id}", "title": "T", "description": "D", "state": "{state}"{more},
            "created_at": "2025-01-01T00:00:00+00:00", "updated_at": "2025-01-01T00:00:00+00:00"}}"#
    )
}

fn task_set(spec: &str, tasks: &[String]) -> String {
    format!(
        r#"{{"spec_name": "{spec}", "version": 4, "created_at": "x", "updated_at": "y",
            "tasks": [{}], "metadata": {{}}}}"#,
        tasks.join(",")
    )
}

#[test]
fn a_task_set_is_read_with_what_became_of_its_tasks() {
    let more = r#", "dependencies": ["1", "2"], "required_skill": null, "priority": -3,
        "is_optional": false, "assigned_slot": "s", "runner_id": "r", "reserved_branch": "feat/x",
        "artifacts": [], "metadata": {"points": 3}"#;
    let tasks = [
        registered("1", "done", ""),
        registered("2", "failed", ""),
        registered("3", "running", more),
        registered("4", "blocked", ""),
        registered("5", "ready", ""),
    ];
    let loaded = one("taskset.json", &task_set("login", &tasks)).unwrap();
    let states: Vec<Initial> = loaded.tasks.iter().map(|task| task.initial).collect();
    let open = Initial::Open;
    assert_eq!(states, [Initial::Done, Initial::Failed, open, open, open]);
    let third = &loaded.tasks[2];
    assert_eq!((third.priority, third.skill.as_deref()), (-3, None));
    assert_eq!(third.branch.as_deref(), Some("feat/x"));
    assert_eq!(third.depends.len(), 2);
    let extra = serde_json::to_string(&third.extra).unwrap();
    assert_eq!(extra, r#"{"is_optional":false,"metadata":{"points":3}}"#);
    let source = &loaded.sources[0];
    assert_eq!(
        (source.format, source.name.as_str()),
        (Format::TaskSet, "login")
    );
}

#[test]
fn ids_of_several_lists_do_not_meet() {
    let dir = Dir::new();
    let more = r#", "dependencies": ["1"]"#;
    let set = |spec| {
        task_set(
            spec,
            &[registered("1", "done", ""), registered("2", "ready", more)],
        )
    };
    let files = [
        dir.file("a.json", &set("a")),
        dir.file("b.json", &set("b")),
        dir.file("c.toml", "task = [{ id = \"3\", depends = [\"b/2\"] }]\n"),
    ];
    let loaded = load(&files, &defaults()).unwrap();
    let ids: Vec<&str> = loaded.tasks.iter().map(|task| &*task.id).collect();
    assert_eq!(ids, ["1", "2", "b/1", "b/2", "3"]);
    assert_eq!(loaded.tasks[3].depends, ["b/1".into()]);
    let files: Vec<u32> = loaded.tasks.iter().map(|task| task.file).collect();
    assert_eq!(files, [0, 0, 1, 1, 2]);
}

#[test]
fn everything_that_is_wrong_with_a_file_is_named_with_its_line() {
    let text = r#"[defaults]
colour = "red"
timeout = "soon"
[[task]]
id = "1"
depends = ["2", "9", "1"]
[[task]]
id = "2"
depends = ["3"]
titel = "x"
retries = -1
cpu = "two"
memory = "lots"
when = "never"
command = []
base = "-x"
branch = "a b"
[[task]]
id = "3"
depends = ["4"]
env = { A = 1 }
priority = "high"
[[task]]
id = "4"
depends = ["2"]
[[task]]
title = "nameless"
[[task]]
id = "1"
[[task]]
id = "a\nb"
[[tasks]]
"#;
    let said = one("tasks.toml", text).unwrap_err();
    let expected = [
        "2: colour: unknown field (allowed: command, repo, retries, timeout, stall, priority, skill, \
         share, cpu, memory, base, when, env)",
        r#"3: timeout: "soon" is no duration"#,
        r#"4: task "1": depends: on itself"#,
        r#"7: task "2": depends: in a circle: 2 → 3 → 4 → 2"#,
        r#"10: task "2": titel: unknown field; did you mean title?"#,
        r#"11: task "2": retries: -1 is out of range (allowed: 0 to 1000)"#,
        r#"12: task "2": cpu: is a text, not a number of processors"#,
        r#"13: task "2": memory: "lots" has the unknown unit "lots""#,
        r#"14: task "2": when: "never" is not known (allowed: "success", "always")"#,
        r#"15: task "2": command: is empty"#,
        r#"16: task "2": base: "-x" begins with '-'"#,
        r#"17: task "2": branch: "a b" holds ' ', which no branch name may"#,
        r#"21: task "3": env: "A" is a whole number, not a text"#,
        r#"22: task "3": priority: is a text, not a whole number"#,
        "26: a task without an id",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert_eq!(said, expected);
    }
    let rest: Vec<&String> = said.iter().skip(expected.len()).collect();
    assert!(
        rest[0].starts_with(r#"28: task "1": id: the task at "#),
        "{rest:?}"
    );
    assert!(rest[0].ends_with("tasks.toml:4 has it too"), "{rest:?}");
    assert_eq!(
        rest[1],
        "31: id: \"a\\nb\" holds characters that can't be printed (new lines are among them)"
    );
    assert_eq!(rest[2], "32: tasks: unknown field; did you mean task?");
    assert_eq!(rest.len(), 3);
}

#[test]
fn a_missing_dependency_is_named_where_all_ids_are_known() {
    let said = one("a.toml", "[[task]]\nid = 'x'\ndepends = ['y \"z']\n").unwrap_err();
    assert_eq!(said, [r#"1: task "x": depends: there is no task "y \"z""#]);
    assert!(
        one("a.toml", "[[task]]\nid = 'x'\ndepends = ['y']\n[[task]]\n")
            .unwrap_err()
            .len()
            == 1
    );
}

#[test]
fn what_is_wrong_in_json_is_named_with_the_line_too() {
    let text = "{\n \"project\": \"p\",\n \"tasks\": [\n  {\"id\": \"1\",\n   \"id\": \"2\",\n   \
                \"type\": 3},\n  7\n ]\n}\n";
    let said = one("tasks.json", text).unwrap_err();
    assert_eq!(
        said,
        [
            "5: \"id\": stands twice",
            "6: task \"1\": type: is a whole number, not a text",
            "7: tasks: is no table",
        ]
    );
    let said = one("t.json", "{\n \"task\": [\n  {\"id\": \"1\",}\n ]\n}").unwrap_err();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("3: not valid JSON: "), "{said:?}");
    let said = one("t.json", "[1]").unwrap_err();
    assert!(said[0].starts_with("1: not valid JSON: "), "{said:?}");
    let said = one("t.toml", "[[task]]\nid = \"1\"\nid = \"2\"\nx").unwrap_err();
    assert!(
        said.iter().all(|said| said.contains("not valid TOML")),
        "{said:?}"
    );
}

#[test]
fn ids_may_hold_anything_printable_of_any_length() {
    let long = "x".repeat(10_000);
    let ids = [
        "a/b",
        "../..",
        "it's \"so\"",
        "-rf",
        " ",
        "日本",
        "%2F",
        &long,
    ];
    let tasks: Vec<String> = ids.iter().map(|id| format!("{{\"id\": {id:?}}}")).collect();
    let text = format!("{{\"task\": [{}]}}", tasks.join(","));
    let loaded = one("t.json", &text).unwrap();
    let read: Vec<&str> = loaded.tasks.iter().map(|task| &*task.id).collect();
    assert_eq!(read, ids);
    for id in ["\\u0000", "\\u001b[31m", "a\\nb", ""] {
        let text = format!("{{\"task\": [{{\"id\": \"{id}\"}}]}}");
        let said = one("t.json", &text).unwrap_err();
        assert!(said[0].starts_with("1: id: "), "{said:?}");
    }
    let text = format!("task = [{{ id = \"{}\" }}]", "y".repeat(40_000));
    assert!(one("t.toml", &text).unwrap_err()[0].contains("is longer than"));
}

#[test]
fn a_file_that_can_not_be_read_is_a_problem_like_others() {
    let dir = Dir::new();
    let missing = dir.0.path().join("none.toml");
    let right = dir.file("a.toml", "task = [{ id = 'a', depends = ['b'] }]");
    let latin = dir.0.path().join("latin.toml");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(&latin, b"# \n# \xe4\n").expect("writing");
    let files = [
        missing,
        dir.0.path().to_owned(),
        right.clone(),
        latin,
        right,
    ];
    let said = load(&files, &defaults()).unwrap_err();
    let what: Vec<&str> = said.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(what.len(), 4, "{what:?}");
    for expected in ["there is no such file", "is not in UTF-8", "is named twice"] {
        assert!(what.contains(&expected), "{what:?}");
    }
}

#[test]
fn a_command_must_come_from_somewhere() {
    let dir = Dir::new();
    let file = dir.file(
        "t.toml",
        "task = [{ id = 'a' }, { id = 'b' }, { id = 'c', command = ['x'] }]",
    );
    let said = load(std::slice::from_ref(&file), &Defaults::default()).unwrap_err();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].what.starts_with("command is missing (and 1 other"),
        "{said:?}"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}=\",: a-z0-9\\n]{0,80}", json: bool) {
        let name = if json { "x.json" } else { "x.toml" };
        let text = if json { format!("{{\"task\": [{text}]}}") } else { format!("[[task]]\n{text}") };
        let _ = one(name, &text);
    }
}

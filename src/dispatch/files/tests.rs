//! What is read from files, and what is said of those that are wrong.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

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

fn one(name: &str, text: &str) -> Result<Loaded, Vec<String>> {
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

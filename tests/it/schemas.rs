//! The published schemas hold for what the program really prints, and refuse anything else. Every other
//! test that reads JSON holds it against them too.

use crate::support::schemas::{assert_is, misfits, read_all, strict_misfits};
use crate::support::{Out, Remote, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Verbs whose output is not theirs to choose, or no document: a command's, a contract's, a script.
const WITHOUT_DOCUMENT: [&str; 4] = ["exec", "hook", "completions", "shell-init"];

/// A world in which it is noted what was printed.
struct Scene {
    world: World,
    remote: Remote,
    documents: BTreeSet<String>,
    verbs: BTreeSet<String>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let remote = world.remote();
        let (documents, verbs) = Default::default();
        Self {
            world,
            remote,
            documents,
            verbs,
        }
    }

    fn run(&mut self, command: &str) -> Out {
        let verb = command.split(' ').next().expect("a verb");
        self.verbs.insert(verb.to_owned());
        self.world.pool(format!("{command} --json"))
    }

    fn note(&mut self, name: &str, document: &Value) {
        assert_is(name, document);
        self.documents.insert(name.to_owned());
    }

    /// The command ends well and prints the document `name`.
    #[track_caller]
    fn prints(&mut self, name: &str, command: &str) -> Value {
        self.ends(0, name, command)
    }

    /// The same with another exit code.
    #[track_caller]
    fn ends(&mut self, code: i32, name: &str, command: &str) -> Value {
        let out = self.run(command);
        let document = out.code(code).json();
        self.note(name, &document);
        document
    }

    /// The command fails, and says so in a document.
    #[track_caller]
    fn fails(&mut self, kind: &str, command: &str) -> Value {
        let out = self.run(command);
        let error = out.silent().kind(kind).error();
        self.note("error", &json!({ "schema": 1, "error": error }));
        error
    }

    /// Takes a slot, which stays held.
    #[track_caller]
    fn take(&mut self, args: &str) -> Value {
        self.prints("slot", &format!("allocate {args}"))["slot"].clone()
    }

    fn declare(&self, text: &str) {
        fs::write(self.world.workspace().join("pools.toml"), text).expect("writing");
    }

    /// What makes the workspace, the pool and its slots, and shows them.
    fn make(&mut self) {
        self.prints("init", "init");
        self.prints("pools", "status");
        let url = self.remote.url();
        self.prints("pool", &format!("create p {url} -n 2"));
        for (name, command) in [
            ("list", "list"),
            ("slot", "add-slot p"),
            ("slots", "add-slot p -n 2"),
            ("slot", "isolate p/slot5 --reason looking"),
            ("pools", "status --disk"),
            ("pool", "status p"),
            ("pool", "status p --disk"),
            ("slot", "status p/slot1"),
            ("slot", "status p/slot5"),
            ("branches", "branches p"),
            ("config-path", "config path"),
            ("config-check", "config check"),
            ("config-show", "config show"),
        ] {
            self.prints(name, command);
        }
        let pages = self.world.path("pages").display().to_string();
        let written = self.prints("man", &format!("man {pages}"));
        assert_eq!(written["result"]["directory"], pages.as_str());
    }

    /// What hands slots out and takes them back, with work in them; the ids of what was saved.
    fn use_slots(&mut self) -> Vec<String> {
        let pid = std::process::id();
        let slot = self.take(&format!(
            "p --owner me --owner-pid {pid} --key mine --ttl 1h --meta task=1 --export"
        ));
        assert!(slot["environment"].is_object(), "{slot}");
        let id = id_of(&slot);
        self.prints("slot", &format!("renew {id} --ttl 2h"));
        self.work_in(&slot);
        let shown = self.prints("slot", &format!("status {id}"));
        assert!(shown["slot"]["work"]["changes"].is_object(), "{shown}");
        let mine = self.world.clone_of(&self.remote, "mine");
        let collected = self.prints(
            "collect",
            &format!("collect {id} --into {}", mine.display()),
        );
        assert_ne!(collected["result"]["branches"], json!([]), "{collected}");
        let released = self.prints("release", &format!("release {id} --force"));
        self.prints("release", &format!("release {id}"));
        self.prints("released", "release --key mine");

        let two = ["p --no-fetch --branch topic", "p --no-fetch"].map(|args| self.take(args));
        two.iter().for_each(|slot| self.work_in(slot));
        let [one, other] = two.each_ref().map(id_of);
        let both = self.prints("released", &format!("release {one} {other}"));
        let both = both["released"].as_array().expect("a list");
        [&released]
            .into_iter()
            .chain(both)
            .map(|one| one["rescue"]["rescue_id"].as_str().expect("work was saved"))
            .map(str::to_owned)
            .collect()
    }

    /// Leaves a commit and a file in a slot.
    fn work_in(&self, slot: &Value) {
        let path = path_of(slot);
        self.world.commit(Path::new(path), "one.txt", path);
        fs::write(Path::new(path).join("new.txt"), path).expect("writing");
    }

    /// What deals with saved work.
    fn bring_back(&mut self, ids: &[String]) {
        let rescues = self.prints("rescues", "rescue list");
        assert_eq!(rescues["rescues"].as_array().map(Vec::len), Some(ids.len()));
        for id in ids {
            self.prints("rescue", &format!("rescue show {id}"));
        }
        self.prints("restored", &format!("rescue restore {} --branch b", ids[0]));
        let held = self.take("p --no-fetch");
        self.prints(
            "restored",
            &format!("rescue restore {} --into {}", ids[1], id_of(&held)),
        );
        self.prints("dropped", &format!("rescue drop {} {}", ids[0], ids[1]));
    }

    /// What keeps pools in order.
    fn keep_in_order(&mut self) {
        let slot = self.take("p --no-fetch");
        fs::remove_dir_all(path_of(&slot)).expect("removing a slot in use");
        self.ends(1, "recover", "recover --dry-run");
        let out = self.run("recover");
        let recovered = out.one_of(&[0, 1]).json();
        self.note("recover", &recovered);
        self.world.push_commit(&self.remote, "next.txt", "next\n");
        let warmed = self.prints("warm", "warm p");
        assert_ne!(warmed["result"]["summary"]["warmed"], 0, "{warmed}");
        self.prints("metrics", "metrics");
        self.prints("metrics", "metrics p");
        let url = self.remote.url();
        self.declare(&format!(
            "[pools.q]\nrepo_url = \"{url}\"\nnum_slots = 2\nsetup = \"true\"\n"
        ));
        self.ends(1, "apply", "apply --dry-run");
        self.prints("apply", "apply");
        self.prints("config-show", "config show");
        let held = self.take("q --no-fetch");
        self.declare("");
        self.ends(5, "apply", "apply --prune");
        self.prints("removed", &format!("remove-slot {} --force", id_of(&held)));
        self.prints("removed", "remove-pool q --force");
        let yaml = self.world.path("pools.yaml");
        fs::write(&yaml, "defaults:\n  num_slots: 2\npools: {}\n").expect("writing");
        self.prints(
            "config-import",
            &format!("config import {}", yaml.display()),
        );
    }

    /// What tells of it afterwards, a line a document.
    fn tell(&mut self) {
        let events = self.run("log");
        for event in events.ok().json_lines() {
            self.note("log", &event);
        }
        for (name, command) in [
            ("pools", "status --watch=1h --json"),
            ("pool", "status p --watch=1h --json"),
            ("slot", "status p/slot1 --watch=1h --json"),
            ("log", "log -f --json"),
        ] {
            let running = self.world.call(command).spawn();
            let line = serde_json::from_str(&running.line()).expect("a document");
            running.signal(rustix::process::Signal::TERM);
            running.finish();
            self.note(name, &line);
        }
    }

    /// What goes wrong, with what exit code whatsoever.
    fn fail(&mut self) {
        for (kind, command) in [
            ("usage", "allocate"),
            ("usage", "create . /nowhere"),
            ("pool_not_found", "status nothing"),
            ("slot_not_found", "status p/slot77"),
        ] {
            self.fails(kind, command);
        }
        let slot = self.take("p --no-fetch");
        let id = id_of(&slot);
        self.fails("stale_allocation", &format!("release {id} --allocation 01"));
        self.fails("refused", &format!("isolate {id}"));
        let held = self.world.hold("pool.lock");
        self.fails("lock_timeout", "add-slot p --lock-timeout 1ms");
        drop(held);
        while self.run("allocate p --no-fetch").code == 0 {}
        self.fails("no_available_slot", "allocate p --no-fetch");

        self.prints("release", &format!("release {id} --force"));
        fs::rename(self.remote.dir(), self.world.path("elsewhere")).expect("moving the remote");
        let error = self.fails("git_operation", "allocate p");
        assert!(error["git"]["exit_code"].is_number(), "{error}");
        self.declare("[defaults]\non_fetch_failure = \"use-cache\"\n");
        let out = self.run("allocate p");
        let warning = serde_json::from_str(&out.ok().stderr).expect("a warning");
        self.note("warning", &warning);
        self.declare("[defaults]\nnum_slots = 0\nunknown = 1\n");
        self.fails("config_validation", "config check");
    }
}

fn id_of(slot: &Value) -> &str {
    slot["slot_id"].as_str().expect("an id")
}

fn path_of(slot: &Value) -> &str {
    slot["slot_path"].as_str().expect("a path")
}

/// Section 4: every verb prints what is published, nothing more, and every schema is some command's.
#[test]
fn every_verb_prints_what_is_published() {
    let mut scene = Scene::new();
    scene.make();
    let ids = scene.use_slots();
    scene.bring_back(&ids);
    scene.keep_in_order();
    scene.tell();
    scene.fail();

    let published: BTreeSet<String> = read_all().into_keys().collect();
    assert_eq!(scene.documents, published);
    let command = repo_pool::cli::command();
    let verbs: BTreeSet<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .filter(|verb| !WITHOUT_DOCUMENT.contains(&verb.as_str()))
        .collect();
    assert_eq!(scene.verbs, verbs);
}

/// Section 4: fields may be added, so readers let them pass; here they have to be published. Anything
/// else that is wrong is refused in either case.
#[test]
fn what_is_not_published_is_refused() {
    let (world, _remote) = World::with_pool(1);
    let good = world.pool("status p/slot1 --json").ok().json();
    let with = |pointer: &str, key: &str, value: Value| {
        let mut document = good.clone();
        let at = document.pointer_mut(pointer).expect("an object");
        at[key] = value;
        document
    };
    let verdicts = |document: &Value| {
        let open = misfits("slot", document);
        let strict = strict_misfits("slot", document);
        (open.is_empty(), strict.is_empty())
    };
    assert_eq!(verdicts(&good), (true, true));
    for place in ["", "/slot", "/slot/work", "/slot/work/changes"] {
        let more = with(place, "more", json!(1));
        assert_eq!(verdicts(&more), (true, false), "{place}");
    }
    for (key, value) in [
        ("state", json!("sleeping")),
        ("state", json!(null)),
        ("parked", json!("yes")),
        ("allocation_count", json!(-1)),
        ("created_at", json!("yesterday")),
        ("allocation_id", json!(null)),
    ] {
        let wrong = with("/slot", key, value);
        assert_eq!(verdicts(&wrong), (false, false), "{key}");
    }
    // What could not be determined is null, and published as such.
    let unknown = with("/slot", "disk_usage_bytes", json!(null));
    assert_eq!(verdicts(&unknown), (true, true));
    assert_eq!(verdicts(&with("", "schema", json!(2))), (false, false));
    let mut missing = good.clone();
    missing["slot"]
        .as_object_mut()
        .expect("a slot")
        .remove("slot_id");
    assert_eq!(verdicts(&missing), (false, false));
}

/// The files are schemas of the draft that they name, each with an id of its own.
#[test]
fn the_files_are_schemas() {
    for (name, schema) in read_all() {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$id"], format!("urn:repo-pool:schema:1:{name}"));
        assert_eq!(schema["properties"]["schema"]["const"], 1, "{name}");
        let draft = "https://json-schema.org/draft/2020-12/schema";
        assert_eq!(schema["$schema"], draft, "{name}");
    }
}

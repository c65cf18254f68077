//! What must hold between any two commands.

use super::agent::{has_file, objects_in, place};
use crate::support::World;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Something that an agent made.
#[derive(Debug, Clone)]
pub struct Work {
    pub slot: String,
    pub text: String,
    pub blob: String,
}

/// One slot, as the pool's record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub state: String,
    pub verified: bool,
    /// Who holds it.
    pub allocation: Option<(String, u64)>,
    /// The commit it was brought to.
    pub commit: String,
    /// Whether an operation is under way.
    pub busy: bool,
}

/// The record of pool `p`, which must parse.
#[track_caller]
pub fn record(world: &World) -> Value {
    let bytes = std::fs::read(world.pool_dir("p").join("pool.json")).expect("pool.json");
    serde_json::from_slice(&bytes).expect("pool.json parses")
}

/// The slots of pool `p` by name.
#[track_caller]
pub fn slots(world: &World) -> BTreeMap<String, Seen> {
    let record = record(world);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = record["slots"].as_array().expect("slots");
    let seen = |slot: &Value| Seen {
        state: text(&slot["state"]),
        verified: slot.get("mark").is_some(),
        allocation: slot.get("allocation").map(|held| {
            let generation = held["generation"].as_u64().expect("a generation");
            (text(&held["id"]), generation)
        }),
        commit: text(&slot["commit"]),
        busy: slot.get("operation").is_some(),
    };
    list.iter()
        .map(|slot| (format!("slot{}", slot["number"]), seen(slot)))
        .collect()
}

/// State, directories and git agree; what is said to be clean is; the history parses.
#[track_caller]
pub fn consistent(world: &World) {
    let seen = slots(world);
    let listed = world.git(&world.bare("p"), "worktree list --porcelain");
    let registered: BTreeSet<PathBuf> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("worktree "))
        .map(PathBuf::from)
        .filter(|path| path.parent() == Some(&world.pool_dir("p").join("worktrees")))
        .collect();
    let expected: BTreeSet<PathBuf> = seen.keys().map(|slot| world.slot_path(slot)).collect();
    let odd: Vec<_> = registered.symmetric_difference(&expected).collect();
    assert!(
        odd.is_empty(),
        "state and git disagree about {odd:?}\n{listed}"
    );
    for at in ["worktrees", "parked"] {
        let dir = world.pool_dir("p").join(at);
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(seen.contains_key(&name), "{name} in {at} is no slot");
        }
    }
    for (name, slot) in &seen {
        let held = slot.state == "allocated";
        assert_eq!(slot.allocation.is_some(), held, "{name}: {slot:?}");
        assert!(!slot.busy, "{name}: nothing is under way: {slot:?}");
        let known = ["available", "allocated", "error"].contains(&slot.state.as_str());
        assert!(known, "{name}: {slot:?}");
        if slot.state == "available" && slot.verified {
            let place = place(world, name).unwrap_or_else(|| panic!("{name} has no directory"));
            assert_clean(world, name, &place, &slot.commit);
            let head = std::fs::read_to_string(world.admin_dir(name).join("HEAD"));
            assert_eq!(
                head.expect("HEAD").trim(),
                slot.commit,
                "{name} is detached at its commit"
            );
        }
    }
    let events = std::fs::read_to_string(world.pool_dir("p").join("events.jsonl"));
    for line in events.unwrap_or_default().lines() {
        serde_json::from_str::<Value>(line).expect("an event parses");
    }
}

/// The slot is exactly `commit`, by an index of its own; nothing is hidden or under way.
#[track_caller]
pub fn assert_clean(world: &World, slot: &str, place: &Path, commit: &str) {
    let admin = world.admin_dir(slot);
    let index = world.path(format!("index-of-{slot}"));
    let _ = std::fs::remove_file(&index);
    let git = |own_index: bool, args: &str| {
        let mut git = world.command("git");
        git.arg("--git-dir")
            .arg(&admin)
            .arg("--work-tree")
            .arg(place);
        git.args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.sparseCheckout=false",
        ]);
        git.args(args.split(' ')).current_dir(place);
        if own_index {
            git.env("GIT_INDEX_FILE", &index);
        }
        let out = git.output().expect("git");
        assert!(out.status.success(), "{slot}: git {args}: {out:?}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert_eq!(
        git(false, "rev-parse HEAD").trim(),
        commit,
        "HEAD of {slot}"
    );
    git(true, &format!("read-tree {commit}"));
    git(true, "update-index --refresh");
    let status = "status --porcelain --untracked-files=all --ignored=matching";
    assert_eq!(git(true, status), "", "{slot} is not clean");
    assert_eq!(
        git(false, status),
        "",
        "{slot} is not clean by its own index"
    );
    let flags = git(false, "ls-files -v");
    assert!(
        flags.lines().all(|line| line.starts_with("H ")),
        "{slot} hides: {flags}"
    );
    const KNOWN: [&str; 7] = [
        "HEAD",
        "ORIG_HEAD",
        "commondir",
        "gitdir",
        "index",
        "locked",
        "logs",
    ];
    // What a slot that stands alone has besides.
    const OWN: [&str; 6] = ["config", "hooks", "info", "objects", "packed-refs", "refs"];
    let stands_alone = admin != world.registration(slot);
    for entry in std::fs::read_dir(&admin).expect("a registration").flatten() {
        let name = entry.file_name();
        assert!(
            KNOWN.iter().any(|known| name == *known)
                || stands_alone && OWN.iter().any(|known| name == *known),
            "{slot}: {name:?} is left"
        );
    }
    assert!(
        odd_entries(place).is_empty(),
        "{slot}: {:?}",
        odd_entries(place)
    );
}

/// Empty directories and what is neither file, directory nor link.
fn odd_entries(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries: Vec<_> = std::fs::read_dir(dir)
        .expect("a directory")
        .flatten()
        .collect();
    if entries.is_empty() {
        found.push(dir.to_owned());
    }
    for entry in entries {
        let kind = entry.file_type().expect("a kind");
        if entry.file_name() == ".git" {
            continue;
        }
        if kind.is_dir() {
            found.extend(odd_entries(&entry.path()));
        } else if !kind.is_file() && !kind.is_symlink() {
            found.push(entry.path());
        }
    }
    found
}

/// Every object that a ref or the stash leads to.
#[track_caller]
pub fn kept_by_refs(world: &World) -> BTreeSet<String> {
    let bare = world.bare("p");
    let mut tips = world.git(&bare, "for-each-ref --format=%(objectname)");
    let stash = world.try_git(&bare, ["log", "-g", "--format=%H", "refs/stash", "--"]);
    tips.push('\n');
    tips.push_str(&stash.stdout);
    let mut git = world.command("git");
    git.args(["rev-list", "--objects", "--stdin"]);
    let out = crate::support::Call::new(git)
        .cwd(&bare)
        .stdin(tips.as_bytes())
        .run();
    let ids = out
        .ok()
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next());
    ids.map(str::to_owned).collect()
}

/// Those of `works` that neither a ref nor the slot itself holds.
#[track_caller]
pub fn missing<'w>(world: &World, works: &'w [Work]) -> Vec<&'w Work> {
    let kept = kept_by_refs(world);
    let mut own: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let unsaved = works.iter().filter(|work| !kept.contains(&work.blob));
    unsaved
        .filter(|work| {
            let objects = own
                .entry(&work.slot)
                .or_insert_with(|| objects_in(world, &work.slot));
            let in_tree = || place(world, &work.slot).is_some_and(|dir| has_file(&dir, &work.text));
            let aside = || has_file(&world.pool_dir("p").join("set-aside"), &work.text);
            !objects.contains(&work.blob) && !in_tree() && !aside()
        })
        .collect()
}

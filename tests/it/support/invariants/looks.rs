//! The single looks that the invariants are made of.

use super::super::World;
use super::super::inspect::walk;
use super::{Findings, Invariants, Kind, await_quiet};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Invariants {
    #[track_caller]
    pub(super) fn agreement(&self, world: &World, record: &Value, found: &mut Findings) {
        let bare = world.bare(&self.pool);
        let wanted: BTreeSet<String> = slots(record)
            .iter()
            .map(|slot| format!("slot{}", slot["number"]))
            .collect();
        let dir = world.pool_dir(&self.pool);
        let mut directories = names(&dir.join("worktrees"));
        directories.extend(names(&dir.join("parked")));
        directories.sort();
        let registered: Vec<String> = names(&bare.join("worktrees"));
        let listed = world.try_git(&bare, "worktree list --porcelain");
        let paths: Vec<&str> = listed
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("worktree "))
            .filter(|path| !path.ends_with("repo.git"))
            .collect();
        let at_home = |name: &String| dir.join("worktrees").join(name).display().to_string();
        let homes: BTreeSet<String> = wanted.iter().map(at_home).collect();
        let agree = listed.code == 0
            && directories.iter().eq(&wanted)
            && registered.iter().eq(&wanted)
            && homes.iter().map(String::as_str).collect::<BTreeSet<_>>()
                == paths.iter().copied().collect();
        if !agree {
            let text = format!(
                "record {wanted:?}, directories {directories:?}, registered {registered:?}, listed {listed}"
            );
            found.add(Kind::Disagreement, text);
        }
    }

    /// A slot is available or allocated; an available one is clean at its commit, detached, and has
    /// nothing foreign in its registration.
    #[track_caller]
    pub(super) fn slot(&self, world: &World, slot: &Value, found: &mut Findings) {
        let name = format!("slot{}", slot["number"]);
        let state = slot["state"].as_str().unwrap_or_default();
        if slot.get("operation").is_some() || !["available", "allocated"].contains(&state) {
            found.add(Kind::NotRecovered, slot.to_string());
            return;
        }
        let admin = world.bare(&self.pool).join("worktrees").join(&name);
        let Some(place) = places(world, &self.pool, &name).pop() else {
            found.add(Kind::Disagreement, format!("{name} is nowhere"));
            return;
        };
        let git = |args: &[&str]| {
            let mut all = vec![
                format!("--git-dir={}", admin.display()),
                format!("--work-tree={}", place.display()),
            ];
            all.extend(args.iter().map(|arg| (*arg).to_owned()));
            world.try_git(&place, all)
        };
        if git(&["rev-parse", "--verify", "-q", "HEAD^{tree}"]).code != 0 {
            found.add(Kind::NotClean, format!("{name} has no commit"));
        }
        if state == "allocated" {
            return;
        }
        // One that nobody has verified is cleaned before it is handed out.
        if slot["verified"] != true {
            return;
        }
        let head = std::fs::read_to_string(admin.join("HEAD")).unwrap_or_default();
        if slot["commit"] != head.trim() {
            found.add(Kind::NotClean, format!("{name} is at {head}: {slot}"));
        }
        let status = [
            "status",
            "--porcelain",
            "--untracked-files=all",
            "--ignored=matching",
        ];
        let status = git(&status);
        let beside = world.beside_furnishings(&place, &status.stdout);
        if status.code != 0 || !beside.is_empty() {
            found.add(Kind::NotClean, format!("{name}: {status}"));
        }
        let flags = git(&["ls-files", "-v"]).stdout;
        // What a sparse slot does not have is marked like what is hidden.
        let is_sparse = admin.join("info/sparse-checkout").exists();
        let is_left_out = |file: &str| is_sparse && !place.join(file).exists();
        let hidden = |line: &&str| match line.split_at(2) {
            ("S ", file) => !is_left_out(file),
            (flag, _) => flag.starts_with(|c: char| c.is_ascii_lowercase()),
        };
        if let Some(line) = flags.lines().find(hidden) {
            found.add(Kind::NotClean, format!("{name} hides {line}"));
        }
        let foreign = |name: &&String| {
            name.contains("rebase") || name.contains("BISECT") || name.ends_with("_HEAD")
        };
        let names = names(&admin);
        let foreign: Vec<_> = names
            .iter()
            .filter(foreign)
            .filter(|name| !["ORIG_HEAD", "FETCH_HEAD"].contains(&name.as_str()))
            .collect();
        if !foreign.is_empty() {
            found.add(Kind::NotClean, format!("{name} has {foreign:?}"));
        }
    }

    pub(super) fn left_behind(&self, world: &World, found: &mut Findings) {
        // Who deletes what was thrown away leaves nothing behind.
        await_quiet(world);
        let mut left = Vec::new();
        walk(&world.bare(&self.pool), &mut |path, _| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let half_made = name.starts_with("tmp_") || name.contains(".tmp-");
            if name.ends_with(".lock") || name.ends_with(".keep") || half_made {
                left.push(path.to_owned());
            }
        });
        left.extend(list(&world.bare(&self.pool).join("repo-pool-tmp")));
        let marker = world.workspace().join(".repo-pool");
        left.extend(list(&marker).into_iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            name.starts_with(b"new-") || name.starts_with(b".")
        }));
        left.extend(list(&marker.join("trash")));
        left.extend(list(&world.pool_dir(&self.pool).join("trash")));
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|n| n.as_bytes()[0] == b'.');
        left.extend(list(&world.pool_dir(&self.pool)).into_iter().filter(hidden));
        if !left.is_empty() {
            found.add(Kind::LeftBehind, format!("{left:?}"));
        }
    }
}

/// Where a slot's directory is: in use or parked.
pub(super) fn places(world: &World, pool: &str, slot: &str) -> Vec<PathBuf> {
    ["parked", "worktrees"]
        .map(|above| world.pool_dir(pool).join(above).join(slot))
        .into_iter()
        .filter(|path| path.is_dir())
        .collect()
}

pub(super) fn slots(record: &Value) -> &[Value] {
    record["slots"].as_array().map_or(&[], Vec::as_slice)
}

/// Everything in the world but the workspace.
pub(super) fn outside(world: &World) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for path in list(&world.path("")) {
        if path == world.workspace() {
            continue;
        }
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        for (below, what) in super::super::snapshot(&path) {
            all.insert(name.join(below), what);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        all.insert(name, format!("{bytes:?}"));
    }
    all
}

pub(super) fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let name = |path: &PathBuf| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut names: Vec<String> = list(dir).iter().map(name).collect();
    names.sort();
    names
}

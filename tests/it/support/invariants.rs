//! What must hold of a pool whatever happens to the processes that work on it.
//!
//! ```ignore
//! let mut held = Invariants::of(&world, "p");
//! held.write(&world, &slot, "work.txt", "work\n");      // tell what agents do, so that it is looked for
//! held.commit(&world, &slot, "done.txt", "done\n");
//! // … commands run, are killed, fail …
//! held.while_running(&world).none_after("…");   // at any moment, also beside running commands
//! held.now(&world).none_after("…");             // while no command runs, nothing recovered yet
//! held.usable(&world).none_after("…");          // allocate and release work without anybody calling recover
//! held.recovered(&world).none_after("…");       // recover puts all right, and a second run finds nothing
//! ```
//!
//! Every look gives the list of what is broken, so that loops can count by [`Kind`].

mod looks;

use super::{World, until};
use looks::{list, outside, places, slots};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A state file does not parse.
    UnparsableFile,
    /// Two allocations of one slot, or a generation that does not rise.
    DoubleAllocation,
    /// A commit or change that was in a slot is nowhere any more.
    LostWork,
    /// State, git's worktree list and the directories say different things.
    Disagreement,
    /// An idle slot is not as it must be handed out.
    NotClean,
    /// A lock file or a half-made thing of git's is left.
    LeftBehind,
    /// Something outside the workspace was changed.
    Outside,
    /// `recover` failed, or left something.
    NotRecovered,
    /// A second `recover` still found something.
    FoundTwice,
    /// A command that should work does not.
    Wedged,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub kind: Kind,
    /// What was seen.
    pub what: String,
}

/// What a look has found.
#[derive(Debug, Default)]
#[must_use = "`none_after` asserts that nothing is broken"]
pub struct Findings(pub Vec<Broken>);

impl Findings {
    /// Nothing must be broken; `what` says what came before.
    #[track_caller]
    pub fn none_after(self, what: &str) {
        let text: Vec<String> = self
            .0
            .iter()
            .map(|broken| format!("{:?}: {}", broken.kind, broken.what))
            .collect();
        assert!(text.is_empty(), "{what}\n{}", text.join("\n"));
    }

    /// Notes one.
    pub fn add(&mut self, kind: Kind, what: impl Into<String>) {
        let what = what.into();
        self.0.push(Broken { kind, what });
    }
}

/// Something that an agent did in a slot.
struct Work {
    object: String,
    /// Where it was written, for changes that nothing has saved yet.
    file: Option<(String, PathBuf, Vec<u8>)>,
    what: String,
}

/// What was seen of a pool and done in it, to be held against what is seen next.
pub struct Invariants {
    pool: String,
    generation: u64,
    /// Who held which slot, by generation.
    given: BTreeMap<u64, (String, u64)>,
    work: Vec<Work>,
    outside: BTreeMap<PathBuf, String>,
}

impl Invariants {
    /// Begins to watch a pool, which may not be there yet, and everything outside the workspace.
    #[track_caller]
    pub fn of(world: &World, pool: &str) -> Self {
        Self {
            pool: pool.to_owned(),
            generation: 0,
            given: BTreeMap::new(),
            work: Vec::new(),
            outside: outside(world),
        }
    }

    /// Writes a file in a slot; from now on it must not get lost.
    #[track_caller]
    pub fn write(&mut self, world: &World, slot: &Path, file: &str, content: &str) {
        std::fs::write(slot.join(file), content).expect("writing a file");
        let object = self.blob(world, content);
        let name = slot.file_name().expect("a slot").to_string_lossy();
        self.work.push(Work {
            object,
            file: Some((name.into_owned(), file.into(), content.into())),
            what: format!("the change of {file} in {}", slot.display()),
        });
    }

    /// Writes a file in a slot and stages it.
    #[track_caller]
    pub fn stage(&mut self, world: &World, slot: &Path, file: &str, content: &str) {
        self.write(world, slot, file, content);
        world.git(slot, ["add", "--", file]);
    }

    /// Commits a file in a slot; from now on the commit must not get lost.
    #[track_caller]
    pub fn commit(&mut self, world: &World, slot: &Path, file: &str, content: &str) -> String {
        let commit = world.commit(slot, file, content);
        self.made(&commit, slot);
        commit
    }

    /// A commit was made in a slot by other means.
    pub fn made(&mut self, commit: &str, slot: &Path) {
        self.work.push(Work {
            object: commit.to_owned(),
            file: None,
            what: format!("commit {commit}, made in {}", slot.display()),
        });
    }

    /// All work so far may go: its owner has given it up.
    pub fn give_up(&mut self) {
        self.work.clear();
    }

    /// The test itself has changed something outside the workspace.
    #[track_caller]
    pub fn outside_changed(&mut self, world: &World) {
        self.outside = outside(world);
    }

    /// What holds at any moment, also beside running commands: state files parse, at most one
    /// allocation per slot, and the generation only rises.
    pub fn while_running(&mut self, world: &World) -> Findings {
        let mut found = Findings::default();
        self.state(world, &mut found);
        found
    }

    /// What holds whenever no command runs, before anything is repaired: the above, no work is lost,
    /// and nothing outside the workspace has changed.
    #[track_caller]
    pub fn now(&mut self, world: &World) -> Findings {
        let mut found = Findings::default();
        self.state(world, &mut found);
        self.events(world, &mut found);
        self.work(world, &mut found);
        let now = outside(world);
        let changed: BTreeSet<&PathBuf> = now
            .iter()
            .filter(|(path, what)| self.outside.get(*path) != Some(what))
            .map(|(path, _)| path)
            .chain(self.outside.keys().filter(|path| !now.contains_key(*path)))
            .collect();
        if !changed.is_empty() {
            found.add(Kind::Outside, format!("changed: {changed:?}"));
        }
        found
    }

    /// `recover` puts everything right in one run once the children of killed commands are gone; a
    /// second run finds nothing; afterwards the pool is [at rest](Self::at_rest).
    #[track_caller]
    pub fn recovered(&mut self, world: &World) -> Findings {
        await_quiet(world);
        let mut found = Findings::default();
        let first = world.pool("recover --json");
        if first.code != 0 {
            found.add(Kind::NotRecovered, first.to_string());
        }
        let second = world.pool("recover --dry-run --json");
        if second.code != 0 {
            found.add(Kind::FoundTwice, format!("first: {first}\nthen: {second}"));
        }
        found.0.extend(self.at_rest(world).0);
        found
    }

    /// What holds of a pool on which nothing is under way and nothing is to be repaired: all of
    /// [`now`](Self::now), state, git's list and the directories agree, idle slots are clean at their
    /// commit, and no lock or half-made thing is left.
    #[track_caller]
    pub fn at_rest(&mut self, world: &World) -> Findings {
        let mut found = self.now(world);
        if !world.pool_dir(&self.pool).exists() {
            return found;
        }
        let Some(record) = self.record(world, &mut found) else {
            return found;
        };
        if record.get("operation").is_some() {
            found.add(Kind::NotRecovered, "the pool is unfinished");
        }
        self.agreement(world, &record, &mut found);
        for slot in slots(&record) {
            self.slot(world, slot, &mut found);
        }
        self.left_behind(world, &mut found);
        found
    }

    /// The next commands work without anybody calling `recover`: a slot can be had, it is clean, and
    /// it can be given back.
    #[track_caller]
    pub fn usable(&mut self, world: &World) -> Findings {
        let mut found = Findings::default();
        if !world.pool_dir(&self.pool).exists() {
            return found;
        }
        let out = world.pool(format!("allocate {} --grow --json", self.pool));
        if out.code == 7 && !world.pool_dir(&self.pool).exists() {
            // It was never made, and this took it away.
            return found;
        }
        if out.code != 0 {
            found.add(Kind::Wedged, out.to_string());
            return found;
        }
        let slot = out.json()["slot"].clone();
        let path = PathBuf::from(slot["slot_path"].as_str().unwrap_or_default());
        let status = "status --porcelain --untracked-files=all --ignored=matching";
        let status = world.try_git(&path, status);
        let beside = world.beside_furnishings(&path, &status.stdout);
        if status.code != 0 || !beside.is_empty() {
            found.add(Kind::NotClean, format!("handed out: {status}"));
        }
        if let Some(lacking) = world.lacks(&path) {
            found.add(Kind::NotClean, format!("handed out unfurnished: {lacking}"));
        }
        if world.head(&path) != slot["current_commit"].as_str().unwrap_or_default() {
            found.add(
                Kind::NotClean,
                format!("handed out at another commit: {slot}"),
            );
        }
        self.state(world, &mut found);
        let out = world.pool(["release", &path.display().to_string()]);
        if out.code != 0 {
            found.add(Kind::Wedged, out.to_string());
        }
        found
    }

    fn record(&self, world: &World, found: &mut Findings) -> Option<Value> {
        let path = world.pool_dir(&self.pool).join("pool.json");
        let bytes = std::fs::read(&path).ok()?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(record) => Some(record),
            Err(error) => {
                let text = String::from_utf8_lossy(&bytes);
                found.add(
                    Kind::UnparsableFile,
                    format!("{}: {error}: {text}", path.display()),
                );
                None
            }
        }
    }

    fn state(&mut self, world: &World, found: &mut Findings) {
        let file = world.workspace().join(".repo-pool/workspace.json");
        let bytes = std::fs::read(&file).unwrap_or_default();
        if !bytes.is_empty() && serde_json::from_slice::<Value>(&bytes).is_err() {
            found.add(Kind::UnparsableFile, file.display().to_string());
        }
        let Some(record) = self.record(world, found) else {
            return;
        };
        let generation = record["generation"].as_u64().unwrap_or_default();
        if generation < self.generation {
            let text = format!(
                "the generation fell from {} to {generation}",
                self.generation
            );
            found.add(Kind::DoubleAllocation, text);
        }
        self.generation = self.generation.max(generation);
        let mut seen = BTreeSet::new();
        for slot in slots(&record) {
            let number = slot["number"].as_u64().unwrap_or_default();
            if !seen.insert(number) {
                found.add(
                    Kind::DoubleAllocation,
                    format!("slot{number} is listed twice"),
                );
            }
            let Some(allocation) = slot.get("allocation") else {
                if slot["state"] == "allocated" {
                    found.add(Kind::Disagreement, format!("allocated to nobody: {slot}"));
                }
                continue;
            };
            let own = allocation["generation"].as_u64().unwrap_or_default();
            let id = allocation["id"].as_str().unwrap_or_default().to_owned();
            if own > generation {
                found.add(
                    Kind::DoubleAllocation,
                    format!("beyond {generation}: {slot}"),
                );
            }
            let known = self.given.entry(own).or_insert((id.clone(), number));
            if *known != (id, number) {
                let text = format!("generation {own} was given to {known:?} before: {slot}");
                found.add(Kind::DoubleAllocation, text);
            }
        }
    }

    /// The history has whole lines, but for one that a killed writer left torn.
    fn events(&self, world: &World, found: &mut Findings) {
        let path = world.pool_dir(&self.pool).join("events.jsonl");
        let bytes = std::fs::read(&path).unwrap_or_default();
        let torn = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty() && serde_json::from_slice::<Value>(line).is_err());
        for line in torn {
            if !bytes.ends_with(line) {
                let text = String::from_utf8_lossy(line);
                found.add(Kind::UnparsableFile, format!("{}: {text}", path.display()));
            }
        }
    }

    /// Every commit and change is reachable from a ref, or still in its slot.
    #[track_caller]
    fn work(&self, world: &World, found: &mut Findings) {
        if self.work.is_empty() {
            return;
        }
        let bare = world.bare(&self.pool);
        if !bare.exists() {
            for work in &self.work {
                found.add(Kind::LostWork, format!("{}: its pool is gone", work.what));
            }
            return;
        }
        let kept = self.kept(world);
        for work in self.work.iter().filter(|work| !kept.contains(&work.object)) {
            let in_place = work.file.as_ref().is_some_and(|(slot, file, content)| {
                places(world, &self.pool, slot).iter().any(|place| {
                    std::fs::read(place.join(file)).is_ok_and(|bytes| bytes == *content)
                })
            });
            if !in_place {
                found.add(Kind::LostWork, work.what.clone());
            }
        }
    }

    /// All objects that refs, heads and histories of slots lead to.
    #[track_caller]
    fn kept(&self, world: &World) -> BTreeSet<String> {
        let bare = world.bare(&self.pool);
        let mut args = ["rev-list", "--objects", "--ignore-missing", "--all"]
            .map(str::to_owned)
            .to_vec();
        for admin in list(&bare.join("worktrees")) {
            for file in ["HEAD", "logs/HEAD"] {
                let text = std::fs::read_to_string(admin.join(file)).unwrap_or_default();
                let words = text.split_whitespace().map(str::to_owned);
                args.extend(words.filter(|word| {
                    word.len() == 40
                        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
                        && word.bytes().any(|byte| byte != b'0')
                }));
            }
        }
        let mut listed = world.git(&bare, args);
        let pool = world.pool_dir(&self.pool);
        let places = ["worktrees", "parked"].map(|place| list(&pool.join(place)));
        for slot in places.into_iter().flatten() {
            // One that stands alone has what was made in it.
            if slot.join(".git").is_dir() {
                let all = "rev-list --objects --ignore-missing --all --reflog HEAD";
                listed.push('\n');
                listed.push_str(&world.try_git(&slot, all).stdout);
            }
        }
        let ids = listed.lines().filter_map(|line| line.split(' ').next());
        ids.map(str::to_owned).collect()
    }

    #[track_caller]
    fn blob(&self, world: &World, content: &str) -> String {
        let file = world.path("content");
        std::fs::write(&file, content).expect("writing a file");
        let blob = world.git(
            &world.path(""),
            ["hash-object", &file.display().to_string()],
        );
        std::fs::remove_file(&file).expect("removing a file");
        blob
    }
}

/// Waits until no `git` or `repo-pool` that works in this world runs: a killed command's children
/// may live on for a moment.
#[track_caller]
pub fn await_quiet(world: &World) {
    let root = world.path("");
    until("no git and no repo-pool works here any more", || {
        working_in(&root).is_empty().then_some(())
    });
}

/// The processes of `git` and `repo-pool` that have a path below `root` on their command line or as
/// their directory.
pub fn working_in(root: &Path) -> Vec<u32> {
    let root = root.as_os_str().as_bytes();
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let has = |hay: &[u8]| hay.windows(root.len()).any(|window| window == root);
    let mut found = Vec::new();
    for path in list(Path::new("/proc")) {
        let pid = path.file_name().and_then(OsStr::to_str);
        let Some(pid) = pid.and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        // One that is left to itself is called so until it has given itself its name.
        let ours = ["git", "repo-pool", "exe"];
        if !ours.iter().any(|known| name.starts_with(known)) {
            continue;
        }
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        // One that is just being started has no words yet: it is looked at again.
        let is_new = words.is_empty() && super::alive(pid);
        let is_here = has(&words) || has(cwd.as_os_str().as_bytes());
        if is_new || super::alive(pid) && is_here {
            found.push(pid);
        }
    }
    found
}

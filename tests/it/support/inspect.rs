//! Looking at what is on disk: trees, secrets, saved work, and the invariants of a pool.

use super::{Remote, World};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every entry below `dir` except `.git` at its top: kind, executable bit and content.
pub fn tree(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = snapshot(dir);
    all.retain(|path, _| !path.starts_with(".git"));
    all
}

/// Every entry below `dir`: kind, executable bit and content.
pub fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    walk(dir, &mut |path, meta| {
        let what = if meta.is_symlink() {
            format!(
                "link to {}",
                std::fs::read_link(path).unwrap_or_default().display()
            )
        } else if meta.is_dir() {
            "directory".to_owned()
        } else if !meta.is_file() {
            "special".to_owned()
        } else {
            let mut hasher = DefaultHasher::new();
            std::fs::read(path).unwrap_or_default().hash(&mut hasher);
            let kind = if meta.mode() & 0o111 == 0 {
                "file"
            } else {
                "program"
            };
            format!("{kind} {:x}", hasher.finish())
        };
        found.insert(path.strip_prefix(dir).expect("inside").to_owned(), what);
    });
    found
}

/// The files below `dir` whose bytes contain `needle`.
pub fn files_containing(dir: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(dir, &mut |path, meta| {
        let name = path.as_os_str().as_bytes();
        let bytes = if meta.is_file() {
            std::fs::read(path).unwrap_or_default()
        } else {
            Vec::new()
        };
        let has = |hay: &[u8]| hay.windows(needle.len()).any(|w| w == needle.as_bytes());
        if has(&bytes) || has(name) {
            found.push(path.to_owned());
        }
    });
    found
}

pub(super) fn walk(dir: &Path, see: &mut dyn FnMut(&Path, &std::fs::Metadata)) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        see(&path, &meta);
        if meta.is_dir() {
            walk(&path, see);
        }
    }
}

impl World {
    /// The commands of git that a call runs, by `-vv`, in the order in which they ended.
    pub fn gits(&self, args: &str) -> Vec<String> {
        let out = self.pool(format!("{args} -vv"));
        let lines = out
            .ok()
            .stderr
            .lines()
            .filter(|line| line.starts_with("git "));
        lines.map(str::to_owned).collect()
    }

    /// Changes what pool `p` has on record about the allocation of a slot, as time, a restart or
    /// another machine would have.
    #[track_caller]
    pub fn edit_allocation(&self, slot: &str, change: impl FnOnce(&mut serde_json::Value)) {
        self.edit_slot(slot, |slot| {
            let allocation = &mut slot["allocation"];
            assert!(allocation.is_object(), "it is allocated");
            change(allocation);
        });
    }

    /// Changes what pool `p` has on record about a slot. The record is put in place as a whole.
    #[track_caller]
    pub fn edit_slot(&self, slot: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let file = self.pool_dir("p").join("pool.json");
        let text = std::fs::read_to_string(&file).expect("pool.json");
        let mut record: serde_json::Value = serde_json::from_str(&text).expect("pool.json parses");
        let number: u64 = slot.trim_start_matches("slot").parse().expect("slotN");
        let slots = record["slots"].as_array_mut().expect("slots");
        let slot = slots.iter_mut().find(|slot| slot["number"] == number);
        change(slot.expect("the slot"));
        let edited = file.with_extension("edited");
        std::fs::write(&edited, record.to_string()).expect("writing pool.json");
        std::fs::rename(&edited, &file).expect("putting it in place");
    }

    /// Makes the holder of a slot of pool `p` one that was last heard of some seconds earlier.
    #[track_caller]
    pub fn grow_silent(&self, slot: &str, seconds: u64) {
        self.edit_allocation(slot, |allocation| {
            let earlier = |boot: &mut serde_json::Value| {
                let before = boot["nanoseconds"].as_u64().expect("nanoseconds");
                boot["nanoseconds"] = before.saturating_sub(seconds * 1_000_000_000).into();
            };
            earlier(&mut allocation["began"]);
            if allocation["lease"]["renewed"].is_object() {
                earlier(&mut allocation["lease"]["renewed"]["boot"]);
            }
        });
    }

    /// Whether a file of this content is in a rescue of the pool.
    #[track_caller]
    pub fn is_rescued(&self, pool: &str, content: &str) -> bool {
        let file = self.path("rescued-content");
        std::fs::write(&file, content).expect("writing a file");
        let bare = self.bare(pool);
        let file = file.display().to_string();
        let blob = self.git(&bare, ["hash-object", "--no-filters", &file]);
        self.rescued_objects(pool).contains(&blob)
    }

    /// The rescue refs of a pool.
    #[track_caller]
    pub fn rescues(&self, pool: &str) -> Vec<String> {
        let args = [
            "for-each-ref",
            "--format=%(refname)",
            "refs/repo-pool/rescue/",
        ];
        let refs = self.git(&self.bare(pool), args);
        refs.lines().map(str::to_owned).collect()
    }

    /// Every object that a rescue of the pool reaches.
    #[track_caller]
    pub fn rescued_objects(&self, pool: &str) -> BTreeSet<String> {
        let refs = self.rescues(pool);
        if refs.is_empty() {
            return BTreeSet::new();
        }
        let mut args = vec!["rev-list".to_owned(), "--objects".to_owned()];
        args.extend(refs);
        let objects = self.git(&self.bare(pool), args);
        let ids = objects.lines().filter_map(|l| l.split(' ').next());
        ids.map(str::to_owned).collect()
    }

    /// The slot must hold exactly what the remote has at this commit, and nothing else.
    #[track_caller]
    pub fn assert_holds(&self, slot: &Path, remote: &Remote, commit: &str) {
        assert_eq!(self.head(slot), commit, "HEAD of {}", slot.display());
        let wanted = self.path(format!("wanted-{commit}"));
        if !wanted.exists() {
            std::fs::create_dir(&wanted).expect("a directory");
            let at = format!("--work-tree={}", wanted.display());
            let index = self.path(format!("index-{commit}"));
            let mut command = self.command("git");
            command
                .args([
                    "--git-dir",
                    &remote.dir(),
                    &at,
                    "checkout",
                    "-q",
                    "-f",
                    commit,
                    "--",
                    ".",
                ])
                .env("GIT_INDEX_FILE", index)
                .current_dir(&wanted);
            assert!(command.status().expect("git").success(), "checkout");
        }
        assert_eq!(
            tree(&self.place(slot)),
            tree(&wanted),
            "content of {}",
            slot.display()
        );
        self.assert_clean(slot);
    }

    /// git must see neither a change nor an untracked or ignored file.
    #[track_caller]
    pub fn assert_clean(&self, slot: &Path) {
        let status = "status --porcelain --untracked-files=all --ignored=matching";
        assert_eq!(self.git(slot, status), "", "{}", slot.display());
    }

    /// What must hold of a pool on which nothing is under way: state, directories and git's own
    /// list agree, idle slots are clean, and no lock or half-made thing of git's is left.
    #[track_caller]
    pub fn assert_sound(&self, pool: &str) {
        let dir = self.pool_dir(pool);
        let record = std::fs::read_to_string(dir.join("pool.json")).expect("pool.json");
        let record: serde_json::Value = serde_json::from_str(&record).expect("pool.json parses");
        assert_eq!(record["schema"], 1);
        let listed = self.git(&self.bare(pool), "worktree list --porcelain");
        let mut registered: BTreeSet<PathBuf> = listed
            .lines()
            .filter_map(|l| l.strip_prefix("worktree "))
            .map(PathBuf::from)
            .filter(|path| !path.ends_with("repo.git"))
            .collect();
        for slot in self.slots(pool) {
            let path = PathBuf::from(slot["slot_path"].as_str().expect("a path"));
            let state = slot["state"].as_str().expect("a state");
            assert!(
                registered.remove(&path),
                "{} is not registered:\n{listed}",
                path.display()
            );
            assert!(
                ["available", "allocated"].contains(&state),
                "{} is {state}: {slot}",
                path.display()
            );
            let place = self.place(&path);
            assert!(place.is_dir(), "{} is missing", path.display());
            self.git(&path, "rev-parse --verify -q HEAD^{tree}");
            if state == "available" {
                self.assert_clean(&path);
                assert_eq!(self.branch(&path), "", "an idle slot is on no branch");
            }
        }
        assert!(
            registered.is_empty(),
            "registered and unknown: {registered:?}"
        );
        let mut left = Vec::new();
        walk(&self.bare(pool), &mut |path, _| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.ends_with(".lock") || name.ends_with(".keep") || name.starts_with("tmp_") {
                left.push(path.to_owned());
            }
        });
        assert!(left.is_empty(), "left behind by git: {left:?}");
    }
}

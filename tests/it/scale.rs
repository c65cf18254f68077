//! Sizes: what a slot shares, and a hundred of them.

use crate::support::{Call, Remote, World};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes on disk below a directory, as `du` counts them.
fn disk(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let size = |path: &Path| {
        let meta = path.symlink_metadata().expect("an entry");
        meta.blocks() * 512 + if meta.is_dir() { disk(path) } else { 0 }
    };
    entries.flatten().map(|e| size(&e.path())).sum()
}

/// W.1: one repository holds all objects; a slot has none of its own, and its own branch.
#[test]
fn slots_are_worktrees_of_one_repository() {
    let (world, _remote) = World::with_pool(3);
    let bare = world.bare("p");
    for _ in 0..3 {
        let dir = world.pool("allocate p").ok().path();
        assert!(dir.join(".git").is_file(), "a worktree's .git is a file");
        let common = world.git(&dir, "rev-parse --path-format=absolute --git-common-dir");
        assert_eq!(Path::new(&common), bare);
        let objects = world.git(&dir, "rev-parse --path-format=absolute --git-path objects");
        assert_eq!(Path::new(&objects), bare.join("objects"));
    }
    let branches: BTreeSet<String> = world
        .slots("p")
        .iter()
        .map(|s| s["current_branch"].to_string())
        .collect();
    assert_eq!(branches.len(), 3, "{branches:?}");
}

/// W.1: a commit, a branch switch or a reset in one slot is not seen in another.
#[test]
fn slots_do_not_disturb_each_other() {
    let (world, remote) = World::with_pool(2);
    let one = world.pool("allocate p").ok().path();
    let two = world.pool("allocate p").ok().path();
    world.commit(&one, "README.md", "changed in one\n");
    world.git(&one, "checkout -q -b own");
    std::fs::write(one.join("newest.txt"), "unsaved").expect("writing");
    world.assert_holds(&two, &remote, &world.tip(&remote, "main"));
    assert_eq!(
        world.branch(&two),
        "worktree/p/slot2".replace("slot2", &name(&two))
    );
    world.pool(["release", &two.display().to_string()]).ok();
    assert_eq!(world.branch(&one), "own");
    let unsaved = std::fs::read_to_string(one.join("newest.txt")).expect("the file");
    assert_eq!(unsaved, "unsaved");
}

/// The last part of a path.
fn name(dir: &Path) -> String {
    dir.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// W.3: where the history outweighs the tree, a slot takes a tenth of a clone's disk at most.
#[test]
fn a_slot_costs_its_tree_and_not_the_history() {
    let world = World::new();
    let remote = Remote {
        path: world.path("heavy.git"),
    };
    world.git(&world.path(""), ["init", "-q", "--bare", &remote.dir()]);
    let mut import = world.command("git");
    import.args(["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]);
    Call::new(import)
        .cwd(&remote.path)
        .stdin(&heavy_history())
        .run()
        .ok();
    world.pool(format!("create p {} -n 2", remote.url())).ok();
    let clone = world.clone_of(
        &Remote {
            path: remote.path.clone(),
        },
        "clone",
    );
    std::fs::remove_dir_all(&clone).expect("deleting");
    let at = clone.display().to_string();
    world.git(
        &world.path(""),
        ["clone", "-q", "--no-local", &remote.url(), &at],
    );
    let slot = disk(&world.slot_dir("slot1")) + disk(&world.admin_dir("slot1"));
    let full = disk(&clone);
    assert!(
        slot * 10 <= full,
        "a slot takes {slot} bytes, a clone {full}"
    );
}

/// 64 versions of one file of 128 KiB that does not compress.
fn heavy_history() -> Vec<u8> {
    let mut stream = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 1..=64 {
        let head = format!(
            "commit refs/heads/main\ncommitter T <t@example.com> {} +0000\ndata 2\nn\n\n\
             M 100644 inline data.bin\ndata {}\n",
            1_700_000_000 + n,
            128 * 1024
        );
        stream.extend(head.as_bytes());
        for _ in 0..(128 * 1024 / 8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            stream.extend(state.to_le_bytes());
        }
        stream.extend(b"\n\n");
    }
    stream
}

/// W.4: a hundred slots are made, handed out, given back and summarised.
#[test]
fn a_hundred_slots_are_made_used_and_summarised() {
    const MANY: usize = 100;
    let (world, remote) = World::with_pool(MANY as u32);
    assert_eq!(world.status("p")["summary"]["available_slots"], MANY);
    let mut given = BTreeSet::new();
    for n in 0..MANY {
        let fetch = if n % 25 == 0 { "" } else { "--no-fetch" };
        let dir = world.pool(format!("allocate p {fetch}")).ok().path();
        std::fs::write(dir.join("trace.log"), "x").expect("writing");
        given.insert(dir);
    }
    assert_eq!(given.len(), MANY);
    world.pool("allocate p --no-fetch").code(4).silent();
    let doc = world.pool("status --json").ok().json();
    assert_eq!(doc["pools"][0]["allocated_slots"], MANY);
    let all: Vec<String> = (1..=MANY).map(|n| format!("p/slot{n}")).collect();
    let doc = world
        .pool(format!("release {} --json", all.join(" ")))
        .ok()
        .json();
    assert_eq!(doc["released"].as_array().map(Vec::len), Some(MANY));
    let summary = world.status("p")["summary"].clone();
    assert_eq!(summary["available_slots"], MANY, "{summary}");
    assert_eq!(summary["total_allocations"], MANY, "{summary}");
    world.assert_sound("p");
    let tip = world.tip(&remote, "main");
    world.assert_holds(&world.slot_dir("slot100"), &remote, &tip);
    world.pool("remove-pool p").ok();
    assert!(!world.pool_dir("p").exists());
}

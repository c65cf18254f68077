//! Objects of the shared repository that are missing or damaged: found, told with the remedy, held
//! against no slot, and put right from the remote without losing what can be read.

use crate::support::{Out, World};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file of a loose object.
fn loose(repository: &Path, oid: &str) -> PathBuf {
    repository.join("objects").join(&oid[..2]).join(&oid[2..])
}

/// Makes a loose object of each in a pack.
fn unpack(world: &World, repository: &Path) {
    let aside = world.path("packs");
    fs::rename(repository.join("objects/pack"), &aside).expect("moving the packs");
    fs::create_dir(repository.join("objects/pack")).expect("a directory");
    let script = format!(
        "for pack in {}/*.pack; do git -C {} unpack-objects -q <\"$pack\" || exit; done",
        aside.display(),
        repository.display()
    );
    world.sh(&script).ok();
}

/// Lets a file that git made read-only be written.
fn writable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode");
}

fn truncate(path: &Path, length: u64) {
    writable(path);
    let file = fs::File::options()
        .write(true)
        .open(path)
        .expect("the file");
    file.set_len(length).expect("truncating");
}

/// Overwrites a few bytes in the middle.
fn flip(path: &Path) {
    writable(path);
    let mut bytes = fs::read(path).expect("the file");
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 8] {
        *byte ^= 0xff;
    }
    fs::write(path, bytes).expect("writing");
}

/// The only file in the pack directory that ends so.
fn pack(repository: &Path, ending: &str) -> PathBuf {
    let dir = fs::read_dir(repository.join("objects/pack")).expect("the packs");
    let mut found = dir
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == ending));
    found.next().expect("a pack")
}

fn findings(out: &Out) -> Vec<Value> {
    let all = out.json()["findings"].as_array().expect("findings").clone();
    all.into_iter()
        .filter(|finding| finding["kind"] == "corrupt_objects")
        .collect()
}

/// Makes the repository anew and follows that from the finding to a healthy pool. Tells where the old
/// one is kept.
#[track_caller]
fn renewed(world: &World, name: &str) -> PathBuf {
    let plan = world.pool("recover p --force --dry-run --json");
    let planned = findings(plan.code(1));
    assert_eq!(planned.len(), 1, "{name}: {plan}");
    assert_eq!(planned[0]["action"], "rebuild", "{name}");
    let out = world.pool("recover p --force --json");
    let done = findings(out.ok());
    assert_eq!(done.len(), 1, "{name}: {out}");
    assert_eq!(done[0]["result"], "done", "{name}: {out}");
    let kept = done[0]["detail"].as_str().expect("a text");
    let kept = kept.split("kept as ").nth(1).expect("where it is kept");
    let kept = kept.split(';').next().expect("a path");
    assert!(Path::new(kept).join("config").is_file(), "{name}: {kept}");
    assert!(!world.pool_dir("p").join("anew").exists(), "{name}");
    for again in [
        "recover --json",
        "recover p --force --json",
        "recover --dry-run --json",
    ] {
        let out = world.pool(again);
        assert_eq!(
            out.ok().json()["findings"],
            Value::Array(vec![]),
            "{name}: {out}"
        );
    }
    world.assert_sound("p");
    world.git(&world.bare("p"), "fsck --full --no-reflogs");
    kept.into()
}

type Damage = fn(&World, &Path);

/// What can happen to the objects that the remote has too.
const DAMAGES: [(&str, Damage); 5] = [
    ("a commit is gone", |world, bare| {
        let oid = world.git(bare, "rev-parse refs/remotes/origin/main");
        fs::remove_file(loose(bare, &oid)).expect("deleting");
    }),
    ("an old commit is gone", |world, bare| {
        let oid = world.git(bare, "rev-parse refs/remotes/origin/main~2");
        fs::remove_file(loose(bare, &oid)).expect("deleting");
    }),
    ("a tree is empty", |world, bare| {
        let oid = world.git(bare, "rev-parse refs/remotes/origin/main^{tree}");
        truncate(&loose(bare, &oid), 0);
    }),
    ("a blob is gone", |world, bare| {
        let oid = world.git(bare, "rev-parse refs/remotes/origin/main:README.md");
        fs::remove_file(loose(bare, &oid)).expect("deleting");
    }),
    ("a blob is truncated", |world, bare| {
        let oid = world.git(bare, "rev-parse refs/remotes/origin/main:README.md");
        truncate(&loose(bare, &oid), 10);
    }),
];

/// The same for what is packed.
const PACKED: [(&str, Damage); 5] = [
    ("a pack has flipped bytes", |world, bare| {
        world.git(bare, "repack -adq");
        flip(&pack(bare, "pack"));
    }),
    ("a pack is truncated", |world, bare| {
        world.git(bare, "repack -adq");
        let file = pack(bare, "pack");
        truncate(&file, fs::metadata(&file).expect("its size").len() / 2);
    }),
    ("a pack is gone", |world, bare| {
        world.git(bare, "repack -adq");
        fs::remove_file(pack(bare, "pack")).expect("deleting");
    }),
    ("the index of a pack is gone", |world, bare| {
        world.git(bare, "repack -adq");
        fs::remove_file(pack(bare, "idx")).expect("deleting");
    }),
    ("all objects are gone", |_, bare| {
        fs::remove_dir_all(bare.join("objects")).expect("deleting");
    }),
];

/// Nothing that happens to the shared objects puts a slot out of use, the remedy is told, and it
/// works; every slot can be had afterwards.
#[test]
fn damaged_objects_are_no_slots_fault_and_made_anew_from_the_remote() {
    follow(&DAMAGES);
}

/// The same.
#[test]
pub fn damaged_packs_are_no_slots_fault_and_made_anew_from_the_remote() {
    follow(&PACKED);
}

#[track_caller]
fn follow(damages: &[(&str, Damage)]) {
    for (name, damage) in damages {
        let (world, remote) = World::with_pool(3);
        damage(&world, &world.bare("p"));
        for _ in 0..4 {
            let out = world.pool("allocate p");
            if out.code == 4 {
                break;
            }
            if out.code != 0 {
                out.silent().says("recover");
                break;
            }
        }
        for slot in world.slots("p") {
            assert_ne!(slot["state"], "error", "{name}: {slot}");
            let id = slot["slot_id"].as_str().expect("an id");
            world.pool(["release", id, "--force"]);
        }
        for slot in world.slots("p") {
            assert_ne!(slot["state"], "error", "{name}: {slot}");
        }
        let looked = world.pool("recover p --json");
        for finding in findings(&looked) {
            assert_eq!(finding["action"], "report", "{name}: {finding}");
            let told = finding["detail"].to_string();
            assert!(told.contains("recover p --force"), "{name}: {told}");
        }
        for slot in world.slots("p") {
            assert_ne!(slot["state"], "error", "{name}: {slot}");
        }
        match *name {
            // The next fetch has brought it again.
            "a commit is gone" => {
                world.pool("recover p --force").ok();
            }
            _ => {
                renewed(&world, name);
            }
        }
        for slot in world.slots("p") {
            if slot["state"] == "allocated" {
                world
                    .pool([
                        "release",
                        slot["slot_id"].as_str().expect("an id"),
                        "--force",
                    ])
                    .ok();
            }
        }
        for _ in 0..3 {
            let dir = world.pool("allocate p").ok().path();
            world.assert_holds(&dir, &remote, &world.tip(&remote, "main"));
        }
    }
}

/// A holder keeps working: branch, index, stash, tags, rescues and upstreams are as they were.
#[test]
fn what_can_be_read_of_the_work_is_brought_over() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p --branch feature").ok().path();
    world.commit(&dir, "one.txt", "first of the branch\n");
    world.commit(&dir, "two.txt", "second of the branch\n");
    for text in ["first stash\n", "second stash\n"] {
        fs::write(dir.join("stashed.txt"), text).expect("writing");
        world.git(&dir, "stash push -q -u");
    }
    world.git(&dir, "tag -a -m tagged mine");
    world.git(&dir, "update-ref refs/worktree/kept HEAD~1");
    world.git(&dir, "config branch.feature.remote origin");
    world.git(&dir, "config branch.feature.merge refs/heads/feature");
    fs::write(dir.join("staged.txt"), "staged only\n").expect("writing");
    world.git(&dir, "add staged.txt");
    fs::write(dir.join("loose.txt"), "not even added\n").expect("writing");
    let other = world.pool("allocate p").ok().path();
    world.commit(&other, "saved.txt", "saved at release\n");
    world
        .pool(["release", other.to_str().expect("a path")])
        .ok();
    let seen = |what: &str| world.git(&dir, what);
    let questions = [
        "rev-parse HEAD",
        "symbolic-ref HEAD",
        "stash list",
        "rev-parse stash@{0} stash@{1} mine refs/worktree/kept",
        "status --porcelain",
        "ls-files -s",
        "config branch.feature.merge",
        "cat-file -p :staged.txt",
    ];
    let before: Vec<String> = questions.iter().map(|what| seen(what)).collect();
    let rescues = world.rescues("p");
    assert_eq!(rescues.len(), 1);
    let blob = world.git(
        &world.bare("p"),
        "rev-parse refs/remotes/origin/main:README.md",
    );
    fs::remove_file(loose(&world.bare("p"), &blob)).expect("deleting");
    renewed(&world, "with work");
    let after: Vec<String> = questions.iter().map(|what| seen(what)).collect();
    assert_eq!(before, after);
    assert_eq!(world.rescues("p"), rescues);
    assert!(world.is_rescued("p", "saved at release\n"));
    world.commit(&dir, "three.txt", "goes on\n");
    world.pool(["release", dir.to_str().expect("a path")]).ok();
    for text in [
        "first of the branch\n",
        "staged only\n",
        "not even added\n",
        "goes on\n",
    ] {
        assert!(world.is_rescued("p", text), "{text}");
    }
    world.pool("allocate p").ok().path();
}

/// Of a branch whose newest commit can't be read, the newest that can is kept; the slot's files stay
/// as they are, and show as changes.
#[test]
fn a_head_that_is_lost_leaves_the_files_as_changes() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p").ok().path();
    let first = world.commit(&dir, "one.txt", "first of the branch\n");
    let lost = world.commit(&dir, "two.txt", "second of the branch\n");
    fs::write(dir.join("loose.txt"), "not even added\n").expect("writing");
    truncate(&loose(&world.bare("p"), &lost), 12);
    renewed(&world, "a lost HEAD");
    assert_eq!(world.head(&dir), first);
    let status = world.git(&dir, "status --porcelain");
    assert!(
        status.contains("two.txt") && status.contains("loose.txt"),
        "{status}"
    );
    assert_eq!(world.state("p/slot1"), "allocated");
    world.pool(["release", dir.to_str().expect("a path")]).ok();
    for text in [
        "first of the branch\n",
        "second of the branch\n",
        "not even added\n",
    ] {
        assert!(world.is_rescued("p", text), "{text}");
    }
}

/// What the repository has lost and a slot still has comes back from the slot's files.
#[test]
fn lost_contents_come_back_from_the_slots_files() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    let tip = world.commit(&dir, "one.txt", "only here\n");
    for what in ["HEAD:one.txt", "HEAD^{tree}"] {
        let oid = world.git(&dir, ["rev-parse", what]);
        fs::remove_file(loose(&world.bare("p"), &oid)).expect("deleting");
    }
    renewed(&world, "from the files");
    assert_eq!(world.head(&dir), tip);
    assert_eq!(world.git(&dir, "status --porcelain"), "");
    world.pool("release p/slot1").ok();
    assert!(world.is_rescued("p", "only here\n"));
}

/// A remote that can't be reached changes nothing, and neither does a git that is at work.
#[test]
fn nothing_is_changed_where_it_cant_be_made_anew() {
    let (world, remote) = World::with_pool(1);
    let bare = world.bare("p");
    let blob = world.git(&bare, "rev-parse refs/remotes/origin/main:README.md");
    fs::remove_file(loose(&bare, &blob)).expect("deleting");
    fs::rename(&remote.path, world.path("away.git")).expect("moving the remote away");
    let out = world.pool("recover p --force --json");
    let found = findings(out.code(1));
    assert_eq!(found[0]["result"], "failed", "{out}");
    assert!(!loose(&bare, &blob).exists());
    assert!(!world.pool_dir("p").join("anew").exists());
    assert!(!world.pool_dir("p").join("set-aside").exists());
    fs::rename(world.path("away.git"), &remote.path).expect("moving the remote back");
    let held = world.hold("slot1.lock");
    let out = world.pool("recover p --force --json");
    assert_eq!(findings(out.code(1))[0]["result"], "failed", "{out}");
    drop(held);
    renewed(&world, "now");
}

/// A kill in the middle is undone before the new repository has taken the old one's place, and
/// completed after it, by whatever command comes next.
#[test]
fn a_killed_renewal_is_undone_or_completed_by_the_next_command() {
    let steps: [fn(&Path, &Path); 5] = [
        // Building.
        |pool, _| {
            fs::create_dir_all(pool.join("anew/repo.git/objects")).expect("a directory");
            fs::write(pool.join("anew/repo.git/repo-pool-new"), "").expect("a mark");
        },
        // Nothing but the place.
        |pool, _| fs::create_dir_all(pool.join("anew/repo.git")).expect("a directory"),
        // Exchanged.
        |pool, kept| {
            fs::create_dir(pool.join("anew")).expect("a directory");
            fs::rename(kept, pool.join("anew/repo.git")).expect("renaming");
            let [from, to] = ["repo.git/worktrees", "anew/repo.git/worktrees"];
            fs::rename(pool.join(from), pool.join(to)).expect("renaming");
            fs::write(pool.join("repo.git/repo-pool-new"), "").expect("a mark");
        },
        // Exchanged, and the registrations moved.
        |pool, kept| {
            fs::create_dir(pool.join("anew")).expect("a directory");
            fs::rename(kept, pool.join("anew/repo.git")).expect("renaming");
            fs::write(pool.join("repo.git/repo-pool-new"), "").expect("a mark");
        },
        // The old one set aside.
        |pool, _| {
            fs::create_dir(pool.join("anew")).expect("a directory");
            fs::write(pool.join("repo.git/repo-pool-new"), "").expect("a mark");
        },
    ];
    let commands = [
        "recover p",
        "add-slot p",
        "allocate p",
        "release p/slot2",
        "allocate p",
    ];
    for (number, (step, next)) in steps.iter().zip(commands).enumerate() {
        let (world, _remote) = World::with_pool(2);
        let dir = world.pool("allocate p --branch feature").ok().path();
        let tip = world.commit(&dir, "one.txt", "first of the branch\n");
        fs::write(dir.join("loose.txt"), "not even added\n").expect("writing");
        let bare = world.bare("p");
        let blob = world.git(&bare, "rev-parse refs/remotes/origin/main:README.md");
        fs::remove_file(loose(&bare, &blob)).expect("deleting");
        let kept = renewed(&world, "first");
        step(&world.pool_dir("p"), &kept);
        world.pool(next).ok();
        let left = world.pool_dir("p").join("anew");
        assert!(!left.exists(), "step {number}, {next}");
        assert!(
            !bare.join("repo-pool-new").exists(),
            "step {number}, {next}"
        );
        assert_eq!(world.head(&dir), tip, "step {number}, {next}");
        assert_eq!(world.branch(&dir), "feature");
        assert_eq!(world.git(&dir, "status --porcelain"), "?? loose.txt");
        world.pool("recover").ok();
        world.pool("recover --dry-run").ok();
        world.assert_sound("p");
    }
}

/// A rescue of which one file can't be read is kept with all the others.
#[test]
fn what_is_left_of_a_rescue_is_kept() {
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p").ok().path();
    fs::create_dir(dir.join("more")).expect("a directory");
    for (name, text) in [
        ("one.txt", "first\n"),
        ("more/two.txt", "second\n"),
        ("three.txt", "third\n"),
    ] {
        fs::write(dir.join(name), text).expect("writing");
    }
    world.pool("release p/slot1").ok();
    let bare = world.bare("p");
    let rescue = world.rescues("p").pop().expect("a rescue");
    let lost = world.git(&bare, ["rev-parse", &format!("{rescue}:one.txt")]);
    unpack(&world, &bare);
    fs::remove_file(loose(&bare, &lost)).expect("deleting");
    renewed(&world, "a rescue");
    assert!(world.is_rescued("p", "second\n") && world.is_rescued("p", "third\n"));
    assert!(!world.is_rescued("p", "first\n"));
}

/// Where the refs are gone too, commits that nothing leads to are kept.
#[test]
fn commits_of_lost_refs_are_kept() {
    let (world, _remote) = World::with_pool(2);
    let dir = world.pool("allocate p --branch feature").ok().path();
    world.commit(&dir, "one.txt", "first of the branch\n");
    let slot = dir.display().to_string();
    world.pool(["release", &slot]).ok();
    fs::remove_dir_all(world.bare("p").join("refs")).expect("deleting");
    renewed(&world, "no refs");
    assert!(world.is_rescued("p", "first of the branch\n"));
    world.pool("allocate p").ok().path();
}

/// 9.4: one pool that can't be looked at keeps none of the others from being repaired.
#[test]
fn a_pool_of_a_newer_version_keeps_no_other_from_being_repaired() {
    let (world, _remote) = World::with_pool(1);
    let other = world.remote_named("other");
    world.pool(format!("create q {} -n 1", other.url())).ok();
    let record = world.pool_dir("q").join("pool.json");
    let text = fs::read_to_string(&record).expect("the record");
    fs::write(&record, text.replace("\"schema\":1", "\"schema\":999")).expect("writing");
    fs::remove_dir_all(world.idle_dir("slot1")).expect("deleting");
    let out = world.pool("recover --json");
    out.code(1).says("newer version");
    assert_eq!(out.json()["findings"][0]["result"], "done", "{out}");
    world.pool("recover p").ok();
    world.assert_sound("p");
}

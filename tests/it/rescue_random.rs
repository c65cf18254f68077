//! Two hundred releases of slots in which anything was done: each is restored byte for byte, or
//! refused with the slot untouched.
//!
//! The seed is printed; `REPO_POOL_TEST_SEED` sets it.

use crate::support::{Part, World, snapshot};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Small pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    #[expect(
        clippy::print_stdout,
        reason = "shown with a failing test, so that it can be repeated"
    )]
    fn new(part: u64) -> Self {
        let given = std::env::var("REPO_POOL_TEST_SEED");
        let given = given.ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("a time").as_nanos() as u64
        });
        println!("REPO_POOL_TEST_SEED={seed}");
        let part = part + (u64::from(Part::own().number) << 32);
        Self((seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Bytes in which line ends, NULs and what is no UTF-8 are frequent.
    fn bytes(&mut self) -> Vec<u8> {
        let length = [0, 1, 6, 6, 40, 5000][self.below(6)];
        (0..length)
            .map(|_| *self.of(b"abc\n\n\r\0\xff$ "))
            .collect()
    }

    fn name(&mut self) -> PathBuf {
        let parts: [&[u8]; 12] = [
            b"new",
            b"docs/more",
            b"src/part3.rs",
            b"a\nb",
            b"\xff\xfe",
            b"-x",
            b"*",
            b"deep/one/x y",
            b"q\"'\\",
            b"README.md",
            b"docs",
            b"src/part4.rs/below",
        ];
        PathBuf::from(OsString::from_vec(self.of(&parts).to_vec()))
    }
}

/// Makes way for a file at `path`: nothing is there, and directories above it.
fn make_way(dir: &Path, path: &Path) -> PathBuf {
    let mut at = dir.to_owned();
    let parts: Vec<_> = path.components().collect();
    for (n, part) in parts.iter().enumerate() {
        at.push(part);
        let last = n + 1 == parts.len();
        match at.symlink_metadata() {
            Ok(meta) if meta.is_dir() && last => fs::remove_dir_all(&at).expect("deleting"),
            Ok(meta) if !meta.is_dir() => fs::remove_file(&at).expect("deleting"),
            _ => {}
        }
        if !last && !at.is_dir() {
            fs::create_dir(&at).expect("a directory");
        }
    }
    at
}

/// Does one thing to the slot, by which nothing but its own files and refs are touched.
fn mutate(world: &World, dir: &Path, random: &mut Random) -> String {
    let name = random.name();
    let git = |args: &str| world.try_git(dir, args).code;
    let write = |random: &mut Random| {
        let bytes = random.bytes();
        fs::write(make_way(dir, &name), bytes).expect("writing");
    };
    let what = random.below(24);
    match what {
        0..=5 => write(random),
        6 => drop(make_way(dir, &name)),
        7 => symlink("../elsewhere", make_way(dir, &name)).expect("a link"),
        8 => {
            let mode = *random.of(&[0o644, 0o755]);
            let path = dir.join(random.of(&["README.md", "tools/run.sh", "newest.txt"]));
            if path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
            }
        }
        9..=11 => drop(git("add -A")),
        12 => drop(git("add -u")),
        13 => drop(git("add -N .")),
        14 => drop(git("reset -q")),
        15 => drop(git("rm -q -r --cached --ignore-unmatch src docs/guide.md")),
        16 => drop(git("commit -q -m work")),
        17 => drop(git("commit -q -a --amend -m amended")),
        18 => drop(git("reset -q --hard HEAD~")),
        19 => drop(git("checkout -q --detach")),
        20 => {
            git("add -A");
            git("commit -q -m mine");
            fs::write(make_way(dir, Path::new("README.md")), "theirs\n").expect("writing");
            let tree = "commit -q -a -m theirs";
            git(tree);
            let theirs = world.head(dir);
            git("reset -q --hard HEAD~");
            fs::write(make_way(dir, Path::new("README.md")), random.bytes()).expect("writing");
            git("commit -q -a -m ours");
            world.try_git(dir, ["merge", "-q", &theirs]);
        }
        21 => {
            let ignore = make_way(dir, Path::new(".gitignore"));
            fs::write(ignore, "target/\nnew\n").expect("writing");
        }
        22 => {
            // What can't be saved.
            let nested = make_way(dir, Path::new("nested"));
            fs::create_dir(&nested).expect("a directory");
            world.git(&nested, "init -q");
            fs::write(nested.join("inner"), "x").expect("writing");
        }
        _ => {
            let fifo = make_way(dir, Path::new("newest.txt"));
            rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO");
        }
    }
    format!("{what} {}", name.display())
}

/// One release; what was done before is in `done` for the message.
fn one_release(world: &World, dir: &Path, done: &[String]) -> (bool, bool) {
    let before = world.work(dir);
    let admin = world.admin_dir("slot1");
    let untouched = (snapshot(dir), snapshot(&admin));
    let out = world.pool("release p/slot1 --json");
    if out.code == 5 {
        assert!(
            (snapshot(dir), snapshot(&admin)) == untouched,
            "refused, but changed: {done:?}\n{out}"
        );
        assert_eq!(world.state("p/slot1"), "allocated");
        world.pool("release p/slot1 --discard").ok();
        world.pool("allocate p --no-fetch").ok();
        return (false, true);
    }
    out.ok();
    world.pool("allocate p --no-fetch").ok();
    let Some(id) = out.json()["rescue"]["rescue_id"]
        .as_str()
        .map(str::to_owned)
    else {
        assert!(
            before.status.is_empty(),
            "nothing was saved: {done:?}\n{out}"
        );
        return (false, false);
    };
    world
        .pool(["rescue", "restore", &id, "--into", "p/slot1"])
        .ok();
    let after = world.work(dir);
    let said = format!("after {done:?}\n{out}");
    assert_eq!(after.head, before.head, "{said}");
    assert_eq!(after.status, before.status, "{said}");
    assert_eq!(after.index, before.index, "{said}");
    assert_eq!(after.files, before.files, "{said}");
    world.pool(["rescue", "drop", &id]).ok();
    (true, false)
}

/// Fifty releases, or this run's part of them, each after a few things were done in the slot.
fn fifty(part: u64) {
    let mut random = Random::new(part);
    let (world, _remote) = World::with_pool(1);
    let dir = world.pool("allocate p --no-fetch").ok().path();
    let (mut restored, mut refused) = (0, 0);
    let mut done = Vec::new();
    let rounds = Part::own().share(50);
    for round in 0..rounds {
        if round % 5 == 0 {
            world.pool("release p/slot1 --discard").ok();
            world.pool("allocate p --no-fetch").ok();
            done.clear();
        }
        for _ in 0..1 + random.below(6) {
            done.push(mutate(&world, &dir, &mut random));
        }
        let (was_restored, was_refused) = one_release(&world, &dir, &done);
        restored += u64::from(was_restored);
        refused += u64::from(was_refused);
        if was_refused {
            done.clear();
        }
    }
    assert!(
        restored * 10 >= rounds * 3,
        "{restored} restored, {refused} refused"
    );
    world.pool("release p/slot1 --discard").ok();
    world.assert_sound("p");
}

/// Section 6.
#[test]
fn the_first_fifty_dirty_releases_lose_nothing() {
    fifty(1);
}

/// Section 6.
#[test]
fn the_second_fifty_dirty_releases_lose_nothing() {
    fifty(2);
}

/// Section 6.
#[test]
fn the_third_fifty_dirty_releases_lose_nothing() {
    fifty(3);
}

/// Section 6.
#[test]
fn the_fourth_fifty_dirty_releases_lose_nothing() {
    fifty(4);
}

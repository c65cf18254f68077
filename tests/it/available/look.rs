//! An independent look at a slot that was handed out: plain git, with an index of its own, and a
//! walk over the directory. What the tool says of itself does not count.

use crate::support::{Remote, World};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What a slot that stands alone has besides.
const REPOSITORY: [&str; 6] = ["config", "hooks", "info", "objects", "packed-refs", "refs"];

/// What may stand in the administrative directory of a slot that somebody just got.
const REGISTRATION: [&str; 7] = [
    "HEAD",
    "ORIG_HEAD",
    "commondir",
    "gitdir",
    "index",
    "locked",
    "logs",
];

/// What one slot consists of, byte for byte: its files, its index, its registration.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace(BTreeMap<PathBuf, String>);

/// Takes down everything that a refused command must leave as it is.
pub fn trace(world: &World, dir: &Path) -> Trace {
    let mut found = BTreeMap::new();
    for top in [dir.to_owned(), world.admin_dir("slot1")] {
        walk(&top, &mut |path, meta| {
            let content = match meta.is_file() {
                true => format!("{:?}", fs::read(path).unwrap_or_default()),
                false => format!("{:?}", fs::read_link(path)),
            };
            let what = format!("{:o} {} {content}", meta.mode(), meta.nlink());
            found.insert(path.to_owned(), what);
        });
    }
    Trace(found)
}

/// The slot must be exactly the remote's `commit` on its own branch, with nothing hidden, left over
/// or under way, and nothing that keeps its holder from working in it.
#[track_caller]
pub fn assert_provably_clean(world: &World, remote: &Remote, dir: &Path, commit: &str, why: &str) {
    let git = |args: &str| world.git(dir, format!("-c core.fsmonitor=false {args}"));
    assert_eq!(git("rev-parse HEAD"), commit, "{why}");
    assert_eq!(world.branch(dir), "worktree/p/slot1", "{why}");
    assert_eq!(
        git("rev-parse --show-toplevel"),
        dir.display().to_string(),
        "{why}"
    );
    world.assert_holds(dir, remote, commit);
    by_an_index_of_its_own(world, dir, commit, why);
    let flags = git("ls-files -v");
    assert!(
        flags.lines().all(|line| line.starts_with("H ")),
        "{why}: hidden flags\n{flags}"
    );
    assert_eq!(git("ls-files --unmerged"), "", "{why}");
    let admin = PathBuf::from(git("rev-parse --absolute-git-dir"));
    assert_eq!(admin, world.admin_dir("slot1"), "{why}");
    for entry in fs::read_dir(&admin).expect("the registration").flatten() {
        let name = entry.file_name();
        assert!(
            REGISTRATION.iter().any(|known| name == *known)
                || admin.starts_with(dir) && REPOSITORY.iter().any(|known| name == *known),
            "{why}: {name:?} is left"
        );
    }
    assert_usable(dir, why);
    // What the next holder does first must work.
    world.commit(dir, "next.txt", "the next holder's\n");
    world.git(dir, "reset -q --hard HEAD~1");
}

/// Compares the files with the commit by an index that nobody could have prepared.
#[track_caller]
fn by_an_index_of_its_own(world: &World, dir: &Path, commit: &str, why: &str) {
    let index = world.path("fresh-index");
    let _ = fs::remove_file(&index);
    for args in [
        vec!["read-tree", commit],
        vec!["update-index", "--refresh"],
        vec!["diff-files", "--exit-code"],
    ] {
        let mut git = world.command("git");
        git.args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.sparseCheckout=false",
        ]);
        git.args(&args)
            .env("GIT_INDEX_FILE", &index)
            .current_dir(dir);
        let out = git.output().expect("git");
        assert!(out.status.success(), "{why}: git {args:?}: {out:?}");
    }
}

/// No empty directory, no special file, no directory that its owner can't write, nothing mounted.
#[track_caller]
fn assert_usable(dir: &Path, why: &str) {
    let device = fs::metadata(dir).expect("the slot").dev();
    walk(dir, &mut |path, meta| {
        let kind = meta.file_type();
        let special = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
        assert!(!special, "{why}: {} is special", path.display());
        assert_eq!(meta.dev(), device, "{why}: {} is mounted", path.display());
        if meta.is_dir() {
            assert_eq!(
                meta.mode() & 0o700,
                0o700,
                "{why}: {} is closed",
                path.display()
            );
            let empty = fs::read_dir(path).expect("a directory").next().is_none();
            let own = path.starts_with(dir.join(".git"));
            assert!(!empty || own, "{why}: {} is empty", path.display());
        }
    });
}

fn walk(path: &Path, see: &mut dyn FnMut(&Path, &fs::Metadata)) {
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    see(path, &meta);
    if meta.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            walk(&entry.path(), see);
        }
    }
}

//! How much disk trees take up: allocated blocks, not lengths, so that a sparse file counts for what
//! it has.
//!
//! Several threads share one list of directories that are still to be read. Each is held by a
//! descriptor, never by its path, so that no symbolic link is followed, whoever changes the trees
//! meanwhile. Mounts are not crossed. What vanishes is gone and takes nothing.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Statx, StatxFlags, openat, statx};
use rustix::io::Errno;

use super::mounts::Mount;
use super::threads;

/// What trees take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// All trees together, a file with several names among them counted once; none if a part of one
    /// can't be read.
    pub total: Option<u64>,
    /// Each tree by itself, a file with several names in it counted once; none if there is no such
    /// tree, or a part of it can't be read.
    pub trees: Vec<Option<u64>>,
}

/// Measures the trees at `roots` with up to `jobs` threads. A tree inside another one counts for
/// itself only.
pub fn usage<P: AsRef<Path>>(roots: &[P], jobs: usize) -> Usage {
    let walk = Walk::of(roots);
    threads::share(jobs, || walk.work());
    walk.state().sums.usage()
}

/// The same for one tree.
pub fn of_tree(root: &Path, jobs: usize) -> Option<u64> {
    usage(&[root], jobs).total
}

const BUFFER: usize = 32 * 1024;

/// A file as the file system knows it, whatever its names.
type Identity = (u32, u32, u64);

/// A directory that is still to be read: its name in one that is open.
struct Task {
    above: Option<Arc<OwnedFd>>,
    name: CString,
    tree: usize,
    mount: Mount,
}

struct Walk {
    roots: HashSet<Identity>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    tasks: Vec<Task>,
    /// How many threads read a directory, which may add tasks.
    busy: usize,
    sums: Sums,
}

impl Walk {
    fn of<P: AsRef<Path>>(roots: &[P]) -> Self {
        let mut sums = Sums::of(roots.len());
        let mut identities = HashSet::new();
        let mut tasks = Vec::new();
        for (tree, root) in roots.iter().enumerate() {
            let name = CString::new(root.as_ref().as_os_str().as_encoded_bytes());
            let Ok(name) = name else { continue };
            match look(CWD, &name) {
                Ok(found) => {
                    sums.trees[tree] = Some(0);
                    sums.add(tree, &found);
                    identities.insert(identity(&found));
                    if is_directory(&found) {
                        let mount = Mount::in_statx(&found);
                        tasks.push(Task {
                            above: None,
                            name,
                            tree,
                            mount,
                        });
                    }
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(_) => sums.total = None,
            }
        }
        Self {
            roots: identities,
            state: Mutex::new(State {
                tasks,
                busy: 0,
                sums,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads directories until there are none left, nor anybody who could find more.
    fn work(&self) {
        while let Some(task) = self.next() {
            let read = self.read(&task);
            let mut state = self.state();
            match read {
                Ok((found, tasks)) => {
                    for entry in &found {
                        state.sums.add(task.tree, entry);
                    }
                    state.tasks.extend(tasks);
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(_) => state.sums.give_up(task.tree),
            }
            state.busy -= 1;
            drop(state);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut state = self.state();
        loop {
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is in a directory, and the directories among it.
    fn read(&self, task: &Task) -> rustix::io::Result<(Vec<Statx>, Vec<Task>)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match &task.above {
            Some(above) => openat(above, &task.name, flags, Mode::empty())?,
            None => openat(CWD, &task.name, flags, Mode::empty())?,
        };
        let directory = Arc::new(directory);
        let (mut found, mut tasks) = (Vec::new(), Vec::new());
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut entries = RawDir::new(&*directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let seen = match look(&*directory, name) {
                Ok(seen) => seen,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            let elsewhere = Mount::in_statx(&seen) != task.mount;
            let is_directory = is_directory(&seen);
            if elsewhere || is_directory && self.roots.contains(&identity(&seen)) {
                continue;
            }
            if is_directory {
                tasks.push(Task {
                    above: Some(Arc::clone(&directory)),
                    name: name.to_owned(),
                    tree: task.tree,
                    mount: task.mount,
                });
            }
            found.push(seen);
        }
        Ok((found, tasks))
    }
}

/// The sums so far, and the files with several names that are in them.
struct Sums {
    total: Option<u64>,
    trees: Vec<Option<u64>>,
    linked: HashSet<Identity>,
    linked_in_tree: HashSet<(usize, Identity)>,
}

impl Sums {
    fn of(trees: usize) -> Self {
        Self {
            total: Some(0),
            trees: vec![None; trees],
            linked: HashSet::new(),
            linked_in_tree: HashSet::new(),
        }
    }

    fn add(&mut self, tree: usize, entry: &Statx) {
        let bytes = entry.stx_blocks * 512;
        let linked = entry.stx_nlink > 1 && !is_directory(entry);
        let file = identity(entry);
        if !linked || self.linked.insert(file) {
            self.total = self.total.map(|sum| sum + bytes);
        }
        if !linked || self.linked_in_tree.insert((tree, file)) {
            self.trees[tree] = self.trees[tree].map(|sum| sum + bytes);
        }
    }

    fn give_up(&mut self, tree: usize) {
        self.total = None;
        self.trees[tree] = None;
    }

    fn usage(&mut self) -> Usage {
        Usage {
            total: self.total,
            trees: std::mem::take(&mut self.trees),
        }
    }
}

fn look(directory: impl AsFd, name: &CStr) -> rustix::io::Result<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, wanted)
}

fn is_directory(entry: &Statx) -> bool {
    FileType::from_raw_mode(entry.stx_mode.into()) == FileType::Directory
}

fn identity(entry: &Statx) -> Identity {
    (entry.stx_dev_major, entry.stx_dev_minor, entry.stx_ino)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const KIB: u64 = 1024;

    /// Two trees, `a` and `b`, in a directory of their own.
    fn trees() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for tree in [&a, &b] {
            std::fs::create_dir_all(tree.join("inner/most")).unwrap();
        }
        (dir, a, b)
    }

    fn write(path: PathBuf, kib: u64) {
        std::fs::write(path, vec![1; (kib * KIB) as usize]).unwrap();
    }

    /// The sum of what stands at these paths, each taken for itself.
    fn blocks(paths: &[&Path]) -> u64 {
        let of = |path: &&Path| std::fs::symlink_metadata(path).unwrap().blocks() * 512;
        paths.iter().map(of).sum()
    }

    #[test]
    fn every_file_counts_with_its_blocks() {
        let (_dir, a, b) = trees();
        let (one, two) = (a.join("one"), a.join("inner/most/two"));
        write(one.clone(), 64);
        write(two.clone(), 8);
        let (inner, most) = (a.join("inner"), a.join("inner/most"));
        let wanted = blocks(&[&a, &inner, &most, &one, &two]);
        let empty = blocks(&[&b, &b.join("inner"), &b.join("inner/most")]);
        for jobs in [1, 2, 8] {
            let found = usage(&[&a, &b], jobs);
            assert_eq!(found.trees, [Some(wanted), Some(empty)], "{jobs}");
            assert_eq!(found.total, Some(wanted + empty), "{jobs}");
        }
        assert_eq!(of_tree(&one, 2), Some(blocks(&[&one])));
    }

    #[test]
    fn a_file_with_several_names_counts_once() {
        let (_dir, a, b) = trees();
        let empty = usage(&[&a, &b], 1);
        let one = a.join("one");
        write(one.clone(), 64);
        let bytes = blocks(&[&one]);
        std::fs::hard_link(&one, a.join("inner/two")).unwrap();
        std::fs::hard_link(&one, b.join("three")).unwrap();
        let found = usage(&[&a, &b], 2);
        assert_eq!(found.total, Some(empty.total.unwrap() + bytes));
        for tree in 0..2 {
            assert_eq!(found.trees[tree], Some(empty.trees[tree].unwrap() + bytes));
        }
    }

    #[test]
    fn holes_take_nothing() {
        let (_dir, a, _) = trees();
        let file = std::fs::File::create(a.join("sparse")).unwrap();
        file.set_len(1 << 30).unwrap();
        let found = of_tree(&a, 2).unwrap();
        assert!(found < 1 << 20, "{found}");
    }

    #[test]
    fn links_are_not_followed() {
        let (_dir, a, b) = trees();
        write(b.join("large"), 1024);
        symlink(&b, a.join("link")).unwrap();
        symlink(b.join("large"), a.join("inner/link")).unwrap();
        let found = of_tree(&a, 2).unwrap();
        assert!(found < 1024 * KIB, "{found}");
        let link = a.join("link");
        assert_eq!(of_tree(&link, 1), Some(blocks(&[&link])));
    }

    #[test]
    fn a_tree_in_another_counts_for_itself_only() {
        let (dir, a, b) = trees();
        write(a.join("inner/large"), 256);
        let whole = of_tree(dir.path(), 1).unwrap();
        let found = usage(&[dir.path(), &a, &a.join("inner")], 2);
        let parts: u64 = found.trees.iter().map(|sum| sum.unwrap()).sum();
        assert_eq!((found.total, parts), (Some(whole), whole));
        let rest = blocks(&[dir.path(), &b, &b.join("inner"), &b.join("inner/most")]);
        assert_eq!(found.trees[0], Some(rest));
    }

    #[test]
    fn a_mount_is_not_crossed() {
        let whole = of_tree(Path::new("/dev"), 2);
        let shm = Path::new("/dev/shm");
        let is_mount = super::super::mounts::is_mount_point(shm).unwrap_or(false);
        if let (Some(whole), true) = (whole, is_mount) {
            let file = tempfile::NamedTempFile::new_in(shm).unwrap();
            write(file.path().to_owned(), 4096);
            let with = of_tree(Path::new("/dev"), 2).unwrap();
            assert!(with < whole + 4096 * KIB, "{whole} {with}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        let (_dir, a, b) = trees();
        let closed = a.join("inner");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let readable = std::fs::read_dir(&closed).is_ok();
        let found = usage(&[&a, &b], 2);
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        assert!(found.trees[1].is_some());
        // Nothing is closed to root.
        assert_eq!(found.trees[0].is_some(), readable);
        assert_eq!(found.total.is_some(), readable);
    }

    #[test]
    fn a_tree_that_is_not_there_leaves_the_others() {
        let (_dir, a, b) = trees();
        let found = usage(&[a.as_path(), &b.join("missing"), Path::new("a\0b")], 2);
        assert_eq!(found.trees[1..], [None, None]);
        assert_eq!(
            (found.total, found.trees[0]),
            (of_tree(&a, 1), of_tree(&a, 1))
        );
        assert_eq!(usage::<&Path>(&[], 2).total, Some(0));
    }

    #[test]
    fn what_vanishes_meanwhile_is_no_failure() {
        let (dir, a, _) = trees();
        write(dir.path().join("a/stays"), 64);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for n in 0..20 {
                        let gone = a.join(format!("d{n}/x/y"));
                        std::fs::create_dir_all(&gone).unwrap();
                        write(gone.join("file"), 4);
                    }
                    for n in 0..20 {
                        std::fs::remove_dir_all(a.join(format!("d{n}"))).unwrap();
                    }
                }
            });
            let measured: Vec<_> = (0..200).map(|_| of_tree(&a, 2)).collect();
            done.store(true, Ordering::Relaxed);
            let least = 64 * KIB;
            assert!(
                measured
                    .iter()
                    .all(|sum| sum.is_some_and(|sum| sum >= least))
            );
        });
    }
}

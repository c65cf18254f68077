//! A slot as git sees it: the tree, its administrative directory, and the links between them.
//!
//! `git worktree add` is not safe beside itself and disturbs bystanders, so a registration is built
//! aside in the same repository and appears by one rename: at every moment git sees all of it or
//! nothing. Every registration is locked, so that no `worktree prune` takes it away while the
//! directory can't be seen.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::parse::{self, Head};
use super::{Git, Invocation, Oid, Sparse, command, lfs, own_config, view};
use crate::domain::{Error, Result};
use crate::sys::fs;

mod fault;

pub use fault::Fault;

/// What may stand in an idle slot's administrative directory.
const ADMIN_FILES: [&str; 9] = [
    "HEAD",
    "index",
    "gitdir",
    "commondir",
    "locked",
    "logs",
    "ORIG_HEAD",
    "FETCH_HEAD",
    lfs::FILLED,
];

/// How the names of an index's shared parts begin, where a user has split it.
const SHARED_INDEX: &[u8] = b"sharedindex.";

/// Commits that were found in a slot's own repository when it came home, one on a line.
pub(super) const FOUND: &str = "repo-pool-found";

/// Where git puts a commit aside in the middle of something.
pub(super) const SET_ASIDE: [&str; 9] = [
    "MERGE_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "rebase-merge/autostash",
    "rebase-apply/autostash",
    "MERGE_AUTOSTASH",
    "rebase-merge/orig-head",
    "rebase-apply/orig-head",
    "CHERRY_PICK_HEAD",
];

/// What shows that a user is in the middle of something.
const UNDER_WAY: [(&str, &str); 6] = [
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisection"),
];

/// Why every registration is locked, as `git worktree list -v` shows it.
pub(super) const LOCK_REASON: &str =
    "managed by repo-pool; remove it with: repo-pool remove-slot\n";

/// Whether a file of that name is one of those that make up an index.
pub(super) fn is_of_an_index(name: &OsStr) -> bool {
    name == "index" || name.as_encoded_bytes().starts_with(SHARED_INDEX)
}

/// The paths that make up a slot.
#[derive(Debug, Clone)]
pub struct Worktree {
    /// The directory in which its files are now.
    pub path: PathBuf,
    /// The directory that users work in, and by which git knows it; the same unless it is parked.
    pub home: PathBuf,
    /// Its administrative directory, `<repository>/worktrees/<name>`.
    pub admin: PathBuf,
    /// The shared repository.
    pub common: PathBuf,
    /// Which of its files it has.
    pub sparse: Sparse,
    /// Whether files that git-lfs keeps are there with their contents.
    pub lfs: bool,
}

impl Worktree {
    /// A git command on this slot: repository and tree are given explicitly, never discovered, so
    /// a slot that lost its `.git` file can't resolve to a repository around the workspace. What all
    /// slots share is seen through the view, so neither the shared config nor the slot's own is read.
    pub fn command<'g>(&self, git: &'g Git) -> Invocation<'g> {
        self.registration(git)
            .args([command::joined("--work-tree=", &self.path)])
            .args(self.sparse.settings())
            .args(lfs::settings(self.lfs))
            .cwd(&self.path)
    }

    /// A git command on the slot's registration, which needs no directory.
    fn registration<'g>(&self, git: &'g Git) -> Invocation<'g> {
        git.within(&self.admin)
            .env("GIT_COMMON_DIR", view::path(&self.common))
    }

    /// What HEAD says; `None` if it is missing or damaged.
    pub fn head(&self) -> Result<Option<Head>> {
        Ok(self
            .read(&self.state().join("HEAD"))?
            .and_then(|bytes| parse::head(&bytes)))
    }

    /// What stands in a file of the slot's; `None` if there is no file that can be read. A FIFO in
    /// its place would hang whoever opens it.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        if !fs::metadata_if_there(path)?.is_some_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        match fs::read_if_there(path) {
            Err(Error::Io { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    fn link(&self) -> String {
        format!("gitdir: {}\n", self.admin.display())
    }

    fn back_link(&self) -> String {
        format!("{}/.git\n", self.home.display())
    }

    /// Registers the slot with HEAD detached at `commit` and makes its (still empty) directory.
    /// What stood in the way must have been moved aside before.
    pub fn register(&self, commit: &Oid) -> Result<()> {
        fs::create_private_dir_all(&self.path)?;
        self.write_link()?;
        self.enrol(commit)
    }

    /// Makes the registration.
    pub(super) fn enrol(&self, commit: &Oid) -> Result<()> {
        let aside = self
            .common
            .join("repo-pool-tmp")
            .join(crate::sys::user::random_hex(8));
        fs::create_private_dir_all(&aside)?;
        let write = |name: &str, text: &str| {
            fs::write_atomic(
                &aside.join(name),
                text.as_bytes(),
                fs::Durability::RenameOnly,
            )
        };
        write("gitdir", &self.back_link())?;
        write("commondir", "../..\n")?;
        write("HEAD", &format!("{commit}\n"))?;
        write("locked", LOCK_REASON)?;
        let parent = self.common.join("worktrees");
        fs::create_private_dir_all(&parent)?;
        fs::rename_noreplace(&aside, &self.admin)
    }

    /// Writes the directory's `.git` file.
    pub fn write_link(&self) -> Result<()> {
        let link = self.path.join(".git");
        fs::write_atomic(&link, self.link().as_bytes(), fs::Durability::RenameOnly)
    }

    /// Puts the administrative files right again; HEAD is detached at `commit` if it is damaged.
    pub fn repair_admin(&self, commit: &Oid) -> Result<()> {
        let write = |name: &str, text: &str| {
            let path = self.admin.join(name);
            if path.is_dir() && !fs::is_symlink(&path)? {
                crate::sys::remove::remove_tree(&path)?;
            }
            fs::write_atomic(&path, text.as_bytes(), fs::Durability::RenameOnly)
        };
        write("gitdir", &self.back_link())?;
        write("commondir", "../..\n")?;
        write("locked", LOCK_REASON)?;
        if self.head()?.is_none() {
            write("HEAD", &format!("{commit}\n"))?;
        }
        Ok(())
    }

    /// Files that a killed git left locked, or a killed command half written. Only for a slot in which provably nobody works.
    pub fn stale_locks(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let place = self.state();
        for name in fs::list_dir_if_there(&place)?.unwrap_or_default() {
            if name.as_encoded_bytes().ends_with(b".lock") || fs::is_temporary_name(&name) {
                found.push(place.join(name));
            }
        }
        Ok(found)
    }

    /// What an idle slot must not have in its administrative directory: state of a merge, rebase or
    /// bisect, worktree config, refs of the worktree's own, lock files.
    pub fn unexpected(&self) -> Result<Vec<OsString>> {
        let mut found = fs::list_dir_if_there(&self.admin)?.unwrap_or_default();
        found.retain(|name| !is_of_an_index(name) && !ADMIN_FILES.iter().any(|kept| name == *kept));
        let own = own_config::expected(self)?;
        found.retain(|name| !own.iter().any(|kept| name == kept));
        Ok(found)
    }

    /// Removes what is [unexpected](Self::unexpected). Returns the names.
    pub fn scrub_admin(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in self.unexpected()? {
            crate::sys::remove::remove_tree(&self.admin.join(&name))?;
            removed.push(name.to_string_lossy().into_owned());
        }
        self.write_own_config()?;
        Ok(removed)
    }

    /// Forgets HEAD's history, so that it shows one allocation only. The empty file makes git write
    /// it whatever `core.logAllRefUpdates` says.
    pub fn forget_history(&self) -> Result<()> {
        let log = self.admin.join("logs/HEAD");
        let empty = fs::metadata_if_there(&log)?
            .is_some_and(|metadata| metadata.is_file() && metadata.len() == 0);
        if !empty {
            crate::sys::remove::remove_tree(&self.admin.join("logs"))?;
            fs::create_private_dir_all(&self.admin.join("logs"))?;
            fs::append_line(&log, b"")?;
        }
        fs::remove_file_if_there(&self.admin.join("ORIG_HEAD"))?;
        Ok(())
    }

    /// The commits that HEAD has had since its history was last forgotten.
    pub fn history(&self) -> Result<Vec<u8>> {
        Ok(self
            .read(&self.state().join("logs/HEAD"))?
            .unwrap_or_default())
    }

    /// The commit that HEAD names; `None` if it names none. Needs no directory.
    pub fn head_commit(&self, git: &Git) -> Result<Option<Oid>> {
        if !self.admin.is_dir() {
            return Ok(None);
        }
        let output = self
            .registration(git)
            .args([
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                "HEAD^{commit}",
            ])
            .run_allowing(&[1, 128], "look up HEAD", &mut |_| ())?;
        let text = output.text();
        Ok((output.code == 0)
            .then_some(text)
            .filter(|text| super::is_oid(text)))
    }

    /// Whether submodules were filled in the slot.
    pub fn has_submodules(&self) -> bool {
        self.modules().is_dir()
    }

    /// Whether there is an index.
    pub fn has_index(&self) -> Result<bool> {
        Ok(fs::metadata_if_there(&self.admin.join("index"))?.is_some())
    }

    /// Commits that only files of the slot lead to: what a rebase or merge put aside, and refs of the
    /// worktree's own.
    pub fn commits_set_aside(&self) -> Result<Vec<Oid>> {
        let mut found: Vec<Oid> = self.own_refs()?.into_iter().map(|(_, oid)| oid).collect();
        for name in SET_ASIDE.iter().chain(&[FOUND]) {
            let bytes = self.read(&self.admin.join(name))?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            found.extend(text.lines().map(str::trim).filter_map(super::oid_or_none));
        }
        Ok(found)
    }

    /// The refs of the worktree's own: their files, and what they name.
    pub fn own_refs(&self) -> Result<Vec<(PathBuf, Oid)>> {
        let mut files = Vec::new();
        let mut dirs = vec![self.admin.join("refs")];
        while let Some(dir) = dirs.pop() {
            for name in fs::list_dir_if_there(&dir)?.unwrap_or_default() {
                let path = dir.join(name);
                match path.is_dir() && !fs::is_symlink(&path)? {
                    true => dirs.push(path),
                    false => files.push(path),
                }
            }
        }
        let mut found = Vec::new();
        for file in files {
            let bytes = self.read(&file)?.unwrap_or_default();
            let oid = super::oid_or_none(String::from_utf8_lossy(&bytes).trim());
            found.extend(oid.map(|oid| (file, oid)));
        }
        Ok(found)
    }

    /// What a user is in the middle of, if anything.
    pub fn under_way(&self) -> Result<Option<&'static str>> {
        for (name, what) in UNDER_WAY {
            if fs::metadata_if_there(&self.state().join(name))?.is_some() {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// The names of the files that make up the index.
    pub fn index_files(&self) -> Result<Vec<OsString>> {
        let mut names = fs::list_dir_if_there(&self.admin)?.unwrap_or_default();
        names.retain(|name| is_of_an_index(name));
        Ok(names)
    }

    /// Drops the index.
    pub fn forget_index(&self) -> Result<()> {
        for name in self.index_files()? {
            crate::sys::remove::remove_tree(&self.admin.join(name))?;
        }
        Ok(())
    }

    /// Whether there is a directory of the slot's own, with nothing mounted in it.
    pub fn may_be_walked(&self) -> Result<bool> {
        Ok(self.directory_fault()?.is_none())
    }

    /// Makes one file of an index that somebody has split, as the pool's are. Tells whether it was.
    pub fn join_index(&self, git: &Git, lock: &crate::sys::lock::FileLock) -> Result<bool> {
        let mut shared = fs::list_dir_if_there(&self.admin)?.unwrap_or_default();
        shared.retain(|name| name.as_encoded_bytes().starts_with(SHARED_INDEX));
        if shared.is_empty() {
            return Ok(false);
        }
        self.command(git)
            .holding(Some(lock))
            .args(["update-index", "--no-split-index"])
            .run("make the split index one")?;
        for name in shared {
            crate::sys::remove::remove_tree(&self.admin.join(name))?;
        }
        Ok(true)
    }

    /// Points HEAD at a commit or a branch without touching a file of the tree: by one rename, as git
    /// does it. Only for a slot in which nobody works.
    pub fn set_head(&self, head: &Head) -> Result<()> {
        let text = match head {
            Head::Detached(commit) => format!("{commit}\n"),
            Head::Symbolic(name) => format!("ref: {name}\n"),
        };
        let path = self.admin.join("HEAD");
        fs::write_atomic(&path, text.as_bytes(), fs::Durability::RenameOnly)
    }

    /// Makes the index anew from HEAD and touches no file, so that every file that differs shows.
    pub fn rebuild_index(&self, git: &Git, lock: &crate::sys::lock::FileLock) -> Result<()> {
        self.command(git)
            .holding(Some(lock))
            .args(["read-tree", "HEAD"])
            .run("make the index anew")?;
        Ok(())
    }

    /// Fills the registered, empty directory with `commit`.
    pub fn populate(
        &self,
        git: &Git,
        lock: &crate::sys::lock::FileLock,
        commit: &Oid,
        on_progress: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        self.write_own_config()?;
        self.command(git)
            .holding(Some(lock))
            .while_progressing()
            .env("GIT_PROGRESS_DELAY", "0")
            .args(["read-tree", "-v", "--reset", "-u", commit])
            .run_allowing(
                &[],
                &format!("check out {}", self.path.display()),
                on_progress,
            )?;
        self.note_filled()?;
        self.verify_new(git, commit)
    }

    /// Makes sure that the new tree is what `commit` says, with nothing else in it: git can exit 0
    /// and be wrong. By a copy of the index that is later than all files: by the index itself, git
    /// would read every file that was written in its second, though nobody can have changed one.
    fn verify_new(&self, git: &Git, commit: &Oid) -> Result<()> {
        let later = self.admin.join("index.later");
        fs::copy_later(&self.admin.join("index"), &later)?;
        let status = super::status::look_by(git, self, None, Some(&later))?;
        fs::remove_file_if_there(&later)?;
        if status.commit.as_ref() == Some(commit)
            && !status.has_changes()
            && status.ignored.is_empty()
        {
            return Ok(());
        }
        let paths: Vec<_> = status
            .changed
            .iter()
            .chain(&status.untracked)
            .chain(&status.ignored)
            .collect();
        Err(Error::SlotAllocation(format!(
            "{} is not clean at {commit} after the checkout{}",
            self.path.display(),
            super::clean::listed(paths.into_iter())
        )))
    }
}

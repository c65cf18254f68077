//! A slot as git sees it: the tree, its administrative directory, and the links between them.
//!
//! `git worktree add` is not safe beside itself and disturbs bystanders, so a registration is built
//! aside in the same repository and appears by one rename: at every moment git sees all of it or
//! nothing. Every registration is locked, so that no `worktree prune` takes it away while the
//! directory can't be seen.

use std::path::{Path, PathBuf};

use super::parse::{self, Head};
use super::{Git, Invocation, Oid, command};
use crate::domain::{Error, Result};
use crate::sys::{fs, mounts};

/// What may stand in an idle slot's administrative directory.
const ADMIN_FILES: [&str; 8] = [
    "HEAD",
    "index",
    "gitdir",
    "commondir",
    "locked",
    "logs",
    "ORIG_HEAD",
    "FETCH_HEAD",
];

/// How the names of an index's shared parts begin, where a user has split it.
const SHARED_INDEX: &[u8] = b"sharedindex.";

/// Where git puts a commit aside in the middle of something.
const SET_ASIDE: [&str; 6] = [
    "rebase-merge/autostash",
    "rebase-apply/autostash",
    "MERGE_AUTOSTASH",
    "rebase-merge/orig-head",
    "rebase-apply/orig-head",
    "CHERRY_PICK_HEAD",
];

/// Why every registration is locked, as `git worktree list -v` shows it.
const LOCK_REASON: &str = "managed by repo-pool; remove it with: repo-pool remove-slot\n";

/// The paths that make up a slot.
#[derive(Debug, Clone)]
pub struct Worktree {
    /// The directory that users work in.
    pub path: PathBuf,
    /// Its administrative directory, `<repository>/worktrees/<name>`.
    pub admin: PathBuf,
    /// The shared repository.
    pub common: PathBuf,
}

/// What is wrong with a slot's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The directory is not there.
    MissingDirectory,
    /// The directory was replaced by something else, which is nobody's to delete.
    Replaced(String),
    /// Something is mounted there: nothing is done.
    Mounted,
    /// The directory's `.git` file is missing or names another place.
    Link(String),
    /// The administrative directory is missing.
    Unregistered,
    /// A file in the administrative directory is damaged.
    Admin(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MissingDirectory => f.write_str("its directory is missing"),
            Self::Mounted => {
                f.write_str("something is mounted on its directory or inside; unmount it")
            }
            Self::Replaced(what) | Self::Link(what) | Self::Admin(what) => f.write_str(what),
            Self::Unregistered => f.write_str("its registration in git is missing"),
        }
    }
}

impl Worktree {
    /// A git command on this slot: repository and tree are given explicitly, never discovered, so
    /// a slot that lost its `.git` file can't resolve to a repository around the workspace. Filters
    /// that were defined in the shared config are not run.
    pub fn command<'g>(&self, git: &'g Git) -> Invocation<'g> {
        git.bare()
            .args([
                command::joined("--git-dir=", &self.admin),
                command::joined("--work-tree=", &self.path),
            ])
            .args(super::guard::without_filters(
                git,
                &self.common,
                &self.admin,
            ))
            .cwd(&self.path)
    }

    /// Checks the links both ways; `None` if the slot is sound enough for git to work on it.
    pub fn fault(&self) -> Result<Option<Fault>> {
        if let Some(fault) = self.directory_fault()? {
            return Ok(Some(fault));
        }
        if !self.admin.is_dir() {
            return Ok(Some(Fault::Unregistered));
        }
        let link = self.read(&self.path.join(".git"))?;
        if link.as_deref() != Some(self.link().as_bytes()) {
            return Ok(Some(Fault::Link(
                "its .git file does not name its registration".into(),
            )));
        }
        self.admin_fault()
    }

    fn directory_fault(&self) -> Result<Option<Fault>> {
        if fs::is_symlink(&self.path)? {
            return Ok(Some(Fault::Replaced(
                "its directory was replaced by a symbolic link".into(),
            )));
        }
        if !self.path.exists() {
            return Ok(Some(Fault::MissingDirectory));
        }
        if !self.path.is_dir() {
            return Ok(Some(Fault::Replaced(
                "its directory was replaced by a file".into(),
            )));
        }
        if mounts::is_mount_point(&self.path)? || !mounts::mounts_below(&self.path).is_empty() {
            return Ok(Some(Fault::Mounted));
        }
        Ok(None)
    }

    fn admin_fault(&self) -> Result<Option<Fault>> {
        let is = |name: &str, wanted: &str| -> Result<bool> {
            Ok(self.read(&self.admin.join(name))?.as_deref() == Some(wanted.as_bytes()))
        };
        if !is("gitdir", &self.back_link())? {
            return Ok(Some(Fault::Admin(
                "its registration does not name its directory".into(),
            )));
        }
        if !is("commondir", "../..\n")? {
            return Ok(Some(Fault::Admin(
                "its registration does not name the repository".into(),
            )));
        }
        if self.head()?.is_none() {
            return Ok(Some(Fault::Admin("its HEAD is damaged".into())));
        }
        Ok(None)
    }

    /// What HEAD says; `None` if it is missing or damaged.
    pub fn head(&self) -> Result<Option<Head>> {
        Ok(self
            .read(&self.admin.join("HEAD"))?
            .and_then(|bytes| parse::head(&bytes)))
    }

    /// What stands in a file of the slot's; `None` if there is no file that can be read. A FIFO in
    /// its place would hang whoever opens it.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
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
        format!("{}/.git\n", self.path.display())
    }

    /// Registers the slot with HEAD detached at `commit` and makes its (still empty) directory.
    /// What stood in the way must have been moved aside before.
    pub fn register(&self, commit: &Oid) -> Result<()> {
        fs::create_private_dir_all(&self.path)?;
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
        self.write_link()?;
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

    /// Files that a killed git left locked. Only for a slot in which provably nobody works.
    pub fn stale_locks(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for name in fs::list_dir_if_there(&self.admin)?.unwrap_or_default() {
            if name.as_encoded_bytes().ends_with(b".lock") {
                found.push(self.admin.join(name));
            }
        }
        Ok(found)
    }

    /// Removes from the administrative directory what an idle slot must not have: state of a merge,
    /// rebase or bisect, worktree config, refs of the worktree's own, lock files.
    /// Returns the names.
    pub fn scrub_admin(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in fs::list_dir_if_there(&self.admin)?.unwrap_or_default() {
            let shared_index = name.as_encoded_bytes().starts_with(SHARED_INDEX);
            if !shared_index && !ADMIN_FILES.iter().any(|kept| name == *kept) {
                crate::sys::remove::remove_tree(&self.admin.join(&name))?;
                removed.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(removed)
    }

    /// Forgets HEAD's history, so that it shows one allocation only.
    pub fn forget_history(&self) -> Result<()> {
        fs::remove_file_if_there(&self.admin.join("logs/HEAD"))?;
        fs::remove_file_if_there(&self.admin.join("ORIG_HEAD"))?;
        Ok(())
    }

    /// The commits that HEAD has had since its history was last forgotten.
    pub fn history(&self) -> Result<Vec<u8>> {
        Ok(self
            .read(&self.admin.join("logs/HEAD"))?
            .unwrap_or_default())
    }

    /// The commit that HEAD names; `None` if it names none. Needs no directory.
    pub fn head_commit(&self, git: &Git) -> Result<Option<Oid>> {
        if !self.admin.is_dir() {
            return Ok(None);
        }
        let output = git
            .repository(&self.admin)
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

    /// Removes the config of the slot's own, which no idle slot has: a user's could define filters,
    /// declare work ignored, or keep git from reading the slot at all.
    pub fn drop_own_config(&self) -> Result<()> {
        crate::sys::remove::remove_tree(&self.admin.join("config.worktree"))
    }

    /// Whether there is an index.
    pub fn has_index(&self) -> Result<bool> {
        Ok(fs::metadata_if_there(&self.admin.join("index"))?.is_some())
    }

    /// Commits that only files of the slot lead to: what a rebase or merge put aside, and refs of the
    /// worktree's own.
    pub fn commits_set_aside(&self) -> Result<Vec<Oid>> {
        let mut files = SET_ASIDE.map(|name| self.admin.join(name)).to_vec();
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
            found.extend(super::oid_or_none(String::from_utf8_lossy(&bytes).trim()));
        }
        Ok(found)
    }

    /// Drops an index that can't be read.
    pub fn forget_index(&self) -> Result<()> {
        for name in fs::list_dir_if_there(&self.admin)?.unwrap_or_default() {
            if name == "index" || name.as_encoded_bytes().starts_with(SHARED_INDEX) {
                crate::sys::remove::remove_tree(&self.admin.join(name))?;
            }
        }
        Ok(())
    }

    /// Detaches HEAD at `commit` when it names nothing any more.
    pub fn reset_head(&self, commit: &Oid) -> Result<()> {
        fs::write_atomic(
            &self.admin.join("HEAD"),
            format!("{commit}\n").as_bytes(),
            fs::Durability::RenameOnly,
        )
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
        self.verify_at(git, commit)
    }

    /// Makes sure that the tree is what `commit` says, with nothing else in it: git can exit 0 and
    /// be wrong.
    pub fn verify_at(&self, git: &Git, commit: &Oid) -> Result<()> {
        let status = super::status::look(git, self, None)?;
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

//! A repository for the length of one command, beside the shared one and reading its objects.
//!
//! What is written through it is nobody else's: its objects can't be taken by a gc of the shared
//! repository before they are [`published`](Scratch::publish), it has no config, attributes or hooks
//! that anybody could have written, and its index is its own.

use std::path::{Path, PathBuf};

use super::{Git, Invocation, Oid, Worktree, command, promised, snapshot, view};
use crate::domain::{Error, Result};
use crate::sys::{fs, remove, user};

/// The empty tree, which git knows without having it.
const EMPTY_TREE: [&str; 2] = [
    "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
];

/// Settings under which a file's content is stored and written as it is, whatever the user's own
/// config says.
const AS_IT_IS: [&str; 10] = [
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.ignoreCase=false",
    "core.protectHFS=false",
    "core.protectNTFS=false",
    "core.sparseCheckout=false",
    "i18n.commitEncoding=UTF-8",
];

/// Such a repository; it goes when it is dropped.
pub(super) struct Scratch<'a> {
    git: &'a Git,
    slot: &'a Worktree,
    dir: PathBuf,
    sha256: bool,
    partial: bool,
}

impl<'a> Scratch<'a> {
    /// Makes one for work on `slot`.
    pub(super) fn new(git: &'a Git, slot: &'a Worktree) -> Result<Self> {
        let config =
            fs::read_if_there(&view::path(&slot.common).join("config"))?.unwrap_or_default();
        let sha256 = String::from_utf8_lossy(&config)
            .to_ascii_lowercase()
            .lines()
            .any(|line| line.trim_start().starts_with("objectformat") && line.contains("sha256"));
        let scratch = Self {
            git,
            slot,
            dir: slot.common.join("repo-pool-tmp").join(user::random_hex(8)),
            sha256,
            partial: promised::filter(&slot.common)?.is_some(),
        };
        for place in ["refs", "objects/info"] {
            fs::create_private_dir_all(&scratch.dir.join(place))?;
        }
        let format = match sha256 {
            true => {
                "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
            }
            false => "[core]\n\trepositoryformatversion = 0\n",
        };
        // With a remote that has promised something, git does not take it for lost.
        let remote = match scratch.partial {
            true => "[remote \"origin\"]\n\tpromisor = true\n",
            false => "",
        };
        scratch.write("config", format!("{format}{remote}").as_bytes())?;
        if let Some(cuts) = fs::read_if_there(&slot.common.join("shallow"))? {
            scratch.write("shallow", &cuts)?;
        }
        scratch.write("HEAD", b"ref: refs/heads/none\n")?;
        let mut objects = slot.common.join("objects").into_os_string();
        objects.push("\n");
        scratch.write("objects/info/alternates", objects.as_encoded_bytes())?;
        Ok(scratch)
    }

    /// A git command on it and on the slot's files.
    pub(super) fn command(&self) -> Invocation<'a> {
        let settings = AS_IT_IS
            .iter()
            .flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
        // Commits can be saved of a slot whose files are gone.
        let files = match self.slot.path.is_dir() {
            true => &self.slot.path,
            false => &self.dir,
        };
        self.git
            .bare()
            .args([
                command::joined("--git-dir=", &self.dir),
                command::joined("--work-tree=", files),
            ])
            .args(settings)
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_ATTR_SOURCE", self.empty_tree())
            .cwd(&self.dir)
            .while_progressing()
    }

    /// The id of the empty tree.
    pub(super) fn empty_tree(&self) -> Oid {
        empty_tree(self.sha256)
    }

    /// The id that stands for no object.
    pub(super) fn null(&self) -> Oid {
        "0".repeat(self.empty_tree().len())
    }

    /// A place in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        fs::write_atomic(&self.path(name), bytes, fs::Durability::RenameOnly)
    }

    /// Takes a copy of the slot's index, its modification time kept: git's check for edits within
    /// the second of the index write depends on it. Tells whether there is one.
    pub(super) fn copy_index(&self) -> Result<bool> {
        if !self.slot.has_index()? {
            return Ok(false);
        }
        for name in self.slot.index_files()? {
            fs::copy_with_time(&self.slot.admin.join(&name), &self.dir.join(&name))?;
        }
        Ok(true)
    }

    /// Writes the tree of its index.
    pub(super) fn write_tree(&self) -> Result<Oid> {
        self.write_tree_of(&self.path("index"))
    }

    /// Writes the tree of another index.
    pub(super) fn write_tree_of(&self, index: &Path) -> Result<Oid> {
        let missing = self.partial.then_some("--missing-ok");
        let output = self
            .command()
            .env("GIT_INDEX_FILE", index)
            .args(["write-tree"])
            .args(missing)
            .run("write a tree")?;
        verified(output.text(), "write-tree")
    }

    /// Commits a tree.
    pub(super) fn commit(&self, tree: &Oid, parents: &[Oid], message: &str) -> Result<Oid> {
        commit_tree(self.command(), tree, parents, message)
    }

    /// Moves what `commit` reaches and nothing that stays does into the shared repository, as a pack
    /// of its own, and then lets `refer` set the ref to it.
    ///
    /// A gc that began before the ref was set may delete every loose object that it has not seen
    /// referred to; a pack it leaves alone while that has its `.keep` file, and one that came after
    /// it had looked for packs, it does not know.
    pub(super) fn publish(&self, commit: &Oid, refer: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut wanted = format!("{commit}\n");
        for tip in snapshot::landed_tips(self.git, &self.slot.common)? {
            wanted.push_str(&format!("^{tip}\n"));
        }
        self.command()
            .stdin(wanted.into_bytes())
            .args(["-c", "pack.packSizeLimit=0", "-c", "pack.compression=1"])
            .args(["pack-objects", "--revs", "--quiet", "--window=0"])
            .args(self.partial.then_some("--missing=allow-promisor"))
            .args([self.path("pack")])
            .run("pack saved work")?;
        let packs = self.slot.common.join("objects/pack");
        fs::create_dir_all(&packs)?;
        let mut kept = Vec::new();
        let names = fs::list_dir_if_there(&self.dir)?.unwrap_or_default();
        for index in names
            .iter()
            .filter_map(|name| name.to_str())
            .filter(|name| name.starts_with("pack-") && name.ends_with(".idx"))
        {
            let stem = index.trim_end_matches(".idx");
            let keep = packs.join(format!("{stem}.keep"));
            fs::write_atomic(&keep, b"repo-pool\n", fs::Durability::RenameOnly)?;
            kept.push(keep);
            // The index comes last: with it, the pack is there.
            for ending in ["pack", "rev", "idx"] {
                let name = format!("{stem}.{ending}");
                if names.iter().any(|there| *there == *name) {
                    fs::rename(&self.path(&name), &packs.join(&name))?;
                }
            }
        }
        fs::sync_dir(&packs)?;
        let referred = refer();
        for keep in kept {
            fs::remove_file_if_there(&keep)?;
        }
        referred
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // What can't be deleted is a leftover, which `recover` finds.
        let _ = remove::remove_tree(&self.dir);
    }
}

/// The id of the empty tree, in either format.
pub(super) fn empty_tree(sha256: bool) -> Oid {
    EMPTY_TREE[usize::from(sha256)].to_owned()
}

/// Commits as repo-pool, so that it works where nobody has set a name.
pub(super) fn commit_tree(
    command: Invocation<'_>,
    tree: &Oid,
    parents: &[Oid],
    message: &str,
) -> Result<Oid> {
    let mut command = command.stdin(message.as_bytes().to_vec());
    for who in ["AUTHOR", "COMMITTER"] {
        command = command
            .env(&format!("GIT_{who}_NAME"), "repo-pool")
            .env(&format!("GIT_{who}_EMAIL"), "repo-pool@localhost");
    }
    command = command.args(["commit-tree", "--no-gpg-sign", "-F", "-"]);
    for parent in parents {
        command = command.args(["-p", parent]);
    }
    let output = command.args([tree]).run("commit saved work")?;
    verified(output.text(), "commit-tree")
}

/// An object id that a command was to print.
pub(super) fn verified(text: String, command: &str) -> Result<Oid> {
    if super::is_oid(&text) {
        Ok(text)
    } else {
        Err(Error::failed(format!("git {command} printed no object id")))
    }
}

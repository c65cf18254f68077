//! Submodules that a user has filled in a slot.
//!
//! Their repositories lie in the slot's registration (`modules/`), so they go with it: what only they
//! hold has to be found before, and the directories emptied together with them. A directory whose
//! `.git` file leads nowhere makes git fail on the whole slot.
//!
//! A slot that stands alone has them in its own repository, and their directories name that. While that
//! is put away they name where it is (`follow`).
//!
//! Each of them has a config that anybody may have written, so git looks into them one at a time,
//! through a view as into the pool's repository, and never follows them by itself.

use std::path::{Path, PathBuf};

use super::{Git, Invocation, Oid, Sparse, Worktree, command, hidden, status, view};
use crate::domain::{Error, Result};
use crate::sys::lock::FileLock;
use crate::sys::{fs, remove};

/// The note in the registration while the pool empties or fills a slot's submodules.
const NOTE: &str = "repo-pool-filling";

/// The longest `.git` file that is read, in bytes.
const LINK_MAX: u64 = 16 * 1024;

/// Notes that what stands in the submodules from now on is the pool's own.
pub fn begin(slot: &Worktree) -> Result<()> {
    fs::write_atomic(&slot.admin.join(NOTE), b"", fs::Durability::RenameOnly)
}

/// Notes that they are empty, or filled to the end.
pub fn end(slot: &Worktree) -> Result<()> {
    fs::remove_file_if_there(&slot.admin.join(NOTE)).map(drop)
}

/// Empties submodules that were not emptied or filled to the end: what differs in them is nobody's work. The
/// slot's lock is held, so that no git of ours is at it any more.
pub fn discard_unfinished(git: &Git, slot: &Worktree, lock: &FileLock) -> Result<()> {
    if fs::metadata_if_there(&slot.admin.join(NOTE))?.is_none() {
        return Ok(());
    }
    empty(slot, &hidden::entries(git, slot, Some(lock))?.submodules)?;
    end(slot)
}

/// What tells one state of the submodules' repositories from another: their files that git writes when
/// anything changes.
pub fn files(slot: &Worktree) -> Result<Vec<PathBuf>> {
    let names = [
        "HEAD",
        "index",
        "config",
        "packed-refs",
        "refs",
        "logs",
        "info",
    ];
    let all = repositories(&slot.admin.join("modules"))?;
    let file = |repository: PathBuf| names.map(|name| repository.join(name));
    Ok(all.into_iter().flat_map(file).collect())
}

/// Whether any of the submodules at `places` is filled, or was.
pub fn any(slot: &Worktree, places: &[PathBuf]) -> Result<bool> {
    if slot.has_submodules() {
        return Ok(true);
    }
    for place in places {
        if is_filled(&slot.path, place)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether there is a directory with something in it, in the slot itself: a link on the way would
/// lead elsewhere.
fn is_filled(top: &Path, place: &Path) -> Result<bool> {
    if !fs::is_directory_below(top, place)? {
        return Ok(false);
    }
    let names = fs::list_dir_if_there(&top.join(place))?;
    Ok(names.is_some_and(|names| !names.is_empty()))
}

/// The submodules that hold work: changes that no commit of theirs holds, commits that their own
/// remotes do not have, or something of which nothing is known.
pub fn holding_work(git: &Git, slot: &Worktree, places: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let modules = slot.modules();
    let mut found = Vec::new();
    let mut left = places.to_vec();
    while let Some(place) = left.pop() {
        if !is_filled(&slot.path, &place)? {
            continue;
        }
        match look_inside(git, slot, &modules, &place)? {
            Some(below) => left.extend(below.into_iter().map(|below| place.join(below))),
            None => found.push(place),
        }
    }
    for repository in repositories(&modules)? {
        if Module::open(git, slot, repository.clone())?.holds_commits()? {
            let name = repository.strip_prefix(&modules).unwrap_or(&repository);
            found.push(name.to_owned());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The submodules of the one at `place`; none if there is work in it, or git can't tell.
fn look_inside(
    git: &Git,
    slot: &Worktree,
    modules: &Path,
    place: &Path,
) -> Result<Option<Vec<PathBuf>>> {
    let tree = slot.path.join(place);
    let Some(repository) = repository_of(&tree, modules)? else {
        return Ok(None);
    };
    let module = Module::open(git, slot, repository)?;
    let seen = || -> Result<Option<Vec<PathBuf>>> {
        let seen = status::ask(module.tree_command(&tree), &tree)?;
        let entries = hidden::ask(module.tree_command(&tree), &Sparse::default())?;
        let untouched =
            !seen.has_changes() && seen.unreadable.is_empty() && entries.hidden.is_empty();
        Ok((untouched && !module.has_attributes()).then_some(entries.submodules))
    };
    match seen() {
        Err(Error::Git { failure, .. }) if failure.ended.is_none() => Ok(None),
        other => other,
    }
}

/// The repository that the `.git` file of a submodule's tree names, if it is one of `modules`.
fn repository_of(tree: &Path, modules: &Path) -> Result<Option<PathBuf>> {
    let link = tree.join(".git");
    if !fs::metadata_if_there(&link)?.is_some_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let text = fs::read_limited(&link, LINK_MAX).unwrap_or_default();
    let target = String::from_utf8_lossy(&text)
        .strip_prefix("gitdir: ")
        .map(|target| tree.join(target.trim_end_matches('\n')));
    let real = |path: &Path| path.canonicalize().ok();
    Ok(target
        .and_then(|target| real(&target))
        .filter(|target| real(modules).is_some_and(|modules| target.starts_with(modules))))
}

/// A submodule's repository, with a view of it that lasts as long as this.
pub(super) struct Module<'g> {
    git: &'g Git,
    repository: PathBuf,
    view: PathBuf,
}

impl<'g> Module<'g> {
    pub(super) fn open(git: &'g Git, slot: &Worktree, repository: PathBuf) -> Result<Self> {
        let view = slot
            .common
            .join("repo-pool-tmp")
            .join(crate::sys::user::random_hex(8));
        view::of_other(&repository, &view)?;
        Ok(Self {
            git,
            repository,
            view,
        })
    }

    fn command(&self) -> Invocation<'g> {
        self.git
            .within(&self.repository)
            .env("GIT_COMMON_DIR", &self.view)
    }

    pub(super) fn tree_command(&self, tree: &Path) -> Invocation<'g> {
        self.command()
            .args([command::joined("--work-tree=", tree)])
            .cwd(tree)
    }

    /// Whether it holds commits that its own remotes do not have. One that git can't read is not
    /// known to hold nothing.
    fn holds_commits(&self) -> Result<bool> {
        let output = self
            .command()
            .args(["rev-list", "--max-count=1", "--ignore-missing"])
            .args(["HEAD", "--branches", "--glob=refs/stash"])
            .args(has_been_at(&self.repository)?)
            .args(["--not", "--remotes"])
            .run_allowing(&[128], "look into a submodule", &mut |_| ())?;
        Ok(output.code != 0 || !output.text().is_empty())
    }

    /// Whether it has attributes that no commit holds: where git follows submodules by itself, as
    /// `add` does, they can start programs.
    fn has_attributes(&self) -> bool {
        self.repository
            .join("info/attributes")
            .symlink_metadata()
            .is_ok()
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        // What stays is found as a leftover.
        let _ = remove::remove_tree(&self.view);
    }
}

/// The commits that a submodule's HEAD has had: one may have been made there and left behind.
fn has_been_at(repository: &Path) -> Result<Vec<Oid>> {
    let log = repository.join("logs/HEAD");
    match fs::metadata_if_there(&log)?.is_some_and(|metadata| metadata.is_file()) {
        true => Ok(super::parse::reflog(
            &fs::read_if_there(&log)?.unwrap_or_default(),
        )),
        false => Ok(Vec::new()),
    }
}

/// The repositories below `modules/`; a submodule's name may have slashes, and it may have
/// submodules of its own.
fn repositories(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        let is_repository = dir.join("HEAD").is_file() && dir.join("objects").is_dir();
        let below = if is_repository {
            dir.join("modules")
        } else {
            dir.clone()
        };
        for name in fs::list_dir_if_there(&below)?.unwrap_or_default() {
            let path = below.join(name);
            if path.is_dir() && !fs::is_symlink(&path)? {
                left.push(path);
            }
        }
        if is_repository {
            found.push(dir);
        }
    }
    Ok(found)
}

/// Empties the submodules' directories and removes their repositories. `paths` are their places.
pub fn empty(slot: &Worktree, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        if is_filled(&slot.path, path)? {
            let dir = slot.path.join(path);
            remove::remove_tree(&dir)?;
            fs::create_dir_all(&dir)?;
        }
    }
    remove::remove_tree(&slot.modules())
}

/// Lets the submodules' directories name their repositories in `modules`, which are those that the
/// slot had below its own `.git`: by a relative path, as git does it, if they are there again.
pub(super) fn follow(git: &Git, slot: &Worktree, modules: &Path) -> Result<()> {
    let inside = slot.path.join(".git/modules");
    for repository in repositories(modules)? {
        let name = repository.strip_prefix(modules).unwrap_or(&repository);
        let Some(place) = place_of(git, slot, &repository, &inside.join(name))? else {
            continue;
        };
        let target = match modules == inside {
            true => {
                let up: PathBuf = place.components().map(|_| "..").collect();
                up.join(".git/modules").join(name)
            }
            false => repository.clone(),
        };
        let link = command::joined("gitdir: ", &target);
        let text = [link.as_encoded_bytes(), b"\n"].concat();
        let file = slot.path.join(place).join(".git");
        fs::write_atomic(&file, &text, fs::Durability::RenameOnly)?;
    }
    Ok(())
}

/// The submodule whose repository would be at `there`, if it is one of the slot's: its config tells by
/// a path from there.
fn place_of(
    git: &Git,
    slot: &Worktree,
    repository: &Path,
    there: &Path,
) -> Result<Option<PathBuf>> {
    let told = git
        .outside()
        .args(["config", "--file"])
        .args([repository.join("config")])
        .args(["core.worktree"])
        .run_allowing(&[1, 3, 128], "read the config of a submodule", &mut |_| ())?;
    let tree = normal(&there.join(told.text()));
    let Ok(place) = tree.strip_prefix(&slot.path) else {
        return Ok(None);
    };
    let link = fs::metadata_if_there(&tree.join(".git"))?;
    let is_one = told.code == 0
        && link.is_some_and(|link| link.is_file())
        && fs::is_directory_below(&slot.path, place)?;
    Ok(is_one.then(|| place.to_owned()))
}

/// The path without `..`, whatever is there.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(found.pop()),
            other => found.push(other),
        }
    }
    found
}

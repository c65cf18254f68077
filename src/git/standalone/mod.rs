//! A slot as a repository of its own, for as long as somebody has it.
//!
//! An idle slot of a pool of clones is a worktree like any other. When it is handed out, a whole
//! repository takes the place of its `.git` file: with config, hooks, refs, stash and index of its
//! own, and with the pool's objects as hard links, so that it needs nothing outside of it. When it
//! comes back (`home`), what was made in it goes into the pool's repository, and the `.git` file
//! takes its place again. So nothing that its holder has written there is ever read by git for
//! anybody else, and cleaning, saving and verifying know one kind of slot.
//!
//! The registration stays where it is meanwhile: it holds the place, and the branch.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::parse::{self, Head};
use super::ref_files::{self, is_real_dir, read_file};
use super::remote::TRACKING;
use super::worktree::FOUND;
use super::{Git, Oid, Worktree, exclude, lfs, own_config, repository, submodules, view};
use crate::domain::{Error, Result};
use crate::sys::{fs, remove};

mod home;
pub mod learned;
mod objects;

pub use home::{bring_home, gather};

/// In the pool's repository: its slots stand alone while they are in use.
const OF_CLONES: &str = "repo-pool-clones";

/// In the registration: the refs that the repository was handed out with.
const GIVEN: &str = "repo-pool-given";

/// In the registration: a repository that is not in its place yet.
const ASIDE: &str = "repo-pool-clone";

/// In the registration: a repository that has been taken home, until its slot is cleaned.
const KEPT: &str = "repo-pool-kept";

/// What a repository is handed out with, beside its branch.
const SHOWN: [&str; 2] = [TRACKING, "refs/tags/"];

/// Notes that the slots of a pool with that repository stand alone.
pub fn note(common: &Path) -> Result<()> {
    fs::write_atomic(&common.join(OF_CLONES), b"", fs::Durability::Durable)
}

/// Whether that was noted.
pub fn of_clones(common: &Path) -> Result<bool> {
    Ok(fs::metadata_if_there(&common.join(OF_CLONES))?.is_some())
}

impl Worktree {
    /// The slot's own repository, while it has one.
    pub fn own_repository(&self) -> Result<Option<PathBuf>> {
        if !of_clones(&self.common)? || fs::is_symlink(&self.path)? {
            return Ok(None);
        }
        let place = self.path.join(".git");
        Ok(is_real_dir(&place)?.then_some(place))
    }

    /// Where git keeps what belongs to this checkout alone: HEAD, index, what is under way.
    pub(super) fn state(&self) -> PathBuf {
        let own = self.own_repository().ok().flatten();
        own.unwrap_or_else(|| self.admin.clone())
    }

    /// Where the repositories of its submodules lie.
    pub(super) fn modules(&self) -> PathBuf {
        let kept = self.admin.join(KEPT).join("modules");
        match kept.is_dir() {
            true => kept,
            false => self.state().join("modules"),
        }
    }

    /// The commit of a ref as it is in the slot's own repository.
    pub fn own_ref(&self, name: &str) -> Result<Option<Oid>> {
        match self.own_repository()? {
            Some(repository) => resolve(&repository, name),
            None => Ok(None),
        }
    }
}

/// The object that a ref names, through symbolic ones.
fn resolve(repository: &Path, name: &str) -> Result<Option<Oid>> {
    let mut name = name.to_owned();
    for _ in 0..5 {
        match parse::head(&read_file(&repository.join(&name))?) {
            Some(Head::Detached(oid)) => return Ok(Some(oid)),
            Some(Head::Symbolic(next)) => name = next,
            None => {
                let packed = ref_files::packed(&read_file(&repository.join("packed-refs"))?);
                return Ok(packed.found.get(&name).cloned());
            }
        }
    }
    Ok(None)
}

/// Gives the slot a repository of its own, with what is kept in the directory `learned`. Only for one
/// that is clean and about to be handed out, or set up.
pub fn send_out(git: &Git, slot: &Worktree, learned: Option<&Path>) -> Result<()> {
    if !of_clones(&slot.common)? {
        note(&slot.common)?;
    }
    if slot.own_repository()?.is_some() {
        return Ok(());
    }
    let aside = slot.admin.join(ASIDE);
    for old in [&aside, &slot.admin.join(KEPT)] {
        remove::remove_tree(old)?;
    }
    // In this order: the objects of refs that were read are there.
    let refs = ref_files::read(&slot.common)?.found;
    build(git, slot, &aside, &refs, learned)?;
    let given = shown(&refs);
    fs::write_atomic(&slot.admin.join(GIVEN), &given, fs::Durability::RenameOnly)?;
    put_in_place(slot, &aside)?;
    // There is one index, and it is the holder's.
    slot.forget_index()
}

/// The pool's ref of that name has gone on from what a slot that stands alone has: what that has now
/// counts as given to it, and is not taken for news when the slot comes home.
pub fn count_as_given(slot: &Worktree, name: &str) -> Result<()> {
    let Some(oid) = slot.own_ref(name)? else {
        return Ok(());
    };
    let place = slot.admin.join(GIVEN);
    let mut given = ref_files::packed(&read_file(&place)?).found;
    given.insert(name.to_owned(), oid);
    let given = ref_files::to_packed(given.iter());
    fs::write_atomic(&place, &given, fs::Durability::RenameOnly)
}

/// Gives the slot back the repository that was taken home last, as it was.
pub fn put_back(git: &Git, slot: &Worktree) -> Result<()> {
    let kept = slot.admin.join(KEPT);
    let is_home = slot.own_repository()?.is_none();
    if !is_home || !is_real_dir(&kept)? || !is_real_dir(&slot.path)? {
        return Ok(());
    }
    put_in_place(slot, &kept)?;
    submodules::follow(git, slot, &slot.modules())
}

/// The same, standing where the slot stands by now.
pub fn put_back_moved(git: &Git, slot: &Worktree) -> Result<()> {
    let kept = slot.admin.join(KEPT);
    if !is_real_dir(&kept)? {
        return Ok(());
    }
    objects::share(&slot.common.join("objects"), &kept.join("objects"))?;
    let refs = ref_files::read(&slot.common)?.found;
    stand(slot, &kept, &refs)?;
    put_back(git, slot)?;
    slot.forget_index()
}

/// Gives the repository at `new`, which is being made, whatever objects a slot that stands alone has
/// and it lacks.
pub fn lend(git: &Git, slot: &Worktree, new: &Path) -> Result<()> {
    match slot.own_repository()? {
        Some(own) => objects::bring(git, &own.join("objects"), new),
        None => Ok(()),
    }
}

/// Whether the slot's own repository was taken home and its holder still waits for it.
pub fn is_away(slot: &Worktree) -> Result<bool> {
    Ok(is_real_dir(&slot.admin.join(KEPT))? && slot.own_repository()?.is_none())
}

/// Lets a slot that stands alone share the objects of the repository `new` instead of those of `old`,
/// which are damaged. What it has made itself stays.
pub fn share_anew(slot: &Worktree, old: &Path, new: &Path) -> Result<()> {
    let Some(own) = slot.own_repository()? else {
        return Ok(());
    };
    let [old, new, own] = [old, new, &own].map(|repository| repository.join("objects"));
    objects::exchange(&old, &new, &own)
}

/// In one step: at every moment there is a repository or a link to one.
fn put_in_place(slot: &Worktree, repository: &Path) -> Result<()> {
    let place = slot.path.join(".git");
    match fs::metadata_if_there(&place)? {
        Some(_) => {
            fs::exchange(repository, &place)?;
            remove::remove_tree(repository)
        }
        None => fs::rename_noreplace(repository, &place),
    }
}

fn build(
    git: &Git,
    slot: &Worktree,
    to: &Path,
    refs: &BTreeMap<String, Oid>,
    learned: Option<&Path>,
) -> Result<()> {
    for dir in ["refs/heads", "refs/tags", "logs", "info", "hooks"] {
        fs::create_private_dir_all(&to.join(dir))?;
    }
    objects::share(&slot.common.join("objects"), &to.join("objects"))?;
    objects::share_lfs(&slot.common, to)?;
    exclude::hand_on(&slot.common, to)?;
    write(to, "packed-refs", &shown(refs))?;
    let remote_head = format!("{TRACKING}HEAD");
    let text = read_file(&slot.common.join(&remote_head))?;
    if matches!(parse::head(&text), Some(Head::Symbolic(_))) {
        fs::create_private_dir_all(&to.join(TRACKING))?;
        write(to, &remote_head, &text)?;
    }
    let shallow = read_file(&slot.common.join("shallow"))?;
    if !shallow.is_empty() {
        write(to, "shallow", &shallow)?;
    }
    stand(slot, to, refs)?;
    let branch = match slot.head()? {
        Some(Head::Symbolic(name)) => name.strip_prefix("refs/heads/").map(str::to_owned),
        _ => None,
    };
    let made = view::config_as_made(&slot.common)?.unwrap_or_default();
    let tracking = tracking(git, &slot.common, branch.as_deref())?;
    let mut config = repository::clone_config(&String::from_utf8_lossy(&made), &tracking)
        + &own_config::hand_on(slot, to)?;
    if slot.lfs {
        lfs::install_hook(&to.join("hooks"))?;
    }
    if let Some(learned) = learned {
        config = learned::hand_on(learned, to, config)?;
    }
    write(to, "config", config.as_bytes())?;
    // There from the start, HEAD's history is written whatever the user's config says.
    write(to, "logs/HEAD", b"")
}

/// HEAD, its branch and the index, as the registration has them.
fn stand(slot: &Worktree, to: &Path, refs: &BTreeMap<String, Oid>) -> Result<()> {
    let head = slot.head()?;
    if let Some(Head::Symbolic(name)) = &head
        && let Some(oid) = refs.get(name)
    {
        if let Some(parent) = Path::new(name).parent() {
            fs::create_private_dir_all(&to.join(parent))?;
        }
        write(to, name, format!("{oid}\n").as_bytes())?;
    }
    write(to, "HEAD", &read_file(&slot.admin.join("HEAD"))?)?;
    for name in index_files(to)? {
        remove::remove_tree(&to.join(name))?;
    }
    for name in slot.index_files()? {
        objects::link_or_copy(&slot.admin.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn write(repository: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = repository.join(name);
    fs::write_atomic(&path, bytes, fs::Durability::RenameOnly)
}

/// The names of the files that make up a repository's index.
fn index_files(repository: &Path) -> Result<Vec<OsString>> {
    let mut names = fs::list_dir_if_there(repository)?.unwrap_or_default();
    names.retain(|name| super::worktree::is_of_an_index(name));
    Ok(names)
}

/// The refs that everybody gets, as a `packed-refs` file.
fn shown(refs: &BTreeMap<String, Oid>) -> Vec<u8> {
    let is_shown = |name: &str| SHOWN.iter().any(|begin| name.starts_with(begin));
    ref_files::to_packed(refs.iter().filter(|(name, _)| is_shown(name)))
}

/// What the pool knows of the branch's upstream. A slot's own branch has none.
fn tracking(git: &Git, common: &Path, branch: Option<&str>) -> Result<Vec<repository::Setting>> {
    let Some(branch) = branch.filter(|branch| !branch.starts_with("worktree/")) else {
        return Ok(Vec::new());
    };
    let mut found = repository::settings_in(git, &common.join("config"))?;
    let begin = format!("branch.{branch}.");
    found.retain(|(key, _)| {
        key.strip_prefix(&begin)
            .is_some_and(|rest| !rest.contains('.'))
    });
    Ok(found)
}

/// Refuses a repository that can't be put away: others work with it.
fn check_linked(slot: &Worktree, repository: &Path) -> Result<()> {
    let inner = repository.join("worktrees");
    if !is_real_dir(&inner)? {
        return Ok(());
    }
    for name in fs::list_dir_if_there(&inner)?.unwrap_or_default() {
        let linked = parse::linked(&read_file(&inner.join(name).join("gitdir"))?);
        // One inside the slot is where the slot is now.
        let is_there = |tree: &PathBuf| {
            let inside = tree.strip_prefix(&slot.home);
            let now = inside.map_or_else(|_| tree.clone(), |inside| slot.path.join(inside));
            now.join(".git").is_file()
        };
        if let Some(tree) = linked.filter(is_there) {
            return Err(Error::Refused {
                message: format!(
                    "{} is a worktree of the slot's own repository, which goes when the slot is given back",
                    tree.display()
                ),
                hint: Some(format!(
                    "`git worktree remove {}` in the slot first",
                    tree.display()
                )),
            });
        }
    }
    Ok(())
}

/// Refuses a repository whose refs are in no files.
fn check_format(repository: &Path) -> Result<()> {
    if !is_real_dir(&repository.join("reftable"))? {
        return Ok(());
    }
    Err(Error::Refused {
        message: format!("the refs of {} are in a reftable", repository.display()),
        hint: Some("`git refs migrate --ref-format=files` in the slot, then release again".into()),
    })
}

fn has_ending(name: &OsStr, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension();
    ending.is_some_and(|ending| endings.iter().any(|known| ending == *known))
}

//! A submodule in a slot: a small repository of its own in the slot's registration, which borrows its
//! objects from one that all slots share.
//!
//! The shared one lies beside the pool's repository with a view of its own, and nobody works in it. The
//! small one is made anew whenever a slot is cleaned, so that nothing of what was done in it stays.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::gitmodules::Recorded;
use super::submodules::Module;
use super::{Git, Oid, Worktree, cuts, refs, remote, repository};
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::sys::lock::FileLock;
use crate::sys::{fs, remove, user};

/// Where a recorded commit is kept that no branch of its remote holds.
const KEPT: &str = "refs/remotes/origin-recorded/";

/// The shared repository of what comes from `url`, below `modules`.
pub fn shared(modules: &Path, url: &RemoteUrl) -> PathBuf {
    let mut digest = DefaultHasher::new();
    url.stored().hash(&mut digest);
    let name: String = url
        .repository_name()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .take(40)
        .collect();
    modules
        .join(format!("{name}-{:016x}", digest.finish()))
        .join("repo.git")
}

/// Whether the shared repository has what is recorded.
pub fn is_here(git: &Git, shared: &Path, commit: &Oid) -> Result<bool> {
    Ok(shared.is_dir() && refs::commit_of(git, shared, commit)?.is_some())
}

/// Brings what is recorded into the shared repository. The caller sees to it that nobody else does.
pub fn fetch(git: &Git, shared: &Path, recorded: &Recorded) -> Result<()> {
    let url = &recorded.url;
    if !shared.is_dir() {
        let place = shared.parent().unwrap_or(shared);
        let aside = fs::temporary_beside(place);
        fs::create_private_dir_all(&aside)?;
        let new = aside.join("repo.git");
        let example = Some(&recorded.commit);
        let made = repository::init(git, &new, url.stored(), example, &[])
            .and_then(|()| fs::rename_noreplace(&aside, place));
        if let Err(error) = made {
            remove::remove_tree(&aside)?;
            return Err(error);
        }
    }
    remote::fetch_all(git, shared, url, None, None, &mut |_| ())?;
    if refs::commit_of(git, shared, &recorded.commit)?.is_none() {
        let kept = format!("{KEPT}{}", recorded.commit);
        remote::fetch_exactly(git, shared, url, &recorded.commit, &kept)?;
    }
    match is_here(git, shared, &recorded.commit)? {
        true => Ok(()),
        false => Err(Error::failed(format!(
            "{} does not have {}, which is recorded for the submodule {:?}",
            url.stored(),
            recorded.commit,
            recorded.name
        ))),
    }
}

/// Fills one submodule of the slot: its files at `place` in the slot, its repository below `above`, that
/// of what it is a submodule of. Tells where that is.
pub fn fill(
    git: &Git,
    slot: &Worktree,
    lock: &FileLock,
    shared: &Path,
    recorded: &Recorded,
    above: &Path,
    place: &Path,
) -> Result<PathBuf> {
    let tree = slot.path.join(place);
    let modules = above.join("modules");
    let admin = modules.join(&recorded.name);
    // A name can be made so that it leads into another's repository.
    let mut between = admin.ancestors().take_while(|dir| *dir != modules);
    let taken = between.any(|dir| dir.join("HEAD").exists());
    if taken || !fs::is_directory_below(&slot.path, place)? {
        return Err(Error::failed(format!(
            "the submodule {:?} has no place at {}",
            recorded.name,
            tree.display()
        )));
    }
    let aside = slot.common.join("repo-pool-tmp").join(user::random_hex(8));
    repository::init_bare(git, &aside, Some(&recorded.commit))?;
    let write = |name: &str, text: &[u8]| {
        let file = aside.join(name);
        fs::create_private_dir_all(file.parent().unwrap_or(&aside))?;
        fs::write_atomic(&file, text, fs::Durability::RenameOnly)
    };
    let init = fs::read_if_there(&aside.join("config"))?.unwrap_or_default();
    let init = String::from_utf8_lossy(&init);
    let config = repository::module_config(&init, recorded.url.stored());
    write("config", config.as_bytes())?;
    write("HEAD", format!("{}\n", recorded.commit).as_bytes())?;
    let mut objects = shared.join("objects").into_os_string();
    objects.push("\n");
    write("objects/info/alternates", objects.as_encoded_bytes())?;
    let known: String = refs::list(git, shared, &["refs/remotes", "refs/tags"])?
        .iter()
        .map(|known| format!("{} {}\n", known.oid, known.name))
        .collect();
    write("packed-refs", known.as_bytes())?;
    let cut: String = cuts::all(shared)?
        .iter()
        .map(|oid| format!("{oid}\n"))
        .collect();
    if !cut.is_empty() {
        write("shallow", cut.as_bytes())?;
    }
    fs::create_private_dir_all(admin.parent().unwrap_or(&modules))?;
    fs::rename_noreplace(&aside, &admin)?;
    let link = format!("gitdir: {}\n", admin.display());
    fs::write_atomic(
        &tree.join(".git"),
        link.as_bytes(),
        fs::Durability::RenameOnly,
    )?;
    Module::open(git, slot, admin.clone())?
        .tree_command(&tree)
        .holding(Some(lock))
        .while_progressing()
        .args(["read-tree", "--reset", "-u", &recorded.commit])
        .run(&format!("check out {}", tree.display()))?;
    Ok(admin)
}

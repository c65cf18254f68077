//! The pool's repository as the tool's own git sees it: the same objects, refs and worktrees, but a
//! config, hooks and `info/` that nobody else writes to.
//!
//! All slots share the repository's config, and who works in one may write to it: a filter, a proxy
//! command or an `insteadOf` there would be run or obeyed by every git that reads it. Overriding
//! keys one by one misses the next one, so no command of this tool reads that config at all. It is
//! given a directory of symbolic links beside the repository, in the way of `git new-workdir`: git
//! follows them, also where it locks and replaces `packed-refs` and `shallow`.

use std::path::{Path, PathBuf};

use super::repository::{self, Setting};
use super::{Git, Oid};
use crate::domain::Result;
use crate::sys::{fs, remove};

/// The view's name beside the repository.
const NAME: &str = "view.git";

/// What it shares with the repository.
const SHARED: [&str; 7] = [
    "objects",
    "refs",
    "packed-refs",
    "logs",
    "worktrees",
    "shallow",
    "lfs",
];

/// What the view of another repository shares with it.
const OTHERS: [&str; 4] = ["objects", "refs", "packed-refs", "shallow"];

/// The largest config that is read, in bytes.
const CONFIG_MAX: u64 = 1024 * 1024;

/// What of it must be a directory, since it is made below: a link that leads nowhere is in the way.
const DIRECTORIES: [&str; 2] = ["logs", "lfs"];

/// The shared config as the pool made it, for the day that somebody breaks it.
pub(super) const AS_MADE: &str = "shared-config";

/// The view of the repository at `repository`, whether it is there or not.
pub fn path(repository: &Path) -> PathBuf {
    repository.with_file_name(NAME)
}

/// The shared config as it was made, if that is known.
pub fn config_as_made(repository: &Path) -> Result<Option<Vec<u8>>> {
    fs::read_if_there(&path(repository).join(AS_MADE))
}

/// Whether the view is there with all its parts. Costs a few looks at names, no process.
pub fn is_whole(repository: &Path) -> bool {
    let view = path(repository);
    let is_file = |name: &str| view.join(name).is_file();
    SHARED
        .iter()
        .all(|name| view.join(name).read_link().ok() == Some(target(repository, name)))
        && DIRECTORIES.iter().all(|name| view.join(name).is_dir())
        && ["config", "HEAD", AS_MADE].iter().all(|name| is_file(name))
}

/// Makes the view, in the place of one that lacks something. The repository names objects as
/// `example` is named, and its remote is `url`.
pub fn make(
    git: &Git,
    repository: &Path,
    url: &str,
    example: Option<&Oid>,
    settings: &[Setting],
) -> Result<()> {
    let place = path(repository);
    let aside = fs::temporary_beside(&place);
    let made = (|| {
        repository::init_bare(git, &aside, example)?;
        for name in ["objects", "refs"] {
            remove::remove_tree(&aside.join(name))?;
        }
        for name in SHARED {
            fs::symlink(&target(repository, name), &aside.join(name))?;
        }
        for name in DIRECTORIES {
            fs::create_private_dir_all(&repository.join(name))?;
        }
        let init = fs::read_if_there(&aside.join("config"))?.unwrap_or_default();
        let init = String::from_utf8_lossy(&init);
        let write = |name: &str, text: String| {
            fs::write_atomic(&aside.join(name), text.as_bytes(), fs::Durability::Durable)
        };
        write(AS_MADE, repository::shared_config(&init, url, settings))?;
        write("config", repository::private_config(&init, url, settings))?;
        if fs::metadata_if_there(&place)?.is_some() {
            let old = fs::temporary_beside(&place);
            fs::rename_noreplace(&place, &old)?;
            remove::remove_tree(&old)?;
        }
        fs::rename_noreplace(&aside, &place)
    })();
    match made {
        // Somebody else was faster.
        Err(_) if is_whole(repository) => remove::remove_tree(&aside),
        other => other,
    }
}

/// Makes a view at `place` of a repository that is not the pool's, for a moment.
pub fn of_other(repository: &Path, place: &Path) -> Result<()> {
    fs::create_private_dir_all(place)?;
    for name in OTHERS {
        fs::symlink(&repository.join(name), &place.join(name))?;
    }
    let config = fs::read_limited(&repository.join("config"), CONFIG_MAX).unwrap_or_default();
    let config = String::from_utf8_lossy(&config).to_ascii_lowercase();
    let format: String = config.split_whitespace().collect();
    let config = match format.contains("objectformat=sha256") {
        true => "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n",
        false => "[core]\n\trepositoryformatversion = 0\n",
    };
    for (name, text) in [("config", config), ("HEAD", "ref: refs/heads/none\n")] {
        fs::write_atomic(
            &place.join(name),
            text.as_bytes(),
            fs::Durability::RenameOnly,
        )?;
    }
    Ok(())
}

/// Relative, since a pool is made under another name than the one it gets.
fn target(repository: &Path, name: &str) -> PathBuf {
    Path::new("..")
        .join(repository.file_name().unwrap_or_default())
        .join(name)
}

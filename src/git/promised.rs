//! Partial clones: the remote has promised the contents of files, and they come when they are needed.
//!
//! Commits and trees are all there; of the contents only what some slot was brought to. The tool's own
//! git never fetches lazily: who brings a slot to a commit has the contents of its files brought
//! before, all at once. What is promised is not damaged, though it is not there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::repository::Setting;
use super::{Git, Oid, Sparse, objects, partial, salvage, view};
use crate::domain::Result;
use crate::domain::remote::RemoteUrl;
use crate::sys::{fs, remove, user};

/// The key of the filter, in the pool's config and in the view's.
const FILTER: &str = "remote.origin.partialclonefilter";

/// How its line begins there.
const LINE: &str = "partialclonefilter = ";

/// What a remote is called that is fetched from with a filter: git keeps the objects of a promisor
/// apart by its remote's name, and would write a URL into the config as one.
const NAME: &str = "repo-pool";

/// What makes a repository a partial clone, as settings of its config.
pub fn settings(filter: Option<&str>) -> Vec<Setting> {
    let both = |filter: &str| {
        [("remote.origin.promisor", "true"), (FILTER, filter)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    filter.map(both).into_iter().flatten().collect()
}

/// Which contents the pool's repository was made without, as the view's config says.
pub fn filter(repository: &Path) -> Result<Option<String>> {
    let config = fs::read_if_there(&view::path(repository).join("config"))?.unwrap_or_default();
    let config = String::from_utf8_lossy(&config);
    let value = config
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(LINE));
    Ok(value.map(|value| value.trim_matches('"').to_owned()))
}

/// How a remote is named to `git fetch`, for a repository with this filter: settings that come before
/// the command, options that come behind it, and the name.
pub(super) struct Named {
    pub(super) settings: Vec<String>,
    pub(super) options: Vec<String>,
    pub(super) name: String,
}

impl Named {
    pub(super) fn new(url: &RemoteUrl, filter: Option<&str>) -> Self {
        let Some(filter) = filter else {
            return Self {
                settings: Vec::new(),
                options: Vec::new(),
                name: url.stored().to_owned(),
            };
        };
        let keys = [
            ("url", url.stored()),
            ("promisor", "true"),
            ("partialclonefilter", filter),
        ];
        let settings = keys
            .iter()
            .flat_map(|(key, value)| ["-c".to_owned(), format!("remote.{NAME}.{key}={value}")]);
        Self {
            settings: settings.collect(),
            options: vec![format!("--filter={filter}")],
            name: NAME.to_owned(),
        }
    }
}

/// The contents of the files of `commit` that a slot has and that are not there.
pub fn lacking(git: &Git, repository: &Path, commit: &Oid, sparse: &Sparse) -> Result<Vec<Oid>> {
    let listed = git
        .repository(repository)
        .args(["ls-tree", "-r", "-z", "--full-tree", commit])
        .run("list the files of a commit")?;
    let contents: BTreeSet<Oid> = partial::parse(&listed.stdout, b"")
        .filter(|((mode, ..), _)| mode != "160000")
        .filter(|((.., path), _)| sparse.has(Path::new(OsStr::from_bytes(path))))
        .map(|((_, oid, _), _)| oid)
        .collect();
    let asked: String = contents.iter().map(|oid| format!("{oid}\n")).collect();
    objects::missing(git, repository, asked.into_bytes())
}

/// Whether all of these objects, which are not there, were promised: whether something refers to them
/// that came from the remote.
pub fn are_promised(git: &Git, repository: &Path, oids: &[Oid]) -> Result<bool> {
    if oids.is_empty() {
        return Ok(true);
    }
    if filter(repository)?.is_none() {
        return Ok(false);
    }
    let place = repository.join("repo-pool-tmp").join(user::random_hex(8));
    fs::create_private_dir_all(&place)?;
    let beside = || {
        git.repository(repository)
            .while_progressing()
            .env("GIT_OBJECT_DIRECTORY", &place)
            .env(
                "GIT_ALTERNATE_OBJECT_DIRECTORIES",
                salvage::in_list(&repository.join("objects")),
            )
    };
    // git tells it of what a tree names, and of nothing that it is asked for by name.
    let entries: String = oids
        .iter()
        .enumerate()
        .map(|(n, oid)| format!("100644 blob {oid}\t{n}\n"))
        .collect();
    let told = beside()
        .stdin(entries.into_bytes())
        .args(["mktree", "--missing"])
        .run("name what is missing")
        .and_then(|tree| {
            beside()
                .args(["rev-list", "--objects", "--quiet", "--no-walk"])
                .args(["--missing=allow-promisor", &tree.text()])
                .run_allowing(&[128], "look for what was promised", &mut |_| ())
        });
    remove::remove_tree(&place)?;
    Ok(told?.code == 0)
}

/// Those of the objects, one on a line, that the repository does not have and that nobody has promised.
pub fn lost(git: &Git, repository: &Path, oids: Vec<u8>) -> Result<Vec<Oid>> {
    let missing = objects::missing(git, repository, oids)?;
    match are_promised(git, repository, &missing)? {
        true => Ok(Vec::new()),
        false => Ok(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_without_a_filter_is_named_by_its_url() {
        let url = RemoteUrl::new("https://h/x.git").unwrap();
        let plain = Named::new(&url, None);
        assert!(plain.settings.is_empty() && plain.options.is_empty());
        assert_eq!(plain.name, "https://h/x.git");
        let filtered = Named::new(&url, Some("blob:none"));
        assert_eq!(filtered.name, NAME);
        assert_eq!(filtered.options, ["--filter=blob:none"]);
        assert!(
            filtered
                .settings
                .contains(&"remote.repo-pool.url=https://h/x.git".to_owned())
        );
        assert_eq!(settings(None), []);
        assert_eq!(settings(Some("blob:none")).len(), 2);
    }
}

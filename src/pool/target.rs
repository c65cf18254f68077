//! What a caller wants: a commit, and the branch to be on.

use std::path::Path;

use super::acquire::Request;
use super::fetch::Freshness;
use super::{Pool, contents, offline};
use crate::domain::pool::PoolRecord;
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::git::remote::{self, TRACKING};
use crate::git::repository::LocalRepository;
use crate::git::{Git, Oid, lfs, refs, snapshot};

/// Where commits are kept that were fetched for a `--ref` and belong to no branch.
const KEPT: &str = "refs/repo-pool/ref/";

/// What a slot is to be brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The commit.
    pub commit: Oid,
    /// The branch.
    pub branch: Branch,
}

/// The branch that a slot is to be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// The slot's own.
    Own,
    /// One that was asked for by name, and survives release.
    Named {
        /// Its name.
        name: String,
        /// Where it was seen; `None` if it is to be made.
        tip: Option<Oid>,
        /// Whether it is to track the remote's branch of the same name.
        track: bool,
    },
}

/// The commit that a `--ref` means, or the pool's base.
pub fn start(
    pool: &Pool<'_>,
    record: &PoolRecord,
    reference: Option<&str>,
    source: Option<&LocalRepository>,
    freshness: Freshness,
) -> Result<Oid> {
    match reference {
        Some(name) => resolve_reference(pool, record, name, source, freshness != Freshness::Known),
        None => base_commit(record),
    }
}

/// Finds out what `--ref` and `--branch` mean. If the pool was named by the path of the user's own
/// repository: there a `--ref` is looked up first, so that unpushed commits can be worked
/// on. What is not here may be fetched if the request looks at the remote at all.
pub fn resolve(pool: &Pool<'_>, record: &PoolRecord, request: &Request) -> Result<Target> {
    let source = request.source.as_ref();
    let reference = request.reference.as_deref();
    let start = start(pool, record, reference, source, request.freshness)?;
    let target = match &request.branch {
        None => Target {
            commit: start,
            branch: Branch::Own,
        },
        Some(name) => resolve_branch(pool, name, request, start)?,
    };
    // Those of the base came with it.
    if Some(&target.commit) != record.remote.base_commit.as_ref() {
        contents::bring_files(pool, record, &target.commit)?;
    }
    Ok(target)
}

fn base_commit(record: &PoolRecord) -> Result<Oid> {
    record.remote.base_commit.clone().ok_or_else(|| {
        Error::failed(format!("pool {} has no base commit yet", record.repo_name))
            .with_hint("allocate without --no-fetch once")
    })
}

fn resolve_branch(pool: &Pool<'_>, name: &str, request: &Request, start: Oid) -> Result<Target> {
    refs::check_branch(&pool.git, name)?;
    if name == "worktree" || name.starts_with("worktree/") {
        return Err(Error::usage(format!(
            "{name:?} is of the form of the slots' own branches; choose another name"
        )));
    }
    let repository = pool.paths.repository();
    let named = |commit: Oid, tip: Option<Oid>, track| Target {
        commit,
        branch: Branch::Named {
            name: name.to_owned(),
            tip,
            track,
        },
    };
    let tip = refs::tip(&pool.git, &repository, &format!("refs/heads/{name}"))?;
    if tip.is_some() && tip == request.spent {
        return Ok(named(start, tip, false));
    }
    if let Some(tip) = there(pool, tip, &start)? {
        if request.reference.is_some() && tip != start {
            return Err(
                Error::usage(format!("branch {name:?} exists and is not at that --ref"))
                    .with_hint("leave --ref out to work on the branch, or choose a new name"),
            );
        }
        return Ok(named(tip.clone(), Some(tip), false));
    }
    no_folder_of_branches(pool, name)?;
    let tracked = refs::tip(&pool.git, &repository, &format!("{TRACKING}{name}"))?;
    Ok(match (there(pool, tracked, &start)?, &request.reference) {
        (Some(tip), None) => named(tip, None, true),
        _ => named(start, None, false),
    })
}

/// The tip of a branch, if its commit is there, as `known` is.
fn there(pool: &Pool<'_>, tip: Option<Oid>, known: &Oid) -> Result<Option<Oid>> {
    match tip {
        Some(tip) if tip != *known => refs::commit_of(&pool.git, &pool.paths.repository(), &tip),
        known => Ok(known),
    }
}

/// git keeps branches as files, so `a` and `a/b` can't both be there, here or at the remote.
fn no_folder_of_branches(pool: &Pool<'_>, name: &str) -> Result<()> {
    let repository = pool.paths.repository();
    if refs::have_room(&repository, &["refs/heads/", TRACKING], name)? {
        return Ok(());
    }
    let all = refs::list(&pool.git, &repository, &["refs/heads", TRACKING])?;
    let in_the_way = all.iter().find_map(|reference| {
        let full = reference.name.as_str();
        let other = full
            .strip_prefix("refs/heads/")
            .or(full.strip_prefix(TRACKING))?;
        let longer = |long: &str, short: &str| {
            long.strip_prefix(short)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        (longer(other, name) || longer(name, other)).then(|| other.to_owned())
    });
    match in_the_way {
        None => Ok(()),
        Some(other) => Err(Error::usage(format!(
            "branch {name:?} can't be made beside branch {other:?}"
        ))
        .with_hint("git can't have both a branch and branches below its name; choose another")),
    }
}

fn resolve_reference(
    pool: &Pool<'_>,
    record: &PoolRecord,
    name: &str,
    source: Option<&LocalRepository>,
    network: bool,
) -> Result<Oid> {
    refs::check_name(name)?;
    if let Some(source) = source
        && let Some(oid) = from_source(pool, source, name)?
    {
        return Ok(oid);
    }
    let repository = pool.paths.repository();
    let here = || remote::resolve_here(&pool.git, &repository, name);
    let mut asked = true;
    // Tags and other refs move without any branch moving, so a fetch of branches does not renew
    // them.
    if network && let Some((from, to)) = exact_refspec(pool, &repository, name)? {
        let url = pool.url(record)?;
        match remote::fetch_exactly(&pool.git, &repository, &url, &from, &to) {
            Ok(()) => {
                if let Some(oid) = refs::commit_of(&pool.git, &repository, &to)? {
                    return Ok(oid);
                }
            }
            Err(Error::Git { failure, .. })
                if failure.ended.is_none() && is_absent(&failure.stderr) => {}
            Err(other) => {
                offline::instead(pool, record, other)?;
                asked = false;
            }
        }
    }
    let found = here()?;
    if let Some(oid) = &found {
        keep(pool, oid)?;
    }
    found.ok_or_else(|| match asked {
        true => Error::NoSuchRevision {
            name: name.to_owned(),
            pool: pool.name.to_string(),
        },
        false => Error::failed(format!(
            "{name:?} is not known to pool {}, and the remote can't be asked",
            pool.name
        )),
    })
}

/// A slot's start that no branch of the remote holds is kept, so that it is neither lost nor taken
/// for the holder's work.
fn keep(pool: &Pool<'_>, oid: &Oid) -> Result<()> {
    let repository = pool.paths.repository();
    match snapshot::is_landed(&pool.git, &repository, oid)? {
        true => Ok(()),
        false => refs::set(&pool.git, &repository, &format!("{KEPT}{oid}"), oid),
    }
}

fn is_absent(words: &str) -> bool {
    [
        "couldn't find remote ref",
        "not our ref",
        "no such ref",
        "unadvertised object",
    ]
    .iter()
    .any(|part| words.contains(part))
}

/// What to fetch for `name`, and where to keep it; `None` if it is a branch, which the fetch of all
/// branches has brought already, or a commit that is here.
fn exact_refspec(
    pool: &Pool<'_>,
    repository: &Path,
    name: &str,
) -> Result<Option<(String, String)>> {
    let is_here = |revision: &str| {
        refs::commit_of(&pool.git, repository, revision).map(|found| found.is_some())
    };
    if name.contains('~') {
        return Ok(None);
    }
    if let Some(rest) = name.strip_prefix("refs/") {
        return Ok(match rest.split_once('/') {
            Some(("heads", _)) => None,

            _ => Some((name.to_owned(), format!("{KEPT}{rest}"))),
        });
    }
    if is_here(&format!(
        "{TRACKING}{}",
        name.strip_prefix("origin/").unwrap_or(name)
    ))? {
        return Ok(None);
    }
    if crate::git::is_oid(name) {
        return Ok((!is_here(name)?).then(|| (name.to_owned(), format!("{KEPT}{name}"))));
    }
    if name.len() >= 4 && name.bytes().all(|b| b.is_ascii_hexdigit()) && is_here(name)? {
        return Ok(None);
    }
    Ok(Some((
        format!("refs/tags/{name}"),
        format!("{KEPT}tags/{name}"),
    )))
}

/// Looks `name` up in the user's own repository, and fetches it from there.
fn from_source(pool: &Pool<'_>, source: &LocalRepository, name: &str) -> Result<Option<Oid>> {
    let Some(oid) = lookup(&pool.git, &source.asked, name)? else {
        return Ok(None);
    };
    let repository = pool.paths.repository();
    if refs::commit_of(&pool.git, &repository, &oid)?.is_none() {
        let url = RemoteUrl::new(&source.path.to_string_lossy())?;
        let full = full_name(&pool.git, &source.asked, name)?.unwrap_or_else(|| oid.clone());
        remote::fetch_exactly(&pool.git, &repository, &url, &full, &format!("{KEPT}{oid}"))?;
        if pool.settings.lfs {
            lfs::bring_from_user(&pool.git, &repository, &source.path, &oid)?;
        }
    }
    match refs::commit_of(&pool.git, &repository, &oid)? {
        Some(oid) => {
            keep(pool, &oid)?;
            Ok(Some(oid))
        }
        None => Err(Error::failed(format!(
            "{name:?} of {} could not be fetched",
            source.path.display()
        ))),
    }
}

fn lookup(git: &Git, source: &Path, name: &str) -> Result<Option<Oid>> {
    let output = git
        .bare()
        .cwd(source)
        .args([
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &format!("{name}^{{commit}}"),
        ])
        .run_allowing(
            &[1, 128],
            &format!("look up {name} in {}", source.display()),
            &mut |_| (),
        )?;
    Ok((output.code == 0 && crate::git::is_oid(&output.text())).then(|| output.text()))
}

fn full_name(git: &Git, source: &Path, name: &str) -> Result<Option<String>> {
    let output = git
        .bare()
        .cwd(source)
        .args([
            "rev-parse",
            "--symbolic-full-name",
            "--end-of-options",
            name,
        ])
        .run_allowing(&[1, 128], "look up the full name", &mut |_| ())?;
    let text = output.text();
    Ok(text
        .lines()
        .last()
        .filter(|line| line.starts_with("refs/"))
        .map(str::to_owned))
}

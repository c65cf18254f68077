//! What users call pools and slots: names, ids, paths, URLs.

use std::path::{Path, PathBuf};

use super::create::{self, Plan};
use super::{Context, Pool, first_use};
use crate::domain::names::{self, PoolName, SlotId};
use crate::domain::pool::PoolRecord;
use crate::domain::remote::{PoolArgument, RemoteUrl};
use crate::domain::{Error, Result};
use crate::git::repository::{self, LocalRepository};
use crate::store::pool as store;

/// A pool that was found, and what the user called it by.
pub struct FoundPool<'a> {
    /// The pool.
    pub pool: Pool<'a>,
    /// The user's own repository, if it was named by a path.
    pub source: Option<LocalRepository>,
    /// Its record as it was when it was found.
    pub record: PoolRecord,
}

impl<'a> FoundPool<'a> {
    /// A pool that was made just now.
    pub fn new(pool: Pool<'a>, source: Option<LocalRepository>) -> Result<Self> {
        Ok(Self {
            record: pool.read()?,
            pool,
            source,
        })
    }
}

/// A remote that a pool is wanted for.
pub struct Wanted {
    /// Its address.
    pub url: RemoteUrl,
    /// The user's repository that it was found through.
    pub local: Option<LocalRepository>,
}

/// Finds the pool that `text` means; none is made.
pub fn pool<'c>(context: &'c Context<'_>, text: &str) -> Result<FoundPool<'c>> {
    match PoolArgument::classify(text) {
        PoolArgument::Name(name) => by_name(context, &name, false),
        argument => {
            let wanted = wanted(context, argument)?;
            match by_remote(context, &wanted.url)? {
                Some(name) => ready(context, &name, Some(wanted)),
                None => Err(Error::PoolNotFound(wanted.url.stored().to_owned())),
            }
        }
    }
}

/// The same without waiting for a pool that is being made: for those who only look.
pub fn pool_as_is<'c>(context: &'c Context<'_>, text: &str) -> Result<Pool<'c>> {
    let name = match PoolArgument::classify(text) {
        PoolArgument::Name(name) => PoolName::new(&name)?,
        argument => {
            let wanted = wanted(context, argument)?;
            let missing = || Error::PoolNotFound(wanted.url.stored().to_owned());
            by_remote(context, &wanted.url)?.ok_or_else(missing)?
        }
    };
    let pool = context.pool(&name);
    match pool.paths.record().exists() || pool.paths.has_lost_its_record() {
        true => Ok(pool),
        false => Err(Error::PoolNotFound(name.to_string())),
    }
}

/// The same, but a pool that is declared, or named by a path or URL, is made on first use.
pub fn pool_or_create<'c>(context: &'c Context<'_>, text: &str) -> Result<FoundPool<'c>> {
    match PoolArgument::classify(text) {
        PoolArgument::Name(name) => by_name(context, &name, true),
        argument => first_use::find_or_make(context, wanted(context, argument)?),
    }
}

fn by_name<'c>(context: &'c Context<'_>, text: &str, make: bool) -> Result<FoundPool<'c>> {
    let name = PoolName::new(text)?;
    let pool = context.pool(&name);
    if pool.paths.record().exists() {
        match made(pool.clone(), None) {
            // Its maker was killed, and it was taken away: it is made as if it had never been there.
            Err(Error::PoolNotFound(_)) if make => {}
            other => return other,
        }
    }
    if pool.paths.has_lost_its_record() {
        return Err(Error::Pool {
            message: format!(
                "the record of pool {name} is gone: {}",
                pool.paths.record().display()
            ),
            hint: Some(format!(
                "`repo-pool recover {name}` makes it anew from what is there"
            )),
        });
    }
    match context.config.declared_pool(text) {
        Some(declared) if make => {
            context
                .observer
                .note(&format!("making pool {name}, which pools.toml declares"));
            let plan = Plan {
                url: declared.url.clone(),
                slots: pool.settings.num_slots,
                base: None,
                keep: Vec::new(),
                grows_to: None,
                strategy: pool.settings.strategy,
                made_from: None,
                settings: Vec::new(),
            };
            match create::create(context, &name, &plan) {
                // Somebody else was faster.
                Err(Error::Usage { .. }) if pool.paths.record().exists() => made(pool, None),
                other => FoundPool::new(other?, None),
            }
        }
        _ => Err(Error::PoolNotFound(text.to_owned())),
    }
}

/// The pool once it is made.
pub fn ready<'c>(
    context: &'c Context<'_>,
    name: &PoolName,
    wanted: Option<Wanted>,
) -> Result<FoundPool<'c>> {
    made(context.pool(name), wanted)
}

fn made(mut pool: Pool<'_>, wanted: Option<Wanted>) -> Result<FoundPool<'_>> {
    let source = wanted.as_ref().and_then(|wanted| wanted.local.clone());
    let record = create::await_made(&pool)?;
    pool.given_url = wanted
        .map(|wanted| wanted.url)
        .filter(|url| url.secret().is_some());
    Ok(FoundPool {
        pool,
        source,
        record,
    })
}

/// What a path or URL means as a remote.
fn wanted(context: &Context<'_>, argument: PoolArgument) -> Result<Wanted> {
    match argument {
        PoolArgument::Url(text) => Ok(Wanted {
            url: RemoteUrl::new(&text)?,
            local: None,
        }),
        PoolArgument::Path(text) | PoolArgument::Name(text) => {
            let path = std::path::absolute(&text).map_err(|e| Error::io("find", &text, e))?;
            if !path.is_dir() {
                return Err(Error::PoolNotFound(format!("{text} (no such directory)")));
            }
            let local = repository::local(&context.git, &path)?;
            let address = match &local.origin {
                Some(origin) => origin.clone(),
                None => local.path.to_string_lossy().into_owned(),
            };
            Ok(Wanted {
                url: RemoteUrl::new(&address)?,
                local: Some(local),
            })
        }
    }
}

/// The pool of a remote; two of them are the user's to tell apart.
pub fn by_remote(context: &Context<'_>, url: &RemoteUrl) -> Result<Option<PoolName>> {
    let mut found: Vec<PoolName> = Vec::new();
    for name in context.workspace.pool_names()? {
        // A record that can't be read is another command's problem, unless it is asked for.
        if store::read(&context.workspace, &name)
            .is_ok_and(|record| url.same_remote(&record.repo_url))
        {
            found.push(name);
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => {
            let list: Vec<&str> = several.iter().map(PoolName::as_str).collect();
            Err(Error::usage(format!(
                "{} has several pools: {}",
                url.stored(),
                list.join(", ")
            ))
            .with_hint("name the pool"))
        }
    }
}

/// Whether `text` can only mean a slot, where both pools and slots are taken.
pub fn means_slot(context: &Context<'_>, text: &str) -> bool {
    text.parse::<SlotId>().is_ok() && !Path::new(text).exists()
        || slot_of_path(context, Path::new(text)).is_some()
}

/// Finds the slot that `text` means: an id, `<pool>/slot<N>`, its path or a path inside.
pub fn slot<'c>(context: &'c Context<'_>, text: &str) -> Result<(Pool<'c>, u32)> {
    let id = match (
        slot_of_path(context, Path::new(text)),
        text.parse::<SlotId>(),
    ) {
        (Some(id), _) | (None, Ok(id)) => id,
        (None, Err(none)) => slot_around(context, text).ok_or(none)?,
    };
    let pool = context.pool(&id.pool);
    let record = match pool.read() {
        Err(Error::PoolNotFound(_)) => {
            return Err(Error::SlotNotFound(text.escape_debug().to_string()));
        }
        other => other?,
    };
    match record.slot(id.number) {
        Some(_) => Ok((pool, id.number)),
        None => Err(Error::SlotNotFound(text.escape_debug().to_string())),
    }
}

/// The slot that a relative path lies in, which could also be a name.
fn slot_around(context: &Context<'_>, text: &str) -> Option<SlotId> {
    let path = std::path::absolute(text).ok()?;
    path.exists().then(|| slot_of_path(context, &path))?
}

/// The slot that a path lies in, whether it still exists or not.
pub fn slot_of_path(context: &Context<'_>, path: &Path) -> Option<SlotId> {
    if !path.is_absolute() && !path.starts_with(".") && !path.starts_with("..") {
        return None;
    }
    let path = std::path::absolute(path).ok()?;
    // As written first: a slot that was replaced by a link is still the slot of that path.
    in_workspace(context, &path).or_else(|| in_workspace(context, &resolved(&path)))
}

fn in_workspace(context: &Context<'_>, path: &Path) -> Option<SlotId> {
    if path
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        return None;
    }
    let mut parts = path.strip_prefix(context.workspace.root()).ok()?.iter();
    let name = PoolName::new(parts.next()?.to_str()?).ok()?;
    let place = parts.next()?;
    if place != "worktrees" && place != "parked" {
        return None;
    }
    let number = names::slot_number(parts.next()?.to_str()?)?;
    Some(SlotId::new(&name, number))
}

/// The path without symbolic links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    for parent in path.ancestors() {
        if let Ok(real) = parent.canonicalize() {
            return match path.strip_prefix(parent) {
                Ok(rest) if rest.as_os_str().is_empty() => real,
                Ok(rest) => real.join(rest),
                Err(_) => real,
            };
        }
    }
    path.to_owned()
}

//! The directory that holds all pools: finding it, making it, and refusing what is none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::{MARKER, PoolPaths};
use super::{Locks, document};
use crate::domain::names::PoolName;
use crate::domain::pool::SCHEMA;
use crate::domain::{Error, Result};
use crate::sys::lock::{self, FileLock};
use crate::sys::{clock, fs, mounts, user};

/// What the workspace's own document says.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: u32,
    id: String,
    host: String,
    created_at: jiff::Timestamp,
}

/// Where a workspace might be, from the most to the least explicit.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `--workspace`.
    pub flag: Option<PathBuf>,
    /// `$REPO_POOL_WORKSPACE`.
    pub variable: Option<PathBuf>,
    /// The current directory: its nearest parent that is a workspace counts.
    pub current: Option<PathBuf>,
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
}

/// A place that was chosen; there may be nothing there yet.
#[derive(Debug, Clone)]
pub struct Located {
    /// The directory, absolute.
    pub path: PathBuf,
    /// Whether somebody named it (so that it is an error if it is something else).
    pub named: bool,
}

/// Chooses the workspace's place.
///
/// # Errors
/// If nothing is named and there is no HOME to fall back on.
pub fn locate(places: &Places) -> Result<Located> {
    if let Some(path) = places.flag.as_ref().or(places.variable.as_ref()) {
        if path.as_os_str().is_empty() {
            return Err(Error::usage("the workspace's path is empty"));
        }
        let path = std::path::absolute(path).map_err(|e| Error::io("find", path, e))?;
        return Ok(Located { path, named: true });
    }
    let parents = places
        .current
        .iter()
        .flat_map(|current| current.ancestors());
    for parent in parents {
        if is_marked(parent) {
            return Ok(Located {
                path: parent.to_owned(),
                named: true,
            });
        }
    }
    let data = places.data_home.clone().filter(|path| path.is_absolute());
    let data = data.or_else(|| {
        places
            .home
            .as_ref()
            .filter(|home| home.is_absolute())
            .map(|home| home.join(".local/share"))
    });
    match data {
        Some(data) => Ok(Located {
            path: data.join("repo-pool"),
            named: false,
        }),
        None => Err(
            Error::usage("there is no HOME, so no place for the workspace is known")
                .with_hint("name one: --workspace DIR or REPO_POOL_WORKSPACE=DIR"),
        ),
    }
}

/// The trash of the workspace at `root`, and its lock.
pub fn trash_of(root: &Path) -> (PathBuf, PathBuf) {
    let marker = root.join(MARKER);
    (marker.join("trash"), marker.join("trash.lock"))
}

fn is_marked(path: &Path) -> bool {
    path.join(MARKER).join("workspace.json").is_file()
}

/// A workspace that is there and may be used.
#[derive(Clone)]
pub struct Workspace {
    root: PathBuf,
    id: String,
    locks: Locks,
    newer: Option<PathBuf>,
}

impl Workspace {
    /// Opens the workspace at `located`; `None` if there is nothing yet.
    ///
    /// # Errors
    /// If something else is there, or it is not safe to use: another user's, writable for all, on a
    /// network file system (unless `allow_network`), or a newer version's.
    pub fn open(located: &Located, allow_network: bool) -> Result<Option<Self>> {
        let path = &located.path;
        if !check_place(path)? {
            return Ok(None);
        }
        if !allow_network && let Some(kind) = mounts::filesystem_kind(path) {
            return Err(unusable(
                path,
                &format!(
                    "is on a network file system ({kind}), whose locks can't be trusted; allow_network_filesystem = true allows it"
                ),
            ));
        }
        let file = path.join(MARKER).join("workspace.json");
        let Some(document) = document::read::<Document>(&file)? else {
            // Somebody may be making it at this very moment.
            let names = fs::list_dir_if_there(path)?.unwrap_or_default();
            if names.iter().all(|name| name == MARKER) {
                return Ok(None);
            }
            return Err(unusable(
                path,
                "is not empty and no workspace; `repo-pool init DIR` makes one in an empty directory",
            ));
        };
        let root = path
            .canonicalize()
            .map_err(|e| Error::io("find", path, e))?;
        Ok(Some(Self {
            root,
            id: document.id,
            locks: Locks::new(Duration::from_secs(30), Arc::new(|_| ())),
            newer: (document.schema > SCHEMA).then_some(file),
        }))
    }

    /// Opens the workspace, and makes it when it is missing. Whether it was made is told.
    pub fn open_or_create(located: &Located, allow_network: bool) -> Result<(Self, bool)> {
        if let Some(workspace) = Self::open(located, allow_network)? {
            return Ok((workspace, false));
        }
        let marker = located.path.join(MARKER);
        fs::create_private_dir_all(&marker)?;
        let _lock = Locks::new(Duration::from_secs(30), Arc::new(|_| ()))
            .acquire(&marker.join("workspace.lock"), "the workspace")?;
        let file = marker.join("workspace.json");
        let made = fs::metadata_if_there(&file)?.is_none();
        if made {
            let document = Document {
                schema: SCHEMA,
                id: user::random_hex(16),
                host: user::hostname(),
                created_at: clock::now(),
            };
            document::write(&file, &document)?;
        }
        match Self::open(located, allow_network)? {
            Some(workspace) => Ok((workspace, made)),
            None => Err(unusable(&located.path, "could not be made")),
        }
    }

    /// The same workspace with these rules for waiting.
    #[must_use]
    pub fn with_locks(mut self, locks: Locks) -> Self {
        // Whoever changes anything takes a lock first.
        self.locks = match &self.newer {
            Some(file) => locks.refused(document::newer(file)),
            None => locks,
        };
        self
    }

    /// Its directory, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What tells it from every other, wherever it is moved.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How this command waits for locks.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The paths of a pool, whether it exists or not.
    pub fn pool(&self, name: &PoolName) -> PoolPaths {
        PoolPaths::new(&self.root, name)
    }

    /// What was renamed away with its whole pool, to be deleted.
    pub fn trash(&self) -> PathBuf {
        trash_of(&self.root).0
    }

    /// Held by who deletes what is in the trash.
    pub fn trash_lock(&self) -> PathBuf {
        trash_of(&self.root).1
    }

    /// The numbers that slots have to themselves.
    pub fn numbers(&self) -> PathBuf {
        self.root.join(MARKER).join("numbers.json")
    }

    /// Guards them.
    pub fn numbers_lock(&self) -> PathBuf {
        self.root.join(MARKER).join("numbers.lock")
    }

    /// Guards which pools there are.
    pub fn lock(&self) -> Result<FileLock> {
        self.locks.acquire(
            &self.root.join(MARKER).join("workspace.lock"),
            "the workspace",
        )
    }

    /// What makers and removers of pools left behind. The caller holds the workspace's lock.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>> {
        let marker = self.root.join(MARKER);
        let mut found = Vec::new();
        for name in fs::list_dir_if_there(&marker)?.unwrap_or_default() {
            if name.as_encoded_bytes().starts_with(b"new-") || fs::is_temporary_name(&name) {
                found.push(marker.join(name));
            }
        }
        let trash = self.trash();
        // What somebody is deleting is not left behind.
        if lock::is_locked(&self.trash_lock()) != Some(true) {
            let names = fs::list_dir_if_there(&trash)?.unwrap_or_default();
            found.extend(names.iter().map(|name| trash.join(name)));
        }
        Ok(found)
    }

    /// The pools there are, by name.
    pub fn pool_names(&self) -> Result<Vec<PoolName>> {
        self.pools_where(|pool| pool.record().exists())
    }

    /// Those that are there but for their record.
    pub fn lost_pools(&self) -> Result<Vec<PoolName>> {
        self.pools_where(PoolPaths::has_lost_its_record)
    }

    fn pools_where(&self, holds: impl Fn(&PoolPaths) -> bool) -> Result<Vec<PoolName>> {
        let mut names: Vec<PoolName> = fs::list_dir_if_there(&self.root)?
            .unwrap_or_default()
            .iter()
            .filter_map(|name| PoolName::new(name.to_str()?).ok())
            .filter(|name| holds(&self.pool(name)))
            .collect();
        names.sort();
        Ok(names)
    }
}

/// Whether there is something at the workspace's place; refused, if that can't be one.
pub fn check_place(path: &Path) -> Result<bool> {
    if path.is_dir() {
        check_owner(path)?;
        return Ok(true);
    }
    let above = path.ancestors().skip(1).find(|parent| parent.exists());
    // Another command may have made it meanwhile.
    let in_the_way = |place: &Path| place.exists() && !place.is_dir();
    if above.is_some_and(in_the_way) || in_the_way(path) {
        return Err(unusable(path, "is no directory"));
    }
    check_owner(path)?;
    Ok(fs::metadata_if_there(path)?.is_some())
}

/// Another user's workspace could hold anything; one that all may write could be changed under us.
fn check_owner(path: &Path) -> Result<()> {
    let Some((owner, mode)) = fs::owner_and_mode(path)? else {
        return Ok(());
    };
    if owner != user::effective_uid() {
        return Err(unusable(
            path,
            &format!(
                "belongs to another user (uid {owner}); use --workspace DIR for one of your own"
            ),
        ));
    }
    if mode & 0o002 != 0 {
        return Err(unusable(
            path,
            &format!(
                "can be written by every user; `chmod o-w {}` ends that",
                path.display()
            ),
        ));
    }
    Ok(())
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Config {
        problems: vec![format!("the workspace {} {reason}", path.display())],
    }
}

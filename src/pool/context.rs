//! What every operation works with.

use std::path::{Path, PathBuf};

use crate::config::{Config, Flags, Settings};
use crate::domain::names::{self, PoolName, SlotId};
use crate::domain::pool::PoolRecord;
use crate::domain::progress::Observer;
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::git::{Git, Worktree};
use crate::store::{LockedPool, Locks, PoolPaths, Workspace, pool as store};
use crate::sys::lock::FileLock;

/// The workspace, git and the configuration of this command.
pub struct Context<'a> {
    /// Where everything lies.
    pub workspace: Workspace,
    /// How git is run.
    pub git: Git,
    /// What was configured.
    pub config: Config,
    /// What this command's options say about it.
    pub flags: Flags,
    /// Who is told what is being done.
    pub observer: &'a dyn Observer,
}

impl Context<'_> {
    /// A handle on pool `name` with the settings that hold for it.
    pub fn pool(&self, name: &PoolName) -> Pool<'_> {
        let settings = self.config.settings(Some(name.as_str()), &self.flags);
        Pool {
            context: self,
            paths: self.workspace.pool(name),
            git: self.git.limited(
                settings.git_timeout,
                settings.git_timeout.max(settings.cleanup_timeout),
            ),
            workspace: self
                .workspace
                .clone()
                .with_locks(self.workspace.locks().with_timeout(settings.lock_timeout)),
            settings,
            name: name.clone(),
            given_url: None,
        }
    }
}

/// A pool to work on.
pub struct Pool<'a> {
    /// What the command works with.
    pub context: &'a Context<'a>,
    /// Its name.
    pub name: PoolName,
    /// Its paths.
    pub paths: PoolPaths,
    /// Its settings.
    pub settings: Settings,
    /// git, within this pool's time limits.
    pub git: Git,
    /// The workspace, with this pool's lock time-out.
    pub workspace: Workspace,
    /// The URL that the user gave for it this time; it may hold a secret that is stored nowhere.
    pub given_url: Option<RemoteUrl>,
}

impl Pool<'_> {
    /// Reads the record, without a lock.
    pub fn read(&self) -> Result<PoolRecord> {
        store::read(&self.workspace, &self.name)
    }

    /// Locks the pool and reads its record.
    pub fn lock(&self) -> Result<LockedPool> {
        LockedPool::lock(&self.workspace, &self.name)
    }

    /// Waits for one of the pool's other locks. One that vanishes went with its pool.
    pub fn acquire(&self, locks: &Locks, path: &Path, what: &str) -> Result<FileLock> {
        match locks.acquire(path, what) {
            Err(Error::Io { .. }) if !self.paths.record().exists() => {
                Err(Error::PoolNotFound(self.name.to_string()))
            }
            other => other,
        }
    }

    /// The same as [`Pool::lock`] if nobody holds the lock.
    pub fn try_lock(&self) -> Result<Option<LockedPool>> {
        LockedPool::try_lock(&self.workspace, &self.name)
    }

    /// The remote's URL, as given this time or as recorded.
    pub fn url(&self, record: &PoolRecord) -> Result<RemoteUrl> {
        match &self.given_url {
            Some(url) => Ok(url.clone()),
            None => self
                .declared_url(record)
                .map_or_else(|| RemoteUrl::new(&record.repo_url), Ok),
        }
    }

    /// The configuration's URL may hold a secret; it counts as long as it is the same remote.
    fn declared_url(&self, record: &PoolRecord) -> Option<RemoteUrl> {
        let declared = self.context.config.declared_pool(self.name.as_str())?;
        (declared.url.stored() == record.repo_url).then(|| declared.url.clone())
    }

    /// A slot as git sees it.
    pub fn worktree(&self, number: u32) -> Worktree {
        Worktree {
            path: self.paths.slot(number),
            admin: self.paths.admin(number),
            common: self.paths.repository(),
        }
    }

    /// A slot's full id.
    pub fn slot_id(&self, number: u32) -> SlotId {
        SlotId::new(&self.name, number)
    }

    /// The branch that a slot is on when none is asked for.
    pub fn own_branch(&self, number: u32) -> String {
        format!("worktree/{}/{}", self.name, names::dir_name(number))
    }

    /// A new place in the trash, on the same file system.
    pub fn trash_place(&self, what: &str) -> PathBuf {
        self.paths
            .trash()
            .join(format!("{what}-{}", crate::sys::user::random_hex(4)))
    }
}

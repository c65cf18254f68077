//! What every operation works with.

use std::path::Path;
use std::sync::OnceLock;

use crate::config::{Config, Flags, Settings};
use crate::domain::metrics::Metrics;
use crate::domain::names::{self, PoolName, SlotId};
use crate::domain::pool::PoolRecord;
use crate::domain::progress::Observer;
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::git::{Git, Sparse, Worktree, promised, view};
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
    /// Whether this is a process that was left to itself, so that nobody hears what it says.
    pub alone: bool,
}

impl Context<'_> {
    /// A handle on pool `name` with the settings that hold for it.
    pub fn pool(&self, name: &PoolName) -> Pool<'_> {
        let settings = self.config.settings(Some(name.as_str()), &self.flags);
        let paths = self.workspace.pool(name);
        let mut locks = self.workspace.locks().with_timeout(settings.lock_timeout);
        if let Some(refusal) = refusal(&paths) {
            locks = locks.refused(refusal);
        }
        let pool = Pool {
            context: self,
            paths,
            git: self.git.limited(
                settings.git_timeout,
                settings.git_timeout.max(settings.cleanup_timeout),
            ),
            workspace: self.workspace.clone().with_locks(locks),
            settings,
            name: name.clone(),
            given_url: None,
            keep: OnceLock::new(),
        };
        pool.mend_view();
        pool
    }
}

/// Why nothing may be changed in a pool: a part of it leads out of the workspace.
fn refusal(paths: &PoolPaths) -> Option<Error> {
    let part = match paths.led_astray() {
        Ok(part) => part?,
        Err(error) => return Some(error),
    };
    let message = format!(
        "{} is a symbolic link, and what it leads to is not the pool's to change",
        part.display()
    );
    Some(Error::failed(message).with_hint(
        "put the directory back in its place; to have pools elsewhere, move the whole workspace",
    ))
}

/// A pool to work on.
#[derive(Clone)]
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
    /// All that cleaning leaves, once the record was read.
    pub(super) keep: OnceLock<Vec<String>>,
}

impl Pool<'_> {
    /// Makes the view of the pool's repository anew if somebody deleted it or a part of it. What
    /// can't be done shows in the first git command.
    fn mend_view(&self) {
        let repository = self.paths.repository();
        if !repository.is_dir() || view::is_whole(&repository) || refusal(&self.paths).is_some() {
            return;
        }
        if let Ok(record) = self.read()
            && record.operation.is_none()
        {
            let example = record.remote.base_commit.as_ref();
            let settings = promised::settings(record.filter.as_deref());
            let _ = view::make(&self.git, &repository, &record.repo_url, example, &settings);
        }
    }

    /// Reads the record, without a lock.
    pub fn read(&self) -> Result<PoolRecord> {
        let record = store::read(&self.workspace, &self.name)?;
        self.learn(&record);
        Ok(record)
    }

    /// Takes from the record what adds to the settings. It is the same for the life of a pool, so
    /// that once is enough.
    pub fn learn(&self, record: &PoolRecord) {
        self.keep.get_or_init(|| {
            let mut all = self.settings.keep.clone();
            let more = record.keep.iter();
            all.extend(
                more.filter(|one| !self.settings.keep.contains(one))
                    .cloned(),
            );
            all
        });
    }

    /// Patterns of what cleaning leaves: those that are configured, and those that the pool was made
    /// with. Nobody cleans before the record was read, so this costs no read of its own.
    pub fn keep(&self) -> &[String] {
        if self.keep.get().is_none() {
            // Without a record there is nothing but the settings.
            let _ = self.read();
        }
        self.keep.get().unwrap_or(&self.settings.keep)
    }

    /// Locks the pool and reads its record.
    pub fn lock(&self) -> Result<LockedPool> {
        let locked = LockedPool::lock(&self.workspace, &self.name)?;
        self.learn(&locked.record);
        Ok(locked.measured(self.settings.enable_metrics))
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
        let locked = LockedPool::try_lock(&self.workspace, &self.name)?;
        Ok(locked.map(|locked| {
            self.learn(&locked.record);
            locked.measured(self.settings.enable_metrics)
        }))
    }

    /// Counts a failure, if that needs no wait; that it can't be counted is no second failure.
    pub fn count_failure(&self, change: impl FnOnce(&mut Metrics)) {
        if self.settings.enable_metrics
            && let Ok(Some(mut locked)) = self.try_lock()
        {
            locked.measure(change);
            let _ = locked.save_lightly();
        }
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

    /// A slot as git sees it, wherever its files are now.
    pub fn worktree(&self, number: u32) -> Worktree {
        let home = self.paths.slot(number);
        let parked = self.paths.parked_slot(number);
        Worktree {
            path: match parked.symlink_metadata() {
                Ok(_) => parked,
                Err(_) => home.clone(),
            },
            home,
            admin: self.paths.admin(number),
            common: self.paths.repository(),
            sparse: Sparse::new(&self.settings.sparse),
            lfs: self.settings.lfs,
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
}

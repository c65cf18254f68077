//! Waiting for locks: how long, and what is said meanwhile.
//!
//! The order is workspace, fetch, slot, pool: who holds a later one never waits for an earlier one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Error, Result};
use crate::sys::liveness;
use crate::sys::lock::{self, FileLock};

/// How this command waits for locks. Cheap to clone.
#[derive(Clone)]
pub struct Locks {
    timeout: Duration,
    notify: Arc<dyn Fn(&str) + Send + Sync>,
    refusal: Option<Arc<Error>>,
}

impl Locks {
    /// Waits for up to `timeout`, and tells `notify` what it waits for, only if it has to.
    pub fn new(timeout: Duration, notify: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            timeout,
            notify,
            refusal: None,
        }
    }

    /// The same, but none is ever given: for what must not be changed.
    #[must_use]
    pub fn refused(mut self, error: Error) -> Self {
        self.refusal = Some(Arc::new(error));
        self
    }

    /// The same with another time-out.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            timeout,
            ..self.clone()
        }
    }

    /// How long a lock is waited for.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes the lock at `path` if nobody holds it.
    pub fn try_acquire(&self, path: &Path) -> Result<Option<FileLock>> {
        self.check()?;
        FileLock::try_acquire(path)
    }

    /// Whether any is given at all.
    pub fn check(&self) -> Result<()> {
        match self.refusal.as_deref() {
            None => Ok(()),
            Some(Error::Failed { message, hint }) => Err(Error::Failed {
                message: message.clone(),
                hint: hint.clone(),
            }),
            Some(other) => Err(Error::failed(other.to_string())),
        }
    }

    /// Takes the lock at `path`, which guards `resource` ("pool my-project").
    pub fn acquire(&self, path: &Path, resource: &str) -> Result<FileLock> {
        self.check()?;
        let mut say = || {
            let holder = lock::holder(path).map(named);
            let by = holder
                .map(|holder| format!(", held by {holder}"))
                .unwrap_or_default();
            (self.notify)(&format!("waiting for the lock on {resource}{by}"));
        };
        FileLock::acquire(path, self.timeout, &mut say)?.map_err(|busy| Error::LockTimeout {
            resource: resource.to_owned(),
            holder: busy.holder.map(named),
            waited: busy.waited,
        })
    }
}

/// "pid 4711 (repo-pool release)".
pub fn named(pid: u32) -> String {
    match liveness::command_of(pid) {
        Some(command) => format!("pid {pid} ({command})"),
        None => format!("pid {pid}"),
    }
}

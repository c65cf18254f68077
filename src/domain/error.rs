//! What can go wrong, as values: every layer below the commands returns these.
//!
//! The enum knows causes, not presentation: kinds, exit codes and hints are given to it in one
//! place (`report::failure`).

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of everything below the commands.
pub type Result<T> = std::result::Result<T, Error>;

/// How the text of an [`Error::SetUp`] begins, by which it is known where a slot's record has it.
const SET_UP: &str = "the set-up of slot";

/// Whether a slot is out of use for this reason: its set-up failed.
pub fn is_of_set_up(reason: &str) -> bool {
    reason.starts_with(SET_UP)
}

/// A failure with what a person needs to understand it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No pool of that name, path or URL.
    #[error("there is no pool {0}")]
    PoolNotFound(String),
    /// No slot of that id, name or path.
    #[error("there is no slot {0}")]
    SlotNotFound(String),
    /// No such thing of another kind: a run, a task, an agent pool.
    #[error("{message}")]
    NotFound {
        /// What there is not.
        message: String,
        /// What says what there is.
        hint: Option<String>,
    },
    /// Every slot of the pool is held or out of use; the lines say by whom and how to free it.
    #[error("{}", none_available(pool, *waited))]
    NoAvailableSlot {
        /// The pool that was asked.
        pool: String,
        /// One line per slot: state, holder, since when, the command that would free it.
        slots: Vec<String>,
        /// How long was waited for one in vain.
        waited: Option<Duration>,
        /// Whether the caller could be told to wait for one.
        may_wait: bool,
    },
    /// A slot could not be made ready for a reason that is not git's.
    #[error("{0}")]
    SlotAllocation(String),
    /// Nothing of that name is known, at the remote or here.
    #[error("{name:?} is no branch, tag, ref or commit of pool {pool}")]
    NoSuchRevision {
        /// The name.
        name: String,
        /// The pool.
        pool: String,
    },
    /// A branch can be checked out in one slot only.
    #[error("branch {branch:?} is checked out in {slot}")]
    BranchTaken {
        /// Its name.
        branch: String,
        /// The slot's id.
        slot: String,
    },
    /// git failed; its own words are inside.
    #[error("{context}")]
    Git {
        /// What was being done, to which thing.
        context: String,
        /// The command and what it said.
        failure: Box<GitFailure>,
    },
    /// The command that makes a slot ready to work in failed.
    #[error("{SET_UP} {slot} failed: {reason}")]
    SetUp {
        /// The slot's id.
        slot: String,
        /// How it ended, where its output is, and the last words of that.
        reason: String,
    },
    /// A slot could not be brought back to a clean state.
    #[error("slot {slot} could not be cleaned: {reason}")]
    Cleanup {
        /// The slot's id.
        slot: String,
        /// What stands in the way.
        reason: String,
    },
    /// A lock stayed busy until the time-out.
    #[error("the lock on {resource} was busy for {:.1} s{}", waited.as_secs_f64(), holder.as_ref().map(|h| format!(", held by {h}")).unwrap_or_default())]
    LockTimeout {
        /// What the lock guards, for people ("pool my-project").
        resource: String,
        /// Who holds it, where that could be found out ("pid 4711 (repo-pool release)").
        holder: Option<String>,
        /// How long was waited.
        waited: Duration,
    },
    /// Another dispatcher works on that run.
    #[error("run {run} is being dispatched{}", holder.as_ref().map(|h| format!(" by {h}")).unwrap_or_default())]
    RunHeld {
        /// The run's name.
        run: String,
        /// Who holds it, where that could be found out ("pid 4711 (repo-pool dispatch run)").
        holder: Option<String>,
    },
    /// The configuration or the workspace can't be used; every problem is listed.
    #[error("{}", problems.join("\n"))]
    Config {
        /// Each names file, line and key where it has them.
        problems: Vec<String>,
    },
    /// The command was used wrongly.
    #[error("{message}")]
    Usage {
        /// What was wrong.
        message: String,
        /// The next thing to try.
        hint: Option<String>,
    },
    /// Refused, to protect work or a live process.
    #[error("{message}")]
    Refused {
        /// What is protected.
        message: String,
        /// The next thing to try.
        hint: Option<String>,
    },
    /// The allocation presented is not the current one, or the slot is somebody else's.
    #[error("{0}")]
    StaleAllocation(String),
    /// A fault of the whole pool: every other slot would meet it too.
    #[error("{message}")]
    Pool {
        /// What is wrong.
        message: String,
        /// What puts it right.
        hint: Option<String>,
    },
    /// A signal asked this process to end; what was under way has been undone or is journalled.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
    /// An operation of the operating system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb ("write", "rename").
        action: &'static str,
        /// The thing it was done to.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A failure with a message of its own that fits none of the others.
    #[error("{message}")]
    Failed {
        /// What happened, to which thing.
        message: String,
        /// The next thing to try.
        hint: Option<String>,
    },
}

fn none_available(pool: &str, waited: Option<Duration>) -> String {
    match waited {
        None => format!("no slot of pool {pool} is available"),
        Some(time) => {
            let seconds = time.as_secs_f64();
            format!("no slot of pool {pool} became available within {seconds} s")
        }
    }
}

/// A git command that did not do what it was asked for.
#[derive(Debug, Clone, Default)]
pub struct GitFailure {
    /// The command line, without secrets.
    pub command: String,
    /// Its exit code; absent when a signal or time-out ended it.
    pub exit_code: Option<i32>,
    /// What it printed on stdout, shortened.
    pub stdout: String,
    /// What it printed on stderr, shortened and without secrets.
    pub stderr: String,
    /// How long it ran.
    pub duration: Duration,
    /// Set when it was ended from here ("no progress for 300 s").
    pub ended: Option<String>,
    /// The next thing to try, where more is known than git's words tell.
    pub hint: Option<String>,
}

impl GitFailure {
    /// Why it failed, in one line: git says the cause before what follows from it.
    pub fn cause(&self) -> String {
        let said = self.stderr.lines().map(str::trim);
        let mut faults =
            said.filter(|line| line.starts_with("fatal:") || line.starts_with("error:"));
        let ended = self.ended.clone();
        ended
            .or_else(|| faults.next().map(str::to_owned))
            .or_else(|| self.stderr.lines().next().map(str::to_owned))
            .unwrap_or_else(|| "git does not say why".into())
    }
}

/// A reason on one line: without what a command printed, which stands indented below it.
pub fn gist(reason: &str) -> String {
    let told = reason.lines().filter(|line| !line.starts_with("  "));
    let told = told.map(str::trim).filter(|line| !line.is_empty());
    told.collect::<Vec<_>>().join(" ")
}

impl Error {
    /// An operating-system failure of `action` on `path`.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// Wrong usage without a further hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: None,
        }
    }

    /// Something is not there, without a further hint.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound {
            message: message.into(),
            hint: None,
        }
    }

    /// A plain failure without a further hint.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            hint: None,
        }
    }

    /// The message with git's own words, for records and histories.
    pub fn reason(&self) -> String {
        match self {
            Self::Git { failure, .. } if !failure.stderr.is_empty() => {
                format!("{self}: {}", failure.stderr)
            }
            other => other.to_string(),
        }
    }

    /// Adds the next thing to try, where this error has a place for one.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Usage { hint, .. }
        | Self::Refused { hint, .. }
        | Self::Pool { hint, .. }
        | Self::NotFound { hint, .. }
        | Self::Failed { hint, .. } = &mut self
        {
            *hint = Some(text.into());
        } else if let Self::Git { failure, .. } = &mut self {
            failure.hint = Some(text.into());
        }
        self
    }
}

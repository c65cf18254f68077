//! Runners as processes of this machine, each below a shim of its own.
//!
//! A shim is this program itself ([`shim`]). Whether it lives is told by the lock that it holds, so no
//! pid that has been given to somebody else is ever taken for it, and a dispatcher can take up what an
//! earlier one has left.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::launcher::{Found, Job, Launcher};
use crate::domain::dispatch::End;
use crate::domain::dispatch::exit::Exit;
use crate::domain::process::Liveness;
use crate::domain::{Error, Result};
use crate::git::ELSEWHERE;
use crate::sys::clock::{self, Deadline};
use crate::sys::companion::{self, Companion};
use crate::sys::family;
use crate::sys::fs::Durability;
use crate::sys::heirs;
use crate::sys::lock::{self, FileLock};
use crate::sys::{fs, liveness};
use holder::Holder;
use order::Order;

mod beat;
mod files;
mod holder;
mod memory;
pub mod order;
pub mod orphans;
mod output;
mod record;
pub mod shim;
mod watch;

/// The time between being asked to end and being killed.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Whoever only looks whether a lock is held has it for a shorter time.
const GLANCE: Duration = Duration::from_millis(200);

/// How long the shim of a killed dispatcher may take to say who it is.
const HAS_SAID_SO: Duration = Duration::from_secs(5);
/// The variable by which everything that belongs to an attempt is known: a path in its directory.
const MARK: &str = "REPO_POOL_HEARTBEAT_FILE";
/// How often the heartbeat comes, in seconds.
const INTERVAL: &str = "REPO_POOL_HEARTBEAT_INTERVAL";

/// The same for what drives a runner that another engine runs: the runner itself must not have it, for
/// it lives on when its driver is to go.
const DRIVER_MARK: &str = "REPO_POOL_DRIVES";

/// What a shim may leave when it is gone.
#[derive(Debug, Clone, Copy)]
struct Traces {
    /// The variable by which it is known.
    mark: &'static str,
    /// How long it has to end when asked; none: it is not asked.
    grace: Option<Duration>,
}

impl Traces {
    /// Those of commands that run here, which have so long to end.
    fn of_commands(grace: Duration) -> Self {
        Self {
            mark: MARK,
            grace: Some(grace),
        }
    }
}

/// Starts processes of this machine.
#[derive(Debug)]
pub struct Local {
    program: PathBuf,
    grace: Duration,
    traces: Traces,
    /// The shims that this process has started, by their attempts' directories.
    own: Mutex<HashMap<PathBuf, Arc<Companion>>>,
}

impl Default for Local {
    fn default() -> Self {
        Self::new(companion::OURSELVES, STOP_GRACE)
    }
}

impl Local {
    /// With `program` as the shim, and this time between being asked to end and being killed.
    pub fn new(program: impl Into<PathBuf>, grace: Duration) -> Self {
        Self {
            program: program.into(),
            grace,
            traces: Traces::of_commands(grace),
            own: Mutex::default(),
        }
    }

    /// For drivers of what other engines run. One that has lost its shim is killed: asked to end, it
    /// would end its runner.
    pub(super) fn of_drivers(program: &Path, grace: Duration) -> Self {
        let traces = Traces {
            mark: DRIVER_MARK,
            grace: None,
        };
        Self {
            traces,
            ..Self::new(program, grace)
        }
    }

    fn own(&self, dir: &Path) -> Option<Arc<Companion>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(dir).cloned()
    }

    fn forget(&self, dir: &Path) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.remove(dir);
    }

    /// Waits for the end of its shim; `now_and_then` is called meanwhile, at least `every` so long.
    pub(super) fn wait_with(
        &self,
        job: &Job,
        every: Duration,
        now_and_then: &mut dyn FnMut(),
    ) -> End {
        let own = self.own(&job.dir);
        let end = watch::to_the_end(job, own.as_deref(), self.traces, every, now_and_then);
        self.forget(&job.dir);
        end
    }

    fn start_shim(&self, job: &Job, lock: &FileLock) -> std::io::Result<Companion> {
        let heartbeat = files::heartbeat(&job.dir);
        let interval = interval(job);
        let words = Order::of(job, self.grace).words();
        // The dispatcher's own directory may be another repository's.
        let unset = ELSEWHERE.map(|name| (OsStr::new(name), None));
        let own = [
            (OsStr::new(self.traces.mark), Some(heartbeat.as_os_str())),
            (OsStr::new(INTERVAL), Some(OsStr::new(&interval))),
        ];
        let given = job.env.iter();
        let given = given.map(|(name, value)| (OsStr::new(name), Some(OsStr::new(value))));
        let env: Vec<_> = unset.into_iter().chain(given).chain(own).collect();
        let holder = job.holder.as_ref().map(|holder| holder.try_clone());
        companion::start(
            &self.program,
            &words,
            &env,
            holder.transpose()?,
            lock.inheritable()?,
        )
    }
}

impl Launcher for Local {
    fn start(&self, job: &Job) -> Result<String> {
        // Taken here and handed over, so that from before its start to after its end nobody finds it
        // free.
        let path = files::lock(&job.dir);
        let Ok(lock) = FileLock::acquire(&path, GLANCE, &mut || {})? else {
            return Ok(handle(&job.dir));
        };
        if record::read(&job.dir).is_some() {
            return Ok("ended".to_owned());
        }
        let shim = self
            .start_shim(job, &lock)
            .map_err(|e| Error::io("start", &self.program, e))?;
        let handle = format!("pid {}", shim.pid());
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.insert(job.dir.clone(), Arc::new(shim));
        Ok(handle)
    }

    fn find(&self, job: &Job) -> Result<Found> {
        // In this order: whoever has ended in between has left its record.
        let path = files::lock(&job.dir);
        // Nobody could stop one that has not said who it is, and it does so before anything else.
        let patience = Deadline::after(HAS_SAID_SO);
        while !has_said_who_it_is(&job.dir)
            && lock::is_held(&path) == Some(true)
            && !patience.passed()
        {
            clock::pause(GLANCE)?;
        }
        let there = fs::metadata_if_there(&path)?.is_some();
        match lock::is_held(&path) {
            Some(true) => return Ok(Found::Running(handle(&job.dir))),
            None if there => {
                let path = path.display();
                return Err(Error::failed(format!("{path} can't be locked")));
            }
            _ => {}
        }
        if let Some(exit) = record::read(&job.dir) {
            return Ok(Found::Ended(exit.end()));
        }
        holder::end_leftovers(&job.dir, self.traces);
        // A shim says who it is before it starts anything.
        Ok(match Holder::of(&job.dir) {
            Some(_) => Found::Gone,
            None => Found::NotStarted,
        })
    }

    fn wait(&self, job: &Job, _handle: &str) -> End {
        self.wait_with(job, Duration::MAX, &mut || ())
    }

    fn stop(&self, job: &Job, _handle: &str, now: bool) {
        let signal = match now {
            true => family::AT_ONCE,
            false => family::ASK,
        };
        match (self.own(&job.dir), Holder::of(&job.dir)) {
            (Some(shim), _) => shim.signal(signal),
            (None, Some(shim)) => liveness::signal(&shim.process, signal),
            (None, None) => {}
        }
    }

    fn why_memory_is_not_limited(&self) -> Option<String> {
        holder::why_memory_is_not_limited()
    }
}

/// What an earlier shim has said does not count.
fn has_said_who_it_is(dir: &Path) -> bool {
    let lives = |shim: Holder| liveness::liveness(&shim.process) != Liveness::Dead;
    Holder::of(dir).is_some_and(lives)
}

/// The variables by which a runner knows of its heartbeat.
pub(super) fn signs_of_life(job: &Job) -> [(String, String); 2] {
    let heartbeat = files::heartbeat(&job.dir);
    [
        (MARK.to_owned(), heartbeat.to_string_lossy().into_owned()),
        (INTERVAL.to_owned(), interval(job)),
    ]
}

fn interval(job: &Job) -> String {
    order::beat(job.heartbeat_timeout).as_secs_f64().to_string()
}

/// Kills whatever runs on this machine as the runner of an attempt, also in a container, as far as this
/// user may.
pub(super) fn kill_runner(dir: &Path) {
    heirs::kill(MARK, dir);
}

/// Whether nothing can be left of an attempt that a shim has kept: its end is written down, and no
/// engine has to be asked about it.
pub(super) fn is_over(dir: &Path) -> bool {
    exit(dir).is_some()
        && matches!(fs::metadata_if_there(&dir.join("order.json")), Ok(None))
        && lock::is_held(&files::lock(dir)) == Some(false)
}

/// How a shim has said that its command ended, if it has.
pub(super) fn exit(dir: &Path) -> Option<Exit> {
    record::read(dir)
}

/// Has the command's time begin only when [`has_begun`] is said.
pub(super) fn is_prepared(dir: &Path) -> Result<()> {
    fs::write_atomic(&files::preparing(dir), b"", Durability::RenameOnly)
}

/// Lets its time begin. Where that can't be said it takes longer, at worst for ever.
pub(super) fn has_begun(dir: &Path) {
    let _ = fs::remove_file_if_there(&files::preparing(dir));
}

/// Takes that back: another shim is to say it.
pub(super) fn forget_exit(dir: &Path) -> Result<()> {
    fs::remove_file_if_there(&files::exit(dir)).map(drop)
}

fn handle(dir: &Path) -> String {
    let shim = Holder::of(dir).map(|holder| holder.process.pid);
    shim.map_or_else(|| "a process".to_owned(), |pid| format!("pid {pid}"))
}

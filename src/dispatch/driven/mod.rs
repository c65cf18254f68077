//! Runners of other engines, each driven by a process of this machine: what keeps that process is the
//! shim that local runners have too.
//!
//! | who | what |
//! |---|---|
//! | the dispatcher ([`Driven`]) | writes the order, starts the keeper, puts both ends together |
//! | the keeper (the shim) | heartbeat, deadline, limits; whether it lives is told by its lock |
//! | the driver ([`drive`]) | the engine's client: begins, copies the output, waits, tells the outcome |
//!
//! Nothing is ever said to have ended while the engine may still run it. Whoever finds neither a
//! keeper nor an outcome asks the engine by the runner's name: what is there is taken up by a new
//! keeper, or ended if it was to end. As long as the engine does not answer, nothing is said.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::docker::{self, Containers};
use super::exec::{self, Jobs};
use super::launcher::{Checked, Found, Ground, Job, Launcher};
use super::local::{self, Local};
use crate::domain::dispatch::agents::Engine;
use crate::domain::dispatch::exit::Exit;
use crate::domain::dispatch::outcome::{self, Outcome};
use crate::domain::dispatch::{End, EndClass};
use crate::domain::{Error, Result};
use crate::sys::{companion, fs};
use drive::WORD;
use driver::{Driver, Presence};
use order::Order;

pub mod drive;
pub mod driver;
mod leftovers;
pub mod order;
mod record;

pub use leftovers::finish_late;

/// The time that a driver has between being asked to end its runner and being killed: more than the
/// engine takes for that.
const GRACE: Duration = Duration::from_secs(30);
/// How often is looked whether a driver gets on.
const TROUBLE: Duration = Duration::from_secs(2);
/// So often a runner is taken up by a new driver before it is given up.
const DRIVERS: u32 = 5;

/// The driver of an order.
fn driver_of(order: &Order) -> Result<Box<dyn Driver + '_>> {
    match &order.engine {
        Engine::Docker(settings) => Ok(Box::new(Containers::new(order, settings))),
        Engine::Exec(exec) => Ok(Box::new(Jobs::of(order, exec))),
        Engine::LocalProcess | Engine::Kubernetes(_) => {
            let dir = order.dir.display();
            Err(Error::failed(format!("what runs {dir} has no driver")))
        }
    }
}

/// Copies what is missing of the output of a runner that has ended, as far as there is room for it.
fn complete(driver: &dyn Driver, job: &Job) -> Result<()> {
    let log = fs::open_output(&job.dir.join("log"))?;
    let size = || log.metadata().map_or(0, |log| log.len());
    if size() < job.log_limit {
        driver.follow(&log);
    }
    if size() > job.log_limit {
        // What can't be cut stays.
        let _ = log.set_len(job.log_limit);
    }
    Ok(())
}

/// Drives one engine.
#[derive(Debug)]
pub struct Driven {
    engine: Engine,
    program: PathBuf,
    local: Local,
    /// The variables that say where the engine is, as they were when that was needed first.
    surroundings: OnceLock<BTreeMap<String, String>>,
    /// Ends that nobody could write down, by their attempts' directories.
    unwritten: Mutex<HashMap<PathBuf, End>>,
}

impl Driven {
    /// The engine with these settings.
    pub fn new(engine: Engine) -> Self {
        Self::with(engine, companion::OURSELVES)
    }

    /// With `program` as the keeper and the driver.
    pub fn with(engine: Engine, program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        Self {
            engine,
            local: Local::of_drivers(&program, GRACE),
            program,
            surroundings: OnceLock::new(),
            unwritten: Mutex::default(),
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<PathBuf, End>> {
        let unwritten = self.unwritten.lock();
        unwritten.unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the engine is, for all of this dispatcher's life.
    fn surroundings(&self) -> &BTreeMap<String, String> {
        self.surroundings.get_or_init(|| match &self.engine {
            Engine::Docker(settings) => docker::surroundings(settings),
            Engine::LocalProcess | Engine::Kubernetes(_) | Engine::Exec(_) => BTreeMap::new(),
        })
    }

    /// Whether runners may wait in the engine. Their drivers count their time, from its beginning.
    fn has_queue(&self) -> bool {
        matches!(self.engine, Engine::Exec(_))
    }

    /// Starts a keeper with a driver that goes by the order in the attempt's directory.
    fn keep(&self, job: &Job, timeout: Option<Duration>) -> Result<String> {
        let word = |word: &Path| word.to_string_lossy().into_owned();
        let holder = job.holder.as_ref().map(|holder| holder.try_clone());
        let holder = holder.transpose();
        let driver = Job {
            runner: job.runner.clone(),
            attempt: job.attempt.clone(),
            dir: job.dir.clone(),
            command: vec![word(&self.program), WORD.to_owned(), word(&job.dir)],
            workdir: job.dir.clone(),
            slot: job.slot.clone(),
            shared: Vec::new(),
            away: None,
            // The engine's client is the dispatcher's, and finds what the dispatcher would.
            env: BTreeMap::new(),
            timeout: timeout.filter(|_| !self.has_queue()),
            stall: job.stall.filter(|_| !self.has_queue()),
            heartbeat_timeout: job.heartbeat_timeout,
            log_limit: job.log_limit,
            cpu: 0,
            memory: 0,
            holder: holder.map_err(|e| Error::io("copy the lock of", &job.dir, e))?,
        };
        self.local.start(&driver).map(|_| self.handle(job))
    }

    /// What people know a runner by.
    fn handle(&self, job: &Job) -> String {
        match self.engine {
            Engine::Docker(_) => format!("container {}", job.runner),
            _ => job.runner.clone(),
        }
    }

    /// What has become of a runner that no keeper keeps and no outcome tells of.
    fn look(&self, job: &Job, exit: Option<&Exit>, known: Option<End>) -> Result<Found> {
        let none = || match exit {
            Some(exit) => Found::Ended(outcome::without_a_word(exit)),
            None => Found::Gone,
        };
        let Some(mut order) = Order::read(&job.dir)? else {
            // It is written before anything is begun, and goes when all is over.
            return Ok(match exit {
                Some(_) => none(),
                None => Found::NotStarted,
            });
        };
        let driver = driver_of(&order)?;
        let to_end = known.is_some() || exit.is_some_and(outcome::was_to_end);
        let given_up = order.taken_up >= DRIVERS;
        let outcome = match driver.look()? {
            Presence::Absent => None,
            Presence::Running if to_end || given_up => {
                driver.end(true)?;
                match driver.look()? {
                    Presence::Running => return Err(Error::failed("it does not end")),
                    Presence::Absent => None,
                    Presence::Ended(outcome) => Some(outcome),
                }
            }
            Presence::Ended(outcome) if to_end || given_up => Some(outcome),
            // Its output is not whole yet, nor its end written down.
            Presence::Running | Presence::Ended(_) => {
                drop(driver);
                order.taken_up += 1;
                order.write()?;
                let left = job.timeout.map(|limit| limit.saturating_sub(order.age()));
                local::forget_exit(&job.dir)?;
                local::has_begun(&job.dir);
                return self.keep(job, left).map(Found::Running);
            }
        };
        if let Some(outcome) = &outcome {
            complete(&*driver, job)?;
            record::write(&job.dir, outcome)?;
        }
        let end = outcome::end(exit, outcome.as_ref());
        let given_up = || {
            let reason = format!("{DRIVERS} processes that drove it have vanished");
            Outcome::of(EndClass::Infra, reason).end(0.0)
        };
        Ok(match known.or(end) {
            Some(end) => Found::Ended(end),
            None if order.taken_up >= DRIVERS => Found::Ended(given_up()),
            None => none(),
        })
    }
}

impl Launcher for Driven {
    fn start(&self, job: &Job) -> Result<String> {
        if Order::read(&job.dir)?.is_some_and(|order| !order.over) {
            return self.keep(job, job.timeout);
        }
        let mut order = Order::of(job, &self.engine, self.surroundings());
        order.env.extend(local::signs_of_life(job));
        order.write()?;
        local::is_prepared(&job.dir)?;
        self.keep(job, job.timeout)
    }

    fn find(&self, job: &Job) -> Result<Found> {
        let found = self.local.find(job)?;
        if let Found::Running(_) = found {
            return Ok(Found::Running(self.handle(job)));
        }
        let known = self.unwritten().get(&job.dir).cloned();
        let exit = local::exit(&job.dir);
        let outcome = record::read(&job.dir);
        match outcome::end(exit.as_ref(), outcome.as_ref()) {
            // The driver has seen that nothing of it runs.
            Some(end) if outcome.is_some() => Ok(Found::Ended(known.unwrap_or(end))),
            _ => self.look(job, exit.as_ref(), known),
        }
    }

    fn wait(&self, job: &Job, handle: &str) -> End {
        self.local.wait(job, handle)
    }

    fn watch(&self, job: &Job, _handle: &str, unseen: &dyn Fn(String)) -> Option<End> {
        let mut told = None;
        let end = self.local.wait_with(job, TROUBLE, &mut || {
            let trouble = record::trouble(&job.dir);
            if let Some(reason) = trouble.clone().filter(|_| trouble != told) {
                unseen(reason);
            }
            told = trouble;
        });
        let brought_about = [
            EndClass::Silent,
            EndClass::Timeout,
            EndClass::Stalled,
            EndClass::Output,
            EndClass::Stopped,
        ];
        if local::exit(&job.dir).is_none() && brought_about.contains(&end.class) {
            self.unwritten().insert(job.dir.clone(), end);
        }
        None
    }

    fn stop(&self, job: &Job, handle: &str, now: bool) {
        self.local.stop(job, handle, now);
    }

    /// What an engine runs goes on without its keeper.
    fn ground(&self) -> Ground {
        Ground::Lasting
    }

    fn check(&self, name: &str) -> Checked {
        let why_not = match &self.engine {
            Engine::Docker(settings) => docker::why_not(settings),
            Engine::Exec(exec) => exec::why_not(exec),
            _ => None,
        };
        let warning = |why| format!("agent pool {name} can run nothing now: {why}");
        Checked {
            problems: Vec::new(),
            warnings: why_not.map(warning).into_iter().collect(),
        }
    }

    fn clear_away(&self, run: &Path, keep: &[PathBuf], before: Timestamp) -> Result<()> {
        match &self.engine {
            Engine::Docker(settings) => {
                docker::clear_away(settings, self.surroundings(), run, keep, before)
            }
            _ => Ok(()),
        }
    }

    fn remove(&self, job: &Job) -> Result<()> {
        self.unwritten().remove(&job.dir);
        Order::read(&job.dir)?.map_or(Ok(()), leftovers::finish)
    }
}

//! The launcher of each agent pool.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::driven::Driven;
use super::kubernetes::{self, Kubernetes};
use super::launcher::{Found, Job, Launcher};
use super::local::Local;
use crate::domain::dispatch::End;
use crate::domain::dispatch::agents::{AgentPool, Engine};
use crate::domain::{Error, Result};

/// A launcher, and what it launches with.
type Other = (Engine, Arc<dyn Launcher>);

/// One launcher per kind of agent pool and its settings; those of local processes share theirs.
pub struct Launchers {
    local: Arc<dyn Launcher>,
    others: Mutex<Vec<Other>>,
    /// What those of Jobs have in common.
    jobs: Arc<kubernetes::Shared>,
}

impl Launchers {
    /// Those of these agent pools. Nothing is started or asked for yet.
    ///
    /// # Errors
    /// If what an agent pool's settings name can't be used.
    pub fn new(pools: &[AgentPool]) -> Result<Self> {
        let jobs: Arc<kubernetes::Shared> = Arc::default();
        let mut others: Vec<Other> = Vec::new();
        for pool in pools {
            let known = others.iter().any(|(engine, _)| *engine == pool.engine);
            if let Some(launcher) = other(pool, &jobs)?
                && !known
            {
                others.push((pool.engine.clone(), launcher));
            }
        }
        Ok(Self {
            local: Arc::new(Local::default()),
            others: Mutex::new(others),
            jobs,
        })
    }

    /// That of an agent pool, which may be one of former times.
    pub fn of(&self, pool: &AgentPool) -> Arc<dyn Launcher> {
        if pool.engine == Engine::LocalProcess {
            return Arc::clone(&self.local);
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, launcher)) = others.iter().find(|(engine, _)| *engine == pool.engine) {
            return Arc::clone(launcher);
        }
        let launcher = match other(pool, &self.jobs) {
            Ok(Some(launcher)) => launcher,
            Ok(None) => return Arc::clone(&self.local),
            Err(error) => Arc::new(Unusable(error.reason())),
        };
        others.push((pool.engine.clone(), Arc::clone(&launcher)));
        launcher
    }

    /// Whether all runners are processes of this machine.
    pub fn are_local(&self) -> bool {
        self.all().is_empty()
    }

    /// All but that of local processes.
    fn all(&self) -> Vec<Arc<dyn Launcher>> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others
            .iter()
            .map(|(_, launcher)| Arc::clone(launcher))
            .collect()
    }

    /// Clears away what was begun before a moment of the run in this directory, but for the attempts in
    /// `keep`. Where that is not possible now, the next dispatcher does it.
    pub fn clear_away(&self, run: &Path, keep: &[PathBuf], before: Timestamp) {
        for launcher in self.all() {
            let _ = launcher.clear_away(run, keep, before);
        }
    }
}

/// Asks what runs the runners of agent pools whether it would: what keeps it from that is an error, what
/// may pass is returned.
///
/// # Errors
/// With every problem.
pub fn check(pools: &[AgentPool]) -> Result<Vec<String>> {
    let launchers = Launchers::new(pools)?;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for pool in pools.iter().filter(|pool| pool.enabled) {
        let checked = launchers.of(pool).check(&pool.name);
        problems.extend(checked.problems);
        warnings.extend(checked.warnings);
    }
    match problems.is_empty() {
        true => Ok(warnings),
        false => Err(Error::Config { problems }),
    }
}

fn other(pool: &AgentPool, jobs: &Arc<kubernetes::Shared>) -> Result<Option<Arc<dyn Launcher>>> {
    let refused = |why: String| Error::Config {
        problems: vec![format!("agent pool {}: {why}", pool.name)],
    };
    match &pool.engine {
        Engine::LocalProcess => Ok(None),
        Engine::Docker(settings) if settings.image.is_empty() => Err(refused(
            "image is missing: containers start from one".to_owned(),
        )),
        Engine::Docker(_) | Engine::Exec(_) => Ok(Some(Arc::new(Driven::new(pool.engine.clone())))),
        Engine::Kubernetes(settings) => {
            let launcher = Kubernetes::new(&pool.name, settings, jobs)?;
            Ok(Some(Arc::new(launcher)))
        }
    }
}

/// Of an agent pool of former times, whose settings can't be used any more, for this reason: what it has
/// begun can't be seen.
struct Unusable(String);

impl Unusable {
    fn error(&self) -> Error {
        Error::failed(self.0.clone())
    }
}

impl Launcher for Unusable {
    fn start(&self, _job: &Job) -> Result<String> {
        Err(self.error())
    }

    fn find(&self, _job: &Job) -> Result<Found> {
        Err(self.error())
    }

    fn wait(&self, _job: &Job, _handle: &str) -> End {
        super::attempt::failed(crate::domain::dispatch::EndClass::Infra, &self.error())
    }

    fn stop(&self, _job: &Job, _handle: &str, _now: bool) {}
}

//! Runners as Jobs of a Kubernetes cluster, driven through `kubectl`.
//!
//! What a Job looks like, where a task's files are, and what the cluster's words mean is described in
//! [`crate::domain::dispatch::kubernetes`].
//!
//! | file of the attempt | what |
//! |---|---|
//! | `job.json` | the Job, and where it is: written before it is first asked for; without its manifest once it has ended |
//! | `job.created` | the cluster has had it |
//! | `log`, `log.position` | its output, and how far that goes |
//! | `outcome.json` | how it ended: written before it is deleted |
//!
//! Nothing of this machine runs for an attempt but this process, and a `kubectl logs --follow`, of which
//! there are only so many: other logs are fetched every few seconds. Whoever takes the run up later asks for the Job again: a Job that is there already and has the same
//! `repo-pool.id` is the attempt's own, whatever became of the answer.

mod check;
mod kubectl;
mod order;
mod output;
mod record;
mod runner;
mod trouble;
mod watch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use self::kubectl::Cluster;
use self::output::Followed;
use self::record::Made;
use self::runner::Runner;
use self::watch::Watch;
use super::launcher::{Checked, Found, Ground, Job, Launcher, Pushed};
use crate::domain::dispatch::agents::{self, Transport};
use crate::domain::dispatch::kubernetes::names;
use crate::domain::dispatch::{End, EndClass};
use crate::domain::{Error, Result};
use crate::sys::fs;
use crate::sys::user;

/// What all agent pools of a run share: one watch for each place with Jobs of it.
#[derive(Debug, Default)]
pub struct Shared {
    watches: Mutex<HashMap<(Cluster, String), Arc<Watch>>>,
    followed: Arc<Followed>,
}

/// Starts Jobs.
pub struct Kubernetes {
    settings: agents::Kubernetes,
    template: Value,
    shared: Arc<Shared>,
    /// Where Jobs are made, once that was found out.
    place: Mutex<Option<Cluster>>,
    /// Those that are watched, by their attempts' directories.
    runners: Mutex<HashMap<PathBuf, Arc<Runner>>>,
}

impl Kubernetes {
    /// With these settings.
    ///
    /// # Errors
    /// If the template can't be read.
    pub fn new(name: &str, settings: &agents::Kubernetes, shared: &Arc<Shared>) -> Result<Self> {
        Ok(Self {
            template: match &settings.job_template {
                Some(path) => template(name, path)?,
                None => Value::Null,
            },
            settings: settings.clone(),
            shared: Arc::clone(shared),
            place: Mutex::default(),
            runners: Mutex::default(),
        })
    }

    fn runners(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Runner>>> {
        self.runners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where Jobs are made, as the settings have it.
    fn configured(&self) -> Cluster {
        let settings = &self.settings;
        Cluster {
            kubeconfig: settings.kubeconfig.clone(),
            context: settings.context.clone(),
            namespace: settings.namespace.clone(),
        }
    }

    /// Where Jobs are made.
    fn place(&self) -> Result<Cluster> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*place {
            return Ok(place.clone());
        }
        let found = self
            .configured()
            .pinned()
            .map_err(|trouble| Error::failed(trouble.to_string()))?;
        Ok(place.insert(found).clone())
    }

    /// The Job of an attempt as it was written down.
    fn runner(&self, job: &Job, made: Made, unclear: bool) -> Arc<Runner> {
        let key = (made.cluster.clone(), made.run.clone());
        let watch = {
            let watches = &self.shared.watches;
            let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
            let interval = self.settings.watch_interval;
            let new = || Arc::new(Watch::new(key.0.clone(), key.1.clone(), interval));
            Arc::clone(watches.entry(key.clone()).or_insert_with(new))
        };
        let followed = Arc::clone(&self.shared.followed);
        let pending = self.settings.pending_timeout;
        let runner = Arc::new(Runner::new(job, made, unclear, pending, watch, followed));
        self.runners().insert(job.dir.clone(), Arc::clone(&runner));
        runner
    }

    fn of(&self, job: &Job) -> Option<Arc<Runner>> {
        self.runners().get(&job.dir).cloned()
    }
}

impl Launcher for Kubernetes {
    fn start(&self, job: &Job) -> Result<String> {
        let cluster = self.place()?;
        let id = user::random_hex(16);
        let settings = agents::Kubernetes {
            namespace: cluster.namespace.clone(),
            ..self.settings.clone()
        };
        let manifest = order::manifest(job, &settings, self.template.clone(), &id)?;
        let run = job.env.get("REPO_POOL_RUN_ID").map_or("", String::as_str);
        let made = Made {
            cluster,
            id,
            run: names::label(run),
            scripted: self.settings.transport != Transport::HostPath,
            manifest,
        };
        if self.settings.transport == Transport::HostPath {
            fs::create_private_dir_all(&order::home(job))?;
        }
        record::write_made(&job.dir, &made)?;
        let runner = self.runner(job, made, false);
        runner
            .begin()
            .inspect_err(|_| drop(self.runners().remove(&job.dir)))?;
        Ok(runner.handle())
    }

    /// Nothing is asked of the cluster here: whether a Job is there is the first thing that its watch
    /// finds out, for as long as it takes.
    fn find(&self, job: &Job) -> Result<Found> {
        if let Some(outcome) = record::ended(&job.dir) {
            return Ok(Found::Ended(outcome.end));
        }
        let Some(made) = record::made(&job.dir)? else {
            return Ok(Found::NotStarted);
        };
        // Whoever has asked for it may have been killed before the answer came.
        Ok(Found::Running(self.runner(job, made, true).handle()))
    }

    fn wait(&self, job: &Job, handle: &str) -> End {
        let end = self.observe(job, handle, &|_| (), &|_| ());
        end.unwrap_or(End {
            class: EndClass::Lost,
            exit_code: None,
            signal: None,
            reason: None,
            seconds: 0.0,
        })
    }

    fn observe(
        &self,
        job: &Job,
        _handle: &str,
        _unseen: &dyn Fn(String),
        noted: &dyn Fn(Option<String>),
    ) -> Option<End> {
        self.of(job)?.to_the_end(noted)
    }

    fn stop(&self, job: &Job, _handle: &str, now: bool) {
        if let Some(runner) = self.of(job) {
            runner.stop(now);
        }
    }

    fn ground(&self) -> Ground {
        match self.settings.transport {
            Transport::HostPath => Ground::Lasting,
            Transport::Clone => Ground::Clone,
            Transport::Node => Ground::Node,
        }
    }

    fn pushed(&self, job: &Job) -> Pushed {
        match record::ended(&job.dir).and_then(|outcome| outcome.pushed) {
            None => Pushed::Unknown,
            Some(None) => Pushed::Nothing,
            Some(Some(commit)) => Pushed::Commit(commit),
        }
    }

    fn check(&self, name: &str) -> Checked {
        self.asked(name)
    }

    fn remove(&self, job: &Job) -> Result<()> {
        let runner = self.of(job).or_else(|| {
            let made = record::made(&job.dir).ok().flatten()?;
            Some(self.runner(job, made, true))
        });
        if let Some(runner) = runner {
            runner.remove();
        }
        self.runners().remove(&job.dir);
        Ok(())
    }
}

/// A person's template.
fn template(name: &str, path: &Path) -> Result<Value> {
    let wrong = |why: String| Error::Config {
        problems: vec![format!(
            "job_template of agent pool {name}: {} {why}",
            path.display()
        )],
    };
    let bytes = fs::read_if_there(path)?.ok_or_else(|| wrong("is not there".to_owned()))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(wrong("is no JSON object".to_owned())),
    }
}

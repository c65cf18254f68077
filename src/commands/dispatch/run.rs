//! `dispatch run`: the tasks of files, each in a slot.

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::session::Session;
use super::tasks;
use crate::cli::{DispatchRunArgs, PolicyWord};
use crate::dispatch::attempt::Workshop;
use crate::dispatch::engine::{self, Options, Setting, Teller};
use crate::dispatch::files::Defaults;
use crate::dispatch::launcher::Launcher;
use crate::dispatch::local::Local;
use crate::dispatch::run::{Document, RunDir};
use crate::domain::Result;
use crate::domain::dispatch::agents::{Engine, Policy};
use crate::domain::dispatch::{Record, RunState};
use crate::report::Output;
use crate::report::tables::{EventLines, Weight, weight};
use crate::sys::lock::FileLock;

/// Runs the tasks.
pub fn run(session: &Session, args: &DispatchRunArgs) -> Result<u8> {
    let config = session.config(&session.located()?)?;
    let defaults = &args.defaults;
    let mut tasks = tasks::read(session, &config, &args.files, defaults)?;
    let known = Defaults::of(&config, defaults.repo.as_deref(), &defaults.command)?;
    let context = session.context_or_new(session.flags())?;
    let sources = tasks.loaded.sources.iter();
    let paths: Vec<PathBuf> = sources.map(|source| source.path.clone()).collect();
    let run = RunDir::of_files(&context.workspace, &paths);
    let lock = run.take()?;
    let added = added(&run, &paths)?;
    if !args.fresh && !added.is_empty() {
        let all: Vec<PathBuf> = paths.into_iter().chain(added).collect();
        tasks = tasks::read(session, &config, &all, defaults)?;
    }
    let rules = &mut tasks.rules;
    rules.policy = args.policy.map_or(rules.policy, policy);
    rules.max_global_concurrency = args.max.unwrap_or(rules.max_global_concurrency);
    let drain_timeout = args
        .drain_timeout
        .unwrap_or(rules.graceful_shutdown_timeout);
    let local: Arc<dyn Launcher> = Arc::new(Local::default());
    let workshop = Workshop {
        context: &context,
        run,
        rules: tasks.rules.clone(),
        returning: AtomicUsize::new(0),
    };
    let setting = Setting {
        workshop: &workshop,
        agent_pools: tasks.pools.iter().cloned().map(Arc::new).collect(),
        launchers: &|engine| match engine {
            Engine::LocalProcess | Engine::Docker | Engine::Kubernetes => Arc::clone(&local),
        },
        teller: &Said::new(&session.output),
        options: Options {
            watch: args.watch,
            only: args.only.clone(),
            fail_fast: args.fail_fast,
            drain_timeout,
            metrics_file: args.metrics_file.clone(),
            defaults: known,
        },
    };
    let _lock = match args.fresh {
        true => anew(&setting, lock)?,
        false => lock,
    };
    engine::run(&setting, tasks.loaded.sources, tasks.loaded.tasks)
}

/// The files that were added to the run while it went on.
fn added(run: &RunDir, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let files = Document::read(run)?.map(|document| document.files);
    let files = files.unwrap_or_default().into_iter().map(|file| file.path);
    Ok(files.filter(|path| !paths.contains(path)).collect())
}

/// Ends what is left of the run as it was, and moves it aside.
fn anew(setting: &Setting<'_>, lock: FileLock) -> Result<FileLock> {
    let run = &setting.workshop.run;
    engine::close_down(setting)?;
    run.move_aside()?;
    drop(lock);
    run.take()
}

fn policy(word: PolicyWord) -> Policy {
    match word {
        PolicyWord::Fifo => Policy::Fifo,
        PolicyWord::Priority => Policy::Priority,
        PolicyWord::SkillBased => Policy::SkillBased,
        PolicyWord::FairShare => Policy::FairShare,
    }
}

/// Says on stderr what happens.
struct Said<'o> {
    output: &'o Output,
    lines: Mutex<EventLines>,
}

impl<'o> Said<'o> {
    fn new(output: &'o Output) -> Self {
        Self {
            output,
            lines: Mutex::default(),
        }
    }
}

impl Teller for Said<'_> {
    fn event(&self, record: &Record, _state: &RunState) {
        if weight(&record.event) == Weight::Detail {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let text = lines.lines([record], &self.output.layout());
        self.output.note(text.trim_end());
    }

    fn warn(&self, text: &str) {
        self.output.warn(text);
    }
}

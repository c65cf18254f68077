//! `dispatch run`: the tasks of files, each in a slot.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::session::Session;
use super::plan;
use super::said::{self, Said};
use super::tasks::{self, Tasks};
use crate::cli::{DispatchRunArgs, PolicyWord};
use crate::dispatch::attempt::{Returns, Workshop};
use crate::dispatch::engine::{self, Options, Setting};
use crate::dispatch::files::{Defaults, Given, Source};
use crate::dispatch::launchers::Launchers;
use crate::dispatch::registry::Registry;
use crate::dispatch::run::{Document, RunDir, Terms};
use crate::domain::dispatch::agents::Policy;
use crate::domain::progress::{Observer, Silent, Step, StepObserver};
use crate::domain::{Error, Result};
use crate::pool::Context;
use crate::report::Output;
use crate::store::Locks;
use crate::sys::lock::FileLock;

/// Runs the tasks.
pub fn run(session: &Session, args: &DispatchRunArgs) -> Result<u8> {
    let given = given(session, args)?;
    let mut tasks = read(session, args, &given, &args.files)?;
    if args.dry_run {
        return plan::print(session, args, tasks);
    }
    let heard = Heard(&session.output);
    let context = quiet(session, &heard)?;
    let sources = tasks.loaded.sources.iter();
    let paths: Vec<PathBuf> = sources.map(|source| source.path.clone()).collect();
    let run = RunDir::of_files(&context.workspace, &paths);
    let lock = run.take()?;
    if !args.fresh
        && let added = added(&run, &paths)?
        && !added.is_empty()
    {
        let all: Vec<PathBuf> = paths.into_iter().chain(added).collect();
        tasks = read(session, args, &given, &all)?;
    }
    let workshop = Workshop {
        context: &context,
        run,
        rules: tasks.rules,
        returns: Returns::default(),
    };
    let terms = Terms {
        rules: workshop.rules.clone(),
        agent_pools: tasks.pools.clone(),
        defaults: Some(tasks.defaults.clone()),
        given,
    };
    let said = Said::new(&session.output);
    let registry = registry(session, args, &tasks.loaded.sources)?;
    let launchers = Launchers::new(&tasks.pools)?;
    let setting = Setting {
        options: options(args, &workshop, tasks.defaults, tasks.warnings),
        workshop: &workshop,
        agent_pools: tasks.pools.into_iter().map(Arc::new).collect(),
        launchers: &launchers,
        teller: &said,
        registry: registry.as_ref(),
    };
    let lock = match args.fresh {
        true => anew(session, &setting, lock)?,
        false => lock,
    };
    terms.write(&workshop.run)?;
    let ended = engine::run(&setting, tasks.loaded.sources, tasks.loaded.tasks);
    drop(lock);
    let code = ended.map(|ended| ended.code);
    let left: Vec<String> = registry.map(Registry::close).unwrap_or_default();
    said.over();
    left.iter().for_each(|text| session.output.warn(text));
    let code = code?;
    said::tell(session, &workshop.run, &terms)?;
    Ok(code)
}

/// What the command line says of the tasks; of a run that goes on, what it said before holds as well.
fn given(session: &Session, args: &DispatchRunArgs) -> Result<Given> {
    let given = tasks::given(&args.defaults)?;
    let paths = args.files.iter().map(|file| file.canonicalize());
    // A file that is not there is a matter of who reads it.
    let Ok(paths) = paths.collect::<std::io::Result<Vec<PathBuf>>>() else {
        return Ok(given);
    };
    let context = session.context(session.flags())?;
    let Some(context) = context.filter(|_| !args.fresh) else {
        return Ok(given);
    };
    let terms = Terms::read(&RunDir::of_files(&context.workspace, &paths))?;
    Ok(match terms {
        Some(terms) => given.or(terms.given),
        None => given,
    })
}

/// The tasks of these files, under the rules as the command line has them.
fn read(
    session: &Session,
    args: &DispatchRunArgs,
    given: &Given,
    files: &[PathBuf],
) -> Result<Tasks> {
    let config = session.config(&session.located()?)?;
    let mut tasks = tasks::read(session, &config, files, given)?;
    let rules = &mut tasks.rules;
    rules.policy = args.policy.map_or(rules.policy, policy);
    rules.max_global_concurrency = args.max.unwrap_or(rules.max_global_concurrency);
    Ok(tasks)
}

fn options(
    args: &DispatchRunArgs,
    workshop: &Workshop<'_>,
    defaults: Defaults,
    told: Vec<String>,
) -> Options {
    let timeout = workshop.rules.graceful_shutdown_timeout;
    Options {
        watch: args.watch,
        only: args.only.clone(),
        fail_fast: args.fail_fast,
        drain_timeout: args.drain_timeout.unwrap_or(timeout),
        metrics_file: args.metrics_file.clone(),
        defaults,
        told,
    }
}

/// The workspace, with what pools have to say kept to what a person has to know: several work at once,
/// and events tell how it goes.
fn quiet<'a>(session: &'a Session, heard: &'a Heard<'_>) -> Result<Context<'a>> {
    let context = session.context_or_new(session.flags())?;
    let locks = Locks::new(context.workspace.locks().timeout(), Arc::new(|_| ()));
    Ok(Context {
        workspace: context.workspace.clone().with_locks(locks),
        observer: heard,
        ..context
    })
}

/// Where states and events are written back to, unless that is not wanted.
fn registry(
    session: &Session,
    args: &DispatchRunArgs,
    sources: &[Source],
) -> Result<Option<Registry>> {
    if args.no_update_registry {
        return Ok(None);
    }
    let output = Arc::clone(&session.output);
    let tell = Arc::new(move |text: &str| output.warn(text));
    Registry::open(sources, tell).map(Some)
}

/// The files that were added to the run while it went on. Fails if one of them is gone: what has become
/// of its tasks is for a person to say.
fn added(run: &RunDir, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let files = Document::read(run)?.map(|document| document.files);
    let files = files.unwrap_or_default().into_iter().map(|file| file.path);
    let added: Vec<PathBuf> = files.filter(|path| !paths.contains(path)).collect();
    match added.iter().find(|path| !path.exists()) {
        Some(gone) => {
            let gone = gone.display();
            let message = format!("{gone} was added to this run, and is not there any more");
            Err(Error::usage(message)
                .with_hint("put it back, or begin the run anew without it, with `--fresh`"))
        }
        None => Ok(added),
    }
}

/// Ends what is left of the run as it was, and moves it aside.
fn anew(session: &Session, setting: &Setting<'_>, lock: FileLock) -> Result<FileLock> {
    let run = &setting.workshop.run;
    engine::close_down(setting)?;
    let old = run.move_aside()?;
    if old.has_begun()? {
        let kept = format!("the run as it was is kept as {}", old.name());
        session.output.note(&kept);
    }
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

/// Hears what pools say.
struct Heard<'o>(&'o Output);

impl Observer for Heard<'_> {
    fn begin(&self, what: Step<'_>) -> Box<dyn StepObserver + '_> {
        Silent.begin(what)
    }

    fn note(&self, text: &str) {
        self.0.detail(text);
    }

    fn warn(&self, text: &str) {
        self.0.warn(text);
    }
}

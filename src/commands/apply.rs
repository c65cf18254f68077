//! `apply`: bring the pools to what the settings declare.

mod watch;

use std::io;

use super::session::Session;
use crate::cli::ApplyArgs;
use crate::config::Config;
use crate::domain::apply::{Planned, Step};
use crate::domain::outcome::{AppliedView, RescueView, StepResult, StepView};
use crate::domain::{Error, Result};
use crate::pool::apply::{self, Applied, Sight};
use crate::pool::parallel;
use crate::report::output::unless_closed;
use crate::report::{Failure, tables};
use crate::store::workspace::{self, Located};
use crate::sys::limits;

/// What everything refused ends with, and everything failed.
const REFUSED: u8 = 5;
const FAILED: u8 = 1;

/// Applies the file once, or at each of its changes.
pub fn run(session: &Session, args: &ApplyArgs) -> Result<u8> {
    limits::raise_open_files();
    let located = session.located()?;
    workspace::check_place(&located.path)?;
    if let Some(every) = args.watch {
        return watch::run(session, args, &located, every);
    }
    let config = session.config(&located)?;
    let ended = once(session, args, &located, config)?;
    unless_closed(ended.written)?;
    Ok(ended.code)
}

/// How one application ended.
struct Ended {
    code: u8,
    written: io::Result<()>,
}

/// Applies what `config` declares. What contradicts the pools there are is refused before anything is
/// done.
fn once(session: &Session, args: &ApplyArgs, located: &Located, config: Config) -> Result<Ended> {
    if !config.file_exists() {
        return Err(Error::usage(format!(
            "there is no {}, so nothing is declared",
            config.file().display()
        ))
        .with_hint("`repo-pool init` writes one; `repo-pool config import` makes one from the original's YAML"));
    }
    let flags = session.flags();
    if args.dry_run {
        let context = session.context_by(located, config.clone(), flags)?;
        let sight = match &context {
            Some(context) => apply::look(context, args.prune)?,
            None => Sight {
                declared: apply::declared(&config, &session.flags()),
                known: Vec::new(),
            },
        };
        return planned(session, &plan(&config, &sight, args.prune)?, args.prune);
    }
    let mut context = session.context_or_new_by(located, config, flags)?;
    let sight = apply::look(&context, args.prune)?;
    let planned = plan(&context.config, &sight, args.prune)?;
    let work = planned.iter().filter(|planned| planned.step.changes());
    let mut pools: Vec<_> = work.map(|planned| &planned.name).collect();
    pools.dedup();
    // A pool that is made alone has all cores for its slots.
    let jobs = parallel::jobs(context.config.settings(None, &context.flags).jobs);
    context.flags.jobs = u32::try_from(parallel::share(jobs, pools.len())).ok();
    let applied = apply::carry_out(&context, &planned, args.prune, jobs);
    report(session, applied)
}

fn plan(config: &Config, sight: &Sight, prune: bool) -> Result<Vec<Planned>> {
    let conflicts = sight.conflicts();
    if conflicts.is_empty() {
        return Ok(sight.plan(prune));
    }
    let problems = conflicts.iter();
    Err(Error::Config {
        problems: problems
            .map(|conflict| config.refused(&conflict.name, conflict.key, &conflict.wrong))
            .collect(),
    })
}

/// Says what would be done.
fn planned(session: &Session, planned: &[Planned], prune: bool) -> Result<Ended> {
    let views: Vec<StepView> = planned.iter().map(StepView::planned).collect();
    let written = show(session, &views, true);
    let changes = count(&views, StepResult::Planned);
    let prune = if prune { " --prune" } else { "" };
    session.output.note(&match changes {
        0 => "nothing would change".to_owned(),
        1 => format!("1 change; `repo-pool apply{prune}` makes it"),
        n => format!("{n} changes; `repo-pool apply{prune}` makes them"),
    });
    let any = |result| count(&views, result) > 0;
    let code = match () {
        () if changes > 0 || any(StepResult::Failed) => FAILED,
        () if any(StepResult::Refused) => REFUSED,
        () => 0,
    };
    Ok(Ended { code, written })
}

/// Says what was done, and why the rest was not.
fn report(session: &Session, applied: Vec<Applied>) -> Result<Ended> {
    let mut views = Vec::new();
    let mut failures = Vec::new();
    let mut interrupted = None;
    for Applied { planned, result } in applied {
        let mut view = StepView::planned(&planned);
        match result {
            Ok(rescue) => {
                tell_of_work(session, &planned, rescue.as_ref());
                view.rescue = rescue;
                if view.result == StepResult::Planned {
                    view.result = StepResult::Done;
                }
            }
            Err(error) => {
                view.result = match error {
                    Error::Refused { .. } | Error::StaleAllocation(_) => StepResult::Refused,
                    _ => StepResult::Failed,
                };
                view.error = Some(error.reason());
                match error {
                    Error::Interrupted(_) => interrupted = Some(error),
                    other => failures.push((planned.name, other)),
                }
            }
        }
        views.push(view);
    }
    let written = show(session, &views, false);
    let idle = |view: &StepView| matches!(view.step, Step::Unchanged { .. });
    if views.iter().all(idle) {
        session
            .output
            .note("nothing to do: the pools are as they are declared");
    }
    let mut codes = Vec::new();
    for (name, error) in failures {
        let failure = Failure::from(error).about(&format!("pool {name}"));
        codes.push(failure.exit);
        session.output.error(&failure);
    }
    match interrupted {
        Some(error) => Err(error),
        None => Ok(Ended {
            code: common(&codes),
            written,
        }),
    }
}

/// The code that all failures have, else that of a failure.
fn common(codes: &[u8]) -> u8 {
    match codes {
        [] => 0,
        [first, rest @ ..] if rest.iter().all(|code| code == first) => *first,
        _ => FAILED,
    }
}

fn tell_of_work(session: &Session, planned: &Planned, rescue: Option<&RescueView>) {
    if let Some(rescue) = rescue {
        session.output.warn(&format!(
            "pool {}: the slot that was removed held work; it was saved: `repo-pool rescue show {}`",
            planned.name, rescue.rescue_id
        ));
    }
}

fn count(views: &[StepView], result: StepResult) -> usize {
    views.iter().filter(|view| view.result == result).count()
}

/// The document, or the lines: of what is planned all, of what was done no more than that.
fn show(session: &Session, views: &[StepView], dry_run: bool) -> io::Result<()> {
    let output = &session.output;
    if output.is_json() {
        return output.json("result", &AppliedView::new(dry_run, views.to_vec()));
    }
    let told = |view: &&StepView| dry_run || view.error.is_none();
    let lines: Vec<StepView> = views.iter().filter(told).cloned().collect();
    output.text(&tables::steps(
        &lines,
        output.is_verbose(1),
        &output.layout(),
    ))
}

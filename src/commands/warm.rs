//! `warm`: make idle slots ready ahead of use.

use super::session::{self, Session};
use crate::cli::WarmArgs;
use crate::config::Flags;
use crate::domain::outcome::{WarmResult, Warmed, WarmedPool};
use crate::domain::remote::PoolArgument;
use crate::domain::{Error, Result};
use crate::pool::fetch::Freshness;
use crate::pool::warm::{self, Request};
use crate::pool::{Context, Pool, find, parallel};
use crate::report::output::unless_closed;
use crate::report::{Failure, human, tables};
use crate::sys::clock::Stopwatch;
use crate::sys::limits;

/// A pool to be warmed up, or only some of its slots.
struct Chosen<'c> {
    pool: Pool<'c>,
    slots: Option<Vec<u32>>,
}

/// Makes the slots ready that are named, or those of all pools that are to be kept so.
pub fn run(session: &Session, args: &WarmArgs) -> Result<u8> {
    limits::raise_open_files();
    let watch = Stopwatch::start();
    let flags = Flags {
        fetch_max_age: args.fetch_max_age,
        ..session.flags()
    };
    let context = match (session.context(flags)?, args.targets.first()) {
        (Some(context), _) => context,
        (None, None) => return nothing(session),
        (None, Some(target)) => return Err(session::no_pool(target)),
    };
    let (chosen, mut failed) = match args.targets.is_empty() {
        true => enabled(&context)?,
        false => (named(&context, &args.targets)?, Vec::new()),
    };
    if chosen.is_empty() && failed.is_empty() {
        return nothing(session);
    }
    let only = chosen.len() == 1 && failed.is_empty();
    let mut warmed = Vec::new();
    for (name, result) in warm_all(&context, chosen, args.no_fetch) {
        match result {
            Ok(pool) => warmed.push(pool),
            // It was removed meanwhile.
            Err(Error::PoolNotFound(_)) if args.targets.is_empty() => {}
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) if only => return Err(error),
            Err(error) => failed.push((name, error)),
        }
    }
    warmed.extend(failed.iter().map(|(name, error)| WarmedPool {
        repo_name: name.clone(),
        error: Some(error.reason()),
        ..WarmedPool::default()
    }));
    report(session, &warmed, &watch)?;
    let any_failed = !failed.is_empty();
    for (name, error) in failed {
        session
            .output
            .error(&Failure::from(error).about(&format!("pool {name}")));
    }
    let slots = warmed.iter().any(|pool| pool.count(WarmResult::Failed) > 0);
    Ok(u8::from(any_failed || slots))
}

/// The pools that are to be kept ready; one that is declared and not made yet is made.
#[expect(clippy::type_complexity, reason = "named where it is taken apart")]
fn enabled<'c>(context: &'c Context<'_>) -> Result<(Vec<Chosen<'c>>, Vec<(String, Error)>)> {
    let mut names: Vec<String> = Vec::new();
    let there = context.workspace.pool_names()?;
    names.extend(there.iter().map(ToString::to_string));
    let declared = context.config.declared().map(|(name, _)| name.to_owned());
    names.extend(declared.filter(|name| !there.iter().any(|pool| pool.as_str() == name)));
    names.retain(|name| {
        let settings = context.config.settings(Some(name), &context.flags);
        settings.warmup_enabled
    });
    let mut chosen = Vec::new();
    let mut failed = Vec::new();
    for name in names {
        match find::pool_or_create(context, &name) {
            Ok(found) => chosen.push(Chosen {
                pool: found.pool,
                slots: None,
            }),
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) => failed.push((name, error)),
        }
    }
    Ok((chosen, failed))
}

/// What the arguments mean, each pool once.
fn named<'c>(context: &'c Context<'_>, targets: &[String]) -> Result<Vec<Chosen<'c>>> {
    let mut chosen: Vec<Chosen<'c>> = Vec::new();
    for target in targets {
        let (pool, number) = if find::means_slot(context, target) {
            find::slot(context, target).map(|(pool, number)| (pool, Some(number)))?
        } else if matches!(PoolArgument::classify(target), PoolArgument::Name(_)) {
            (find::pool_or_create(context, target)?.pool, None)
        } else {
            (find::pool(context, target)?.pool, None)
        };
        match chosen.iter_mut().find(|known| known.pool.name == pool.name) {
            None => chosen.push(Chosen {
                pool,
                slots: number.map(|number| vec![number]),
            }),
            Some(known) => match (&mut known.slots, number) {
                (Some(slots), Some(number)) if slots.contains(&number) => {}
                (Some(slots), Some(number)) => slots.push(number),
                (slots, _) => *slots = None,
            },
        }
    }
    Ok(chosen)
}

/// Several pools at a time, and several slots of each.
fn warm_all(
    context: &Context<'_>,
    mut chosen: Vec<Chosen<'_>>,
    no_fetch: bool,
) -> Vec<(String, Result<WarmedPool>)> {
    let jobs = parallel::jobs(context.config.settings(None, &context.flags).jobs);
    let share = parallel::share(jobs, chosen.len());
    chosen
        .iter_mut()
        .for_each(|chosen| chosen.pool.settings.jobs = share);
    parallel::each(&chosen, jobs, |chosen| {
        let request = Request {
            slots: chosen.slots.clone(),
            freshness: match no_fetch {
                true => Freshness::Known,
                false => Freshness::Within(chosen.pool.settings.fetch_max_age),
            },
        };
        let warmed = warm::warm(&chosen.pool, &request);
        (chosen.pool.name.to_string(), warmed)
    })
}

fn nothing(session: &Session) -> Result<u8> {
    session
        .output
        .note("no pool has warmup_enabled = true in pools.toml, and none is named");
    report_json(session, &[])?;
    Ok(0)
}

fn report(session: &Session, warmed: &[WarmedPool], watch: &Stopwatch) -> Result<()> {
    report_json(session, warmed)?;
    if session.output.is_json() {
        return Ok(());
    }
    let text = tables::warmed(warmed, &session.output.layout());
    unless_closed(session.output.text(&text))?;
    let count = |result| warmed.iter().map(|pool| pool.count(result) as u64).sum();
    session.output.note(&format!(
        "{} made ready, {} ready before, in {}",
        human::count(count(WarmResult::Warmed), "slot"),
        count(WarmResult::AlreadyWarm),
        human::seconds(watch.elapsed().as_secs_f64())
    ));
    Ok(())
}

fn report_json(session: &Session, warmed: &[WarmedPool]) -> Result<()> {
    if !session.output.is_json() {
        return Ok(());
    }
    let result = Warmed::from(warmed.to_vec());
    unless_closed(session.output.json("result", &result))
}

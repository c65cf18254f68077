//! `recover`: find what is wrong and put it right.

use super::session::{self, Session};
use crate::cli::RecoverArgs;
use crate::config::Flags;
use crate::dispatch::local::orphans;
use crate::dispatch::run::RunDir;
use crate::domain::outcome::{Finding, FindingKind, FindingResult, Recovered};
use crate::domain::{Error, Result};
use crate::pool::{Context, Pool, find, parallel};
use crate::recover::{self, Request};
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::sys::looking;

/// Looks at everything, one pool, or one slot.
pub fn run(session: &Session, args: &RecoverArgs) -> Result<u8> {
    if args.dry_run {
        looking::begin();
    }
    let flags = Flags {
        max_age: args.max_age,
        ..session.flags()
    };
    let (findings, error) = match (session.context(flags)?, args.target.as_deref()) {
        (None, None) => (Vec::new(), None),
        (None, Some(target)) => return Err(session::no_pool(target)),
        (Some(context), Some(target)) => (look_at(&context, target, args)?, None),
        (Some(context), None) => look_everywhere(&context, args)?,
    };
    match error {
        Some(error) if findings.is_empty() => return Err(error),
        Some(error) => {
            report(session, &findings)?;
            return Err(error);
        }
        None => report(session, &findings)?,
    }
    let failed = findings
        .iter()
        .any(|finding| finding.result == FindingResult::Failed);
    let found = args.dry_run && !findings.is_empty();
    Ok(u8::from(failed || found))
}

fn look_at(context: &Context<'_>, target: &str, args: &RecoverArgs) -> Result<Vec<Finding>> {
    let (pool, number) = match find::means_slot(context, target) {
        true => find::slot(context, target).map(|(pool, number)| (pool, Some(number)))?,
        false => (find::pool_as_is(context, target)?, None),
    };
    let mut findings = left_running(context, args);
    findings.extend(recover::recover(&pool, &request(args, &pool, number))?);
    Ok(findings)
}

/// What tasks have left running that were dispatched here, and that nobody watches any more.
fn left_running(context: &Context<'_>, args: &RecoverArgs) -> Vec<Finding> {
    let only = kinds(args);
    match only.is_empty() || only.contains(&FindingKind::Leftover) {
        true => orphans::end(&RunDir::all_in(&context.workspace), args.dry_run),
        false => Vec::new(),
    }
}

/// Looks at all pools, and at what lies between them. One that can't be looked at (a newer version's)
/// keeps none of the others from being repaired.
fn look_everywhere(
    context: &Context<'_>,
    args: &RecoverArgs,
) -> Result<(Vec<Finding>, Option<Error>)> {
    // First: nobody takes back a slot that they are in.
    let mut findings = left_running(context, args);
    let mut names = context.workspace.pool_names()?;
    names.extend(context.workspace.lost_pools()?);
    let jobs = parallel::jobs(context.config.settings(None, &context.flags).jobs);
    let share = parallel::share(jobs, names.len());
    let found = parallel::each(&names, jobs, |name| {
        let mut pool = context.pool(name);
        pool.settings.jobs = share;
        match recover::recover(&pool, &request(args, &pool, None)) {
            // It was removed meanwhile.
            Err(Error::PoolNotFound(_)) => Ok(Vec::new()),
            other => other,
        }
    });
    let mut failed = None;
    for of_pool in found {
        match of_pool {
            Ok(some) => findings.extend(some),
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    findings.extend(recover::workspace_leftovers(
        context,
        args.dry_run,
        &kinds(args),
    )?);
    Ok((findings, failed))
}

fn request(args: &RecoverArgs, pool: &Pool<'_>, slot: Option<u32>) -> Request {
    Request {
        pool: pool.name.to_string(),
        slot,
        dry_run: args.dry_run,
        only: kinds(args),
        stale_after: pool.settings.stale_after,
        release_stale: args.release_stale,
        force: args.force,
    }
}

fn kinds(args: &RecoverArgs) -> Vec<FindingKind> {
    args.only
        .iter()
        .filter_map(|kind| FindingKind::from_name(kind.as_str()))
        .collect()
}

fn report(session: &Session, findings: &[Finding]) -> Result<()> {
    let output = &session.output;
    if output.is_json() {
        return unless_closed(output.json_object(&Recovered::from(findings.to_vec())));
    }
    if findings.is_empty() {
        output.note("nothing is wrong");
        return Ok(());
    }
    unless_closed(output.text(&tables::findings(findings, &output.layout())))
}

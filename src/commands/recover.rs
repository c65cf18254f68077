//! `recover`: find what is wrong and put it right.

use serde_json::json;

use super::session::{self, Session};
use crate::cli::RecoverArgs;
use crate::config::Flags;
use crate::domain::outcome::{Finding, FindingKind, FindingResult};
use crate::domain::{Error, Result};
use crate::pool::{Context, find, parallel};
use crate::recover::{self, Request};
use crate::report::output::unless_closed;
use crate::report::tables;

/// Looks at everything, one pool, or one slot.
pub fn run(session: &Session, args: &RecoverArgs) -> Result<u8> {
    let flags = Flags {
        max_age: args.max_age,
        ..session.flags()
    };
    let findings = match (session.context(flags)?, args.target.as_deref()) {
        (None, None) => Vec::new(),
        (None, Some(target)) => return Err(session::no_pool(target)),
        (Some(context), target) => look(&context, target, args)?,
    };
    report(session, &findings)?;
    let failed = findings
        .iter()
        .any(|finding| finding.result == FindingResult::Failed);
    let found = args.dry_run && !findings.is_empty();
    Ok(u8::from(failed || found))
}

fn look(context: &Context<'_>, target: Option<&str>, args: &RecoverArgs) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    match target {
        Some(target) if find::means_slot(context, target) => {
            let (pool, number) = find::slot(context, target)?;
            findings.extend(recover::recover(
                &pool,
                &request(args, &pool.settings, Some(number)),
            )?);
        }
        Some(target) => {
            let pool = find::pool_as_is(context, target)?;
            findings.extend(recover::recover(
                &pool,
                &request(args, &pool.settings, None),
            )?);
        }
        None => {
            let names = context.workspace.pool_names()?;
            let jobs = parallel::jobs(context.config.settings(None, &context.flags).jobs);
            let found = parallel::each(&names, jobs, |name| {
                let pool = context.pool(name);
                match recover::recover(&pool, &request(args, &pool.settings, None)) {
                    // It was removed meanwhile.
                    Err(Error::PoolNotFound(_)) => Ok(Vec::new()),
                    other => other,
                }
            });
            for of_pool in found {
                findings.extend(of_pool?);
            }
            findings.extend(recover::workspace_leftovers(
                context,
                args.dry_run,
                &kinds(args),
            )?);
        }
    }
    Ok(findings)
}

fn request(args: &RecoverArgs, settings: &crate::config::Settings, slot: Option<u32>) -> Request {
    Request {
        slot,
        dry_run: args.dry_run,
        only: kinds(args),
        stale_after: settings.stale_after,
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
    let count = |result| {
        findings
            .iter()
            .filter(|finding| finding.result == result)
            .count()
    };
    let output = &session.output;
    if output.is_json() {
        let summary = json!({
            "found": findings.len(),
            "repaired": count(FindingResult::Done),
            "planned": count(FindingResult::Planned),
            "reported": count(FindingResult::Reported),
            "failed": count(FindingResult::Failed),
        });
        return unless_closed(
            output.json_object(&json!({ "findings": findings, "summary": summary })),
        );
    }
    if findings.is_empty() {
        output.note("nothing is wrong");
        return Ok(());
    }
    unless_closed(output.text(&tables::findings(findings, &output.layout())))
}

//! `release`: give slots back.

use super::session::{self, Session};
use crate::cli::ReleaseArgs;
use crate::config::Flags;
use crate::domain::outcome::{Released, RescueView};
use crate::domain::slot::SlotState;
use crate::domain::{Error, Result};
use crate::pool::release::{self, Request, Returned};
use crate::pool::{Context, Pool, keys, parallel, view};
use crate::report::Failure;
use crate::report::human;
use crate::report::output::unless_closed;

/// Gives slots back; without one, the slot of the environment or of the current directory.
pub fn run(session: &Session, args: &ReleaseArgs) -> Result<u8> {
    if args.allocation.is_some() && args.slots.len() > 1 {
        return Err(Error::usage("--allocation goes with one slot only"));
    }
    let flags = Flags {
        no_cleanup: args.no_cleanup,
        ..session.flags()
    };
    let first = args.slots.first().map(String::as_str);
    let context = session
        .context(flags)?
        .ok_or_else(|| session::no_slot(first))?;
    let keyed = match &args.key {
        None => None,
        Some(key) => match held_under(&context, key)? {
            None => return nothing_held(session, key),
            slot => slot,
        },
    };
    let names: Vec<Option<&str>> = match args.slots.as_slice() {
        [] => vec![keyed.as_deref()],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let jobs = parallel::jobs(context.config.settings(None, &context.flags).jobs);
    let mut released = Vec::new();
    let mut failures = Vec::new();
    for result in parallel::each(&names, jobs, |name| one(session, &context, *name, args)) {
        match result {
            Ok(done) => released.push(done),
            Err(error) => failures.push(error),
        }
    }
    report(session, &released, args.slots.len() > 1)?;
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Ok(0);
    };
    let mut last = first;
    for next in failures {
        session.output.error(&Failure::from(last));
        last = next;
    }
    Err(last)
}

fn nothing_held(session: &Session, key: &str) -> Result<u8> {
    session
        .output
        .note(&format!("no slot is held under the key {key:?}"));
    if session.output.is_json() {
        unless_closed(session.output.json("released", &[(); 0]))?;
    }
    Ok(0)
}

/// The slot that is held under a key, in whichever pool. To release what is back already succeeds, so
/// there need be none.
fn held_under(context: &Context<'_>, key: &str) -> Result<Option<String>> {
    let found = keys::find(context, key)?;
    let ids: Vec<String> = found
        .iter()
        .map(|(pool, number)| pool.slot_id(*number).to_string())
        .collect();
    match ids.as_slice() {
        [] | [_] => Ok(ids.into_iter().next()),
        several => Err(Error::usage(format!(
            "several slots are held under the key {key:?}: {}",
            several.join(", ")
        ))
        .with_hint("name the slot instead")),
    }
}

fn one(
    session: &Session,
    context: &Context<'_>,
    name: Option<&str>,
    args: &ReleaseArgs,
) -> Result<Released> {
    let (pool, number) = session.slot_or_default(context, name)?;
    let request = Request {
        allocation: args
            .allocation
            .clone()
            .or_else(|| session.own_allocation(&pool, number)),
        no_cleanup: args.no_cleanup || !pool.settings.clean_on_release,
        background: args.background || pool.settings.background_cleanup,
        discard: args.discard,
        kill: args.kill,
        force: args.force,
        lasting: false,
    };
    let inherited = args.allocation.is_none() && request.allocation.is_some();
    let returned = release::release(&pool, number, &request).map_err(|error| match error {
        Error::StaleAllocation(text) if inherited => Error::StaleAllocation(format!(
            "{text} (it is in $REPO_POOL_ALLOCATION: `unset REPO_POOL_ALLOCATION` if that is an old one)"
        )),
        other => other,
    })?;
    tell_of_rescue(session, returned.rescue.as_ref());
    shown(&pool, returned)
}

fn shown(pool: &Pool<'_>, returned: Returned) -> Result<Released> {
    let record = pool.read()?;
    Ok(Released {
        slot: view::recorded(pool, &record, &returned.slot),
        was_allocated: returned.was_allocated,
        cleanup: returned.cleanup,
        rescue: returned.rescue,
    })
}

/// Saved work is always said, with the way to it.
pub fn tell_of_rescue(session: &Session, rescue: Option<&RescueView>) {
    let Some(rescue) = rescue else { return };
    let mut what = Vec::new();
    if rescue.unlanded_commits > 0 {
        what.push(human::count(rescue.unlanded_commits, "unpushed commit"));
    }
    if rescue.uncommitted_changes {
        what.push("uncommitted changes".to_owned());
    }
    let kept = match rescue.expires_at {
        Some(until) => format!("kept until {}", until.strftime("%Y-%m-%d")),
        None => "kept until it is dropped".to_owned(),
    };
    session.output.note(&format!(
        "{} saved as {}, {kept}; to bring it back: repo-pool rescue restore {}",
        what.join(" and "),
        rescue.rescue_id,
        rescue.rescue_id
    ));
}

fn report(session: &Session, released: &[Released], several: bool) -> Result<()> {
    if session.output.is_json() {
        let written = match released {
            [one] if !several => session.output.json_object(one),
            [] => Ok(()),
            all => session.output.json("released", &all),
        };
        return unless_closed(written);
    }
    for one in released {
        let id = &one.slot.slot_id;
        let output = &session.output;
        match (one.was_allocated, &one.cleanup) {
            (false, _) => output.detail(&format!("{id} was not allocated; nothing was done")),
            (true, None) if one.slot.state == SlotState::Cleaning => output.note(&format!(
                "{id} is being cleaned in the background; `repo-pool status {id}` shows how it went"
            )),
            (true, None) => output.detail(&format!(
                "{id} is back; it will be cleaned before it is handed out"
            )),
            (true, Some(cleanup)) => output.detail(&format!(
                "{id} is back, cleaned in {}",
                human::seconds(cleanup.duration_seconds)
            )),
        }
    }
    Ok(())
}

//! `rescue`: saved work.

use super::session::{self, Session};
use crate::cli::{
    RescueCommand, RescueDropArgs, RescueListArgs, RescueRestoreArgs, RescueShowArgs,
};
use crate::domain::event::EventKind;
use crate::domain::outcome::{Dropped, RescueView, Restored};
use crate::domain::{Error, Result};
use crate::pool::rescues::{self, Found};
use crate::pool::{Context, parallel, restore};
use crate::report::escape::shell_word;
use crate::report::output::unless_closed;
use crate::report::tables;
use crate::sys::clock;

/// Carries out one of its verbs.
pub fn run(session: &Session, command: &RescueCommand) -> Result<u8> {
    match command {
        RescueCommand::List(args) => list(session, args),
        RescueCommand::Show(args) => show(session, args),
        RescueCommand::Restore(args) => restore(session, args),
        RescueCommand::Drop(args) => drop_some(session, args),
    }
}

fn list(session: &Session, args: &RescueListArgs) -> Result<u8> {
    let target = args.pool.as_deref();
    let views = match (session.context(session.flags())?, target) {
        (Some(context), _) => views(&context, target)?,
        (None, None) => Vec::new(),
        (None, Some(target)) => return Err(session::no_pool(target)),
    };
    let output = &session.output;
    if output.is_json() {
        unless_closed(output.json("rescues", &views))?;
        return Ok(0);
    }
    if views.is_empty() {
        output.note("there is no saved work");
    }
    let text = tables::rescues(&views, clock::now(), &output.layout());
    unless_closed(output.text(&text))?;
    Ok(0)
}

fn views(context: &Context<'_>, target: Option<&str>) -> Result<Vec<RescueView>> {
    let mut views = Vec::new();
    for pool in rescues::pools(context, target)? {
        rescues::expire_on_the_way(&pool)?;
        let kept = rescues::of(&pool)?;
        let jobs = parallel::jobs(pool.settings.jobs);
        views.extend(parallel::each(&kept, jobs, |kept| {
            rescues::measured(&pool, kept)
        }));
    }
    views.sort_by_key(|view| view.created_at);
    Ok(views)
}

/// The one that `id` means.
fn one<'c>(context: Option<&'c Context<'_>>, id: &str) -> Result<Found<'c>> {
    let found = match context {
        Some(context) => rescues::find(context, &[id.to_owned()])?.pop(),
        None => None,
    };
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Error {
    Error::usage(format!("there is no saved work {}", id.escape_debug()))
        .with_hint("`repo-pool rescue list` shows what there is")
}

fn show(session: &Session, args: &RescueShowArgs) -> Result<u8> {
    let context = session.context(session.flags())?;
    let found = one(context.as_ref(), &args.id)?;
    let details = rescues::details(&found.pool, &found.kept)?;
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("result", &details),
        false => output.text(&tables::rescue(&details, clock::now(), &output.layout())),
    })?;
    Ok(0)
}

fn restore(session: &Session, args: &RescueRestoreArgs) -> Result<u8> {
    let context = session.context(session.flags())?;
    let found = one(context.as_ref(), &args.id)?;
    let restored = match &args.branch {
        Some(name) => restore::as_branch(&found, name)?,
        None => {
            let (pool, number) = session
                .slot_or_default(found.pool.context, args.into.as_deref())
                .map_err(nowhere)?;
            let allocation = session.own_allocation(&pool, number);
            restore::into_slot(&pool, number, &found, allocation.as_deref())?
        }
    };
    tell(session, &found, &restored);
    let output = &session.output;
    if output.is_json() {
        unless_closed(output.json("result", &restored))?;
        return Ok(0);
    }
    let branches = restored.branches.iter().map(|branch| branch.name.clone());
    let lines: Vec<String> = restored.slot_path.iter().cloned().chain(branches).collect();
    unless_closed(output.data(lines.join("\n")))?;
    Ok(0)
}

/// Without a place for it there are two ways to go on.
fn nowhere(error: Error) -> Error {
    match error {
        Error::Usage { .. } => Error::usage(
            "it is not said where to bring it, and the current directory is in no slot",
        )
        .with_hint(
            "--into SLOT brings it into a slot of yours, --branch NAME makes a branch of it",
        ),
        other => other,
    }
}

/// What was done, and what was not.
fn tell(session: &Session, found: &Found<'_>, restored: &Restored) {
    let note = |text: &str| session.output.note(text);
    let id = &restored.rescue_id;
    if let (Some(slot), Some(head)) = (&restored.slot_id, &restored.head) {
        note(&format!(
            "{id} is back in {}{}",
            tables::short_id(slot),
            match restored.head_moved {
                true => format!(", HEAD was moved to {head}"),
                false => String::new(),
            }
        ));
    }
    if let Some(first) = restored.branches.first() {
        let names: Vec<String> = restored
            .branches
            .iter()
            .map(|branch| shell_word(&format!("{0}:{0}", branch.name)).into_owned())
            .collect();
        note(&format!(
            "{id} is branch {} of pool {}; to have it in your repository: git fetch {} {}",
            first.name,
            found.pool.name,
            shell_word(&found.pool.paths.repository().to_string_lossy()),
            names.join(" ")
        ));
    }
    if !restored.left_behind.is_empty() {
        note(&format!(
            "commits that had been left behind are in it too, to be cherry-picked: {}",
            restored.left_behind.join(" ")
        ));
    }
    if !restored.submodules.is_empty() {
        note(&format!(
            "these submodules had been at another commit and are not filled: {}",
            restored.submodules.join(", ")
        ));
    }
    note(&format!(
        "it stays saved; `repo-pool rescue drop {id}` gives it up"
    ));
}

/// All of them or, if one is unknown, none.
fn drop_some(session: &Session, args: &RescueDropArgs) -> Result<u8> {
    let Some(context) = session.context(session.flags())? else {
        return Err(unknown(&args.ids[0]));
    };
    let found = rescues::find(&context, &args.ids)?;
    for one in &found {
        rescues::drop_all(
            &one.pool,
            std::slice::from_ref(&one.kept),
            EventKind::RescueDropped,
        )?;
    }
    if session.output.is_json() {
        let dropped = found.iter().map(|one| one.kept.id.clone()).collect();
        unless_closed(session.output.json("result", &Dropped { dropped }))?;
    }
    for one in &found {
        session.output.note(&format!(
            "dropped {}; until the next gc it is commit {}",
            one.kept.id, one.kept.commit
        ));
    }
    Ok(0)
}

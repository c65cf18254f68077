//! `create`: make a pool.

use super::session::Session;
use crate::cli::{CreateArgs, Strategy};
use crate::config::{Flags, keys};
use crate::domain::names::PoolName;
use crate::domain::remote::{PoolArgument, RemoteUrl};
use crate::domain::{Error, Result};
use crate::pool::create::{self, Plan};
use crate::pool::{furnish, slots, view};
use crate::report::output::unless_closed;
use crate::report::{human, tables};
use crate::sys::clock::{self, Stopwatch};
use crate::sys::limits;

/// Makes a pool of a repository with some slots.
pub fn run(session: &Session, args: &CreateArgs) -> Result<u8> {
    let name = PoolName::new(&args.name)?;
    let url = address(&args.url)?;
    if let Some(count) = args.slots {
        slots::check_count(count)?;
    }
    if let Some(base) = &args.base {
        crate::git::refs::check_name(base)?;
    }
    if let Some(filter) = &args.filter {
        keys::check_flag("filter", "--filter", filter)?;
    }
    for pattern in &args.keep {
        keys::check_flag("keep", "--keep", pattern)?;
    }
    let flags = Flags {
        slots: args.slots,
        base: args.base.clone(),
        filter: args.filter.clone(),
        depth: args.depth,
        strategy: args.strategy.map(Strategy::as_str),
        ..session.flags()
    };
    let context = session.context_or_new(flags)?;
    let settings = context.config.settings(Some(name.as_str()), &context.flags);
    if let Some(declared) = context.config.declared_pool(name.as_str())
        && !declared.url.same_remote(url.stored())
    {
        return Err(Error::usage(format!(
            "pools.toml declares {name} with another URL: {}",
            declared.url.stored()
        ))
        .with_hint("choose another name, or change the file"));
    }
    let plan = Plan {
        url,
        slots: settings.num_slots,
        base: args.base.clone(),
        keep: args.keep.clone(),
        grows_to: None,
        strategy: settings.strategy,
        made_from: None,
        settings: Vec::new(),
    };
    limits::raise_open_files();
    let watch = Stopwatch::start();
    let pool = create::create(&context, &name, &plan)?;
    let record = pool.read()?;
    let view = view::pool(&pool, &record, false);
    if session.output.is_json() {
        unless_closed(session.output.json("pool", &view))?;
        return furnish::all_set_up(&pool, &record.slots).map(|()| 0);
    }
    session.output.note(&format!(
        "made pool {name} with {} in {}",
        human::count(view.num_slots, "slot"),
        human::seconds(watch.elapsed().as_secs_f64())
    ));
    unless_closed(session.output.text(&tables::pool(
        &view,
        clock::now(),
        &session.output.layout(),
    )))?;
    furnish::all_set_up(&pool, &record.slots).map(|()| 0)
}

/// A repository by URL, or by a path, which is made absolute.
fn address(text: &str) -> Result<RemoteUrl> {
    if text.starts_with('-') || text.is_empty() || text.chars().any(char::is_control) {
        return RemoteUrl::new(text);
    }
    match PoolArgument::classify(text) {
        PoolArgument::Url(url) => RemoteUrl::new(&url),
        PoolArgument::Path(path) | PoolArgument::Name(path) => {
            let absolute = std::path::absolute(&path).map_err(|e| Error::io("find", &path, e))?;
            let real = absolute.canonicalize().map_err(|_| {
                Error::failed(format!("there is no repository {}", absolute.display()))
                    .with_hint("give a URL, or the path of a repository that exists")
            })?;
            RemoteUrl::new(&real.to_string_lossy())
        }
    }
}

//! `status --watch`: the same again and again.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::Seen;
use crate::cli::StatusArgs;
use crate::commands::session::Session;
use crate::commands::watching::{Display, Picture};
use crate::domain::Result;
use crate::domain::names::PoolName;
use crate::pool::Context;
use crate::report::Layout;
use crate::sys::clock::Stopwatch;

/// Shows the state at every change and after every `interval`, until a signal ends it or nobody reads
/// it any more.
pub(super) fn run(session: &Session, args: &StatusArgs, interval: Duration) -> Result<()> {
    let title = args.target.as_deref().unwrap_or("all pools");
    let mut shown = Display::new(session, title, interval)?;
    let mut watch = shown.watch();
    let mut watched = BTreeSet::new();
    loop {
        let took = Stopwatch::start();
        let context = session.context(session.flags())?;
        let seen = Seen::now(context.as_ref(), args)?;
        let places: BTreeSet<PathBuf> = context
            .iter()
            .flat_map(|context| places(context, &seen))
            .collect();
        places.iter().for_each(|place| watch.add(place));
        // What has changed there before it was watched is seen by another look.
        if watched != places {
            watched = places;
            continue;
        }
        if !shown.show(&seen)? || !shown.pause(&mut watch, &seen, took.elapsed())? {
            return Ok(());
        }
    }
}

/// The directories whose changes show something else.
fn places(context: &Context<'_>, seen: &Seen) -> Vec<PathBuf> {
    let names = seen.pools().into_iter();
    let pools = names.filter_map(|name| PoolName::new(name).ok());
    let roots = pools.map(|name| context.workspace.pool(&name).root);
    let root = context.workspace.root().to_owned();
    roots.chain([root]).collect()
}

impl Picture for Seen {
    fn text(&self, now: Timestamp, layout: &Layout) -> String {
        match self.is_nothing() {
            true => "there is no pool yet\n".to_owned(),
            false => Self::text(self, now, layout),
        }
    }

    fn print_json(&self, session: &Session) -> io::Result<()> {
        Self::print_json(self, session)
    }
}

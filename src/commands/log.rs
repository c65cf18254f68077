//! `log`: the history of a pool or slot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::session::{self, Session};
use crate::cli::LogArgs;
use crate::domain::Result;
use crate::domain::event::Event;
use crate::domain::names::{PoolName, SlotId};
use crate::pool::{Context, find};
use crate::report::output::{read_by_somebody, unless_closed};
use crate::report::tables::{self, Following};
use crate::store::events;
use crate::store::tail::Tail;
use crate::sys::clock;
use crate::sys::watch::{Watch, Woken};

/// How many events are shown of what was before, where more are to come.
const LINES_BEFORE: usize = 10;

/// What no change tells of is seen after this time.
const PAUSE: Duration = Duration::from_millis(500);

/// Prints the history, oldest first.
pub fn run(session: &Session, args: &LogArgs) -> Result<u8> {
    let context = session.context(session.flags())?;
    let scope = Scope::of(context.as_ref(), args.target.as_deref())?;
    if args.follow {
        follow(session, &scope, args.lines.unwrap_or(LINES_BEFORE))?;
        return Ok(0);
    }
    let mut history = match &context {
        Some(context) => read(context, &scope)?,
        None => Vec::new(),
    };
    newest(&mut history, args.lines.unwrap_or(usize::MAX));
    let output = &session.output;
    if output.is_json() {
        print_json(session, &history)?;
        return Ok(0);
    }
    let text = tables::events(&history, clock::now(), &output.layout());
    unless_closed(output.text(&text))?;
    Ok(0)
}

/// Whose history is asked for.
enum Scope {
    All,
    Pool(PoolName),
    Slot(SlotId),
}

impl Scope {
    fn of(context: Option<&Context<'_>>, target: Option<&str>) -> Result<Self> {
        match (context, target) {
            (_, None) => Ok(Self::All),
            (None, Some(target)) => Err(session::no_pool(target)),
            (Some(context), Some(target)) if find::means_slot(context, target) => {
                let (pool, number) = find::slot(context, target)?;
                Ok(Self::Slot(pool.slot_id(number)))
            }
            (Some(context), Some(target)) => {
                Ok(Self::Pool(find::pool_as_is(context, target)?.name))
            }
        }
    }

    fn pools(&self, context: &Context<'_>) -> Result<Vec<PoolName>> {
        match self {
            Self::All => context.workspace.pool_names(),
            Self::Pool(name) => Ok(vec![name.clone()]),
            Self::Slot(id) => Ok(vec![id.pool.clone()]),
        }
    }

    /// Those of the events that are asked for, in order: what each pool has recorded is.
    fn select(&self, events: &mut Vec<Event>) {
        match self {
            Self::All => events.sort_by_key(|event| event.time),
            Self::Pool(_) => {}
            Self::Slot(id) => {
                let id = id.to_string();
                events.retain(|event| event.slot_id.as_ref() == Some(&id));
            }
        }
    }
}

fn read(context: &Context<'_>, scope: &Scope) -> Result<Vec<Event>> {
    let mut all = Vec::new();
    for name in scope.pools(context)? {
        all.extend(events::read(&context.workspace.pool(&name))?);
    }
    scope.select(&mut all);
    Ok(all)
}

fn newest(events: &mut Vec<Event>, most: usize) {
    let surplus = events.len().saturating_sub(most);
    events.drain(..surplus);
}

/// Prints one document a line. False if nobody reads them any more.
fn print_json(session: &Session, events: &[Event]) -> Result<bool> {
    for event in events {
        if !read_by_somebody(session.output.json_line(event))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Prints the last `lines` events, then each as it comes, until a signal ends it or nobody reads them
/// any more. A pool that is made meanwhile is followed too.
fn follow(session: &Session, scope: &Scope, lines: usize) -> Result<()> {
    let output = &session.output;
    let mut watch = Watch::new(false);
    let mut tails: BTreeMap<PoolName, Tail> = BTreeMap::new();
    let mut following = Following::default();
    let mut first = true;
    loop {
        let mut events = match session.context(session.flags())? {
            Some(context) => read_on(&context, scope, &watch, &mut tails)?,
            None => Vec::new(),
        };
        scope.select(&mut events);
        if std::mem::take(&mut first) {
            newest(&mut events, lines);
        }
        let read = match output.is_json() {
            true => print_json(session, &events)?,
            false => read_by_somebody(output.text(&following.lines(&events, &output.layout())))?,
        };
        if !read || watch.wait(PAUSE) == Woken::End {
            return Ok(());
        }
    }
}

fn read_on(
    context: &Context<'_>,
    scope: &Scope,
    watch: &Watch,
    tails: &mut BTreeMap<PoolName, Tail>,
) -> Result<Vec<Event>> {
    watch.add(context.workspace.root());
    let mut events = Vec::new();
    for name in scope.pools(context)? {
        let paths = context.workspace.pool(&name);
        watch.add(&paths.root);
        let tail = tails.entry(name).or_insert_with(|| Tail::new(paths));
        events.extend(tail.read()?);
    }
    Ok(events)
}

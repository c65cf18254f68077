//! Saved work: what there is, and its end.

use super::{Context, Pool, find};
use crate::domain::event::{Event, EventKind};
use crate::domain::outcome::{CommitView, PathView, RescueDetails, RescueView};
use crate::domain::rescue::{Name, resolve};
use crate::domain::{Error, Result};
use crate::git::rescue::{self, Kept};
use crate::git::restore::Trees;
use crate::sys::clock;

/// How many commits are listed of one piece of work.
const MOST_COMMITS: usize = 100;

/// Saved work and the pool that has it.
pub struct Found<'c> {
    /// The pool.
    pub pool: Pool<'c>,
    /// The work.
    pub kept: Kept,
}

/// The pools that `text` means: one, or all.
pub fn pools<'c>(context: &'c Context<'_>, text: Option<&str>) -> Result<Vec<Pool<'c>>> {
    if let Some(text) = text {
        return Ok(vec![find::pool_as_is(context, text)?]);
    }
    let names = context.workspace.pool_names()?;
    Ok(names.iter().map(|name| context.pool(name)).collect())
}

/// All saved work of a pool, oldest first. A pool that is still being made has none.
pub fn of(pool: &Pool<'_>) -> Result<Vec<Kept>> {
    match pool.paths.repository().join("HEAD").exists() {
        true => rescue::all(&pool.git, &pool.paths.repository()),
        false => Ok(Vec::new()),
    }
}

/// The saved work that each of `texts` means; all or none.
pub fn find<'c>(context: &'c Context<'_>, texts: &[String]) -> Result<Vec<Found<'c>>> {
    let mut all = Vec::new();
    for pool in pools(context, None)? {
        let kept = of(&pool)?;
        let found = kept.into_iter().map(|kept| Found {
            pool: context.pool(&pool.name),
            kept,
        });
        all.extend(found);
    }
    let names: Vec<Name> = all
        .iter()
        .map(|found| name(&found.pool, &found.kept))
        .collect();
    let mut places = Vec::new();
    for text in texts {
        let short = text.strip_prefix(rescue::RESCUES).unwrap_or(text);
        let place = resolve(short, &names)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let mut found: Vec<Option<Found<'c>>> = all.into_iter().map(Some).collect();
    Ok(places
        .into_iter()
        .filter_map(|place| found[place].take())
        .collect())
}

fn name(pool: &Pool<'_>, kept: &Kept) -> Name {
    Name {
        pool: pool.name.to_string(),
        id: kept.id.clone(),
    }
}

/// Saved work as it is shown, without its size.
pub fn view(pool: &Pool<'_>, kept: &Kept) -> RescueView {
    let reference = rescue::reference(&kept.id);
    let mut record = kept.record.clone();
    record.expires_at = record.kept_until(pool.settings.rescue_expire);
    if record.schema == 0 {
        record.slot_id = format!("workspace-{}-{}", pool.name, record.slot_id);
    }
    RescueView::new(name(pool, kept), reference, kept.commit.clone(), &record)
}

/// The same with its size, which takes git some time.
pub fn measured(pool: &Pool<'_>, kept: &Kept) -> RescueView {
    let size = rescue::size(&pool.git, &pool.paths.repository(), &kept.commit);
    RescueView {
        size_bytes: Some(size),
        ..view(pool, kept)
    }
}

/// Everything about one.
pub fn details(pool: &Pool<'_>, kept: &Kept) -> Result<RescueDetails> {
    let repository = pool.paths.repository();
    let paths = paths(pool, kept)?;
    let place = repository.display().to_string();
    let shown = match (&kept.record.head, paths.is_empty()) {
        (Some(head), false) => vec!["diff".to_owned(), head.clone(), kept.commit.clone()],
        _ => {
            let tips = kept.record.head.iter().chain(&kept.record.left_behind);
            let mut words = vec!["log".to_owned(), "-p".to_owned()];
            words.extend(tips.cloned());
            words.extend(["--not", "--remotes"].map(str::to_owned));
            words
        }
    };
    let mut diff_command = vec!["git".to_owned(), "-C".to_owned(), place];
    diff_command.extend(shown);
    Ok(RescueDetails {
        rescue: measured(pool, kept),
        commits: commits(pool, kept)?,
        paths,
        diff_command,
    })
}

fn commits(pool: &Pool<'_>, kept: &Kept) -> Result<Vec<CommitView>> {
    let list = |tips: &[&String], left_behind| -> Result<Vec<CommitView>> {
        let found = rescue::commits(&pool.git, &pool.paths.repository(), tips, MOST_COMMITS)?;
        Ok(found
            .into_iter()
            .map(|(commit, subject)| CommitView {
                commit,
                subject,
                left_behind,
            })
            .collect())
    };
    let record = &kept.record;
    let head: Vec<&String> = record.head.iter().collect();
    let mut all = list(&head, false)?;
    if !record.left_behind.is_empty() {
        let not_head = record.head.as_ref().map(|head| format!("^{head}"));
        let tips: Vec<&String> = record.left_behind.iter().chain(&not_head).collect();
        all.extend(list(&tips, true)?);
    }
    Ok(all)
}

/// The paths with changes that no commit held.
fn paths(pool: &Pool<'_>, kept: &Kept) -> Result<Vec<PathView>> {
    let repository = pool.paths.repository();
    let Trees { head, index, files } = trees(pool, kept)?;
    let changes =
        |from: &str, to: &str| rescue::changes(pool.git.repository(&repository), from, to);
    let mut found: std::collections::BTreeMap<Vec<u8>, [char; 2]> = Default::default();
    for change in changes(&head, &index)? {
        found.entry(change.path).or_insert([' ', ' '])[0] = change.kind;
    }
    for change in changes(&index, &files)? {
        match found.get_mut(&change.path) {
            Some(status) => status[1] = change.kind,
            None if change.kind == 'A' => drop(found.insert(change.path, ['?', '?'])),
            None => drop(found.insert(change.path, [' ', change.kind])),
        }
    }
    if let Some(commit) = kept
        .record
        .index
        .as_ref()
        .and_then(|index| index.commit.as_ref())
    {
        for stage in ["stage1", "stage2", "stage3"] {
            for path in rescue::paths_below(&pool.git, &repository, commit, stage)? {
                found.insert(path, ['U', 'U']);
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(path, status)| PathView {
            path: String::from_utf8_lossy(&path).into_owned(),
            status: status.iter().collect(),
        })
        .collect())
}

/// The trees of saved work.
pub fn trees(pool: &Pool<'_>, kept: &Kept) -> Result<Trees> {
    let repository = pool.paths.repository();
    let tree_of = |commit| rescue::tree_of(&pool.git, &repository, commit);
    let files = tree_of(&kept.commit)?;
    let head = match &kept.record.head {
        Some(head) => tree_of(head)?,
        None => rescue::empty_tree(&files),
    };
    let index = match &kept.record.index {
        Some(index) => index.tree.clone(),
        None => head.clone(),
    };
    Ok(Trees { head, index, files })
}

/// Drops saved work for good, and says so in the history with the commit, by which it can be found
/// until the next gc.
pub fn drop_all(pool: &Pool<'_>, gone: &[Kept], kind: EventKind) -> Result<()> {
    let mut locked = pool.lock()?;
    let mut failed = None;
    for kept in gone {
        match rescue::delete(&pool.git, &pool.paths.repository(), &kept.id, &kept.commit) {
            Ok(()) => locked.note(event(pool, kept, kind)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    locked.save_history()?;
    failed.map_or(Ok(()), Err)
}

/// What happened to saved work, for the history.
pub fn event(pool: &Pool<'_>, kept: &Kept, kind: EventKind) -> Event {
    Event {
        commit: Some(kept.commit.clone()),
        reference: Some(rescue::reference(&kept.id)),
        ..Event::new(kind, &pool.name, clock::now())
            .slot(view(pool, kept).slot_id)
            .detail(&kept.record.subject)
    }
}

/// Drops what was kept as long as was promised. Tells how much that was.
pub fn expire(pool: &Pool<'_>) -> Result<usize> {
    let Some(kept_for) = pool.settings.rescue_expire else {
        return Ok(0);
    };
    let now = clock::now();
    let mut gone = of(pool)?;
    gone.retain(|kept| {
        let until = kept.record.kept_until(Some(kept_for));
        until.is_some_and(|until| until < now)
    });
    if !gone.is_empty() {
        drop_all(pool, &gone, EventKind::RescueExpired)?;
    }
    Ok(gone.len())
}

/// The same on the way of another command, which does not fail for it.
pub fn expire_on_the_way(pool: &Pool<'_>) -> Result<usize> {
    match expire(pool) {
        Err(error @ Error::Interrupted(_)) => Err(error),
        Err(error) => {
            pool.context
                .observer
                .warn(&format!("expired work of pool {}: {error}", pool.name));
            Ok(0)
        }
        done => done,
    }
}

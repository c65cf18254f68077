//! Looking at the remote: one at a time per pool, and never more than is needed.
//!
//! Everybody who wants the newest state waits for the fetch lock. Whoever gets it and finds that
//! somebody else's look *began after it asked* needs none of its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use super::{Pool, contents, offline, quiet};
use crate::domain::event::{Event, EventKind};
use crate::domain::pool::{BootInstant, Compared, PoolRecord, RemoteState};
use crate::domain::progress::Step;
use crate::domain::{Error, Result};
use crate::git::parse::RemoteRefs;
use crate::git::remote::{self, TRACKING};
use crate::git::{Oid, lfs, refs};
use crate::sys::lock::FileLock;
use crate::sys::{clock, inside, liveness};

/// Where the commit of a remote is kept whose HEAD is on no branch.
const HEAD_KEPT: &str = "refs/repo-pool/head";

/// How long a fetch that nobody waits for any more may take to end.
const END_GRACE: Duration = Duration::from_secs(2);

/// How new the remote's state must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As it is now, unless a look is no older than this.
    Within(Duration),
    /// As last seen.
    Known,
}

/// The moment from which a look counts as new enough for who asks now.
pub fn moment() -> BootInstant {
    BootInstant {
        boot_id: liveness::machine().boot_id,
        nanoseconds: clock::boot_time().as_nanos() as u64,
    }
}

/// What a look gets at least, however long was waited for it.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// The remote's state, as new as `freshness` demands, given the record as it is. A remote that can't
/// be reached is an error, or a warning where the settings say so.
pub fn refresh(pool: &Pool<'_>, freshness: Freshness, record: PoolRecord) -> Result<PoolRecord> {
    match begin(pool, freshness, record)? {
        Begun::Known(record) => Ok(*record),
        Begun::Turn(turn) => turn.look(pool),
    }
}

/// How a look at the remote begins.
pub enum Begun {
    /// None is needed: this is what is known.
    Known(Box<PoolRecord>),
    /// It is this command's turn to look.
    Turn(Box<Turn>),
}

/// The right to look at the remote, which one command of a pool has at a time.
pub struct Turn {
    record: PoolRecord,
    waited: Duration,
    _lock: FileLock,
}

/// Waits for its turn to look at the remote, unless what is known is new enough, or somebody else
/// looked while this waited.
pub fn begin(pool: &Pool<'_>, freshness: Freshness, record: PoolRecord) -> Result<Begun> {
    let known = |record| Ok(Begun::Known(Box::new(record)));
    let Freshness::Within(age) = freshness else {
        return known(record);
    };
    if fresh(&record.remote, age) {
        return known(record);
    }
    let asked = moment();
    let locks = pool.workspace.locks();
    // Somebody else's fetch may take as long as git may, unless this caller said how long it waits.
    let patience = match pool.context.flags.lock_timeout {
        Some(timeout) => timeout,
        None => locks.timeout().max(pool.settings.git_timeout),
    };
    let what = format!("fetching pool {}", pool.name);
    let waiting = clock::Stopwatch::start();
    let path = pool.paths.fetch_lock();
    let lock = pool.acquire(&locks.with_timeout(patience), &path, &what)?;
    let record = pool.read()?;
    let began = record.remote.began.as_ref();
    if began.is_some_and(|began| began.not_before(&asked)) {
        return known(record);
    }
    Ok(Begun::Turn(Box::new(Turn {
        record,
        waited: waiting.elapsed(),
        _lock: lock,
    })))
}

impl Turn {
    /// The record as of now.
    pub fn record(&self) -> &PoolRecord {
        &self.record
    }

    /// Looks at the remote now, and records what it has.
    pub fn look(self, pool: &Pool<'_>) -> Result<PoolRecord> {
        self.try_to_look(pool)
            .or_else(|error| offline::instead(pool, &self.record, error).map(|()| self.record))
    }

    fn try_to_look(&self, pool: &Pool<'_>) -> Result<PoolRecord> {
        // The wait was for the same remote: it and the look have one allowance between them.
        let left = pool.settings.git_timeout.saturating_sub(self.waited);
        let git = pool.git.silent_for(left.max(LAST_CHANCE));
        let pool = &Pool {
            git,
            ..pool.clone()
        };
        let began = moment();
        let running = only_fetch(pool)?;
        let repository = pool.paths.repository();
        let record = &self.record;
        let watch = clock::Stopwatch::start();
        let look = || look(pool, record, &repository, Some(&running), began.clone());
        let looked = match look() {
            Err(error) if is_locked_out(&error) && quiet::unlock(pool)? => look(),
            other => other,
        };
        let took = watch.elapsed().as_secs_f64();
        if matches!(&looked, Err(error) if !matches!(error, Error::Interrupted(_))) {
            pool.count_failure(|metrics| metrics.fetches.failed += 1);
        }
        let (state, moved) = looked?;
        let mut locked = pool.lock()?;
        locked.measure(|metrics| metrics.fetches.record(took));
        locked.record.remote = state;
        if !moved {
            // That nothing is new may be lost with the machine.
            return locked.save_lightly();
        }
        let state = &locked.record.remote;
        let mut event = Event::new(EventKind::Fetched, &pool.name, clock::now());
        event.commit.clone_from(&state.base_commit);
        event.reference.clone_from(&state.base_branch);
        locked.note(event);
        locked.save()
    }
}

fn fresh(remote: &RemoteState, age: Duration) -> bool {
    !age.is_zero()
        && remote.fetched_at.is_some_and(|at| {
            let passed = clock::now().duration_since(at);
            !passed.is_negative() && passed.unsigned_abs() <= age
        })
}

/// The lock that a fetch keeps for as long as its git lives. Who holds the fetch lock and finds this
/// one taken has met the git of a killed command: it is ended.
fn only_fetch(pool: &Pool<'_>) -> Result<FileLock> {
    let path = pool.paths.fetching_lock();
    if let Some(lock) = FileLock::try_acquire(&path)? {
        return Ok(lock);
    }
    let left = inside::processes_inside(&path, &[std::process::id()]).inside;
    let pids: Vec<u32> = left.iter().map(|process| process.pid).collect();
    pool.context.observer.note(&format!(
        "a fetch of a killed command is ended: {}",
        left.first()
            .map_or("its process can't be seen".into(), |process| {
                format!("pid {} ({})", process.pid, process.command)
            })
    ));
    inside::end(&pids, END_GRACE);
    let what = format!("an old fetch of pool {}", pool.name);
    pool.acquire(pool.workspace.locks(), &path, &what)
}

fn is_locked_out(error: &Error) -> bool {
    let words = [".lock': File exists", "cannot lock ref"];
    matches!(error, Error::Git { failure, .. }
        if words.iter().any(|part| failure.stderr.contains(part)))
}

/// Asks the remote what it has, and fetches if it has something else than `repository`, the pool's
/// or one that is to become it.
pub fn look(
    pool: &Pool<'_>,
    record: &PoolRecord,
    repository: &Path,
    running: Option<&FileLock>,
    began: BootInstant,
) -> Result<(RemoteState, bool)> {
    let url = pool.url(record)?;
    let there = remote::look(&pool.git, &url, &["refs/heads/*"])?;
    let chosen = record.base.as_deref().or(pool.settings.base.as_deref());
    let answer = answer(&there, chosen);
    // What was compared before need not be compared again.
    if same_as_before(repository, &record.remote, &answer)? {
        let state = RemoteState {
            fetched_at: Some(clock::now()),
            began: Some(began),
            ..record.remote.clone()
        };
        return Ok((state, false));
    }
    let seen = remote::tracking_stamp(repository)?;
    let here = refs::list(&pool.git, repository, &[TRACKING])?;
    let moved = differs(&there, &here);
    if moved {
        let mut progress = pool.context.observer.begin(Step::Fetch(pool.name.as_str()));
        remote::fetch_all(&pool.git, repository, &url, running, None, &mut |bytes| {
            progress.git_progress(bytes)
        })?;
        progress.done();
    }
    let (base_branch, base_commit) = base(chosen, &there)?;
    ensure_here(
        pool,
        record,
        repository,
        &base_commit,
        base_branch.as_deref(),
    )?;
    let wanted = contents::wanted(pool);
    remote::bring_contents(&pool.git, repository, &url, &base_commit, &wanted)?;
    // One that is made in the place of a damaged one gets those of the old one.
    if pool.settings.lfs && repository == pool.paths.repository() {
        lfs::bring(&pool.git, repository, &url, &base_commit)?;
    }
    let state = RemoteState {
        base_branch,
        base_commit: Some(base_commit),
        fetched_at: Some(clock::now()),
        began: Some(began),
        // After a fetch the remote may have more than it said: what was compared counts alone.
        compared: (!moved).then_some(Compared { answer, refs: seen }),
    };
    Ok((state, moved))
}

/// What the remote has, and what was chosen of it, in short.
fn answer(there: &RemoteRefs, chosen: Option<&str>) -> String {
    let mut digest = DefaultHasher::new();
    (&there.head_branch, &there.head, chosen).hash(&mut digest);
    for reference in &there.refs {
        (&reference.name, &reference.oid).hash(&mut digest);
    }
    format!("{:016x}", digest.finish())
}

/// Whether the remote answered as it did when its refs were last compared with those in the pool,
/// and nobody has touched these since.
fn same_as_before(repository: &Path, last: &RemoteState, answer: &str) -> Result<bool> {
    Ok(match (&last.compared, &last.base_commit) {
        (Some(compared), Some(_)) if compared.answer == answer => {
            compared.refs == remote::tracking_stamp(repository)?
        }
        _ => false,
    })
}

fn differs(there: &RemoteRefs, here: &[crate::git::parse::Ref]) -> bool {
    let here: std::collections::BTreeMap<&str, &Oid> = here
        .iter()
        .filter_map(|reference| Some((reference.name.strip_prefix(TRACKING)?, &reference.oid)))
        .filter(|(name, _)| *name != "HEAD")
        .collect();
    let there: std::collections::BTreeMap<&str, &Oid> = there
        .refs
        .iter()
        .filter_map(|reference| Some((reference.name.strip_prefix("refs/heads/")?, &reference.oid)))
        // One of that name would be taken for the remote's HEAD here.
        .filter(|(name, _)| *name != "HEAD")
        .collect();
    here != there
}

/// The base: the branch that was chosen, else the one that the remote's HEAD is on, else its
/// detached HEAD.
fn base(chosen: Option<&str>, there: &RemoteRefs) -> Result<(Option<String>, Oid)> {
    let commit_of = |branch: &str| {
        let name = format!("refs/heads/{branch}");
        there
            .refs
            .iter()
            .find(|reference| reference.name == name)
            .map(|reference| reference.oid.clone())
    };
    if there.refs.is_empty() && there.head.is_none() {
        return Err(
            Error::failed("the remote has no commits yet").with_hint("push a first commit to it")
        );
    }
    let branch = chosen.or(there.head_branch.as_deref());
    match (branch, &there.head) {
        (Some(branch), _) => match commit_of(branch) {
            Some(commit) => Ok((Some(branch.to_owned()), commit)),
            None => Err(missing_base(branch, chosen.is_some())),
        },
        (None, Some(head)) => Ok((None, head.clone())),
        (None, None) => Err(
            Error::failed("the HEAD of the remote names none of its branches")
                .with_hint(CHOOSE_BASE),
        ),
    }
}

const CHOOSE_BASE: &str =
    "choose a branch that it has: `create --base BRANCH`, or `base` in pools.toml";

fn missing_base(branch: &str, chosen: bool) -> Error {
    let message = if chosen {
        format!("the remote has no branch {branch:?}, which is the pool's base")
    } else {
        format!("the remote's HEAD names {branch:?}, which it does not have")
    };
    Error::failed(message).with_hint(CHOOSE_BASE)
}

/// The base commit must be in the pool: between asking and fetching the remote may have moved on,
/// and a HEAD that is on no branch is not fetched with the branches.
fn ensure_here(
    pool: &Pool<'_>,
    record: &PoolRecord,
    repository: &Path,
    commit: &Oid,
    branch: Option<&str>,
) -> Result<()> {
    if refs::commit_of(&pool.git, repository, commit)?.is_some() {
        return Ok(());
    }
    let (source, target) = match branch {
        Some(branch) => (
            format!("refs/heads/{branch}"),
            format!("{TRACKING}{branch}"),
        ),
        None => ("HEAD".to_owned(), HEAD_KEPT.to_owned()),
    };
    remote::fetch_exactly(&pool.git, repository, &pool.url(record)?, &source, &target)?;
    match refs::commit_of(&pool.git, repository, commit)? {
        Some(_) => Ok(()),
        None => Err(Error::failed(format!(
            "the remote moved while it was fetched: {commit} is not there any more"
        ))
        .with_hint("try again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::parse::Ref;

    fn remote_with(head_branch: Option<&str>, branches: &[&str]) -> RemoteRefs {
        RemoteRefs {
            head_branch: head_branch.map(str::to_owned),
            head: (!branches.is_empty()).then(|| "1".repeat(40)),
            refs: branches
                .iter()
                .map(|name| Ref {
                    name: format!("refs/heads/{name}"),
                    oid: "1".repeat(40),
                })
                .collect(),
        }
    }

    #[test]
    fn the_base_follows_the_remotes_head_unless_one_is_chosen() {
        let there = remote_with(Some("main"), &["main", "next"]);
        assert_eq!(base(None, &there).unwrap().0.as_deref(), Some("main"));
        assert_eq!(
            base(Some("next"), &there).unwrap().0.as_deref(),
            Some("next")
        );
        assert!(base(Some("gone"), &there).is_err());
        let nowhere = RemoteRefs {
            head: None,
            ..remote_with(None, &["main"])
        };
        let error = base(None, &nowhere).unwrap_err().to_string();
        assert_eq!(error, "the HEAD of the remote names none of its branches");
        assert!(base(None, &remote_with(Some("gone"), &["x"])).is_err());
        assert!(base(None, &remote_with(None, &[])).is_err());
        assert_eq!(base(None, &remote_with(None, &["x"])).unwrap().0, None);
    }
}

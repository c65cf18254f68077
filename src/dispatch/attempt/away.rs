//! The files of an attempt that are not here: what they start from, and what comes back through the
//! remote.

use std::path::{Path, PathBuf};

use super::slot::{self, NoSlot};
use super::{Plan, Workshop};
use crate::dispatch::launcher::{Away, Pushed};
use crate::domain::names::PoolName;
use crate::domain::remote::RemoteUrl;
use crate::domain::{Error, Result};
use crate::git::remote::{self, TRACKING};
use crate::git::{refs, snapshot};
use crate::pool::fetch;
use crate::pool::{Pool, find, target};
use crate::sys::fs::{self, Durability};

/// Files elsewhere, and the pool here that knows their remote.
pub struct Elsewhere<'a> {
    pool: Pool<'a>,
    url: RemoteUrl,
    /// What the runner is told of them.
    pub files: Away,
}

/// Finds out what an attempt starts from, and writes it down. What the remote does not have of that is
/// pushed there.
pub fn prepare<'a>(
    workshop: &Workshop<'a>,
    plan: &Plan,
    repo: &str,
) -> std::result::Result<Elsewhere<'a>, NoSlot> {
    let of = |error| NoSlot::of(repo, error);
    let found = find::pool_or_create(workshop.context, repo).map_err(of)?;
    let start = slot::start(workshop, &found.pool, plan, repo)?;
    let freshness = slot::freshness(&found.pool);
    let record = fetch::refresh(&found.pool, freshness, found.record).map_err(of)?;
    let source = found.source.as_ref();
    let base_commit = target::start(&found.pool, &record, start.as_deref(), source, freshness);
    let base_commit = base_commit.map_err(of)?;
    let url = found.pool.url(&record).map_err(of)?;
    let branch = plan.task.branch_name().into_owned();
    let before = plan.id.attempt.saturating_sub(1);
    let mut elsewhere = Elsewhere {
        files: Away {
            pool: found.pool.name.to_string(),
            remote: url.stored().to_owned(),
            keep: format!("{branch}.a{before}"),
            branch,
            base_commit,
            base_branch: None,
        },
        pool: found.pool,
        url,
    };
    elsewhere.bring_base().map_err(of)?;
    elsewhere.note(&file(workshop, plan)).map_err(of)?;
    Ok(elsewhere)
}

/// As an earlier dispatcher has written it down; none if it did not come so far.
pub fn again<'a>(workshop: &Workshop<'a>, plan: &Plan) -> Result<Option<Elsewhere<'a>>> {
    let Some(bytes) = fs::read_if_there(&file(workshop, plan))? else {
        return Ok(None);
    };
    let files: Away = serde_json::from_slice(&bytes)
        .map_err(|error| Error::failed(format!("where its files are can't be read: {error}")))?;
    let pool = workshop.context.pool(&PoolName::new(&files.pool)?);
    let url = pool.url(&pool.read()?)?;
    Ok(Some(Elsewhere { pool, url, files }))
}

fn file(workshop: &Workshop<'_>, plan: &Plan) -> PathBuf {
    let dir = workshop.run.attempt(&plan.id.task, plan.id.attempt);
    dir.join("away.json")
}

impl Elsewhere<'_> {
    /// Pushes what the task starts from, if no branch of the remote leads there.
    fn bring_base(&mut self) -> Result<()> {
        let (git, repository) = (&self.pool.git, self.pool.paths.repository());
        let commit = &self.files.base_commit;
        if snapshot::is_at_the_remote(git, &repository, commit)? {
            return Ok(());
        }
        let branch = format!("{}.base", self.files.branch);
        let refspec = format!("+{commit}:refs/heads/{branch}");
        remote::push(git, &repository, &self.url, &refspec)?;
        self.files.base_branch = Some(branch);
        Ok(())
    }

    fn note(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec(&self.files)
            .map_err(|error| Error::failed(format!("cannot write down its files: {error}")))?;
        if let Some(dir) = file.parent() {
            fs::create_private_dir_all(dir)?;
        }
        fs::write_atomic(file, &text, Durability::RenameOnly)
    }

    /// What the task has left, brought into the repository here: the commit and its branch.
    pub fn left(&self, pushed: &Pushed) -> Result<Option<(String, String)>> {
        let (git, repository) = (&self.pool.git, self.pool.paths.repository());
        let Away {
            branch,
            base_commit,
            ..
        } = &self.files;
        if *pushed == Pushed::Nothing {
            return Ok(None);
        }
        let name = format!("refs/heads/{branch}");
        let there = remote::look(git, &self.url, &[&name])?;
        if !there.refs.iter().any(|reference| reference.name == name) {
            return Ok(None);
        }
        let tracking = format!("{TRACKING}{branch}");
        remote::fetch_exactly(git, &repository, &self.url, &name, &tracking)?;
        let tip = refs::commit_of(git, &repository, &tracking)?;
        let commit = match pushed {
            Pushed::Commit(commit) => refs::commit_of(git, &repository, commit)?,
            // Who was killed may have pushed before. What was there earlier does not start here.
            _ => match tip {
                Some(tip) if refs::leads_to(git, &repository, base_commit, &tip)? => Some(tip),
                _ => None,
            },
        };
        let commit = commit.filter(|commit| commit != base_commit);
        Ok(commit.map(|commit| (commit, branch.clone())))
    }

    /// Takes away what was pushed for the task to start from. What stays is in nobody's way.
    pub fn tidy(&self) {
        if let Some(branch) = &self.files.base_branch {
            let refspec = format!(":refs/heads/{branch}");
            let _ = remote::push(
                &self.pool.git,
                &self.pool.paths.repository(),
                &self.url,
                &refspec,
            );
        }
    }
}

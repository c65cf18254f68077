//! `collect`: bring a slot's branches into the user's own repository.

use super::session::{self, Session};
use crate::cli::CollectArgs;
use crate::domain::outcome::Collected;
use crate::domain::{Error, Result};
use crate::pool::{Pool, collect};
use crate::report::output::unless_closed;

/// Fetches the branches made in a slot into the user's repository.
pub fn run(session: &Session, args: &CollectArgs) -> Result<u8> {
    let name = args.slot.as_deref();
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_slot(name))?;
    let (pool, number) = session.slot_or_default(&context, name)?;
    let into = target(&pool, args)?;
    let branches = collect::collect(&pool, number, &into)?;
    if session.output.is_json() {
        let result = Collected {
            into: into.display().to_string(),
            branches,
        };
        unless_closed(session.output.json("result", &result))?;
        return Ok(0);
    }
    if branches.is_empty() {
        session.output.note(&format!(
            "{} has no branch with commits that the remote does not have",
            pool.slot_id(number)
        ));
    }
    let lines: Vec<String> = branches.iter().map(|branch| branch.name.clone()).collect();
    unless_closed(session.output.data(lines.join("\n")))?;
    Ok(0)
}

/// `--into`, else the repository of the current directory, else the one that the pool was made
/// from.
fn target(pool: &Pool<'_>, args: &CollectArgs) -> Result<std::path::PathBuf> {
    if let Some(dir) = &args.into {
        return std::path::absolute(dir).map_err(|e| Error::io("find", dir, e));
    }
    let current =
        std::env::current_dir().map_err(|e| Error::io("find", "the current directory", e))?;
    let outside = !current.starts_with(pool.workspace.root());
    if outside && crate::git::repository::local(&pool.git, &current).is_ok() {
        return Ok(current);
    }
    collect::home_of(pool)?.ok_or_else(|| {
        Error::usage("the current directory is in no repository to bring the branches into")
            .with_hint("name one: --into DIR")
    })
}

//! `branches`: the branches of a pool's remote.

use super::session::{self, Session};
use crate::cli::BranchesArgs;
use crate::domain::Result;
use crate::domain::outcome::BranchView;
use crate::git::refs;
use crate::git::remote::TRACKING;
use crate::pool::find;
use crate::report::output::unless_closed;
use crate::report::tables;

/// Lists them, as of the last fetch.
pub fn run(session: &Session, args: &BranchesArgs) -> Result<u8> {
    let context = session
        .context(session.flags())?
        .ok_or_else(|| session::no_pool(&args.pool))?;
    let pool = find::pool_as_is(&context, &args.pool)?;
    let branches: Vec<BranchView> = refs::list(&pool.git, &pool.paths.repository(), &[TRACKING])?
        .into_iter()
        .filter_map(|reference| {
            let name = reference.name.strip_prefix(TRACKING)?.to_owned();
            (name != "HEAD").then_some(BranchView {
                name,
                commit: reference.oid,
            })
        })
        .collect();
    let output = &session.output;
    unless_closed(match output.is_json() {
        true => output.json("branches", &branches),
        false => output.text(&tables::branches(&branches, &output.layout())),
    })?;
    Ok(0)
}

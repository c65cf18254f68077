//! The environment of a slot: what commands that run in it, or for it, are told.

use std::ffi::OsString;
use std::path::Path;

use super::{Pool, ports};
use crate::domain::Result;
use crate::domain::names::PoolName;

/// How much of a pool's name a project's name takes.
const NAME_MAX: usize = 40;

/// How many digits of the workspace's id tell it from the others of the machine.
const ID_LENGTH: usize = 8;

/// The variables of slot `number`, whose files are at `path` and which is held by `allocation`, if it
/// is held. All of them are always there, so that none of another slot's shows through; one that
/// does not apply is empty.
///
/// The slot's index and ports are assigned if it has none yet.
pub fn of(
    pool: &Pool<'_>,
    number: u32,
    path: &Path,
    allocation: Option<&str>,
) -> Result<Vec<(OsString, OsString)>> {
    let numbers = ports::of(pool, number)?;
    let port = match numbers.port_count {
        0 => String::new(),
        _ => numbers.port.to_string(),
    };
    let project = compose_project(&pool.name, number, pool.workspace.id(), numbers.index);
    let variables: [(&str, OsString); 9] = [
        ("REPO_POOL_SLOT", pool.slot_id(number).to_string().into()),
        ("REPO_POOL_SLOT_PATH", path.into()),
        ("REPO_POOL_POOL", pool.name.as_str().into()),
        ("REPO_POOL_ALLOCATION", allocation.unwrap_or("").into()),
        ("REPO_POOL_WORKSPACE", pool.workspace.root().into()),
        ("REPO_POOL_INDEX", numbers.index.to_string().into()),
        ("REPO_POOL_PORT", port.into()),
        (
            "REPO_POOL_PORT_COUNT",
            numbers.port_count.to_string().into(),
        ),
        ("COMPOSE_PROJECT_NAME", project.into()),
    ];
    Ok(variables.map(|(name, value)| (name.into(), value)).into())
}

/// A name as docker compose takes it: small letters, digits, `_` and `-`. The workspace's id and the
/// index in it make it unique, the rest tells people what it is.
fn compose_project(pool: &PoolName, number: u32, workspace: &str, index: u32) -> String {
    let letter = |c: char| match c {
        'a'..='z' | '0'..='9' | '_' | '-' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '-',
    };
    let pool: String = pool.as_str().chars().take(NAME_MAX).map(letter).collect();
    let workspace: String = workspace.chars().take(ID_LENGTH).map(letter).collect();
    format!("{pool}-slot{number}-{workspace}-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_compose_project_is_one_that_compose_takes() {
        let name = |pool: &str| {
            let pool = PoolName::new(pool).unwrap();
            compose_project(&pool, 12, "3f2a9c1b77", 4)
        };
        assert_eq!(name("My.Project_1"), "my-project_1-slot12-3f2a9c1b-4");
        let long = name(&format!("0{}", "Q".repeat(63)));
        assert!(long.len() <= 63, "{long}");
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        assert!(long.chars().all(allowed) && long.starts_with('0'), "{long}");
    }
}

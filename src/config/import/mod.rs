//! Declarations of the original, as a `pools.toml`: from its YAML file, or from a workspace of its.
//!
//! What has no place here is named and left behind; what can't be right is refused, with its line. The
//! text that comes of it is read as any `pools.toml` is before anybody gets it.

mod declarations;
mod directory;
mod dispatcher;
mod yaml;

use std::path::Path;

use super::environment::Environment;
use super::keys;
use super::resolve::{self, Config};
use super::value::{self, printable};
use crate::domain::{Error, Result};

/// What was made of the original's declarations.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The `pools.toml`.
    pub toml: String,
    /// How many pools it declares.
    pub pools: usize,
    /// How many agent pools.
    pub agent_pools: usize,
    /// What was left behind, or is said otherwise here.
    pub left: Vec<Left>,
}

/// Something of the original's that did not come along as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it stands: a file with its line, or a directory.
    pub place: String,
    /// The key or thing.
    pub what: String,
    /// Why, or what to do about it.
    pub why: String,
}

/// Reads the original's YAML file, or the directory with its pools.
///
/// # Errors
/// [`Error::Config`] with every problem; [`Error::Io`] where it can't be read.
pub fn import(source: &Path) -> Result<Imported> {
    let found = match source.is_dir() {
        true => directory::read(source)?,
        false => file(source)?,
    };
    let toml = found.toml(source);
    // Whatever this would write is held against the same rules as what people write.
    Config::parse(&toml, source, Environment::default())?;
    Ok(Imported {
        toml,
        pools: found.pools.len(),
        agent_pools: found.agents.len(),
        left: found.left,
    })
}

fn file(source: &Path) -> Result<Found> {
    let bytes = resolve::read(source, true)?.unwrap_or_default();
    let text = resolve::text(&bytes, source)?;
    let shown = printable(&source.to_string_lossy());
    let refuse = |wrong: Vec<yaml::Wrong>| Error::Config {
        problems: wrong
            .into_iter()
            .map(|(line, wrong)| format!("{shown}:{line}: {}", printable(&wrong)))
            .collect(),
    };
    let document = yaml::read(text).map_err(|wrong| refuse(vec![wrong]))?;
    declarations::read(document, source).map_err(refuse)
}

/// The values of one table, in the order of the original.
type Table = Vec<(&'static str, value::Value)>;

/// What the original declares, in the terms of this program.
#[derive(Debug, Clone, Default)]
struct Found {
    defaults: Table,
    pools: Vec<(String, Table)>,
    dispatch: Table,
    agents: Vec<(String, Table)>,
    left: Vec<Left>,
}

impl Found {
    fn toml(&self, source: &Path) -> String {
        let from = printable(&source.to_string_lossy());
        let mut text = format!("# Imported from {from}\n");
        if !self.defaults.is_empty() {
            text.push_str("\n[defaults]\n");
            write(&mut text, &self.defaults);
        }
        for (name, table) in &self.pools {
            text.push_str(&format!("\n[pools.{}]\n", value::file_key(name)));
            write(&mut text, table);
        }
        if !self.dispatch.is_empty() {
            text.push_str("\n[dispatch]\n");
            write(&mut text, &self.dispatch);
        }
        for (name, table) in &self.agents {
            text.push_str(&format!("\n[agent_pools.{}]\n", value::file_key(name)));
            write(&mut text, table);
        }
        text
    }
}

/// In the order in which people are shown the keys.
fn write(text: &mut String, table: &Table) {
    for key in keys::all() {
        for (_, value) in table.iter().filter(|(name, _)| *name == key.name) {
            text.push_str(&format!("{} = {}\n", key.name, value.to_toml()));
        }
    }
}

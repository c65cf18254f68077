//! `pools.toml` as written: read as a whole, with every problem it has.

mod dispatch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::checks::nearest;
use super::keys::{self, Place};
use super::value::{Value, key as key_text, printable, quoted, type_name};
use crate::domain::remote::{PoolArgument, RemoteUrl};
use crate::domain::{Error, PoolName};

pub(super) use dispatch::{DeclaredAgents, LOCAL};

/// A value that was written, and the line of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) value: Value,
    pub(super) line: usize,
}

/// The tables that a file has.
const TABLES: [&str; 4] = ["defaults", "pools", "dispatch", "agent_pools"];

/// The values of one table, by key.
pub(super) type Table = BTreeMap<&'static str, Written>;

/// A pool that the file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPool {
    /// Its name.
    pub name: PoolName,
    /// Its repository; a relative path has been resolved against the file's directory.
    pub url: RemoteUrl,
    /// The line of the table's name, from 1.
    pub line: usize,
    pub(super) values: Table,
}

impl DeclaredPool {
    /// Whether its own table has the key.
    pub fn has_own(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) defaults: Table,
    /// In the order of the file.
    pub(super) pools: Vec<DeclaredPool>,
    pub(super) dispatch: Table,
    /// In the order of the file.
    pub(super) agents: Vec<DeclaredAgents>,
}

/// Reads the text of `file`.
///
/// # Errors
/// Every problem, as `file:line: key: what is wrong`, by line.
pub(super) fn read(text: &str, file: &Path) -> Result<Contents, Vec<String>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    let mut reader = Reader {
        file,
        text,
        ends: ends.map(|(at, _)| at).collect(),
        broken: BTreeSet::new(),
        problems: Vec::new(),
    };
    for error in errors {
        let line = reader.line(error.span().map_or(text.len(), |span| span.start));
        reader.broken.insert(line);
        let problem = match reader.key_on(line) {
            Some(key) => format!("{key}: not valid TOML: {}", error.message()),
            None => format!("not valid TOML: {}", error.message()),
        };
        reader.problems.push((line, problem));
    }
    let contents = reader.document(document.get_ref());
    reader.finish().map(|()| contents)
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where the lines of the text end.
    ends: Vec<usize>,
    /// Lines that are no TOML: what could be made of them says nothing more about them.
    broken: BTreeSet<usize>,
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn finish(mut self) -> Result<(), Vec<String>> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort();
        self.problems.dedup();
        let file = printable(&self.file.to_string_lossy());
        let lines = self.problems.into_iter();
        Err(lines
            .map(|(line, problem)| format!("{file}:{line}: {}", printable(&problem)))
            .collect())
    }

    /// The line, from 1, of a byte of the text.
    fn line(&self, at: usize) -> usize {
        self.ends.partition_point(|end| *end < at) + 1
    }

    fn line_of<T>(&self, spanned: &Spanned<T>) -> usize {
        self.line(spanned.span().start)
    }

    /// The key that a line seems to set, where the parser could not tell.
    fn key_on(&self, line: usize) -> Option<&str> {
        let (key, _) = self.text.lines().nth(line - 1)?.split_once('=')?;
        keys::find(key.trim()).map(|key| key.name)
    }

    fn problem(&mut self, line: usize, key: &str, wrong: impl Display) {
        if !self.broken.contains(&line) {
            self.problems.push((line, format!("{key}: {wrong}")));
        }
    }

    fn document(&mut self, document: &DeTable<'_>) -> Contents {
        let mut contents = Contents::default();
        for (name, value) in document {
            let line = self.line_of(name);
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("defaults", DeValue::Table(table)) => {
                    contents.defaults = self.table("defaults", Place::Defaults, table);
                }
                ("pools", DeValue::Table(table)) => contents.pools = self.pools(table),
                ("dispatch", DeValue::Table(table)) => {
                    contents.dispatch = self.table("dispatch", Place::Dispatch, table);
                }
                ("agent_pools", DeValue::Table(table)) => contents.agents = self.agents(table),
                (known, other) if TABLES.contains(&known) => {
                    let hint = match (other, known) {
                        (DeValue::Array(_), "pools") => "; each pool is [pools.NAME]",
                        (DeValue::Array(_), "agent_pools") => "; each is [agent_pools.NAME]",
                        _ => "",
                    };
                    let wrong = format!("is {}, not a table{hint}", type_name(other));
                    self.problem(line, known, wrong);
                }
                (unknown, _) => self.problem(line, &key_text(unknown), unknown_table(unknown)),
            }
        }
        contents.pools.sort_by_key(|pool| pool.line);
        self.compare_names(&contents.pools);
        self.compare_counts(&contents);
        self.compare_agents(&mut contents);
        contents
    }

    fn pools(&mut self, pools: &DeTable<'_>) -> Vec<DeclaredPool> {
        let mut declared = Vec::new();
        for (name, value) in pools {
            let path = format!("pools.{}", key_text(name.get_ref()));
            let line = self.line_of(name);
            let checked = PoolName::new(name.get_ref());
            if let Err(error) = &checked {
                self.problem(line, &path, with_allowed(error));
            }
            let DeValue::Table(table) = value.get_ref() else {
                let hint = match keys::find(name.get_ref()) {
                    Some(_) => "; keys stand in [pools.NAME]",
                    None => "",
                };
                let wrong = format!("is {}, not a table{hint}", type_name(value.get_ref()));
                self.problem(line, &path, wrong);
                continue;
            };
            let mut values = self.table(&path, Place::Pool, table);
            let url = self.url(&path, line, &values, table);
            if let (Ok(name), Some(url)) = (checked, url) {
                // As written it may hold a secret, which only the checked address keeps to itself.
                if let Some(written) = values.get_mut("repo_url") {
                    written.value = Value::Text(url.stored().to_string());
                }
                declared.push(DeclaredPool {
                    name,
                    url,
                    line,
                    values,
                });
            }
        }
        declared
    }

    /// The repository of a pool whose table was read into `values`.
    fn url(
        &mut self,
        path: &str,
        line: usize,
        values: &Table,
        table: &DeTable<'_>,
    ) -> Option<RemoteUrl> {
        let Some(Written { value, line }) = values.get("repo_url") else {
            // Where a line is broken the key may be in it, and a wrong value was complained of.
            if self.broken.is_empty() && !table.contains_key("repo_url") {
                self.problem(line, path, "repo_url is missing");
            }
            return None;
        };
        let Value::Text(text) = value else {
            return None;
        };
        match resolve(text, self.file) {
            Ok(url) => Some(url),
            Err(wrong) => {
                self.problem(*line, &format!("{path}.repo_url"), wrong);
                None
            }
        }
    }

    fn table(&mut self, path: &str, place: Place, table: &DeTable<'_>) -> Table {
        let mut values = Table::new();
        for (name, value) in table {
            if let Some((name, written)) = self.entry(path, place, name, value) {
                values.insert(name, written);
            }
        }
        values
    }

    fn entry(
        &mut self,
        path: &str,
        place: Place,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<(&'static str, Written)> {
        let line = self.line_of(name);
        let path = format!("{path}.{}", key_text(name.get_ref()));
        let mut keys = keys::in_table(place);
        let Some(key) = keys.find(|key| key.name == name.get_ref().as_ref()) else {
            self.problem(line, &path, unknown_key(name.get_ref(), place));
            return None;
        };
        match Value::from_toml(&key.kind, value.get_ref()) {
            Ok(value) => Some((key.name, Written { value, line })),
            Err(wrong) => {
                self.problem(line, &path, wrong);
                None
            }
        }
    }

    /// No two pools may differ in case only: they would share a directory on some file systems.
    fn compare_names(&mut self, pools: &[DeclaredPool]) {
        for (index, pool) in pools.iter().enumerate() {
            let earlier = &pools[..index];
            if let Some(twin) = earlier
                .iter()
                .find(|p| p.name.same_but_for_case(&pool.name))
            {
                let path = format!("pools.{}", key_text(pool.name.as_str()));
                let wrong = format!(
                    "differs from {} of line {} in case only",
                    twin.name, twin.line
                );
                self.problem(pool.line, &path, wrong);
            }
        }
    }

    /// A pool may not be allowed fewer slots than it is made with, where one table says both, or
    /// the pool's table sets the limit.
    fn compare_counts(&mut self, contents: &Contents) {
        let defaults = &contents.defaults;
        let mut tables = vec![("defaults".to_string(), defaults)];
        for pool in &contents.pools {
            tables.push((
                format!("pools.{}", key_text(pool.name.as_str())),
                &pool.values,
            ));
        }
        for (path, table) in tables {
            let Some(most) = table.get("max_slots") else {
                continue;
            };
            let first = table.get("num_slots").or(defaults.get("num_slots"));
            let first = first.map(|written| written.value.clone());
            if let (Value::Count(most_slots), Some(Value::Count(slots))) =
                (&most.value, first.or_else(|| keys::built_in("num_slots")))
                && *most_slots < slots
            {
                let wrong = format!("{most_slots} is less than num_slots, which is {slots}");
                self.problem(most.line, &format!("{path}.max_slots"), wrong);
            }
        }
    }
}

/// What is wrong with a top-level key that is none of the tables.
fn unknown_table(name: &str) -> String {
    match keys::all()
        .find(|key| key.name == name)
        .map(|key| key.place)
    {
        // What `[defaults]` alone may hold is at least looked for in the right file.
        Some(Place::Defaults) => format!("belongs in {}", Place::Both.table()),
        Some(place) => format!("belongs in {}", place.table()),
        None => match nearest(name, TABLES.into_iter()) {
            Some(known) => format!("unknown table; did you mean {known}?"),
            None => format!(
                "unknown table (allowed: {}, {}, {}, {})",
                Place::Defaults.table(),
                Place::Pool.table(),
                Place::Dispatch.table(),
                Place::AgentPool.table()
            ),
        },
    }
}

fn unknown_key(name: &str, place: Place) -> String {
    let of_pools = matches!(place, Place::Defaults | Place::Pool);
    if let Some(way) = called_otherwise(name).filter(|_| of_pools) {
        return format!("unknown key; {way}");
    }
    if let Some(key) = keys::all().find(|key| key.name == name) {
        return format!("belongs in {}", key.place.table());
    }
    let here = || keys::in_table(place).map(|key| key.name);
    match nearest(name, here()) {
        Some(known) => format!("unknown key; did you mean {known}?"),
        None => {
            let names: Vec<&str> = here().collect();
            format!("unknown key (allowed: {})", names.join(", "))
        }
    }
}

/// What is written here for keys of the original, and for others that people expect.
fn called_otherwise(name: &str) -> Option<&'static str> {
    Some(match name {
        "url" | "repo" | "repository" => "did you mean repo_url?",
        "slots" | "size" | "default_num_slots" => "did you mean num_slots?",
        "branch" => "did you mean base?",
        "name" | "repo_name" => "the name of a pool stands in [pools.NAME]",
        "stale_lock_hours" => "it became stale_after = \"24h\"",
        "cleanup_options" => "what was in it stands in the pool's table itself",
        "workspaces_dir" => "--workspace or REPO_POOL_WORKSPACE chooses the place",
        _ => return None,
    })
}

/// The address that `text` of `file` means.
pub(super) fn resolve(text: &str, file: &Path) -> Result<RemoteUrl, String> {
    if text.starts_with('~') {
        return Err(format!(
            "{} begins with '~', which is not expanded",
            quoted(text)
        ));
    }
    let relative = matches!(PoolArgument::classify(text), PoolArgument::Path(_))
        && !text.starts_with(['/', '-']);
    let url = if relative {
        let directory = file.parent().unwrap_or(Path::new(""));
        let path = std::path::absolute(directory.join(text))
            .map_err(|error| format!("{} can't be resolved: {error}", quoted(text)))?;
        match path.to_str() {
            Some(path) => RemoteUrl::new(path),
            None => {
                return Err(format!(
                    "{} is not in UTF-8",
                    quoted(&path.to_string_lossy())
                ));
            }
        }
    } else {
        RemoteUrl::new(text)
    };
    url.map_err(|error| with_allowed(&error))
}

/// An error of the domain in one line.
fn with_allowed(error: &Error) -> String {
    match error {
        Error::Usage {
            message,
            hint: Some(hint),
        } => format!("{message} (allowed: {hint})"),
        other => other.to_string(),
    }
}

//! The original's YAML file: which of its keys mean what here.

use std::path::Path;
use std::time::Duration;

use super::yaml::{Entry, Node, Value as Yaml, Wrong};
use super::{Found, Left, Table, dispatcher};
use crate::config::file;
use crate::config::keys::{self, Key};
use crate::config::value::{self, Value, printable, quoted};
use crate::domain::PoolName;

/// How a value is written there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Count,
    Seconds,
    Hours,
    Flag,
    Decimal,
    /// A word that may have `_` for `-`.
    Word,
    Text,
}

/// A key there, how its value is written, and the key here.
pub(super) type Meaning = (&'static str, Unit, &'static str);

const DEFAULTS: &[Meaning] = &[
    ("num_slots", Unit::Count, "num_slots"),
    ("lock_timeout", Unit::Seconds, "lock_timeout"),
    ("cleanup_timeout", Unit::Seconds, "cleanup_timeout"),
    ("stale_lock_hours", Unit::Hours, "stale_after"),
    ("enable_metrics", Unit::Flag, "enable_metrics"),
];

const POOL: &[Meaning] = &[("num_slots", Unit::Count, "num_slots")];

const OPTIONS: &[Meaning] = &[
    ("fetch_on_allocate", Unit::Flag, "fetch_on_allocate"),
    ("clean_on_release", Unit::Flag, "clean_on_release"),
    ("warmup_enabled", Unit::Flag, "warmup_enabled"),
];

/// Takes the document apart.
///
/// # Errors
/// Everything that can't be right, by line.
pub(super) fn read(document: Option<Node>, source: &Path) -> Result<Found, Vec<Wrong>> {
    let mut reader = Reader {
        source,
        found: Found::default(),
        names: Vec::new(),
        mapped: Vec::new(),
        wrong: Vec::new(),
    };
    if let Some(node) = document.filter(|node| !is_nothing(node)) {
        reader.document(node);
    }
    reader.check_skills();
    match reader.wrong.is_empty() {
        true => Ok(reader.found),
        false => {
            reader.wrong.sort();
            Err(reader.wrong)
        }
    }
}

pub(super) struct Reader<'a> {
    source: &'a Path,
    pub(super) found: Found,
    /// The pools' names with their lines.
    names: Vec<(PoolName, usize)>,
    /// The agent pools that skills are mapped to, with their lines.
    pub(super) mapped: Vec<(String, usize)>,
    wrong: Vec<Wrong>,
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, line: usize, key: &str, wrong: impl std::fmt::Display) {
        self.wrong.push((line, format!("{key}: {wrong}")));
    }

    pub(super) fn left(&mut self, line: usize, what: &str, why: impl Into<String>) {
        let file = printable(&self.source.to_string_lossy());
        self.found.left.push(Left {
            place: format!("{file}:{line}"),
            what: printable(what),
            why: why.into(),
        });
    }

    fn document(&mut self, node: Node) {
        let line = node.line;
        let Yaml::Table(entries) = node.value else {
            self.wrong.push((
                line,
                "is no table with \"defaults\" and \"pools\", or the dispatcher's keys".to_owned(),
            ));
            return;
        };
        for entry in entries {
            match (entry.key.as_str(), &entry.node.value) {
                ("defaults" | "pools", _) if is_nothing(&entry.node) => {}
                ("defaults", Yaml::Table(entries)) => {
                    let mut table = Table::new();
                    for entry in entries {
                        if !self.known("defaults", DEFAULTS, entry, &mut table) {
                            self.unknown("defaults", entry);
                        }
                    }
                    self.found.defaults = table;
                }
                ("pools", Yaml::Table(entries)) => {
                    for entry in entries {
                        self.pool(&entry.key, entry.line, &entry.node);
                    }
                }
                ("pools", Yaml::List(items)) => self.listed(items),
                ("defaults" | "pools", _) => {
                    self.wrong(entry.line, &entry.key, "is no table");
                }
                (key, _) if dispatcher::is_one(key) => self.dispatcher(&entry),
                (key, _) => self.left(entry.line, key, why(key)),
            }
        }
    }

    /// Pools as a list, each with its name inside.
    fn listed(&mut self, items: &[Node]) {
        for item in items {
            let name = match &item.value {
                Yaml::Table(entries) => entries.iter().find_map(name_of),
                _ => None,
            };
            match name {
                Some(name) => self.pool(name, item.line, item),
                None => self.wrong(item.line, "pools", "an entry without a name"),
            }
        }
    }

    fn pool(&mut self, written: &str, line: usize, node: &Node) {
        let path = format!("pools.{}", value::key(written));
        let Yaml::Table(entries) = &node.value else {
            self.wrong(line, &path, "is no table");
            return;
        };
        let name = self.name(written, &path, line);
        let mut table = Table::new();
        for entry in entries {
            match entry.key.as_str() {
                "name" | "repo_name" if name_of(entry) == Some(written) => {}
                "repo_url" if is_nothing(&entry.node) => {}
                "repo_url" => {
                    let url = self.url(&format!("{path}.repo_url"), entry);
                    table.extend(url.map(|url| ("repo_url", url)));
                }
                "cleanup_options" => self.options(&path, entry, &mut table),
                _ if self.known(&path, POOL, entry, &mut table) => {}
                _ => self.unknown(&path, entry),
            }
        }
        let has_url = entries
            .iter()
            .any(|entry| entry.key == "repo_url" && !is_nothing(&entry.node));
        if !has_url {
            self.wrong(line, &path, "repo_url is missing");
        }
        self.found.pools.push((name.to_string(), table));
    }

    /// The name here, which may have to be another.
    fn name(&mut self, written: &str, path: &str, line: usize) -> PoolName {
        let name = PoolName::new(written).unwrap_or_else(|_| PoolName::from_repository(written));
        if name.as_str() != written {
            let why = format!("is called {name} here, since a pool can't have that name");
            self.left(line, path, why);
        }
        let twin = self
            .names
            .iter()
            .find(|(other, _)| other.same_but_for_case(&name));
        if let Some((twin, first)) = twin {
            let wrong = format!("would be called {name}, as {twin} of line {first} is");
            self.wrong(line, path, wrong);
        }
        self.names.push((name.clone(), line));
        name
    }

    fn url(&mut self, path: &str, entry: &Entry) -> Option<Value> {
        let Yaml::Scalar { text, .. } = &entry.node.value else {
            self.wrong(entry.line, path, "is no text");
            return None;
        };
        let url = match file::resolve(text, self.source) {
            Ok(url) => url,
            Err(wrong) => {
                self.wrong(entry.line, path, wrong);
                return None;
            }
        };
        if url.secret().is_some() {
            self.left(
                entry.line,
                path,
                "the password in it is left behind; a credential helper of git's can hold it",
            );
        } else if url.stored() != text {
            let why = format!("is taken from the file's directory: {}", url.stored());
            self.left(entry.line, path, why);
        }
        Some(Value::Text(url.stored().to_owned()))
    }

    fn options(&mut self, path: &str, entry: &Entry, table: &mut Table) {
        let path = format!("{path}.cleanup_options");
        match &entry.node.value {
            Yaml::Table(entries) => {
                for entry in entries {
                    if !self.known(&path, OPTIONS, entry, table) {
                        self.unknown(&path, entry);
                    }
                }
            }
            _ if is_nothing(&entry.node) => {}
            _ => self.wrong(entry.line, &path, "is no table"),
        }
    }

    /// Takes an entry over, if it is one of those that have a meaning there.
    pub(super) fn known(
        &mut self,
        path: &str,
        known: &[Meaning],
        entry: &Entry,
        table: &mut Table,
    ) -> bool {
        let Some((_, unit, name)) = known.iter().find(|(key, ..)| *key == entry.key) else {
            return false;
        };
        let path = format!("{path}.{}", entry.key);
        let Some(key) = keys::all().find(|key| key.name == *name) else {
            return false;
        };
        if is_nothing(&entry.node) {
            self.left(entry.line, &path, "is left behind: it has no value");
            return true;
        }
        match converted(*unit, key, &entry.node) {
            Ok(_) if table.iter().any(|(name, _)| *name == key.name) => {
                self.wrong(entry.line, &path, "is said in two places");
            }
            Ok(value) => table.push((key.name, value)),
            Err(wrong) => self.wrong(entry.line, &path, wrong),
        }
        true
    }

    pub(super) fn unknown(&mut self, path: &str, entry: &Entry) {
        let what = format!("{path}.{}", value::key(&entry.key));
        self.left(entry.line, &what, why(&entry.key));
    }
}

/// Why a key is left behind.
fn why(key: &str) -> &'static str {
    let everywhere = [DEFAULTS, POOL, OPTIONS];
    match key {
        "workspaces_dir" => "is left behind: --workspace or REPO_POOL_WORKSPACE chooses the place",
        "config_file" => "is left behind: --config or REPO_POOL_CONFIG names another file",
        key if everywhere
            .iter()
            .any(|table| table.iter().any(|(known, ..)| *known == key)) =>
        {
            "is left behind: the original does not read it there"
        }
        _ => "is left behind: the original does not know it",
    }
}

pub(super) fn name_of(entry: &Entry) -> Option<&str> {
    match (&*entry.key, &entry.node.value) {
        ("name" | "repo_name", Yaml::Scalar { text, .. }) => Some(text),
        _ => None,
    }
}

/// Whether a value is left out, or `null`.
pub(super) fn is_nothing(node: &Node) -> bool {
    matches!(&node.value, Yaml::Scalar { text, plain: true }
        if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
}

fn converted(unit: Unit, key: &Key, node: &Node) -> Result<Value, String> {
    let (text, plain) = match &node.value {
        Yaml::Scalar { text, plain } => (text.as_str(), *plain),
        Yaml::List(_) => return Err("is a list".into()),
        Yaml::Table(_) => return Err("is a table".into()),
    };
    let (read, allowed) = match unit {
        Unit::Count => (whole(key, text), key.kind.allowed()),
        Unit::Seconds => (
            time(key, text, 1.0),
            "a number of seconds, more than 0".into(),
        ),
        Unit::Hours => (
            time(key, text, 3600.0),
            "a number of hours, more than 0".into(),
        ),
        Unit::Flag => (
            flag(text).filter(|_| plain).map(Value::Bool),
            "true or false".into(),
        ),
        Unit::Decimal | Unit::Text => (
            Value::from_variable(&key.kind, text).ok(),
            key.kind.allowed(),
        ),
        Unit::Word => (
            Value::from_variable(&key.kind, &text.replace('_', "-")).ok(),
            key.kind.allowed(),
        ),
    };
    read.ok_or_else(|| format!("{} is not allowed (allowed: {allowed})", quoted(text)))
}

/// A number in decimal; with a leading zero YAML takes it as octal, or not, by version.
fn whole(key: &Key, text: &str) -> Option<Value> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let octal = text.len() > 1 && text.starts_with('0');
    let value = Value::from_variable(&key.kind, text).ok();
    value.filter(|_| digits && !octal)
}

fn time(key: &Key, text: &str, unit: f64) -> Option<Value> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let number: f64 = text.parse().ok().filter(|_| plain)?;
    let duration = Duration::try_from_secs_f64(number * unit).ok()?;
    value::in_range(&key.kind, duration).ok()
}

/// The words that the YAML of the original takes for yes and no.
fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

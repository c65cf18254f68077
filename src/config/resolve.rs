//! From what was written to what counts.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::file::{self, Contents, DeclaredPool};
use super::keys::{KEYS, Key, Place};
use super::origin::Origin;
use super::settings::{Flags, Settings};
use super::value::{Value, file_key, key as key_text, printable};
use crate::domain::{Error, PoolName, Result};

/// The largest file that is read, in bytes: nobody writes more by hand, and a device never ends.
const MAX_FILE: u64 = 1 << 20;

/// The configuration of a workspace: its file and the environment, both checked.
#[derive(Debug, Clone)]
pub struct Config {
    file: PathBuf,
    exists: bool,
    pub(super) contents: Contents,
    from_environment: BTreeMap<&'static str, Value>,
}

/// A setting with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key's name.
    pub key: &'static str,
    /// Its value, as TOML.
    pub value: String,
    /// Who decided it.
    pub origin: Origin,
}

impl Config {
    /// Reads the file at `path`, if there is one.
    ///
    /// `explicit`: the file was named by the user, so that it has to be there. It may then be a
    /// pipe too.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem of the file and of the environment; [`Error::Io`]
    /// where the file can't be read.
    pub fn load(path: &Path, explicit: bool, environment: Environment) -> Result<Self> {
        Self::from_bytes(read(path, explicit)?.as_deref(), path, environment)
    }

    /// Reads what the file at `path` was seen to hold; nothing, if it was not there.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem of the file and of the environment.
    pub fn from_bytes(bytes: Option<&[u8]>, path: &Path, environment: Environment) -> Result<Self> {
        match bytes {
            Some(bytes) => Self::parse(text(bytes, path)?, path, environment),
            None => Self::new(path, false, Ok(Contents::default()), environment),
        }
    }

    /// The error that `key` of the declared `pool` (or its name) can't be what it is.
    pub fn refused(&self, pool: &PoolName, key: Option<&str>, wrong: &str) -> String {
        let declared = self.declared_pool(pool.as_str());
        let written = key.and_then(|key| declared?.values.get(key));
        let table = declared.map_or(0, |pool| pool.line);
        let line = written.map_or(table, |written| written.line);
        let file = printable(&self.file.to_string_lossy());
        let key = key.map(|key| format!(".{key}")).unwrap_or_default();
        let name = key_text(pool.as_str());
        format!("{file}:{line}: pools.{name}{key}: {}", printable(wrong))
    }

    /// The file that it was read from, if there is one.
    pub fn existing_file(&self) -> Option<&Path> {
        self.exists.then_some(self.file.as_path())
    }

    /// Reads `text` as the contents of `file`, whose directory relative repositories start from.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem of the text and of the environment.
    pub fn parse(text: &str, file: &Path, environment: Environment) -> Result<Self> {
        Self::new(file, true, file::read(text, file), environment)
    }

    fn new(
        path: &Path,
        exists: bool,
        contents: std::result::Result<Contents, Vec<String>>,
        environment: Environment,
    ) -> Result<Self> {
        let (from_environment, wrong_variables) = environment.settings();
        let (contents, mut problems) = match contents {
            Ok(contents) => (contents, Vec::new()),
            Err(problems) => (Contents::default(), problems),
        };
        problems.extend(wrong_variables);
        if !problems.is_empty() {
            return Err(Error::Config { problems });
        }
        Ok(Self {
            file: path.to_owned(),
            exists,
            contents,
            from_environment,
        })
    }

    /// Where the file is, or would be.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the file is there.
    pub fn file_exists(&self) -> bool {
        self.exists
    }

    /// The pools that the file declares, in its order, by name.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &DeclaredPool)> {
        let pools = self.contents.pools.iter();
        pools.map(|pool| (pool.name.as_str(), pool))
    }

    /// The declared pool of that name.
    pub fn declared_pool(&self, name: &str) -> Option<&DeclaredPool> {
        let mut pools = self.contents.pools.iter();
        pools.find(|pool| pool.name.as_str() == name)
    }

    /// The settings that count for `pool`, declared or not, or for what concerns no pool.
    pub fn settings(&self, pool: Option<&str>, flags: &Flags) -> Settings {
        let effective = self.effective(pool, flags);
        Settings::from_values(|name| {
            let mut values = effective.iter();
            let found = values.find(|(key, ..)| key.name == name);
            found.map(|(_, value, _)| value.clone())
        })
    }

    /// Every setting that has a value, with its origin, in the order of the key table.
    ///
    /// With a declared `pool` its repository too, without any secret.
    pub fn explain(&self, pool: Option<&str>, flags: &Flags) -> Vec<Effective> {
        let effective = self.effective(pool, flags).into_iter();
        effective
            .map(|(key, value, origin)| Effective {
                key: key.name,
                value: value.to_toml(),
                origin,
            })
            .collect()
    }

    /// The effective settings as a file that, read without flags and environment, gives the same
    /// ones; each line says where its value comes from. Secrets of addresses are left out.
    pub fn to_toml(&self, flags: &Flags) -> String {
        let defaults = self.explain(None, flags);
        let defaults = defaults.iter().filter(|setting| {
            KEYS.iter()
                .any(|key| key.name == setting.key && key.place != Place::Pool)
        });
        let mut text = String::from("[defaults]\n");
        defaults.for_each(|setting| setting.write(&mut text));
        for (name, _) in self.declared() {
            text.push_str(&format!("\n[pools.{}]\n", file_key(name)));
            let settings = self.explain(Some(name), flags);
            let settings = settings.iter().filter(|setting| {
                KEYS.iter()
                    .any(|key| key.name == setting.key && key.place != Place::Defaults)
            });
            settings.for_each(|setting| setting.write(&mut text));
        }
        text.push_str("\n[dispatch]\n");
        let rules = self.explain_dispatch();
        rules.iter().for_each(|setting| setting.write(&mut text));
        for (name, settings) in self.explain_agents() {
            text.push_str(&format!("\n[agent_pools.{}]\n", file_key(&name)));
            settings.iter().for_each(|setting| setting.write(&mut text));
        }
        text
    }

    fn effective(&self, pool: Option<&str>, flags: &Flags) -> Vec<(&'static Key, Value, Origin)> {
        let declared = pool.and_then(|name| self.declared_pool(name));
        let mut effective: Vec<_> = KEYS
            .iter()
            .filter_map(|key| {
                let (value, origin) = self.decide(key, declared, flags)?;
                Some((key, value, origin))
            })
            .collect();
        raise_max_slots(&mut effective);
        effective
    }

    /// The value of one key, from the first in order that has one.
    fn decide(
        &self,
        key: &Key,
        declared: Option<&DeclaredPool>,
        flags: &Flags,
    ) -> Option<(Value, Origin)> {
        let file = || self.file.clone();
        if let Some((value, flag)) = flags.value(key.name) {
            return Some((value, Origin::Flag(flag)));
        }
        if let (Some(value), Some(name)) = (self.from_environment.get(key.name), key.variable()) {
            return Some((value.clone(), Origin::Environment(name)));
        }
        if let Some(pool) = declared
            && let Some(written) = pool.values.get(key.name)
        {
            let origin = Origin::Pool {
                file: file(),
                line: written.line,
                pool: pool.name.to_string(),
            };
            return Some((written.value.clone(), origin));
        }
        if let Some(written) = self.contents.defaults.get(key.name) {
            let line = written.line;
            return Some((
                written.value.clone(),
                Origin::Defaults { file: file(), line },
            ));
        }
        key.built_in().map(|value| (value, Origin::BuiltIn))
    }
}

/// A limit from a more general place never takes slots from a pool: then the count is the limit.
fn raise_max_slots(effective: &mut [(&'static Key, Value, Origin)]) {
    let mut slots = effective.iter().filter(|(key, ..)| key.name == "num_slots");
    let Some((_, Value::Count(slots), origin)) = slots.next().cloned() else {
        return;
    };
    for (key, value, from) in effective {
        if key.name == "max_slots" && matches!(value, Value::Count(most) if *most < slots) {
            *value = Value::Count(slots);
            *from = origin.clone();
        }
    }
}

impl Effective {
    fn write(&self, text: &mut String) {
        let line = format!("{} = {}", self.key, self.value);
        text.push_str(&format!("{line:<40} # {}\n", self.origin));
    }
}

/// The text of the file at `path`.
pub(super) fn text<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        refused(path, &format!("{line}: is not in UTF-8"))
    })
}

/// The file's bytes; `None` where there is none and none was asked for.
///
/// # Errors
/// If it can't be read, is no file, or is larger than any that a person writes.
pub fn read(path: &Path, explicit: bool) -> Result<Option<Vec<u8>>> {
    let failed = |error| Error::io("read", path, error);
    let kind = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && !explicit => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(refused(path, " there is no such file"));
        }
        Err(error) => return Err(failed(error)),
        Ok(metadata) => metadata.file_type(),
    };
    // A pipe that nobody asked for would be waited on for ever.
    if kind.is_dir() || !(kind.is_file() || explicit) {
        return Err(refused(path, " is not a file"));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(refused(path, " is larger than 1 MiB"));
    }
    Ok(Some(bytes))
}

/// The file as a whole can't be used; `problem` follows its name and a colon.
pub(super) fn refused(path: &Path, problem: &str) -> Error {
    let path = printable(&path.to_string_lossy());
    Error::Config {
        problems: vec![format!("{path}:{problem}")],
    }
}

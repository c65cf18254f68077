//! A workspace of the original: a directory for each pool, with `pool.json` and slots with
//! `slot.json` inside. The pools become declarations; the slots stay where they are, and are named.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::{Found, Left, Table};
use crate::config::file;
use crate::config::keys;
use crate::config::resolve;
use crate::config::value::{Value, printable};
use crate::domain::{Error, PoolName, Result, names};

/// Why slots do not come along.
const STAYS: &str =
    "stays where it is, with what is in it: push or fetch from there what is wanted";

/// Reads the directory.
///
/// # Errors
/// [`Error::Config`] with everything that can't be right; [`Error::Io`] where it can't be read.
pub(super) fn read(source: &Path) -> Result<Found> {
    let shown = printable(&source.to_string_lossy());
    let refuse = |wrong: &str| Error::Config {
        problems: vec![format!("{shown}: {wrong}")],
    };
    if source.join(".repo-pool").exists() {
        return Err(refuse(
            "is a workspace of this program, not of the original",
        ));
    }
    if source.join("pool.json").exists() {
        return Err(refuse("is one pool; name the directory that it is in"));
    }
    let mut reader = Reader::default();
    for pool in directories(source)? {
        if pool.join("pool.json").exists() {
            reader.pool(&pool);
        } else if pool.ends_with("locks") {
            reader.left(
                &pool,
                "locks",
                "are not needed: a lock here ends with its holder",
            );
        }
    }
    match (reader.problems.is_empty(), reader.found.pools.is_empty()) {
        (true, true) => Err(refuse(
            "holds no pool of the original: there is no */pool.json",
        )),
        (true, false) => Ok(reader.found),
        (false, _) => Err(Error::Config {
            problems: reader.problems,
        }),
    }
}

/// The directories in a directory, in the order of their names, slots in that of their numbers.
fn directories(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(|error| Error::io("list", path, error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    found.sort_by_key(|path| (slot_number(path), path.clone()));
    Ok(found)
}

fn slot_number(path: &Path) -> Option<u32> {
    names::slot_number(path.file_name()?.to_str()?)
}

#[derive(Default)]
struct Reader {
    found: Found,
    problems: Vec<String>,
}

impl Reader {
    fn wrong(&mut self, place: &Path, wrong: &str) {
        let place = printable(&place.to_string_lossy());
        self.problems.push(format!("{place}: {}", printable(wrong)));
    }

    fn left(&mut self, place: &Path, what: &str, why: &str) {
        self.found.left.push(Left {
            place: printable(&place.to_string_lossy()),
            what: printable(what),
            why: printable(why),
        });
    }

    fn pool(&mut self, pool: &Path) {
        let file = pool.join("pool.json");
        let record = match object(&file) {
            Ok(record) => record,
            Err(wrong) => return self.wrong(&file, &wrong),
        };
        let slots = slots(pool);
        let Some(name) = self.name(pool, &record) else {
            return;
        };
        let url = text(&record, "repo_url").or_else(|| {
            let mut records = slots.iter().filter_map(|slot| slot.record.as_ref().ok());
            records.find_map(|record| text(record, "repo_url"))
        });
        let mut table = Table::new();
        match url {
            Some(url) => table.extend(self.url(&file, &url)),
            None => self.wrong(&file, "repo_url is missing"),
        }
        table.extend(self.count(&file, record.get("num_slots"), slots.len()));
        for slot in slots {
            self.slot(&slot);
        }
        if pool.join(".main_repo").is_dir() {
            self.left(
                &pool.join(".main_repo"),
                &name,
                "its repository stays where it is; a pool has its own",
            );
        }
        self.found.pools.push((name, table));
    }

    fn name(&mut self, pool: &Path, record: &Map<String, Json>) -> Option<String> {
        let directory = pool.file_name().unwrap_or_default().to_string_lossy();
        let written = text(record, "repo_name").unwrap_or_else(|| directory.into_owned());
        let name = PoolName::new(&written).unwrap_or_else(|_| PoolName::from_repository(&written));
        if name.as_str() != written {
            let why = format!("is called {name} here, since a pool can't have that name");
            self.left(pool, &written, &why);
        }
        let mut others = self.found.pools.iter();
        let twin = others.find(|(other, _)| other.eq_ignore_ascii_case(name.as_str()));
        if let Some((twin, _)) = twin {
            let wrong = format!("would be called {name}, and there is {twin} already");
            self.wrong(pool, &wrong);
            return None;
        }
        Some(name.to_string())
    }

    fn url(&mut self, file: &Path, written: &str) -> Option<(&'static str, Value)> {
        match file::resolve(written, file) {
            Ok(url) => {
                if url.secret().is_some() {
                    self.left(
                        file,
                        "repo_url",
                        "the password in it is left behind; a credential helper of git's can hold it",
                    );
                }
                Some(("repo_url", Value::Text(url.stored().to_owned())))
            }
            Err(wrong) => {
                self.wrong(file, &format!("repo_url: {wrong}"));
                None
            }
        }
    }

    /// How many slots there are to be: as recorded, else as many as there are.
    fn count(
        &mut self,
        file: &Path,
        recorded: Option<&Json>,
        there: usize,
    ) -> Option<(&'static str, Value)> {
        let key = keys::find("num_slots")?;
        let written = match recorded {
            Some(Json::Null) | None if there == 0 => return None,
            Some(Json::Null) | None => there.to_string(),
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        match Value::from_variable(&key.kind, &written) {
            Ok(value) => Some((key.name, value)),
            Err(wrong) => {
                self.wrong(file, &format!("num_slots: {wrong}"));
                None
            }
        }
    }

    fn slot(&mut self, slot: &Slot) {
        match &slot.record {
            Ok(record) => {
                let id = text(record, "slot_id").unwrap_or_else(|| slot.name.clone());
                let state = text(record, "state").map(|state| format!(", {state}"));
                let path = text(record, "slot_path").map(PathBuf::from);
                let what = format!("{id}{}", state.unwrap_or_default());
                self.left(path.as_deref().unwrap_or(&slot.directory), &what, STAYS);
                let notes = record.get("metadata").and_then(Json::as_object);
                if let Some(notes) = notes.filter(|notes| !notes.is_empty()) {
                    let notes = Json::Object(notes.clone()).to_string();
                    let why = format!("its metadata is left behind: {notes}");
                    self.left(&slot.directory, &id, &why);
                }
            }
            Err(wrong) => {
                let what = format!("{}, {wrong}", slot.name);
                self.left(&slot.directory, &what, STAYS);
            }
        }
    }
}

/// A slot as it lies there.
struct Slot {
    name: String,
    directory: PathBuf,
    record: std::result::Result<Map<String, Json>, String>,
}

/// The slots of a pool: those with a record, and those that have only a directory. The record of a
/// worktree does not lie in it, but beside.
fn slots(pool: &Path) -> Vec<Slot> {
    let beside = pool.join("worktrees");
    let places = [directories(pool), directories(&beside)];
    let mut found: Vec<Slot> = Vec::new();
    for directory in places.into_iter().flatten().flatten() {
        let Some(number) = slot_number(&directory) else {
            continue;
        };
        let name = names::dir_name(number);
        match found.iter_mut().find(|slot| slot.name == name) {
            Some(slot) => slot.directory = directory,
            None => found.push(Slot {
                record: object(&pool.join(&name).join("slot.json")),
                name,
                directory,
            }),
        }
    }
    found
}

/// The JSON object in a file.
fn object(file: &Path) -> std::result::Result<Map<String, Json>, String> {
    let bytes = match resolve::read(file, false) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err("without a record".into()),
        Err(error) => return Err(error.to_string()),
    };
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(record)) => Ok(record),
        Ok(_) => Err("its record is no JSON object".into()),
        Err(error) => Err(format!("its record is no JSON: {error}")),
    }
}

fn text(record: &Map<String, Json>, key: &str) -> Option<String> {
    let text = record.get(key)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

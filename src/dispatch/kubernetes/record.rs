//! What is written down of an attempt in its directory, so that a later dispatcher can take it up.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kubectl::Cluster;
use crate::domain::dispatch::End;
use crate::domain::dispatch::kubernetes::script::LastWords;
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// The Job, written before it is first asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// Where it is.
    pub cluster: Cluster,
    /// What tells it from any other.
    pub id: String,
    /// The run, as its label has it.
    pub run: String,
    /// Its command runs in our script.
    pub scripted: bool,
    /// All of it, with the values of its variables; null when it has ended.
    #[serde(default)]
    pub manifest: Value,
}

/// The end, written before the Job is deleted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it has pushed: `Some(None)`, nothing; `None`, it did not say.
    pub pushed: Option<Option<String>>,
}

impl Outcome {
    /// With what the script said.
    pub fn new(end: End, words: Option<LastWords>) -> Self {
        let pushed = match words {
            Some(LastWords::Commit(commit)) => Some(Some(commit)),
            Some(LastWords::Nothing) => Some(None),
            _ => None,
        };
        Self { end, pushed }
    }
}

fn job(dir: &Path) -> PathBuf {
    dir.join("job.json")
}

fn created(dir: &Path) -> PathBuf {
    dir.join("job.created")
}

fn outcome(dir: &Path) -> PathBuf {
    dir.join("outcome.json")
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec(value)
        .map_err(|error| Error::failed(format!("cannot write {}: {error}", path.display())))?;
    fs::write_atomic(path, &text, Durability::RenameOnly)
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    let bytes = fs::read_if_there(path)?;
    let value = bytes.map(|bytes| serde_json::from_slice(&bytes));
    value
        .transpose()
        .map_err(|error| Error::failed(format!("{} can't be read: {error}", path.display())))
}

/// Writes down the Job.
pub fn write_made(dir: &Path, made: &Made) -> Result<()> {
    write(&job(dir), made)
}

/// The Job; none if it was never asked for.
pub fn made(dir: &Path) -> Result<Option<Made>> {
    read(&job(dir))
}

/// Forgets what it was made from, and with it the values of its variables, if it has ended: nobody asks
/// for it again.
pub fn forget_manifest(dir: &Path) -> Result<()> {
    match (ended(dir), made(dir)?) {
        (Some(_), Some(made)) if !made.manifest.is_null() => {
            let manifest = Value::Null;
            write_made(dir, &Made { manifest, ..made })
        }
        _ => Ok(()),
    }
}

/// Writes down that the cluster has it.
pub fn write_created(dir: &Path) -> Result<()> {
    fs::write_atomic(&created(dir), b"", Durability::RenameOnly)
}

/// Whether the cluster has had it.
pub fn is_created(dir: &Path) -> bool {
    !matches!(fs::metadata_if_there(&created(dir)), Ok(None))
}

/// Writes down how it ended.
pub fn write_outcome(dir: &Path, ended: &Outcome) -> Result<()> {
    write(&outcome(dir), ended)
}

/// How it ended, if that is known.
pub fn ended(dir: &Path) -> Option<Outcome> {
    read(&outcome(dir)).ok().flatten()
}

//! `tasks.json`: the tasks of a run as they were read last.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RunDir;
use crate::dispatch::files::Source;
use crate::domain::dispatch::Task;
use crate::domain::pool::SCHEMA;
use crate::domain::{Error, Result};
use crate::store::document;
use crate::sys::fs::{self, Durability};

/// The tasks, those that their files name no more included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    schema: u32,
    /// Their files; [`Task::file`] is a place in this list.
    pub files: Vec<Source>,
    /// The tasks.
    pub tasks: Arc<[Task]>,
}

impl Document {
    /// A document of these.
    pub fn new(files: Vec<Source>, tasks: Arc<[Task]>) -> Self {
        Self {
            schema: SCHEMA,
            files,
            tasks,
        }
    }

    /// The document of a run; none if it has not begun.
    pub fn read(run: &RunDir) -> Result<Option<Self>> {
        let path = run.tasks();
        let Some(bytes) = fs::read_if_there(&path)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(read) if read.schema <= SCHEMA => Ok(Some(read)),
            Err(error) if !document::is_of_newer(&bytes) => Err(unreadable(&path, &error)),
            _ => Err(document::newer(&path)),
        }
    }

    /// Writes it as that of a run.
    pub fn write(&self, run: &RunDir) -> Result<()> {
        document::write_as(&run.tasks(), self, Durability::Whole)
    }
}

fn unreadable(path: &Path, error: &serde_json::Error) -> Error {
    Error::failed(format!("{} can't be read: {error}", path.display()))
        .with_hint("nothing was changed; `repo-pool dispatch run FILE --fresh` begins the run anew")
}

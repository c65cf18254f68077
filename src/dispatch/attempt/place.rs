//! Where an attempt runs, as its own directory says: a later dispatcher may have other agent pools, or
//! the same with other settings, and finds a runner only through what has started it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::dispatch::agents::{AgentPool, Engine};
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// Says it. Of local processes nothing is said: they are found without it.
pub fn write(dir: &Path, agent_pool: &AgentPool) -> Result<()> {
    if agent_pool.engine == Engine::LocalProcess {
        return Ok(());
    }
    let text = serde_json::to_vec(&agent_pool.engine)
        .map_err(|error| Error::failed(format!("cannot write an agent pool: {error}")))?;
    fs::write_atomic(&file(dir), &text, Durability::RenameOnly)
}

/// The engine that has begun the attempt, if one has.
pub fn read(dir: &Path) -> Result<Engine> {
    let path = file(dir);
    let Some(bytes) = fs::read_if_there(&path)? else {
        return Ok(Engine::LocalProcess);
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::failed(format!("{} can't be read: {error}", path.display())))
}

/// Which attempt it is, as its task's file says.
#[derive(Debug, Deserialize)]
pub struct Named {
    /// The task.
    pub task_id: String,
    /// Where it runs.
    pub agent_pool: String,
}

/// The same; none if it has no such file, or one that can't be read.
pub fn named(dir: &Path) -> Option<Named> {
    let bytes = fs::read_if_there(&dir.join("task.json")).ok()??;
    serde_json::from_slice(&bytes).ok()
}

fn file(dir: &Path) -> PathBuf {
    dir.join("engine.json")
}

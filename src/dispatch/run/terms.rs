//! `rules.json`: what the last dispatcher of a run worked by, for who looks at the run, and for who
//! goes on with it. It is no state: the next one writes it anew.

use serde::{Deserialize, Serialize};

use super::RunDir;
use crate::dispatch::files::{Defaults, Given};
use crate::domain::dispatch::agents::{AgentPool, Rules};
use crate::domain::{Error, Result};
use crate::sys::fs::{self, Durability};

/// Rules and agent pools, with what the command line said instead of the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// What holds for the whole run.
    pub rules: Rules,
    /// Where runners run.
    pub agent_pools: Vec<AgentPool>,
    /// What stands in for what task files do not say.
    #[serde(default)]
    pub defaults: Option<Defaults>,
    /// What the command line said of that: the next dispatcher goes by it too.
    #[serde(default)]
    pub given: Given,
}

impl Terms {
    /// Those of a run; none if no dispatcher has said any, or if another version's did.
    pub fn read(run: &RunDir) -> Result<Option<Self>> {
        let bytes = fs::read_if_there(&run.terms())?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Writes them as those of a run.
    pub fn write(&self, run: &RunDir) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::failed(format!("cannot write down the rules: {error}")))?;
        fs::write_atomic(&run.terms(), &text, Durability::RenameOnly)
    }
}

//! Where keys stand.

/// The tables of the file in which a key may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `[defaults]` and the pools' tables.
    Both,
    /// `[defaults]` only: it is about the workspace.
    Defaults,
    /// The pools' tables only.
    Pool,
    /// `[dispatch]`.
    Dispatch,
    /// The tables of agent pools.
    AgentPool,
}

impl Place {
    /// The table's name, for people.
    pub fn table(self) -> &'static str {
        match self {
            Self::Both => "[defaults] or [pools.NAME]",
            Self::Defaults => "[defaults]",
            Self::Pool => "[pools.NAME]",
            Self::Dispatch => "[dispatch]",
            Self::AgentPool => "[agent_pools.NAME]",
        }
    }
}

//! The only place that knows git.
//!
//! Everything goes through [`Git`], which scrubs the environment, forbids prompts and bounds time
//! ([`command`]); the other modules are typed operations on a pool's repository and its slots, and
//! parsers of what git prints. Nothing here knows pools, locks (beyond passing one on to a child)
//! or state files.

pub mod advance;
mod bring_back;
pub mod broken_index;
pub mod capture;
pub mod clean;
pub mod command;
mod config_keys;
pub mod cuts;
mod distrust;
mod environment;
pub mod exclude;
mod failure;
pub mod gitmodules;
pub mod hidden;
pub mod kept;
pub mod leftovers;
pub mod lfs;
mod litter;
mod locked;
mod lookup;
pub mod merge;
pub mod module;
pub mod objects;
mod output;
mod own_config;
pub mod parse;
pub mod partial;
pub mod promised;
pub mod ref_files;
pub mod refs;
pub mod registration;
pub mod remote;
pub mod repository;
pub mod rescue;
pub mod restore;
pub mod salvage;
mod scratch;
pub mod shared;
pub mod snapshot;
pub mod sparse;
pub mod standalone;
pub mod status;
pub mod submodules;
pub mod unseen;
pub mod view;
pub mod worktree;

pub use command::{Git, Invocation, Trace};
pub use environment::ELSEWHERE;
pub use sparse::Sparse;
pub use worktree::Worktree;

/// An object id that git itself has printed.
pub type Oid = String;

/// Whether `text` has the form of a full object id (SHA-1 or SHA-256).
pub fn is_oid(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The same, as it stands in the middle of other output.
pub(crate) fn oid_or_none(text: &str) -> Option<Oid> {
    is_oid(text).then(|| text.to_owned())
}

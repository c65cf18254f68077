//! `pools.toml` as written, and the settings that follow from it.
//!
//! Every setting is resolved in the order flag, environment, the pool's table, `[defaults]`,
//! built in; each effective value knows where it comes from. One table ([`keys::KEYS`]) holds the
//! name, type, default, range and explanation of every key; reading, checking, the environment
//! variables, the template of `init` and what `config show` prints derive from it.
//!
//! [`import`] makes such a file of what the original declares.
//!
//! A file is either used as a whole or refused with every problem it has. This module must not
//! know what the settings are used for, and it changes nothing: the only effects are reading the
//! file (or what is imported) and, once, the environment ([`Environment::from_process`]).

mod checks;
mod dispatch;
mod environment;
mod file;
mod import;
pub mod keys;
mod kind;
mod origin;
pub mod parse;
mod resolve;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod value;

pub use checks::{branch as check_branch, nearest};
pub use environment::{Environment, Variable};
pub use file::DeclaredPool;
pub use import::{Imported, Left, import};
pub use origin::Origin;
pub use resolve::{Config, Effective, read};
pub use settings::{Flags, OnFetchFailure, Rescue, Settings, Submodules};
pub use template::template;
pub use value::{Value, printable, quoted};

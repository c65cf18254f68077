//! Where an effective value comes from.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place that decided a setting, the most general first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything: the default of the key table.
    BuiltIn,
    /// The `[defaults]` table of the file.
    Defaults {
        /// The configuration file.
        file: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// The pool's own table of the file.
    Pool {
        /// The configuration file.
        file: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The pool's name.
        pool: String,
    },
    /// Another table of the file.
    Table {
        /// The configuration file.
        file: PathBuf,
        /// The line of the key, from 1.
        line: usize,
        /// The table's name.
        table: String,
    },
    /// An environment variable, by name.
    Environment(String),
    /// A command-line flag, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Defaults { file, line } => write!(f, "{}:{line} [defaults]", name(file)),
            Self::Pool { file, line, pool } => {
                write!(
                    f,
                    "{}:{line} [pools.{}]",
                    name(file),
                    super::value::key(pool)
                )
            }
            Self::Table { file, line, table } => write!(f, "{}:{line} [{table}]", name(file)),
            Self::Environment(variable) => write!(f, "${variable}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The file's last component: which file it is, is said once and not with every value.
fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    super::value::printable(&name.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_said_in_a_few_words() {
        let file = PathBuf::from("/work space/pools.toml");
        let pool = Origin::Pool {
            file: file.clone(),
            line: 20,
            pool: "my-project".into(),
        };
        assert_eq!(Origin::BuiltIn.to_string(), "built in");
        assert_eq!(
            Origin::Defaults { file, line: 12 }.to_string(),
            "pools.toml:12 [defaults]"
        );
        assert_eq!(pool.to_string(), "pools.toml:20 [pools.my-project]");
        assert_eq!(Origin::Flag("--lock-timeout").to_string(), "--lock-timeout");
    }
}

//! The environment: read once, here and nowhere else.
//!
//! What repo-pool itself listens to is a fixed list ([`Environment::variables`]). The rest is
//! kept only to be handed to child processes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::keys::KEYS;
use super::value::{Value, printable};

/// The environment at the time the process started.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

// The values may be secrets of any kind: none gets into a message by way of `{:?}`.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

/// A variable that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it does, in one line.
    pub doc: String,
}

/// The variables that are no settings.
const FIXED: &[(&str, &str)] = &[
    (
        "REPO_POOL_WORKSPACE",
        "The workspace, where --workspace does not say.",
    ),
    (
        "REPO_POOL_CONFIG",
        "The configuration file, where --config does not say.",
    ),
    (
        "REPO_POOL_SLOT",
        "The slot that `release`, `renew`, `collect` and `rescue restore` mean when none is given.",
    ),
    (
        "REPO_POOL_ALLOCATION",
        "The allocation by which $REPO_POOL_SLOT is held: who has it may release and renew that.",
    ),
    (
        "XDG_DATA_HOME",
        "Where the default workspace is, as repo-pool in it.",
    ),
    (
        "HOME",
        "Where the default workspace is, as .local/share/repo-pool in it.",
    ),
    ("SHELL", "What `exec` runs when no command is given."),
    (
        "PATH",
        "Where git and the commands of `exec` are looked up.",
    ),
    (
        "TERM",
        "Unset or dumb: `status --watch` prints, where it would draw.",
    ),
    ("NO_COLOR", "Set and not empty: no colour."),
    (
        "CLICOLOR_FORCE",
        "Set, not empty and not 0: colour also where there is no terminal.",
    ),
];

impl Environment {
    /// The environment of this process.
    pub fn from_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
        }
    }

    /// An environment of these variables alone.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        Self {
            variables: pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// Every variable, for handing the environment to child processes.
    pub fn all(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// `$REPO_POOL_WORKSPACE`.
    pub fn workspace(&self) -> Option<PathBuf> {
        self.set("REPO_POOL_WORKSPACE").map(PathBuf::from)
    }

    /// `$REPO_POOL_CONFIG`.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.set("REPO_POOL_CONFIG").map(PathBuf::from)
    }

    /// `$REPO_POOL_SLOT`.
    pub fn slot(&self) -> Option<String> {
        self.text("REPO_POOL_SLOT")
    }

    /// `$REPO_POOL_ALLOCATION`.
    pub fn allocation(&self) -> Option<String> {
        self.text("REPO_POOL_ALLOCATION")
    }

    /// `$HOME`.
    pub fn home(&self) -> Option<PathBuf> {
        self.set("HOME").map(PathBuf::from)
    }

    /// `$XDG_DATA_HOME`; a relative path counts as unset, as its specification says.
    pub fn data_home(&self) -> Option<PathBuf> {
        self.set("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// `$SHELL`.
    pub fn shell(&self) -> Option<OsString> {
        self.set("SHELL").map(OsString::from)
    }

    /// `$PATH`.
    pub fn path(&self) -> Option<OsString> {
        self.set("PATH").map(OsString::from)
    }

    /// Whether `$NO_COLOR` asks for no colour.
    pub fn no_color(&self) -> bool {
        self.set("NO_COLOR").is_some()
    }

    /// Whether `$CLICOLOR_FORCE` asks for colour in any case.
    pub fn clicolor_force(&self) -> bool {
        self.set("CLICOLOR_FORCE").is_some_and(|value| value != "0")
    }

    /// Whether `$TERM` says that the terminal can do nothing but print, or says nothing.
    pub fn is_terminal_dumb(&self) -> bool {
        self.set("TERM").is_none_or(|name| name == "dumb")
    }

    /// All variables that are listened to, for the manual.
    pub fn variables() -> Vec<Variable> {
        let fixed = FIXED.iter().map(|(name, doc)| Variable {
            name: (*name).into(),
            doc: (*doc).into(),
        });
        let settings = KEYS.iter().filter_map(|key| {
            Some(Variable {
                name: key.variable()?,
                doc: format!("The setting {}. {}", key.name, key.doc),
            })
        });
        fixed.chain(settings).collect()
    }

    /// The settings that variables make, and what is wrong with the others.
    pub(super) fn settings(&self) -> (BTreeMap<&'static str, Value>, Vec<String>) {
        let mut values = BTreeMap::new();
        let mut problems = Vec::new();
        for key in KEYS {
            let Some(name) = key.variable() else { continue };
            let Some(text) = self.set(&name) else {
                continue;
            };
            let text = text.to_string_lossy();
            match Value::from_variable(&key.kind, &text) {
                Ok(value) => {
                    values.insert(key.name, value);
                }
                Err(wrong) => problems.push(printable(&format!("${name}: {wrong}"))),
            }
        }
        (values, problems)
    }

    /// A variable that is set and not empty: empty ones count as unset everywhere.
    fn set(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value.as_os_str())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.set(name)
            .map(|value| value.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variables_count_as_unset() {
        let environment = Environment::from_pairs([
            ("REPO_POOL_SLOT", ""),
            ("NO_COLOR", ""),
            ("CLICOLOR_FORCE", "0"),
            ("XDG_DATA_HOME", "relative"),
            ("REPO_POOL_JOBS", ""),
        ]);
        assert_eq!(environment.slot(), None);
        assert_eq!(environment.data_home(), None);
        assert!(!environment.no_color() && !environment.clicolor_force());
        assert_eq!(environment.settings(), Default::default());
        assert_eq!(environment.all().count(), 5);
    }

    #[test]
    fn settings_are_read_and_wrong_ones_name_their_variable() {
        let (values, problems) = Environment::from_pairs([
            ("REPO_POOL_JOBS", "4"),
            ("REPO_POOL_ENABLE_METRICS", "0"),
            ("REPO_POOL_RESCUE_EXPIRE", "never"),
            ("REPO_POOL_GIT_TIMEOUT", "soon"),
            ("REPO_POOL_NUM_SLOTS", "0"),
        ])
        .settings();
        assert_eq!(values["jobs"], Value::Count(4));
        assert_eq!(values["enable_metrics"], Value::Bool(false));
        assert_eq!(values["rescue_expire"], Value::Never);
        assert_eq!(
            problems,
            [
                "$REPO_POOL_NUM_SLOTS: \"0\" is out of range (allowed: a whole number from 1 to 10000)",
                "$REPO_POOL_GIT_TIMEOUT: \"soon\" is no duration (allowed: a duration like \"30s\" or \
                 \"1h 30m\", or seconds, more than 0)",
            ]
        );
    }

    #[test]
    fn the_list_for_the_manual_has_every_variable_once() {
        let mut names: Vec<String> = Environment::variables()
            .into_iter()
            .map(|v| v.name)
            .collect();
        assert!(names.contains(&"REPO_POOL_LOCK_TIMEOUT".to_string()));
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

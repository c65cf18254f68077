//! A failure as a document.

use serde::Serialize;
use serde::ser::Serializer;

use super::Failure;
use crate::domain::GitFailure;

/// Every published kind.
#[cfg(test)]
pub(super) const KINDS: [&str; 13] = [
    "pool_not_found",
    "slot_not_found",
    "no_available_slot",
    "slot_allocation",
    "git_operation",
    "cleanup",
    "lock_timeout",
    "run_held",
    "config_validation",
    "usage",
    "refused",
    "stale_allocation",
    "internal",
];

/// The published shape: `{"kind", "message", "hints", "git"?}`.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = FailureDocument {
            kind: self.kind,
            message: &self.message,
            hints: &self.hints,
            git: self.git.as_ref().map(GitDocument::from),
        };
        document.serialize(serializer)
    }
}

/// Why a command failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::report) struct FailureDocument<'a> {
    /// What kind of failure it is.
    #[cfg_attr(test, schemars(extend("enum" = KINDS)))]
    kind: &'a str,
    /// What happened, for people; further lines belong to it.
    message: &'a str,
    /// The next things to try.
    hints: &'a [String],
    /// The git command that failed, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<GitDocument<'a>>,
}

/// A git command, in its own words.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct GitDocument<'a> {
    /// Its command line.
    command: &'a str,
    /// What it ended with; absent if a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// What it printed.
    stdout: &'a str,
    /// What it said.
    stderr: &'a str,
    /// How long it ran.
    duration_seconds: f64,
}

impl<'a> From<&'a GitFailure> for GitDocument<'a> {
    fn from(git: &'a GitFailure) -> Self {
        Self {
            command: &git.command,
            exit_code: git.exit_code,
            stdout: &git.stdout,
            stderr: &git.stderr,
            duration_seconds: git.duration.as_secs_f64(),
        }
    }
}

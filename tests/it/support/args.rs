//! Command lines as tests write them: one string split at blanks, or a list.

use std::ffi::OsString;

/// What can be given as the arguments of a command.
pub trait Args {
    /// The arguments, one by one.
    fn args(self) -> Vec<OsString>;
}

impl Args for &str {
    fn args(self) -> Vec<OsString> {
        self.split_whitespace().map(OsString::from).collect()
    }
}

impl Args for String {
    fn args(self) -> Vec<OsString> {
        self.as_str().args()
    }
}

impl<const N: usize> Args for [&str; N] {
    fn args(self) -> Vec<OsString> {
        self.iter().map(OsString::from).collect()
    }
}

impl Args for Vec<String> {
    fn args(self) -> Vec<OsString> {
        self.into_iter().map(OsString::from).collect()
    }
}

impl Args for Vec<OsString> {
    fn args(self) -> Vec<OsString> {
        self
    }
}

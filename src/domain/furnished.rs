//! What a slot was furnished with beyond git: the files that were copied into it, and what its set-up
//! was run for. It describes the directory as it lies there; without it, everything is done anew.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything known of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Furnished {
    /// The format's number.
    pub schema: u32,
    /// What tells the slot's directory from another one in its place.
    pub directory: String,
    /// The files that were copied.
    #[serde(default)]
    pub copies: Vec<Copied>,
    /// The set-up that succeeded last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetUp>,
}

/// A file or link that was copied into a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its place, in the slot as in the folder it came from.
    pub path: Name,
    /// How the original looked.
    pub source: String,
    /// How the copy looked.
    pub copy: String,
}

/// A set-up that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// The command and its inputs, in short.
    pub digest: String,
    /// The ignored paths that it made; where one is gone, it is to be run again.
    #[serde(default)]
    pub made: Vec<Name>,
}

/// A path, written as text where it is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Name(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Name> for Written {
    fn from(Name(path): Name) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl From<Written> for Name {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::Text(text) => text.into(),
            Written::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl AsRef<Path> for Name {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn any_path_comes_back() {
        for bytes in [&b".env"[..], b"a/caf\xe9"] {
            let name = Name::from(Path::new(OsStr::from_bytes(bytes)));
            let text = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&text).unwrap(), name);
        }
    }
}

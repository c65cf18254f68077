//! The names of pools and slots: their forms, and what is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// The longest pool name, in bytes (one leading character and up to 63 more).
pub const POOL_NAME_MAX: usize = 64;

/// A pool's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, with the exceptions that would collide with
/// file names or refs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

impl PoolName {
    /// Checks `text` against the form; the error says which rule it breaks.
    pub fn new(text: &str) -> Result<Self> {
        match refusal(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(Error::usage(format!(
                "{text:?} can't be a pool's name: {reason}"
            ))
            .with_hint("letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 64")),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both would be one directory on a file system that ignores case.
    pub fn same_but_for_case(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The nearest valid name for a repository called `text`: what is not allowed becomes `-`.
    pub fn from_repository(text: &str) -> Self {
        let mut name: String = text
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(POOL_NAME_MAX - 8)
            .collect();
        while name.contains("..") {
            name = name.replace("..", ".");
        }
        if name.is_empty() {
            name = "repository".to_owned();
        }
        if reserved_ending(&name).is_some() {
            name.push_str("-pool");
        }
        Self(name)
    }

    /// This name with `-2`, `-3`, … appended, for repositories that share a name.
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        Self(format!("{}-{n}", self.0))
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn reserved_ending(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    [".lock", ".toml", ".json", ".git"]
        .into_iter()
        .find(|ending| lower.ends_with(ending))
}

/// Why `text` is no pool name, if it is none.
fn refusal(text: &str) -> Option<String> {
    let first = match text.chars().next() {
        None => return Some("it is empty".into()),
        Some(c) => c,
    };
    if text.len() > POOL_NAME_MAX {
        return Some(format!("it is longer than {POOL_NAME_MAX} characters"));
    }
    if !first.is_ascii_alphanumeric() {
        return Some("it does not begin with a letter or a digit".into());
    }
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        return Some(format!("it holds {bad:?}"));
    }
    if text.contains("..") {
        return Some("it holds '..'".into());
    }
    reserved_ending(text).map(|ending| format!("it ends in '{ending}'"))
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PoolName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<PoolName> for String {
    fn from(name: PoolName) -> Self {
        name.0
    }
}

/// A slot of a pool: its id is `workspace-<pool>-slot<N>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// The pool it belongs to.
    pub pool: PoolName,
    /// Its number, from 1.
    pub number: u32,
}

impl SlotId {
    /// The slot `number` of `pool`.
    pub fn new(pool: &PoolName, number: u32) -> Self {
        Self {
            pool: pool.clone(),
            number,
        }
    }

    /// The directory's and the registration's name: `slot<N>`.
    pub fn dir_name(&self) -> String {
        dir_name(self.number)
    }
}

/// `slot<N>`.
pub fn dir_name(number: u32) -> String {
    format!("slot{number}")
}

/// The number in `slot<N>`; leading zeros are no slot's name.
pub fn slot_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("slot")?;
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workspace-{}-slot{}", self.pool, self.number)
    }
}

impl FromStr for SlotId {
    type Err = Error;

    /// Reads `workspace-<pool>-slot<N>` or `<pool>/slot<N>`.
    fn from_str(text: &str) -> Result<Self> {
        let none = || Error::SlotNotFound(text.escape_debug().to_string());
        let (pool, slot) = match text.strip_prefix("workspace-") {
            Some(rest) if !rest.contains('/') => rest.rsplit_once('-').ok_or_else(none)?,
            _ => text.split_once('/').ok_or_else(none)?,
        };
        Ok(Self {
            pool: PoolName::new(pool).map_err(|_| none())?,
            number: slot_number(slot).ok_or_else(none)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_form_are_refused_with_the_rule() {
        for (text, part) in [
            ("", "empty"),
            ("-x", "begin"),
            (".x", "begin"),
            ("a/b", "'/'"),
            ("a..b", "'..'"),
            ("a.lock", ".lock"),
            ("a.Git", ".git"),
            ("a\nb", "\\n"),
            ("ä", "begin"),
        ] {
            let said = refusal(text).unwrap_or_default();
            assert!(said.contains(part), "{text:?}: {said:?}");
        }
        assert!(refusal(&"a".repeat(65)).is_some());
        assert!(refusal(&"a".repeat(64)).is_none());
    }

    #[test]
    fn ids_are_read_in_both_forms() {
        let id: SlotId = "workspace-my-app-slot12".parse().unwrap();
        assert_eq!((id.pool.as_str(), id.number), ("my-app", 12));
        assert_eq!(id, "my-app/slot12".parse().unwrap());
        assert_eq!(id.to_string(), "workspace-my-app-slot12");
        for bad in [
            "x/slot0",
            "x/slot01",
            "x/slot",
            "x/y/slot1",
            "slot1",
            "workspace-slot1",
            "x/slot99999999999",
        ] {
            assert!(bad.parse::<SlotId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn any_repository_name_gives_a_valid_pool_name() {
        for text in [
            "",
            "..",
            "my repo",
            "a..b",
            "x.git",
            "-r",
            "日本",
            &"y".repeat(300),
        ] {
            let name = PoolName::from_repository(text);
            assert!(refusal(name.as_str()).is_none(), "{text:?} -> {name}");
            assert!(refusal(name.numbered(9).as_str()).is_none());
        }
    }
}

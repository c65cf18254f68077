//! The published documents' outer shape.

use std::io;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::escape;

/// The number of the JSON contract.
const SCHEMA: u32 = 1;

/// The document as one line, harmless for a terminal.
pub(super) fn text(value: &impl Serialize) -> io::Result<String> {
    Ok(escape::escape_json(serde_json::to_string(value)?))
}

/// `{"schema":1,"<key>":<value>}` as one line, for who writes it elsewhere than to stdout.
///
/// # Errors
/// If the value can't be shown as JSON.
pub fn document(key: &str, value: &impl Serialize) -> io::Result<String> {
    text(&Keyed { key, value })
}

/// `{"schema":1,"<key>":<value>}`.
pub(super) struct Keyed<'a, T> {
    pub(super) key: &'a str,
    pub(super) value: &'a T,
}

impl<T: Serialize> Serialize for Keyed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("schema", &SCHEMA)?;
        map.serialize_entry(self.key, self.value)?;
        map.end()
    }
}

/// `{"schema":1, …}`.
#[derive(Serialize)]
pub(super) struct Flat<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T> Flat<'a, T> {
    /// The document with the fields of `body`.
    pub(super) fn new(body: &'a T) -> Self {
        Self {
            schema: SCHEMA,
            body,
        }
    }
}

//! A value of a task file where it stands, TOML or JSON: taken apart level by level, so that a large
//! file is never held as a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::DeValue;

/// A value that has not been taken apart.
#[derive(Debug, Clone, Copy)]
pub(in crate::dispatch) enum Node<'a> {
    /// A piece of the file's text.
    Json(&'a RawValue),
    /// A value of the document.
    Toml(&'a DeValue<'a>),
}

/// An entry of a table.
#[derive(Debug)]
pub(in crate::dispatch) struct Field<'a> {
    pub(in crate::dispatch) name: Cow<'a, str>,
    /// The byte of the file's text that it is at.
    pub(in crate::dispatch) at: usize,
    pub(in crate::dispatch) node: Node<'a>,
}

impl<'a> Node<'a> {
    /// The entries of a table; nothing if it is none.
    pub(in crate::dispatch) fn table(self, text: &str) -> Option<Vec<Field<'a>>> {
        match self {
            Self::Json(raw) => {
                let object: Object<'a> = serde_json::from_str(raw.get()).ok()?;
                Some(object.fields(text))
            }
            Self::Toml(DeValue::Table(table)) => {
                let entries = table.iter();
                let fields = entries.map(|(name, value)| toml_field(name.get_ref(), name, value));
                Some(fields.collect())
            }
            Self::Toml(_) => None,
        }
    }

    /// The items of a list, each with its place; nothing if it is none.
    pub(in crate::dispatch) fn list(self, text: &str) -> Option<Vec<(usize, Self)>> {
        match self {
            Self::Json(raw) => {
                let items: Vec<&'a RawValue> = serde_json::from_str(raw.get()).ok()?;
                let items = items.into_iter();
                Some(
                    items
                        .map(|raw| (offset(raw, text), Self::Json(raw)))
                        .collect(),
                )
            }
            Self::Toml(DeValue::Array(items)) => {
                let items = items.iter();
                Some(
                    items
                        .map(|item| (item.span().start, Self::Toml(item.get_ref())))
                        .collect(),
                )
            }
            Self::Toml(_) => None,
        }
    }

    /// Whether it says that there is nothing.
    pub(in crate::dispatch) fn is_null(self) -> bool {
        matches!(self, Self::Json(raw) if raw.get() == "null")
    }

    /// All of it; the error is what is wrong with it.
    pub(in crate::dispatch) fn value(self) -> Result<Value, String> {
        match self {
            Self::Json(raw) => {
                serde_json::from_str(raw.get()).map_err(|error| format!("can't be read: {error}"))
            }
            Self::Toml(value) => Ok(from_toml(value)),
        }
    }
}

/// The entries of a JSON object that is the whole text; the error has its line.
pub(in crate::dispatch) fn json_document(text: &str) -> Result<Vec<Field<'_>>, (usize, String)> {
    let read: Result<Object<'_>, _> = serde_json::from_str(text);
    match read {
        Ok(object) => Ok(object.fields(text)),
        Err(error) => {
            let said = error.to_string();
            // The place is said in front of it.
            let said = said.split(" at line ").next().unwrap_or_default();
            Err((error.line(), format!("not valid JSON: {said}")))
        }
    }
}

/// An entry of a TOML table; where `name` stands is where it is.
pub(in crate::dispatch) fn toml_field<'a, T>(
    name: &'a str,
    place: &Spanned<T>,
    value: &'a Spanned<DeValue<'a>>,
) -> Field<'a> {
    Field {
        name: Cow::Borrowed(name),
        at: place.span().start,
        node: Node::Toml(value.get_ref()),
    }
}

/// Where in the text a piece of it is.
fn offset(raw: &RawValue, text: &str) -> usize {
    (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

fn from_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::from(n),
            Err(_) => Value::String(n.to_string()),
        },
        DeValue::Float(n) => {
            let number = n.as_str().parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| Value::String(n.to_string()), Value::Number)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| from_toml(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let entries = table.iter();
            let entries = entries
                .map(|(name, value)| (name.get_ref().to_string(), from_toml(value.get_ref())));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// A JSON object, its values not taken apart, with every entry however often its name stands.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    fn fields(self, text: &str) -> Vec<Field<'a>> {
        let entries = self.0.into_iter();
        entries
            .map(|(name, raw)| Field {
                name,
                at: offset(raw, text),
                node: Node::Json(raw),
            })
            .collect()
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let raw: &'de RawValue = map.next_value()?;
            entries.push((name, raw));
        }
        Ok(Object(entries))
    }
}

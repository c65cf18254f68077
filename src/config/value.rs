//! One value: read from the file or the environment in the type its key has, written as TOML.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::{DeArray, DeTable, DeValue};

use super::kind::{Kind, thousandths};
use super::parse;

/// A setting's value, of the type its key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Count(u32),
    /// A length of time.
    Duration(Duration),
    /// No end in time.
    Never,
    /// Bytes.
    Size(u64),
    /// Bytes of memory.
    Memory(u64),
    /// Thousandths.
    Decimal(u32),
    /// Yes or no.
    Bool(bool),
    /// A text or one of a few words.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// Values by name.
    Table(BTreeMap<String, Value>),
}

impl Value {
    /// Reads a value of the file; the error is what is wrong with it, and what is allowed.
    pub(super) fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, String> {
        let read = match (kind, value) {
            (Kind::Count { .. }, DeValue::Integer(n)) => {
                count(kind, i128::from_str_radix(n.as_str(), n.radix()).ok())
            }
            (Kind::Duration { .. } | Kind::Size | Kind::Memory, DeValue::Integer(n)) => {
                match i128::from_str_radix(n.as_str(), n.radix()) {
                    Ok(n) => Self::from_text(kind, &n.to_string()),
                    Err(_) => Err("is too large".into()),
                }
            }
            (Kind::Duration { .. }, DeValue::Float(n)) => {
                let seconds = n.as_str().parse().unwrap_or(f64::NAN);
                match Duration::try_from_secs_f64(seconds) {
                    Ok(duration) => in_range(kind, duration),
                    Err(_) => Err("is out of range".into()),
                }
            }
            (Kind::Decimal { .. }, DeValue::Integer(_) | DeValue::Float(_)) => {
                Self::from_text(kind, &shown(value))
            }
            (Kind::Table { each, .. }, DeValue::Table(entries)) => return table(each, entries),
            (Kind::Bool, DeValue::Boolean(flag)) => Ok(Self::Bool(*flag)),
            (Kind::Choice { .. }, DeValue::Boolean(flag)) => {
                Self::from_text(kind, &flag.to_string()).map_err(|_| "is true or false".into())
            }
            (Kind::List { check, .. }, DeValue::Array(items)) => list(items, *check),
            (
                Kind::Duration { .. }
                | Kind::Size
                | Kind::Memory
                | Kind::Choice { .. }
                | Kind::Text { .. },
                DeValue::String(text),
            ) => Self::from_text(kind, text),
            (_, other) => Err(format!("is {}", type_name(other))),
        };
        read.map_err(|wrong| format!("{} {wrong} (allowed: {})", shown(value), kind.allowed()))
    }

    /// Reads a value of an environment variable; the error is what is wrong, and what is allowed.
    pub(in crate::config) fn from_variable(kind: &Kind, text: &str) -> Result<Self, String> {
        Self::from_text(kind, text)
            .map_err(|wrong| format!("{} {wrong} (allowed: {})", quoted(text), kind.allowed()))
    }

    /// Reads text, of a list one of its items; the error is what is wrong, to follow the value.
    fn from_text(kind: &Kind, text: &str) -> Result<Self, String> {
        match kind {
            Kind::Count { .. } => count(kind, text.trim().parse().ok()),
            Kind::Duration { never: true, .. } if text == "never" => Ok(Self::Never),
            Kind::Duration { .. } => in_range(kind, parse::duration(text)?),
            Kind::Size => parse::size(text).map(Self::Size),
            Kind::Memory => parse::memory(text).map(Self::Memory),
            Kind::Decimal { min, max } => decimal(text, *min, *max),
            Kind::Bool => match text.trim() {
                "true" | "1" => Ok(Self::Bool(true)),
                "false" | "0" => Ok(Self::Bool(false)),
                _ => Err("is neither true nor false".into()),
            },
            Kind::Choice { allowed } if allowed.contains(&text) => Ok(match text {
                "true" => Self::Bool(true),
                "false" => Self::Bool(false),
                word => Self::Text(word.into()),
            }),
            Kind::Choice { .. } => Err("is not known".into()),
            Kind::Text { check, .. } => check(text).map(|()| Self::Text(text.into())),
            Kind::List { check, .. } => check(text).map(|()| Self::List(vec![text.into()])),
            Kind::Table { .. } => Err("is no table".into()),
        }
    }

    /// The value as `pools.toml` would have it.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Duration(duration) => string(&parse::format_duration(*duration)),
            Self::Never => string("never"),
            Self::Size(bytes) => string(&parse::format_size(*bytes)),
            Self::Memory(bytes) => {
                let text = parse::format_size(*bytes);
                // By itself a number says MB.
                string(&match text.bytes().all(|byte| byte.is_ascii_digit()) {
                    true => format!("{text}B"),
                    false => text,
                })
            }
            Self::Decimal(number) => thousandths(*number),
            Self::Table(entries) => {
                let entries = entries.iter();
                let entries: Vec<String> = entries
                    .map(|(name, value)| format!("{} = {}", file_key(name), value.to_toml()))
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
            Self::Bool(flag) => flag.to_string(),
            Self::Text(text) => string(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| string(item)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

fn count(kind: &Kind, number: Option<i128>) -> Result<Value, String> {
    let Kind::Count { min, max } = kind else {
        return Err("is no number".into());
    };
    match number.map(u32::try_from) {
        Some(Ok(count)) if (*min..=*max).contains(&count) => Ok(Value::Count(count)),
        Some(_) => Err("is out of range".into()),
        None => Err("is no whole number".into()),
    }
}

fn decimal(text: &str, min: u32, max: u32) -> Result<Value, String> {
    let number: f64 = text.trim().parse().map_err(|_| "is no number")?;
    let scaled = (number * 1000.0).round();
    if !(f64::from(min)..=f64::from(max)).contains(&scaled) {
        return Err("is out of range".into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a whole number in range"
    )]
    Ok(Value::Decimal(scaled as u32))
}

fn table(each: &Kind, entries: &DeTable<'_>) -> Result<Value, String> {
    let entries = entries.iter().map(|(name, value)| {
        let read = Value::from_toml(each, value.get_ref());
        match read {
            Ok(value) => Ok((name.get_ref().to_string(), value)),
            Err(wrong) => Err(format!("{}: {wrong}", key(name.get_ref()))),
        }
    });
    entries.collect::<Result<_, _>>().map(Value::Table)
}

/// A duration within the range of its key; the error is what is wrong, to follow it.
pub(super) fn in_range(kind: &Kind, duration: Duration) -> Result<Value, String> {
    let zero_allowed = matches!(kind, Kind::Duration { zero: true, .. });
    if duration > parse::MAX_DURATION {
        Err("is more than a hundred years".into())
    } else if duration.is_zero() && !zero_allowed {
        Err("is too short".into())
    } else {
        Ok(Value::Duration(duration))
    }
}

fn list(items: &DeArray<'_>, check: fn(&str) -> Result<(), String>) -> Result<Value, String> {
    let mut texts = Vec::new();
    let mut wrong = Vec::new();
    for item in items.iter() {
        match item.get_ref() {
            DeValue::String(text) => match check(text) {
                Ok(()) => texts.push(text.to_string()),
                Err(why) => wrong.push(format!("{}, which {why}", quoted(text))),
            },
            other => wrong.push(type_name(other).to_string()),
        }
    }
    if wrong.is_empty() {
        Ok(Value::List(texts))
    } else {
        Err(format!("holds {}", wrong.join(", and ")))
    }
}

/// What kind of value the file has, with its article.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A value of the file in a message: scalars as written, the others by what they are.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(n) => n.to_string(),
        DeValue::Float(n) => n.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "the list".into(),
        DeValue::Table(_) => "it".into(),
    }
}

/// A TOML string.
pub(super) fn string(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// A TOML key: bare where it can be, quoted else.
pub(super) fn key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !text.is_empty() && text.chars().all(bare) {
        text.into()
    } else {
        quoted(text)
    }
}

/// A TOML key for a file, whole however long it is.
pub(super) fn file_key(text: &str) -> String {
    let bare = key(text);
    if bare == text { bare } else { string(text) }
}

/// `text` in quotes, fit for a message: shortened and without control characters.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// `text` without control characters.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_debug());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        let list = Value::List(vec!["a/".into(), "b\"c".into()]);
        assert_eq!(Value::Count(3).to_toml(), "3");
        assert_eq!(
            Value::Duration(Duration::from_secs(30)).to_toml(),
            "\"30s\""
        );
        assert_eq!(Value::Never.to_toml(), "\"never\"");
        assert_eq!(Value::Size(10 << 30).to_toml(), "\"10G\"");
        let text = format!("x = {}", list.to_toml());
        let back: toml::Table = text.parse().unwrap();
        assert_eq!(back["x"][1].as_str(), Some("b\"c"));
    }

    #[test]
    fn messages_hold_no_control_characters() {
        assert_eq!(quoted("a\u{1b}[31m"), "\"a\\u{1b}[31m\"");
        assert_eq!(key("a b"), "\"a b\"");
        assert_eq!(key("a-b_c"), "a-b_c");
        assert!(quoted(&"x".repeat(100)).chars().count() < 70);
        assert_eq!(printable("a\nb"), "a\\nb");
    }
}

//! What the values of fields may be: each function takes a value as it was written, and says what is
//! wrong with it, to follow the field's name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::config::{check_branch, parse, quoted};
use crate::domain::dispatch::{Base, When};

type Read<T> = Result<T, String>;

/// The longest id, in bytes: it is also handed to runners, in their environment.
const LONGEST_ID: usize = 32 * 1024;

/// The most processors a task may ask for.
const MOST_CPUS: f64 = 100_000.0;

/// What a value is, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn not<T>(value: &Value, wanted: &str) -> Read<T> {
    Err(format!("is {}, not {wanted}", kind(value)))
}

/// Any text.
pub(super) fn text(value: Value) -> Read<String> {
    match value {
        Value::String(text) => Ok(text),
        other => not(&other, "a text"),
    }
}

/// A text that says something.
pub(super) fn word(value: Value) -> Read<String> {
    let text = text(value)?;
    match () {
        () if text.trim().is_empty() => Err("is empty".into()),
        () if text.chars().any(char::is_control) => Err(unprintable(&text)),
        () => Ok(text),
    }
}

fn unprintable(text: &str) -> String {
    format!(
        "{} holds characters that can't be printed (new lines are among them)",
        quoted(text)
    )
}

/// A task's id; a whole number is one too.
pub(super) fn id(value: Value) -> Read<String> {
    let id = match value {
        Value::String(text) => text,
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => return not(&other, "a text"),
    };
    if id.is_empty() {
        Err("is empty".into())
    } else if id.len() > LONGEST_ID {
        Err(format!("{} is longer than {LONGEST_ID} bytes", quoted(&id)))
    } else if id.chars().any(char::is_control) {
        Err(unprintable(&id))
    } else {
        Ok(id)
    }
}

fn list<T>(value: Value, wanted: &str, item: impl Fn(Value) -> Read<T>) -> Read<Vec<T>> {
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|value| item(value).map_err(|wrong| format!("has an entry that {wrong}")))
            .collect(),
        other => not(&other, wanted),
    }
}

/// Ids of tasks.
pub(super) fn ids(value: Value) -> Read<Vec<String>> {
    list(value, "a list of ids", id)
}

/// Texts that say something.
pub(super) fn words(value: Value) -> Read<Vec<String>> {
    list(value, "a list of texts", word)
}

/// A program and its arguments.
pub(super) fn command(value: Value) -> Read<Arc<[String]>> {
    let example = "a list of a program and its arguments, like [\"make\", \"test\"]";
    let words = list(value, example, text)?;
    match words.first() {
        None => Err("is empty".into()),
        Some(program) if program.is_empty() => Err("names no program".into()),
        Some(_) if words.iter().any(|word| word.contains('\0')) => Err("holds a zero byte".into()),
        Some(_) => Ok(words.into()),
    }
}

/// A whole number of either sign.
pub(super) fn integer(value: Value) -> Read<i64> {
    match value.as_i64() {
        Some(number) => Ok(number),
        None => not(&value, "a whole number"),
    }
}

/// How many times a task may be tried again.
pub(super) fn retries(value: Value) -> Read<u32> {
    let number = integer(value)?;
    let in_range = u32::try_from(number).ok().filter(|number| *number <= 1000);
    in_range.ok_or_else(|| format!("{number} is out of range (allowed: 0 to 1000)"))
}

/// Processors, in thousandths.
pub(super) fn cpu(value: Value) -> Read<u32> {
    let Value::Number(number) = &value else {
        return not(&value, "a number of processors");
    };
    match number.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range, and to be rounded"
        )]
        Some(cpus) if (0.0..=MOST_CPUS).contains(&cpus) => Ok((cpus * 1000.0).round() as u32),
        _ => Err(format!("{number} is out of range (allowed: 0 or more)")),
    }
}

/// Bytes; a plain number is in MB.
pub(super) fn memory(value: Value) -> Read<u64> {
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => return not(other, "a size like \"2G\", or a number of MB"),
    };
    parse::memory(&text).map_err(|wrong| format!("{} {wrong}", quoted(&text)))
}

/// A length of time, more than none; a plain number is in seconds.
pub(super) fn duration(value: Value) -> Read<Duration> {
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return not(other, "a duration like \"30m\", or seconds"),
    };
    match parse::duration(&text) {
        Ok(Duration::ZERO) => Err("is too short".into()),
        Ok(duration) => Ok(duration),
        Err(wrong) => Err(format!("{} {wrong}", quoted(&text))),
    }
}

/// A branch.
pub(super) fn branch(value: Value) -> Read<String> {
    let text = text(value)?;
    check_branch(&text).map_err(|wrong| format!("{} {wrong}", quoted(&text)))?;
    Ok(text)
}

/// What a slot starts from.
pub(super) fn base(value: Value) -> Read<Base> {
    let text = word(value)?;
    match text.as_str() {
        "deps" => Ok(Base::Deps),
        option if option.starts_with('-') => Err(format!("{} begins with '-'", quoted(option))),
        _ => Ok(Base::Ref(text.into())),
    }
}

/// After which ends of its dependencies a task runs.
pub(super) fn when(value: Value) -> Read<When> {
    match text(value)?.as_str() {
        "success" => Ok(When::Success),
        "always" => Ok(When::Always),
        other => Err(format!(
            "{} is not known (allowed: \"success\", \"always\")",
            quoted(other)
        )),
    }
}

/// Variables of the environment.
pub(super) fn variables(value: Value) -> Read<BTreeMap<String, String>> {
    let Value::Object(entries) = value else {
        return not(&value, "a table of texts");
    };
    let entries = entries.into_iter().map(|(name, value)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("{} is no name of a variable", quoted(&name)));
        }
        let value = text(value).map_err(|wrong| format!("{} {wrong}", quoted(&name)))?;
        match value.contains('\0') {
            true => Err(format!("{} holds a zero byte", quoted(&name))),
            false => Ok((name, value)),
        }
    });
    entries.collect()
}

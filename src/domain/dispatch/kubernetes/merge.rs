//! A person's template and what is set for each Job, put together.

use serde_json::{Map, Value};

/// `ours` on top of `template`: objects key by key; lists of objects with names by name, in the
/// template's order, what only we have behind it; of anything else, ours.
pub fn merged(template: Value, ours: Value) -> Value {
    match (template, ours) {
        (Value::Object(template), Value::Object(ours)) => Value::Object(objects(template, ours)),
        (Value::Array(template), Value::Array(ours)) if by_name(&template, &ours) => {
            Value::Array(lists(template, ours))
        }
        (template, Value::Null) => template,
        (_, ours) => ours,
    }
}

fn objects(mut template: Map<String, Value>, ours: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in ours {
        let under = template.get_mut(&key).map(Value::take);
        let value = merged(under.unwrap_or_default(), value);
        template.insert(key, value);
    }
    template
}

fn lists(mut template: Vec<Value>, ours: Vec<Value>) -> Vec<Value> {
    for value in ours {
        let there = template
            .iter_mut()
            .find(|entry| name(entry).is_some() && name(entry) == name(&value));
        match there {
            Some(entry) => *entry = merged(entry.take(), value),
            None => template.push(value),
        }
    }
    template
}

/// Whether these are lists of objects that names tell apart; of an empty one nothing is known.
fn by_name(template: &[Value], ours: &[Value]) -> bool {
    let mut all = template.iter().chain(ours);
    all.all(|entry| name(entry).is_some())
}

/// What tells an entry from the others of its list. A volume may be mounted at two places, and what
/// variables come from has its name inside.
fn name(entry: &Value) -> Option<&str> {
    let paths = [
        "/mountPath",
        "/name",
        "/secretRef/name",
        "/configMapRef/name",
    ];
    let mut names = paths.iter().map(|path| entry.pointer(path));
    names.find_map(|name| name?.as_str())
}
